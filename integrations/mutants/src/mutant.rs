//! One change of one file.

use std::fmt;
use std::ops::Range;

/// What kind of mistake a change stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operator {
    /// Another comparison.
    Comparison,
    /// Another operation of arithmetic, or a sign that is lost.
    Arithmetic,
    /// Another operation of bits or of truth.
    Bits,
    /// A shift the other way, or by one more.
    Shift,
    /// A literal one higher or lower.
    Literal,
    /// An index one higher or lower.
    Index,
    /// Two coordinates of an element, or two components of a vector, swapped.
    Axis,
    /// The smaller for the larger, the first for the last.
    Extreme,
    /// The two sides of a selection swapped.
    Selection,
    /// A condition that always holds, or never.
    Guard,
    /// A barrier, a store or an update that is lost.
    Statement,
}

impl Operator {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Comparison,
        Self::Arithmetic,
        Self::Bits,
        Self::Shift,
        Self::Literal,
        Self::Index,
        Self::Axis,
        Self::Extreme,
        Self::Selection,
        Self::Guard,
        Self::Statement,
    ];
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Comparison => "comparison",
            Self::Arithmetic => "arithmetic",
            Self::Bits => "bits",
            Self::Shift => "shift",
            Self::Literal => "literal",
            Self::Index => "index",
            Self::Axis => "axis",
            Self::Extreme => "extreme",
            Self::Selection => "selection",
            Self::Guard => "guard",
            Self::Statement => "statement",
        })
    }
}

/// A shader file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name without the ending.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A file with one place changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// Name of the file.
    pub file: String,
    /// The function that the place is in; empty outside of all.
    pub function: String,
    /// Number of its line, from 1.
    pub line: usize,
    /// The bytes that are replaced.
    pub span: Range<usize>,
    /// What replaces them.
    pub replacement: String,
    /// The kind of change.
    pub operator: Operator,
    /// The lines of the place, in one, before.
    pub from: String,
    /// The same lines after.
    pub to: String,
}

impl Mutant {
    /// A change of a file.
    #[must_use]
    pub fn new(source: &Source, function: &str, span: Range<usize>, replacement: String, operator: Operator) -> Self {
        let text = &source.text;
        let begin = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let end = text[span.end..].find('\n').map_or(text.len(), |at| span.end + at);
        let one_line = |lines: &str| lines.split_whitespace().collect::<Vec<_>>().join(" ");
        let after = format!("{}{replacement}{}", &text[begin..span.start], &text[span.end..end]);
        Self {
            file: source.name.clone(),
            function: function.to_owned(),
            line: 1 + text[..span.start].matches('\n').count(),
            from: one_line(&text[begin..end]),
            to: one_line(&after),
            span,
            replacement,
            operator,
        }
    }

    /// The text of the file with the change.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        format!("{}{}{}", &text[..self.span.start], self.replacement, &text[self.span.end..])
    }

    /// Names the change as long as its file stays as it is.
    #[must_use]
    pub fn id(&self) -> String {
        format!(
            "{}:{}..{}:{}",
            self.file,
            self.span.start,
            self.span.end,
            self.replacement.split_whitespace().collect::<String>()
        )
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, function, operator, from, to, .. } = self;
        write!(f, "{file}.wgsl:{line} {function}, {operator}\n    - {from}\n    + {to}")
    }
}
