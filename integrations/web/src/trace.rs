//! One signal on the device: planned and bound once, recorded whenever a threshold or an amplitude moves.

use bmru::host::Gpu;
use bmru::{Bound, Buffers, Descriptor, Error, Inputs, Plan, Shape, Slot, Threshold, oracle, wgpu};
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

/// A signal as the candidates of one unit.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Trace {
    gpu: Gpu,
    candidate: Vec<f32>,
    plan: Plan,
    bound: Bound,
    memory: Vec<(Slot, wgpu::Buffer)>,
}

/// What a scan gave.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Scan {
    states: Vec<f32>,
    wrong: usize,
}

#[wasm_bindgen]
impl Scan {
    /// The states, as the GPU computed them.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn states(&self) -> Vec<f32> {
        self.states.clone()
    }

    /// How many of them differ in any bit from the plain loop on the CPU.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn wrong(&self) -> usize {
        self.wrong
    }
}

#[wasm_bindgen]
impl Trace {
    /// The plan in words: strategy, dispatches, bytes.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn plan(&self) -> String {
        self.plan.to_string()
    }

    /// Runs the unit on the device with this threshold and amplitude, and holds the result against the loop on the CPU.
    ///
    /// # Errors
    /// If the device is lost.
    pub async fn scan(&self, threshold: f32, amplitude: f32) -> Result<Scan, JsError> {
        Ok(self.run(threshold, amplitude).await?)
    }
}

/// The states by the plain loop on the CPU: for browsers without WebGPU.
///
/// # Errors
/// None for a signal that fits the memory.
#[wasm_bindgen]
pub fn loop_states(candidate: &[f32], threshold: f32, amplitude: f32) -> Result<Vec<f32>, JsError> {
    Ok(expected(candidate, threshold, amplitude)?)
}

fn expected(candidate: &[f32], threshold: f32, amplitude: f32) -> Result<Vec<f32>, Error> {
    let inputs = Inputs { candidate, threshold: &[threshold], amplitude: &[amplitude], ..Inputs::default() };
    Ok(oracle::forward(&unit(candidate.len()), &inputs)?.states)
}

/// One unit with one threshold.
fn unit(steps: usize) -> Descriptor {
    Descriptor::bmru(Shape { batch: 1, time: steps as u64, channels: 1 }).threshold(Threshold::PerChannel)
}

impl Trace {
    pub(crate) async fn new(gpu: &Gpu, candidate: Vec<f32>) -> Result<Self, Error> {
        let plan = gpu.plan(&unit(candidate.len()))?;
        gpu.kernels().prepare(&plan).await?;
        let buffer = |&(slot, size): &(Slot, u64)| {
            let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
            let label = slot.to_string();
            let descriptor = wgpu::BufferDescriptor { label: Some(&label), size, usage, mapped_at_creation: false };
            (slot, gpu.device().create_buffer(&descriptor))
        };
        let memory: Vec<(Slot, wgpu::Buffer)> = plan.slots().iter().map(buffer).collect();
        let buffers = memory.iter().fold(Buffers::new(), |buffers, (slot, buffer)| buffers.slot(*slot, buffer));
        let bound = gpu.kernels().bind(&plan, &buffers)?;
        let trace = Self { gpu: gpu.clone(), candidate, plan, bound, memory };
        trace.write(Slot::Candidate, &trace.candidate);
        Ok(trace)
    }

    async fn run(&self, threshold: f32, amplitude: f32) -> Result<Scan, Error> {
        self.write(Slot::Threshold, &[threshold]);
        self.write(Slot::Amplitude, &[amplitude]);
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.bound.record(&mut encoder);
        self.gpu.queue().submit([encoder.finish()]);
        let words = match self.buffer(Slot::States) {
            Some(states) => self.gpu.download(states).await?,
            None => Vec::new(),
        };
        let expected = expected(&self.candidate, threshold, amplitude)?;
        let wrong = words.iter().zip(&expected).filter(|(word, state)| **word != state.to_bits()).count();
        let states = words.into_iter().map(f32::from_bits).collect();
        Ok(Scan { states, wrong })
    }

    fn buffer(&self, slot: Slot) -> Option<&wgpu::Buffer> {
        self.memory.iter().find(|&&(held, _)| held == slot).map(|(_, buffer)| buffer)
    }

    fn write(&self, slot: Slot, values: &[f32]) {
        if let Some(buffer) = self.buffer(slot) {
            self.gpu.queue().write_buffer(buffer, 0, bytemuck::cast_slice(values));
        }
    }
}

impl Drop for Trace {
    /// A browser would keep them until its garbage is collected.
    fn drop(&mut self) {
        for (_, buffer) in &self.memory {
            buffer.destroy();
        }
    }
}
