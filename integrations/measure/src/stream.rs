//! The ceilings: what the adapter moves when nothing is computed.
//!
//! A ceiling must be a real one. On CPU drivers one item per invocation streams up to 12 times slower than a loop over a slab,
//! and what is fastest differs from driver to driver (llvmpipe of Mesa 22.3: vectors of 4 and a workgroup of 8, by 1.3 over
//! vectors of 2 and by 1.9 over scalars; SwiftShader: 4 loads ahead, by 1.2 over one, and a workgroup of 4, by 1.07 over one of 8),
//! so several shapes are tried on the tensors that the library is timed on, and the best is the ceiling. Tried there and never
//! better: a stride of the whole grid, workgroups of 16, 2 loads ahead.

use std::fmt;

use bmru::{Slot, wgpu};

use crate::kernel::Kernel;
use crate::{Device, Effort, Error, Expected, Run, Tensors, Work};

/// How a streaming kernel is spread: a workgroup walks over a slab of `workgroup · width · turns` elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slabs {
    /// Elements that an invocation loads at once.
    width: u32,
    /// Invocations of a workgroup.
    workgroup: u32,
    /// Loads and stores of an invocation.
    turns: u32,
    /// Loads before the first store, and so the turns of one trip of the loop.
    ahead: u32,
}

/// A streaming kernel on the tensors of a group: reads some, writes others.
pub struct Stream {
    /// The work.
    pub work: Work,
    /// Bytes that one run moves.
    pub bytes: u64,
    /// Its shape.
    pub slabs: Slabs,
}

impl Stream {
    const WIDTHS: [u32; 3] = [4, 2, 1];
    /// A SIMD group of a CPU driver and half of one, some of a GPU.
    const WORKGROUPS: [u32; 4] = [8, 4, 64, 256];
    /// Turns, and loads ahead. From 64 to 4,096 turns llvmpipe differs by less than 10 %.
    const LOOPS: [(u32, u32); 4] = [(1024, 4), (256, 1), (4, 4), (1, 1)];
    /// What takes so many times as long as the fastest in the first round is out.
    const OUT: f64 = 1.3;

    /// The fastest of all shapes for this traffic and number of elements, checked.
    ///
    /// # Errors
    /// If the device does not end, or the result is wrong.
    pub async fn fastest(device: &Device, tensors: &Tensors, [read, written]: [&[Slot]; 2], row: &str) -> Result<Self, Error> {
        let fits = |slabs: &Slabs| slabs.covered(device, tensors.elements()).is_some();
        let class = (read.len(), written.len(), tensors.elements().next_power_of_two().ilog2());
        let known = device.streams.borrow().get(&class).copied().filter(fits);
        let slabs = match known {
            Some(slabs) => slabs,
            None => Self::search(device, tensors, [read, written]).await?,
        };
        device.streams.borrow_mut().insert(class, slabs);
        let stream = Self::new(device, tensors, [read, written], slabs)?;
        stream.check(device, tensors, [read, written], row).await?;
        Ok(stream)
    }

    async fn search(device: &Device, tensors: &Tensors, slots: [&[Slot]; 2]) -> Result<Slabs, Error> {
        let fitting: Vec<Slabs> = Self::shapes().filter(|slabs| slabs.covered(device, tensors.elements()).is_some()).collect();
        let (shapes, rounds) = match device.effort() {
            Effort::Check => (1, 0),
            Effort::Quick => (8, 2),
            Effort::Full => (usize::MAX, 7),
        };
        let copies = tensors.copies();
        let rate = async |stream: &Self| {
            // Every copy once, but some milliseconds.
            let runs = copies.max((8 << 20) / stream.bytes.max(1)).clamp(1, Device::MAX_RUNS);
            Ok::<_, Error>((stream.bytes * runs) as f64 / device.time_async(runs, &stream.work).await?.as_secs_f64())
        };
        let mut tried = Vec::new();
        for &slabs in fitting.iter().take(shapes) {
            let stream = Self::new(device, tensors, slots, slabs)?;
            if rounds > 0 {
                // The first run of some drivers compiles.
                device.time_async(1, &stream.work).await?;
                tried.push((rate(&stream).await?, stream));
            } else {
                tried.push((0.0, stream));
            }
        }
        let best = |tried: &[(f64, Self)]| tried.iter().map(|&(rate, _)| rate).fold(0.0, f64::max);
        let limit = best(&tried) / Self::OUT;
        tried.retain(|&(rate, _)| rate >= limit);
        for _ in 1..rounds {
            for (fastest, stream) in &mut tried {
                *fastest = rate(stream).await?.max(*fastest);
            }
        }
        let fastest = tried.iter().max_by(|a, b| a.0.total_cmp(&b.0));
        Ok(fastest.map_or(Slabs::LEAST, |(_, stream)| stream.slabs))
    }

    fn shapes() -> impl Iterator<Item = Slabs> {
        let shapes = Self::LOOPS.into_iter().flat_map(|turns| Self::WIDTHS.map(|width| (turns, width)));
        shapes.flat_map(|((turns, ahead), width)| Self::WORKGROUPS.map(|workgroup| Slabs { width, workgroup, turns, ahead }))
    }

    fn new(device: &Device, tensors: &Tensors, [read, written]: [&[Slot]; 2], slabs: Slabs) -> Result<Self, Error> {
        let elements = slabs.covered(device, tensors.elements()).unwrap_or(0);
        let per_dimension = device.gpu().limits().max_compute_workgroups_per_dimension;
        let groups = (elements / slabs.elements()) as u32;
        // Rows of the grid all of one length, and as few as possible: nothing is launched in vain.
        let height = (groups.div_ceil(per_dimension).max(1)..).find(|&height| groups.is_multiple_of(height)).unwrap_or(1);
        let width = groups / height;
        let params = [width, slabs.turns, 0, 0];
        let wgsl = slabs.wgsl([read.len(), written.len()]);
        let kernel = Kernel::new(device, "stream", wgsl, params, [width, height]);
        let run = |copy| {
            let range = |&slot| wgpu::BufferBinding {
                buffer: tensors.buffer(copy, slot),
                offset: 0,
                size: std::num::NonZeroU64::new(4 * elements),
            };
            Ok(kernel.bind(read.iter().chain(written).map(range).map(wgpu::BindingResource::Buffer)))
        };
        Ok(Self { work: tensors.work(run)?, bytes: 4 * elements * (read.len() + written.len()) as u64, slabs })
    }

    /// A ceiling that leaves something out is none.
    async fn check(&self, device: &Device, tensors: &Tensors, [read, written]: [&[Slot]; 2], row: &str) -> Result<(), Error> {
        let elements = (self.bytes / 4) as usize / (read.len() + written.len());
        let sources: Vec<&[u32]> = read.iter().map(|&slot| tensors.words(slot)).collect();
        let expected = |flip| {
            let word = |at| sources.iter().fold(flip, |word, source: &&[u32]| word ^ source[at]);
            Expected::Words((0..elements).map(word).collect())
        };
        let (first, others) = (expected(u32::MAX), expected(0));
        let expected = |(number, &slot)| (slot, if number == 0 { &first } else { &others });
        tensors.check(device, row, &self.work, &written.iter().enumerate().map(expected).collect::<Vec<_>>()).await
    }
}

impl Slabs {
    /// What always fits.
    const LEAST: Self = Self { width: 1, workgroup: 1, turns: 1, ahead: 1 };

    fn elements(self) -> u64 {
        u64::from(self.width) * u64::from(self.workgroup) * u64::from(self.turns)
    }

    /// How many of the elements whole slabs cover, within one binding; nothing if that leaves out more than an eighth.
    fn covered(self, device: &Device, elements: u64) -> Option<u64> {
        let limits = device.gpu().limits();
        let per_dimension = u64::from(limits.max_compute_workgroups_per_dimension);
        let bound = elements.min(limits.max_storage_buffer_binding_size / 4);
        let covered = bound - bound % self.elements();
        let fits = covered >= self.elements()
            && covered >= bound - bound / 8
            && self.workgroup <= limits.max_compute_invocations_per_workgroup
            && covered / self.elements() <= per_dimension * per_dimension;
        (fits || self == Self::LEAST).then_some(covered)
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

/// A copy of one tensor to another, and the bytes of a run: half of them read, half written.
///
/// # Errors
/// None but those that are this crate's own.
pub fn copy(tensors: &Tensors, from: Slot, to: Slot) -> Result<(Work, u64), Error> {
    let bytes = 4 * tensors.elements();
    let run = |copy| -> Result<Run, Error> {
        let [from, to] = [from, to].map(|slot| tensors.buffer(copy, slot).clone());
        Ok(Box::new(move |encoder| encoder.copy_buffer_to_buffer(&from, 0, &to, 0, bytes)))
    };
    Ok((tensors.work(run)?, 2 * bytes))
}
