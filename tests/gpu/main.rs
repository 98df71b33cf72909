//! Everything that needs a device, on every adapter that is there.
//!
//! Chain of trust: `tests/cpu` holds the oracle, the oracle holds the devices. An adapter that is missing is a failure:
//! `BMRU_ADAPTERS` lists those that must be there (`name@backend`, separated by commas); without it, at least one must.
//! Run with `--list` for the names; a name or a part of it reruns one alone.

mod adjoint;
mod foreign;
mod halves;
mod health;
mod host;
mod numbers;
mod order;
mod packed;
mod quirks;
mod recording;
mod sequences;
mod streams;
mod summaries;
mod traffic;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use bmru::wgpu;
use bmru_conformance::{BackwardCase, Case, Runner, Scope, adapters, backward_matrix, matrix};
use libtest_mimic::{Arguments, Failed, Trial};

/// One adapter. Tests share its device, one at a time.
#[derive(Clone)]
pub struct Device {
    adapter: wgpu::Adapter,
    runner: Arc<Mutex<Option<Runner>>>,
}

impl Device {
    fn with(&self, test: impl FnOnce(&Runner) -> Result<(), Failed>) -> Result<(), Failed> {
        // A test that failed leaves a device behind that the next may use.
        let mut held = self.runner.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            *held = Some(Runner::new(&self.adapter)?);
        }
        let outcome = test(held.as_ref().expect("it was just made"));
        // A software driver keeps megabytes for each pipeline, as long as its device lives.
        held.take_if(|runner| runner.gpu().kernels().pipeline_count() > MOST_PIPELINES);
        outcome
    }
}

/// Of a device that the next test goes on with.
const MOST_PIPELINES: usize = 200;

type Test = fn(&Runner) -> Result<(), Failed>;

/// Tests beside the matrix.
const TESTS: [(&str, Test); 44] = [
    ("a plan runs in a host that is not ours", foreign::runs),
    ("no invocation runs more iterations than the plan states", foreign::iterations),
    ("forward: what the shaders move is what the plan states", traffic::forward),
    ("backward: what the shaders move is what the plan states", traffic::backward),
    ("sequences: the shaders move no more than the plan states", traffic::bordered),
    ("unpacking: what the shaders move is what the plan states", traffic::unpacking),
    ("packed states of the host", packed::host),
    ("packed states beside a buffer of the caller's", packed::bound),
    ("recorded between the passes of the caller", recording::between_passes),
    ("recorded twice, and into a pass", recording::twice),
    ("recorded by many threads", recording::by_threads),
    ("100 plans of other shapes compile nothing twice", recording::compiles_once),
    ("recording makes no object", recording::makes_nothing),
    ("host: slices in, slices out", recording::host),
    ("backward: a second run has the same bits", adjoint::repeats),
    ("backward: NaN stays in its own hold and its channel's sums", adjoint::contains_nan),
    ("backward: nor does it pass a border", adjoint::contains_nan_behind_borders),
    ("backward: sums of 2^24 terms", adjoint::long_sums),
    ("backward: an annealed slope compiles nothing", adjoint::anneals),
    ("all patterns of 16 bits are held, and amplitudes rounded", halves::states),
    ("all patterns of 16 bits as gradients", halves::gradients),
    ("all patterns of 16 bits by units whose state is a number", halves::numbers),
    ("a state of 16 bits rests between parts with pairs and without", halves::rests),
    ("numbers: counts go in and come out", numbers::counts),
    ("numbers: what is held keeps its bits", numbers::held),
    ("numbers: amplitudes per element have gradients of their own", numbers::amplitudes),
    ("health: of the host, from both sources", health::host),
    ("health: counts of more than 32 bits", health::wide_counts),
    ("two layers on one encoder share scratch", streams::layers),
    ("heads: one threshold and one amplitude for all their channels", streams::heads),
    ("the gradient goes back through the borders of chunks", streams::gradients),
    ("decoding step by step, the state in place", streams::decodes),
    ("stretches know each other by their summaries", summaries::forward),
    ("gradients pass stretches by their summaries", summaries::gradients),
    ("a summary is cut as limits say", summaries::limits),
    ("sequences: what is packed is each sequence alone", sequences::packed),
    ("sequences: thousands of no step and of one", sequences::many),
    ("sequences: borders at every bit", sequences::every_bit),
    ("sequences: descending time is flipped", sequences::reverse),
    ("sequences: borders that go down stay inside", sequences::going_down),
    ("sequences: faults are seen", sequences::faults_are_seen),
    ("the table of quirks is right about loops", quirks::loops),
    ("invocations in other orders give the same bits", order::same_bits),
    ("a race is seen in other orders", order::races_are_seen),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let devices: Vec<Device> = adapters::all().into_iter().map(|adapter| Device { adapter, runner: Arc::default() }).collect();
    let present: Vec<String> = devices.iter().map(|device| adapters::name(&device.adapter.get_info())).collect();
    let mut trials = vec![required(present.clone())];

    let cases = matrix(Scope::Quick);
    let mut groups: Vec<&str> = cases.iter().map(group).collect();
    groups.dedup();
    let mut of_adapters = Vec::new();
    for (device, name) in devices.iter().zip(&present) {
        let mut trials = Vec::new();
        for group_name in &groups {
            let cases: Vec<Case> = cases.iter().filter(|case| group(case) == *group_name).cloned().collect();
            let device = device.clone();
            trials.push(Trial::test(format!("{name}: conformance of {group_name}"), move || {
                device.with(|runner| conforms(runner, &cases))
            }));
        }
        let backward = backward_matrix(Scope::Quick);
        let mut groups: Vec<String> = backward.iter().map(|case| backward_group(case).to_owned()).collect();
        groups.dedup();
        for group_name in groups {
            let cases: Vec<BackwardCase> = backward.iter().filter(|case| backward_group(case) == group_name).cloned().collect();
            let device = device.clone();
            trials.push(Trial::test(format!("{name}: conformance of {group_name}"), move || {
                device.with(|runner| adjoint::conforms(runner, &cases))
            }));
        }
        for (group_name, cases) in health::groups() {
            let device = device.clone();
            trials.push(Trial::test(format!("{name}: conformance of {group_name}"), move || {
                device.with(|runner| health::conforms(runner, &cases))
            }));
        }
        for (test_name, test) in TESTS {
            let device = device.clone();
            trials.push(Trial::test(format!("{name}: {test_name}"), move || device.with(test)));
        }
        of_adapters.push(trials.into_iter());
    }
    // The adapters take turns: drivers compile on one core, and another core has the test of another adapter meanwhile.
    while of_adapters.iter().any(|of_adapter| of_adapter.len() > 0) {
        trials.extend(of_adapters.iter_mut().filter_map(Iterator::next));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Drivers tear down their threads with their devices; what the process still holds when it exits they may free twice.
    drop(devices);
    conclusion.exit_code()
}

fn group(case: &Case) -> &str {
    case.name.split('/').next().unwrap_or_default()
}

fn backward_group(case: &BackwardCase) -> &str {
    case.name.split('/').next().unwrap_or_default()
}

fn required(present: Vec<String>) -> Trial {
    Trial::test("the adapters that must be there", move || {
        if present.is_empty() {
            return Err("no adapter found".into());
        }
        let missing = adapters::missing(&std::env::var("BMRU_ADAPTERS").unwrap_or_default(), &present);
        if missing.is_empty() {
            return Ok(());
        }
        Err(format!("missing: {}; found: {}", missing.join(", "), present.join(", ")).into())
    })
}

fn conforms(runner: &Runner, cases: &[Case]) -> Result<(), Failed> {
    let mut failures = Vec::new();
    for case in cases {
        match runner.run(case) {
            Ok(outcome) if outcome.wrong_words == 0 => {}
            Ok(outcome) => failures.push(format!("{}: {} wrong, {:?}", case.name, outcome.wrong_words, outcome.first)),
            Err(error) => failures.push(format!("{}: {error}", case.name)),
        }
    }
    failed(&failures, cases.len())
}

fn failed(failures: &[String], cases: usize) -> Result<(), Failed> {
    if failures.is_empty() {
        return Ok(());
    }
    let shown = failures.iter().take(10).map(String::as_str).collect::<Vec<_>>().join("\n  ");
    Err(format!("{} of {cases} cases failed\n  {shown}", failures.len()).into())
}
