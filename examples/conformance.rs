//! Runs the conformance matrix on every adapter and prints a table.
//!
//! `cargo run --release --example conformance -- [--quick] [--adapter SUBSTRING] [--case SUBSTRING] [--json FILE]`
//!
//! Exits with 1 on any failure, and when no adapter is found.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bmru::host::describe;
use bmru::wgpu;
use bmru_conformance::backward::OUTPUTS;
use bmru_conformance::{AnyCase, Scope, Tally, adapters, run_on};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

/// The conformance matrix on every adapter: forward bitwise equal to the sequential loop, backward within the derived bound of
/// the same loop in double precision and bitwise equal between all strategies and limits, the counts of health equal to the loop's.
#[derive(Parser)]
struct Options {
    /// Fewer sizes: some seconds on a software adapter.
    #[arg(long)]
    quick: bool,
    /// Only adapters whose name, backend or driver contains this, in any case.
    #[arg(long, value_name = "SUBSTRING", default_value = "")]
    adapter: String,
    /// Only the case of this name, or, if there is none, cases whose names contain it.
    #[arg(long, value_name = "SUBSTRING", default_value = "")]
    case: String,
    /// Run so many cases at once, each on a device of its own: for GPUs.
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Write the results to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What one adapter did.
struct Report {
    info: wgpu::AdapterInfo,
    tally: Tally,
    took: Duration,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let scope = if options.quick { Scope::Quick } else { Scope::Full };
    let cases = AnyCase::named(scope, &options.case);
    let wanted = options.adapter.to_lowercase();
    let mut found = adapters::all();
    found.retain(|adapter| describe(&adapter.get_info()).to_lowercase().contains(&wanted));
    if found.is_empty() || cases.is_empty() {
        eprintln!("no adapter matches {:?}, or no case {:?}", options.adapter, options.case);
        return ExitCode::FAILURE;
    }

    let reports: Vec<Report> = found.iter().map(|adapter| run(adapter, options.jobs, &cases)).collect();
    print(&reports);
    if let Some(path) = options.json {
        if let Err(error) = std::fs::write(&path, format!("{:#}\n", to_json(&reports))) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    if reports.iter().all(|report| report.tally.failures.is_empty()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(adapter: &wgpu::Adapter, jobs: usize, cases: &[AnyCase]) -> Report {
    let info = adapter.get_info();
    let style = "{prefix:>30} [{bar:40}] {pos}/{len} {msg}";
    let bar = ProgressBar::new(cases.len() as u64)
        .with_style(ProgressStyle::with_template(style).expect("a valid template").progress_chars("=> "))
        .with_prefix(adapters::name(&info));
    let start = Instant::now();
    let progress = |name: &str| {
        bar.set_message(name.to_owned());
        bar.inc(1);
    };
    let refused = |error: bmru::Error| Tally { cases: cases.len() as u64, failures: vec![error.to_string()], ..Tally::default() };
    let tally = run_on(adapter, jobs, cases, progress).unwrap_or_else(refused);
    bar.finish_and_clear();
    Report { info, tally, took: start.elapsed() }
}

fn print(reports: &[Report]) {
    let width = reports.iter().map(|report| describe(&report.info).len()).max().unwrap_or(0);
    println!("{:width$}  {:>6}  {:>8}  {:>11}  {:>8}", "adapter", "cases", "failures", "wrong bits", "time");
    for report in reports {
        println!(
            "{:width$}  {:>6}  {:>8}  {:>11}  {:>7.1}s",
            describe(&report.info),
            report.tally.cases,
            report.tally.failures.len(),
            report.tally.wrong_bits,
            report.took.as_secs_f64()
        );
    }
    println!("\nlargest error of states that are sums, and of each gradient, as a share of its bound");
    println!("{:width$}  {:>7}  {:>13}  {:>13}  {:>13}  {:>13}", "", "states", OUTPUTS[0], OUTPUTS[1], OUTPUTS[2], OUTPUTS[3]);
    for report in reports {
        let [candidate, threshold, amplitude, initial_state] = report.tally.worst;
        let name = describe(&report.info);
        let states = report.tally.worst_state;
        println!("{name:width$}  {states:>7.3}  {candidate:>13.3}  {threshold:>13.3}  {amplitude:>13.3}  {initial_state:>13.3}");
    }
    for report in reports.iter().filter(|report| !report.tally.failures.is_empty()) {
        println!("\n{}", describe(&report.info));
        for failure in &report.tally.failures {
            println!("  {failure}");
        }
    }
}

fn to_json(reports: &[Report]) -> serde_json::Value {
    let adapter = |report: &Report| {
        json!({
            "name": report.info.name,
            "backend": format!("{:?}", report.info.backend),
            "driver": format!("{} {}", report.info.driver, report.info.driver_info).trim(),
            "cases": report.tally.cases,
            "failures": report.tally.failures.len(),
            "forward_wrong_bits": report.tally.wrong_bits,
            "backward_worst_bound_ratio": report.tally.worst_ratio(),
        })
    };
    json!({ "adapters": reports.iter().map(adapter).collect::<Vec<_>>() })
}
