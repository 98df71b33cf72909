//! Groups of criterion: a shape `BxTxD` and a kind of threshold, with a row for each plan between its ceilings.
//!
//! - `stream`: the fastest streaming kernel that reads and writes as many tensors and computes nothing
//! - the library: `bmru`, and forward `bmru saves`
//! - `copy`: `copy_buffer_to_buffer`, half of its bytes read and half written
//!
//! Throughput is in elements `B·T·D`, and in bytes of the *ideal* traffic: every tensor once. What a strategy moves on top of
//! that counts against it. Nothing is timed whose result was not right. `bmru-measure` holds all but criterion.
//!
//! Only rows of one run compare: hosts differ, and so does the load on one. The ratios at the end of a group are of runs in
//! turn, and hold where the times above them do not.
//!
//! `BMRU_ADAPTER` names a part of the adapter's name, driver or backend; without it the best adapter runs.
//! `-- --plotting-backend plotters` writes a report in HTML, which takes longer than all the rest.

use std::cell::OnceCell;
use std::time::Duration;

use bmru::{Direction, Save, Threshold};
use bmru_measure::rounds::{interleaved, ratios};
use bmru_measure::{Device, Effort, Error, Group, Prepared, Subject, Work, ideal_bytes, shapes};
use criterion::{Criterion, SamplingMode, Throughput};

/// Where nothing is timed, larger shapes are left out: their oracle takes a minute without optimisation.
const MAX_CHECKED: u64 = 1 << 22;

/// Runs all groups of a pass.
pub fn bench(direction: Direction) {
    // Before the arguments, so that they can change it.
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
        .configure_from_args();
    let effort = if std::env::args().any(|argument| argument == "--test") { Effort::Check } else { Effort::Full };
    let adapter = std::env::var("BMRU_ADAPTER").unwrap_or_default();
    let device = Device::open(&adapter, effort, None).unwrap_or_else(|error| panic!("{error}"));
    println!("{device}");
    for threshold in [Threshold::PerElement, Threshold::PerChannel] {
        for shape in shapes::SYNTHETIC.into_iter().chain(shapes::PEOPLE) {
            let group = Group { threshold, ..Group::usual(Subject::default(), direction, shape) };
            if is_measured(&group, effort) {
                bench_group(&mut criterion, &device, group).unwrap_or_else(|error| panic!("{}: {error}", group.name()));
            }
        }
    }
    criterion.final_summary();
}

fn is_measured(group: &Group, effort: Effort) -> bool {
    let fits = effort == Effort::Full || group.shape.elements().is_some_and(|elements| elements <= MAX_CHECKED);
    fits && (group.is_trained() || group.direction == Direction::Forward)
}

/// One row of a group, made when it is first needed: a filter on the command line makes only what it lets through.
struct Row<'a> {
    id: &'static str,
    /// Ideal bytes of a run, for criterion.
    bytes: u64,
    /// The work, and the bytes of one of its runs.
    make: Box<dyn Fn() -> Result<(Work, u64), Error> + 'a>,
    made: OnceCell<(Work, u64)>,
}

impl<'a> Row<'a> {
    fn new(id: &'static str, bytes: u64, make: impl Fn() -> Result<(Work, u64), Error> + 'a) -> Self {
        Self { id, bytes, make: Box::new(make), made: OnceCell::new() }
    }
}

fn bench_group(criterion: &mut Criterion, device: &Device, group: Group) -> Result<(), Error> {
    let (name, prepared) = (group.name(), Prepared::new(device, group)?);
    let elements = group.shape.elements().expect("a shape of this crate");
    let first = ideal_bytes(&prepared.plans()[0].1);

    let prepared = &prepared;
    let mut rows = vec![Row::new("stream", first, || prepared.stream().map(|stream| (stream.work, stream.bytes)))];
    for &(save, ref plan) in prepared.plans() {
        let id = if group.direction == Direction::Forward && save == Save::Codes { "bmru saves" } else { "bmru" };
        let row = format!("{name}/{id}");
        let make = move || {
            println!("{row}: {plan}\n  ideal: {} bytes", ideal_bytes(plan));
            Ok((prepared.library(plan, &row)?, ideal_bytes(plan)))
        };
        rows.push(Row::new(id, ideal_bytes(plan), make));
    }
    rows.push(Row::new("copy", 8 * elements, || prepared.copy()));

    let mut criterion_group = criterion.benchmark_group(&name);
    criterion_group.sampling_mode(SamplingMode::Flat);
    for row in &rows {
        criterion_group.throughput(Throughput::ElementsAndBytes { elements, bytes: row.bytes });
        criterion_group.bench_function(row.id, |bencher| {
            // Out here, where criterion's clock does not run.
            let make = || (row.make)().unwrap_or_else(|error| panic!("{error}"));
            let (work, bytes) = row.made.get_or_init(make);
            // A stream may cover less than all elements: then this is its time for all of them.
            let share = row.bytes as f64 / *bytes as f64;
            bencher.iter_custom(|runs| device.time(runs, work).unwrap_or_else(|error| panic!("{error}")).mul_f64(share));
        });
    }
    criterion_group.finish();
    if device.effort() == Effort::Full { compare(device, prepared, &rows) } else { Ok(()) }
}

/// Prints the bytes per second of all rows in units of those of the first: medians over rounds in which they run in turn.
fn compare(device: &Device, prepared: &Prepared<'_>, rows: &[Row<'_>]) -> Result<(), Error> {
    let made: Option<Vec<_>> = rows.iter().map(|row| row.made.get().map(|(work, bytes)| (work, *bytes))).collect();
    let Some(made) = made else { return Ok(()) };
    let rates = interleaved(device, &made)?;
    let shown = rows.iter().zip(&rates).skip(1).map(|(row, of)| format!("{} {:.2}", row.id, ratios(of, &rates[0]).median));
    let shown = shown.collect::<Vec<_>>().join(", ");
    let cached = if device.measures_cache(prepared.working_set()) { "; measured cache" } else { "" };
    println!("{}: bytes per second, {} = 1: {shown}{cached}\n", prepared.group().name(), rows[0].id);
    Ok(())
}
