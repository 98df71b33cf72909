//! Runs the conformance matrix and the measurements on one adapter and adds the report to `docs/gpus/`.
//!
//! `cargo run --release --example report -- --adapter SUBSTRING [--quick] [--no-roofline]`, or `--table` to make the table again
//!
//! Exits with 1 if no adapter or more than one matches, or if a case fails; the report is written even then.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use bmru::host::describe;
use bmru::wgpu;
use bmru_conformance::{AnyCase, Scope, Tally, adapters, run_on};
use bmru_measure::{Device, Effort, copy_rate, measure, report, shapes};
use bmru_reports::{Adapter, Conformance, Report, Roofline, folder};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;

type Failure = Box<dyn std::error::Error>;

/// The conformance matrix and the measurements on one adapter, as a file that can be sent, and the table of all files.
#[derive(Parser)]
struct Options {
    /// The adapter whose name, backend or driver contains this, in any case.
    #[arg(long, value_name = "SUBSTRING", default_value = "")]
    adapter: String,
    /// Fewer cases and few rounds: shows that all works, nothing to send.
    #[arg(long)]
    quick: bool,
    /// Only cases whose name contains this: nothing to send.
    #[arg(long, value_name = "SUBSTRING", default_value = "", requires = "quick")]
    case: String,
    /// Measure nothing: where the machine is busy.
    #[arg(long)]
    no_roofline: bool,
    /// Run so many cases at once, each on a device of its own: for GPUs.
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Measurements that `examples/roofline.rs` wrote on this adapter, instead of new ones.
    #[arg(long, value_name = "FILE", conflicts_with = "no_roofline")]
    roofline: Option<PathBuf>,
    /// The day, if it is not this one.
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<Date>,
    /// The commit, if git does not know it.
    #[arg(long)]
    commit: Option<String>,
    /// What to say about the host.
    #[arg(long)]
    host: Option<String>,
    /// Name of the file, without its ending.
    #[arg(long)]
    name: Option<String>,
    /// The folder of the reports.
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/gpus"))]
    folder: PathBuf,
    /// Only make the table again.
    #[arg(long)]
    table: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool, Failure> {
    if options.table {
        folder::update(&options.folder)?;
        return Ok(true);
    }
    let adapter = only(&options.adapter)?;
    let info = adapter.get_info();
    println!("{}", describe(&info));
    let measured = options.roofline.as_ref().map(|file| measured(file, &info)).transpose()?;
    let commit = options.commit.clone().map_or_else(commit, Ok)?;
    let tally = conformance(&adapter, options)?;
    drop(adapter);
    for failure in &tally.failures {
        println!("  {failure}");
    }
    let roofline = match measured {
        Some(roofline) => Some(roofline),
        None if options.no_roofline => None,
        None => Some(roofline(&info, options.quick)?),
    };
    let report = Report {
        schema: Report::SCHEMA,
        date: options.date.unwrap_or_else(|| jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date()),
        commit,
        host: options.host.clone().unwrap_or_else(host),
        adapter: Adapter {
            name: info.name,
            backend: format!("{:?}", info.backend),
            driver: info.driver.trim().to_owned(),
            driver_info: info.driver_info.trim().to_owned(),
        },
        conformance: Conformance {
            cases: tally.cases,
            failures: tally.failures.len() as u64,
            forward_wrong_bits: tally.wrong_bits,
            backward_worst_bound_ratio: tally.worst_ratio(),
        },
        roofline,
    };
    let name = options.name.as_ref().map_or_else(|| folder::file_name(&report), |name| format!("{name}.json"));
    folder::add(&options.folder, &name, &report)?;
    println!("{}: {} cases, {} failures", options.folder.join(name).display(), tally.cases, tally.failures.len());
    Ok(report.conforms())
}

/// What was measured before, on the same adapter.
fn measured(file: &Path, info: &wgpu::AdapterInfo) -> Result<Roofline, Failure> {
    let found: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let expected = report::adapter(info);
    if found["adapter"] != expected.as_str() {
        return Err(format!("{}: measured on {}, and not on {expected}", file.display(), found["adapter"]).into());
    }
    Ok(serde_json::from_value(found)?)
}

/// The adapter that matches.
fn only(wanted: &str) -> Result<wgpu::Adapter, Failure> {
    let mut found = adapters::all();
    let all: Vec<String> = found.iter().map(|adapter| describe(&adapter.get_info())).collect();
    found.retain(|adapter| describe(&adapter.get_info()).to_lowercase().contains(&wanted.to_lowercase()));
    match (found.pop(), found.len()) {
        (Some(adapter), 0) => Ok(adapter),
        (_, more) => {
            let matching = if more == 0 { "no adapter matches" } else { "several adapters match" };
            Err(format!("{matching} {wanted:?}; there are:\n  {}", all.join("\n  ")).into())
        }
    }
}

fn conformance(adapter: &wgpu::Adapter, options: &Options) -> Result<Tally, Failure> {
    let scope = if options.quick { Scope::Quick } else { Scope::Full };
    let cases = AnyCase::named(scope, &options.case);
    let bar = bar(cases.len() as u64);
    let tally = run_on(adapter, options.jobs, &cases, |name| {
        bar.set_message(name.to_owned());
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    Ok(tally)
}

fn roofline(info: &wgpu::AdapterInfo, quick: bool) -> Result<Roofline, Failure> {
    let effort = if quick { Effort::Quick } else { Effort::Full };
    let device = Device::open(&describe(info), effort, None)?;
    let listed = if quick { shapes::QUICK.to_vec() } else { shapes::SYNTHETIC.into_iter().chain(shapes::PEOPLE).collect() };
    let groups = report::groups(&listed, "");
    let copy = copy_rate(&device)?;
    let bar = bar(groups.len() as u64);
    let mut rows = Vec::new();
    for group in groups {
        bar.set_message(group.name());
        bar.inc(1);
        rows.extend(measure(&device, group, |_| true)?);
    }
    bar.finish_and_clear();
    Ok(serde_json::from_value(report::to_json(&device, copy, &rows))?)
}

fn bar(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("[{bar:40}] {pos}/{len} {msg}").expect("a valid template");
    ProgressBar::new(length).with_style(style.progress_chars("=> "))
}

/// The commit that is checked out, and whether anything was changed. Reports and their table do not count.
fn commit() -> Result<String, Failure> {
    let git = |arguments: &[&str]| -> Result<String, Failure> {
        let output = Command::new("git").current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).args(arguments).output()?;
        if !output.status.success() {
            return Err("git does not tell the commit: give --commit".into());
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--", ".", ":!docs"])?;
    Ok(if changed.is_empty() { commit } else { commit + "-dirty" })
}

/// This host, as a report names it.
fn host() -> String {
    let mut lock = include_str!("../Cargo.lock").lines();
    lock.find(|&line| line == "name = \"wgpu\"");
    let version = lock.next().and_then(|line| line.split('"').nth(1)).unwrap_or_default();
    format!("wgpu {version}, {} {}", std::env::consts::OS, std::env::consts::ARCH)
}
