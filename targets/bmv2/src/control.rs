//! The control graph as nested statements.
//!
//! Every node is written once. A node that only one edge leads to stands inside the branch that
//! leads there. A join stands behind the statement of the node that dominates it; if some paths that
//! come by do not go there, a flag says which do. Paths that drop the packet leave at once.

use std::collections::{BTreeMap, BTreeSet};

use trisect_ir::{ActionId, Entity, Expr, NodeId, NodeKind, Program, Successors, TableId};

use crate::emit::Emitter;
use crate::expr::Expressions;
use crate::graph::Graph;
use crate::names::Names;
use crate::ops::Statements;
use crate::text::Text;
use crate::valid::Facts;

/// Where control is on its way to when a piece of text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Goal {
    Node(NodeId),
    /// The end of the control: the packet is sent.
    Sent,
}

/// What a table is called where one node applies it. A table that several nodes apply is written once for each: a
/// table of BMv2 can stand in one place only, and the entries are the same.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub node: NodeId,
    pub table: TableId,
    pub name: String,
}

/// All applications, in the order of control.
pub(crate) fn applied(program: &Program, names: &Names, graph: &Graph) -> Vec<Applied> {
    let mut scope = names.control.clone();
    let mut seen = BTreeSet::new();
    let mut applied = Vec::new();
    for node in &graph.order {
        if let NodeKind::Apply(table, _) = program.control.nodes[*node].kind {
            let own = &names.tables[table];
            let name = if seen.insert(table) {
                own.clone()
            } else {
                scope.unique(own)
            };
            applied.push(Applied {
                node: *node,
                table,
                name,
            });
        }
    }
    applied
}

/// A table as one node applies it.
#[derive(Clone, Debug)]
pub(crate) struct Application {
    pub node: NodeId,
    pub table: TableId,
    pub name: String,
    /// Key expressions.
    pub keys: Vec<String>,
    /// Statements that compute what keys need.
    before: Vec<String>,
}

/// What the apply block and its tables look like.
pub(crate) struct ControlText {
    /// Variables of the whole control.
    pub variables: Vec<String>,
    pub applications: Vec<Application>,
    /// The flags of joins, then the statements.
    pub flags: Vec<String>,
    pub body: Text,
}

pub(crate) fn write(
    emitter: &mut Emitter<'_>,
    graph: &Graph,
    facts: &Facts,
    depth: &Text,
) -> ControlText {
    let mut variables = Vec::new();
    let applied = applied(emitter.program, emitter.names, graph);
    applied
        .iter()
        .for_each(|application| emitter.scope.reserve(&application.name));
    let applications: Vec<Application> = applied
        .into_iter()
        .map(|applied| application(emitter, facts, applied, &mut variables))
        .collect();
    let mut writer = Writer {
        applications: applications.iter().map(|a| (a.node, a.clone())).collect(),
        emitter,
        graph,
        facts,
        flagged: BTreeMap::new(),
    };
    // The first time through finds out which joins need flags.
    let scope = writer.emitter.scope.clone();
    let mut body = Text::default();
    for _ in 0..2 {
        writer.emitter.scope = scope.clone();
        let names: Vec<NodeId> = writer.flagged.keys().copied().collect();
        for node in names {
            let name = writer.emitter.program.control.nodes[node].name.clone();
            let flag = writer.emitter.scope.unique(&format!("to_{name}"));
            writer.flagged.insert(node, flag);
        }
        body = depth.beside();
        if let Some(entry) = writer.emitter.program.control.entry {
            writer.go(entry, &mut body);
        }
    }
    let flags = writer.flagged.values().cloned().collect();
    ControlText {
        variables,
        applications,
        flags,
        body,
    }
}

/// What one node's look-up needs.
fn application(
    emitter: &mut Emitter<'_>,
    facts: &Facts,
    applied: Applied,
    variables: &mut Vec<String>,
) -> Application {
    let program = emitter.program;
    let Applied { node, table, name } = applied;
    let mut exprs = Expressions {
        program,
        names: emitter.names,
        params: &[],
        param_widths: &[],
        valid: facts.nodes[node].clone(),
        scope: &mut emitter.scope,
        before: Vec::new(),
        hoisted: Some(Vec::new()),
    };
    let keys = program.tables[table].keys.iter();
    let keys = keys.map(|key| exprs.bits(&key.expr)).collect();
    let before = std::mem::take(&mut exprs.before);
    variables.extend(exprs.hoisted.take().unwrap_or_default());
    Application {
        node,
        table,
        name,
        keys,
        before,
    }
}

struct Writer<'e, 'a> {
    emitter: &'e mut Emitter<'a>,
    graph: &'e Graph,
    facts: &'e Facts,
    applications: BTreeMap<NodeId, Application>,
    /// Joins that need a flag, with its name.
    flagged: BTreeMap<NodeId, String>,
}

type Goals = BTreeSet<Goal>;

impl Writer<'_, '_> {
    /// Goes to a node: writes it here, or says that it comes later.
    fn go(&mut self, node: NodeId, text: &mut Text) -> Goals {
        match self.emitter.program.control.nodes[node].kind {
            NodeKind::Emit => Goals::from([Goal::Sent]),
            NodeKind::Drop => {
                text.line("drop_packet();");
                self.emitter.report("I2E", "", text);
                text.line("exit;");
                Goals::new()
            }
            _ if self.graph.is_join(node) => {
                if let Some(flag) = self.flagged.get(&node) {
                    text.line(format!("{flag} = true;"));
                }
                Goals::from([Goal::Node(node)])
            }
            _ => self.node_and_joins(node, text),
        }
    }

    fn node_and_joins(&mut self, node: NodeId, text: &mut Text) -> Goals {
        let mut goals = self.node(node, text);
        for join in self.graph.joins_below(node).to_vec() {
            let here = Goal::Node(join);
            let only = goals.len() == 1 && goals.contains(&here);
            if !goals.remove(&here) {
                continue;
            }
            let after = if only {
                self.node_and_joins(join, text)
            } else {
                let flag = self.flagged.entry(join).or_default().clone();
                text.open(format!("if ({flag})"));
                let after = self.node_and_joins(join, text);
                text.close("");
                after
            };
            goals.extend(after);
        }
        goals
    }

    fn statements<'t>(&'t mut self, node: NodeId, text: &'t mut Text) -> Statements<'t> {
        Statements {
            program: self.emitter.program,
            names: self.emitter.names,
            scope: &mut self.emitter.scope,
            text,
            params: &[],
            param_widths: &[],
            valid: self.facts.nodes[node].clone(),
        }
    }

    fn node(&mut self, node: NodeId, text: &mut Text) -> Goals {
        let program = self.emitter.program;
        let found = &program.control.nodes[node];
        text.comment(&match found.nf.as_str() {
            "" => found.name.clone(),
            nf => format!("{} ({nf})", found.name),
        });
        match &found.kind {
            NodeKind::Branch(cond, yes, no) => self.branch(node, cond, *yes, *no, text),
            NodeKind::Exec(ops, next) => {
                self.statements(node, text).all(ops);
                self.go(*next, text)
            }
            NodeKind::Apply(_, successors) => self.apply(node, successors, text),
            // Reparse is refused before emission, the others end in `go`.
            NodeKind::Reparse(next) => self.go(*next, text),
            NodeKind::Emit | NodeKind::Drop => Goals::new(),
        }
    }

    fn branch(
        &mut self,
        node: NodeId,
        cond: &Expr,
        yes: NodeId,
        no: NodeId,
        text: &mut Text,
    ) -> Goals {
        let test = self
            .statements(node, text)
            .with(|exprs| exprs.condition(cond));
        self.if_else(&test, yes, no, text)
    }

    fn if_else(&mut self, test: &str, yes: NodeId, no: NodeId, text: &mut Text) -> Goals {
        text.reopen();
        let mut then = text.beside();
        let mut otherwise = text.beside();
        let mut goals = self.go(yes, &mut then);
        goals.extend(self.go(no, &mut otherwise));
        text.dedent();
        match (then.is_empty(), otherwise.is_empty()) {
            (true, true) => text.line(format!("if ({test}) {{ }}")),
            (false, true) => text.block(format!("if ({test})"), "", |text| text.append(then)),
            (true, false) => {
                text.block(format!("if (!({test}))"), "", |text| text.append(otherwise))
            }
            (false, false) => {
                text.open(format!("if ({test})"));
                text.append(then);
                text.close(" else {");
                text.reopen();
                text.append(otherwise);
                text.close("");
            }
        }
        goals
    }

    fn apply(&mut self, node: NodeId, successors: &Successors, text: &mut Text) -> Goals {
        let Some(application) = self.applications.get(&node).cloned() else {
            return Goals::new();
        };
        application.before.iter().for_each(|line| text.line(line));
        let table = &application.name;
        match successors {
            Successors::Always(next) => {
                text.line(format!("{table}.apply();"));
                self.go(*next, text)
            }
            Successors::HitMiss { hit, miss } => {
                self.if_else(&format!("{table}.apply().hit"), *hit, *miss, text)
            }
            Successors::ByAction { cases, default } => {
                text.open(format!("switch ({table}.apply().action_run)"));
                let mut goals = Goals::new();
                for (target, actions) in by_target(cases) {
                    let names = actions
                        .iter()
                        .map(|action| &self.emitter.names.actions[*action]);
                    let names: Vec<&str> = names.map(String::as_str).collect();
                    let (last, before) = names.split_last().map_or(("", &[][..]), |(l, b)| (*l, b));
                    before.iter().for_each(|name| text.line(format!("{name}:")));
                    text.open(format!("{last}:"));
                    goals.extend(self.go(target, text));
                    text.close("");
                }
                text.open("default:");
                goals.extend(self.go(*default, text));
                text.close("");
                text.close("");
                goals
            }
        }
    }
}

/// Actions that lead to the same node, together.
fn by_target(cases: &[(ActionId, NodeId)]) -> Vec<(NodeId, Vec<ActionId>)> {
    let mut groups: Vec<(NodeId, Vec<ActionId>)> = Vec::new();
    for (action, target) in cases {
        match groups
            .iter_mut()
            .find(|(node, _)| node.index() == target.index())
        {
            Some((_, actions)) => actions.push(*action),
            None => groups.push((*target, vec![*action])),
        }
    }
    groups
}
