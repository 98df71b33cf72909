//! Recording: the dispatches of a bound plan go into the caller's encoder.

use crate::Stage;

/// A plan with its buffers, ready to be recorded. Keeps the buffers alive.
#[derive(Clone, Debug)]
pub struct Bound {
    pub(crate) label: String,
    pub(crate) dispatches: Vec<BoundDispatch>,
}

/// One dispatch of a bound plan.
#[derive(Clone, Debug)]
pub struct BoundDispatch {
    pub(crate) stage: Stage,
    pub(crate) label: String,
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) bind_group: wgpu::BindGroup,
    pub(crate) grid: [u32; 3],
}

impl Bound {
    /// Records all dispatches in a compute pass of their own. Makes no GPU object, submits nothing, waits for nothing.
    ///
    /// A plan with nothing to do records nothing.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        if self.dispatches.is_empty() {
            return;
        }
        let descriptor = wgpu::ComputePassDescriptor { label: Some(&self.label), timestamp_writes: None };
        self.record_in(&mut encoder.begin_compute_pass(&descriptor));
    }

    /// Records all dispatches into the caller's pass. Leaves another pipeline and another bind group 0 behind.
    pub fn record_in(&self, pass: &mut wgpu::ComputePass<'_>) {
        for dispatch in &self.dispatches {
            dispatch.record_in(pass);
        }
    }

    /// The dispatches in order, for callers who put something between them. Each must see the results of those before.
    #[must_use]
    pub fn dispatches(&self) -> &[BoundDispatch] {
        &self.dispatches
    }
}

impl BoundDispatch {
    /// The stage.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The label of its objects.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Records this dispatch.
    pub fn record_in(&self, pass: &mut wgpu::ComputePass<'_>) {
        let [x, y, z] = self.grid;
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}
