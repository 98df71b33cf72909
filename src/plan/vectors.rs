//! Vectors: how wide they are, which rows, steps and channels one holds, and how many an invocation takes.

use super::Binding;
use super::build::Builder;
use super::split::{Axes, Boxed, Extent, Placed};
use crate::carry::Carry;
use crate::params::ViewParams;
use crate::shape::Region;
use crate::{Descriptor, Element, Layout, Operand, Params, Shape, Slot, Stage, Tuning, View};

/// The vectors of a dispatch.
#[derive(Clone, Copy)]
pub(super) struct Vectors {
    /// Channels of one.
    pub width: u64,
    /// Steps of one, in operands with time.
    pub fold: u64,
    /// Batch rows of one, in operands with rows.
    pub rows: u64,
    /// Whether a component holds two elements of 16 bits, so that there are twice as many channels.
    pub pairs: bool,
    /// Vectors that an invocation takes.
    pub band: u64,
    /// Bands of a row of channels.
    pub bands: u64,
}

/// Whether a vector can hold several steps: where there is no second channel to fill it, or none beside the first in memory.
pub(super) fn can_hold_steps(descriptor: &Descriptor) -> bool {
    let Shape { time, channels, .. } = descriptor.shape();
    let few = channels <= 2 || descriptor.memory_layout() == Layout::BatchChannelTime;
    few && time.is_multiple_of(4) && !descriptor.carry().is_number()
}

impl Boxed {
    /// Whether there is one element for all channels, which a vector has in all its components.
    pub fn splats(&self) -> bool {
        self.operand.can_splat() && self.region.strides[2] == 0 && self.region.extent[2] > 1
    }

    /// Whether rows are made of whole vectors.
    fn is_of_vectors(&self, width: u64) -> bool {
        let Region { start, extent, strides, .. } = self.region;
        let axis = |axis: usize| extent[axis] == 1 || strides[axis].is_multiple_of(width);
        width == 1 || (strides[2] == 1 && start.is_multiple_of(width) && axis(0) && axis(1))
    }
}

impl Builder<'_> {
    /// Of a dispatch with so many invocations for each band of channels.
    pub fn vectors(&self, stage: Stage, params: &Params, [rows, channels]: [u64; 2], boxes: &[Boxed]) -> Vectors {
        if matches!(stage, Stage::Serial | Stage::Adjoint) && self.vector_rows > 1 {
            let fold = params.steps.into();
            return Vectors { width: channels, fold, rows: self.vector_rows, pairs: false, band: 1, bands: 1 };
        }
        let fold = self.fold(stage, params, boxes);
        // Sums over channels take them for steps.
        let whole = |boxed: &Boxed| boxed.region.slot.is_scalar() || boxed.splats() || boxed.is_of_vectors(self.vector_width);
        let single = stage.of_single_channels() || !channels.is_multiple_of(self.vector_width) || !boxes.iter().all(whole);
        let pairs = fold == 1 && !single && self.pairs(stage, channels, boxes);
        let width = if single { 1 } else { self.vector_width * if pairs { 2 } else { 1 } };
        let (band, bands) = self.bands(stage, rows, channels / width);
        Vectors { width, fold, rows: 1, pairs, band, bands }
    }

    /// Tells the parameters where the boxes lie; returns each operand with its binding.
    pub fn place(&self, params: &mut Params, boxes: &[Boxed], bindings: &[Binding], vectors: Vectors) -> Vec<(Operand, u32)> {
        let Vectors { width, fold, rows, pairs, .. } = vectors;
        let mut operands = Vec::with_capacity(boxes.len());
        for (view, boxed) in params.views.iter_mut().zip(boxes) {
            let Boxed { operand, region, .. } = boxed;
            let number = bindings.iter().position(|binding| binding.slot == region.slot).expect("every region has a binding");
            let start = bindings[number].offset / self.bytes_of(region.slot);
            let bytes = self.bytes_of(region.slot);
            *view = if region.slot.is_scalar() || boxed.splats() {
                view_params(region, start, 1)
            } else if pairs && bytes == 4 {
                // A vector of elements stands beside two of words.
                ViewParams { channel: 2, ..view_params(region, start, width / 2) }
            } else {
                let view = view_params(region, start, self.lanes(boxed, vectors));
                // The vector of the next steps, or of the next rows, follows.
                ViewParams {
                    batch: if rows > 1 && has_vectors_of_rows(boxed) { 1 } else { view.batch },
                    time: if fold > 1 && self.has_steps(boxed) { 1 } else { view.time },
                    ..view
                }
            };
            operands.push((*operand, number as u32));
        }
        operands
    }

    /// Whether components hold pairs of elements: of walks that copy and compare, without borders or anything before them, if every row
    /// of elements is made of whole vectors of them.
    fn pairs(&self, stage: Stage, channels: u64, boxes: &[Boxed]) -> bool {
        let width = 2 * self.vector_width;
        let whole = |boxed: &Boxed| boxed.splats() || self.bytes_of(boxed.region.slot) == 4 || boxed.is_of_vectors(width);
        let apart = [Operand::Parent, Operand::Aggregates, Operand::Borders, Operand::CuSeqlens, Operand::Registers];
        stage == Stage::Serial
            && self.descriptor.element_type() != Element::F32
            && matches!(self.descriptor.carry(), Carry::Codes | Carry::Fill | Carry::Age)
            && self.vector_width == 4
            && channels.is_multiple_of(width)
            && boxes.iter().all(|boxed| whole(boxed) && !apart.contains(&boxed.operand))
    }

    /// Elements of an operand in a vector, as it lies in memory.
    pub fn lanes(&self, boxed: &Boxed, Vectors { width, fold, rows, .. }: Vectors) -> u64 {
        width * if self.has_steps(boxed) { fold } else { 1 } * if has_vectors_of_rows(boxed) { rows } else { 1 }
    }

    /// Batch rows that a vector of walks over parts of this extent holds: as many as fill one where rows have fewer elements, if they follow
    /// each other in memory without a gap. What is saved need not: it is taken row by row.
    pub fn rows_of_vector(&self, operands: &[Placed], [rows, steps, _]: Extent) -> u64 {
        let [batch, time, channels] = self.whole;
        let row = time * channels;
        let vector_rows = if matches!(row, 1 | 2) { 4 / row } else { 1 };
        let possible = self.tuning.max_vector_width == 4
            && self.vector_width == channels
            && steps == time
            && (time == 1 || !self.descriptor.carry().is_number())
            && [batch, rows].iter().all(|rows| rows.is_multiple_of(vector_rows));
        let follows = |placed: &Placed| {
            let View { offset, strides, .. } = placed.view;
            let side_by_side = |elements: u64| {
                let follows = strides.batch == elements && offset.is_multiple_of(vector_rows * elements);
                follows && (channels == 1 || strides.channel == 1)
            };
            match placed.axes {
                Axes::Element => side_by_side(row) && (time == 1 || strides.time == channels && placed.descends.is_none()),
                // One or two steps are one tile.
                Axes::Row | Axes::Tile { words: 1, .. } => side_by_side(channels),
                // Units that read the states before have one step here, and nothing before it.
                Axes::Channel | Axes::Previous => true,
                _ => false,
            }
        };
        // What lies in one slot has as many elements in a vector; what is saved has those of one row.
        let kind = |placed: &Placed| match placed.axes {
            Axes::Element => 2,
            Axes::Channel => 0,
            _ => 1,
        };
        let alone = |placed: &Placed| {
            operands.iter().filter(|other| other.view.slot == placed.view.slot).all(|other| kind(other) == kind(placed))
        };
        let apart = |placed: &Placed| placed.view.slot == Slot::Saved;
        if possible && operands.iter().all(|placed| apart(placed) || follows(placed) && alone(placed)) { vector_rows } else { 1 }
    }

    pub fn has_steps(&self, boxed: &Boxed) -> bool {
        let placed = self.operands.iter().find(|placed| placed.operand == boxed.operand);
        placed.is_some_and(|placed| placed.axes == Axes::Element)
    }

    /// Steps that a vector of elements holds: with one channel or two, or where time is contiguous, as many as make a vector of
    /// four, if steps follow each other in memory without a gap and all of them make whole vectors.
    fn fold(&self, stage: Stage, params: &Params, boxes: &[Boxed]) -> u64 {
        let [_, _, channels] = self.whole;
        let contiguous = self.vector_width == 1 && channels > 1;
        let width = if contiguous { 1 } else { channels };
        let fold = 4u64.checked_div(width).unwrap_or(1);
        let steps = [u64::from(params.steps), u64::from(params.time_origin), u64::from(params.tile_steps)];
        let possible = stage.can_fold()
            && !self.descriptor.carry().is_number()
            && self.tuning.max_vector_width > 1
            && self.vector_width == width
            && fold > 1
            && steps.iter().all(|steps| steps.is_multiple_of(fold));
        let follows = |boxed: &Boxed| {
            let Region { start, extent, strides, descends, .. } = boxed.region;
            let whole = |axis: usize| extent[axis] == 1 || strides[axis].is_multiple_of(4);
            !descends
                && !boxed.splats()
                && strides[1] == width
                && start.is_multiple_of(4)
                && whole(0)
                && (!contiguous || whole(2))
        };
        let alone = |boxed: &Boxed| {
            boxes.iter().filter(|other| other.region.slot == boxed.region.slot).all(|other| self.has_steps(other))
        };
        let folds = possible
            && params.steps > 1
            && boxes.iter().filter(|boxed| self.has_steps(boxed)).all(|boxed| follows(boxed) && alone(boxed));
        if folds { fold } else { 1 }
    }

    /// Vectors of steps that an invocation loads at once: no more than a walk has, or a word of them, and no more than 32 with those
    /// of its band, because compilers have no room for more: 8 of a walk back, and where each of them may leave a sequence and enter another
    /// (with 16 and 32 SwiftShader takes minutes and gigabytes for a walk back).
    pub fn steps_ahead(&self, stage: Stage, params: &Params, Vectors { fold, band, .. }: Vectors) -> u32 {
        if !stage.takes_steps() {
            return 1;
        }
        let steps = u64::from(params.steps.min(params.tile_steps).clamp(1, 32)) / fold;
        let together = if self.borders().is_some() || stage == Stage::Adjoint { 8 } else { 32 };
        u64::from(self.tuning.steps_ahead).min(together / band).min(steps).max(1) as u32
    }

    /// Vectors that an invocation takes, and invocations for a row of so many: a workgroup sweeps over as much of a row as it
    /// can while there are workgroups enough, and no band is much longer than another.
    pub fn bands(&self, stage: Stage, rows: u64, vectors: u64) -> (u64, u64) {
        let workgroup = u64::from(self.tuning.workgroup_size);
        let Tuning { max_band, max_band_back, max_row_back, .. } = *self.tuning;
        let longest = match stage {
            Stage::Adjoint if vectors <= workgroup * u64::from(max_row_back) => max_band_back.max(max_row_back),
            Stage::Adjoint => max_band_back,
            _ => max_band,
        };
        // The vectors of a band lie side by side.
        let apart = self.operands.iter().any(|placed| !placed.view.slot.is_scalar() && placed.view.strides.channel > 1);
        if stage.of_vectors().is_empty() || longest == 1 || vectors <= workgroup || apart {
            return (1, vectors);
        }
        let shortest = vectors.div_ceil(workgroup * u64::from(longest));
        let wanted = u64::from(self.tuning.min_workgroups).div_ceil(rows.max(1));
        let workgroups = shortest.max(wanted.min(vectors / workgroup));
        (vectors.div_ceil(workgroup * workgroups), workgroup * workgroups)
    }
}

/// Whether its vectors are of several batch rows, where there are such: those of what is saved lie apart.
fn has_vectors_of_rows(boxed: &Boxed) -> bool {
    boxed.region.extent[0] > 1 && boxed.region.slot != Slot::Saved
}

/// A region as shaders see it, in vectors from the beginning of a binding.
fn view_params(region: &Region, binding_start: u64, width: u64) -> ViewParams {
    // A stride along an axis of one element is never used and may be too long for 32 bits.
    let stride = |axis: usize| if region.extent[axis] > 1 { (region.strides[axis] / width) as u32 } else { 0 };
    let offset = ((region.start - binding_start) / width) as u32;
    let (time, last) = (stride(1), region.extent[1].saturating_sub(1) as u32);
    // Indices are counted modulo 2^32.
    let (offset, time) = if region.descends { (offset + last * time, time.wrapping_neg()) } else { (offset, time) };
    let channel = if region.strides[2] == 1 { 1 } else { stride(2) };
    ViewParams { offset, batch: stride(0), time, channel }
}

/// The widest vectors that divide the channels and every offset and stride. What has one element for all channels does not count where
/// nothing else lies in its slot.
pub(super) fn widest(operands: &[Placed], whole: Extent, tuning: &Tuning) -> u64 {
    // Gradients of what lacks channels are made in scratch.
    let sums = [Operand::ThresholdGradient, Operand::LowThresholdGradient, Operand::AmplitudeGradient];
    let can_repeat =
        |placed: &Placed| placed.view.strides.channel == 0 && (placed.operand.can_splat() || sums.contains(&placed.operand));
    let repeats = |slot: Slot| operands.iter().filter(|placed| placed.view.slot == slot).all(can_repeat);
    let divides = |width: u64| {
        whole[2].is_multiple_of(width)
            && operands.iter().filter(|placed| !placed.view.slot.is_scalar() && !repeats(placed.view.slot)).all(
                |Placed { view, .. }| {
                    (width == 1 || view.strides.channel == 1)
                        && [view.offset, view.strides.batch, view.strides.time].iter().all(|count| count.is_multiple_of(width))
                },
            )
    };
    [4, 2, 1].into_iter().find(|&width| width <= u64::from(tuning.max_vector_width) && divides(width)).unwrap_or(1)
}
