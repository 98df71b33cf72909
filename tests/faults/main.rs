//! What goes wrong beside the arithmetic, on every adapter: devices that are lost, memory that is gone, waits that are too long,
//! encoders and buffers that the caller spoilt, threads, and plans, queues and buffers of others.
//!
//! Each fault ends in a typed error of ours or in an error that is the caller's own; never in a panic, a hang or a result that is
//! silently wrong. Afterwards the same device works, or a new one where it is lost. Every device here has an application with
//! handlers of its own, which must hear nothing of us and stay. `docs/robustness.md` has the list.

mod buffers;
mod lost;
mod memory;
mod others;
mod recording;
mod scene;
mod threads;
mod waits;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use bmru_conformance::adapters;
use libtest_mimic::{Arguments, Failed, Trial};

use scene::Scene;

/// After which a fault has ended in a hang.
const HANG: Duration = Duration::from_secs(180);

type Test = fn(&Scene) -> Result<(), Failed>;

const TESTS: [(&str, Test); 24] = [
    ("lost: every call says so", lost::every_call),
    ("lost: between binding, recording, submitting and reading", lost::in_between),
    ("lost: while it is waited for", lost::while_waiting),
    ("lost: while threads record", lost::while_recording),
    ("memory: none left for a tensor", memory::exhausted),
    ("waits: past their limit", waits::past_the_limit),
    ("waits: of threads on one device", waits::of_threads),
    ("recording: into an encoder that the caller spoilt", recording::spoilt),
    ("recording: into an encoder with an open pass", recording::locked),
    ("recording: into an encoder of another device", recording::foreign),
    ("recording: into a pass that the caller spoilt", recording::spoilt_pass),
    ("recording: before an error of the caller", recording::error_behind),
    ("buffers: destroyed before they are bound", buffers::destroyed_before),
    ("buffers: destroyed before they are submitted", buffers::destroyed_between),
    ("buffers: dropped when they are bound", buffers::dropped),
    ("buffers: mapped when they are submitted", buffers::mapped),
    ("buffers: of another device", buffers::of_another_device),
    ("buffers: of another instance", buffers::of_another_instance),
    ("buffers: that cannot be downloaded", buffers::downloads),
    ("threads: one bound plan and many encoders", threads::share_a_bound_plan),
    ("threads: plans of all units at once", threads::all_units),
    ("threads: pipelines made at once", threads::prepare),
    ("others: plans of every other adapter", others::plans),
    ("others: the queue of another device", others::queue),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if let Ok(adapter) = std::env::var(memory::CHILD) {
        return memory::child(&adapter);
    }
    let found = adapters::all();
    let present: Vec<String> = found.iter().map(|adapter| adapters::name(&adapter.get_info())).collect();
    let mut trials = vec![required(present.clone())];
    for (adapter, name) in found.iter().zip(&present) {
        // One at a time: a test must not wait for another's work.
        let turn = Arc::new(Mutex::new(()));
        for (test_name, test) in TESTS {
            let (adapter, others, turn) = (adapter.clone(), found.clone(), turn.clone());
            trials.push(Trial::test(format!("{name}: {test_name}"), move || {
                let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                watched(move || test(&Scene::new(&adapter, &others)?))
            }));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(found);
    conclusion.exit_code()
}

fn required(present: Vec<String>) -> Trial {
    Trial::test("the adapters that must be there", move || {
        let missing = adapters::missing(&std::env::var("BMRU_ADAPTERS").unwrap_or_default(), &present);
        if missing.is_empty() && !present.is_empty() {
            return Ok(());
        }
        Err(format!("missing: {}; found: {}", missing.join(", "), present.join(", ")).into())
    })
}

/// Runs a test that may hang.
fn watched(test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Result<(), Failed> {
    let (sender, ended) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let result = test();
        let _ = sender.send(());
        result
    });
    match ended.recv_timeout(HANG) {
        Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("it hangs: nothing for {HANG:?}").into()),
        // It ended, or panicked.
        _ => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
    }
}
