//! A host that is not ours: it has a plan's text, numbers and grids, a pipeline layout that the shader alone decides, and no
//! `Kernels`. It can run a text that was changed so that the shader counts what it does, or does it in another order.

use std::cell::RefCell;
use std::collections::HashMap;

use bmru::wgpu::{self, BufferUsages as Usages};
use bmru::{Access, Descriptor, Direction, Dispatch, HealthSource, IncomingGradients, Limits, Plan, Slot, Variant, oracle};
use bmru_conformance::Runner;
use bmru_conformance::data::Slots;
use libtest_mimic::Failed;

/// Words that a dispatch counts in: one binding offset of any device.
pub const COUNTS: usize = 64;

/// Changes the text of a variant so that it counts in `counted`, an array of atomics.
pub type Counting = fn(&Variant) -> String;

/// Changes the text of a variant, but not what it binds.
type Change = Box<dyn Fn(&Variant) -> String>;

/// Runs plans on a device.
pub struct Host<'a> {
    pub runner: &'a Runner,
    counting: Option<Counting>,
    changed: Option<Change>,
    pipelines: RefCell<HashMap<Variant, wgpu::ComputePipeline>>,
}

/// The buffers of a plan that ran, and what each of its dispatches counted.
pub struct Ran {
    buffers: Vec<(Slot, wgpu::Buffer)>,
    pub counted: Vec<Vec<u32>>,
}

impl<'a> Host<'a> {
    pub fn new(runner: &'a Runner, counting: Option<Counting>) -> Self {
        Self { runner, counting, changed: None, pipelines: RefCell::default() }
    }

    /// A host that changes the text of each variant, but not what it binds.
    pub fn changing(runner: &'a Runner, change: impl Fn(&Variant) -> String + 'static) -> Self {
        Self { changed: Some(Box::new(change)), ..Self::new(runner, None) }
    }

    /// The limits of the device, with room for the counts.
    pub fn limits(&self) -> Limits {
        let limits = self.runner.gpu().limits();
        let storage = limits.max_storage_buffers_per_shader_stage - u32::from(self.counting.is_some());
        Limits { max_storage_buffers_per_shader_stage: storage, ..limits }
    }

    /// Runs all dispatches over buffers that hold what is given, and zeros.
    pub fn run(&self, plan: &Plan, given: &[(Slot, &[u8])]) -> Result<Ran, Failed> {
        let storage = |size| self.buffer(size, Usages::STORAGE | Usages::COPY_SRC);
        let buffers: Vec<_> = plan.slots().iter().map(|&(slot, bytes)| (slot, storage(bytes))).collect();
        for (slot, buffer) in &buffers {
            if let Some((_, contents)) = given.iter().find(|(given, _)| given == slot) {
                self.runner.gpu().queue().write_buffer(buffer, 0, contents);
            }
        }
        let counts = storage((plan.dispatches().len().max(1) * COUNTS * 4) as u64);
        for (number, dispatch) in plan.dispatches().iter().enumerate() {
            self.dispatch(plan, dispatch, &buffers, &counts, number);
        }
        let mut ran = Ran { buffers, counted: Vec::new() };
        if self.counting.is_some() {
            let counted = pollster::block_on(self.runner.gpu().download(&counts))?;
            ran.counted = counted.chunks(COUNTS).take(plan.dispatches().len()).map(<[u32]>::to_vec).collect();
        }
        Ok(ran)
    }

    /// The contents of a slot after a run; nothing if the plan has no such slot.
    pub fn download(&self, ran: &Ran, slot: Slot) -> Result<Vec<u32>, Failed> {
        let Some((_, buffer)) = ran.buffers.iter().find(|(held, _)| *held == slot) else { return Ok(Vec::new()) };
        Ok(pollster::block_on(self.runner.gpu().download(buffer))?)
    }

    fn buffer(&self, size: u64, usage: Usages) -> wgpu::Buffer {
        let usage = usage | Usages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        self.runner.gpu().device().create_buffer(&descriptor)
    }

    fn pipeline(&self, variant: &Variant) -> wgpu::ComputePipeline {
        let make = || {
            let device = self.runner.gpu().device();
            let text = match (&self.counting, &self.changed) {
                (Some(counting), _) => counting(variant),
                (None, Some(change)) => change(variant),
                (None, None) => variant.wgsl(),
            };
            let source = wgpu::ShaderSource::Wgsl(text.into());
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: None,
                layout: None,
                module: &module,
                entry_point: Some(Variant::ENTRY_POINT),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            })
        };
        self.pipelines.borrow_mut().entry(variant.clone()).or_insert_with(make).clone()
    }

    /// Runs one dispatch with the layout that the shader has by itself.
    fn dispatch(&self, plan: &Plan, dispatch: &Dispatch, buffers: &[(Slot, wgpu::Buffer)], counts: &wgpu::Buffer, number: usize) {
        let device = self.runner.gpu().device();
        let variant = &plan.variants()[dispatch.variant()];
        let pipeline = self.pipeline(variant);
        let params = {
            let usage = match variant.access() {
                Access::Declared => Usages::UNIFORM,
                Access::AllReadWrite => Usages::STORAGE,
            };
            let contents = bytemuck::bytes_of(dispatch.params());
            let buffer = self.buffer(contents.len() as u64, usage);
            self.runner.gpu().queue().write_buffer(&buffer, 0, contents);
            buffer
        };
        let part = |buffer, offset, size| {
            wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: wgpu::BufferSize::new(size) })
        };
        let mut resources = Vec::new();
        for binding in dispatch.bindings() {
            let (_, buffer) = buffers.iter().find(|(held, _)| *held == binding.slot).expect("the plan names it");
            resources.push(part(buffer, binding.offset, binding.size));
        }
        resources.push(params.as_entire_binding());
        if self.counting.is_some() {
            let bytes = (COUNTS * 4) as u64;
            resources.push(part(counts, number as u64 * bytes, bytes));
        }
        let entries: Vec<_> =
            (0..).zip(resources).map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }).collect();
        let layout = &pipeline.get_bind_group_layout(0);
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries });
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            let [x, y, z] = dispatch.grid();
            pass.dispatch_workgroups(x, y, z);
        }
        self.runner.gpu().queue().submit([encoder.finish()]);
    }
}

/// Declares `counted` behind the parameters of a variant.
pub fn declared(variant: &Variant) -> String {
    let number = variant.params_binding() + 1;
    format!("@group(0) @binding({number}) var<storage, read_write> counted: array<atomic<u32>, {COUNTS}>;\n")
}

/// What a host uploads: the inputs, the incoming gradients, and what forward saved and packed.
pub struct Uploads {
    pub data: Slots,
    pub saved: Vec<u32>,
    packed: [Vec<u32>; 2],
    incoming: [Vec<f32>; 2],
}

impl Uploads {
    pub fn new(descriptor: &Descriptor, data: Slots, incoming: [Vec<f32>; 2]) -> Result<Self, Failed> {
        let forward = oracle::forward(descriptor, &data.inputs())?;
        Ok(Self { incoming, saved: forward.saved, packed: [forward.packed_states, forward.first_set], data })
    }

    pub fn incoming(&self) -> IncomingGradients<'_> {
        IncomingGradients { states: &self.incoming[0], final_state: &self.incoming[1] }
    }

    pub fn given(&self, direction: Direction) -> Vec<(Slot, &[u8])> {
        let mut given: Vec<(Slot, &[u8])> = [Slot::Candidate, Slot::Threshold, Slot::Amplitude, Slot::InitialState]
            .map(|slot| (slot, bytemuck::cast_slice(self.data.slot(slot))))
            .to_vec();
        given.push((Slot::Validity, bytemuck::cast_slice(&self.data.validity)));
        given.push((Slot::CuSeqlens, bytemuck::cast_slice(&self.data.cu_seqlens)));
        given.push((Slot::Resets, bytemuck::cast_slice(&self.data.resets)));
        if direction == Direction::Backward {
            given.push((Slot::StatesGradient, bytemuck::cast_slice(&self.incoming[0])));
            given.push((Slot::FinalStateGradient, bytemuck::cast_slice(&self.incoming[1])));
        }
        if direction == Direction::Unpack {
            given.push((Slot::PackedStates, bytemuck::cast_slice(&self.packed[0])));
            given.push((Slot::FirstSet, bytemuck::cast_slice(&self.packed[1])));
        }
        if matches!(direction, Direction::Backward | Direction::Unpack | Direction::Health(HealthSource::Saved)) {
            given.push((Slot::Saved, bytemuck::cast_slice(&self.saved)));
        }
        given
    }
}
