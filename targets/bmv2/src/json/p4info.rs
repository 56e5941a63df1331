//! P4Info.
use trisect_ir::Program;
use trisect_target::LowerError;
/// todo
pub fn p4info(_program: &Program) -> Result<String, LowerError> { Ok(String::new()) }
