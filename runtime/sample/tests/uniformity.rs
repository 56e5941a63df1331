//! Is one packet in N sampled, whatever the packets look like? Pearson's chi-squared test of the numbers that select,
//! by their highest byte, over inputs as real traffic has them, as scanners and generators make them, and as somebody
//! makes them who knows the hash. `cargo test -p trisect-sample --test uniformity -- --nocapture` prints the book's table.

use trisect_sample::{Algorithm, HashRange, KeyedHash, SampleSpec, selected_by, symmetric_key};

/// Inputs of a suite.
const INPUTS: u32 = 16_384;
/// Keys that each is hashed with.
const KEYS: u64 = 20;
/// With 255 degrees of freedom, a uniform hash exceeds it once in a thousand times (chi-squared table).
const CRITICAL: f64 = 330.5;
/// Where the mean of so many statistics of a uniform hash lies: 255 and four times its standard deviation, which is
/// (2 * 255 / 20)^(1/2).
const MEANS: std::ops::Range<f64> = 234.8..275.2;

/// Source and destination address, ports, protocol, IP identification and length, TCP sequence number: 21 bytes.
#[derive(Clone, Copy)]
struct Fields {
    src: u32,
    dst: u32,
    ports: (u16, u16),
    id: u16,
    length: u16,
    seq: u32,
}

const FIXED: Fields = Fields {
    src: 0x0a00_0001,
    dst: 0xc000_0201,
    ports: (40_000, 443),
    id: 0x1234,
    length: 1500,
    seq: 0x0102_0304,
};

impl Fields {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(21);
        bytes.extend(self.src.to_be_bytes());
        bytes.extend(self.dst.to_be_bytes());
        bytes.extend(self.ports.0.to_be_bytes());
        bytes.extend(self.ports.1.to_be_bytes());
        bytes.push(6);
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(self.length.to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes
    }
}

/// SplitMix64 of a number.
fn random(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Clients of a few networks, few servers, sizes of two kinds, counters that go on.
fn traffic(i: u32) -> Fields {
    const SERVERS: [u32; 4] = [0xc000_0201, 0xc633_6407, 0xcb00_7109, 0xcb00_710a];
    let packet = random(u64::from(i));
    let flow = random(1 + (packet >> 40) % 700);
    Fields {
        src: 0x0a00_0000 + (flow as u32 & 0x0003_00ff),
        dst: SERVERS[(flow >> 20) as usize % SERVERS.len()],
        ports: (32_768 + (flow >> 32) as u16 % 28_232, 443),
        id: ((flow >> 48) as u16).wrapping_add(i as u16),
        length: if packet & 3 == 0 { 52 } else { 1500 },
        seq: ((flow >> 16) as u32).wrapping_add(i * 1448),
    }
}

/// What makes the inputs of a suite.
type Suite = fn(u32) -> Vec<u8>;

const SUITES: [(&str, Suite); 8] = [
    ("traffic", |i| traffic(i).bytes()),
    ("sequential sources", |i| {
        let src = 0x0a00_0000 + i;
        Fields { src, ..FIXED }.bytes()
    }),
    ("128 sources x 128 ports", |i| {
        let src = 0x0a00_0000 + (i & 127);
        let ports = (1024 + (i >> 7) as u16, 443);
        Fields {
            src,
            ports,
            ..FIXED
        }
        .bytes()
    }),
    ("scan of ports", |i| {
        let ports = (40_000, i as u16);
        Fields { ports, ..FIXED }.bytes()
    }),
    ("one flow, IP id counts", |i| {
        Fields {
            id: i as u16,
            ..FIXED
        }
        .bytes()
    }),
    ("one flow, sequence numbers", |i| {
        Fields {
            seq: i * 1448,
            ..FIXED
        }
        .bytes()
    }),
    ("source = destination", mirrored),
    ("multiples of CRC-32", crc_multiples),
];

/// What a symmetric key takes for nothing: the same in source and destination.
fn mirrored(i: u32) -> Vec<u8> {
    let host = 0x0a00_0000 + i;
    let ends = Fields {
        src: host,
        dst: host,
        ports: (7, 7),
        ..FIXED
    };
    ends.bytes()
}

/// Inputs that differ by multiples of CRC-32's polynomial.
fn crc_multiples(i: u32) -> Vec<u8> {
    // The first bit of the stream is the lowest of the first byte, and the coefficient of the highest power.
    let polynomial = 1 | u128::from(0xedb8_8320_u32) << 1;
    let bits = (0..14).filter(|bit| i >> bit & 1 == 1);
    let multiple = bits.fold(0, |sum, bit| sum ^ polynomial << bit);
    let mut bytes = FIXED.bytes();
    bytes
        .iter_mut()
        .zip(multiple.to_le_bytes())
        .for_each(|(to, byte)| *to ^= byte);
    bytes
}

/// The statistic of a suite under a key.
fn statistic(algorithm: Algorithm, key: &[u8], suite: Suite) -> f64 {
    let hash = KeyedHash::new(algorithm, key);
    let mut buckets = [0u32; 256];
    for i in 0..INPUTS {
        let selected = selected_by(algorithm, hash.hash(&suite(i)));
        buckets[(selected >> 24) as usize] += 1;
    }
    let expected = f64::from(INPUTS) / 256.0;
    let square = |n: &u32| (f64::from(*n) - expected).powi(2) / expected;
    buckets.iter().map(square).sum()
}

/// The statistics under several keys: their least, mean and greatest.
fn under_keys(algorithm: Algorithm, suite: Suite) -> [f64; 3] {
    let key = |seed| SampleSpec::new(seed, HashRange::ALL, Vec::new()).key;
    let all = (0..KEYS).map(|seed| statistic(algorithm, &key(seed), suite));
    let mut all: Vec<f64> = all.collect();
    all.sort_by(f64::total_cmp);
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    [all[0], mean, all[all.len() - 1]]
}

#[test]
fn what_is_sampled_is_a_fair_sample() {
    print!("{:<28}", "");
    Algorithm::ALL.iter().for_each(|a| print!(" {a:>20}"));
    println!();
    for (name, suite) in SUITES {
        print!("{name:<28}");
        for algorithm in Algorithm::ALL {
            let [least, mean, most] = under_keys(algorithm, suite);
            print!(" {:>20}", format!("{least:.0}, {mean:.0}, {most:.0}"));
            // Linear hashes spread what is structured by its rank, not by chance.
            let linear = matches!(algorithm, Algorithm::Toeplitz | Algorithm::Crc32);
            let fair = match algorithm {
                // It has no key: all statistics are the same.
                Algorithm::Crc32 => mean < CRITICAL,
                _ => MEANS.contains(&mean) && most < CRITICAL,
            };
            assert!(
                fair || linear && name != "traffic",
                "{algorithm}, {name}: {mean:.0}"
            );
        }
        println!();
    }
}

/// The failures that the book names.
#[test]
fn linear_hashes_fail_where_that_is_said() {
    let one_bucket = f64::from(INPUTS) * 255.0;
    assert_eq!(statistic(Algorithm::Crc32, &[], crc_multiples), one_bucket);
    let symmetric = symmetric_key(0x6d5a, 40);
    assert_eq!(
        statistic(Algorithm::Toeplitz, &symmetric, mirrored),
        one_bucket
    );
}
