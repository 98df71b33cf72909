//! Mutants of which it is known why no case sees them: those that compute the same as the original, and those that only a case
//! that the matrix does not have could see. Each has its reason in `equivalent.toml`.
//!
//! An entry stands for all changes of one place that are made for the same reason. It names the place by its function and its text,
//! not by its line, so that it moves along. One that fits no mutant, or one that a case kills, is stale: an error.

use serde::Deserialize;
use thiserror::Error;

use crate::Mutant;

/// One place, and what can be changed there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equivalent {
    /// Name of the file, without its ending.
    pub file: String,
    /// The function; empty outside of all.
    pub function: String,
    /// The lines as they are, in one.
    pub from: String,
    /// What they may become.
    pub to: Vec<String>,
    /// Why nothing that is computed differs, or why no case sees it.
    pub why: String,
    /// Whether something that is computed differs, which no case sees.
    #[serde(skip)]
    pub unseen: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    equivalent: Vec<Equivalent>,
    #[serde(default)]
    unseen: Vec<Equivalent>,
}

/// The file cannot be read.
#[derive(Debug, Error)]
#[error("equivalent.toml: {0}")]
pub struct Unreadable(#[from] toml::de::Error);

/// The entries of this crate.
///
/// # Errors
/// If they are not what they should be.
pub fn known() -> Result<Vec<Equivalent>, Unreadable> {
    parse(include_str!("../equivalent.toml"))
}

/// The entries of a text.
///
/// # Errors
/// If they are not what they should be.
pub fn parse(text: &str) -> Result<Vec<Equivalent>, Unreadable> {
    let File { equivalent, unseen } = toml::from_str(text)?;
    Ok(equivalent.into_iter().chain(unseen.into_iter().map(|entry| Equivalent { unseen: true, ..entry })).collect())
}

impl Equivalent {
    /// Whether it is about this mutant.
    #[must_use]
    pub fn fits(&self, mutant: &Mutant) -> bool {
        self.is_place_of(mutant) && self.to.contains(&mutant.to)
    }

    fn is_place_of(&self, mutant: &Mutant) -> bool {
        self.file == mutant.file && self.function == mutant.function && self.from == mutant.from
    }

    /// What none of the mutants is.
    #[must_use]
    pub fn stale(&self, mutants: &[Mutant]) -> Vec<String> {
        let here: Vec<&Mutant> = mutants.iter().filter(|mutant| self.is_place_of(mutant)).collect();
        let gone = self.to.iter().filter(|to| !here.iter().any(|mutant| mutant.to == **to));
        gone.map(|to| format!("{}.wgsl, {}: no mutant is\n    - {}\n    + {to}", self.file, self.function, self.from)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::mutants;
    use crate::{Source, sources};

    #[test]
    fn no_entry_is_stale() {
        let mutants: Vec<Mutant> = sources().expect("the shaders").iter().flat_map(mutants).collect();
        let known = known().unwrap_or_else(|error| panic!("{error}"));
        let stale: Vec<String> = known.iter().flat_map(|entry| entry.stale(&mutants)).collect();
        assert!(stale.is_empty(), "{}", stale.join("\n"));
        for (number, entry) in known.iter().enumerate() {
            assert!(!entry.to.is_empty() && entry.why.len() > 10, "{entry:?}");
            let twice = known[..number].iter().any(|other| mutants.iter().any(|mutant| other.fits(mutant) && entry.fits(mutant)));
            assert!(!twice, "two reasons: {entry:?}");
        }
    }

    #[test]
    fn a_stale_entry_is_found() {
        let source = Source { name: "test".into(), text: "fn f() {\n    let a = b < c;\n}\n".into() };
        let mutants = mutants(&source);
        let entry = |from: &str, to: &str| {
            let text =
                format!("[[equivalent]]\nfile = 'test'\nfunction = 'f'\nfrom = '{from}'\nto = ['{to}']\nwhy = 'because it does'");
            parse(&text).expect("an entry").remove(0)
        };
        assert_eq!(entry("let a = b < c;", "let a = b <= c;").stale(&mutants), Vec::<String>::new());
        assert!(entry("let a = b < c;", "let a = b <= c;").fits(&mutants[0]));
        assert_eq!(entry("let a = b < c;", "let a = b > c;").stale(&mutants).len(), 1);
        assert_eq!(entry("let a = b > c;", "let a = b <= c;").stale(&mutants).len(), 1);
        assert!(parse("[[equivalent]]\nfile = 'test'").is_err());
    }
}
