//! Compiling and running.

#![allow(unsafe_code)]

use crate::build;
use crate::hash::HashFunction;
use crate::helpers::{Context, Helper};
use crate::hints::{HintCounts, Hints, MOST_TABLES};
use crate::info::{Base, Info};
use crate::packet::Packet;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{AbiParam, UserFuncName};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::FunctionBuilderContext;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module, default_libcall_names};
use std::collections::BTreeMap;
use trisect_ir::state::State;
use trisect_ir::transform::prune_parser;
use trisect_ir::{FieldKind, Program, RestoreError, TableId};
use trisect_table::Runtime;
use trisect_table::runtime::{ObjectState, RuntimeError};

/// Widest value that is compiled, in bits.
pub const MAX_WIDTH: u32 = 16_384;

/// How to compile.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Keep the Cranelift IR and the disassembly, for people.
    pub keep_text: bool,
    /// Flow tables, by name, whose look-ups packets' hints may shorten: at most [`MOST_TABLES`]. What is no table of the
    /// program that packets fill, or one too many, is looked up as always.
    pub hinted: Vec<String>,
}

/// Why a program was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The program asks for more than compiled code can do.
    #[error("the host cannot run this program: {}", list(.0))]
    Limits(Vec<Limit>),
    /// The program's state cannot be set up.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// There is no code generator for this machine, or it refused the code: a bug.
    #[error("code generation failed: {0}")]
    Codegen(String),
}

/// Something that is beyond a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {amount}, at most {most} is possible")]
pub struct Limit {
    /// What.
    pub what: String,
    /// How much it is.
    pub amount: u64,
    /// How much it could be.
    pub most: u64,
}

fn list(limits: &[Limit]) -> String {
    let texts: Vec<String> = limits.iter().map(Limit::to_string).collect();
    texts.join("; ")
}

/// What of the program is beyond a limit.
pub(crate) fn limits(program: &Program) -> Vec<Limit> {
    let widths = program
        .header_types
        .values()
        .flat_map(|t| {
            t.fields.iter().map(move |f| match f.kind {
                FieldKind::Fixed(width) => (format!("{}.{}", t.name, f.name), width),
                FieldKind::Varbit(_) => (String::new(), 0),
            })
        })
        .chain(program.metas.values().map(|m| (m.name.clone(), m.width)))
        .chain(program.actions.values().flat_map(|a| {
            a.params
                .iter()
                .map(move |p| (format!("{}.{}", a.name, p.name), p.width))
        }));
    widths
        .filter(|(_, width)| *width > MAX_WIDTH)
        .map(|(name, width)| Limit {
            what: format!("width of `{name}` in bits"),
            amount: u64::from(width),
            most: u64::from(MAX_WIDTH),
        })
        .collect()
}

/// A program in machine code, with its state.
pub struct HostProgram {
    program: Program,
    info: Info,
    context: Box<Context>,
    bases: Vec<*mut u8>,
    /// What the context's `zero` and `sink` point to.
    _pages: (Box<[u64]>, Box<[u64]>),
    module: Option<JITModule>,
    function: unsafe extern "C" fn(*mut Context, *mut Packet, u64),
    clif: String,
    disassembly: String,
}

// SAFETY: the raw pointers point into boxes that the program owns and that nobody else knows; the
// code is only read. Running needs `&mut self`.
unsafe impl Send for HostProgram {}

/// The text of a compiled program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeText {
    /// Cranelift IR.
    pub clif: String,
    /// Machine code.
    pub disassembly: String,
}

impl HostProgram {
    /// Compiles a (verified) program and sets up its initial state.
    ///
    /// # Errors
    ///
    /// See [`CompileError`].
    pub fn compile(program: &Program, options: &Options) -> Result<Self, CompileError> {
        let limits = limits(program);
        if !limits.is_empty() {
            return Err(CompileError::Limits(limits));
        }
        let mut program = program.clone();
        prune_parser(&mut program);
        let mut info = Info::new(&program);
        info.hinted = hinted(&program, &options.hinted);
        let runtime = Runtime::new(&program)?;
        let mut module = new_module()?;
        let helper_ids = declare_helpers(&mut module)?;
        let mut context = module.make_context();
        for _ in 0..3 {
            context.func.signature.params.push(AbiParam::new(I64));
        }
        let id = module
            .declare_function("run", Linkage::Local, &context.func.signature)
            .map_err(|e| codegen(&e))?;
        context.func.name = UserFuncName::user(0, id.as_u32());
        build::build(
            &program,
            &info,
            &mut module,
            &helper_ids,
            &mut context.func,
            &mut FunctionBuilderContext::new(),
        );
        let clif = if options.keep_text {
            context.func.display().to_string()
        } else {
            String::new()
        };
        context.set_disasm(options.keep_text);
        module
            .define_function(id, &mut context)
            .map_err(|e| CompileError::Codegen(format!("{e:?}")))?;
        let disassembly = context
            .compiled_code()
            .and_then(|code| code.vcode.clone())
            .unwrap_or_default();
        module.finalize_definitions().map_err(|e| codegen(&e))?;
        let code = module.get_finalized_function(id);
        // SAFETY: `build` wrote this function with the three 64-bit parameters of the signature above
        // and no result, in the machine's C calling convention (the module's default).
        let function = unsafe {
            std::mem::transmute::<*const u8, unsafe extern "C" fn(*mut Context, *mut Packet, u64)>(
                code,
            )
        };
        let words = info.zero_bytes.div_ceil(8);
        let zeros: Box<[u64]> = vec![0; words].into();
        let mut sink: Box<[u64]> = vec![0; words].into();
        let hashes = info
            .hashes
            .iter()
            .map(|(algorithm, len)| HashFunction::new(algorithm, *len))
            .collect();
        Ok(Self {
            program,
            context: Box::new(Context {
                zero: zeros.as_ptr().cast(),
                sink: sink.as_mut_ptr().cast(),
                bases: std::ptr::null(),
                runtime,
                hints: Hints::new(info.hinted.clone()),
                hashes,
                scratch: Vec::new(),
            }),
            bases: Vec::with_capacity(info.bases.len()),
            info,
            _pages: (zeros, sink),
            module: Some(module),
            function,
            clif,
            disassembly,
        })
    }
    /// The program as it runs: without the parser states and headers that it has no need of.
    pub fn program(&self) -> &Program {
        &self.program
    }
    /// Runs the program over packets, one after the other. Each packet's outcome, port and frame are
    /// then what the program made of it.
    pub fn run_batch(&mut self, packets: &mut [Packet]) {
        self.bases.clear();
        for base in &self.info.bases {
            let pointer = match base {
                Base::Object(id) => match &mut self.context.runtime.objects[*id] {
                    ObjectState::Counter(cells) => cells.fixed.as_mut_ptr().cast(),
                    ObjectState::Register(registers) => registers.words.as_mut_ptr().cast(),
                    _ => std::ptr::null_mut(),
                },
                Base::Records(id) => {
                    let records = self.context.runtime.tables[*id].records();
                    records.as_ptr().cast_mut().cast()
                }
                Base::Default(id) => {
                    let record = self.context.runtime.tables[*id].default_record();
                    record.0.as_ptr().cast_mut().cast()
                }
            };
            self.bases.push(pointer);
        }
        self.context.bases = self.bases.as_ptr();
        if !self.info.hinted.is_empty() {
            self.context.hints.prefetch(packets, &self.context.runtime);
        }
        // SAFETY: the context belongs to the code that `compile` built for this program, and its
        // arrays stay where they are while it runs; packets keep their invariants, and both are
        // borrowed exclusively. The module that holds the code lives as long as `self`.
        unsafe {
            (self.function)(
                &raw mut *self.context,
                packets.as_mut_ptr(),
                packets.len() as u64,
            );
        }
    }
    /// All state as seen at a time in nanoseconds, in canonical form.
    pub fn state(&self, now_ns: u64) -> State {
        self.context.runtime.state(&self.program, now_ns)
    }
    /// Makes the state what [`HostProgram::state`] gave at a time that is not after `now_ns`, here or in
    /// an engine of another program with the same tables and objects; packets that arrive from `now_ns`
    /// on then see no difference. What the state leaves out is as at the start.
    ///
    /// # Errors
    ///
    /// The state names what the program does not have; nothing has changed then.
    pub fn restore(&mut self, state: &State, now_ns: u64) -> Result<(), RestoreError> {
        self.context.runtime.restore(&self.program, state, now_ns)
    }
    /// Forgets what a number in [`Packet::hint`] stands for. From then on the slots in which look-ups of packets with
    /// this number find their entries are kept for the next ones. Memory goes with the largest number.
    pub fn clear_hint(&mut self, hint: u32) {
        self.context.hints.clear(hint);
    }
    /// Lets a number in [`Packet::hint`] stand for what another one stands for.
    pub fn copy_hint(&mut self, from: u32, to: u32) {
        self.context.hints.copy(from, to);
    }
    /// Whether look-ups of packets with this hint have found entries.
    pub fn hint_known(&self, hint: u32) -> bool {
        self.context.hints.knows(hint)
    }
    /// Whether they have since this was asked last.
    pub fn hint_used(&mut self, hint: u32) -> bool {
        self.context.hints.used(hint)
    }
    /// Whether, at a time in nanoseconds, there are entries where they were found.
    pub fn hint_live(&self, hint: u32, now_ns: u64) -> bool {
        let context = &self.context;
        context.hints.live(hint, &context.runtime, now_ns)
    }
    /// How look-ups in tables with hints were answered since the program was compiled.
    pub fn hint_counts(&self) -> HintCounts {
        self.context.hints.counts
    }
    /// The code as text, if [`Options::keep_text`] was set: the same for the same program.
    pub fn text(&self) -> CodeText {
        CodeText {
            clif: self.clif.clone(),
            disassembly: self.disassembly.clone(),
        }
    }
}

impl Drop for HostProgram {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: the code runs only inside `run_batch`, and the pointer to it goes with `self`.
            unsafe { module.free_memory() }
        }
    }
}

impl std::fmt::Debug for HostProgram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostProgram")
            .field("program", &self.program.name)
            .finish_non_exhaustive()
    }
}

/// The flow tables with these names.
fn hinted(program: &Program, names: &[String]) -> Vec<TableId> {
    let tables = names.iter().filter_map(|name| {
        let id = program.tables.find(|table| table.name == *name)?;
        program.tables[id].flow.is_some().then_some(id)
    });
    tables.take(MOST_TABLES).collect()
}

/// An error of the code generator, which is a bug.
fn codegen(error: &dyn std::fmt::Display) -> CompileError {
    CompileError::Codegen(error.to_string())
}

fn new_module() -> Result<JITModule, CompileError> {
    let mut flags = settings::builder();
    let verify = if cfg!(debug_assertions) {
        "true"
    } else {
        "false"
    };
    for (name, value) in [
        ("opt_level", "speed"),
        ("is_pic", "false"),
        ("use_colocated_libcalls", "false"),
        ("enable_verifier", verify),
    ] {
        flags.set(name, value).map_err(|e| codegen(&e))?;
    }
    let isa = cranelift_native::builder()
        .map_err(|e| codegen(&e))?
        .finish(settings::Flags::new(flags))
        .map_err(|e| codegen(&e))?;
    let mut builder = JITBuilder::with_isa(isa, default_libcall_names());
    for helper in Helper::ALL {
        builder.symbol(helper.name(), helper.address());
    }
    Ok(JITModule::new(builder))
}

fn declare_helpers(module: &mut JITModule) -> Result<BTreeMap<Helper, FuncId>, CompileError> {
    let mut ids = BTreeMap::new();
    for helper in Helper::ALL {
        let mut signature = module.make_signature();
        let (params, results) = helper.shape();
        signature.params.resize(params, AbiParam::new(I64));
        signature.returns.resize(results, AbiParam::new(I64));
        let id = module
            .declare_function(helper.name(), Linkage::Import, &signature)
            .map_err(|e| codegen(&e))?;
        ids.insert(*helper, id);
    }
    Ok(ids)
}
