//! Random units, shapes, options and directions on one device, for as long as one likes.
//!
//! `cargo run --release --example soak -- [--duration 1m] [--adapter SUBSTRING] [--seed N] [--plant object|memory]`
//!
//! Every forward pass is compared with the sequential loop bit for bit, every backward pass with its derived bound and between its
//! plans, every count of health. After each case nothing may be left of it on the device: no object of wgpu beside pipelines, no
//! byte of its allocator. At the end the process must be as large as behind the first third of the cases, but for
//! what `memory.rs` derives.
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
    /// How many choices of options there are; each is met again and again with other shapes and data.
    #[arg(long, default_value_t = 15)]
    kinds: usize,
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
    let kinds: Vec<Kind> = (0..options.kinds).map(|number| Kind::random(number, &mut rng)).collect();
    let (mut tally, mut refused) = (Tally::default(), 0u64);
    let mut numbers = [0u64; 3];
    let mut kept: Vec<(Vec<u8>, Option<wgpu::Buffer>)> = Vec::new();
    // The first work of a device leaves what wgpu keeps for good.
    pollster::block_on(gpu.kernels().self_check(gpu.queue(), gpu.tuning(), Gpu::TIME_LIMIT))
        .map_err(|error| error.to_string())?;
    let before = Left::of(instance, &gpu)?;
    let mut sizes = Sizes::new()?;
    let start = Instant::now();
    while start.elapsed() < duration {
        let kind = &kinds[rng.usize(..kinds.len())];
        let job = kind.job(tally.cases + refused, &mut rng);
        if let Some(refusal) = job.refusal(&runner) {
            if !expected(&refusal) {
                return Err(format!("{}: {refusal}", job.name()));
            }
            refused += 1;
            continue;
        }
        numbers[job.direction()] += 1;
        let bytes = job.bytes();
        match &job {
            Job::Forward(case) => pollster::block_on(tally.add_forward(&runner, case)),
            Job::Backward(case) => pollster::block_on(tally.add_backward(&runner, case)),
            Job::Health(case) => pollster::block_on(tally.add_health(&runner, case)),
        }
        drop(job);
        match options.plant {
            Some(Plant::Object) => kept.push((Vec::new(), Some(object(&gpu)))),
            Some(Plant::Memory) => kept.push((vec![1; PLANTED], None)),
            None => {}
        }
        gpu.wait().map_err(|error| error.to_string())?;
        Left::of(instance, &gpu)?.beside(&before)?;
        sizes.sample(bytes, gpu.kernels().pipeline_count())?;
        if tally.failures.len() > 10 {
            break;
        }
    }
    report(&tally, &numbers, refused, start.elapsed(), &gpu);
    drop(kept);
    if tally.failures.is_empty() { sizes.judge() } else { Err(tally.failures.join("\n  ")) }
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

fn report(tally: &Tally, numbers: &[u64; 3], refused: u64, took: Duration, gpu: &Gpu) {
    let [forward, backward, health] = numbers;
    let worst = tally.worst_ratio().map_or("no gradient".to_owned(), |worst| format!("{worst:.3} of its bound"));
    println!("  {} cases in {took:.1?}: {forward} forward, {backward} backward, {health} health; {refused} refused", tally.cases);
    println!("  {} wrong bits, worst gradient {worst}, {} pipelines", tally.wrong_bits, gpu.kernels().pipeline_count());
}
