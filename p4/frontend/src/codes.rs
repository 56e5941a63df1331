//! The stable diagnostic codes of preprocessor, lexer and parser (E0101 to E0129, and E0199).
//! Elaboration has the codes between, beside its own code.

/// An include file was not found or could not be read.
pub const INCLUDE: &str = "E0101";
/// A preprocessor directive is malformed or out of place.
pub const DIRECTIVE: &str = "E0102";
/// `#error` was reached.
pub const HASH_ERROR: &str = "E0103";
/// A macro is used or defined wrongly.
pub const MACRO: &str = "E0104";
/// A `#if` expression cannot be evaluated.
pub const CONDITION: &str = "E0105";
/// Includes or macro expansions go deeper than the limit.
pub const PP_LIMIT: &str = "E0106";
/// A character that starts no token.
pub const BAD_CHARACTER: &str = "E0110";
/// A string or comment does not end.
pub const UNTERMINATED: &str = "E0111";
/// A number literal is malformed or too large.
pub const BAD_NUMBER: &str = "E0112";
/// The parser expected something else here.
pub const EXPECTED: &str = "E0120";
/// Declarations, statements or expressions are nested deeper than the limit.
pub const NESTING: &str = "E0121";
/// Something is given twice where it may stand once.
pub const DUPLICATE: &str = "E0122";
/// A construct that the grammar allows here only in another form.
pub const MISPLACED: &str = "E0123";
/// More errors follow; they are not shown.
pub const TOO_MANY: &str = "E0199";
