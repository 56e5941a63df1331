//! Annotations.

use super::{Fail, Parse, Parser};
use crate::ast::{
    Annotation, AnnotationBody, AnnotationToken, AnnotationTokenKind, Ident, NamedExpr,
};
use crate::codes;
use crate::diag::Diagnostic;
use crate::lexer::{Tok, parse_int, unescape};

impl Parser<'_, '_> {
    pub(super) fn annotations(&mut self) -> Parse<Vec<Annotation>> {
        let mut annotations = Vec::new();
        while self.at("@") {
            annotations.push(self.annotation()?);
        }
        Ok(annotations)
    }

    fn annotation(&mut self) -> Parse<Annotation> {
        let start = self.span();
        self.expect("@")?;
        // Any word may name an annotation, keywords too.
        let Some(word) = self.word_at(0) else {
            return Err(self.expected("the annotation's name"));
        };
        let name = Ident {
            name: word.to_owned(),
            span: self.span(),
        };
        self.bump();
        let body = if self.eat("(") {
            let mut tokens = Vec::new();
            self.annotation_tokens(&mut tokens)?;
            AnnotationBody::Unstructured(tokens)
        } else if self.eat("[") {
            self.structured_annotation()?
        } else {
            AnnotationBody::Empty
        };
        let annotation = Annotation {
            name,
            body,
            span: self.since(start),
        };
        self.check_body(&annotation);
        Ok(annotation)
    }

    /// Tokens up to the `)` that closes the body.
    fn annotation_tokens(&mut self, tokens: &mut Vec<AnnotationToken>) -> Parse<()> {
        let mut depth = 0_usize;
        loop {
            let span = self.span();
            let kind = match &self.token_at(0).tok {
                Tok::Eof => return Err(self.expected("`)`")),
                Tok::Punct(")") if depth == 0 => {
                    self.bump();
                    return Ok(());
                }
                Tok::Punct(text) => {
                    depth += usize::from(*text == "(");
                    depth -= usize::from(*text == ")");
                    AnnotationTokenKind::Text((*text).to_owned())
                }
                Tok::Str(raw) => AnnotationTokenKind::Str(unescape(raw)),
                Tok::Int(raw) => match parse_int(raw) {
                    Ok(literal) => AnnotationTokenKind::Int(literal),
                    Err(reason) => {
                        self.error(Diagnostic::error(codes::BAD_NUMBER, span, reason));
                        AnnotationTokenKind::Text(raw.to_string())
                    }
                },
                other => AnnotationTokenKind::Text(other.text()),
            };
            self.bump();
            tokens.push(AnnotationToken { kind, span });
        }
    }

    fn structured_annotation(&mut self) -> Parse<AnnotationBody> {
        if self.name_at(0).is_some() && self.at_ahead(1, "=") {
            let mut pairs = Vec::new();
            while !self.at("]") {
                if self.name_at(0).is_none() || !self.at_ahead(1, "=") {
                    return Err(self.mixed_annotation());
                }
                let name = self.ident("a key")?;
                self.expect("=")?;
                pairs.push(NamedExpr {
                    name,
                    value: self.expression()?,
                });
                if !self.eat(",") {
                    break;
                }
            }
            self.expect("]")?;
            return Ok(AnnotationBody::KeyValues(pairs));
        }
        let exprs = self.expressions_until("]")?;
        if self.at("=") {
            return Err(self.mixed_annotation());
        }
        self.expect("]")?;
        Ok(AnnotationBody::Exprs(exprs))
    }

    fn mixed_annotation(&mut self) -> Fail {
        self.misplaced(
            self.span(),
            "this annotation has both values and `key = value` pairs",
            "give all by key, or all by position",
        )
    }
}
