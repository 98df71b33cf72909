//! How close the library comes to what the adapter can move: beside the fastest streaming kernel of the same traffic, a copy, the
//! naive loop, and lampshade's scan of as many words.
//!
//! `cargo run --release --example roofline -- [--adapter SUBSTRING] [--rows SUBSTRING] [--shape B,T,D] [--json FILE]`
//!
//! Nothing is timed whose result is not right. All rows of a group run in turn on the same tensors, in enough copies to leave the
//! caches; a ratio is the median over rounds of the ratios of one round. A row is void if its ceiling spreads by more than 10 %.
//! Exits with 1 if a result is wrong or a plan is refused.

use std::path::PathBuf;
use std::process::ExitCode;

use bmru::{Direction, Shape, Strategy, Threshold};
use bmru_measure::sweep::{self, CLIFF};
use bmru_measure::{Device, Effort, Error, Group, Quartiles, Row, SetRate, copy_rate, measure, picture, report, shapes};
use clap::{Parser, ValueEnum};

/// Rates of the library beside its ceilings and rivals, each checked before it is timed.
#[derive(Parser)]
struct Options {
    /// The best adapter whose name, backend or driver contains this, in any case.
    #[arg(long, value_name = "SUBSTRING", default_value = "")]
    adapter: String,
    /// Force a strategy.
    #[arg(long)]
    strategy: Option<Forced>,
    /// A few small shapes and few rounds: shows that all works, measures nothing.
    #[arg(long)]
    quick: bool,
    /// Only this shape, listed or not. May be given again.
    #[arg(long, value_name = "B,T,D", value_parser = parse_shape)]
    shape: Vec<Shape>,
    /// Only rows whose name contains this, as in forward/4x4096x256/element/saves.
    #[arg(long, value_name = "SUBSTRING", default_value = "")]
    rows: String,
    /// Print the names of all groups, and nothing else.
    #[arg(long)]
    list: bool,
    /// Bytes of the last-level cache, in MiB, where the host's is not the one.
    #[arg(long, value_name = "MIB")]
    cache: Option<u64>,
    /// Write the results to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw the picture into this file instead of one beside the program.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Instead: all shapes of powers of two of one number of elements, 2^22 unless told otherwise.
    #[arg(long)]
    sweep: bool,
    /// Instead: times from 2^10 to 2^24, of 2^24 elements unless told otherwise.
    #[arg(long)]
    sweep_time: bool,
    /// Elements of a sweep, as a power of two.
    #[arg(long, value_name = "LOG2", value_parser = clap::value_parser!(u32).range(3..=28))]
    elements: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Forced {
    Serial,
    Tiles,
}

fn parse_shape(text: &str) -> Result<Shape, String> {
    let axes: Vec<u64> = text.split(',').map_while(|axis| axis.trim().parse().ok()).collect();
    match axes[..] {
        [batch, time, channels] if batch * time * channels > 0 => Ok(Shape { batch, time, channels }),
        _ => Err("three numbers from 1 up, as in 4,4096,256".to_owned()),
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool, Box<dyn std::error::Error>> {
    if options.list {
        for group in groups(options) {
            println!("{}", group.name());
        }
        return Ok(true);
    }
    let effort = if options.quick { Effort::Quick } else { Effort::Full };
    let strategy = options.strategy.map(|forced| match forced {
        Forced::Serial => Strategy::Serial,
        Forced::Tiles => Strategy::Tiles,
    });
    let mut device = Device::open(&options.adapter, effort, strategy)?;
    if let Some(mebibytes) = options.cache {
        device = device.with_cache(mebibytes << 20);
    }
    println!("{device}; last-level cache {} MiB", device.cache() >> 20);
    if options.sweep {
        return Ok(run_sweep(&device, options, &sweep::cube(options.elements.unwrap_or(22)))?);
    }
    if options.sweep_time {
        return Ok(run_sweep(&device, options, &sweep::times(options.elements.unwrap_or(24)))?);
    }

    let copy = copy_rate(&device)?;
    println!("copy: {:.2} GB/s, half of them read and half written\n", copy.median / 1e9);
    let (mut rows, mut failures) = (Vec::new(), 0);
    print_head();
    for group in groups(options) {
        match measure(&device, group, |name| name.contains(&options.rows)) {
            Ok(measured) => {
                measured.iter().for_each(print_row);
                rows.extend(measured);
            }
            Err(error) => {
                println!("{}: {error}", group.name());
                failures += 1;
            }
        }
    }
    print_foot(&rows);
    if let Some(path) = &options.json {
        std::fs::write(path, format!("{:#}\n", report::to_json(&device, copy, &rows)))?;
    }
    let path = match &options.svg {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_extension("svg"),
    };
    picture::draw(&path, &device.to_string(), &rows)?;
    println!("picture: {}", path.display());
    Ok(failures == 0 && !rows.is_empty())
}

/// What the options let through: at the usual rate of sets forward and backward, and backward at the others.
fn groups(options: &Options) -> Vec<Group> {
    let listed: Vec<Shape> = match (&options.shape[..], options.quick) {
        ([], true) => shapes::QUICK.into(),
        ([], false) => shapes::SYNTHETIC.into_iter().chain(shapes::PEOPLE).collect(),
        (shapes, _) => shapes.to_vec(),
    };
    report::groups(&listed, &options.rows)
}

fn print_head() {
    println!(
        "{:40} {:>7} {:>8} {:>6} {:>13} {:>16} {:>8} {:>8} {:>9}",
        "ideal bytes per second", "", "Gelem/s", "GB/s", "ceiling GB/s", "of ceiling", "of copy", "of naive", "lampshade"
    );
}

fn print_row(row: &Row) {
    let middle = |of: Quartiles| format!("{:.2} ({:.2}–{:.2})", of.median, of.low, of.high);
    let other = |of: Option<Quartiles>| of.map_or("–".to_owned(), |of| format!("{:.2}", of.median));
    let note = match (row.is_void(), row.cached) {
        (true, _) => format!("  VOID: the ceiling spreads by {:.0} %", 100.0 * row.rates.stream.spread()),
        (_, true) => "  measured cache".to_owned(),
        _ => String::new(),
    };
    println!(
        "{:40} {:>7} {:>8.3} {:>6.2} {:>13.2} {:>16} {:>8.2} {:>8} {:>9}{note}",
        row.name,
        row.strategy.to_string(),
        row.elements_per_second() / 1e9,
        row.rate.median / 1e9,
        row.rates.stream.median / 1e9,
        middle(row.of.stream),
        row.of.copy.median,
        other(row.of.naive),
        other(row.of.lampshade),
    );
}

fn print_foot(rows: &[Row]) {
    let void = rows.iter().filter(|row| row.is_void()).count();
    let cached = rows.iter().filter(|row| row.cached).count();
    println!("\n{} rows, {void} of them void, {cached} of them in cache; medians of rounds, quartiles in brackets", rows.len());
    let mut ceilings: Vec<String> = rows.iter().map(|row| row.ceiling.clone()).collect();
    ceilings.sort_unstable();
    ceilings.dedup();
    println!("ceilings: {}", ceilings.join("; "));
}

/// Prints the rates of all shapes, and whether one is a cliff.
fn run_sweep(device: &Device, options: &Options, shapes: &[Shape]) -> Result<bool, Error> {
    let mut cliffs = 0;
    for direction in [Direction::Forward, Direction::Backward] {
        let group = |shape| Group { direction, shape, threshold: Threshold::PerElement, set_rate: SetRate::Usual };
        let wanted = shapes.iter().filter(|&&shape| group(shape).name().contains(&options.rows));
        let mut points = wanted.map(|&shape| sweep::rate(device, direction, shape)).collect::<Result<Vec<_>, _>>()?;
        sweep::again(device, direction, &mut points)?;
        for (point, behind) in points.iter().zip(sweep::behind(&points)) {
            let note = if behind > CLIFF { format!("  CLIFF: {behind:.1} times slower than a neighbour") } else { String::new() };
            let name = group(point.shape).name();
            println!("{name:40} {:>6.2} GB/s, {:.2} of its ceiling{note}", point.rate / 1e9, point.of_stream);
            cliffs += usize::from(behind > CLIFF);
        }
    }
    println!("{cliffs} cliffs: slower than the best neighbour by more than {CLIFF}");
    Ok(true)
}
