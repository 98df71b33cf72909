//! Conformance and roofline a step at a time: between two steps the page shows how far it is, and may stop.

use bmru_conformance::{AnyCase, Runner, Scope, Tally};
use bmru_measure::{
    Device, Effort, Error, Group, Quartiles, Row, SetRate, copy_rate_async, measure_async, report as roofline, shapes,
};
use bmru_reports::{Adapter, Conformance, Report};
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Engine, report};

/// How much of something is run.
#[wasm_bindgen]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Nothing.
    None,
    /// One case in four of the quick matrix, small tensors: shows that all works.
    Trial,
    /// The quick matrix. Of the roofline it is a trial.
    Quick,
    /// All.
    Full,
}

/// The suite on one device.
#[wasm_bindgen]
pub struct Suite {
    engine: Engine,
    runner: Runner,
    /// All steps, from the first.
    steps: Vec<Step>,
    done: usize,
    tally: Tally,
    device: Option<Device>,
    copy: Option<Quartiles>,
    rows: Vec<Row>,
}

enum Step {
    Case(Box<AnyCase>),
    Copy,
    Measure(Group),
}

impl Step {
    fn name(&self) -> String {
        match self {
            Self::Case(case) => case.name().to_owned(),
            Self::Copy => "roofline: copy".to_owned(),
            Self::Measure(group) => format!("roofline: {}", group.name()),
        }
    }
}

/// A report in its two forms.
#[wasm_bindgen(getter_with_clone)]
#[derive(Clone, Debug)]
pub struct Written {
    /// The file.
    pub json: String,
    /// For a mail or an issue.
    pub text: String,
}

/// Tensors of a full roofline, in bytes of all copies together: no phone is asked for more.
const MEMORY: u64 = 3 << 29;

impl Suite {
    pub(crate) fn new(engine: Engine, conformance: Extent, measured: Extent, only: &str) -> Self {
        let runner = Runner::on(engine.gpu.clone());
        let mut steps = Vec::new();
        let scope = match conformance {
            Extent::None => None,
            // The second share: `scripts/dawn.sh --every 6` takes others, in the first of six.
            Extent::Trial => Some((Scope::Quick, 4, 1)),
            Extent::Quick => Some((Scope::Quick, 1, 0)),
            Extent::Full => Some((Scope::Full, 1, 0)),
        };
        if let Some((scope, every, part)) = scope {
            let cases = AnyCase::all(scope).into_iter().filter(|case| case.is_in_share(every, part));
            steps.extend(cases.map(|case| Step::Case(Box::new(case))));
        }
        let effort = match measured {
            Extent::None => None,
            Extent::Trial | Extent::Quick => Some(Effort::Quick),
            Extent::Full => Some(Effort::Full),
        };
        let device = effort.map(|effort| {
            let device = Device::on(engine.gpu.clone(), effort);
            if effort == Effort::Full { device.with_memory(MEMORY) } else { device }
        });
        if let Some(effort) = effort {
            steps.push(Step::Copy);
            steps.extend(groups(effort).into_iter().map(Step::Measure));
        }
        steps.retain(|step| step.name().contains(only));
        Self { engine, runner, steps, done: 0, tally: Tally::default(), device, copy: None, rows: Vec::new() }
    }

    /// What the device complained of while a case ran is a failure, whatever the result.
    fn hear(&mut self, name: &str) {
        for complaint in self.engine.complaints.take() {
            self.tally.failures.push(format!("{name}: the device says: {complaint}"));
        }
    }

    async fn measure(&mut self, step: &Step) -> Result<(), Error> {
        let Some(device) = &self.device else { return Ok(()) };
        match step {
            Step::Copy => self.copy = Some(copy_rate_async(device).await?),
            Step::Measure(group) => self.rows.extend(measure_async(device, *group, |_| true).await?),
            Step::Case(_) => {}
        }
        Ok(())
    }

    fn write(&self, date: &str, browser: &str) -> Result<Written, Box<dyn std::error::Error>> {
        let info = self.engine.gpu.info();
        let measured = self.device.as_ref().zip(self.copy).filter(|_| !self.rows.is_empty());
        let measured = measured.map(|(device, copy)| serde_json::from_value(roofline::to_json(device, copy, &self.rows)));
        let report = Report {
            schema: Report::SCHEMA,
            date: date.parse()?,
            commit: report::commit(),
            host: report::host(browser),
            adapter: Adapter {
                name: self.engine.name.clone(),
                backend: format!("{:?}", info.backend),
                driver: info.driver.trim().to_owned(),
                driver_info: info.driver_info.trim().to_owned(),
            },
            conformance: Conformance {
                cases: self.tally.cases,
                failures: (self.tally.failures.len() as u64).min(self.tally.cases),
                forward_wrong_bits: self.tally.wrong_bits,
                backward_worst_bound_ratio: self.tally.worst_ratio(),
            },
            roofline: measured.transpose()?,
        };
        Ok(Written { json: report.to_json()?, text: report::text(&report) })
    }
}

#[wasm_bindgen]
impl Suite {
    /// Steps in all.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn total(&self) -> usize {
        self.steps.len()
    }

    /// Steps that are done.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn done(&self) -> usize {
        self.done
    }

    /// The name of the next step; nothing if all are done.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn next(&self) -> Option<String> {
        self.steps.get(self.done).map(Step::name)
    }

    /// A line for each case that failed so far.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn failures(&self) -> Vec<String> {
        self.tally.failures.clone()
    }

    /// Runs the next step. A case that fails is counted.
    ///
    /// # Errors
    /// If a row of the roofline cannot be measured. The next call takes the next row.
    pub async fn step(&mut self) -> Result<(), JsError> {
        let Some(step) = self.steps.get_mut(self.done) else { return Ok(()) };
        let step = std::mem::replace(step, Step::Copy);
        self.done += 1;
        let mut measured = Ok(());
        match &step {
            Step::Case(case) => self.tally.run(&self.runner, case).await,
            Step::Copy | Step::Measure(_) => measured = self.measure(&step).await,
        }
        self.hear(&step.name());
        Ok(measured?)
    }

    /// The report of the steps that are done: `date` as `2026-01-31`, `browser` in words.
    ///
    /// # Errors
    /// If no case has run, or the date is none.
    pub fn report(&self, date: &str, browser: &str) -> Result<Written, JsError> {
        self.write(date, browser).map_err(|error| JsError::new(&error.to_string()))
    }
}

/// What is measured on a page: forward and backward with a threshold for each element, on many channels, on few, and on short
/// rows.
fn groups(effort: Effort) -> Vec<Group> {
    let listed = match effort {
        Effort::Full => [0, 3, 5].map(|at| shapes::SYNTHETIC[at]).to_vec(),
        Effort::Check | Effort::Quick => shapes::QUICK[..2].to_vec(),
    };
    let mut groups = roofline::groups(&listed, "element");
    groups.retain(|group| group.set_rate == SetRate::Usual);
    groups
}

#[cfg(test)]
mod tests {
    use bmru_measure::Effort;

    use super::groups;

    #[test]
    fn a_page_measures_a_few_rows() {
        let names = |effort| groups(effort).iter().map(bmru_measure::Group::name).collect::<Vec<_>>();
        let full = [
            "forward/4x4096x256/element",
            "forward/1x65536x64/element",
            "forward/64x64x1024/element",
            "backward/4x4096x256/element",
            "backward/1x65536x64/element",
            "backward/64x64x1024/element",
        ];
        assert_eq!(names(Effort::Full), full);
        assert_eq!(names(Effort::Quick).len(), 4);
    }
}
