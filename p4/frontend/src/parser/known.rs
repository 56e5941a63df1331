//! Bodies of the annotations that the language and P4Runtime define (P4-16 specification,
//! "Annotations"; P4Runtime specification, "Translation of port numbers"). Any other annotation may
//! have any body.

use super::Parser;
use crate::ast::{Annotation, AnnotationBody, AnnotationToken, AnnotationTokenKind};
use crate::codes;
use crate::diag::Diagnostic;

/// What the body of an annotation must be.
#[derive(Clone, Copy)]
enum Form {
    /// No body.
    Empty,
    /// One string, which may be put together with `++`.
    Text,
    /// One name.
    Word,
    /// At least one `key = value`.
    KeyValues,
    /// A type name and what the control plane sees of it: a string, `bit<W>` or a number of bits.
    Translation,
}

fn form(name: &str) -> Option<Form> {
    Some(match name {
        "atomic" | "defaultonly" | "hidden" | "noSideEffects" | "optional" | "pure"
        | "tableonly" => Form::Empty,
        "deprecated" | "name" | "noWarn" => Form::Text,
        "match" => Form::Word,
        "pkginfo" => Form::KeyValues,
        "p4runtime_translation" => Form::Translation,
        _ => return None,
    })
}

impl Parser<'_, '_> {
    /// Reports a defined annotation whose body has another form than the definition says.
    pub(super) fn check_body(&mut self, annotation: &Annotation) {
        let name = annotation.name.as_str();
        let Some(form) = form(name) else { return };
        let (fits, needed, example) = match form {
            Form::Empty => (is_empty(&annotation.body), "no body", format!("@{name}")),
            Form::Text => (
                is_text(&annotation.body),
                "one string",
                format!("@{name}(\"...\")"),
            ),
            Form::Word => (
                is_one_word(&annotation.body),
                "the name of a match kind",
                format!("@{name}(ternary)"),
            ),
            Form::KeyValues => (
                matches!(&annotation.body, AnnotationBody::KeyValues(pairs) if !pairs.is_empty())
                    || matches!(&annotation.body, AnnotationBody::Unstructured(tokens) if !tokens.is_empty()),
                "keys with values",
                format!("@{name}[key = \"value\"]"),
            ),
            Form::Translation => (
                is_translation(&annotation.body),
                "a name, and `string`, `bit<W>` or a number of bits",
                format!("@{name}(\"uri\", bit<32>)"),
            ),
        };
        if !fits {
            self.error(
                Diagnostic::error(
                    codes::ANNOTATION,
                    annotation.span,
                    format!("the annotation `@{name}` takes {needed}"),
                )
                .with_help(format!("write `{example}`")),
            );
        }
    }
}

fn is_empty(body: &AnnotationBody) -> bool {
    match body {
        AnnotationBody::Empty => true,
        AnnotationBody::Unstructured(tokens) => tokens.is_empty(),
        AnnotationBody::Exprs(exprs) => exprs.is_empty(),
        AnnotationBody::KeyValues(pairs) => pairs.is_empty(),
    }
}

fn is_text(body: &AnnotationBody) -> bool {
    match body {
        AnnotationBody::Unstructured(tokens) => {
            let has_string = tokens.iter().any(is_string);
            // Strings and names of constants, with `++` between them.
            let alternate = tokens.iter().enumerate().all(|(at, token)| match at % 2 {
                0 => is_string(token) || is_word(token),
                _ => matches!(&token.kind, AnnotationTokenKind::Text(text) if text == "++"),
            });
            has_string && alternate && tokens.len() % 2 == 1
        }
        AnnotationBody::Exprs(exprs) => exprs.len() == 1,
        AnnotationBody::Empty | AnnotationBody::KeyValues(_) => false,
    }
}

fn is_one_word(body: &AnnotationBody) -> bool {
    matches!(body, AnnotationBody::Unstructured(tokens) if matches!(tokens.as_slice(), [one] if is_word(one)))
}

fn is_string(token: &AnnotationToken) -> bool {
    matches!(token.kind, AnnotationTokenKind::Str(_))
}

fn is_word(token: &AnnotationToken) -> bool {
    let begins_word = |c: char| c == '_' || c.is_alphabetic();
    matches!(&token.kind, AnnotationTokenKind::Text(text) if text.starts_with(begins_word))
}

fn is_translation(body: &AnnotationBody) -> bool {
    let AnnotationBody::Unstructured(tokens) = body else {
        return false;
    };
    let text = |token: &AnnotationToken, text: &str| matches!(&token.kind, AnnotationTokenKind::Text(found) if found == text);
    let number = |token: &AnnotationToken| matches!(token.kind, AnnotationTokenKind::Int(_));
    let (Some(uri), Some(comma), rest) = (tokens.first(), tokens.get(1), tokens.get(2..)) else {
        return false;
    };
    matches!(uri.kind, AnnotationTokenKind::Str(_))
        && text(comma, ",")
        && match rest.unwrap_or_default() {
            [shown] => text(shown, "string") || number(shown),
            [bit, open, width, close] => {
                text(bit, "bit") && text(open, "<") && number(width) && text(close, ">")
            }
            _ => false,
        }
}
