//! Operations and expressions.

use super::super::Random;
use super::{Generator, Here, VARBITS};
use trisect_ir::*;

const UN_OPS: [UnOp; 2] = [UnOp::Not, UnOp::Neg];

const BIN_OPS: [BinOp; 25] = {
    use BinOp::*;
    [
        Add, Sub, Mul, Div, Rem, AddSat, SubSat, SAddSat, SSubSat, And, Or, Xor, Shl, Shr, Sar, Eq,
        Ne, Lt, Le, Gt, Ge, SLt, SLe, SGt, SGe,
    ]
};

impl Generator<'_> {
    pub(super) fn ops(
        &mut self,
        most: usize,
        depth: usize,
        table: Option<(TableId, bool, bool, &[ActionId])>,
        structural: bool,
        here: Here<'_>,
    ) -> Vec<Op> {
        (0..self.random.below(most + 1))
            .map(|_| self.op(depth, table, structural, here))
            .collect()
    }
    fn op(
        &mut self,
        depth: usize,
        table: Option<(TableId, bool, bool, &[ActionId])>,
        structural: bool,
        here: Here<'_>,
    ) -> Op {
        // Direct objects belong to the first table and the first flow table.
        let direct = |i: usize| {
            if table.is_some_and(|t| t.2) {
                i
            } else {
                i.max(1)
            }
        };
        let header = |r: &mut Random| HeaderId(r.below(7) as u32);
        match self.random.below(26) {
            23 if structural => Op::SetValid(self.random.pick(&VARBITS)),
            24 | 25 if structural => Op::CopyVarbit {
                dst: self.random.pick(&VARBITS),
                src: self.random.pick(&VARBITS),
            },
            20 => {
                let object = self.random.pick(&self.messages.clone());
                let widths: Vec<u32> = match &self.program.objects[object].kind {
                    ObjectKind::Message { fields, .. } => fields.iter().map(|f| f.1).collect(),
                    _ => vec![],
                };
                Op::Notify(
                    object,
                    widths.into_iter().map(|w| self.expr(w, 2, here)).collect(),
                )
            }
            21 => {
                let (dst, width) = self.target(!self.read_only);
                Op::Random {
                    object: self.random.pick(&self.randoms.clone()),
                    lo: self.expr(width, 1, here),
                    hi: self.expr(width, 1, here),
                    dst,
                }
            }
            0 if structural => Op::SetValid(header(self.random)),
            1 if structural => Op::SetInvalid(header(self.random)),
            2 if structural => {
                let (dst, src) = self.same_type();
                Op::Copy { dst, src }
            }
            3 | 4 if depth > 0 => Op::If(
                self.expr(1, 2, here),
                self.ops(2, depth - 1, table, structural, here),
                self.ops(2, depth - 1, table, structural, here),
            ),
            5 => {
                let i = self.random.below(3);
                // One table owns each direct object.
                let i = if table.is_some_and(|t| t.0.0 == 0) {
                    direct(i)
                } else {
                    i.max(1)
                };
                Op::Count(self.counters[i], self.index(i, here))
            }
            6 => {
                let i = self.random.below(3);
                let i = if table.is_some_and(|t| t.0.0 == 3) {
                    direct(i)
                } else {
                    i.max(1)
                };
                let color = self.random.one_in(2).then(|| self.expr(8, 1, here));
                let index = self.index(i, here);
                let (dst, _) = self.wide_target(2);
                Op::Meter {
                    object: self.meters[i],
                    index,
                    color,
                    dst,
                }
            }
            7 => {
                let object = self.random.pick(&self.registers.clone());
                let width = self.register_width(object);
                let index_width = self.random.pick(&[4, 8, 70]);
                let Some(dst) = self.target_of(width) else {
                    return Op::Write {
                        object,
                        index: self.expr(index_width, 1, here),
                        value: self.expr(width, 2, here),
                    };
                };
                Op::Read {
                    object,
                    index: self.expr(index_width, 1, here),
                    dst,
                }
            }
            8 => {
                let object = self.random.pick(&self.registers.clone());
                let width = self.register_width(object);
                Op::Write {
                    object,
                    index: self.expr(3, 1, here),
                    value: self.expr(width, 2, here),
                }
            }
            9 | 10 if !self.program.deparser.is_empty() => match self.target_of(16) {
                Some(dst) => Op::Search {
                    object: self.patterns[0],
                    after: self.random.pick(&self.program.deparser.clone()),
                    dst,
                },
                None => Op::SetInvalid(HeaderId(0)),
            },
            11 => match (self.target_of(1), self.target_of(16)) {
                (Some(ok), Some(value)) => Op::Allocate {
                    object: self.allocators[0],
                    ok,
                    value,
                },
                _ => Op::Touch(self.allocators[0], self.expr(16, 1, here)),
            },
            12 => {
                let width = self.random.pick(&[16, 64, 80]);
                let near = Expr::num(width, 1000 + self.random.below(6) as u64);
                Op::Touch(self.allocators[0], near)
            }
            13..=15 => match table {
                Some((table, true, _, actions)) => {
                    let action = self.random.pick(actions);
                    let params = self.program.actions[action].params.clone();
                    Op::AddEntry {
                        table,
                        action,
                        args: params.iter().map(|p| self.expr(p.width, 1, here)).collect(),
                        profile: self.expr(2, 1, here),
                    }
                }
                _ => self.assignment(here),
            },
            16 => match table {
                Some((table, true, ..)) => Op::SetExpire {
                    table,
                    profile: self.expr(70, 1, here),
                },
                _ => self.assignment(here),
            },
            _ => self.assignment(here),
        }
    }
    /// Two headers of one type, or one header twice.
    pub(super) fn same_type(&mut self) -> (HeaderId, HeaderId) {
        let dst = self.random.below(7) as u32;
        let other = (dst + 4) % 8;
        let src = if self.random.one_in(2) && other <= 6 {
            other
        } else {
            dst
        };
        (HeaderId(dst), HeaderId(src))
    }
    fn assignment(&mut self, here: Here<'_>) -> Op {
        let (to, width) = self.target(!self.read_only);
        Op::Set(to, self.expr(width, 3, here))
    }
    fn register_width(&self, object: ObjectId) -> u32 {
        match self.program.objects[object].kind {
            ObjectKind::Register { width, .. } => width,
            _ => 1,
        }
    }
    fn index(&mut self, i: usize, here: Here<'_>) -> Index {
        if i == 0 {
            return Index::Entry;
        }
        Index::At(match self.random.below(3) {
            0 => Expr::num(32, self.random.below(25) as u64),
            1 => self.expr(66, 1, here),
            _ => self.expr(4, 1, here),
        })
    }
    /// Fields and metadata, by width.
    fn places(&self, fields: bool) -> Vec<(Place, u32)> {
        let mut out: Vec<(Place, u32)> = self
            .program
            .metas
            .iter()
            // Assigning the standard inputs is allowed, too.
            .map(|(id, meta)| (Place::Meta(id), meta.width))
            .collect();
        if fields {
            for (id, header) in self.program.headers.iter() {
                let ty = &self.program.header_types[header.ty];
                for (i, field) in ty.fields.iter().enumerate() {
                    if let FieldKind::Fixed(width) = field.kind {
                        let field = FieldRef {
                            header: id,
                            field: i as u32,
                        };
                        out.push((Place::Field(field), width));
                    }
                }
            }
        }
        out
    }
    pub(super) fn target(&mut self, fields: bool) -> (LValue, u32) {
        let (place, width) = self.random.pick(&self.places(fields));
        if self.random.one_in(4) {
            let lo = self.random.below(width as usize) as u32;
            let hi = lo + self.random.below((width - lo) as usize) as u32;
            let slice = Some((hi, lo));
            return (LValue { place, slice }, hi - lo + 1);
        }
        (LValue { place, slice: None }, width)
    }
    fn wide_target(&mut self, least: u32) -> (LValue, u32) {
        loop {
            let (to, width) = self.target(!self.read_only);
            if width >= least {
                return (to, width);
            }
        }
    }
    /// A target of exactly this width, perhaps a slice.
    fn target_of(&mut self, width: u32) -> Option<LValue> {
        let places: Vec<(Place, u32)> = self
            .places(!self.read_only)
            .into_iter()
            .filter(|(_, w)| *w >= width)
            .collect();
        if places.is_empty() {
            return None;
        }
        let (place, whole) = self.random.pick(&places);
        let lo = self.random.below((whole - width) as usize + 1) as u32;
        let slice = (whole != width).then_some((lo + width - 1, lo));
        Some(LValue { place, slice })
    }
    /// An expression of exactly this width.
    pub(super) fn expr(&mut self, width: u32, depth: usize, here: Here<'_>) -> Expr {
        if depth == 0 || self.random.one_in(5) {
            return self.leaf(width, here);
        }
        let sub = |this: &mut Self, w: u32| this.expr(w, depth - 1, here);
        match self.random.below(12) {
            0 => Expr::Unary(self.random.pick(&UN_OPS), Box::new(sub(self, width))),
            1..=4 => {
                let op = self.random.pick(&BIN_OPS);
                if op.is_comparison() {
                    let w = self.random.width();
                    let (a, b) = (sub(self, w), sub(self, w));
                    return self.fit(Expr::binary(op, a, b), 1, width);
                }
                let a = sub(self, width);
                let b = if op.is_shift() {
                    let by = self.random.pick(&[3, 6, 8, 70]);
                    if self.random.one_in(2) {
                        Expr::num(by, self.random.below(2 * width as usize) as u64)
                    } else {
                        sub(self, by)
                    }
                } else {
                    sub(self, width)
                };
                Expr::binary(op, a, b)
            }
            5 => {
                let w = self.random.width();
                let a = sub(self, w);
                if self.random.one_in(2) {
                    Expr::Resize(Box::new(a), width)
                } else {
                    Expr::SignResize(Box::new(a), width)
                }
            }
            6 => {
                let lo = self.random.below(70) as u32;
                let above = self.random.below(70) as u32;
                let a = sub(self, lo + width + above);
                Expr::Slice(Box::new(a), lo + width - 1, lo)
            }
            7 if width > 1 => {
                let low = 1 + self.random.below(width as usize - 1) as u32;
                let (a, b) = (sub(self, width - low), sub(self, low));
                Expr::Concat(vec![a, b])
            }
            8 => {
                let cond = sub(self, 1);
                let (a, b) = (sub(self, width), sub(self, width));
                Expr::Mux(Box::new(cond), Box::new(a), Box::new(b))
            }
            9 => {
                let key = (0..20).map(|_| self.random.byte()).collect();
                let algorithm = self.random.pick(&[
                    HashAlgorithm::Crc32,
                    HashAlgorithm::Crc16,
                    HashAlgorithm::Csum16,
                    HashAlgorithm::Xor16,
                    HashAlgorithm::Identity,
                    HashAlgorithm::Toeplitz(key),
                    HashAlgorithm::HalfSipHash(*b"a secret"),
                    HashAlgorithm::Crc {
                        width: 16,
                        polynomial: 0x1021,
                        init: 0xffff,
                        reflect_in: false,
                        reflect_out: true,
                        xor_out: 1,
                    },
                ]);
                let inputs = (0..1 + self.random.below(3))
                    .map(|_| match self.random.below(6) {
                        0 => Expr::Varbit(self.random.pick(&VARBITS)),
                        1 if !here.parser => Expr::Payload,
                        _ => {
                            let w = self.random.width();
                            sub(self, w)
                        }
                    })
                    .collect();
                let from = algorithm.width();
                self.fit(Expr::Hash(algorithm, inputs), from, width)
            }
            10 => {
                let init = sub(self, 16);
                let terms = (0..self.random.below(4))
                    .map(|_| {
                        let w = self.random.width();
                        SumTerm {
                            subtract: self.random.one_in(2),
                            value: sub(self, w),
                        }
                    })
                    .collect();
                self.fit(Expr::OnesSum(Box::new(init), terms), 16, width)
            }
            _ if here.clean => {
                let offset = if self.random.one_in(2) {
                    Expr::num(32, self.random.below(80) as u64)
                } else {
                    sub(self, 32)
                };
                let len = self.random.pick(&[1, 2, 4]);
                let frame = Expr::Frame {
                    offset: Box::new(offset),
                    len,
                };
                let frame = if self.random.one_in(4) {
                    self.fit(Expr::FrameLen, 32, u32::from(len) * 8)
                } else {
                    frame
                };
                self.fit(frame, u32::from(len) * 8, width)
            }
            _ => self.leaf(width, here),
        }
    }
    /// Makes an expression of `from` bits one of `to` bits.
    fn fit(&mut self, expr: Expr, from: u32, to: u32) -> Expr {
        if from == to {
            expr
        } else {
            Expr::Resize(Box::new(expr), to)
        }
    }
    fn leaf(&mut self, width: u32, here: Here<'_>) -> Expr {
        match self.random.below(8) {
            0 | 1 => Expr::Const(self.random.bits(width)),
            2 if here.parser => Expr::Lookahead {
                offset: self.random.below(40) as u32,
                width,
            },
            3 if !here.params.is_empty() => {
                let i = self.random.below(here.params.len());
                self.fit(Expr::Param(i as u32), here.params[i].width, width)
            }
            4 => {
                let header = HeaderId(self.random.below(7) as u32);
                self.fit(Expr::Valid(header), 1, width)
            }
            5 if self.random.one_in(3) => {
                let (a, b) = (self.random.pick(&VARBITS), self.random.pick(&VARBITS));
                if self.random.one_in(2) {
                    self.fit(Expr::VarbitEq(a, b), 1, width)
                } else {
                    self.fit(Expr::VarbitLen(a), 32, width)
                }
            }
            _ => {
                let (place, from) = self.random.pick(&self.places(true));
                let expr = match place {
                    Place::Field(field) => Expr::Field(field),
                    Place::Meta(meta) => Expr::Meta(meta),
                };
                self.fit(expr, from, width)
            }
        }
    }
}
