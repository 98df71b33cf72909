//! Groups: a shape `BxTxD` and a kind of threshold, with a row for each plan between its ceilings.
//!
//! - `stream`: the fastest streaming kernel that reads and writes as many tensors and computes nothing
//! - the plans
//! - `copy`: `copy_buffer_to_buffer` of as many bytes, half of them read and half written
//!
//! Throughput is in elements `B·T·D`, and in bytes of the *ideal* traffic: every tensor once. What a strategy moves on top of
//! that counts against it. Nothing is timed whose result was not right.
//!
//! Only rows of one run compare: hosts differ, and so does the load on one. The ratios at the end of a group are of runs in
//! turn, and hold where the times above them do not.
//!
//! `BMRU_ADAPTER` names a part of the adapter's name, driver or backend; without it the best adapter runs.
//! `-- --plotting-backend plotters` draws plots, which takes longer than all the rest.

use std::cell::{LazyCell, OnceCell};
use std::time::Duration;

use bmru::host::Gpu;
use bmru::{Descriptor, Error, Plan, Shape, Threshold};
use criterion::{Criterion, SamplingMode, Throughput};

use super::ceiling::{self, Stream};
use super::device::{Device, Work};
use super::library::{self, Tensors};

/// All of 2^22 elements, from many channels to one.
const SHAPES: [Shape; 5] = [
    Shape { batch: 4, time: 4096, channels: 256 },
    Shape { batch: 32, time: 1024, channels: 128 },
    Shape { batch: 1, time: 65_536, channels: 64 },
    Shape { batch: 64, time: 64, channels: 1024 },
    Shape { batch: 1, time: 4_194_304, channels: 1 },
];

/// The plans of a group, each with the name of its row: all of one pass. The first gives the traffic of the ceilings.
pub type Plans = Result<Vec<(&'static str, Plan)>, Error>;

/// Runs all groups of a pass.
pub fn bench(pass: &str, plans: impl Fn(&Gpu, &Descriptor) -> Plans) {
    // Before the arguments, so that they can change it.
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
        .configure_from_args();
    let device = Device::open();
    println!("{device}");
    for (threshold, kind) in [(Threshold::PerElement, "element"), (Threshold::PerChannel, "channel")] {
        let stream = OnceCell::new();
        for shape in SHAPES {
            let Shape { batch, time, channels } = shape;
            let name = format!("{pass}/{batch}x{time}x{channels}/{kind}");
            let plans = plans(device.gpu(), &Descriptor::bmru(shape).threshold(threshold));
            let plans = plans.unwrap_or_else(|error| panic!("{name}: {error}"));
            bench_group(&mut criterion, &device, &name, &plans, &stream);
        }
    }
    criterion.final_summary();
}

/// One row of a group, made when it is first needed: a filter on the command line makes only what it lets through.
struct Row<'a> {
    id: &'static str,
    /// Bytes of ideal traffic.
    bytes: u64,
    make: Box<dyn Fn() -> Work + 'a>,
    made: OnceCell<Work>,
}

impl<'a> Row<'a> {
    fn new(id: &'static str, bytes: u64, make: impl Fn() -> Work + 'a) -> Self {
        Self { id, bytes, make: Box::new(make), made: OnceCell::new() }
    }
}

fn bench_group(
    criterion: &mut Criterion,
    device: &Device,
    name: &str,
    plans: &[(&'static str, Plan)],
    stream: &OnceCell<Stream>,
) {
    let first = &plans[0].1;
    let elements = first.descriptor().shape().elements().expect("a shape of this file");
    let (read, written) = library::streamed(first);
    let streamed = 4 * elements * (read.len() + written.len()) as u64;

    let tensors = LazyCell::new(|| {
        println!("{name}: {}", device.working_set(library::ideal_bytes(first)));
        Tensors::new(device, first)
    });
    let ceiling = || {
        let stream = stream.get_or_init(|| Stream::fastest(device, [read.len(), written.len()], elements));
        ceiling::checked_stream(device, stream, &tensors, &read, &format!("{name}/stream"))
    };
    let mut rows = vec![Row::new("stream", streamed, ceiling)];
    for &(id, ref plan) in plans {
        let (name, tensors) = (&name, &tensors);
        let make = move || library::checked(device, tensors, plan, &format!("{name}/{id}"));
        rows.push(Row::new(id, library::ideal_bytes(plan), make));
    }
    rows.push(Row::new("copy", streamed, || ceiling::copy(device, streamed)));

    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat);
    for row in &rows {
        group.throughput(Throughput::ElementsAndBytes { elements, bytes: row.bytes });
        group.bench_function(row.id, |bencher| {
            // Out here, where criterion's clock does not run.
            let work = row.made.get_or_init(&row.make);
            bencher.iter_custom(|runs| device.time(runs, work));
        });
    }
    group.finish();
    if !device.only_tests() {
        compare(device, name, &rows);
    }
}

/// Prints the bytes per second of all rows in units of those of the first: medians over rounds in which they run in turn.
fn compare(device: &Device, name: &str, rows: &[Row<'_>]) {
    const ROUNDS: usize = 9;
    /// Long enough that a submission does not count.
    const LEAST: Duration = Duration::from_millis(20);
    let made: Option<Vec<_>> = rows.iter().map(|row| Some((row.made.get()?, row.bytes))).collect();
    let Some(made) = made else { return };
    let runs = |work: &Work| 1 + (LEAST.as_secs_f64() / device.time(1, work).as_secs_f64()) as u64;
    let timed: Vec<(&Work, u64, u64)> = made.into_iter().map(|(work, bytes)| (work, bytes, runs(work))).collect();

    let mut ratios = vec![Vec::new(); rows.len()];
    for _ in 0..ROUNDS {
        let rate = |&(work, bytes, runs): &(&Work, u64, u64)| (bytes * runs) as f64 / device.time(runs, work).as_secs_f64();
        let rates: Vec<f64> = timed.iter().map(rate).collect();
        for (ratios, rate) in ratios.iter_mut().zip(&rates) {
            ratios.push(rate / rates[0]);
        }
    }
    let shown = rows.iter().zip(&mut ratios).skip(1).map(|(row, ratios)| {
        ratios.sort_unstable_by(f64::total_cmp);
        format!("{} {:.2}", row.id, ratios[ROUNDS / 2])
    });
    println!("{name}: bytes per second, {} = 1: {}\n", rows[0].id, shown.collect::<Vec<_>>().join(", "));
}
