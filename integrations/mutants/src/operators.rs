//! All changes of a file.

use std::collections::HashSet;
use std::ops::Range;

use crate::mutant::{Mutant, Operator, Source};
use crate::token::{Kind, Token, arguments, bytes, closing, tokens, unary_end};

/// What a mark becomes, where it stands between two operands.
const MARKS: [(&str, Operator, &[&str]); 23] = [
    ("<", Operator::Comparison, &["<=", ">="]),
    ("<=", Operator::Comparison, &["<", ">"]),
    (">", Operator::Comparison, &[">=", "<="]),
    (">=", Operator::Comparison, &[">", "<"]),
    ("==", Operator::Comparison, &["!="]),
    ("!=", Operator::Comparison, &["=="]),
    ("+", Operator::Arithmetic, &["-"]),
    ("-", Operator::Arithmetic, &["+"]),
    ("*", Operator::Arithmetic, &["+"]),
    ("/", Operator::Arithmetic, &["*"]),
    ("%", Operator::Arithmetic, &["/"]),
    ("+=", Operator::Arithmetic, &["-="]),
    ("-=", Operator::Arithmetic, &["+="]),
    ("++", Operator::Arithmetic, &["--"]),
    ("--", Operator::Arithmetic, &["++"]),
    ("&", Operator::Bits, &["|", "^"]),
    ("|", Operator::Bits, &["&"]),
    ("^", Operator::Bits, &["|", "&"]),
    ("&=", Operator::Bits, &["|="]),
    ("|=", Operator::Bits, &["&="]),
    ("&&", Operator::Bits, &["||"]),
    ("||", Operator::Bits, &["&&"]),
    ("<<", Operator::Shift, &[">>"]),
];

/// What a function becomes.
const FUNCTIONS: [(&str, &str); 7] = [
    ("min", "max"),
    ("max", "min"),
    ("smallest", "largest"),
    ("firstTrailingBit", "firstLeadingBit"),
    ("firstLeadingBit", "firstTrailingBit"),
    ("countOneBits", "countLeadingZeros"),
    ("abs", ""),
];

/// All changes of a file, in its order.
#[must_use]
pub fn mutants(source: &Source) -> Vec<Mutant> {
    let tokens = tokens(&source.text);
    let mut finder = Finder { source, tokens: &tokens, function: String::new(), found: Vec::new() };
    for at in 0..tokens.len() {
        finder.visit(at);
    }
    let mut seen = HashSet::new();
    let mut found = finder.found;
    found.retain(|mutant| mutant.apply(&source.text) != source.text && seen.insert(mutant.apply(&source.text)));
    found
}

struct Finder<'a> {
    source: &'a Source,
    tokens: &'a [Token<'a>],
    function: String,
    found: Vec<Mutant>,
}

impl Finder<'_> {
    fn visit(&mut self, at: usize) {
        let token = self.tokens[at];
        if token.inert {
            return;
        }
        match token.kind {
            Kind::Mark => self.mark(at),
            Kind::Number => self.number(at),
            Kind::Word => self.word(at),
        }
        self.statement(at);
    }

    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.text)
    }

    fn source(&self, of: Range<usize>) -> &str {
        &self.source.text[bytes(self.tokens, of)]
    }

    fn add(&mut self, of: Range<usize>, replacement: impl Into<String>, operator: Operator) {
        let span = bytes(self.tokens, of);
        self.found.push(Mutant::new(self.source, &self.function, span, replacement.into(), operator));
    }

    /// Whether a mark has nothing before it that it could join to what is behind it.
    fn is_prefix(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1).map(|before| self.tokens[before]) else { return true };
        match before.kind {
            Kind::Word => before.text == "return",
            Kind::Number => false,
            Kind::Mark => !matches!(before.text, ")" | "]") && !before.inert,
        }
    }

    fn mark(&mut self, at: usize) {
        let text = self.text(at).to_owned();
        if matches!(text.as_str(), "-" | "~" | "!") && self.is_prefix(at) {
            let operator = if text == "-" { Operator::Arithmetic } else { Operator::Bits };
            self.add(at..at + 1, "", operator);
            return;
        }
        // Addresses and what they lead to.
        if matches!(text.as_str(), "&" | "*") && self.is_prefix(at) {
            return;
        }
        if let Some((_, operator, others)) = MARKS.iter().find(|(mark, ..)| *mark == text) {
            for other in *others {
                self.add(at..at + 1, *other, *operator);
            }
        }
        if text == ">>" {
            self.add(at..at + 1, "<<", Operator::Shift);
        }
        if matches!(text.as_str(), "<<" | ">>") {
            self.amount(at + 1);
        }
        if text == "." {
            self.component(at + 1);
        }
    }

    /// What is shifted by. A literal in it is changed by itself.
    fn amount(&mut self, begin: usize) {
        let amount = begin..unary_end(self.tokens, begin);
        if self.tokens[amount.clone()].iter().all(|token| token.kind != Kind::Number) {
            let replacement = format!("({} + 1u)", self.source(amount.clone()));
            self.add(amount, replacement, Operator::Shift);
        }
    }

    fn component(&mut self, at: usize) {
        let text = self.text(at);
        if !text.chars().all(|c| matches!(c, 'x' | 'y' | 'z' | 'w')) {
            return;
        }
        let replacement: String = match text {
            "x" => "y".into(),
            "y" => "x".into(),
            "z" => "w".into(),
            "w" => "z".into(),
            several => several.chars().rev().collect(),
        };
        self.add(at..at + 1, replacement, Operator::Axis);
    }

    fn number(&mut self, at: usize) {
        for other in beside(self.text(at)) {
            self.add(at..at + 1, other, Operator::Literal);
        }
    }

    fn word(&mut self, at: usize) {
        let text = self.text(at).to_owned();
        match text.as_str() {
            "fn" => self.function = self.text(at + 1).to_owned(),
            "if" => {
                let condition = at + 1..self.body(at);
                self.add(condition.clone(), "true", Operator::Guard);
                self.add(condition, "false", Operator::Guard);
            }
            _ => {}
        }
        if self.text(at + 1) != "(" || at > 0 && self.text(at - 1) == "fn" {
            return;
        }
        if let Some((_, other)) = FUNCTIONS.iter().find(|(name, _)| *name == text) {
            self.add(at..at + 1, *other, Operator::Extreme);
        }
        let arguments = arguments(self.tokens, at + 1);
        if text == "select" && arguments.len() == 3 {
            self.swap(&arguments[0], &arguments[1], Operator::Selection);
        }
        if text.ends_with("_at") && arguments.len() == 3 {
            self.swap(&arguments[0], &arguments[1], Operator::Axis);
            self.swap(&arguments[1], &arguments[2], Operator::Axis);
        }
        if text.starts_with("load_") || text.starts_with("store_") {
            // Those whose first argument is an index: others take a place in three numbers.
            if let Some(index) = arguments.first().filter(|_| arguments.len() <= 2) {
                let index_text = self.source(index.clone()).to_owned();
                self.add(index.clone(), format!("{index_text} + 1u"), Operator::Index);
                self.add(index.clone(), format!("{index_text} - 1u"), Operator::Index);
            }
        }
    }

    fn swap(&mut self, first: &Range<usize>, second: &Range<usize>, operator: Operator) {
        let [a, b] = [first, second].map(|part| self.source(part.clone()).to_owned());
        let between =
            self.source.text[bytes(self.tokens, first.clone()).end..bytes(self.tokens, second.clone()).start].to_owned();
        self.add(first.start..second.end, format!("{b}{between}{a}"), operator);
    }

    /// The brace behind the condition at `keyword`.
    fn body(&self, keyword: usize) -> usize {
        let mut at = keyword + 1;
        while at < self.tokens.len() && self.text(at) != "{" {
            at = if matches!(self.text(at), "(" | "[") { closing(self.tokens, at) + 1 } else { at + 1 };
        }
        at
    }

    /// Calls without a result, assignments and updates, as a whole.
    fn statement(&mut self, at: usize) {
        let begins = at > 0 && matches!(self.text(at - 1), "{" | "}" | ";");
        if self.function.is_empty() || !begins || self.tokens[at].kind != Kind::Word {
            return;
        }
        let mut end = at;
        let mut assigns = false;
        while end < self.tokens.len() && !matches!(self.text(end), ";" | "{" | "}" | ":") {
            assigns |= self.text(end).ends_with('=') && !matches!(self.text(end), "==" | "<=" | ">=" | "!=");
            end = if matches!(self.text(end), "(" | "[") { closing(self.tokens, end) + 1 } else { end + 1 };
        }
        let text = self.text(at);
        let declares = matches!(text, "let" | "var" | "const" | "return" | "for" | "while" | "if" | "else");
        let calls = text.starts_with("store_") || text.ends_with("Barrier");
        if self.text(end) == ";" && !declares && (assigns || calls) {
            self.add(at..end + 1, "", Operator::Statement);
        }
    }
}

/// The literals beside one.
fn beside(literal: &str) -> Vec<String> {
    if let Some(digits) = literal.strip_prefix("0x") {
        let (digits, suffix) = split_suffix(digits, &['u', 'i']);
        let Ok(value) = u32::from_str_radix(digits, 16) else { return Vec::new() };
        let others = [value.checked_add(1), value.checked_sub(1)];
        return others.into_iter().flatten().map(|other| format!("{other:#x}{suffix}")).collect();
    }
    if literal.contains(['.', 'e']) {
        let (digits, suffix) = split_suffix(literal, &['f', 'h']);
        let Ok(value) = digits.parse::<f64>() else { return Vec::new() };
        // What is far from 1 would not feel one more.
        let others =
            if value == 0.0 || (0.01..1e6).contains(&value) { vec![value + 1.0] } else { vec![value * 2.0, value / 2.0] };
        return others.into_iter().map(|other| format!("{other:?}{suffix}")).collect();
    }
    let (digits, suffix) = split_suffix(literal, &['u', 'i']);
    let Ok(value) = digits.parse::<u32>() else { return Vec::new() };
    [value.checked_add(1), value.checked_sub(1)].into_iter().flatten().map(|other| format!("{other}{suffix}")).collect()
}

fn split_suffix<'a>(literal: &'a str, suffixes: &[char]) -> (&'a str, &'a str) {
    literal.split_at(literal.trim_end_matches(suffixes).len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str) -> Vec<String> {
        let source = Source { name: "test".into(), text: format!("fn f() {{ {text} }}") };
        let all = mutants(&source);
        all.iter().map(|mutant| mutant.apply(&source.text)[9..].trim_end_matches('}').trim().to_owned()).collect()
    }

    #[test]
    fn each_operator_changes_one_place() {
        assert_eq!(changed("let a = b < c;"), ["let a = b <= c;", "let a = b >= c;"]);
        assert_eq!(changed("let a = x & ~y;"), ["let a = x | ~y;", "let a = x ^ ~y;", "let a = x & y;"]);
        assert_eq!(changed("let a = x >> Vector(k);"), ["let a = x << Vector(k);", "let a = x >> (Vector(k) + 1u);"]);
        assert_eq!(changed("let a = x >> 31u;"), ["let a = x << 31u;", "let a = x >> 32u;", "let a = x >> 30u;"]);
        assert_eq!(changed("let a = select(b, c(d, e), f);"), ["let a = select(c(d, e), b, f);"]);
        assert_eq!(changed("let a = words_at(b, t, d);"), ["let a = words_at(t, b, d);", "let a = words_at(b, d, t);"]);
        assert_eq!(changed("let a = b.xzyw;"), ["let a = b.wyzx;"]);
        assert_eq!(changed("if a { return; }"), ["if true { return; }", "if false { return; }"]);
        assert_eq!(changed("let a = min(b, -c);"), ["let a = max(b, -c);", "let a = min(b, c);"]);
        assert_eq!(changed("workgroupBarrier();"), [""]);
        assert_eq!(changed("a.b += c;"), ["", "a.b -= c;"]);
        assert_eq!(changed("store_words(at, x);"), ["store_words(at + 1u, x);", "store_words(at - 1u, x);", ""]);
    }

    #[test]
    fn types_pointers_and_comments_stay() {
        assert_eq!(changed("let a = bitcast<Floats>(b); // c < d"), [""; 0]);
        assert_eq!(changed("scan(&band, (*band)[k]);"), [""; 0]);
    }

    #[test]
    fn literals_beside() {
        assert_eq!(beside("0u"), ["1u"]);
        assert_eq!(beside("0xffffffffu"), ["0xfffffffeu"]);
        assert_eq!(beside("0.0"), ["1.0"]);
        assert_eq!(beside("5.9604644775390625e-8"), ["1.1920928955078125e-7", "2.9802322387695313e-8"]);
    }
}
