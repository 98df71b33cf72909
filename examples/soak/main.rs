//! Random units, shapes, options and directions on one device, for as long as one likes.
//!
//! `cargo run --release --example soak -- [--duration 1m] [--adapter SUBSTRING] [--seed N] [--plant object|memory]`
//!
//! Every forward pass is compared with the sequential loop bit for bit, every backward pass with its derived bound and between its
//! plans, every count of health. After each case nothing may be left of it on the device: no object of wgpu beside pipelines, no
//! byte of its allocator. Some cases are drawn and run once, which makes all pipelines; then they are repeated in any order, but for
//! health with other data, and no pipeline may come and the process not grow, but for what `memory.rs` derives.
//!
//! Exits with 1 on a wrong result, an error, something left, or growth, and if no adapter is found.

mod kinds;
mod memory;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bmru::host::{Gpu, describe};
use bmru::{Error, wgpu};
use bmru_conformance::{Runner, Tally, adapters};
use clap::{Parser, ValueEnum};
use jiff::SignedDuration;

use kinds::{Job, Kind};
use memory::{Left, Sizes};

/// Random units, shapes, options and directions on one device: no wrong bit, nothing left behind, no growth.
#[derive(Parser)]
struct Options {
    /// How long, all adapters together: 90s, 1m, 1h.
    #[arg(long, value_name = "TIME", default_value = "1m")]
    duration: SignedDuration,
    /// Only adapters whose name, backend or driver contains this, in any case.
    #[arg(long, value_name = "SUBSTRING", default_value = "")]
    adapter: String,
    /// Other cases.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many cases are drawn, each of options and a shape of its own.
    #[arg(long, default_value_t = 30)]
    cases: usize,
    /// Leaves something behind after each case, to see it found.
    #[arg(long, value_enum)]
    plant: Option<Plant>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Plant {
    /// A buffer of four bytes.
    Object,
    /// Memory of this process.
    Memory,
}

/// What a case leaves of memory, planted: enough to show in a run of seconds.
const PLANTED: usize = 4 << 20;

fn main() -> ExitCode {
    let options = Options::parse();
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let mut found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    found.retain(|adapter| describe(&adapter.get_info()).to_lowercase().contains(&options.adapter.to_lowercase()));
    let present: Vec<String> = found.iter().map(|adapter| adapters::name(&adapter.get_info())).collect();
    let required = if options.adapter.is_empty() { std::env::var("BMRU_ADAPTERS").unwrap_or_default() } else { String::new() };
    let missing = adapters::missing(&required, &present);
    if found.is_empty() || !missing.is_empty() {
        eprintln!("adapters missing: {}; found: {}", missing.join(", "), present.join(", "));
        return ExitCode::FAILURE;
    }
    let each = options.duration.unsigned_abs() / found.len() as u32;
    let mut well = true;
    for adapter in &found {
        println!("{}", describe(&adapter.get_info()));
        match soak(&instance, adapter, each, &options) {
            Ok(()) => println!("  well\n"),
            Err(failure) => {
                println!("  FAILED: {failure}\n");
                well = false;
            }
        }
    }
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn soak(instance: &wgpu::Instance, adapter: &wgpu::Adapter, duration: Duration, options: &Options) -> Result<(), String> {
    let gpu = pollster::block_on(Gpu::on(adapter)).map_err(|error| error.to_string())?;
    let runner = Runner::on(gpu.clone());
    let mut rng = fastrand::Rng::with_seed(options.seed);
    // The first work of a device leaves what wgpu keeps for good.
    pollster::block_on(gpu.kernels().self_check(gpu.queue(), gpu.tuning(), Gpu::TIME_LIMIT))
        .map_err(|error| error.to_string())?;
    let before = Left::of(instance, &gpu)?;
    let start = Instant::now();
    let mut run = Run { tally: Tally::default(), numbers: [0; 3] };
    let (mut jobs, mut refused) = (Vec::new(), 0u64);
    while jobs.len() < options.cases {
        let number = jobs.len() + refused as usize;
        let job = Kind::random(number, &mut rng).job(number as u64, &mut rng);
        match job.refusal(&runner) {
            Some(refusal) if expected(&refusal) => refused += 1,
            Some(refusal) => return Err(format!("{}: {refusal}", job.0.name())),
            None => {
                run.job(&runner, &job)?;
                Left::of(instance, &gpu)?.beside(&before)?;
                jobs.push(job);
            }
        }
    }
    let pipelines = gpu.kernels().pipeline_count();
    println!("  {} cases, {refused} refused, {pipelines} pipelines, in {:.1?}", jobs.len(), start.elapsed());

    let mut kept: Vec<(Vec<u8>, Option<wgpu::Buffer>)> = Vec::new();
    let mut sizes = Sizes::default();
    let start = Instant::now();
    while start.elapsed() < duration && run.tally.failures.len() <= 10 {
        let place = rng.usize(..jobs.len());
        let job = &mut jobs[place];
        job.other_data(rng.u64(..));
        run.job(&runner, job)?;
        match options.plant {
            Some(Plant::Object) => kept.push((Vec::new(), Some(object(&gpu)))),
            Some(Plant::Memory) => kept.push((vec![1; PLANTED], None)),
            None => {}
        }
        gpu.wait().map_err(|error| error.to_string())?;
        Left::of(instance, &gpu)?.beside(&before)?;
        if gpu.kernels().pipeline_count() != pipelines {
            return Err(format!("{} made a pipeline that it had before", job.0.name()));
        }
        sizes.sample(job.bytes())?;
    }
    run.report(start.elapsed());
    drop(kept);
    if run.tally.failures.is_empty() { sizes.judge() } else { Err(run.tally.failures.join("\n  ")) }
}

/// What was run, and what came of it.
struct Run {
    tally: Tally,
    /// Forward, backward, health.
    numbers: [u64; 3],
}

impl Run {
    fn job(&mut self, runner: &Runner, job: &Job) -> Result<(), String> {
        self.numbers[job.direction()] += 1;
        pollster::block_on(self.tally.run(runner, &job.0));
        runner.gpu().wait().map_err(|error| error.to_string())
    }

    fn report(&self, took: Duration) {
        let ([forward, backward, health], tally) = (&self.numbers, &self.tally);
        let worst = tally.worst_ratio().map_or("no gradient".to_owned(), |worst| format!("{worst:.3} of its bound"));
        println!("  {} runs: {forward} forward, {backward} backward, {health} health; repeated for {took:.1?}", tally.cases);
        println!("  {} wrong bits, worst gradient {worst}", tally.wrong_bits);
    }
}

/// What planning may say to options that were drawn at random.
fn expected(refusal: &Error) -> bool {
    use Error::{CannotSplit, Incompatible, StrategyUnavailable, TooManyBindings};
    matches!(refusal, CannotSplit { .. } | Incompatible { .. } | StrategyUnavailable { .. } | TooManyBindings { .. })
}

fn object(gpu: &Gpu) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::STORAGE;
    gpu.device().create_buffer(&wgpu::BufferDescriptor { label: Some("planted"), size: 4, usage, mapped_at_creation: false })
}
