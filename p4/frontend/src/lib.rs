//! P4-16 front end: preprocessor, parser, types, elaboration to the IR.
