//! The control graph.

use super::Build;
use super::expr::{Place, Scope};
use crate::facts::Facts;
use crate::info::topological;
use cranelift_codegen::ir::InstBuilder;
use cranelift_frontend::Switch;
use trisect_ir::{NodeId, NodeKind};

impl Build<'_, '_> {
    pub(super) fn control(&mut self) {
        self.after_parsing();
        for node in topological(self.program) {
            let place = &self.nodes[&node];
            let (block, facts) = (place.block, place.facts.clone());
            // A node that no way leads to is left out.
            if let Some(facts) = facts {
                self.switch(block);
                self.facts = facts;
                self.node(node);
            }
        }
        if self.continuation.is_some() {
            self.b.seal_block(self.parser_start);
        }
    }
    /// Goes to the entry of the control graph, or to where a reparse goes on.
    fn after_parsing(&mut self) {
        let Some(facts) = self.parsed.facts.clone() else {
            return;
        };
        self.switch_parsed();
        self.facts = facts;
        self.facts.available = 0;
        let Some(entry) = self.program.control.entry else {
            // Nothing to do is dropping without a reason, as in the interpreter.
            self.drops = true;
            self.b.ins().jump(self.drop, &[]);
            return;
        };
        let Some(continuation) = self.continuation else {
            self.go(Place::Node(entry));
            return;
        };
        let mut switch = Switch::new();
        // Reparsing keeps no fact but which headers are never valid.
        let possible = self.info.possible.iter().copied();
        let unknown = Facts::unknown(self.program.headers.len(), possible);
        for (node, kind) in self.program.control.nodes.iter() {
            if let NodeKind::Reparse(next) = kind.kind {
                let block = self.arrive(Place::Node(next), &unknown);
                switch.set_entry(u128::from(reparse_number(node)), block);
            }
        }
        let first = self.b.create_block();
        let value = self.b.use_var(continuation);
        switch.emit(&mut self.b, value, first);
        self.switch(first);
        self.go(Place::Node(entry));
    }
    fn switch_parsed(&mut self) {
        let block = self.parsed.block;
        self.switch(block);
        // All ways to loop heads are known now.
        for state in &self.info.loop_heads {
            let block = self.states[state].block;
            self.b.seal_block(block);
        }
    }
    fn node(&mut self, id: NodeId) {
        match &self.program.control.nodes[id].kind {
            NodeKind::Apply(table, next) => self.apply(*table, next),
            NodeKind::Branch(cond, yes, no) => {
                let yes_block = self.b.create_block();
                let no_block = self.b.create_block();
                let ways = self.branch(cond, yes_block, no_block, Scope::NONE);
                for (block, facts, node) in [(yes_block, ways.yes, *yes), (no_block, ways.no, *no)]
                {
                    if let Some(facts) = facts {
                        self.switch(block);
                        self.facts = facts;
                        self.go(Place::Node(node));
                    }
                }
            }
            NodeKind::Exec(ops, next) => {
                let action = super::actions::Running {
                    scope: Scope::NONE,
                    table: None,
                    handle: None,
                };
                self.ops(ops, action);
                self.go(Place::Node(*next));
            }
            NodeKind::Reparse(_) => {
                self.deparse();
                if let Some(continuation) = self.continuation {
                    let number = self.number(reparse_number(id));
                    self.b.def_var(continuation, number);
                }
                self.b.ins().jump(self.parser_start, &[]);
            }
            NodeKind::Emit => {
                self.emits = true;
                self.b.ins().jump(self.emit, &[]);
            }
            NodeKind::Drop => {
                self.drops = true;
                self.b.ins().jump(self.drop, &[]);
            }
        }
    }
}

/// The value of the continuation that stands for a `Reparse` node; 0 is the pipeline's entry.
fn reparse_number(node: NodeId) -> u64 {
    u64::from(node.0) + 1
}
