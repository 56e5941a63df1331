//! Declarations.

use super::{Kind, Reader, Result, SYNTAX, Token};
use crate::{
    Action, ActionCall, Attribute, CountUnit, Entry, Expr, Field, FieldKind, FlowTable, Header,
    HeaderType, Key, MatchKind, MessageKind, Meta, MetaKind, MeterConfig, Node, NodeKind, Object,
    ObjectKind, Origin, Param, ParserState, Selector, Successors, Table,
};
use std::collections::BTreeMap;

impl Reader {
    /// The second pass.
    pub(super) fn program(&mut self) -> Result<()> {
        self.word("program")?;
        self.program.name = self.name()?;
        while self.peek().is_some() {
            self.declaration()?;
        }
        Ok(())
    }

    fn declaration(&mut self) -> Result<()> {
        let Some(Token::Word(word)) = self.peek() else {
            return self.expected("a declaration");
        };
        let keyword = word.clone();
        let span = self.span();
        self.at += 1;
        match keyword.as_str() {
            "type" => {
                let ty = self.header_type()?;
                self.program.header_types.push(ty);
            }
            "header" => {
                let name = self.name()?;
                self.punct(":")?;
                let ty = self.entity(Kind::Type)?;
                self.program.headers.push(Header { name, ty });
            }
            "meta" => {
                let name = self.name()?;
                self.punct(":")?;
                let width = self.number_u32()?;
                let kind = MetaKind::User;
                self.program.metas.push(Meta { name, width, kind });
            }
            "error" => {
                let error = self.name()?;
                self.program.parser.errors.push(error);
            }
            "reason" => {
                let reason = self.name()?;
                self.program.drop_reasons.push(reason);
            }
            "attribute" => {
                let attribute = self.attribute()?;
                self.program.attributes.push(attribute);
            }
            "counter" | "meter" | "register" | "patterns" | "allocator" | "message" | "random" => {
                let name = self.name()?;
                let kind = self.object(&keyword)?;
                self.program.objects.push(Object { name, kind });
            }
            "start" => self.program.parser.start = Some(self.entity(Kind::State)?),
            "state" => {
                let name = self.name()?;
                let (ops, next) = self.parser_state()?;
                let state = ParserState { name, ops, next };
                self.program.parser.states.push(state);
            }
            "action" => {
                let action = self.action()?;
                self.program.actions.push(action);
            }
            "table" => {
                let table = self.table()?;
                self.program.tables.push(table);
            }
            "entry" => self.program.control.entry = Some(self.entity(Kind::Node)?),
            "node" => {
                let node = self.node()?;
                self.program.control.nodes.push(node);
            }
            "deparser" => {
                self.program.deparser = vec![self.header()?];
                while self.eat(",") {
                    let header = self.header()?;
                    self.program.deparser.push(header);
                }
            }
            _ => {
                let message = format!("there is no declaration `{keyword}`");
                return Err(self.error(SYNTAX, span, message));
            }
        }
        Ok(())
    }

    fn header_type(&mut self) -> Result<HeaderType> {
        let name = self.name()?;
        self.punct("{")?;
        let mut fields = Vec::new();
        while !self.eat("}") {
            let name = self.name()?;
            self.punct(":")?;
            let kind = if self.eat_word("varbit") {
                FieldKind::Varbit(self.number_u32()?)
            } else {
                FieldKind::Fixed(self.number_u32()?)
            };
            fields.push(Field { name, kind });
        }
        Ok(HeaderType { name, fields })
    }

    fn attribute(&mut self) -> Result<Attribute> {
        let name = self.name()?;
        self.punct("=")?;
        let meta = self.meta()?;
        self.punct("{")?;
        let values = self.list("}", |r| {
            let name = r.name()?;
            r.punct("=")?;
            Ok((name, r.bits()?))
        })?;
        Ok(Attribute { name, meta, values })
    }

    fn object(&mut self, keyword: &str) -> Result<ObjectKind> {
        Ok(match keyword {
            "counter" => ObjectKind::Counter {
                size: self.cells()?,
                unit: self.unit()?,
            },
            "meter" => {
                let size = self.cells()?;
                let unit = self.unit()?;
                self.punct("{")?;
                self.word("default")?;
                let default = self.rates()?;
                let mut cells = BTreeMap::new();
                while self.eat_word("cell") {
                    cells.insert(self.number_u32()?, self.rates()?);
                }
                self.punct("}")?;
                ObjectKind::Meter {
                    size,
                    unit,
                    default,
                    cells,
                }
            }
            "register" => {
                let size = self.labelled_u32("size")?;
                let width = self.labelled_u32("width")?;
                self.word("init")?;
                let init = self.bits()?;
                ObjectKind::Register { width, size, init }
            }
            "patterns" => {
                self.punct("{")?;
                let mut patterns = Vec::new();
                while !self.eat("}") {
                    patterns.push(self.bytes()?);
                }
                ObjectKind::PatternSet { patterns }
            }
            "message" => self.message()?,
            "random" => ObjectKind::Random {
                seed: self.labelled("seed")?,
            },
            _ => ObjectKind::Allocator {
                width: self.labelled_u32("width")?,
                base: self.labelled("base")?,
                size: self.labelled_u32("size")?,
                idle_ns: self.labelled("idle")?,
            },
        })
    }

    fn message(&mut self) -> Result<ObjectKind> {
        let kinds = [MessageKind::Digest, MessageKind::Log, MessageKind::Assert];
        let kind = self.one_of(&kinds, super::super::print::message_name)?;
        let text = self.name()?;
        self.punct("{")?;
        let mut fields = Vec::new();
        while !self.eat("}") {
            let name = self.name()?;
            self.punct(":")?;
            fields.push((name, self.number_u32()?));
        }
        Ok(ObjectKind::Message { kind, text, fields })
    }

    fn cells(&mut self) -> Result<Option<u32>> {
        if self.eat_word("direct") {
            Ok(None)
        } else {
            self.labelled_u32("size").map(Some)
        }
    }

    fn unit(&mut self) -> Result<CountUnit> {
        let units = [
            CountUnit::Packets,
            CountUnit::Bytes,
            CountUnit::PacketsAndBytes,
        ];
        self.one_of(&units, super::super::print::unit_name)
    }

    /// One of some keywords.
    fn one_of<T: Copy>(&mut self, choices: &[T], name: fn(T) -> &'static str) -> Result<T> {
        match choices.iter().find(|c| self.is_word(name(**c))) {
            Some(choice) => {
                self.at += 1;
                Ok(*choice)
            }
            None => {
                let names: Vec<_> = choices.iter().map(|c| format!("`{}`", name(*c))).collect();
                self.expected(&names.join(" or "))
            }
        }
    }

    fn rates(&mut self) -> Result<MeterConfig> {
        Ok(MeterConfig {
            cir: self.labelled("cir")?,
            cbs: self.labelled("cbs")?,
            pir: self.labelled("pir")?,
            pbs: self.labelled("pbs")?,
        })
    }

    fn action(&mut self) -> Result<Action> {
        let name = self.name()?;
        self.punct("(")?;
        let params = self.list(")", |r| {
            let name = r.name()?;
            r.punct(":")?;
            let width = r.number_u32()?;
            Ok(Param { name, width })
        })?;
        self.params.clone_from(&params);
        let ops = self.block()?;
        self.params.clear();
        Ok(Action { name, params, ops })
    }

    fn call(&mut self) -> Result<ActionCall> {
        let action = self.entity(Kind::Action)?;
        self.punct("(")?;
        let args = self.list(")", Self::bits)?;
        Ok(ActionCall { action, args })
    }

    fn table(&mut self) -> Result<Table> {
        let name = self.name()?;
        self.punct("{")?;
        let mut keys = Vec::new();
        while self.eat_word("key") {
            keys.push(self.key()?);
        }
        self.word("actions")?;
        self.punct("{")?;
        let actions = self.list("}", |r| r.entity(Kind::Action))?;
        self.word("default")?;
        let const_default = self.eat_word("const");
        let default = self.call()?;
        let size = self.labelled_u32("size")?;
        let flow = if self.eat_word("flow") {
            self.punct("{")?;
            let timeouts_ns = self.list("}", Self::number)?;
            Some(FlowTable { timeouts_ns })
        } else {
            None
        };
        let selector = if self.eat_word("selector") {
            let span = self.span();
            match self.expr()? {
                Expr::Hash(algorithm, inputs) => Some(Selector { algorithm, inputs }),
                _ => return Err(self.error(SYNTAX, span, "a selector is a hash")),
            }
        } else {
            None
        };
        let mut entries = Vec::new();
        while self.eat_word("entry") {
            entries.push(self.entry()?);
        }
        self.punct("}")?;
        Ok(Table {
            name,
            keys,
            actions,
            default,
            const_default,
            entries,
            size,
            flow,
            selector,
        })
    }

    fn key(&mut self) -> Result<Key> {
        let name = self.name()?;
        self.punct(":")?;
        let expr = self.expr()?;
        let kinds = [
            MatchKind::Exact,
            MatchKind::Lpm,
            MatchKind::Ternary,
            MatchKind::Range,
            MatchKind::Optional,
        ];
        let signed = self.eat_word("signed");
        let kind = self.one_of(&kinds, super::super::print::kind_name)?;
        Ok(Key {
            name,
            expr,
            kind,
            signed,
        })
    }

    fn entry(&mut self) -> Result<Entry> {
        let origins = [Origin::Const, Origin::Static, Origin::Control];
        let origin = self.one_of(&origins, super::super::print::origin_name)?;
        let keys = self.key_sets()?;
        let priority = self.labelled_u32("priority")?;
        self.punct("->")?;
        let call = self.call()?;
        let mut members = Vec::new();
        while self.eat("|") {
            members.push(self.call()?);
        }
        Ok(Entry {
            keys,
            priority,
            call,
            members,
            origin,
        })
    }

    fn node(&mut self) -> Result<Node> {
        let name = self.name()?;
        let nf = if self.eat_word("of") {
            self.name()?
        } else {
            String::new()
        };
        self.punct(":")?;
        let kind = if self.eat_word("apply") {
            let table = self.entity(Kind::Table)?;
            NodeKind::Apply(table, self.successors()?)
        } else if self.eat_word("if") {
            let cond = self.expr()?;
            let yes = self.next_node()?;
            self.word("else")?;
            NodeKind::Branch(cond, yes, self.next_node()?)
        } else if self.eat_word("exec") {
            let ops = self.block()?;
            NodeKind::Exec(ops, self.next_node()?)
        } else if self.eat_word("reparse") {
            NodeKind::Reparse(self.next_node()?)
        } else if self.eat_word("emit") {
            NodeKind::Emit
        } else if self.eat_word("drop") {
            NodeKind::Drop
        } else {
            return self.expected("what the node does");
        };
        Ok(Node { name, nf, kind })
    }

    /// `-> node`
    fn next_node(&mut self) -> Result<crate::NodeId> {
        self.punct("->")?;
        self.entity(Kind::Node)
    }

    fn successors(&mut self) -> Result<Successors> {
        if self.eat_word("hit") {
            let hit = self.next_node()?;
            self.word("miss")?;
            let miss = self.next_node()?;
            return Ok(Successors::HitMiss { hit, miss });
        }
        if !self.eat("{") {
            return self.next_node().map(Successors::Always);
        }
        let mut cases = Vec::new();
        while !self.eat_word("default") {
            let action = self.entity(Kind::Action)?;
            cases.push((action, self.next_node()?));
        }
        let default = self.next_node()?;
        self.punct("}")?;
        Ok(Successors::ByAction { cases, default })
    }
}
