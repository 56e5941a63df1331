//! A packet runs again from the part of the state that it touched, on random programs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use trisect_interp::{Interpreter, Packet};
use trisect_ir::arbitrary::{Choices, Shape, packets, program};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_packet_replays_from_what_it_touched(bytes in prop::collection::vec(any::<u8>(), 500..3000)) {
        let mut c = Choices::new(&bytes);
        let arrivals = packets(&mut c, 15);
        let program = program(&mut c, &Shape::default());
        let (mut device, mut auditor) = (Interpreter::new(&program), Interpreter::new(&program));
        for a in arrivals {
            let packet = Packet::new(a.port, a.time_ns, a.bytes);
            let (outcome, trace) = device.run_traced(packet.clone());
            let (again, way) = auditor.replay(packet, &trace.touched).unwrap();
            prop_assert_eq!(&outcome, &again);
            prop_assert_eq!(&trace, &way, "{}", program);
        }
    }
}
