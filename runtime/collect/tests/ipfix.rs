//! Records as IPFIX: there and back, over TCP and UDP, and by way of another implementation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Cursor;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use netflow_parser::{NetflowPacket, NetflowParser};
use proptest::prelude::*;
use trisect_collect::ipfix::{Decoder, Encoder, MAX_MESSAGE, ReadError};
use trisect_collect::transport;
use trisect_ir::state::{State, Touched};
use trisect_sample::{Algorithm, Found, HashRange, Lookup, Point, Record, SampleSpec, Used, Work};

fn work() -> impl Strategy<Value = Work> {
    let lookup =
        ("[a-z.]{1,12}", any::<u32>(), "[a-z_]{1,8}").prop_map(|(table, n, action)| Lookup {
            table,
            key: format!("32w{n}"),
            found: match n % 3 {
                0 => Found::Miss,
                1 => Found::Flow,
                _ => Found::Entry(n),
            },
            action,
        });
    let lookups = prop::collection::vec(lookup, 0..5);
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>());
    (lookups, "[a-z ]{0,300}", numbers, 0u64..3).prop_map(
        |(lookups, reason, (cycles, bytes, memory), draws)| {
            let mut after = State::default();
            if draws > 0 {
                after.draws.insert("random".into(), draws);
            }
            Work {
                reason,
                lookups,
                state: Touched {
                    after,
                    ..Touched::default()
                },
                used: Used {
                    cycles,
                    bytes,
                    memory,
                },
            }
        },
    )
}

fn record() -> impl Strategy<Value = Record> {
    // Times that NTP can say: to 2106.
    let time = 0u64..u64::from(u32::MAX) * 1_000_000_000;
    let bytes = prop::collection::vec(any::<u8>(), 0..400);
    let numbers = (
        any::<u64>(),
        any::<u64>(),
        any::<u64>(),
        any::<u32>(),
        any::<u32>(),
    );
    let options = (prop::option::of(any::<u64>()), prop::option::of(work()));
    let place = ("[a-z0-9.]{1,10}", 0..3, any::<u16>());
    (place, time, bytes, numbers, options).prop_map(
        |(
            (element, point, port),
            time_ns,
            packet,
            (id, visit, digest, mark, meta),
            (tag, work),
        )| Record {
            id,
            element,
            visit,
            point: [Point::In, Point::Out, Point::Drop][point as usize],
            port,
            time_ns,
            len: packet.len() as u32 + 7,
            digest,
            mark,
            meta,
            tag,
            packet,
            work: work.map(Box::new),
        },
    )
}

fn spec() -> SampleSpec {
    SampleSpec::new(1, HashRange::one_in(100), vec![]).with_hash(Algorithm::Bob)
}

fn decode(messages: &[Vec<u8>]) -> Vec<Record> {
    let mut decoder = Decoder::default();
    let records = messages.iter().flat_map(|m| decoder.message(m).unwrap());
    let records = records.collect();
    assert_eq!((decoder.unknown_sets, decoder.lost_records), (0, 0));
    records
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn records_read_back(records in prop::collection::vec(record(), 0..30), most in 4000usize..70_000) {
        let messages = Encoder::new(5, &spec()).messages(1_700_000_000, &records, most).unwrap();
        prop_assert!(messages.iter().all(|m| m.len() <= most));
        prop_assert_eq!(decode(&messages), records);
    }

    /// Another implementation reads our messages; what it writes of them, we read.
    #[test]
    fn another_implementation_agrees(records in prop::collection::vec(record(), 1..20)) {
        let messages = Encoder::new(5, &spec()).messages(1_700_000_000, &records, 20_000).unwrap();
        let mut theirs = NetflowParser::default();
        let mut again = Vec::new();
        for message in &messages {
            let read = theirs.parse_bytes(message);
            prop_assert!(read.error.is_none(), "{:?}", read.error);
            for packet in read.packets {
                let NetflowPacket::IPFix(message) = packet else {
                    panic!("not IPFIX");
                };
                again.push(message.to_be_bytes().unwrap());
            }
        }
        prop_assert_eq!(decode(&again), records);
    }

    #[test]
    fn no_bytes_make_it_panic(mut message in prop::collection::vec(any::<u8>(), 0..200),
                              records in prop::collection::vec(record(), 1..3),
                              at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let _ = Decoder::default().message(&message);
        message = Encoder::new(5, &spec()).messages(0, &records, MAX_MESSAGE).unwrap().remove(0);
        let place = at.index(message.len());
        message[place] = with;
        let _ = Decoder::default().message(&message);
        message.truncate(place);
        prop_assert!(Decoder::default().message(&message).is_err());
    }
}

fn some_records(n: u64) -> Vec<Record> {
    let one = |i: u64| Record {
        id: i,
        element: "tor".into(),
        visit: i,
        point: Point::Out,
        port: 1,
        time_ns: 1_700_000_000_000_000_000 + i,
        len: 60,
        digest: i * i,
        mark: 0,
        meta: 0,
        tag: None,
        packet: vec![i as u8; 60],
        work: None,
    };
    (0..n).map(one).collect()
}

#[test]
fn over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let records = some_records(5000);
    let messages = Encoder::new(1, &spec())
        .messages(0, &records, MAX_MESSAGE)
        .unwrap();
    assert!(messages.len() > 5);
    let sender = std::thread::spawn(move || {
        transport::send_stream(&mut TcpStream::connect(address).unwrap(), &messages).unwrap();
    });
    let (mut stream, _) = listener.accept().unwrap();
    let (mut decoder, mut got) = (Decoder::default(), Vec::new());
    transport::receive_stream(&mut stream, &mut decoder, |some| got.extend(some)).unwrap();
    sender.join().unwrap();
    assert_eq!(got, records);
}

#[test]
fn over_udp_some_may_be_lost_and_come_in_any_order() {
    let (from, to) = (
        UdpSocket::bind("127.0.0.1:0").unwrap(),
        UdpSocket::bind("127.0.0.1:0").unwrap(),
    );
    to.set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let records = some_records(40);
    let mut messages = Encoder::new(1, &spec())
        .messages(0, &records, 1400)
        .unwrap();
    let count = messages.len();
    assert!(count > 3);
    let lost = decode(&messages[1..2]).len();
    messages.remove(1);
    messages.swap(0, 1);
    messages.push(b"no IPFIX".to_vec());
    transport::send_datagrams(&from, to.local_addr().unwrap(), &messages).unwrap();
    let (mut decoder, mut got, mut bad) = (Decoder::default(), Vec::new(), Vec::new());
    transport::receive_datagrams(&to, &mut decoder, |s| got.extend(s), |e| bad.push(e)).unwrap();
    got.sort_by_key(|r| r.id);
    assert_eq!(got.len(), records.len() - lost);
    assert!(got.iter().all(|r| records.contains(r)));
    assert!(matches!(bad[..], [ReadError::Cut { .. }]), "{bad:?}");
}

#[test]
fn lost_messages_are_counted() {
    let messages = Encoder::new(1, &spec())
        .messages(0, &some_records(60), 1400)
        .unwrap();
    let mut decoder = Decoder::default();
    decoder.message(&messages[0]).unwrap();
    decoder.message(&messages[2]).unwrap();
    let lost = decode(&messages[1..2]).len() as u64;
    // The two records of options in every message count, too.
    assert_eq!(decoder.lost_records, lost + 2);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut record = some_records(1).remove(0);
    record.packet = vec![0; 70_000];
    let error = Encoder::new(1, &spec())
        .messages(0, &[record], MAX_MESSAGE)
        .unwrap_err();
    assert!(
        error.to_string().starts_with("a record of tor takes"),
        "{error}"
    );
}

#[test]
fn a_stream_that_ends_too_early_is_an_error() {
    let messages = Encoder::new(1, &spec())
        .messages(0, &some_records(3), 1400)
        .unwrap();
    let mut stream = Cursor::new(&messages[0][..messages[0].len() - 1]);
    let result = transport::receive_stream(&mut stream, &mut Decoder::default(), |_| ());
    assert!(result.is_err());
    let mut stream = Cursor::new(b"GET / HTTP/1.1");
    let error = transport::receive_stream(&mut stream, &mut Decoder::default(), |_| ());
    assert_eq!(
        error.unwrap_err().to_string(),
        "version 18245 is not IPFIX, which is 10"
    );
}
