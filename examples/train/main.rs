//! The smallest honest proof that the gradients train something: a layer of memory units, fitted by gradient descent on a real
//! recording with these kernels alone.
//!
//! The descent is in signs (signSGD: each parameter moves by the step size against the sign of its gradient). The forward pass
//! is a step function: under plain descent the last bit of a gradient lives on in a parameter until it flips a gate, and the two
//! curves part after 12 to 67 of 120 steps, by 1e-4 to 1e-2. What signs do not see, how large the gradients are, is compared step by
//! step, too.
//!
//! A teacher with parameters that nobody tells remembers things of the recordings of a wrist sensor. The student, another layer
//! of the same kind with parameters of its own, sees the same input and the teacher's states, and descends on the mean square of
//! their difference. The same training runs a second time with the oracle's gradients in double precision: the curves must agree.
//!
//! `cargo run --release --example train -- [--adapter TEXT | --all] [--seeds N] [--steps N] [PICTURE]`

mod engine;
mod model;
mod picture;
#[path = "../quickstart/recordings.rs"]
#[allow(dead_code, reason = "the quickstart draws single series and moves its thresholds; here both come of the layer")]
mod recordings;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use bmru::host::{Gpu, describe};
use bmru_conformance::adapters;
use clap::Parser;
use engine::{Engine, Kernels, Oracle};
use indicatif::{ProgressBar, ProgressStyle};
use model::Parameters;
use recordings::Recordings;

/// The loss falls at least by this factor, from every seed.
const FACTOR: f64 = 3.0;
/// The kernels' curve and the oracle's differ nowhere by more.
const AGREEMENT: f64 = 1e-4;
/// Step size at the beginning and at the end of the descent.
const RATES: [f64; 2] = [0.06, 0.002];

/// Fits a layer of memory units by gradient descent, with the kernels and with the oracle.
#[derive(Parser)]
struct Options {
    /// Where the plot of the loss goes [default: beside this program]
    picture: Option<PathBuf>,
    /// Use the best adapter whose name, driver or backend contains TEXT
    #[arg(long, value_name = "TEXT", default_value = "")]
    adapter: String,
    /// Train on every adapter
    #[arg(long, conflicts_with = "adapter")]
    all: bool,
    /// How many students, each with its teacher
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Steps of the descent
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,
}

/// A training, step by step.
#[derive(Default)]
struct Curve {
    /// The loss before each step, and after the last.
    loss: Vec<f64>,
    /// The gradient at each step.
    gradient: Vec<Parameters>,
}

impl Curve {
    /// How far two trainings are apart at most: their losses, and the gradients of each kind of parameter in units of the greatest
    /// length that they have. Towards the end most terms of a sum cancel, but not their errors.
    fn apart(&self, other: &Self) -> f64 {
        let losses = self.loss.iter().zip(&other.loss).map(|(a, b)| (a - b).abs());
        let greatest = other.gradient.iter().map(Parameters::lengths).reduce(|a, b| std::array::from_fn(|i| a[i].max(b[i])));
        let gradients = self.gradient.iter().zip(&other.gradient).flat_map(|(a, b)| {
            let apart = a.minus(b).lengths();
            greatest.into_iter().flatten().zip(apart).map(|(length, apart)| apart / length)
        });
        // A NaN is apart from everything, and stays.
        losses.chain(gradients).fold(0.0, |most: f64, apart| if apart <= most || most.is_nan() { most } else { apart })
    }
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let task = Task::new()?;
    let gpus: Vec<Gpu> = if options.all {
        adapters::all().iter().map(|adapter| pollster::block_on(Gpu::on(adapter))).collect::<Result<_, _>>()?
    } else {
        vec![pollster::block_on(Gpu::matching(&options.adapter))?]
    };
    if gpus.is_empty() {
        return Err("no adapter".into());
    }
    let seeds: Vec<u64> = (1..=options.seeds).collect();
    let oracle: Vec<Curve> = seeds
        .iter()
        .map(|&seed| task.train(&mut Oracle(task.descriptor()), seed, options.steps, "the sequential loop"))
        .collect::<Result<_, _>>()?;

    let mut failures = Vec::new();
    let mut drawn = Vec::new();
    for gpu in &gpus {
        println!("{}", describe(gpu.info()));
        let start = Instant::now();
        let mut curves = Vec::new();
        for (&seed, oracle) in seeds.iter().zip(&oracle) {
            let curve = task.train(&mut Kernels::new(gpu, &task.descriptor())?, seed, options.steps, &gpu.info().name)?;
            let (first, last) = (curve.loss[0], curve.loss[curve.loss.len() - 1]);
            let apart = curve.apart(oracle);
            println!(
                "  seed {seed}: loss {first:.4} to {last:.4}, {:.1} times less; from the sequential loop's curve {apart:.1e} at most",
                first / last
            );
            if first / last < FACTOR {
                failures.push(format!("seed {seed} on {}: the loss fell by less than {FACTOR}", gpu.info().name));
            }
            if apart.is_nan() || apart > AGREEMENT {
                failures.push(format!("seed {seed} on {}: the curves are {apart:.1e} apart", gpu.info().name));
            }
            curves.push(curve.loss);
        }
        let runs = seeds.len() as f64 * options.steps as f64;
        println!("  {:.1} ms a step, forward and backward with up- and downloads", 1e3 * start.elapsed().as_secs_f64() / runs);
        drawn = curves;
    }
    let path = match &options.picture {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_extension("svg"),
    };
    let oracle: Vec<Vec<f64>> = oracle.into_iter().map(|curve| curve.loss).collect();
    picture::draw(&path, &drawn, &oracle).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("picture  {}", path.display());
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// The recordings, as input of a layer.
struct Task {
    recordings: Recordings,
    input: Vec<f32>,
}

impl Task {
    fn new() -> Result<Self, Box<dyn Error>> {
        let recordings = Recordings::read()?;
        let input = recordings.candidates();
        Ok(Self { recordings, input })
    }

    fn descriptor(&self) -> bmru::Descriptor {
        model::descriptor(self.recordings.shape)
    }

    /// Trains a student, and returns its curve.
    fn train(&self, engine: &mut dyn Engine, seed: u64, steps: u64, name: &str) -> Result<Curve, Box<dyn Error>> {
        let (width, batch) = (self.recordings.channels.len(), self.recordings.shape.batch as usize);
        let mut rng = fastrand::Rng::with_seed(seed);
        let teacher = Parameters::random(&mut rng, width);
        let target = engine.forward(&teacher.tensors(&self.input, width, batch))?;
        let mut student = Parameters::random(&mut rng, width);

        let style = ProgressStyle::with_template("{prefix:>30} [{bar:40}] {pos}/{len} loss {msg}")?.progress_chars("=> ");
        let bar = ProgressBar::new(steps).with_style(style).with_prefix(format!("{name}, seed {seed}"));
        let mut curve = Curve::default();
        for step in 0..=steps {
            let tensors = student.tensors(&self.input, width, batch);
            let states = engine.forward(&tensors)?;
            let (loss, gradient) = loss(&states, &target);
            curve.loss.push(loss);
            if step < steps {
                let gradients = engine.backward(&tensors, &gradient)?;
                let gradient = Parameters::gradient(&self.input, width, &gradients);
                let [first, last] = RATES;
                student.descend(&gradient, first * (last / first).powf(step as f64 / steps as f64));
                curve.gradient.push(gradient);
            }
            bar.set_message(format!("{loss:.4}"));
            bar.set_position(step);
        }
        bar.finish_and_clear();
        Ok(curve)
    }
}

/// The mean square of the difference, and its gradient.
fn loss(states: &[f32], target: &[f32]) -> (f64, Vec<f32>) {
    let count = states.len() as f64;
    let apart = || states.iter().zip(target).map(|(&state, &target)| f64::from(state) - f64::from(target));
    (apart().map(|apart| apart * apart).sum::<f64>() / count, apart().map(|apart| (2.0 * apart / count) as f32).collect())
}
