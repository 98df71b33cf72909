//! A host that is not ours: it has a plan's text, numbers and grids, a pipeline layout that the shader alone decides, and no
//! `Kernels`. With the text changed so that it counts, it also shows how many iterations invocations run.

use bmru::wgpu;
use bmru::{
    Access, Descriptor, Direction, Dispatch, Error, FinalState, Incoming, IncomingGradients, InitialState, Limits, Plan, Save,
    Shape, Slot, Strategy, Threshold, Tuning, Variant, oracle,
};
use bmru_conformance::backward::incoming;
use bmru_conformance::data::{self, Rate, Slots, Values};
use bmru_conformance::{Runner, adapters};
use libtest_mimic::Failed;

/// Runs the dispatches of a plan, counting if it has a word for that.
struct Host<'a> {
    runner: &'a Runner,
    buffers: Vec<(Slot, wgpu::Buffer)>,
    counted: Option<wgpu::Buffer>,
}

impl<'a> Host<'a> {
    fn new(runner: &'a Runner, plan: &Plan, given: &[(Slot, &[u8])], counts: bool) -> Self {
        let device = runner.gpu().device();
        let make = |size| {
            let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
            device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
        };
        let buffers: Vec<_> = plan.slots().iter().map(|&(slot, bytes)| (slot, make(bytes))).collect();
        for (slot, buffer) in &buffers {
            if let Some((_, contents)) = given.iter().find(|(given, _)| given == slot) {
                runner.gpu().queue().write_buffer(buffer, 0, contents);
            }
        }
        Self { runner, buffers, counted: counts.then(|| make(4)) }
    }

    fn buffer(&self, slot: Slot) -> &wgpu::Buffer {
        &self.buffers.iter().find(|(held, _)| *held == slot).expect("the plan names it").1
    }

    /// Runs one dispatch with the layout that the shader has by itself.
    fn dispatch(&self, plan: &Plan, dispatch: &Dispatch) {
        let device = self.runner.gpu().device();
        let variant = &plan.variants()[dispatch.variant()];
        let text = if self.counted.is_some() { counting(variant) } else { variant.wgsl() };
        let module = device
            .create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source: wgpu::ShaderSource::Wgsl(text.into()) });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: Some(Variant::ENTRY_POINT),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let params = {
            let usage = match variant.access() {
                Access::Declared => wgpu::BufferUsages::UNIFORM,
                Access::AllReadWrite => wgpu::BufferUsages::STORAGE,
            };
            let contents = bytemuck::bytes_of(dispatch.params());
            let size = contents.len() as u64;
            let usage = usage | wgpu::BufferUsages::COPY_DST;
            let buffer = device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
            self.runner.gpu().queue().write_buffer(&buffer, 0, contents);
            buffer
        };
        let mut entries: Vec<wgpu::BindGroupEntry<'_>> = Vec::new();
        for (number, binding) in dispatch.bindings().iter().enumerate() {
            let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: self.buffer(binding.slot),
                offset: binding.offset,
                size: wgpu::BufferSize::new(binding.size),
            });
            entries.push(wgpu::BindGroupEntry { binding: number as u32, resource });
        }
        let last = [Some(&params), self.counted.as_ref()];
        for (binding, buffer) in (variant.params_binding()..).zip(last.into_iter().flatten()) {
            entries.push(wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() });
        }
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
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

    fn download(&self, buffer: &wgpu::Buffer) -> Result<Vec<u32>, Failed> {
        Ok(pollster::block_on(self.runner.gpu().download(buffer))?)
    }
}

/// The text of a variant with a counter in every loop; invocations leave the highest count in one word.
fn counting(variant: &Variant) -> String {
    let text = variant.wgsl();
    let mut counting = String::with_capacity(text.len() + 512);
    let mut in_main = false;
    for line in text.lines() {
        in_main |= line.starts_with("fn main(");
        if in_main && line == "}" {
            counting.push_str("    atomicMax(&counted, iterations);\n");
            in_main = false;
        }
        counting.push_str(line);
        counting.push('\n');
        let statement = line.trim_start();
        if statement.starts_with("for ") || statement.starts_with("while ") {
            assert!(statement.ends_with('{'), "the body of a loop begins on its own line: {line}");
            counting.push_str("iterations += 1u;\n");
        }
        assert!(!statement.starts_with("loop"), "a loop that is not counted: {line}");
    }
    counting.push_str("var<private> iterations: u32 = 0u;\n");
    let number = variant.params_binding() + 1;
    counting.push_str(&format!("@group(0) @binding({number}) var<storage, read_write> counted: atomic<u32>;\n"));
    counting
}

/// Plans of all strategies and accesses.
fn plans(runner: &Runner, tile_steps: u32, plan: impl Fn(&Limits, &Tuning) -> Result<Plan, Error>) -> Result<Vec<Plan>, Failed> {
    let mut plans = Vec::new();
    for strategy in Strategy::ALL {
        for access in [Access::Declared, Access::AllReadWrite] {
            let tuning = Tuning { access, tile_steps, ..runner.tuning().clone() }.with_strategy(strategy);
            plans.push(plan(&runner.gpu().limits(), &tuning)?);
        }
    }
    Ok(plans)
}

/// What a host uploads, forward and backward: the inputs, the incoming gradients, and what forward saved.
struct Uploads {
    data: Slots,
    incoming: [Vec<f32>; 2],
    saved: Vec<u32>,
}

impl Uploads {
    fn new(descriptor: &Descriptor, rate: Rate, values: Values) -> Result<Self, Failed> {
        let data = data::generate(descriptor, rate, values, 11);
        let saved = oracle::forward(descriptor, &data.inputs())?.saved;
        Ok(Self { incoming: incoming(descriptor, 11), saved, data })
    }

    fn incoming(&self) -> IncomingGradients<'_> {
        IncomingGradients { states: &self.incoming[0], final_state: &self.incoming[1] }
    }

    fn given(&self, direction: Direction) -> Vec<(Slot, &[u8])> {
        let mut given: Vec<(Slot, &[u8])> = [Slot::Candidate, Slot::Threshold, Slot::Amplitude, Slot::InitialState]
            .map(|slot| (slot, bytemuck::cast_slice(self.data.slot(slot))))
            .to_vec();
        if direction == Direction::Backward {
            given.push((Slot::StatesGradient, bytemuck::cast_slice(&self.incoming[0])));
            given.push((Slot::FinalStateGradient, bytemuck::cast_slice(&self.incoming[1])));
            given.push((Slot::Saved, bytemuck::cast_slice(&self.saved)));
        }
        given
    }
}

pub fn runs(runner: &Runner) -> Result<(), Failed> {
    let descriptor = Descriptor::bmru(Shape { batch: 3, time: 1500, channels: 6 })
        .initial_state(InitialState::Given)
        .final_state(FinalState::Written)
        .incoming(Incoming::Both)
        .save(Save::Codes)
        .side_by_side();
    let uploads = Uploads::new(&descriptor, Rate::Once(30), Values::Edges)?;
    let expected = oracle::forward(&descriptor, &uploads.data.inputs())?;
    let bits = |floats: &[f32]| floats.iter().map(|float| float.to_bits()).collect::<Vec<_>>();
    for plan in plans(runner, 32, |limits, tuning| descriptor.forward(limits, tuning))? {
        let host = Host::new(runner, &plan, &uploads.given(Direction::Forward), false);
        for dispatch in plan.dispatches() {
            host.dispatch(&plan, dispatch);
        }
        assert!(host.download(host.buffer(Slot::States))? == bits(&expected.states), "states of {plan}");
        assert!(host.download(host.buffer(Slot::FinalState))? == bits(&expected.final_state), "final state of {plan}");
        assert!(host.download(host.buffer(Slot::Saved))? == expected.saved, "saved of {plan}");
    }

    let uploads = Uploads::new(&descriptor, Rate::Once(30), Values::Plain)?;
    let ours = runner.gpu().backward_blocking(&descriptor, &uploads.data.inputs(), &uploads.saved, &uploads.incoming())?;
    for plan in plans(runner, 32, |limits, tuning| descriptor.backward(limits, tuning))? {
        let host = Host::new(runner, &plan, &uploads.given(Direction::Backward), false);
        for dispatch in plan.dispatches() {
            host.dispatch(&plan, dispatch);
        }
        for (slot, ours) in [
            (Slot::CandidateGradient, &ours.candidate),
            (Slot::AmplitudeGradient, &ours.amplitude),
            (Slot::InitialStateGradient, &ours.initial_state),
        ] {
            assert!(host.download(host.buffer(slot))? == bits(ours), "{slot} of {plan}");
        }
    }
    Ok(())
}

pub fn iterations(runner: &Runner) -> Result<(), Failed> {
    // Longer than one part of a serial plan, and tiles enough for two levels; nothing ever sets, so that every search runs to
    // its end.
    let shape = Shape { batch: 1, time: 40_960, channels: 1 };
    let slow = adapters::name(runner.gpu().info()).contains("swiftshader");
    for save in [Save::Nothing, Save::Codes] {
        let descriptor = Descriptor::bmru(shape).save(save);
        let uploads = Uploads::new(&descriptor, Rate::Never, Values::Plain)?;
        for tile_steps in if slow { vec![1024] } else { vec![32, 1024, 8192] } {
            for plan in plans(runner, tile_steps, |limits, tuning| descriptor.forward(limits, tuning))? {
                counts(runner, &plan, &uploads)?;
            }
        }
    }
    let descriptor = Descriptor::bmru(shape).incoming(Incoming::Both).threshold(Threshold::PerChannel).save(Save::Codes);
    let uploads = Uploads::new(&descriptor, Rate::Never, Values::Plain)?;
    for plan in plans(runner, 1024, |limits, tuning| descriptor.backward(limits, tuning))? {
        counts(runner, &plan, &uploads)?;
    }
    Ok(())
}

fn counts(runner: &Runner, plan: &Plan, uploads: &Uploads) -> Result<(), Failed> {
    let storage = plan.dispatches().iter().map(|dispatch| dispatch.bindings().len()).max().unwrap_or(0) + 2;
    assert!(storage as u32 <= runner.gpu().device().limits().max_storage_buffers_per_shader_stage);
    let host = Host::new(runner, plan, &uploads.given(plan.direction()), true);
    for dispatch in plan.dispatches() {
        let counted = host.counted.as_ref().expect("this host counts");
        runner.gpu().queue().write_buffer(counted, 0, &[0; 4]);
        host.dispatch(plan, dispatch);
        let counted = u64::from(host.download(counted)?[0]);
        let stage = plan.stage(dispatch);
        let stated = dispatch.iterations();
        assert!(counted <= stated, "{stage}: {counted} iterations, the plan states {stated}\n{plan}");
        assert!(stated <= Plan::MAX_ITERATIONS);
        // A statement that is far too high would hide a loop that the next change adds.
        assert!(stated <= 2 * counted + 40, "{stage}: {counted} iterations, the plan states {stated}\n{plan}");
    }
    Ok(())
}
