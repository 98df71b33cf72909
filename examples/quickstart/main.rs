//! The main job on real input: 80 recordings of a wrist sensor, one memory unit for each channel, on the best adapter there is.
//!
//! A unit remembers to which side its channel last left a region that widens and narrows with the recent past.
//! The states are compared with the sequential loop, bit for bit, counted, and drawn; the gradients of their sum by the thresholds
//! are compared within the bound that rounding allows.

mod picture;
mod recordings;
mod table;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use bmru::host::{Gpu, describe};
use bmru::{Descriptor, Gradients, Health, HealthSource, IncomingGradients, Inputs, Outputs, Save, Shape, oracle};
use clap::Parser;
use picture::Panel;
use recordings::{Recordings, STEP};

/// Where the two states lie, in units of a channel's root mean square: outside the region most of the time, so that the
/// picture is clear. The gate does not see it.
const AMPLITUDE: f32 = 2.0;

/// The recording and the channels in the picture.
const DRAWN: (usize, [&str; 3]) = (38, ["acc_y", "gyro_x", "gyro_z"]);

/// Runs recordings of a wrist sensor through memory units, checks every bit, and draws the result.
#[derive(Parser)]
struct Args {
    /// Where the picture goes [default: beside this program]
    picture: Option<PathBuf>,
    /// Use the best adapter whose name, driver or backend contains TEXT
    #[arg(long, value_name = "TEXT")]
    adapter: Option<String>,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let recordings = Recordings::read()?;
    let Shape { batch, time, channels } = recordings.shape;
    println!("input    {batch} recordings of a wrist sensor, {time} steps, {channels} channels");

    let candidate = recordings.candidates();
    let threshold = recordings.thresholds(&candidate);
    let amplitude = vec![AMPLITUDE; recordings.channels.len()];
    let inputs = Inputs { candidate: &candidate, threshold: &threshold, amplitude: &amplitude, ..Inputs::default() };
    let scan = Descriptor::bmru(recordings.shape).save(Save::Codes);
    let expected = oracle::forward(&scan, &inputs)?;
    // Of the sum of all states.
    let ones = vec![1.0; candidate.len()];
    let incoming = IncomingGradients { states: &ones, ..IncomingGradients::default() };
    let gradients = oracle::backward(&scan, &inputs, &incoming)?;

    let counted = Health::from_words(&scan, &oracle::health(&scan, HealthSource::Inputs, &inputs)?)?;
    let (outputs, threshold_gradient) = match pollster::block_on(Gpu::matching(args.adapter.as_deref().unwrap_or_default())) {
        Ok(gpu) => {
            let outputs = run_on(&gpu, &scan, &inputs)?;
            compare(&outputs, &expected)?;
            let backward = gpu.backward_blocking(&scan, &inputs, &outputs.saved, &incoming)?;
            let depth = scan.backward(&gpu.limits(), gpu.tuning())?.depth();
            let bounds = bmru_conformance::bounds(&scan, &inputs, &incoming, depth)?;
            compare_gradients(&backward, &gradients, &bounds)?;
            if gpu.health_of_inputs_blocking(&scan, &inputs)? != counted {
                return Err("the counts of health differ from the sequential loop's".into());
            }
            (outputs, backward.threshold.into_iter().map(f64::from).collect())
        }
        Err(bmru::Error::NoAdapter { .. }) if args.adapter.is_none() => {
            println!("adapter  NONE FOUND: no kernel ran, all that follows was computed by the sequential loop on the CPU");
            (expected, gradients.threshold)
        }
        Err(error) => return Err(error.into()),
    };
    let states = outputs.states;
    table::print(&recordings, &candidate, &threshold, &states, &threshold_gradient);
    table::print_health(&recordings, &counted);

    let path = match args.picture {
        Some(path) => path,
        None => std::env::current_exe()?.with_extension("svg"),
    };
    let (b, drawn) = DRAWN;
    let panel = |(d, &channel): (usize, &&'static str)| Panel {
        channel,
        candidate: recordings.series(&candidate, b, d),
        threshold: recordings.series(&threshold, b, d),
        states: recordings.series(&states, b, d),
    };
    let channels = recordings.channels.iter().enumerate().filter(|(_, channel)| drawn.contains(channel));
    let subtitle = format!("{}, recording {b} of a wrist sensor. Each channel drives one unit.", recordings.activities[b]);
    let panels: Vec<Panel> = channels.map(panel).collect();
    picture::draw(&path, &subtitle, STEP, &panels).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("\npicture  {}", path.display());
    Ok(())
}

fn run_on(gpu: &Gpu, scan: &Descriptor, inputs: &Inputs<'_>) -> Result<Outputs, bmru::Error> {
    println!("adapter  {}", describe(gpu.info()));
    println!("plan     {}", gpu.plan(scan)?.to_string().replace('\n', "\n         "));
    let mut outputs = Outputs::default();
    for (run, what) in [("first", "compile, upload, run, download"), ("again", "upload, run, download")] {
        let start = Instant::now();
        outputs = gpu.forward_blocking(scan, inputs)?;
        println!("{run}    {:.1} ms: {what}", 1e3 * start.elapsed().as_secs_f64());
    }
    Ok(outputs)
}

/// Compares bits: `==` would take -0 for +0.
fn compare(actual: &Outputs, expected: &Outputs) -> Result<(), String> {
    let bits = |outputs: &Outputs| outputs.states.iter().map(|state| state.to_bits()).collect::<Vec<_>>();
    let (actual, expected) = (bits(actual), bits(expected));
    let wrong = (0..expected.len().max(actual.len())).filter(|&i| actual.get(i) != expected.get(i)).count();
    if wrong > 0 {
        return Err(format!("{wrong} of {} states differ from the sequential loop's", expected.len()));
    }
    println!("check    all {} states have the bits of the sequential loop", expected.len());
    Ok(())
}

/// Compares gradients with those of the loop in double precision: how far rounding may take them is derived, not chosen.
fn compare_gradients(actual: &Gradients<f32>, expected: &Gradients<f64>, bounds: &Gradients<f64>) -> Result<(), String> {
    let outputs = [
        (&actual.candidate, &expected.candidate, &bounds.candidate),
        (&actual.threshold, &expected.threshold, &bounds.threshold),
        (&actual.amplitude, &expected.amplitude, &bounds.amplitude),
    ];
    let (mut count, mut worst) = (0, 0.0);
    for (actual, expected, bounds) in outputs {
        if actual.len() != expected.len() {
            return Err(format!("there are {} gradients, expected {}", actual.len(), expected.len()));
        }
        for (&actual, (expected, bound)) in actual.iter().zip(expected.iter().zip(bounds)) {
            let error = (f64::from(actual) - expected).abs();
            if error.is_nan() || error > *bound {
                return Err(format!("a gradient is {actual:e}, expected {expected:e} ± {bound:e}"));
            }
            count += 1;
            worst = f64::max(worst, if error > 0.0 { error / bound } else { 0.0 });
        }
    }
    println!("         all {count} gradients are within the bound of their rounding, at most {:.0} % of it off", 100.0 * worst);
    Ok(())
}
