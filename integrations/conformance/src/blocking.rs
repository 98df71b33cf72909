//! The runner for callers that are not async.

use bmru::host::Gpu;
use bmru::oracle::IncomingGradients;
use bmru::{Descriptor, Error, wgpu};
use pollster::block_on;

use crate::backward::Choice;
use crate::data::Slots;
use crate::{BackwardCase, BackwardOutcome, Case, Outcome, Runner};

impl Runner {
    /// A runner on an adapter.
    ///
    /// # Errors
    /// If the adapter gives no device.
    pub fn new(adapter: &wgpu::Adapter) -> Result<Self, Error> {
        Ok(Self::on(block_on(Gpu::on(adapter))?))
    }

    /// [`run_async`](Self::run_async).
    ///
    /// # Errors
    /// As there.
    pub fn run(&self, case: &Case) -> Result<Outcome, Error> {
        block_on(self.run_async(case))
    }

    /// [`run_backward_async`](Self::run_backward_async).
    ///
    /// # Errors
    /// As there.
    pub fn run_backward(&self, case: &BackwardCase) -> Result<BackwardOutcome, Error> {
        block_on(self.run_backward_async(case))
    }

    /// [`gradients_async`](Self::gradients_async).
    ///
    /// # Errors
    /// As there.
    pub fn gradients(
        &self,
        descriptor: &Descriptor,
        choice: &Choice,
        data: &Slots,
        incoming: &IncomingGradients<'_>,
    ) -> Result<(u64, [Vec<u32>; 4]), Error> {
        block_on(self.gradients_async(descriptor, choice, data, incoming))
    }
}
