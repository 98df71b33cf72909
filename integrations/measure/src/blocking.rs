//! Measurements for callers that are not async.

use std::time::Duration;

use bmru::host::Gpu;
use bmru::{Plan, Shape, Strategy, Tuning};
use pollster::block_on;

use crate::rounds::{Timed, interleaved_async};
use crate::stream::Stream;
use crate::tunings::{Tried, compare_tunings_async};
use crate::variants::{Outcome, compare_async};
use crate::{Device, Effort, Error, Group, Prepared, Quartiles, Row, Subject, Work, copy_rate_async, measure_async};

impl Device {
    /// The best adapter whose name, driver or backend contains `adapter`. A strategy is forced if one is given.
    ///
    /// # Errors
    /// If there is none, or it gives no device.
    pub fn open(adapter: &str, effort: Effort, strategy: Option<Strategy>) -> Result<Self, Error> {
        let mut gpu = block_on(Gpu::matching(adapter))?;
        if let Some(strategy) = strategy {
            let tuning = gpu.tuning().clone().with_strategy(strategy);
            gpu = gpu.with_tuning(tuning);
        }
        Ok(Self::on(gpu, effort))
    }

    /// [`time_async`](Self::time_async).
    ///
    /// # Errors
    /// As there.
    pub fn time(&self, runs: u64, work: &Work) -> Result<Duration, Error> {
        block_on(self.time_async(runs, work))
    }
}

impl Prepared<'_> {
    /// [`library_async`](Self::library_async).
    ///
    /// # Errors
    /// As there.
    pub fn library(&self, plan: &Plan, row: &str) -> Result<Work, Error> {
        block_on(self.library_async(plan, row))
    }

    /// [`stream_async`](Self::stream_async).
    ///
    /// # Errors
    /// As there.
    pub fn stream(&self) -> Result<Stream, Error> {
        block_on(self.stream_async())
    }

    /// [`copy_async`](Self::copy_async).
    ///
    /// # Errors
    /// As there.
    pub fn copy(&self) -> Result<(Work, u64), Error> {
        block_on(self.copy_async())
    }
}

/// [`interleaved_async`].
///
/// # Errors
/// As there.
pub fn interleaved(device: &Device, rows: &[Timed<'_>]) -> Result<Vec<Vec<f64>>, Error> {
    block_on(interleaved_async(device, rows))
}

/// [`measure_async`].
///
/// # Errors
/// As there.
pub fn measure(device: &Device, group: Group, wanted: impl Fn(&str) -> bool) -> Result<Vec<Row>, Error> {
    block_on(measure_async(device, group, wanted))
}

/// [`compare_async`].
///
/// # Errors
/// As there.
pub fn compare(
    device: &Device,
    subjects: &[Subject],
    shape: Shape,
    wanted: impl Fn(&str) -> bool,
    tell: impl FnMut(Outcome),
) -> Result<(), Error> {
    block_on(compare_async(device, subjects, shape, wanted, tell))
}

/// [`compare_tunings_async`].
///
/// # Errors
/// As there.
pub fn compare_tunings(device: &Device, group: Group, tunings: &[(String, Tuning)], stages: bool) -> Result<Vec<Tried>, Error> {
    block_on(compare_tunings_async(device, group, tunings, stages))
}

/// [`copy_rate_async`].
///
/// # Errors
/// As there.
pub fn copy_rate(device: &Device) -> Result<Quartiles, Error> {
    block_on(copy_rate_async(device))
}
