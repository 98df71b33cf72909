//! Recorded into the caller's encoder, between the caller's own work.

use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

use bmru::host::Gpu;
use bmru::{Bound, Buffers, Descriptor, Error, FinalState, InitialState, Inputs, Save, Shape, Slot, oracle, wgpu};
use bmru_conformance::data::{self, Rate, Slots, Values};
use bmru_conformance::{Runner, adapters};
use libtest_mimic::Failed;

const SHAPE: Shape = Shape { batch: 2, time: 2500, channels: 5 };

fn descriptor() -> Descriptor {
    of_shape(SHAPE)
}

fn of_shape(shape: Shape) -> Descriptor {
    Descriptor::bmru(shape).initial_state(InitialState::Given).final_state(FinalState::Written).save(Save::Codes)
}

/// The slots of a plan on a device, inputs uploaded.
struct Memory {
    buffers: Vec<(Slot, wgpu::Buffer)>,
    bound: Bound,
}

fn memory(gpu: &Gpu, descriptor: &Descriptor, data: &Slots) -> Result<Memory, Failed> {
    let plan = gpu.plan(descriptor)?;
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
    let mut buffers = Vec::new();
    for &(slot, size) in plan.slots() {
        let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        let buffer = gpu.device().create_buffer(&descriptor);
        gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(data.slot(slot)));
        buffers.push((slot, buffer));
    }
    let given = buffers.iter().fold(Buffers::new(), |given, (slot, buffer)| given.slot(*slot, buffer));
    let bound = gpu.kernels().bind(&plan, &given)?;
    Ok(Memory { buffers, bound })
}

impl Memory {
    fn buffer(&self, slot: Slot) -> &wgpu::Buffer {
        &self.buffers.iter().find(|(held, _)| *held == slot).expect("the plan names it").1
    }

    fn states(&self, gpu: &Gpu) -> Result<Vec<u32>, Failed> {
        Ok(pollster::block_on(gpu.download(self.buffer(Slot::States)))?)
    }
}

fn bits(floats: &[f32]) -> Vec<u32> {
    floats.iter().map(|float| float.to_bits()).collect()
}

fn encoder(gpu: &Gpu) -> wgpu::CommandEncoder {
    gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
}

/// The caller's copy before the run decides its input, the caller's copy after it takes its output: one submit.
pub fn between_passes(runner: &Runner) -> Result<(), Failed> {
    let gpu = runner.gpu();
    let (before, after) = (
        data::generate(&descriptor(), Rate::Half, Values::Plain, 1),
        data::generate(&descriptor(), Rate::Half, Values::Plain, 2),
    );
    let source = memory(gpu, &descriptor(), &after)?;
    let memory = memory(gpu, &descriptor(), &before)?;
    let mut encoder = encoder(gpu);
    for slot in [Slot::Candidate, Slot::Threshold, Slot::Amplitude, Slot::InitialState] {
        encoder.copy_buffer_to_buffer(source.buffer(slot), 0, memory.buffer(slot), 0, source.buffer(slot).size());
    }
    memory.bound.record(&mut encoder);
    encoder.copy_buffer_to_buffer(
        memory.buffer(Slot::States),
        0,
        source.buffer(Slot::States),
        0,
        source.buffer(Slot::States).size(),
    );
    encoder.clear_buffer(memory.buffer(Slot::States), 0, None);
    gpu.queue().submit([encoder.finish()]);
    let expected = oracle::forward(&descriptor(), &after.inputs())?;
    assert!(source.states(gpu)? == bits(&expected.states));
    assert!(memory.states(gpu)?.iter().all(|&word| word == 0));
    Ok(())
}

/// The same bound plan again after its inputs changed, in a pass that also holds another plan.
pub fn twice(runner: &Runner) -> Result<(), Failed> {
    let gpu = runner.gpu();
    let data = [1, 2].map(|seed| data::generate(&descriptor(), Rate::Once(9), Values::Plain, seed));
    let memory_of = |data| memory(gpu, &descriptor(), data);
    let (first, second) = (memory_of(&data[0])?, memory_of(&data[1])?);
    let mut once = encoder(gpu);
    first.bound.record(&mut once);
    gpu.queue().submit([once.finish()]);
    gpu.queue().write_buffer(first.buffer(Slot::Candidate), 0, bytemuck::cast_slice(&data[1].candidate));
    let mut again = encoder(gpu);
    {
        let mut pass = again.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        second.bound.record_in(&mut pass);
        for dispatch in first.bound.dispatches() {
            dispatch.record_in(&mut pass);
        }
    }
    gpu.queue().submit([again.finish()]);
    let changed = Slots { candidate: data[1].candidate.clone(), ..data[0].clone() };
    assert!(first.states(gpu)? == bits(&oracle::forward(&descriptor(), &changed.inputs())?.states));
    assert!(second.states(gpu)? == bits(&oracle::forward(&descriptor(), &data[1].inputs())?.states));
    Ok(())
}

/// Threads bind, record and submit on one device with one set of kernels.
pub fn by_threads(runner: &Runner) -> Result<(), Failed> {
    let gpu = runner.gpu();
    let results: Vec<Result<(), Failed>> = std::thread::scope(|scope| {
        let run = |seed| {
            let data = data::generate(&descriptor(), Rate::Once(20), Values::Plain, seed);
            let memory = memory(gpu, &descriptor(), &data)?;
            let mut encoder = encoder(gpu);
            memory.bound.record(&mut encoder);
            gpu.queue().submit([encoder.finish()]);
            let expected = oracle::forward(&descriptor(), &data.inputs())?;
            if memory.states(gpu)? == bits(&expected.states) { Ok(()) } else { Err(format!("thread {seed}").into()) }
        };
        let threads: Vec<_> = (0..4).map(|seed| scope.spawn(move || run(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into()))).collect()
    });
    results.into_iter().collect()
}

/// The convenience module, its errors, and its time limit.
pub fn host(runner: &Runner) -> Result<(), Failed> {
    let gpu = runner.gpu();
    let data = data::generate(&descriptor(), Rate::Once(5), Values::Edges, 4);
    let expected = oracle::forward(&descriptor(), &data.inputs())?;
    let outputs = gpu.forward_blocking(&descriptor(), &data.inputs())?;
    assert!(bits(&outputs.states) == bits(&expected.states));
    assert!(bits(&outputs.final_state) == bits(&expected.final_state));
    assert!(outputs.saved == expected.saved);

    let short = Inputs { amplitude: &data.amplitude[1..], ..data.inputs() };
    let error = gpu.forward_blocking(&descriptor(), &short).map(|_| ());
    assert_eq!(error, Err(Error::LengthMismatch { slot: Slot::Amplitude, expected: 5, actual: 4 }));
    let empty = Descriptor::bmru(Shape { time: 0, ..SHAPE });
    let outputs = gpu.forward_blocking(&empty, &Inputs { amplitude: &data.amplitude, ..Inputs::default() })?;
    assert!(outputs.states.is_empty());

    let error = pollster::block_on(Gpu::matching("an adapter that nobody makes")).map(|_| ());
    assert!(matches!(error, Err(Error::NoAdapter { .. })), "{error:?}");
    Ok(())
}

/// A device of the same adapter with an instance of its own, which tells what objects there are.
fn alone(runner: &Runner) -> Result<(wgpu::Instance, Gpu), Failed> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let name = adapters::name(runner.gpu().info());
    let adapter =
        adapters.into_iter().find(|adapter| adapters::name(&adapter.get_info()) == name).ok_or("the adapter is gone")?;
    let gpu = pollster::block_on(Gpu::on(&adapter))?;
    Ok((instance, gpu))
}

fn storage(gpu: &Gpu, size: u64) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::STORAGE;
    gpu.device().create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
}

/// What the plan of one shape made is there for every other: a pipeline is made once for each text, and few shapes need a new one.
pub fn compiles_once(runner: &Runner) -> Result<(), Failed> {
    let (instance, gpu) = alone(runner)?;
    let mut rng = fastrand::Rng::with_seed(9);
    let mut shape = || Shape { batch: rng.u64(1..5), time: rng.u64(1..3000), channels: [1, 6, 8, 12, 20][rng.usize(..5)] };
    let shapes: Vec<Shape> = (0..100).map(|_| shape()).collect();
    let mut texts = HashSet::new();
    let mut new = BTreeSet::new();
    // Each keeps its pipelines: one that was made again would be there twice.
    let mut held = Vec::new();
    for (number, &shape) in shapes.iter().chain(&shapes).enumerate() {
        let plan = gpu.plan(&of_shape(shape))?;
        let buffers: Vec<_> = plan.slots().iter().map(|&(slot, size)| (slot, storage(&gpu, size))).collect();
        let given = buffers.iter().fold(Buffers::new(), |given, (slot, buffer)| given.slot(*slot, buffer));
        held.push(gpu.kernels().bind(&plan, &given)?);
        for variant in plan.variants() {
            if texts.insert(variant.wgsl()) {
                new.insert(number);
            }
        }
        let report = instance.generate_report().ok_or("this instance has no report")?;
        assert_eq!(report.hub_report().compute_pipelines.num_kept_from_user, texts.len(), "plan {number}: {shape}");
        assert_eq!(gpu.kernels().pipeline_count(), texts.len(), "plan {number}: {shape}");
    }
    println!("{} pipelines for 100 plans, made by plans {new:?}", texts.len());
    // Whether whole vectors can be made of channels or of steps is the shape's to say.
    assert!(new.len() <= 10 && new.iter().all(|&number| number < shapes.len()), "ever new pipelines: {new:?}");
    Ok(())
}

/// What the instance holds is the same before and after; the encoder is the caller's.
pub fn makes_nothing(runner: &Runner) -> Result<(), Failed> {
    let (instance, gpu) = alone(runner)?;
    let data = data::generate(&descriptor(), Rate::Half, Values::Plain, 1);
    let memory = memory(&gpu, &descriptor(), &data)?;
    let dispatches = memory.bound.dispatches().len();
    let report = || instance.generate_report().ok_or("this instance has no report");

    let mut encoder = encoder(&gpu);
    let before = report()?;
    let repeats = 1000;
    let start = Instant::now();
    for _ in 0..repeats {
        memory.bound.record(&mut encoder);
    }
    let each = start.elapsed() / repeats;
    let after = report()?;
    println!("{each:?} to record {dispatches} dispatches");
    assert_eq!(before, after);
    let buffer = storage(&gpu, 4);
    assert!(report()? != after, "the report tells what is made");
    drop(buffer);
    gpu.queue().submit([encoder.finish()]);
    assert!(memory.states(&gpu)? == bits(&oracle::forward(&descriptor(), &data.inputs())?.states));
    Ok(())
}
