//! `compare-baselines BEFORE NOW`: prints what became faster or slower between two folders that `scripts/bench.sh` filled, and
//! exits with 1 if a row of the library became slower by more than 10 %.

use std::path::Path;
use std::process::ExitCode;

use bmru_measure::baseline::{Change, LIMIT, changes, only, read};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [before, now] = &arguments[..] else {
        eprintln!("compare-baselines BEFORE NOW: two folders of CRITERION_HOME folders");
        return ExitCode::FAILURE;
    };
    let (before, now) = match (read(Path::new(before)), read(Path::new(now))) {
        (Ok(before), Ok(now)) => (before, now),
        (Err(error), _) | (_, Err(error)) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let changes = changes(&before, &now);
    if changes.is_empty() {
        eprintln!("the two have no benchmark in common");
        return ExitCode::FAILURE;
    }
    let width = changes.iter().map(|change| change.id.len()).max().unwrap_or(0);
    println!("{:width$}  {:>12}  {:>12}  {:>8}", "medians over processes", "before, ms", "now, ms", "change");
    for change in &changes {
        let mark = if change.fails() { "  SLOWER" } else { "" };
        let percent = 100.0 * (change.ratio() - 1.0);
        println!("{:width$}  {:>12.4}  {:>12.4}  {percent:>+7.1}%{mark}", change.id, change.before / 1e6, change.now / 1e6);
    }
    only(&before, &now).for_each(|id| println!("{id}  before only"));
    only(&now, &before).for_each(|id| println!("{id}  now only"));
    let slower = changes.iter().filter(|change| change.fails()).count();
    println!("{slower} of {} rows are slower by more than {:.0} %", changes.len(), 100.0 * (LIMIT - 1.0));
    if changes.iter().any(Change::fails) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
