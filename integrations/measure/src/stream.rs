//! The ceilings: what the adapter moves when nothing is computed.
//!
//! A ceiling must be a real one. On CPU drivers one item per invocation streams up to 12 times slower than a loop over a slab,
//! and what is fastest differs from driver to driver (llvmpipe of Mesa 22.3: vectors of 4 and a workgroup of 8, by 1.3 over
//! vectors of 2 and by 1.9 over scalars; SwiftShader: 4 loads ahead, by 1.2 over one, and a workgroup of 4, by 1.07 over one of 8),
//! so several shapes are tried on the tensors that the library is timed on, and the best is the ceiling. Tried there and never
//! better: a stride of the whole grid, workgroups of 16, 2 loads ahead.

use std::fmt;

use bmru::{Slot, wgpu};

use crate::device::POISON;
use crate::kernel::Kernel;
use crate::{Device, Effort, Error, Expected, Run, Tensors, Work};

/// How a streaming kernel is spread: a workgroup walks over a slab of `workgroup · width · turns` words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slabs {
    /// Words that an invocation loads at once.
    width: u32,
    /// Invocations of a workgroup.
    workgroup: u32,
    /// Loads and stores of an invocation.
    turns: u32,
    /// Loads before the first store, and so the turns of one trip of the loop.
    ahead: u32,
    lanes: Lanes,
}

/// What the invocations of a workgroup walk over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lanes {
    /// All together over its slab, one word beside the other.
    Together,
    /// Each over a row of so many words: its own part of the slab.
    Rows(u64),
}

/// A slot that is read or written, and how many tensors lie in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Streamed {
    /// The slot.
    pub slot: Slot,
    /// So many, one behind the other: what is side by side in rows moves as many bytes.
    pub tensors: u64,
    /// Words of a row of a tensor, a power of two, if rows are as far apart as they are long; 0 if they follow each other.
    pub apart: u64,
}

impl Streamed {
    /// Words from the first of so many to the last.
    fn span(&self, words: u64) -> u64 {
        self.tensors * if self.apart > 0 { 2 * words - self.apart } else { words }
    }

    /// Where in the slot a word of a tensor lies.
    fn place(&self, word: usize) -> usize {
        if self.apart > 0 { word + (word & !(self.apart as usize - 1)) } else { word }
    }
}

/// What one kernel is the fastest for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class {
    /// That are read, and written.
    tensors: [u64; 2],
    apart: u64,
    lanes: Lanes,
    log_words: u32,
}

/// What is read, and what is written.
type Sides<'a> = [&'a [Streamed]; 2];

/// How many tensors lie in some slots.
fn count(slots: &[Streamed]) -> u64 {
    slots.iter().map(|streamed| streamed.tensors).sum()
}

/// Words of a row that has a gap behind it.
fn apart([read, written]: Sides<'_>) -> u64 {
    read.iter().chain(written).map(|streamed| streamed.apart).max().unwrap_or(0)
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

    /// The fastest of all shapes for this traffic and number of words, checked.
    ///
    /// # Errors
    /// If the device does not end, or the result is wrong.
    pub async fn fastest(
        device: &Device,
        tensors: &Tensors,
        [read, written]: Sides<'_>,
        lanes: Lanes,
        row: &str,
    ) -> Result<Self, Error> {
        let fits = |slabs: &Slabs| slabs.covered(device, tensors.tensor_words(), [read, written]).is_some();
        let class = Class {
            tensors: [count(read), count(written)],
            apart: apart([read, written]),
            lanes,
            log_words: tensors.tensor_words().next_power_of_two().ilog2(),
        };
        let known = device.streams.borrow().get(&class).copied().filter(fits);
        let slabs = match known {
            Some(slabs) => slabs,
            None => Self::search(device, tensors, [read, written], lanes).await?,
        };
        device.streams.borrow_mut().insert(class, slabs);
        let stream = Self::new(device, tensors, [read, written], slabs)?;
        stream.check(device, tensors, [read, written], row).await?;
        Ok(stream)
    }

    async fn search(device: &Device, tensors: &Tensors, slots: Sides<'_>, lanes: Lanes) -> Result<Slabs, Error> {
        let fits = |slabs: &Slabs| slabs.covered(device, tensors.tensor_words(), slots).is_some();
        let fitting: Vec<Slabs> = Self::shapes(lanes).filter(fits).collect();
        let (shapes, rounds) = match device.effort() {
            Effort::Check => (1, 0),
            Effort::Quick => (8, 2),
            Effort::Full => (usize::MAX, 7),
        };
        let copies = tensors.copies();
        let rate = async |stream: &Self| {
            // Every copy once, but some milliseconds.
            let runs = copies.max(device.some_milliseconds() / stream.bytes.max(1)).clamp(1, Device::MAX_RUNS);
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

    fn shapes(lanes: Lanes) -> impl Iterator<Item = Slabs> {
        let loops = match lanes {
            Lanes::Together => &Self::LOOPS[..],
            // A row is as many turns as it is, so that only what is ahead differs.
            Lanes::Rows(_) => &Self::LOOPS[..2],
        };
        let shapes = loops.iter().flat_map(|turns| Self::WIDTHS.map(|width| (turns, width)));
        shapes.flat_map(move |(&(turns, ahead), width)| {
            let turns = match lanes {
                Lanes::Together => turns,
                Lanes::Rows(words) => (words / u64::from(width)) as u32,
            };
            Self::WORKGROUPS.map(|workgroup| Slabs { width, workgroup, turns, ahead, lanes })
        })
    }

    fn new(device: &Device, tensors: &Tensors, [read, written]: Sides<'_>, slabs: Slabs) -> Result<Self, Error> {
        let words = slabs.covered(device, tensors.tensor_words(), [read, written]).unwrap_or(0);
        let per_dimension = device.gpu().limits().max_compute_workgroups_per_dimension;
        let groups = (words / slabs.words()) as u32;
        // Rows of the grid all of one length, and as few as possible: nothing is launched in vain.
        let height = (groups.div_ceil(per_dimension).max(1)..).find(|&height| groups.is_multiple_of(height)).unwrap_or(1);
        let width = groups / height;
        let [tensor, row] = [words, apart([read, written])].map(|words| (words / u64::from(slabs.width)) as u32);
        let params = [width, slabs.turns, tensor, !row.saturating_sub(1)];
        let wgsl = slabs.wgsl([read, written]);
        let kernel = Kernel::new(device, "stream", wgsl, params, [width, height]);
        let run = |copy| {
            let range = |streamed: &Streamed| wgpu::BufferBinding {
                buffer: tensors.buffer(copy, streamed.slot),
                offset: 0,
                size: std::num::NonZeroU64::new(4 * streamed.span(words)),
            };
            Ok(kernel.bind(read.iter().chain(written).map(range).map(wgpu::BindingResource::Buffer)))
        };
        Ok(Self { work: tensors.work(run)?, bytes: 4 * words * (count(read) + count(written)), slabs })
    }

    /// A ceiling that leaves something out is none.
    async fn check(&self, device: &Device, tensors: &Tensors, [read, written]: Sides<'_>, row: &str) -> Result<(), Error> {
        let words = (self.bytes / 4 / (count(read) + count(written))) as usize;
        // Of several tensors in a slot, each begins where the one before ended.
        let mut sums = vec![0; words];
        for (streamed, number) in
            read.iter().flat_map(|streamed| (0..streamed.tensors as usize).map(move |number| (streamed, number)))
        {
            let source = &tensors.words(streamed.slot)[number * words..];
            sums.iter_mut().enumerate().for_each(|(word, sum)| *sum ^= source[streamed.place(word)]);
        }
        let mut flip = u32::MAX;
        let mut expected = |streamed: &Streamed| {
            // What lies between rows stays as it was.
            let mut all = vec![POISON; streamed.span(words as u64) as usize];
            for number in 0..streamed.tensors as usize {
                sums.iter().enumerate().for_each(|(word, sum)| all[number * words + streamed.place(word)] = sum ^ flip);
                flip = 0;
            }
            (streamed.slot, Expected::Words(all))
        };
        let expected: Vec<_> = written.iter().map(&mut expected).collect();
        tensors.check(device, row, &self.work, &expected.iter().map(|(slot, words)| (*slot, words)).collect::<Vec<_>>()).await
    }
}

impl Slabs {
    /// What always fits.
    const LEAST: Self = Self { width: 1, workgroup: 1, turns: 1, ahead: 1, lanes: Lanes::Together };

    fn words(self) -> u64 {
        u64::from(self.width) * u64::from(self.workgroup) * u64::from(self.turns)
    }

    /// How many words of a tensor whole slabs cover, all tensors of a slot within one binding; nothing if that leaves out more
    /// than an eighth.
    fn covered(self, device: &Device, words: u64, [read, written]: Sides<'_>) -> Option<u64> {
        let limits = device.gpu().limits();
        let row = apart([read, written]);
        let per_dimension = u64::from(limits.max_compute_workgroups_per_dimension);
        let of_slot = |streamed: &Streamed| streamed.tensors * if streamed.apart > 0 { 2 } else { 1 };
        let beside = read.iter().chain(written).map(of_slot).max().unwrap_or(1);
        if self.words() == 0 {
            // A vector is wider than the row.
            return None;
        }
        let bound = words.min(limits.max_storage_buffer_binding_size / 4 / beside);
        let covered = bound - bound % self.words();
        let fits = covered >= self.words()
            && covered >= bound - bound / 8
            && self.turns.is_multiple_of(self.ahead)
            && match self.lanes {
                Lanes::Together => true,
                Lanes::Rows(words) => words.is_multiple_of(u64::from(self.width)),
            }
            // Whole rows of whole vectors.
            && (row == 0 || (covered.is_multiple_of(row) && row >= u64::from(self.width)))
            && self.workgroup <= limits.max_compute_invocations_per_workgroup
            && covered / self.words() <= per_dimension * per_dimension;
        (fits || self == Self::LEAST).then_some(covered)
    }

    /// All that is read goes into all that is written: its exclusive or, in the first tensor with all bits flipped.
    ///
    /// The trip count is a parameter, so that no driver unrolls the loop: that is what `ahead` is for.
    fn wgsl(self, [read, written]: Sides<'_>) -> String {
        let Self { width, workgroup, ahead, lanes, .. } = self;
        // From a lane to the next, and from a load of one to its next.
        let (lane, load_step) = match lanes {
            Lanes::Together => ("1u", workgroup),
            Lanes::Rows(_) => ("params.turns", 1),
        };
        let vector = if width == 1 { "u32".to_owned() } else { format!("vec{width}<u32>") };
        let accesses = (0..read.len()).map(|slot| (slot, "read")).chain((0..written.len()).map(|slot| (slot, "read_write")));
        // The tensors of a slot.
        let places = |name: &str, slots: &[Streamed], at: &str| -> Vec<String> {
            let of_slot = |(slot, streamed): (usize, &Streamed)| {
                (0..streamed.tensors).map(move |number| (slot, number)).collect::<Vec<_>>()
            };
            let place = |(slot, number): (usize, u64)| match number {
                // One behind the other they would not be rows of one.
                _ if slots[slot].apart > 0 => format!("{name}{slot}[({at}) + (({at}) & params.rows)]"),
                0 => format!("{name}{slot}[{at}]"),
                _ => format!("{name}{slot}[{at} + {number}u * params.tensor]"),
            };
            slots.iter().enumerate().flat_map(of_slot).map(place).collect()
        };
        let bindings: String = (0..)
            .zip(accesses)
            .map(|(binding, (slot, access))| {
                let name = if access == "read" { "source" } else { "target" };
                format!("@group(0) @binding({binding}) var<storage, {access}> {name}{slot}: array<Vector>;\n")
            })
            .collect();
        let (mut loads, mut stores) = (String::new(), String::new());
        for load in 0..ahead {
            let at = format!("at + {}u", load * load_step);
            loads += &format!("        let v{load} = {};\n", places("source", read, &at).join(" ^ "));
            for (number, target) in places("target", written, &at).iter().enumerate() {
                let flip = if number == 0 { "~" } else { "" };
                stores += &format!("        {target} = {flip}v{load};\n");
            }
        }
        format!(
            "alias Vector = {vector};
struct Params {{ grid_width: u32, turns: u32, tensor: u32, rows: u32 }}
{bindings}@group(0) @binding({params}) var<uniform> params: Params;

@compute @workgroup_size({workgroup})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{
    var at = (group.y * params.grid_width + group.x) * params.turns * {workgroup}u + local * {lane};
    for (var turn = 0u; turn < params.turns; turn += {ahead}u) {{
{loads}{stores}        at += {step}u;
    }}
}}
",
            params = read.len() + written.len(),
            step = ahead * load_step
        )
    }
}

impl fmt::Display for Slabs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, workgroup, turns, ahead, lanes } = self;
        write!(f, "vectors of {width}, workgroup of {workgroup}, {turns} turns, {ahead} loads ahead")?;
        if let Lanes::Rows(_) = lanes { write!(f, ", each invocation a row") } else { Ok(()) }
    }
}

/// A copy of one tensor to another, and the bytes of a run: half of them read, half written.
///
/// # Errors
/// None but those that are this crate's own.
pub fn copy(tensors: &Tensors, from: Slot, to: Slot) -> Result<(Work, u64), Error> {
    let bytes = 4 * tensors.tensor_words();
    let run = |copy| -> Result<Run, Error> {
        let [from, to] = [from, to].map(|slot| tensors.buffer(copy, slot).clone());
        Ok(Box::new(move |encoder| encoder.copy_buffer_to_buffer(&from, 0, &to, 0, bytes)))
    };
    Ok((tensors.work(run)?, 2 * bytes))
}
