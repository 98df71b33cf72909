//! What came of many mutants.

use std::collections::BTreeMap;
use std::fmt;

use crate::equivalent::Equivalent;
use crate::trial::Verdict;
use crate::{Mutant, Operator};

/// How many mutants came to which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// No valid shaders. They are in no other number.
    pub refused: usize,
    /// Seen by a case.
    pub killed: usize,
    /// Without an end.
    pub hung: usize,
    /// Seen by none, and known to compute the same.
    pub equivalent: usize,
    /// Seen by none, though they compute something else, or nobody knows.
    pub survived: usize,
}

impl Count {
    fn add(&mut self, verdict: &Verdict, known: bool) {
        match verdict {
            Verdict::Refused(_) => self.refused += 1,
            Verdict::Killed(_) => self.killed += 1,
            Verdict::Hung => self.hung += 1,
            Verdict::Survived(_) if known => self.equivalent += 1,
            Verdict::Survived(_) => self.survived += 1,
        }
    }

    /// Mutants that are valid shaders.
    #[must_use]
    pub fn valid(&self) -> usize {
        self.killed + self.hung + self.equivalent + self.survived
    }

    /// Dead ones of 100 that are valid shaders, those that compute the same among them.
    #[must_use]
    pub fn rate(&self) -> f64 {
        100.0 * (self.killed + self.hung) as f64 / self.valid().max(1) as f64
    }
}

/// Mutants and what became of them.
#[derive(Clone, Debug, Default)]
pub struct Report<'a> {
    results: Vec<(&'a Mutant, Verdict)>,
    known: Vec<Equivalent>,
}

impl<'a> Report<'a> {
    /// A report; `known` are those of which it is known why no case sees them.
    #[must_use]
    pub fn new(results: Vec<(&'a Mutant, Verdict)>, known: Vec<Equivalent>) -> Self {
        Self { results, known }
    }

    fn reason(&self, mutant: &Mutant) -> Option<&Equivalent> {
        self.known.iter().find(|known| known.fits(mutant))
    }

    fn count(&self, of: impl Fn(&Mutant) -> bool) -> Count {
        let mut count = Count::default();
        for (mutant, verdict) in self.results.iter().filter(|(mutant, _)| of(mutant)) {
            count.add(verdict, self.reason(mutant).is_some_and(|known| !known.unseen));
        }
        count
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> Count {
        self.count(|_| true)
    }

    /// Those that no case saw, and of which nobody said why.
    pub fn unexplained(&self) -> impl Iterator<Item = &Mutant> {
        let survived = self.results.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Survived(_)));
        survived.map(|(mutant, _)| *mutant).filter(|mutant| self.reason(mutant).is_none())
    }

    /// Those of which it was said that no case sees them, and what saw them.
    pub fn wrongly_explained(&self) -> impl Iterator<Item = (&Mutant, &Verdict)> {
        let seen = self.results.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Killed(_) | Verdict::Hung));
        seen.filter(|(mutant, _)| self.reason(mutant).is_some()).map(|(mutant, verdict)| (*mutant, verdict))
    }

    /// The survivors with their reasons, as a list in Markdown.
    #[must_use]
    pub fn survivors(&self) -> String {
        let mut lines = String::new();
        let mut reasons: BTreeMap<(&str, &str), Vec<&Mutant>> = BTreeMap::new();
        for (mutant, verdict) in &self.results {
            if let (Verdict::Survived(_), Some(known)) = (verdict, self.reason(mutant)) {
                reasons.entry((&mutant.file, &known.why)).or_default().push(mutant);
            }
        }
        for ((file, why), mutants) in reasons {
            lines += &format!("- `{file}.wgsl`: {why}\n");
            for mutant in mutants {
                lines += &format!("  - `{}`: `{}` → `{}`\n", mutant.function, mutant.from, mutant.to);
            }
        }
        lines
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, count: Count| {
            let Count { refused, killed, hung, equivalent, survived } = count;
            let (valid, rate) = (count.valid(), count.rate());
            writeln!(f, "| {name} | {valid} | {killed} | {hung} | {equivalent} | {survived} | {rate:.1} % | {refused} |")
        };
        let files: BTreeMap<&str, ()> = self.results.iter().map(|(mutant, _)| (mutant.file.as_str(), ())).collect();
        for file in files.into_keys() {
            line(&format!("`{file}`"), self.count(|mutant| mutant.file == file))?;
        }
        for operator in Operator::ALL {
            line(&operator.to_string(), self.count(|mutant| mutant.operator == operator))?;
        }
        line("all", self.total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::mutants;
    use crate::{Source, equivalent};

    #[test]
    fn who_computes_the_same_and_who_does_not() {
        let source = Source { name: "test".into(), text: "fn f() {\n    let a = b < c + 1u;\n    let d = a + 1u;\n}\n".into() };
        let mutants = mutants(&source);
        let entry = |kind: &str, to: &Mutant| {
            let text = format!(
                "[[{kind}]]\nfile = 'test'\nfunction = 'f'\nfrom = '{}'\nto = ['{}']\nwhy = 'because it does'",
                to.from, to.to
            );
            equivalent::parse(&text).expect("an entry").remove(0)
        };
        let verdicts = [
            Verdict::Survived(3),
            Verdict::Survived(3),
            Verdict::Survived(0),
            Verdict::Killed("x".into()),
            Verdict::Hung,
            Verdict::Refused("y".into()),
        ];
        let results: Vec<_> = mutants.iter().zip(verdicts).collect();
        let known = vec![entry("equivalent", &mutants[0]), entry("unseen", &mutants[2]), entry("unseen", &mutants[3])];
        let report = Report::new(results, known);
        let Count { refused, killed, hung, equivalent, survived } = report.total();
        assert_eq!([refused, killed, hung, equivalent, survived], [1, 1, 1, 1, 2]);
        assert_eq!(report.total().rate(), 40.0);
        assert_eq!(report.unexplained().collect::<Vec<_>>(), [&mutants[1]]);
        assert_eq!(report.wrongly_explained().map(|(mutant, _)| mutant).collect::<Vec<_>>(), [&mutants[3]]);
    }
}
