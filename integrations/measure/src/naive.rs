//! What anyone would write first: one invocation for each sequence and channel, scalars, a loop over time.

use bmru::{Descriptor, Shape, Slot, Threshold};

use crate::kernel::Kernel;
use crate::{Device, Error, Tensors, Work};

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
    let params = [batch as u32, time as u32, channels as u32, width];
    let kernel = Kernel::new(device, "naive", wgsl(descriptor, read.len()), params, [width, height]);
    let run = |copy| {
        let buffers = read.iter().chain([&Slot::States]).map(|&slot| tensors.buffer(copy, slot).as_entire_binding());
        Ok(kernel.bind(buffers))
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
