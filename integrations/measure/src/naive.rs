//! What anyone would write first: one invocation for each sequence and channel, scalars, a loop over time.

use bmru::wgpu::util::{BufferInitDescriptor, DeviceExt};
use bmru::{Descriptor, Shape, Slot, Threshold, wgpu};

use crate::{Device, Error, Run, Tensors, Work};

/// llvmpipe ends a loop after 65,535 turns without a word.
const MAX_TIME: u64 = 60_000;
const WORKGROUP: u64 = 64;

/// The loop on the tensors of a group of forward plans; nothing where it cannot run: past 60,000 steps, and past one binding.
///
/// # Errors
/// None but those that are this crate's own.
pub fn naive(device: &Device, tensors: &Tensors, descriptor: &Descriptor) -> Result<Option<Work>, Error> {
    let shape = descriptor.shape();
    let Shape { batch, time, channels } = shape;
    let limits = device.gpu().limits();
    if time > MAX_TIME || 4 * tensors.elements() > limits.max_storage_buffer_binding_size {
        return Ok(None);
    }
    let groups = (batch * channels).div_ceil(WORKGROUP);
    let width = groups.min(limits.max_compute_workgroups_per_dimension.into());
    let (width, height) = (width as u32, groups.div_ceil(width) as u32);

    let mut read = vec![Slot::Candidate, Slot::Threshold, Slot::Amplitude];
    if descriptor.has_initial_state() {
        read.push(Slot::InitialState);
    }
    let gpu = device.gpu().device();
    let module = gpu.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("naive"),
        source: wgpu::ShaderSource::Wgsl(wgsl(descriptor, read.len()).into()),
    });
    let pipeline = gpu.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("naive"),
        layout: None,
        module: &module,
        entry_point: None,
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    let params = gpu.create_buffer_init(&BufferInitDescriptor {
        label: Some("naive/params"),
        contents: bytemuck::cast_slice(&[batch as u32, time as u32, channels as u32, width]),
        usage: wgpu::BufferUsages::UNIFORM,
    });
    let run = |copy| -> Result<Run, Error> {
        let buffers = read.iter().chain([&Slot::States]).map(|&slot| tensors.buffer(copy, slot)).chain([&params]);
        let entries: Vec<wgpu::BindGroupEntry<'_>> = (0..)
            .zip(buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let bind_group = gpu.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("naive"),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let pipeline = pipeline.clone();
        Ok(Box::new(move |encoder| {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            pass.dispatch_workgroups(width, height, 1);
        }))
    };
    Ok(Some(tensors.work(run)?))
}

/// `S(c)` is never asked for 0: where a unit sets, `|c| > |r| ≥ 0`.
fn wgsl(descriptor: &Descriptor, read: usize) -> String {
    let (initial_binding, initial_value) = if descriptor.has_initial_state() {
        ("@group(0) @binding(3) var<storage, read> initial_state: array<f32>;\n", "initial_state[row]")
    } else {
        ("", "0.0")
    };
    let threshold = match descriptor.threshold_kind() {
        Threshold::PerElement => "at",
        Threshold::PerChannel => "d",
    };
    format!(
        "struct Params {{ batch: u32, time: u32, channels: u32, grid_width: u32 }}
@group(0) @binding(0) var<storage, read> candidate: array<f32>;
@group(0) @binding(1) var<storage, read> threshold: array<f32>;
@group(0) @binding(2) var<storage, read> amplitude: array<f32>;
{initial_binding}@group(0) @binding({states}) var<storage, read_write> states: array<f32>;
@group(0) @binding({params}) var<uniform> params: Params;

@compute @workgroup_size({WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{
    let row = (group.y * params.grid_width + group.x) * {WORKGROUP}u + local;
    if (row >= params.batch * params.channels) {{
        return;
    }}
    let b = row / params.channels;
    let d = row % params.channels;
    var h = {initial_value};
    for (var t = 0u; t < params.time; t++) {{
        let at = (b * params.time + t) * params.channels + d;
        let c = candidate[at];
        if (abs(c) > abs(threshold[{threshold}])) {{
            h = amplitude[d] * sign(c);
        }}
        states[at] = h;
    }}
}}
",
        states = read,
        params = read + 1
    )
}
