//! A handful of mutants that must die, and some that must not: the tool itself, on the first adapter.

use std::time::Duration;

use bmru::{Limits, Tuning};
use bmru_conformance::adapters;
use bmru_mutants::operators::mutants;
use bmru_mutants::suite::Suite;
use bmru_mutants::trial::{Bench, Verdict};
use bmru_mutants::{Mutant, sources};

/// File, what a line is, and what it becomes.
const MUST_DIE: [(&str, &str, &str); 7] = [
    ("carry", "return (a + p + plus) ^ a ^ p;", "return (a + p + plus) | a ^ p;"),
    ("gate", "return (signs >> Vector(SIGN_SHIFT)) & Vector(ONE);", "return (signs >> Vector(SIGN_SHIFT)) | Vector(ONE);"),
    ("params", "d = params.bands - 1u - d;", "d = params.bands - 2u - d;"),
    ("tree_scan", "store_words(words_index + words_step(), signs_before(z, p, plus_before));", ""),
    ("fold_2", "return states.zwzw;", "return states.wzwz;"),
    ("walk_drop", "return select(gradient, Floats(0.0), sets);", "return select(Floats(0.0), gradient, sets);"),
    ("health", "let one_run = a.trailing > 0u && b.leading > 0u;", "let one_run = a.trailing > 0u || b.leading > 0u;"),
];

#[test]
fn mutants_die_and_what_is_the_same_lives() {
    let adapter = adapters::all().into_iter().next().expect("an adapter");
    // Small cases of all kinds.
    let mut bench =
        Bench::new(&adapter, sources().expect("the shaders"), Duration::from_secs(60), "").expect("a device on the adapter");
    let all: Vec<Mutant> = bench.sources().iter().flat_map(mutants).collect();
    for (file, from, to) in MUST_DIE {
        let mut found = all.iter().filter(|mutant| mutant.file == file && mutant.from == from && mutant.to == to);
        let mutant = found.next().unwrap_or_else(|| panic!("no mutant of {file} is {to}"));
        let verdict = bench.trial(mutant, usize::MAX, || ());
        assert!(matches!(verdict, Verdict::Killed(_)), "{verdict}: {mutant}");
    }
    // Strides are equal only where both are 0.
    let mut found = all.iter().filter(|mutant| mutant.to == "let batch_first = view.batch >= view.time;");
    let verdict = bench.trial(found.next().expect("a mutant of pack.wgsl"), 12, || ());
    assert_eq!(verdict, Verdict::Survived(12));
}

/// A mutant of a file that no case has would survive whatever it is.
#[test]
fn every_file_is_in_a_case() {
    let sources = sources().expect("the shaders");
    let suite = Suite::new(&sources, Limits::default(), Tuning::software(), "").expect("plans");
    let cases: Vec<usize> = (0..sources.len()).map(|file| suite.with_file(file).len()).collect();
    for (source, cases) in sources.iter().zip(&cases) {
        println!("{}: {cases}", source.name);
    }
    let without: Vec<&str> =
        sources.iter().zip(&cases).filter(|(_, cases)| **cases == 0).map(|(source, _)| source.name.as_str()).collect();
    assert!(without.is_empty(), "no case of the quick matrix has {without:?}");
}
