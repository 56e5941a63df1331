//! The collector on made-up records: in any order, with loss, duplicates and wrong clocks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Instant;

use trisect_collect::{Collector, Joined};
use trisect_sample::{Elements, Observation, Point, Topology};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }
}

fn mix(n: u64) -> u64 {
    let z = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const NAMES: [&str; 3] = ["tor", "s1.nic", "s1"];
/// Nanoseconds by which the clocks are ahead.
const AHEAD: [i64; 3] = [0, 7_000_000, -3_000_000];

fn topology(_: &Elements) -> Topology {
    Topology {
        links: [(0, 1), (1, 2), (2, 0)].into(),
        inside: [(0, 9), (1, 0), (2, 0)].into(),
    }
}

/// The observations of packet `n`: every third is dropped at the host, the others come back.
fn way(n: u64, random: &mut Random, mut give: impl FnMut(Observation)) {
    let id = mix(n);
    let mut t = 1_000_000_000 + n as i64 * 1000;
    let mut see = |element: u16, visit: u64, point: Point, t: i64, digest: u64| {
        // Port 9 of the switch leads to the server, port 1 out of the rack.
        let port = match (element, point, visit % 2) {
            (0, Point::Out, 0) | (0, Point::In, 1) => 9,
            (0, ..) => 1,
            _ => 0,
        };
        give(Observation {
            id,
            visit,
            time_ns: (t + AHEAD[usize::from(element)]) as u64,
            digest,
            len: 100,
            element,
            port,
            point,
        });
    };
    let mut delay = |least: i64| least + (random.next() % 500) as i64;
    see(0, 2 * n, Point::In, t, id);
    t += 450;
    see(0, 2 * n, Point::Out, t, id + 1);
    t += delay(900);
    see(1, n, Point::In, t, id + 1);
    t += 300;
    see(1, n, Point::Out, t, id + 1);
    t += delay(450);
    see(2, n, Point::In, t, id + 1);
    t += delay(1000);
    if n.is_multiple_of(3) {
        return see(2, n, Point::Drop, t, id + 1);
    }
    see(2, n, Point::Out, t, id + 2);
    t += delay(1650);
    see(0, 2 * n + 1, Point::In, t, id + 2);
    see(0, 2 * n + 1, Point::Out, t + 450, id + 3);
}

fn collect(observations: impl IntoIterator<Item = Observation>, parts: usize) -> Joined {
    let dir = tempfile::tempdir().unwrap();
    let mut collector = Collector::new(dir.path(), parts).unwrap();
    for name in NAMES {
        collector.element(name).unwrap();
    }
    for observation in observations {
        collector.push(&observation).unwrap();
    }
    let joined = collector.join(topology, |_, _| ()).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    joined
}

fn all(packets: u64) -> Vec<Observation> {
    let (mut random, mut all) = (Random(1), Vec::new());
    for n in 0..packets {
        way(n, &mut random, |o| all.push(o));
    }
    all
}

fn shuffle(all: &mut [Observation]) {
    let mut random = Random(2);
    for i in (1..all.len()).rev() {
        all.swap(i, (random.next() % (i as u64 + 1)) as usize);
    }
}

#[test]
fn every_trajectory_is_rebuilt_whatever_the_order_and_the_clocks() {
    let mut observations = all(3000);
    let in_order = collect(observations.clone(), 8);
    assert_eq!(
        (in_order.counts.trajectories, in_order.counts.whole),
        (3000, 3000)
    );
    let paths: Vec<(&str, u64)> = in_order
        .paths
        .iter()
        .map(|p| (p.path.as_str(), p.packets))
        .collect();
    assert_eq!(
        paths,
        [
            ("tor > s1.nic > s1 > tor", 2000),
            ("tor > s1.nic > s1 (dropped)", 1000)
        ]
    );
    for (element, ahead) in (0u16..).zip(AHEAD).skip(1) {
        let found = in_order.clocks.offset(0, element).unwrap();
        assert!(
            (found.offset_ns - ahead).abs() <= found.error_ns,
            "{found:?}"
        );
        assert!(found.error_ns <= 1510, "{found:?}");
    }
    // From the switch to the drop at the host, over two clocks 3 ms apart.
    assert!(
        (2900..6000).contains(&in_order.paths[1].mean_ns),
        "{:?}",
        in_order.paths
    );
    let doubled: Vec<Observation> = observations.iter().step_by(5).copied().collect();
    observations.extend(&doubled);
    shuffle(&mut observations);
    let shuffled = collect(observations, 3);
    assert_eq!(shuffled.counts.duplicates, doubled.len() as u64);
    assert_eq!(
        (shuffled.paths, shuffled.clocks),
        (in_order.paths, in_order.clocks)
    );
}

#[test]
fn loss_leaves_pieces_of_one_trajectory() {
    let mut random = Random(3);
    let kept: Vec<Observation> = all(3000)
        .into_iter()
        .filter(|_| random.next() % 100 >= 2)
        .collect();
    let joined = collect(kept, 8);
    assert_eq!(joined.counts.trajectories, 3000);
    // 2 % of the records are lost, 6 or 8 of each trajectory.
    assert!(
        (2500..2750).contains(&joined.counts.whole),
        "{:?}",
        joined.counts
    );
}

/// `cargo test --release -p trisect-collect --test collector -- --ignored --nocapture`
#[test]
#[ignore = "writes 2 GB of temporary files and takes a minute"]
fn fifty_million_records() {
    let dir = tempfile::tempdir().unwrap();
    let mut collector = Collector::new(dir.path(), 64).unwrap();
    for name in NAMES {
        collector.element(name).unwrap();
    }
    let (mut random, mut pushed, mut n) = (Random(1), 0u64, 0);
    let start = Instant::now();
    while pushed < 50_000_000 {
        way(n, &mut random, |o| {
            collector.push(&o).unwrap();
            pushed += 1;
        });
        n += 1;
    }
    let taken = start.elapsed();
    let joined = collector.join(topology, |_, _| ()).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!((joined.counts.trajectories, joined.counts.whole), (n, n));
    println!(
        "{pushed} records of {n} packets: taken in {:.1} s, joined in {:.1} s, {:.2} million a second; peak memory {} MB",
        taken.as_secs_f64(),
        seconds - taken.as_secs_f64(),
        pushed as f64 / seconds / 1e6,
        peak_mb()
    );
}

/// The most memory that this process has had, in megabytes; 0 where the system does not say.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kb = line.and_then(|l| l.trim().split(' ').next()?.parse::<u64>().ok());
    kb.unwrap_or(0) / 1024
}
