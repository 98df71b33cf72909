//! WGSL as tokens: enough of its grammar to tell a comparison from a type, and where an expression ends.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or a keyword.
    Word,
    /// A literal.
    Number,
    /// Everything else.
    Mark,
}

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its text.
    pub text: &'a str,
    /// Its first byte.
    pub at: usize,
    /// Whether it is part of an attribute or of the arguments of a type: there is nothing to change.
    pub inert: bool,
}

impl Token<'_> {
    /// The byte behind it.
    #[must_use]
    pub fn end(&self) -> usize {
        self.at + self.text.len()
    }
}

/// Longer ones first.
const MARKS: [&str; 22] = [
    "<<=", ">>=", "->", "++", "--", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<", ">>", "<=", ">=", "==", "!=", "&&",
    "||", "::",
];

/// Words whose `<` begins the arguments of a type.
const GENERIC: [&str; 8] = ["vec2", "vec3", "vec4", "array", "ptr", "bitcast", "atomic", "var"];

/// The tokens of a text, without its comments.
#[must_use]
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let first = rest.chars().next().expect("there is more");
        let (kind, length) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        } else if rest.starts_with("/*") {
            at += block_comment(rest);
            continue;
        } else if first.is_ascii_digit() {
            (Kind::Number, number(rest))
        } else if first.is_alphabetic() || first == '_' {
            (Kind::Word, rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()))
        } else {
            let mark = MARKS.iter().find(|mark| rest.starts_with(**mark));
            (Kind::Mark, mark.map_or(first.len_utf8(), |mark| mark.len()))
        };
        tokens.push(Token { kind, text: &rest[..length], at, inert: false });
        at += length;
    }
    mark_inert(&mut tokens);
    tokens
}

/// The length of a literal, with its suffix. The sign of an exponent belongs to it.
fn number(rest: &str) -> usize {
    let hexadecimal = rest.starts_with("0x");
    let mut last = ' ';
    rest.find(|c: char| {
        let exponent = !hexadecimal && matches!(last, 'e' | 'E') && matches!(c, '+' | '-');
        last = c;
        !(c.is_ascii_alphanumeric() || c == '.' || exponent)
    })
    .unwrap_or(rest.len())
}

/// They nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn mark_inert(tokens: &mut [Token<'_>]) {
    let mut at = 0;
    while at < tokens.len() {
        let end = match tokens[at].text {
            "@" if tokens.get(at + 2).is_some_and(|token| token.text == "(") => closing(tokens, at + 2) + 1,
            "@" => at + 2,
            "<" if at > 0 && GENERIC.contains(&tokens[at - 1].text) => generic_end(tokens, at),
            _ => at + 1,
        };
        let end = end.min(tokens.len());
        if end > at + 1 {
            tokens[at..end].iter_mut().for_each(|token| token.inert = true);
        }
        at = end;
    }
}

fn generic_end(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        depth += match token.text {
            "<" => 1,
            ">" => -1,
            ">>" => -2,
            _ => 0,
        };
        if depth <= 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The bracket that closes the one at `open`; the last token if none does.
#[must_use]
pub fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len() - 1
}

/// The tokens of each argument between the bracket at `open` and the one that closes it.
#[must_use]
pub fn arguments(tokens: &[Token<'_>], open: usize) -> Vec<Range<usize>> {
    let close = closing(tokens, open);
    let mut arguments = Vec::new();
    let (mut begin, mut at) = (open + 1, open + 1);
    while at < close {
        match tokens[at].text {
            "(" | "[" | "{" => at = closing(tokens, at),
            "," if !tokens[at].inert => {
                arguments.push(begin..at);
                begin = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    if begin < close {
        arguments.push(begin..close);
    }
    arguments
}

/// The token behind the unary expression that begins at `begin`.
#[must_use]
pub fn unary_end(tokens: &[Token<'_>], begin: usize) -> usize {
    let mut at = begin;
    while at < tokens.len() && matches!(tokens[at].text, "-" | "~" | "!" | "&" | "*") {
        at += 1;
    }
    if at < tokens.len() && tokens[at].text == "(" {
        at = closing(tokens, at);
    }
    at += 1;
    while at < tokens.len() {
        match tokens[at].text {
            "<" if tokens[at].inert => at = generic_end(tokens, at),
            "(" | "[" => at = closing(tokens, at) + 1,
            "." => at += 2,
            _ => break,
        }
    }
    at
}

/// The bytes of some tokens.
#[must_use]
pub fn bytes(tokens: &[Token<'_>], of: Range<usize>) -> Range<usize> {
    tokens[of.start].at..tokens[of.end - 1].end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_are_no_tokens() {
        assert_eq!(texts("a // b < c\n+ /* d /* e */ f */ g"), ["a", "+", "g"]);
    }

    #[test]
    fn the_longest_mark_and_whole_literals() {
        assert_eq!(texts("x<<=1u"), ["x", "<<=", "1u"]);
        assert_eq!(texts("a<=b>>31u"), ["a", "<=", "b", ">>", "31u"]);
        assert_eq!(texts("1.5e-8-0x7fu"), ["1.5e-8", "-", "0x7fu"]);
        assert_eq!(texts("0x1e-2"), ["0x1e", "-", "2"]);
    }

    #[test]
    fn types_and_attributes_are_inert() {
        let text = "@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>; let y = a < bitcast<Floats>(b);";
        let active: Vec<&str> = tokens(text).iter().filter(|token| !token.inert).map(|token| token.text).collect();
        assert_eq!(active, ["var", "x", ":", "array", ";", "let", "y", "=", "a", "<", "bitcast", "(", "b", ")", ";"]);
    }

    #[test]
    fn expressions_end_where_they_do() {
        let all = tokens("f(a, g<b>(c, d)[1], h) + ~x.y[2].z * 3");
        let parts: Vec<String> = arguments(&all, 1).into_iter().map(|part| part.len().to_string()).collect();
        assert_eq!(parts, ["1", "12", "1"]);
        let tilde = all.iter().position(|token| token.text == "~").expect("there is one");
        assert_eq!(all[unary_end(&all, tilde)].text, "*");
    }
}
