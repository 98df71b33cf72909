//! Some hundred random cases on every adapter, the same in every run, and all that was found before.
//!
//! An adapter of `BMRU_ADAPTERS` that is missing is a failure. `scripts/fuzz.sh` runs thousands.

use std::process::ExitCode;

use bmru::wgpu;
use bmru_conformance::adapters;
use bmru_fuzz::differential::{Fuzzer, Settings};
use bmru_fuzz::regressions;
use libtest_mimic::{Arguments, Failed, Trial};

const SETTINGS: Settings = Settings { cases: 300, per_recipe: 25, seed: 0x626d_7275 };

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let present = adapters::all();
    let names: Vec<String> = present.iter().map(|adapter| adapters::name(&adapter.get_info())).collect();
    let missing = adapters::missing(&std::env::var("BMRU_ADAPTERS").unwrap_or_default(), &names);
    let mut trials = vec![Trial::test("the adapters that must be there", move || match missing.is_empty() {
        true => Ok(()),
        false => Err(format!("missing: {}", missing.join(", ")).into()),
    })];
    for (adapter, name) in present.iter().cloned().zip(names) {
        trials.push(Trial::test(format!("{name}: random cases agree with the oracle"), move || agree(adapter)));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Drivers tear down their threads with their devices.
    drop(present);
    conclusion.exit_code()
}

fn agree(adapter: wgpu::Adapter) -> Result<(), Failed> {
    let mut fuzzer = Fuzzer::on(adapter);
    for name in regressions::differential() {
        fuzzer.one(name)?;
    }
    fuzzer.run(&SETTINGS, |_| ())?;
    fuzzer.retire();
    let tally = &fuzzer.tally;
    println!("{tally}");
    if let Some(failure) = tally.failures.first() {
        return Err(format!(
            "{} failed, the first of them {failure}\nadd its name to regressions/differential.txt",
            tally.failures.len()
        )
        .into());
    }
    // Cases that are all refused, or compute nothing, would test nothing.
    if tally.backward < 100 || tally.elements < 100_000 || tally.refused > tally.cases {
        return Err(tally.to_string().into());
    }
    Ok(())
}
