//! What the strategies share: placing operands, choosing vectors, and turning a part into a dispatch.

use super::split::{Axes, Boxed, Constraint, Extent, Placed, longest_binding, span};
use super::{Binding, Direction, Dispatch, Plan, Strategy, Traffic, adjoint, serial, tiles};
use crate::params::ViewParams;
use crate::shader::BindingAccess;
use crate::shape::Region;
use crate::{
    Access, Descriptor, Error, Gradient, Layout, Limits, Operand, Params, Slot, Stage, Surrogate, Tuning, Variant, View,
};

pub(super) struct Built {
    pub slots: Vec<(Slot, u64)>,
    pub variants: Vec<Variant>,
    pub dispatches: Vec<Dispatch>,
}

pub(super) fn build(
    descriptor: &Descriptor,
    direction: Direction,
    limits: &Limits,
    tuning: &Tuning,
    strategy: Strategy,
) -> Result<Built, Error> {
    let mut builder = Builder::new(descriptor, direction, limits, tuning);
    loop {
        match builder.run(strategy) {
            // Narrower vectors can be cut into narrower parts.
            Err(Error::CannotSplit { .. }) if builder.vector_width > 1 => {
                let vector_width = builder.vector_width / 2;
                builder = Builder { vector_width, ..Builder::new(descriptor, direction, limits, tuning) };
            }
            result => return result.and_then(|()| builder.finish()),
        }
    }
}

/// Loads and stores of an operand in one dispatch, in elements.
pub(super) struct Moved {
    pub operand: Operand,
    pub loads: u64,
    pub stores: u64,
}

impl Moved {
    pub fn loads(operand: Operand, loads: u64) -> Self {
        Self { operand, loads, stores: 0 }
    }

    pub fn stores(operand: Operand, stores: u64) -> Self {
        Self { operand, loads: 0, stores }
    }
}

/// A launch before its operands are placed.
pub(super) struct Launch {
    pub stage: Stage,
    /// Everything but vectors and views.
    pub params: Params,
    /// Invocations for one vector of channels.
    pub rows: u64,
    pub iterations: u64,
    pub moved: Vec<Moved>,
}

pub(super) struct Builder<'a> {
    pub descriptor: &'a Descriptor,
    pub direction: Direction,
    pub limits: &'a Limits,
    pub tuning: &'a Tuning,
    pub whole: Extent,
    /// The operands of the caller and of the saved layout.
    pub operands: Vec<Placed>,
    pub vector_width: u64,
    pub scratch_elements: u64,
    /// Backward: walks begin where others ended.
    pub resumes: bool,
    variants: Vec<Variant>,
    dispatches: Vec<Dispatch>,
}

impl<'a> Builder<'a> {
    fn new(descriptor: &'a Descriptor, direction: Direction, limits: &'a Limits, tuning: &'a Tuning) -> Self {
        let shape = descriptor.shape();
        let whole = [shape.batch, shape.time, shape.channels];
        let mut operands: Vec<Placed> = direction
            .operands()
            .iter()
            .filter_map(|&operand| Some(Placed::new(operand, descriptor.view(operand)?, descriptor.axes(operand))))
            .collect();
        if direction == Direction::Backward || descriptor.saves() {
            let saved = descriptor.saved_layout();
            let copy = |placed| Placed { once: direction == Direction::Forward, ..placed };
            operands.extend([
                Placed::new(Operand::Codes, saved.codes(), Axes::Code),
                Placed::new(Operand::FirstSet, saved.first_set(), Axes::Row),
                copy(Placed::new(Operand::SavedInitialState, saved.initial_state(), Axes::Row)),
                copy(Placed::new(Operand::SavedAmplitude, saved.amplitude(), Axes::Channel)),
            ]);
        }
        let vector_width = vector_width(&operands, whole, tuning);
        Self {
            descriptor,
            direction,
            limits,
            tuning,
            whole,
            operands,
            vector_width,
            scratch_elements: 0,
            resumes: false,
            variants: Vec::new(),
            dispatches: Vec::new(),
        }
    }

    fn run(&mut self, strategy: Strategy) -> Result<(), Error> {
        let [batch, time, channels] = self.whole;
        match (self.direction, strategy) {
            _ if channels == 0 => Ok(()),
            (Direction::Forward, _) if batch == 0 => Ok(()),
            // Without steps there are no tiles, but the state is still handed on.
            (Direction::Forward, Strategy::Tiles) if time > 0 => tiles::build(self),
            (Direction::Forward, _) => serial::build(self),
            (Direction::Backward, strategy) => adjoint::build(self, strategy),
        }
    }

    /// The placed operands that a stage names.
    pub fn placed(&self, stage: Stage) -> Vec<Placed> {
        let named = stage.operands();
        self.operands.iter().filter(|placed| named.iter().any(|&(operand, _)| operand == placed.operand)).copied().collect()
    }

    /// The axes in the order in which they are cut, slowest in memory first.
    pub fn cut_order(&self) -> [usize; 3] {
        match self.descriptor.memory_layout() {
            Layout::BatchTimeChannel => [0, 1, 2],
            Layout::TimeBatchChannel => [1, 0, 2],
        }
    }

    /// Bindings of the given operands fit.
    pub fn binding_constraint<'b>(&'b self, whole: Extent, operands: Vec<Placed>) -> Constraint<'b> {
        let alignment = u64::from(self.limits.min_storage_buffer_offset_alignment);
        Constraint {
            limit: "max_storage_buffer_binding_size",
            allowed: self.limits.binding_bytes(),
            measure: Box::new(move |part| longest_binding(whole, part, alignment, &operands)),
        }
    }

    /// The grid of `invocations(part)` vectors fits when folded into two dimensions.
    pub fn grid_constraint<'b>(&'b self, invocations: impl Fn(Extent) -> u64 + 'b) -> Constraint<'b> {
        let per_dimension = u64::from(self.limits.max_compute_workgroups_per_dimension);
        let workgroup = u64::from(self.tuning.workgroup_size);
        // Invocations are numbered in 32 bits, the last row of workgroups included.
        let numbered = (1 << 30) / workgroup;
        Constraint {
            limit: "max_compute_workgroups_per_dimension",
            allowed: per_dimension.saturating_mul(per_dimension).min(numbered),
            measure: Box::new(move |part| invocations(part).div_ceil(workgroup)),
        }
    }

    /// No dispatch runs too long.
    pub fn work_constraint(&self) -> Constraint<'_> {
        Constraint {
            limit: "max_dispatch_elements",
            allowed: self.tuning.max_dispatch_elements,
            measure: Box::new(|part| part.into_iter().fold(1, u64::saturating_mul)),
        }
    }

    /// Refuses plans of a size that no one means.
    pub fn check_dispatches(&self, actual: u64) -> Result<(), Error> {
        let expected = Plan::MAX_DISPATCHES;
        if actual > expected { Err(Error::CannotSplit { limit: "the dispatches of a plan", expected, actual }) } else { Ok(()) }
    }

    /// Adds a dispatch over the given boxes, `channels` wide. Empty boxes are not bound.
    pub fn push(&mut self, launch: Launch, channels: u64, mut boxes: Vec<Boxed>) -> Result<(), Error> {
        let Launch { stage, mut params, rows, iterations, moved } = launch;
        boxes.retain(|boxed| boxed.region.len > 0);
        boxes.sort_unstable_by_key(|boxed| boxed.operand);
        let regions: Vec<Region> = boxes.iter().map(|boxed| boxed.region).collect();
        let present: Vec<Operand> = boxes.iter().map(|boxed| boxed.operand).collect();
        let scalar = stage == Stage::FirstSet;
        let width = if scalar { 1 } else { self.vector_width };
        let named = stage.operands();
        let stores = |operand| named.iter().any(|&(named, usage)| named == operand && usage.stores());

        let mut slots: Vec<Slot> = regions.iter().map(|region| region.slot).collect();
        slots.sort_unstable();
        slots.dedup();
        let alignment = u64::from(self.limits.min_storage_buffer_offset_alignment);
        let mut bindings = Vec::with_capacity(slots.len());
        for &slot in &slots {
            let (start, end) = span(&regions, slot);
            let offset = start * 4 / alignment * alignment;
            let size = end * 4 - offset;
            if size > self.limits.binding_bytes() {
                let (expected, actual) = (self.limits.binding_bytes(), size);
                return Err(Error::CannotSplit { limit: "max_storage_buffer_binding_size", expected, actual });
            }
            let writes = present.iter().zip(&regions).any(|(&operand, region)| region.slot == slot && stores(operand));
            let access = match (writes, self.tuning.access) {
                (false, Access::Declared) => BindingAccess::Read,
                _ => BindingAccess::ReadWrite,
            };
            bindings.push(Binding { slot, access, offset, size });
        }

        let mut operands = Vec::with_capacity(present.len());
        for (view, (&operand, region)) in present.iter().zip(&regions).enumerate() {
            let number = bindings.iter().position(|binding| binding.slot == region.slot).expect("every region has a binding");
            operands.push((operand, number as u32));
            // A stride along an axis of one element is never used and may be too long for 32 bits.
            let stride = |axis: usize| if region.extent[axis] > 1 { (region.strides[axis] / width) as u32 } else { 0 };
            params.views[view] = ViewParams {
                offset: ((region.start - bindings[number].offset / 4) / width) as u32,
                batch: stride(0),
                time: stride(1),
                channel: 1,
            };
        }

        // Only the outputs of the caller accumulate: scratch holds them until the last dispatch that stores them.
        let accumulates: Vec<Operand> = boxes
            .iter()
            .filter(|boxed| {
                let output = match (boxed.operand, boxed.region.slot) {
                    (_, Slot::AmplitudeGradient) => Operand::AmplitudeGradient,
                    (_, Slot::InitialStateGradient) => Operand::InitialStateGradient,
                    (_, Slot::ThresholdGradient) => Operand::ThresholdGradient,
                    (operand, Slot::CandidateGradient) => operand,
                    _ => return false,
                };
                self.descriptor.gradient_of(output) == Gradient::Accumulate
            })
            .map(|boxed| boxed.operand)
            .collect();

        params.channels = (channels / width) as u32;
        let invocations = rows * (channels / width);
        let workgroups = invocations.div_ceil(u64::from(self.tuning.workgroup_size));
        let width_limit = u64::from(self.limits.max_compute_workgroups_per_dimension);
        let grid = [workgroups.min(width_limit), workgroups.div_ceil(width_limit), 1].map(|length| length as u32);
        params.grid_width = grid[0];

        let allowed = u64::from(self.limits.max_storage_buffers_per_shader_stage);
        let storage = bindings.len() as u64 + u64::from(self.tuning.access == Access::AllReadWrite);
        if storage > allowed {
            return Err(Error::TooManyBindings { stage, expected: allowed, actual: storage, slots: list(&slots) });
        }
        let loads: u64 = moved.iter().filter(|moved| present.contains(&moved.operand)).map(|moved| moved.loads).sum();
        let stores: u64 = moved.iter().filter(|moved| present.contains(&moved.operand)).map(|moved| moved.stores).sum();
        let adjoint = stage == Stage::Adjoint;
        let surrogates = self.descriptor.surrogate_pair();
        if adjoint {
            params.surrogates = bytemuck::cast(surrogates.map(Surrogate::params));
        }
        let variant = Variant {
            stage,
            bindings: bindings.iter().map(|binding| (binding.slot, binding.access)).collect(),
            operands,
            gate: stage.gates().then(|| (self.descriptor.boundary_rule(), self.descriptor.threshold_kind())),
            saves: self.direction == Direction::Forward && self.descriptor.saves(),
            surrogates: adjoint.then(|| surrogates.map(Surrogate::name)),
            resumes: adjoint && self.resumes,
            accumulates,
            vector_width: width as u32,
            workgroup_size: self.tuning.workgroup_size,
            access: self.tuning.access,
        };
        let variant = self.variants.iter().position(|known| *known == variant).unwrap_or_else(|| {
            self.variants.push(variant);
            self.variants.len() - 1
        });
        let traffic = Traffic { read: 4 * loads, written: 4 * stores };
        self.dispatches.push(Dispatch { variant, params, bindings, grid, invocations, iterations, traffic });
        Ok(())
    }

    fn finish(self) -> Result<Built, Error> {
        let mut slots = Vec::new();
        for dispatch in &self.dispatches {
            slots.extend(dispatch.bindings.iter().map(|binding| binding.slot));
        }
        slots.sort_unstable();
        slots.dedup();
        let mut sized = Vec::with_capacity(slots.len());
        for slot in slots {
            let elements = match slot {
                Slot::Scratch => self.scratch_elements,
                Slot::Saved => self.descriptor.saved_layout().words(),
                slot => self.descriptor.slot_elements(slot)?,
            };
            sized.push((slot, elements.saturating_mul(4)));
        }
        debug_assert!(self.dispatches.iter().all(|dispatch| dispatch.iterations <= Plan::MAX_ITERATIONS));
        Ok(Built { slots: sized, variants: self.variants, dispatches: self.dispatches })
    }
}

/// A view of `[batch][time][channels]` words of the scratch slot.
pub(super) fn scratch_view(offset: u64, [_, time, channels]: Extent) -> View {
    let strides = crate::Strides { batch: time * channels, time: channels, channel: 1 };
    View { slot: Slot::Scratch, offset, strides }
}

fn list(slots: &[Slot]) -> String {
    slots.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The widest vectors that divide the channels and every offset and stride.
fn vector_width(operands: &[Placed], whole: Extent, tuning: &Tuning) -> u64 {
    let divides = |width: u64| {
        whole[2].is_multiple_of(width)
            && operands.iter().all(|Placed { view, .. }| {
                [view.offset, view.strides.batch, view.strides.time].iter().all(|count| count.is_multiple_of(width))
            })
    };
    [4, 2, 1].into_iter().find(|&width| width <= u64::from(tuning.max_vector_width) && divides(width)).unwrap_or(1)
}
