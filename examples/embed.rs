//! How an engine embeds the crate: its own device, its own encoder, its own passes before and after, one submit.
//!
//! A bank of units that share one input and differ in their thresholds has hysteresis, like iron in a field: the sum of the
//! states depends on where the input came from. The engine spreads its signal over the bank, with candidates and thresholds
//! side by side as a fused projection leaves them; the units run; the engine sums them, and the backward pass of the units takes
//! the gradient of that sum back to the rows. All of it stays on the GPU.

use std::error::Error;
use std::sync::mpsc;
use std::time::Duration;

use bmru::wgpu::{self, BufferUsages, util::DeviceExt};
use bmru::{Buffers, Descriptor, IncomingGradients, Inputs, Kernels, Limits, Save, Shape, Slot, Tuning, oracle};

const SHAPE: Shape = Shape { batch: 2, time: 4096, channels: 16 };
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// The pass before: from `signal[b·T + t]` to a row `c[0..D], r[0..D]`.
const SPREAD: &str = "
@group(0) @binding(0) var<storage, read> signal: array<f32>;
@group(0) @binding(1) var<storage, read_write> rows: array<f32>;

@compute @workgroup_size(D)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) d: u32) {
    let row = group.y * T + group.x;
    rows[row * 2 * D + d] = signal[row];
    rows[row * 2 * D + D + d] = (f32(d) + 0.5) / f32(D);
}
";

/// The pass after: from the states of a row to their sum.
const SUM: &str = "
@group(0) @binding(0) var<storage, read> states: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= T { return; }
    let row = id.y * T + id.x;
    var sum = 0.0;
    for (var d = 0u; d < D; d++) { sum += states[row * D + d]; }
    sums[row] = sum;
}
";

fn main() -> Result<(), Box<dyn Error>> {
    let (adapter, device, queue) = pollster::block_on(open())?;
    println!("{} ({:?})", adapter.get_info().name, adapter.get_info().backend);

    // Plan: arithmetic alone. What is computed, within which limits, for which kind of adapter; it says what buffers it needs.
    let scan = Descriptor::bmru(SHAPE).side_by_side().save(Save::Codes);
    let (limits, tuning) = (Limits::from(&device.limits()), Tuning::for_adapter(&adapter.get_info()));
    let (forward, backward) = (scan.forward(&limits, &tuning)?, scan.backward(&limits, &tuning)?);
    println!("{forward}\n{backward}");

    let storage = |label, size| {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
        device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
    };
    let filled = |label, values: &[f32]| {
        let (label, contents) = (Some(label), bytemuck::cast_slice(values));
        device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label, contents, usage: BufferUsages::STORAGE })
    };
    let Shape { batch, time, channels } = SHAPE;
    let amplitudes = vec![1.0; channels as usize];
    let (signal, amplitude) = (filled("signal", &swings()), filled("amplitude", &amplitudes));
    let rows = storage("rows", forward.slot_bytes(Slot::Candidate));
    let states = storage("states", forward.slot_bytes(Slot::States));
    let saved = storage("saved", forward.slot_bytes(Slot::Saved));
    // What is scratch between the passes may be anything: one buffer does for both.
    let scratch = storage("scratch", forward.slot_bytes(Slot::Scratch).max(backward.slot_bytes(Slot::Scratch)));
    // Every state counts once in the sums.
    let ones = vec![1.0; (batch * time * channels) as usize];
    let states_gradient = filled("states gradient", &ones);
    let rows_gradient = storage("rows gradient", backward.slot_bytes(Slot::CandidateGradient));
    let amplitude_gradient = storage("amplitude gradient", backward.slot_bytes(Slot::AmplitudeGradient));
    let sums = storage("sums", batch * time * 4);

    // Bind: everything is checked here, on the host. Done once, recorded every frame.
    let kernels = Kernels::labelled(&device, "engine/units");
    let buffers = Buffers::new().candidate(&rows).amplitude(&amplitude).states(&states).saved(&saved).scratch(&scratch);
    let units = kernels.bind(&forward, &buffers)?;
    // The layout that forward wrote goes with the buffer: another one would be refused.
    let buffers = Buffers::new()
        .candidate(&rows)
        .saved_by(&saved, scan.saved_layout())
        .states_gradient(&states_gradient)
        .candidate_gradient(&rows_gradient)
        .amplitude_gradient(&amplitude_gradient)
        .scratch(&scratch);
    let adjoint = kernels.bind(&backward, &buffers)?;
    let spread = Stage::new(&device, "engine/spread", SPREAD, [&signal, &rows], [time as u32, batch as u32]);
    let sum = Stage::new(&device, "engine/sum", SUM, [&states, &sums], [(time as u32).div_ceil(64), batch as u32]);

    // Record: into the engine's encoder, between its own passes. wgpu puts the barriers between them.
    let pass = wgpu::ComputePassDescriptor::default();
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("engine/frame") });
    spread.record_in(&mut encoder.begin_compute_pass(&pass));
    units.record(&mut encoder); // makes a pass; `units.record_in(&mut pass)` joins one of the engine's
    sum.record_in(&mut encoder.begin_compute_pass(&pass));
    adjoint.record(&mut encoder);
    let outputs = [&rows, &states, &sums, &rows_gradient, &amplitude_gradient];
    let mut words = submit(&device, &queue, encoder, &outputs)?;
    let [rows, states, sums, rows_gradient, amplitude_gradient] = outputs.map(|buffer| {
        let rest = words.split_off(buffer.size() as usize / 4);
        std::mem::replace(&mut words, rest)
    });

    // The oracle gets the rows that the GPU made: how the engine's own kernel rounds is not the crate's affair.
    let inputs = Inputs { candidate: &rows, amplitude: &amplitudes, ..Inputs::default() };
    let expected = oracle::forward(&scan, &inputs)?.states;
    if !states.iter().map(|h| h.to_bits()).eq(expected.iter().map(|h| h.to_bits())) {
        return Err("the states differ from the oracle's".into());
    }
    // Sums of ±1, exact in any order.
    if !expected.chunks(channels as usize).map(|row| row.iter().sum::<f32>()).eq(sums.iter().copied()) {
        return Err("the sums differ from those of the oracle's states".into());
    }
    println!("all {} states have the oracle's bits", states.len());

    // Gradients round, and how far is derived.
    let incoming = IncomingGradients { states: &ones, ..IncomingGradients::default() };
    let wanted = oracle::backward(&scan, &inputs, &incoming)?;
    let bounds = bmru_conformance::bounds(&scan, &inputs, &incoming, backward.depth())?;
    let within = |actual: &[f32], wanted: &[f64], bounds: &[f64]| {
        actual
            .iter()
            .zip(wanted.iter().zip(bounds))
            .all(|(&actual, (wanted, bound))| (f64::from(actual) - wanted).abs() <= *bound)
    };
    if !within(&rows_gradient, &wanted.candidate, &bounds.candidate)
        || !within(&amplitude_gradient, &wanted.amplitude, &bounds.amplitude)
    {
        return Err("a gradient is beyond its bound".into());
    }
    println!("all {} gradients are within their bounds", rows_gradient.len() + amplitude_gradient.len());
    let [steady, fading] = [0, 1].map(|b| sums[((b + 1) * time - 1) as usize]);
    println!("the input is back at 0; the bank of {channels} is at {steady} after steady swings, at {fading} after fading ones");
    Ok(())
}

/// The engine's own device, with default limits.
async fn open() -> Result<(wgpu::Adapter, wgpu::Device, wgpu::Queue), Box<dyn Error>> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let power_preference = wgpu::PowerPreference::HighPerformance;
    let options = wgpu::RequestAdapterOptions { power_preference, ..Default::default() };
    let adapter = instance.request_adapter(&options).await.map_err(|error| format!("no adapter: {error}"))?;
    let (device, queue) = adapter.request_device(&wgpu::DeviceDescriptor::default()).await?;
    Ok((adapter, device, queue))
}

/// The one submit; then the contents of `outputs`, one after another.
fn submit(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    mut encoder: wgpu::CommandEncoder,
    outputs: &[&wgpu::Buffer],
) -> Result<Vec<f32>, Box<dyn Error>> {
    let size = outputs.iter().map(|buffer| buffer.size()).sum();
    let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
    let descriptor = wgpu::BufferDescriptor { label: Some("engine/download"), size, usage, mapped_at_creation: false };
    let download = device.create_buffer(&descriptor);
    let mut end = 0;
    for buffer in outputs {
        encoder.copy_buffer_to_buffer(buffer, 0, &download, end, buffer.size());
        end += buffer.size();
    }
    let submission = queue.submit([encoder.finish()]);
    let (sender, mapped) = mpsc::channel();
    download.map_async(wgpu::MapMode::Read, .., move |result| drop(sender.send(result)));
    device.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(TIME_LIMIT) })?;
    mapped.try_recv()??;
    Ok(bytemuck::pod_collect_to_vec(&download.get_mapped_range(..)?))
}

/// A signal for each sequence: swings of one size, and swings that fade.
fn swings() -> Vec<f32> {
    let swing = |t: u64| 1.2 * (t as f32 * std::f32::consts::TAU / 256.0).sin();
    let steady = (0..SHAPE.time).map(swing);
    steady.chain((0..SHAPE.time).map(|t| swing(t) * (1.0 - t as f32 / SHAPE.time as f32))).collect()
}

/// A kernel of the engine's.
struct Stage {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    grid: [u32; 2],
}

impl Stage {
    fn new(device: &wgpu::Device, label: &str, wgsl: &str, buffers: [&wgpu::Buffer; 2], grid: [u32; 2]) -> Self {
        let wgsl = format!("const T = {}u;\nconst D = {}u;\n{wgsl}", SHAPE.time, SHAPE.channels);
        let source = wgpu::ShaderSource::Wgsl(wgsl.into());
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: Some(label), source });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let entry = |binding| {
            let buffer: &wgpu::Buffer = buffers[binding];
            wgpu::BindGroupEntry { binding: binding as u32, resource: buffer.as_entire_binding() }
        };
        let layout = &pipeline.get_bind_group_layout(0);
        let descriptor = wgpu::BindGroupDescriptor { label: Some(label), layout, entries: &[entry(0), entry(1)] };
        let bind_group = device.create_bind_group(&descriptor);
        Self { pipeline, bind_group, grid }
    }

    fn record_in(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(self.grid[0], self.grid[1], 1);
    }
}
