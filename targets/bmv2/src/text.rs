//! Indented text.

/// Lines of P4.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text {
    out: String,
    indent: usize,
}

impl Text {
    /// A line at the present depth; an empty one has no blanks.
    pub(crate) fn line(&mut self, line: impl AsRef<str>) {
        let line = line.as_ref();
        if !line.is_empty() && !line.starts_with('#') {
            self.out.extend(std::iter::repeat_n("    ", self.indent));
        }
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// A comment, on as many lines as it has.
    pub(crate) fn comment(&mut self, comment: &str) {
        for line in comment.lines() {
            self.line(format!("// {line}"));
        }
    }

    /// `head {`, the body, `}` and what follows it.
    pub(crate) fn block(
        &mut self,
        head: impl AsRef<str>,
        tail: &str,
        body: impl FnOnce(&mut Self),
    ) {
        self.open(head);
        body(self);
        self.close(tail);
    }

    pub(crate) fn open(&mut self, head: impl AsRef<str>) {
        let head = head.as_ref();
        self.line(if head.is_empty() {
            "{".to_owned()
        } else {
            format!("{head} {{")
        });
        self.indent += 1;
    }

    /// One level deeper, behind a [`Self::close`] whose tail opened a block.
    pub(crate) fn reopen(&mut self) {
        self.indent += 1;
    }

    /// One level up again.
    pub(crate) fn dedent(&mut self) {
        self.indent -= 1;
    }

    /// An empty text at the same depth.
    pub(crate) fn beside(&self) -> Self {
        Self {
            out: String::new(),
            indent: self.indent,
        }
    }

    /// Lines that were written beside.
    pub(crate) fn append(&mut self, other: Self) {
        self.out.push_str(&other.out);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    pub(crate) fn close(&mut self, tail: &str) {
        self.indent -= 1;
        self.line(format!("}}{tail}"));
    }

    pub(crate) fn into_string(self) -> String {
        self.out
    }
}
