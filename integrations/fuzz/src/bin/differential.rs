//! Random small cases on every adapter that is named, against the oracle.

use std::process::ExitCode;
use std::time::Instant;

use bmru_conformance::adapters;
use bmru_fuzz::differential::{Fuzzer, Name, Settings};
use bmru_fuzz::regressions;
use clap::Parser;

/// Runs random cases on adapters and compares them with the oracle.
#[derive(Parser)]
struct Arguments {
    /// Cases on each adapter.
    #[arg(long, default_value_t = 1000)]
    cases: u64,
    /// Cases that share their pipelines.
    #[arg(long, default_value_t = 40)]
    per_recipe: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Part of `name@backend` of the adapters; all without it.
    #[arg(long, default_value = "")]
    adapter: String,
    /// One case alone: RECIPE:CASE.
    #[arg(long)]
    case: Option<Name>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let wanted = arguments.adapter.to_lowercase();
    let present = adapters::all();
    let names: Vec<String> = present.iter().map(|adapter| adapters::name(&adapter.get_info())).collect();
    let is_wanted = |name: &String| adapters::missing(&wanted, std::slice::from_ref(name)).is_empty();
    let mut chosen: Vec<_> = present.into_iter().zip(&names).filter(|(_, name)| is_wanted(name)).collect();
    if chosen.is_empty() {
        eprintln!("no adapter matches {wanted:?}; found: {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    let mut failed = false;
    for (adapter, name) in chosen.drain(..) {
        let begin = Instant::now();
        let mut fuzzer = Fuzzer::on(adapter);
        if let Err(error) = run(&mut fuzzer, &arguments) {
            eprintln!("{name}: {error}");
            failed = true;
        }
        fuzzer.retire();
        println!("{name}, seed {}: {}; {:.0} s", arguments.seed, fuzzer.tally, begin.elapsed().as_secs_f64());
        failed |= !fuzzer.tally.failures.is_empty();
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run(fuzzer: &mut Fuzzer, arguments: &Arguments) -> Result<(), bmru::Error> {
    if let Some(name) = arguments.case {
        fuzzer.one(name)?;
        fuzzer.tally.failures.iter().for_each(|failure| eprintln!("{failure}"));
        return Ok(());
    }
    random(fuzzer, arguments)
}

fn random(fuzzer: &mut Fuzzer, arguments: &Arguments) -> Result<(), bmru::Error> {
    for name in regressions::differential() {
        fuzzer.one(name)?;
    }
    let Arguments { cases, per_recipe, seed, .. } = *arguments;
    let (mut told, mut failures) = (Instant::now(), 0);
    fuzzer.run(&Settings { cases, per_recipe, seed }, |tally| {
        // At once: a run may be ended.
        tally.failures[failures..].iter().for_each(|failure| eprintln!("{failure}"));
        failures = tally.failures.len();
        if told.elapsed().as_secs() > 30 {
            told = Instant::now();
            eprintln!("{tally}");
        }
    })
}
