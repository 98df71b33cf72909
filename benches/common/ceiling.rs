//! The ceilings: what the adapter moves when nothing is computed.
//!
//! A ceiling must be a real one. On CPU drivers one item per invocation streams up to 12 times slower than a loop over a slab,
//! and what is fastest differs from driver to driver (llvmpipe of Mesa 22.3: vectors of 4 and a workgroup of 8, by 1.3 over
//! vectors of 2 and by 1.9 over scalars; SwiftShader: 4 loads ahead, by 1.2 over one), so several shapes are tried and the best
//! is the ceiling. Tried there and never better: a stride of the whole grid, workgroups of 4 and 16, 2 loads ahead.

use std::fmt;
use std::time::Duration;

use bmru::wgpu::util::{BufferInitDescriptor, DeviceExt};
use bmru::{Slot, wgpu};

use super::device::{Device, Expected, Work};
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

/// A streaming kernel: reads some tensors, writes others.
pub struct Stream {
    /// Tensors that are read, and that are written.
    traffic: [usize; 2],
    slabs: Slabs,
    pipeline: wgpu::ComputePipeline,
}

impl Stream {
    const WIDTHS: [u32; 3] = [4, 2, 1];
    /// A SIMD group of a CPU driver, some of a GPU.
    const WORKGROUPS: [u32; 3] = [8, 64, 256];
    /// Turns, and loads ahead. From 64 to 4,096 turns llvmpipe differs by less than 10 %.
    const LOOPS: [(u32, u32); 4] = [(1024, 4), (256, 1), (4, 4), (1, 1)];
    /// Timed runs of each shape, in turn with those of the others; the shortest counts.
    const ROUNDS: usize = 7;
    /// What takes so many times as long as the fastest in the first round is out.
    const OUT: f64 = 1.3;

    /// The fastest of all shapes that divide the elements, by a short timing on this device; the first where nothing is timed.
    pub fn fastest(device: &Device, traffic: [usize; 2], elements: u64) -> Self {
        let buffers = traffic.map(|tensors| poisoned(device, tensors, elements));
        let try_out = |slabs| {
            let stream = Self::new(device, traffic, slabs);
            let work = stream.bind(device, &buffers.each_ref().map(|buffers| buffers.iter().collect()));
            // The first run of some drivers compiles.
            device.time(1, &work);
            (device.time(1, &work), stream, work)
        };
        let shapes = if device.only_tests() { 1 } else { usize::MAX };
        let mut tried: Vec<(Duration, Self, Work)> = Self::slabs(device, elements).take(shapes).map(try_out).collect();
        let report = |what: &str, (shortest, stream, _): &(Duration, Self, Work)| {
            let bytes = 4 * elements * traffic.iter().sum::<usize>() as u64;
            let rate = bytes as f64 / 1e9 / shortest.as_secs_f64();
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

    fn new(device: &Device, traffic: [usize; 2], slabs: Slabs) -> Self {
        let device = device.gpu().device();
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("stream"),
            source: wgpu::ShaderSource::Wgsl(slabs.wgsl(traffic).into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("stream"),
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        Self { traffic, slabs, pipeline }
    }

    fn bind(&self, device: &Device, [read, written]: &[Vec<&wgpu::Buffer>; 2]) -> Work {
        let per_dimension = device.gpu().limits().max_compute_workgroups_per_dimension;
        let slabs = (written[0].size() / 4 / self.slabs.elements()) as u32;
        // Rows of the grid all of one length, and as few as possible: nothing is launched in vain.
        let height = (slabs.div_ceil(per_dimension)..).find(|&height| slabs.is_multiple_of(height)).unwrap_or(1);
        let width = slabs / height;
        let device = device.gpu().device();
        let params = device.create_buffer_init(&BufferInitDescriptor {
            label: Some("stream/params"),
            contents: bytemuck::cast_slice(&[width, self.slabs.turns, 0, 0]),
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let buffers = read.iter().chain(written).copied().chain([&params]);
        let entries: Vec<wgpu::BindGroupEntry<'_>> = (0..)
            .zip(buffers)
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

    /// All that is read goes into all that is written: its exclusive or, in the first tensor with all bits flipped.
    ///
    /// The trip count is a parameter, so that no driver unrolls the loop: that is what `ahead` is for.
    fn wgsl(self, [read, written]: [usize; 2]) -> String {
        let Self { width, workgroup, ahead, .. } = self;
        let vector = if width == 1 { "u32".to_owned() } else { format!("vec{width}<u32>") };
        let accesses = (0..read).map(|tensor| (tensor, "read")).chain((0..written).map(|tensor| (tensor, "read_write")));
        let bindings: String = (0..)
            .zip(accesses)
            .map(|(binding, (tensor, access))| {
                let name = if access == "read" { "source" } else { "target" };
                format!("@group(0) @binding({binding}) var<storage, {access}> {name}{tensor}: array<Vector>;\n")
            })
            .collect();
        let (mut loads, mut stores) = (String::new(), String::new());
        for load in 0..ahead {
            let at = format!("at + {}u", load * workgroup);
            let values: Vec<String> = (0..read).map(|tensor| format!("source{tensor}[{at}]")).collect();
            loads += &format!("        let v{load} = {};\n", values.join(" ^ "));
            for tensor in 0..written {
                let flip = if tensor == 0 { "~" } else { "" };
                stores += &format!("        target{tensor}[{at}] = {flip}v{load};\n");
            }
        }
        format!(
            "alias Vector = {vector};
struct Params {{ grid_width: u32, turns: u32 }}
{bindings}@group(0) @binding({params}) var<uniform> params: Params;

@compute @workgroup_size({workgroup})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{
    var at = (group.y * params.grid_width + group.x) * params.turns * {workgroup}u + local;
    for (var turn = 0u; turn < params.turns; turn += {ahead}u) {{
{loads}{stores}        at += {step}u;
    }}
}}
",
            params = read + written,
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

/// A stream from tensors of a group, run once on poisoned outputs: a ceiling that leaves something out is none.
pub fn checked_stream(device: &Device, stream: &Stream, tensors: &Tensors, read: &[Slot], row: &str) -> Work {
    let sources: Vec<&wgpu::Buffer> = read.iter().map(|&slot| tensors.buffer(slot)).collect();
    let targets = poisoned(device, stream.traffic[1], sources[0].size() / 4);
    let work = stream.bind(device, &[sources, targets.iter().collect()]);
    device.time(1, &work);
    let read: Vec<&[u32]> = read.iter().map(|&slot| tensors.words(slot)).collect();
    for (number, target) in targets.iter().enumerate() {
        let flip = if number == 0 { u32::MAX } else { 0 };
        let word = |at| read.iter().fold(flip, |word, read: &&[u32]| word ^ read[at]);
        device.refuse_wrong(row, target, &format!("target{number}"), &Expected::Words((0..read[0].len()).map(word).collect()));
    }
    work
}

fn poisoned(device: &Device, tensors: usize, elements: u64) -> Vec<wgpu::Buffer> {
    (0..tensors).map(|_| device.buffer("stream", 4 * elements, &[])).collect()
}

/// A copy between two buffers of half the bytes: half of them are read, half written.
pub fn copy(device: &Device, bytes: u64) -> Work {
    let half = bytes / 2;
    let [from, to] = ["from", "to"].map(|label| device.buffer(label, half, &[]));
    Box::new(move |encoder| encoder.copy_buffer_to_buffer(&from, 0, &to, 0, half))
}
