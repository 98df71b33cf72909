//! The same calls for callers that are not async.

use super::Gpu;
use crate::oracle::{Gradients, IncomingGradients, Inputs, Outputs};
use crate::{Descriptor, Error, GradientSummary, Health, Packed, Summary};

impl Gpu {
    /// [`forward`](Self::forward) for callers that are not async.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_blocking(&self, descriptor: &Descriptor, inputs: &Inputs<'_>) -> Result<Outputs, Error> {
        pollster::block_on(self.forward(descriptor, inputs))
    }

    /// [`unpack`](Self::unpack) for callers that are not async.
    ///
    /// # Errors
    /// As [`unpack`](Self::unpack).
    pub fn unpack_blocking(&self, descriptor: &Descriptor, packed: &Packed<'_>) -> Result<Vec<f32>, Error> {
        pollster::block_on(self.unpack(descriptor, packed))
    }

    /// [`backward`](Self::backward) for callers that are not async.
    ///
    /// # Errors
    /// As [`backward`](Self::backward).
    pub fn backward_blocking(
        &self,
        descriptor: &Descriptor,
        inputs: &Inputs<'_>,
        saved: &[u32],
        incoming: &IncomingGradients<'_>,
    ) -> Result<Gradients<f32>, Error> {
        pollster::block_on(self.backward(descriptor, inputs, saved, incoming))
    }

    /// [`health`](Self::health) for callers that are not async.
    ///
    /// # Errors
    /// As [`health`](Self::health).
    pub fn health_blocking(&self, descriptor: &Descriptor, saved: &[u32]) -> Result<Health, Error> {
        pollster::block_on(self.health(descriptor, saved))
    }

    /// [`health_of_inputs`](Self::health_of_inputs) for callers that are not async.
    ///
    /// # Errors
    /// As [`health_of_inputs`](Self::health_of_inputs).
    pub fn health_of_inputs_blocking(&self, descriptor: &Descriptor, inputs: &Inputs<'_>) -> Result<Health, Error> {
        pollster::block_on(self.health_of_inputs(descriptor, inputs))
    }

    /// [`summarize`](Self::summarize) for callers that are not async.
    ///
    /// # Errors
    /// As there.
    pub fn summarize_blocking(&self, descriptor: &Descriptor, inputs: &Inputs<'_>) -> Result<Summary, Error> {
        pollster::block_on(self.summarize(descriptor, inputs))
    }

    /// [`summarize_gradient`](Self::summarize_gradient) for callers that are not async.
    ///
    /// # Errors
    /// As there.
    pub fn summarize_gradient_blocking(
        &self,
        descriptor: &Descriptor,
        saved: &[u32],
        incoming: &IncomingGradients<'_>,
    ) -> Result<GradientSummary, Error> {
        pollster::block_on(self.summarize_gradient(descriptor, saved, incoming))
    }
}
