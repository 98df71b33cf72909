//! Two ways to the states and the gradients: the kernels, with buffers that live as long as the training, and the oracle.

use std::error::Error;

use bmru::host::Gpu;
use bmru::oracle::{self, IncomingGradients};
use bmru::{Bound, Buffers, Descriptor, Gradients, Slot, wgpu};
use bmru_conformance::data::Slots;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub trait Engine {
    fn forward(&mut self, tensors: &Slots) -> Result<Vec<f32>>;

    /// Of the tensors of the last forward pass.
    fn backward(&mut self, tensors: &Slots, states_gradient: &[f32]) -> Result<Gradients<f64>>;
}

/// The plain loop, gradients in double precision.
pub struct Oracle(pub Descriptor);

impl Engine for Oracle {
    fn forward(&mut self, tensors: &Slots) -> Result<Vec<f32>> {
        Ok(oracle::forward(&self.0, &tensors.inputs())?.states)
    }

    fn backward(&mut self, tensors: &Slots, states_gradient: &[f32]) -> Result<Gradients<f64>> {
        let incoming = IncomingGradients { states: states_gradient, final_state: &[] };
        Ok(oracle::backward(&self.0, &tensors.inputs(), &incoming)?)
    }
}

/// Both plans bound once to buffers that both share; a training step uploads, records and downloads.
pub struct Kernels<'a> {
    gpu: &'a Gpu,
    buffers: Vec<(Slot, wgpu::Buffer)>,
    forward: Bound,
    backward: Bound,
}

impl<'a> Kernels<'a> {
    pub fn new(gpu: &'a Gpu, descriptor: &Descriptor) -> Result<Self> {
        let forward = gpu.plan(descriptor)?;
        let backward = descriptor.backward(&gpu.limits(), gpu.tuning())?;
        let mut buffers: Vec<(Slot, wgpu::Buffer)> = Vec::new();
        for &slot in Slot::ALL {
            let size = forward.slot_bytes(slot).max(backward.slot_bytes(slot));
            let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
            let descriptor = wgpu::BufferDescriptor { label: Some("train"), size, usage, mapped_at_creation: false };
            if size > 0 {
                buffers.push((slot, gpu.device().create_buffer(&descriptor)));
            }
        }
        let bind = |plan: &bmru::Plan| {
            let used = buffers.iter().filter(|(slot, _)| plan.uses(*slot));
            let mut given = used.fold(Buffers::new(), |given, (slot, buffer)| given.slot(*slot, buffer));
            if let (Some(layout), Some((_, saved))) =
                (forward.saved_layout(), buffers.iter().find(|(slot, _)| *slot == Slot::Saved))
            {
                given = given.saved_by(saved, layout);
            }
            gpu.kernels().bind(plan, &given)
        };
        let (forward, backward) = (bind(&forward)?, bind(&backward)?);
        Ok(Self { gpu, buffers, forward, backward })
    }

    fn buffer(&self, slot: Slot) -> &wgpu::Buffer {
        &self.buffers.iter().find(|(held, _)| *held == slot).expect("both plans name it").1
    }

    fn upload(&self, slot: Slot, values: &[f32]) {
        self.gpu.queue().write_buffer(self.buffer(slot), 0, bytemuck::cast_slice(values));
    }

    fn run(&self, bound: &Bound) {
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        bound.record(&mut encoder);
        self.gpu.queue().submit([encoder.finish()]);
    }

    fn download(&self, slot: Slot) -> Result<Vec<f32>> {
        Ok(pollster::block_on(self.gpu.download(self.buffer(slot)))?.into_iter().map(f32::from_bits).collect())
    }
}

impl Engine for Kernels<'_> {
    fn forward(&mut self, tensors: &Slots) -> Result<Vec<f32>> {
        self.upload(Slot::Candidate, &tensors.candidate);
        self.upload(Slot::Threshold, &tensors.threshold);
        self.upload(Slot::Amplitude, &tensors.amplitude);
        self.upload(Slot::InitialState, &tensors.initial_state);
        self.run(&self.forward);
        self.download(Slot::States)
    }

    fn backward(&mut self, _: &Slots, states_gradient: &[f32]) -> Result<Gradients<f64>> {
        self.upload(Slot::StatesGradient, states_gradient);
        self.run(&self.backward);
        let gradient = |slot| Ok::<_, Box<dyn Error>>(self.download(slot)?.into_iter().map(f64::from).collect());
        Ok(Gradients {
            candidate: gradient(Slot::CandidateGradient)?,
            threshold: gradient(Slot::ThresholdGradient)?,
            amplitude: gradient(Slot::AmplitudeGradient)?,
            initial_state: gradient(Slot::InitialStateGradient)?,
        })
    }
}
