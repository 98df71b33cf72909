//! Many cases on one device, and what came of all of them together.

use bmru::Error;
#[cfg(not(target_family = "wasm"))]
use bmru::wgpu;

use crate::{AnyCase, BackwardOutcome, Outcome, Runner};

/// What came of many cases.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Cases that ran, of any kind.
    pub cases: u64,
    /// A line for each that failed.
    pub failures: Vec<String>,
    /// Words of forward cases and of health that differ from what the oracle says.
    pub wrong_words: u64,
    /// Bits of those words that differ.
    pub wrong_bits: u64,
    /// Cases of the backward pass whose gradients were compared.
    pub compared: u64,
    /// The largest error of each [output](crate::backward::OUTPUTS), as a share of its bound; infinite if one was not a number.
    pub worst: [f64; 4],
    /// The largest error of a state that is a sum, as a share of its bound; more than 1, or infinite, if one was wrong.
    pub worst_state: f64,
}

impl Tally {
    /// The largest error of all outputs, as a share of its bound. Nothing if no gradient was compared, or if it is infinite.
    #[must_use]
    pub fn worst_ratio(&self) -> Option<f64> {
        let worst = self.worst.into_iter().fold(0.0, f64::max);
        (self.compared > 0 && worst.is_finite()).then_some(worst)
    }

    /// Adds what came of other cases.
    pub fn join(&mut self, other: Self) {
        self.cases += other.cases;
        self.failures.extend(other.failures);
        self.wrong_words += other.wrong_words;
        self.wrong_bits += other.wrong_bits;
        self.compared += other.compared;
        for (worst, other) in self.worst.iter_mut().zip(other.worst) {
            *worst = worst.max(other);
        }
        self.worst_state = self.worst_state.max(other.worst_state);
    }

    /// Runs a case.
    pub async fn run(&mut self, runner: &Runner, case: &AnyCase) {
        match case {
            AnyCase::Forward(case) => self.add(&case.name, runner.run_async(case).await),
            AnyCase::Backward(case) => self.add_gradients(&case.name, runner.run_backward_async(case).await),
            AnyCase::Health(case) => self.add(&case.name, runner.run_health_async(case).await),
        }
    }

    /// What came of a case whose every word the oracle knows.
    fn add(&mut self, name: &str, outcome: Result<Outcome, Error>) {
        self.cases += 1;
        if let Ok(outcome) = &outcome {
            self.worst_state = self.worst_state.max(outcome.worst);
        }
        match outcome {
            Ok(outcome) if outcome.wrong_words == 0 => {}
            Ok(outcome) => {
                self.wrong_words += outcome.wrong_words;
                self.wrong_bits += outcome.wrong_bits;
                let first = outcome.first.unwrap_or_default();
                self.failures.push(format!("{name}: {} words are wrong; {first}", outcome.wrong_words));
            }
            Err(error) => self.failures.push(format!("{name}: {error}")),
        }
    }

    /// What came of a case of the backward pass.
    fn add_gradients(&mut self, name: &str, outcome: Result<BackwardOutcome, Error>) {
        self.cases += 1;
        match outcome {
            Ok(outcome) => {
                self.compared += 1;
                for (worst, share) in self.worst.iter_mut().zip(outcome.worst) {
                    *worst = worst.max(share);
                }
                if outcome.wrong > 0 {
                    let first = outcome.first.unwrap_or_default();
                    self.failures.push(format!("{name}: {} gradients are wrong; {first}", outcome.wrong));
                }
            }
            Err(error) => self.failures.push(format!("{name}: {error}")),
        }
    }
}

/// Runs all cases on an adapter, whatever becomes of them, on so many threads with a device each: a GPU waits for its host most of the time.
///
/// # Errors
/// If the adapter gives no device.
#[cfg(not(target_family = "wasm"))]
pub fn run_on(adapter: &wgpu::Adapter, jobs: usize, cases: &[AnyCase], progress: impl Fn(&str) + Sync) -> Result<Tally, Error> {
    let jobs = jobs.max(1);
    let job = |number: usize| {
        let runner = Runner::new(adapter)?;
        let mut tally = Tally::default();
        for case in cases.iter().skip(number).step_by(jobs) {
            progress(case.name());
            pollster::block_on(tally.run(&runner, case));
        }
        Ok(tally)
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..jobs).map(|number| scope.spawn(move || job(number))).collect();
        let mut whole = Tally::default();
        for job in running {
            whole.join(job.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(whole)
    })
}
