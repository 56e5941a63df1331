//! Transformations keep the meaning: random programs on random packets, before and after.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use std::collections::BTreeSet;
use trisect_interp::{Interpreter, Outcome, Packet};
use trisect_ir::arbitrary::{Arrival, Choices, Shape, packets, program};
use trisect_ir::{Program, StdMeta, analysis, transform, verify};

fn entropy() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..3000)
}

/// Port and bytes of a packet that leaves, and some metadata by name.
type Visible = (Option<(u16, Vec<u8>)>, Vec<(String, String)>);

/// What can be seen of an outcome from outside, with the metadata that both programs know by name.
fn visible(program: &Program, outcome: &Outcome) -> Visible {
    let names = ["drop", "egress_port", "u3"];
    let metadata = names
        .iter()
        .filter_map(|name| program.meta_named(name).map(|m| (name, m)))
        .map(|(name, m)| ((*name).to_owned(), outcome.metadata()[m].to_string()));
    let sent = outcome
        .emitted()
        .map(|(port, bytes)| (port, bytes.to_vec()));
    (sent, metadata.collect())
}

fn same(before: &Program, after: &Program, arrivals: &[Arrival]) -> Result<(), TestCaseError> {
    if let Err(errors) = verify(after) {
        return Err(TestCaseError::fail(format!("{errors}\n{after}")));
    }
    let (mut a, mut b) = (Interpreter::new(before), Interpreter::new(after));
    for (i, arrival) in arrivals.iter().enumerate() {
        let packet = || Packet::new(arrival.port, arrival.time_ns, arrival.bytes.clone());
        let (x, y) = (a.run(packet()), b.run(packet()));
        prop_assert_eq!(
            visible(before, &x),
            visible(after, &y),
            "packet {} {:02x?}\n{}\n---- became\n{}",
            i,
            &arrival.bytes,
            before,
            after
        );
        let now = arrival.time_ns;
        prop_assert_eq!(
            a.state(now),
            b.state(now),
            "{}\n---- became\n{}",
            before,
            after
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn folding_keeps_the_meaning(bytes in entropy()) {
        let mut c = Choices::new(&bytes);
        let arrivals = packets(&mut c, 12);
        let before = program(&mut c, &Shape::default());
        let mut after = before.clone();
        transform::fold_constants(&mut after);
        same(&before, &after, &arrivals)?;
    }

    #[test]
    fn removing_dead_metadata_keeps_the_meaning(bytes in entropy()) {
        let mut c = Choices::new(&bytes);
        let arrivals = packets(&mut c, 12);
        let before = program(&mut c, &Shape::default());
        let mut after = before.clone();
        transform::remove_dead_metadata(&mut after, &BTreeSet::new());
        transform::remove_unused_metas(&mut after, &BTreeSet::new());
        same(&before, &after, &arrivals)?;
    }

    #[test]
    fn pruning_the_parser_keeps_the_meaning(bytes in entropy(), odd: bool) {
        let mut c = Choices::new(&bytes);
        let arrivals = packets(&mut c, 12);
        // Few nodes, so that something can be pruned.
        let shape = Shape { odd_parser: odd, max_nodes: 2, ..Shape::default() };
        let before = program(&mut c, &shape);
        let mut after = before.clone();
        transform::prune_parser(&mut after);
        same(&before, &after, &arrivals)?;
    }

    /// Imported code does what it did alone, and numbers its drop reasons from where it found them.
    #[test]
    fn importing_keeps_the_meaning(bytes in entropy()) {
        let mut c = Choices::new(&bytes);
        let arrivals = packets(&mut c, 12);
        let shape = Shape { meters: false, registers: false, ..Shape::default() };
        let alone = program(&mut c, &shape);
        let mut merged = Program::new("merged");
        let imported = transform::import(&mut merged, &alone, "nf").unwrap();
        merged.control.entry = Some(imported.entry);
        verify(&merged).unwrap();
        let (mut a, mut b) = (Interpreter::new(&alone), Interpreter::new(&merged));
        for arrival in &arrivals {
            let packet = || Packet::new(arrival.port, arrival.time_ns, arrival.bytes.clone());
            let (x, y) = (a.run(packet()), b.run(packet()));
            prop_assert_eq!(x.emitted(), y.emitted());
            let drop = StdMeta::Drop.id();
            prop_assert_eq!(&x.metadata()[drop], &y.metadata()[drop]);
        }
    }

    /// Where the headers are clean, deparsing and parsing again changes nothing that is live.
    #[test]
    fn a_reparse_at_a_clean_node_changes_nothing(bytes in entropy(), at: prop::sample::Index) {
        let mut c = Choices::new(&bytes);
        let arrivals = packets(&mut c, 12);
        let shape = Shape { odd_parser: false, ..Shape::default() };
        let before = program(&mut c, &shape);
        let node = trisect_ir::NodeId(at.index(before.control.nodes.len()) as u32);
        let clean = analysis::clean(&before);
        let live = analysis::liveness(&before);
        // What the parser assigns is assigned anew, so it must not be live with another value.
        let assigned = before.meta_named("node").unwrap();
        prop_assume!(clean.before[node].is_clean() && !live.before[node].metas.contains(&assigned));
        let mut after = before.clone();
        let old = after.control.nodes[node].clone();
        let moved = after.control.nodes.push(trisect_ir::Node { name: "moved".into(), ..old });
        after.control.nodes[node].kind = trisect_ir::NodeKind::Reparse(moved);
        same(&before, &after, &arrivals)?;
    }
}
