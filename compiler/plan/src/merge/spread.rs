//! Spreading packets over the instances of an NF.

use super::Assembly;
use std::collections::BTreeMap;
use trisect_ir::{BinOp, Expr, HashAlgorithm, LValue, NodeId, NodeKind, Op, Program, StdMeta};
use trisect_policy::nf::Affinity;

/// Metadata that holds the hash while packets are spread.
pub(super) const HASH: &str = "spread";

/// What must be equal for two packets to meet the same instance. Without a constraint packets are
/// still spread by flow, so that flows keep their order.
fn key(program: &Program, affinity: Affinity) -> Vec<Expr> {
    let field = |header: &str, name: &str| {
        program
            .field_named(header, name)
            .map(|f| Expr::field(f.header, f.field))
    };
    let pair = |header: &str, a: &str, b: &str, symmetric: bool| -> Vec<Expr> {
        match (field(header, a), field(header, b)) {
            (Some(a), Some(b)) if symmetric => vec![Expr::binary(BinOp::Xor, a, b)],
            (a, b) => a.into_iter().chain(b).collect(),
        }
    };
    let one = |name: &str| -> Vec<Expr> {
        ["ipv4", "ipv6"]
            .iter()
            .filter_map(|h| field(h, name))
            .collect()
    };
    match affinity {
        Affinity::Port => vec![StdMeta::IngressPort.get()],
        Affinity::Src => one("src"),
        Affinity::Dst => one("dst"),
        Affinity::None | Affinity::Flow | Affinity::SymmetricFlow => {
            let symmetric = affinity == Affinity::SymmetricFlow;
            let mut parts = pair("ipv4", "src", "dst", symmetric);
            parts.extend(pair("ipv6", "src", "dst", symmetric));
            parts.extend(field("ipv4", "protocol"));
            parts.extend(field("ipv6", "next_header"));
            parts.extend(pair("tcp", "src_port", "dst_port", symmetric));
            parts.extend(pair("udp", "src_port", "dst_port", symmetric));
            parts
        }
    }
}

impl Assembly<'_, '_> {
    /// The way to an NF: to its only instance, to the one that keeps an earlier split, or by hash.
    pub(super) fn spread(
        &mut self,
        name: &str,
        near: Option<usize>,
        nf: usize,
        keep: Option<usize>,
        entries: &BTreeMap<usize, NodeId>,
    ) -> NodeId {
        let merger = self.merger;
        let instances = &merger.sources.instances.of_nf[nf];
        let entry = |i: usize| entries.get(&i).copied();
        let drop = self.drop;
        if let Some(kept) = keep.and_then(|k| instances.get(k)) {
            return entry(*kept).unwrap_or(drop);
        }
        let (Some((last, others)), Some(hash)) =
            (instances.split_last(), merger.program.meta_named(HASH))
        else {
            return instances.first().and_then(|i| entry(*i)).unwrap_or(drop);
        };
        let mut next = entry(*last).unwrap_or(drop);
        if others.is_empty() {
            return next;
        }
        let count = instances.len() as u64;
        for (k, instance) in others.iter().enumerate().rev() {
            // The hash's low 16 bits are below k + 1 parts of `count`.
            let bound = (1 << 16) * (k as u64 + 1) / count;
            let low = Expr::Slice(Box::new(Expr::Meta(hash)), 15, 0);
            let cond = Expr::binary(BinOp::Lt, low, Expr::num(16, bound));
            let target = entry(*instance).unwrap_or(drop);
            let part = 1.0 / (count - k as u64) as f64;
            next = self.branch(
                &format!("{name}.to{}", k + 1),
                near,
                cond,
                (target, part),
                next,
            );
        }
        let key = key(&merger.program, merger.sources.graph.nfs[nf].affinity);
        let ops = vec![Op::Set(
            LValue::meta(hash),
            Expr::Hash(HashAlgorithm::Crc32, key),
        )];
        self.add(&format!("{name}.hash"), near, NodeKind::Exec(ops, next))
    }
}
