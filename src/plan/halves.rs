//! Elements of 16 bits: two of them share a word, and a word has one writer.
//!
//! Where rows are made of whole words a vector of two or four channels is written at once. Where they are not, what a dispatch
//! stores takes a detour: a register an element in scratch, and a dispatch behind it that packs them.

use super::build::Builder;
use super::split::{Boxed, Constraint};
use super::vectors::Vectors;
use super::{Direction, Dispatch, Traffic};
use crate::shape::Region;
use crate::{Element, Error, Operand, Params, Plan, Slot, Stage, Variant};

/// An output, and where it is until it is packed.
pub(super) struct Detour {
    output: Boxed,
    source: Region,
}

impl Builder<'_> {
    /// Whether outputs take a detour.
    pub fn detours(&self) -> bool {
        let writes = self.direction != Direction::Forward || self.descriptor.resolves();
        writes && self.descriptor.element_type() != Element::F32 && self.vector_width == 1
    }

    /// Bytes that the strategy may use in scratch: half of a binding where the other half is for detours.
    pub fn scratch_bytes(&self) -> u64 {
        self.limits.binding_bytes() / if self.detours() { 2 } else { 1 }
    }

    /// What takes a detour fits half of a binding.
    pub fn detour_constraint(&self) -> Option<Constraint<'_>> {
        // States and final states, states, or the gradients of candidates, two thresholds, amplitudes and initial states.
        let outputs = match self.direction {
            Direction::Forward => 2,
            Direction::Unpack => 1,
            _ => 5,
        };
        self.detours().then(|| Constraint {
            limit: "max_storage_buffer_binding_size",
            allowed: self.limits.binding_bytes() / 2,
            measure: Box::new(move |part| part.into_iter().fold(4 * outputs, u64::saturating_mul)),
        })
    }

    /// The type of elements that a variant knows of.
    pub fn element_in(&self, stage: Stage, boxes: &[Boxed]) -> Element {
        let here = |boxed: &Boxed| self.bytes_of(boxed.region.slot) < 4 || boxed.operand == Operand::Amplitude;
        if stage == Stage::Adjoint || boxes.iter().any(here) { self.descriptor.element_type() } else { Element::F32 }
    }

    /// Sends those of the boxes to scratch that are written and not made of whole words.
    pub fn detour(&mut self, stage: Stage, boxes: &mut [Boxed], vectors: Vectors) -> Vec<Detour> {
        let named = stage.operands();
        let mut end = self.scratch_elements;
        let mut detours = Vec::new();
        for boxed in boxes {
            let stores = named.iter().any(|&(operand, usage)| operand == boxed.operand && usage.stores());
            if !stores || self.lanes(boxed, vectors) > 1 || self.bytes_of(boxed.region.slot) == 4 {
                continue;
            }
            let [batch, steps, channels] = boxed.region.extent;
            let strides = [steps * channels, channels, 1];
            let source = Region { slot: Slot::Scratch, start: end, len: batch * steps * channels, strides, ..boxed.region };
            end = source.end();
            detours.push(Detour { output: *boxed, source });
            (boxed.region, boxed.accumulates) = (source, false);
        }
        self.detour_elements = self.detour_elements.max(end);
        detours
    }

    /// Puts what took a detour where it belongs.
    pub fn pack(&mut self, Detour { output, source }: Detour) -> Result<(), Error> {
        // Both lie in the same order, whichever way the steps were taken.
        let here = |operand, region| Boxed { operand, region: Region { descends: false, ..region }, accumulates: false };
        let boxes = [here(Operand::Source, source), here(Operand::Target, output.region)];
        let bindings = self.bindings(Stage::Pack, &boxes)?;
        let [batch, steps, channels] = output.region.extent;
        let mut params = Params {
            batch: batch as u32,
            steps: steps as u32,
            channels: channels as u32,
            nodes: 1,
            bands: 1,
            rows: 1,
            ..Params::default()
        };
        let operands =
            self.place(&mut params, &boxes, &bindings, Vectors { width: 1, fold: 1, rows: 1, pairs: false, band: 1, bands: 1 });
        let first = u64::from(params.views[1].offset);
        let (mut pair, behind) = (first / 2, (first + output.region.len).div_ceil(2));
        let variant = self.number(Variant {
            bindings: bindings.iter().map(|binding| (binding.slot, binding.access)).collect(),
            operands,
            element: self.descriptor.element_type(),
            amplitude: self.descriptor.amplitude_kind(),
            narrows: self.direction == Direction::Backward,
            accumulates: if output.accumulates { vec![Operand::Target] } else { vec![] },
            ..self.plain_variant(Stage::Pack)
        });
        // As many invocations as the grid has, each with several words if they are too few.
        let workgroups = u64::from(self.limits.max_compute_workgroups_per_dimension).pow(2);
        let most = workgroups.min((1 << 30) / u64::from(self.tuning.workgroup_size)) * u64::from(self.tuning.workgroup_size);
        while pair < behind {
            let invocations = most.min(behind - pair);
            let end = behind.min(pair.saturating_add(invocations.saturating_mul(Plan::MAX_ITERATIONS)));
            let grid = self.grid(invocations);
            let params = Params {
                time_origin: pair as u32,
                time_total: end as u32,
                items: invocations as u32,
                grid_width: grid[0],
                ..params
            };
            // The elements of these words, and the words themselves, which may hold others.
            let elements = output.region.extent.iter().product::<u64>().min(2 * (end - pair));
            let traffic = Traffic { read: 4 * elements + 4 * (end - pair), written: 4 * (end - pair) };
            let iterations = (end - pair).div_ceil(invocations);
            self.dispatches.push(Dispatch {
                variant,
                params,
                bindings: bindings.clone(),
                grid,
                invocations,
                iterations,
                traffic,
            });
            pair = end;
        }
        Ok(())
    }
}
