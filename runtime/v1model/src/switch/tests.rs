//! Every way of a packet, on both engines.

use super::*;
use std::collections::BTreeMap;
use trisect_ir::state::Cell;

/// The program with its bridge.
fn compiled() -> CompiledV1 {
    let program =
        trisect_ir::text::read("bridged.tri", include_str!("bridged.tri")).expect("a program");
    let header = program.header_named("bridge").expect("a bridge");
    let ty = program.header_type(header);
    let field = |name: &str| ty.field(name).expect("a field");
    let roles = [
        (Role::Step, "step"),
        (Role::EgressSpec, "spec"),
        (Role::EgressPort, "port"),
        (Role::IngressPort, "from"),
        (Role::InstanceType, "kind"),
        (Role::PacketLength, "length"),
        (Role::CountedLength, "counted"),
        (Role::McastGrp, "group"),
        (Role::EgressRid, "rid"),
        (Role::CloneSession, "clone"),
        (Role::CloneFieldList, "clone_list"),
        (Role::Resubmit, "resubmit"),
        (Role::Recirculate, "recirculate"),
        (Role::Truncate, "truncate"),
        (Role::IngressTimestamp, "ingress_us"),
        (Role::EgressTimestamp, "egress_us"),
    ];
    let bridge = Bridge {
        header,
        roles: roles.map(|(role, name)| (role, field(name))).into(),
        metadata: vec![field("m"), field("k")],
        field_lists: BTreeMap::from([(1, vec![field("m")]), (2, vec![field("m"), field("from")])]),
    };
    CompiledV1 {
        program,
        bridge: Some(bridge),
        value_sets: Default::default(),
    }
}

/// What both engines send for a packet on port 3, each as port and bytes. Lists are given plus one.
fn sends(set_up: fn(&mut Replication), frame: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let run = |kind| {
        let mut switch = Switch::new(&compiled(), kind).expect("a switch");
        set_up(&mut switch.replication);
        let sent = switch.process(3, 5_000_000, frame).expect("no fault");
        let sent: Vec<_> = sent.into_iter().map(|s| (s.port, s.bytes)).collect();
        (sent, switch.state())
    };
    let (interpreted, compiled) = (run(EngineKind::Interpreter), run(EngineKind::Jit));
    assert_eq!(interpreted, compiled, "engines differ");
    interpreted.0
}

fn none(_: &mut Replication) {}

/// What egress saw: kind, m, k, rid, from, length, port, and whether its time was later than that of
/// ingress; then the frame.
fn shown(show: [u8; 8], frame: &[u8]) -> Vec<u8> {
    [&show, frame].concat()
}

#[test]
fn a_unicast_packet_is_sent_with_its_metadata() {
    let sent = sends(none, &[1, 9, 0, 0, 0xab]);
    assert_eq!(
        sent,
        [(9, shown([0, 0, 0, 0, 3, 5, 9, 0], &[1, 9, 0, 0, 0xab]))]
    );
}

#[test]
fn port_511_drops_after_ingress_and_after_egress() {
    assert_eq!(sends(none, &[2, 9, 0, 0]), []);
    assert_eq!(sends(none, &[9, 9, 0, 0]), []);
}

#[test]
fn a_packet_that_is_not_parsed_still_goes_its_way() {
    assert_eq!(
        sends(none, &[1, 9]),
        [(0, shown([0, 0, 0, 0, 3, 2, 0, 0], &[1, 9]))]
    );
    assert_eq!(
        sends(none, &[]),
        [(0, shown([0, 0, 0, 0, 3, 0, 0, 0], &[]))]
    );
}

#[test]
fn a_group_gets_a_copy_per_port_of_its_nodes() {
    let sent = sends(
        |r| {
            r.create_group(7).unwrap();
            let far = r.create_node(2, [8, 6]) as u64;
            let near = r.create_node(1, [6]) as u64;
            r.associate(7, near).unwrap();
            r.associate(7, far).unwrap();
        },
        &[3, 7, 0, 0],
    );
    let copy = |rid, port| shown([5, 0, 0, rid, 3, 4, port, 0], &[3, 7, 0, 0]);
    assert_eq!(sent, [(6, copy(1, 6)), (6, copy(2, 6)), (8, copy(2, 8))]);
    assert_eq!(
        sends(none, &[3, 7, 0, 0]),
        [],
        "a group that does not exist"
    );
}

#[test]
fn an_ingress_clone_is_the_packet_as_it_came_with_the_field_list() {
    let session = |r: &mut Replication| r.set_session(5, Session::Port(4));
    // List 1 keeps m, list 2 the port, too. The clone has no time of ingress.
    for (list, m, from) in [(0, 0, 0), (2, 0x77, 0), (3, 0x77, 3), (9, 0, 0)] {
        let sent = sends(session, &[4, 9, 5, list]);
        let clone = shown([1, m, 0, 0, from, 4, 4, 1], &[4, 9, 5, list]);
        let original = shown([0, 0x77, 0x88, 0, 3, 4, 9, 0], &[4, 9, 0xee, list]);
        assert_eq!(sent, [(4, clone), (9, original)], "list {list}");
    }
    assert_eq!(
        sends(session, &[4, 9, 6, 0]).len(),
        1,
        "a session that is not set up"
    );
}

#[test]
fn a_mirror_session_may_be_a_group() {
    let sent = sends(
        |r| {
            r.create_group(1).unwrap();
            let node = r.create_node(9, [1, 2]) as u64;
            r.associate(1, node).unwrap();
            r.set_session(0, Session::Group(1));
        },
        &[4, 9, 0, 0],
    );
    let ports: Vec<u16> = sent.iter().map(|(port, _)| *port).collect();
    assert_eq!(ports, [1, 2, 9]);
    assert_eq!(sent[0].1, shown([1, 0, 0, 9, 0, 4, 1, 1], &[4, 9, 0, 0]));
}

#[test]
fn an_egress_clone_is_the_packet_as_egress_left_it() {
    let session = |r: &mut Replication| r.set_session(5, Session::Port(4));
    let sent = sends(session, &[6, 9, 5, 2, 0xab]);
    // Egress put the header in front of the original; the clone has it, and egress sets it again.
    let original = shown([0, 0x66, 0x55, 0, 3, 5, 9, 0], &[6, 9, 5, 0xcc, 0xab]);
    let clone = shown([2, 0x66, 0, 0, 0, 13, 4, 1], &[6, 9, 5, 0xcc, 0xab]);
    assert_eq!(sent, [(9, original), (4, clone)]);
}

#[test]
fn a_resubmitted_packet_starts_again_as_it_came() {
    for (list, m) in [(1, 0x11), (2, 0x22)] {
        let sent = sends(none, &[5, 9, list, 0]);
        // What ingress did to the frame the first time is lost, metadata off the list, too.
        let again = shown([0, m, 0x11, 0, 0, 4, 9, 1], &[5, 9, list, 1]);
        assert_eq!(sent, [(9, again)], "list {list}");
    }
}

#[test]
fn a_recirculated_packet_keeps_its_list_and_counts() {
    let mut switch = Switch::new(&compiled(), EngineKind::Jit).expect("a switch");
    let sent = switch.process(3, 0, &[7, 9, 0, 0]).expect("no fault");
    let out = shown([0, 3, 0, 0, 0, 4, 9, 0], &[7, 9, 0, 0]);
    assert_eq!(
        sent,
        [Sent {
            port: 9,
            bytes: out
        }]
    );
    let state = switch.state();
    let count = state.counters["seen"][&Cell::Index(7)];
    assert_eq!((count.packets, count.bytes), (3, 12));
    assert_eq!(sends(none, &[7, 9, 0, 0]).len(), 1);
}

#[test]
fn the_least_truncation_holds_when_the_packet_is_sent() {
    // 4 bytes after ingress, then what egress says minus one.
    assert_eq!(sends(none, &[8, 9, 0, 0, 1, 2])[0].1.len(), 4);
    assert_eq!(sends(none, &[8, 9, 3, 0, 1, 2])[0].1, [0, 0]);
    assert_eq!(sends(none, &[8, 9, 9, 0, 1, 2])[0].1.len(), 4);
}

#[test]
fn what_ingress_asks_of_recirculation_holds_for_unicast() {
    // The packet is recirculated each time, so that it never leaves.
    let mut switch = Switch::new(&compiled(), EngineKind::Jit).expect("a switch");
    let fault = switch.process(3, 0, &[12, 9, 0, 0]).expect_err("a loop");
    assert!(matches!(fault, SwitchError::Loop), "{fault}");
}

#[test]
fn a_loop_is_an_error_and_the_switch_goes_on() {
    for kind in [EngineKind::Interpreter, EngineKind::Jit] {
        let mut switch = Switch::new(&compiled(), kind).expect("a switch");
        let fault = switch.process(3, 0, &[10, 9, 0, 0]).expect_err("a loop");
        assert!(matches!(fault, SwitchError::Loop), "{fault}");
        assert_eq!(
            switch.process(3, 0, &[1, 9, 0, 0]).expect("no fault").len(),
            1
        );
    }
    // A clone of every clone to a whole group.
    let mut switch = Switch::new(&compiled(), EngineKind::Jit).expect("a switch");
    switch.replication.create_group(1).unwrap();
    let node = switch.replication.create_node(0, 0..510) as u64;
    switch.replication.associate(1, node).unwrap();
    switch.replication.set_session(1, Session::Group(1));
    let fault = switch.process(3, 0, &[11, 9, 0, 0]).expect_err("a loop");
    assert!(matches!(fault, SwitchError::Loop), "{fault}");
}

#[test]
fn a_program_without_bridge_is_one_pass() {
    let mut compiled = compiled();
    compiled.bridge = None;
    let mut switch = Switch::new(&compiled, EngineKind::Interpreter).expect("a switch");
    // The bridge is then a header like others.
    let frame = [vec![0; 46], vec![1, 9, 0, 0]].concat();
    let sent = switch.process(3, 0, &frame).expect("no fault");
    assert_eq!(sent[0].port, 0);
    assert_eq!(sent[0].bytes.len(), frame.len());
}

#[test]
fn a_bridge_that_does_not_fit_is_refused() {
    let mut compiled = compiled();
    compiled.program.deparser.reverse();
    let fault = Switch::new(&compiled, EngineKind::Jit).expect_err("no bridge first");
    assert!(matches!(fault, SwitchError::Bridge(BridgeError::NotFirst)));
}

#[test]
fn a_pass_that_loses_its_packet_is_a_fault() {
    let mut compiled = compiled();
    for node in compiled.program.control.nodes.values_mut() {
        if node.kind == trisect_ir::NodeKind::Emit {
            node.kind = trisect_ir::NodeKind::Drop;
        }
    }
    let mut switch = Switch::new(&compiled, EngineKind::Interpreter).expect("a switch");
    let fault = switch.process(3, 0, &[1, 9, 0, 0]).expect_err("a fault");
    assert!(matches!(fault, SwitchError::Lost(0)), "{fault}");
}
