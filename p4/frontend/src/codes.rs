//! The stable diagnostic codes of the front end: preprocessor, lexer and parser E0101 to E0129 and
//! E0199, checking and elaboration E0130 to E0198.

/// An include file was not found or could not be read.
pub const INCLUDE: &str = "E0101";
/// A preprocessor directive is malformed or out of place.
pub const DIRECTIVE: &str = "E0102";
/// `#error` or, as a warning, `#warning` was reached.
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
/// An annotation that the language defines has a body of another form.
pub const ANNOTATION: &str = "E0124";
/// A name is not declared, or a thing has no such member.
pub const UNKNOWN_NAME: &str = "E0130";
/// A name is declared twice in one scope.
pub const DECLARED_TWICE: &str = "E0131";
/// A value has another type than its place needs.
pub const TYPE: &str = "E0132";
/// Widths do not agree, or a number does not fit.
pub const WIDTH: &str = "E0133";
/// Arguments do not fit what is called.
pub const ARGUMENTS: &str = "E0134";
/// Something must be known at compile time and is not.
pub const NOT_CONSTANT: &str = "E0135";
/// Something is written that can only be read.
pub const NOT_ASSIGNABLE: &str = "E0136";
/// A table's properties do not fit together.
pub const TABLE: &str = "E0137";
/// A parser is not complete.
pub const PARSER: &str = "E0139";
/// An index outside a header stack.
pub const STACK_BOUNDS: &str = "E0140";
/// The program is too large, or nested too deep, when its calls and loops are written out.
pub const TOO_LARGE: &str = "E0141";
/// The program does not fit its architecture, or the architecture is unknown.
pub const ARCHITECTURE: &str = "E0142";
/// The program has no `main`.
pub const NO_MAIN: &str = "E0143";
/// Language that Trisect does not support yet.
pub const UNSUPPORTED: &str = "E0144";
/// A cast that does not exist.
pub const CAST: &str = "E0170";
/// A type or its arguments cannot be inferred.
pub const INFERENCE: &str = "E0171";
/// A field has a type that it cannot have there.
pub const FIELD_TYPE: &str = TYPE;
/// Arithmetic that means nothing: division by zero, a negative shift, a constant without end.
pub const ARITHMETIC: &str = "E0172";
/// `static_assert` does not hold.
pub const STATIC_ASSERT: &str = "E0166";
/// A parameter has a direction that it cannot have.
pub const DIRECTION: &str = PARAMETER;
/// A declaration that means nothing.
pub const DECLARATION: &str = MISPLACED;
/// Something cannot be instantiated like this.
pub const INSTANCE: &str = "E0173";
/// The program copies packets or sends them again where one pass is needed.
pub const REPLICATION: &str = "E0182";
/// An extern model does not fit the program.
pub const EXTERN_MODEL: &str = "E0184";
/// Something uses itself in its own declaration.
pub const RECURSION: &str = "E0183";
/// `exit` where it cannot stand.
pub const EXIT: &str = "E0150";
/// An instance is declared where none may stand.
pub const INSTANCE_PLACE: &str = "E0151";
/// A structured annotation holds something else than constants, or is repeated.
pub const STRUCTURED_ANNOTATION: &str = "E0153";
/// A table's default action is missing, or not one that it may have.
pub const DEFAULT_ACTION: &str = "E0154";
/// Entries of a table do not fit its key or each other.
pub const ENTRY: &str = "E0155";
/// A key cannot be matched like this, or has no name.
pub const KEY: &str = "E0156";
/// A parameter cannot be declared like this.
pub const PARAMETER: &str = "E0157";
/// A declaration hides a parameter.
pub const SHADOWS_PARAMETER: &str = "E0158";
/// Code that never runs.
pub const UNREACHABLE: &str = "E0160";
/// Something is called or applied where it cannot be.
pub const CALL_PLACE: &str = "E0161";
/// A function does not return a value on every path.
pub const MISSING_RETURN: &str = "E0162";
/// A type stands where it cannot.
pub const NESTED_TYPE: &str = "E0163";
/// Packets cannot be read like this.
pub const EXTRACT: &str = "E0165";
/// Two things have the same name in the control plane.
pub const CONTROL_NAME: &str = "E0167";
/// More errors follow; they are not shown.
pub const TOO_MANY: &str = "E0199";
