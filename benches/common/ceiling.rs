//! The ceilings: what the adapter moves when nothing is computed.
//!
//! A ceiling must be a real one. On CPU drivers one item per invocation streams up to 12 times slower than a loop over a slab,
//! and what is fastest differs from driver to driver (llvmpipe of Mesa 22.3: vectors of 4 and a workgroup of 8, by 1.3 over
//! vectors of 2 and by 1.9 over scalars; SwiftShader: 4 loads ahead, by 1.2 over one), so several shapes are tried and the best
//! is the ceiling. Tried there and never better: a stride of the whole grid, workgroups of 4 and 16, 2 loads ahead.

use std::fmt;
use std::time::Duration;

use bmru::wgpu::util::{BufferInitDescriptor, DeviceExt};
use bmru::{Slot, Threshold, wgpu};

use super::device::{Device, Work};
use super::library::Tensors;

/// How a streaming kernel is spread: a workgroup walks over a slab of `workgroup · width · turns` elements.
#[derive(Clone, Copy, Debug)]
struct Slabs {
    /// Elements that an invocation loads at once.
    width: u32,
    /// Invocations of a workgroup.
    workgroup: u32,
    /// Loads and stores of an invocation.
    turns: u32,
    /// Loads before the first store, and so the turns of one trip of the loop.
    ahead: u32,
}

/// A streaming kernel of the traffic of the forward pass: reads candidates, and thresholds per element; writes states.
pub struct Stream {
    threshold: Threshold,
    slabs: Slabs,
    pipeline: wgpu::ComputePipeline,
}

impl Stream {
    const WIDTHS: [u32; 3] = [1, 2, 4];
    /// A SIMD group of a CPU driver, some of a GPU.
    const WORKGROUPS: [u32; 3] = [8, 64, 256];
    /// Turns, and loads ahead. From 64 to 4,096 turns llvmpipe differs by less than 10 %.
    const LOOPS: [(u32, u32); 4] = [(1, 1), (4, 4), (256, 1), (1024, 4)];
    /// Timed runs of each shape, in turn with those of the others; the shortest counts.
    const ROUNDS: usize = 7;
    /// What takes so many times as long as the fastest in the first round is out.
    const OUT: f64 = 1.3;

    /// Bytes that are read and written.
    pub fn bytes(threshold: Threshold, elements: u64) -> u64 {
        elements * if threshold == Threshold::PerElement { 12 } else { 8 }
    }

    /// The fastest of all shapes that divide the elements, by a short timing on this device.
    pub fn fastest(device: &Device, threshold: Threshold, elements: u64) -> Self {
        let [candidate, thresholds, states] =
            ["candidate", "threshold", "states"].map(|label| device.buffer(label, 4 * elements, &[]));
        let try_out = |slabs| {
            let stream = Self::new(device, threshold, slabs);
            let work = stream.bind(device, &candidate, &thresholds, &states);
            // The first run of some drivers compiles.
            device.time(1, &work);
            (device.time(1, &work), stream, work)
        };
        let shapes = if device.only_tests() { 1 } else { usize::MAX };
        let mut tried: Vec<(Duration, Self, Work)> = Self::slabs(device, elements).take(shapes).map(try_out).collect();
        let report = |what: &str, (shortest, stream, _): &(Duration, Self, Work)| {
            let rate = Self::bytes(threshold, elements) as f64 / 1e9 / shortest.as_secs_f64();
            println!("stream, {what}: {} at {rate:.2} GB/s", stream.slabs);
        };
        tried.sort_by_key(|&(shortest, ..)| shortest);
        report(
            &format!("slowest of {} shapes", tried.len()),
            tried.last().expect("one element per invocation divides everything"),
        );
        let limit = tried[0].0.mul_f64(Self::OUT);
        tried.retain(|&(shortest, ..)| shortest <= limit);
        for _ in 1..Self::ROUNDS {
            for (shortest, _, work) in &mut tried {
                *shortest = device.time(1, work).min(*shortest);
            }
        }
        tried.sort_by_key(|&(shortest, ..)| shortest);
        report("fastest", &tried[0]);
        tried.swap_remove(0).1
    }

    fn slabs(device: &Device, elements: u64) -> impl Iterator<Item = Slabs> {
        let limits = device.gpu().limits();
        let per_dimension = u64::from(limits.max_compute_workgroups_per_dimension);
        let fits = move |slabs: &Slabs| {
            slabs.workgroup <= limits.max_compute_invocations_per_workgroup
                && elements.is_multiple_of(slabs.elements())
                && elements / slabs.elements() <= per_dimension * per_dimension
        };
        let shapes = Self::WIDTHS.into_iter().flat_map(|width| Self::WORKGROUPS.map(|workgroup| (width, workgroup)));
        let shapes =
            shapes.flat_map(|(width, workgroup)| Self::LOOPS.map(|(turns, ahead)| Slabs { width, workgroup, turns, ahead }));
        shapes.filter(fits)
    }

    fn new(device: &Device, threshold: Threshold, slabs: Slabs) -> Self {
        let device = device.gpu().device();
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("stream"),
            source: wgpu::ShaderSource::Wgsl(slabs.wgsl(threshold).into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("stream"),
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        Self { threshold, slabs, pipeline }
    }

    fn bind(&self, device: &Device, candidate: &wgpu::Buffer, threshold: &wgpu::Buffer, states: &wgpu::Buffer) -> Work {
        let per_dimension = device.gpu().limits().max_compute_workgroups_per_dimension;
        let slabs = (states.size() / 4 / self.slabs.elements()) as u32;
        // Rows of the grid all of one length, and as few as possible: nothing is launched in vain.
        let height = (slabs.div_ceil(per_dimension)..).find(|&height| slabs.is_multiple_of(height)).unwrap_or(1);
        let width = slabs / height;
        let device = device.gpu().device();
        let params = device.create_buffer_init(&BufferInitDescriptor {
            label: Some("stream/params"),
            contents: bytemuck::cast_slice(&[width, self.slabs.turns, 0, 0]),
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let mut buffers = vec![(0, candidate), (1, threshold), (2, states), (3, &params)];
        if self.threshold == Threshold::PerChannel {
            buffers.remove(1);
        }
        let entries: Vec<wgpu::BindGroupEntry<'_>> = buffers
            .into_iter()
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("stream"),
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let pipeline = self.pipeline.clone();
        Box::new(move |encoder| {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            pass.dispatch_workgroups(width, height, 1);
        })
    }
}

impl Slabs {
    fn elements(self) -> u64 {
        u64::from(self.width) * u64::from(self.workgroup) * u64::from(self.turns)
    }

    /// The trip count is a parameter, so that no driver unrolls the loop: that is what `ahead` is for.
    fn wgsl(self, threshold: Threshold) -> String {
        let Self { width, workgroup, ahead, .. } = self;
        let vector = if width == 1 { "u32".to_owned() } else { format!("vec{width}<u32>") };
        let (binding, value) = match threshold {
            Threshold::PerElement => {
                ("@group(0) @binding(1) var<storage, read> threshold: array<Vector>;", "candidate[AT] ^ threshold[AT]")
            }
            Threshold::PerChannel => ("", "~candidate[AT]"),
        };
        let at = |load: u32| format!("at + {}u", load * workgroup);
        let loads: String = (0..ahead).map(|k| format!("        let v{k} = {};\n", value.replace("AT", &at(k)))).collect();
        let stores: String = (0..ahead).map(|k| format!("        states[{}] = v{k};\n", at(k))).collect();
        format!(
            "alias Vector = {vector};
struct Params {{ grid_width: u32, turns: u32 }}
@group(0) @binding(0) var<storage, read> candidate: array<Vector>;
{binding}
@group(0) @binding(2) var<storage, read_write> states: array<Vector>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size({workgroup})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{
    var at = (group.y * params.grid_width + group.x) * params.turns * {workgroup}u + local;
    for (var turn = 0u; turn < params.turns; turn += {ahead}u) {{
{loads}{stores}        at += {step}u;
    }}
}}
",
            step = ahead * workgroup
        )
    }
}

impl fmt::Display for Slabs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, workgroup, turns, ahead } = self;
        write!(f, "vectors of {width}, workgroup of {workgroup}, {turns} turns, {ahead} loads ahead")
    }
}

/// The stream on the tensors of a group, run once on poisoned states: a ceiling that leaves something out is none.
pub fn checked_stream(device: &Device, stream: &Stream, tensors: &Tensors, row: &str) -> Work {
    let candidate = tensors.buffer(Slot::Candidate);
    let states = device.buffer("states", candidate.size(), &[]);
    let work = stream.bind(device, candidate, tensors.buffer(Slot::Threshold), &states);
    device.time(1, &work);
    let thresholds = tensors.inputs().threshold.iter().map(|r| r.to_bits());
    let candidates = tensors.inputs().candidate.iter().map(|c| c.to_bits());
    match stream.threshold {
        Threshold::PerElement => device.refuse_wrong(row, &states, "states", candidates.zip(thresholds).map(|(c, r)| c ^ r)),
        Threshold::PerChannel => device.refuse_wrong(row, &states, "states", candidates.map(|c| !c)),
    }
    work
}

/// A copy between two buffers of half the bytes: half of them are read, half written.
pub fn copy(device: &Device, bytes: u64) -> Work {
    let half = bytes / 2;
    let [from, to] = ["from", "to"].map(|label| device.buffer(label, half, &[]));
    Box::new(move |encoder| encoder.copy_buffer_to_buffer(&from, 0, &to, 0, half))
}
