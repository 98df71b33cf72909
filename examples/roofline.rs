//! How close the library comes to what the adapter can move: beside the fastest streaming kernel of the same traffic, a copy, the
//! naive loop, and lampshade's scan of as many words.
//!
//! `cargo run --release --example roofline -- [--adapter SUBSTRING] [--rows SUBSTRING] [--shape B,T,D] [--unit NAME] [--element NAME] [--json FILE]`
//!
//! `--variants` holds every unit with every type of elements against BMRU of `f32` instead, in the same rounds: its share of the ceiling
//! of its own traffic in units of BMRU's.
//!
//! `--try SETTINGS`, given again and again, holds tunings against each other: `--try usual --try strategy=probe,width=4,ahead=8`.
//!
//! Nothing is timed whose result is not right. All rows of a group run in turn on the same tensors, in enough copies to leave the
//! caches; a ratio is the median over rounds of the ratios of one round. A row is void if its ceiling spreads by more than 10 %.
//! Exits with 1 if a result is wrong or a plan is refused.

use std::path::PathBuf;
use std::process::ExitCode;

use bmru::{Direction, Element, Shape, Strategy};
use bmru_measure::sweep::{self, CLIFF};
use bmru_measure::tunings::{self, Tried};
use bmru_measure::variants::{self, WANTED};
use bmru_measure::{
    Device, Effort, Error, Group, Measured, Quartiles, Row, Subject, compare, compare_tunings, copy_rate, measure, parse_element,
    picture, report, shapes,
};
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
    /// Only these units, as in relaxed,first-quadrant; BMRU unless told otherwise, and all of them with --variants.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    unit: Vec<Measured>,
    /// Only these types of elements: f32, f16, bf16; f32 unless told otherwise, and all of them with --variants.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = parse_element)]
    element: Vec<Element>,
    /// Instead: every unit with every type of elements beside BMRU of f32, on 4,4096,256 unless told otherwise.
    #[arg(long)]
    variants: bool,
    /// Instead: the library by this tuning, as in strategy=probe,width=4,band=1,ahead=8,workgroup=128,tile=4096, beside others given so.
    #[arg(long = "try", value_name = "SETTINGS", conflicts_with_all = ["json", "svg", "variants", "sweep", "sweep_time"])]
    tries: Vec<String>,
    /// With --try: what each dispatch takes alone.
    #[arg(long, requires = "tries")]
    stages: bool,
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
    /// Instead: all shapes of powers of two of one number of elements, 2^22 unless told otherwise. Fails where one is a cliff.
    #[arg(long, conflicts_with_all = ["json", "svg"])]
    sweep: bool,
    /// Instead: times from 2^10 to 2^24, of 2^24 elements unless told otherwise. Fails where one is a cliff.
    #[arg(long, conflicts_with_all = ["json", "svg"])]
    sweep_time: bool,
    /// Elements of a sweep, as a power of two.
    #[arg(long, value_name = "LOG2", value_parser = clap::value_parser!(u32).range(3..=28))]
    elements: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Forced {
    Serial,
    Tiles,
    Probe,
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
        Forced::Probe => Strategy::Probe,
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
    if options.variants {
        return run_variants(&device, options, copy);
    }
    if !options.tries.is_empty() {
        return run_tries(&device, options);
    }
    let (mut rows, mut failures) = (Vec::new(), 0);
    let groups = groups(options);
    // Wide enough for all names.
    let names = groups.iter().flat_map(Group::row_names);
    let width = names.map(|name| name.len()).max().unwrap_or(0).max(40);
    print_head(width);
    for group in groups {
        match measure(&device, group, |name| name.contains(&options.rows)) {
            Ok(measured) => {
                measured.iter().for_each(|row| print_row(row, width));
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
    subjects(options).into_iter().flat_map(|subject| report::groups_of(subject, &listed, &options.rows)).collect()
}

/// The units and elements that the options let through; all of them where they say nothing.
fn subjects(options: &Options) -> Vec<Subject> {
    let mut subjects = variants::subjects();
    let (units, elements) = (&options.unit, &options.element);
    let no_unit = |subject: &Subject| units.is_empty() && (options.variants || subject.unit == Measured::Bmru);
    let no_element = |subject: &Subject| elements.is_empty() && (options.variants || subject.element == Element::F32);
    subjects.retain(|subject| no_unit(subject) || units.contains(&subject.unit));
    subjects.retain(|subject| no_element(subject) || elements.contains(&subject.element));
    subjects
}

/// Prints how every variant does beside BMRU of f32, and whether all of them do well enough.
fn run_variants(device: &Device, options: &Options, copy: Quartiles) -> Result<bool, Box<dyn std::error::Error>> {
    let usual = if options.quick { shapes::QUICK[0] } else { shapes::SYNTHETIC[0] };
    let shape = options.shape.first().copied().unwrap_or(usual);
    println!("{}; every row beside BMRU of f32, in the same rounds; medians, quartiles in brackets\n", shapes::name(shape));
    println!(
        "{:32} {:>15} {:>7} {:>8} {:>7} {:>6} {:>6} {:>16} {:>8} {:>18}",
        "variant", "direction", "", "Gelem/s", "GB/s", "ideal", "moved", "of its ceiling", "BMRU's", "quotient"
    );
    let (mut rows, mut failures, mut refused) = (Vec::new(), 0, Vec::new());
    let tell = |(group, outcome): variants::Outcome| match outcome {
        Ok(measured) => {
            measured.iter().for_each(print_variant);
            rows.extend(measured);
        }
        // In both passes.
        Err(error) if variants::is_refused(&error) => {
            let name = group.subject.to_string();
            if !refused.contains(&name) {
                refused.push(name);
            }
        }
        Err(error) => {
            println!("{:32} {:>15} {error}", group.subject, group.pass());
            failures += 1;
        }
    };
    compare(device, &subjects(options), shape, |name| name.contains(&options.rows), tell)?;
    let reached = |row: &&Row| row.beside.is_some_and(|beside| beside.quotient.median >= WANTED);
    let void = rows.iter().filter(|row| row.is_void()).count();
    let well = rows.iter().filter(|row| !row.is_void()).filter(reached).count();
    println!("\n{} rows, {void} of them void, {well} others reach {WANTED} of BMRU's share", rows.len());
    if !refused.is_empty() {
        println!("no plan here for {}", refused.join(", "));
    }
    if let Some(path) = &options.json {
        std::fs::write(path, format!("{:#}\n", report::to_json(device, copy, &rows)))?;
    }
    Ok(failures == 0 && !rows.is_empty())
}

/// Prints how every tuning does on every group.
fn run_tries(device: &Device, options: &Options) -> Result<bool, Box<dyn std::error::Error>> {
    let usual = device.gpu().tuning();
    let parsed = |text: &String| Ok::<_, String>((text.clone(), tunings::parse(usual, text)?));
    let tries = options.tries.iter().map(parsed).collect::<Result<Vec<_>, _>>()?;
    let (mut failures, mut rows) = (0, 0);
    for group in groups(options) {
        match compare_tunings(device, group, &tries, options.stages) {
            Ok(tried) => {
                tried.iter().for_each(print_tried);
                rows += tried.len();
            }
            Err(error) => {
                println!("{}: {error}", group.name());
                failures += 1;
            }
        }
    }
    Ok(failures == 0 && rows > 0)
}

fn print_tried(tried: &Tried) {
    let void = if tried.is_void() { "  VOID" } else { "" };
    println!(
        "{:>16} of {:>7.1} GB/s, {:>5.2} B  {} ({}){void}",
        middle(tried.of_stream),
        tried.stream.median / 1e9,
        tried.moved_per_element,
        tried.name,
        tried.strategy,
    );
    if !tried.stages.is_empty() {
        let stages: Vec<String> = tried.stages.iter().map(|(stage, took)| format!("{stage} {:.1} µs", took * 1e6)).collect();
        println!("{:16} {}", "", stages.join(", "));
    }
}

fn print_variant(row: &Row) {
    let Some(beside) = row.beside else { return };
    let direction = if row.name.ends_with("/saves") { "forward saving" } else { row.group.pass() };
    let verdict = match (row.is_void(), beside.quotient.median >= WANTED) {
        (true, _) => format!("VOID: a ceiling spreads by {:.0} %", 100.0 * row.ceiling_spread()),
        (_, true) => "yes".to_owned(),
        (_, false) => format!("less than {WANTED}"),
    };
    println!(
        "{:32} {direction:>15} {:>7} {:>8.3} {:>7.2} {:>6.2} {:>6.2} {:>16} {:>8.2} {:>18} {verdict}{}",
        row.group.subject,
        row.strategy.to_string(),
        row.elements_per_second() / 1e9,
        row.rate.median / 1e9,
        row.bytes_per_element,
        row.moved_per_element,
        middle(row.of.stream),
        beside.of_stream.median,
        middle(beside.quotient),
        if row.cached { "; measured cache" } else { "" },
    );
}

fn middle(of: Quartiles) -> String {
    format!("{:.2} ({:.2}–{:.2})", of.median, of.low, of.high)
}

fn print_head(width: usize) {
    println!(
        "{:width$} {:>7} {:>8} {:>6} {:>13} {:>16} {:>8} {:>8} {:>9}",
        "ideal bytes per second", "", "Gelem/s", "GB/s", "ceiling GB/s", "of ceiling", "of copy", "of naive", "lampshade"
    );
}

fn print_row(row: &Row, width: usize) {
    let other = |of: Option<Quartiles>| of.map_or("–".to_owned(), |of| format!("{:.2}", of.median));
    let note = match (row.is_void(), row.cached) {
        (true, _) => format!("  VOID: the ceiling spreads by {:.0} %", 100.0 * row.rates.stream.spread()),
        (_, true) => "  measured cache".to_owned(),
        _ => String::new(),
    };
    println!(
        "{:width$} {:>7} {:>8.3} {:>6.2} {:>13.2} {:>16} {:>8.2} {:>8} {:>9}{note}",
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

/// Prints the rates of all shapes; whether none is a cliff.
fn run_sweep(device: &Device, options: &Options, shapes: &[Shape]) -> Result<bool, Error> {
    let mut cliffs = 0;
    for direction in [Direction::Forward, Direction::Backward] {
        let group = |shape| Group::usual(Subject::default(), direction, shape);
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
    Ok(cliffs == 0)
}
