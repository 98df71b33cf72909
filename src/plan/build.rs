//! What the strategies share: placing operands, choosing vectors, and turning a part into a dispatch.

use super::split::{Axes, Boxed, Constraint, Extent, Placed, longest_binding, span};
use super::sums::Summed;
use super::{Binding, Direction, Dispatch, Plan, Strategy, Traffic, adjoint, borders, health, serial, tiles, unpack, vectors};
use crate::carry::Carry;
use crate::shader::BindingAccess;
use crate::shape::Region;
use crate::{
    Access, Amplitude, Boundary, Descriptor, Element, Error, Gradient, Layout, Limits, Operand, Params, Slot, Stage, SummaryOf,
    Surrogate, Threshold, TimeOrder, Tuning, Unit, Variant, View,
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
            Err(Error::CannotSplit { .. }) if builder.vector_width > builder.narrowest() => {
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
    /// Batch rows of the vectors of walks.
    pub vector_rows: u64,
    pub scratch_elements: u64,
    /// Backward: outputs that are sums, and the words at the beginning of scratch that outlast the walks.
    pub summed: Vec<Summed>,
    pub lasting_words: u64,
    /// Where detours end in scratch.
    pub detour_elements: u64,
    /// Backward: walks begin where others ended.
    pub resumes: bool,
    pub variants: Vec<Variant>,
    pub dispatches: Vec<Dispatch>,
}

impl<'a> Builder<'a> {
    fn new(descriptor: &'a Descriptor, direction: Direction, limits: &'a Limits, tuning: &'a Tuning) -> Self {
        let (shape, carry) = (descriptor.shape(), descriptor.carry());
        let whole = [shape.batch, shape.time, shape.channels];
        let mut operands: Vec<Placed> = direction
            .operands()
            .iter()
            .filter_map(|&operand| {
                let view = descriptor.view_in(direction, operand)?;
                let bytes = descriptor.element_of(view.slot).bytes();
                let accumulates = descriptor.gradient_of(operand) == Gradient::Accumulate;
                Some(Placed { bytes, accumulates, ..Placed::new(operand, view, descriptor.axes(operand)) })
            })
            .collect();
        if descriptor.order_of_time() == TimeOrder::Descending {
            for placed in operands.iter_mut().filter(|placed| matches!(placed.axes, Axes::Element | Axes::Previous)) {
                placed.descends = Some(shape.time);
            }
        }
        if carry.code_lines() > 0 && direction.uses_saved(descriptor) {
            let saved = descriptor.saved_layout();
            let copy = |placed| Placed { once: direction == Direction::Forward, ..placed };
            let saved_initial_state = match descriptor.state_axes() {
                Axes::Row => copy(Placed::new(Operand::SavedInitialState, saved.initial_state(), Axes::Row)),
                // Each is copied where its sequence begins.
                axes => Placed::new(Operand::SavedInitialState, saved.initial_state(), axes),
            };
            operands.extend([
                Placed::new(Operand::Codes, saved.codes(), Axes::Tile { steps: 32, words: saved.lines() }),
                saved_initial_state,
            ]);
            // Of packed states it is an operand of the caller.
            if !carry.is_number() && operands.iter().all(|placed| placed.operand != Operand::FirstSet) {
                operands.push(Placed::new(Operand::FirstSet, saved.first_set(), Axes::Row));
            }
            if descriptor.saves_amplitude() {
                operands.push(copy(Placed::new(Operand::SavedAmplitude, saved.amplitude(), Axes::Channel)));
            }
        }
        let vector_width = vectors::widest(&operands, whole, tuning);
        Self {
            descriptor,
            direction,
            limits,
            tuning,
            whole,
            operands,
            vector_width,
            vector_rows: 1,
            scratch_elements: 0,
            summed: Vec::new(),
            lasting_words: 0,
            detour_elements: 0,
            resumes: false,
            variants: Vec::new(),
            dispatches: Vec::new(),
        }
    }

    /// The narrowest vectors that there can be: a word of final states that two rows share would have the walks of two sequences as
    /// writers.
    fn narrowest(&self) -> u64 {
        let packed = self.descriptor.sequences_kind().packed().is_some();
        let shared = self.direction == Direction::Forward && packed && self.descriptor.has_final_state();
        if shared && self.descriptor.element_type() != Element::F32 { 2 } else { 1 }
    }

    fn run(&mut self, strategy: Strategy) -> Result<(), Error> {
        let [batch, time, channels] = self.whole;
        if self.vector_width < self.narrowest() && channels > 0 {
            let expected = "channels, offsets and vectors of an even number of elements";
            let actual = "final states of packed sequences, of 16-bit elements in rows of no whole words";
            return Err(Error::Incompatible { expected, actual });
        }
        match (self.direction, strategy) {
            _ if channels == 0 => Ok(()),
            (Direction::Health(source), _) => health::build(self, source),
            (Direction::Forward | Direction::Unpack | Direction::Summary(_), _) if batch == 0 => Ok(()),
            (Direction::Summary(SummaryOf::States), _) => tiles::summarize(self),
            (Direction::Summary(SummaryOf::Gradient), _) => adjoint::summarize(self),
            (Direction::Unpack, _) => unpack::build(self),
            (Direction::Forward, strategy) => {
                borders::find(self)?;
                borders::hand_on_empty(self)?;
                match strategy {
                    // Without steps there are no tiles, but the state is still handed on.
                    Strategy::Tiles | Strategy::Probe if time > 0 => tiles::build(self, strategy),
                    _ => serial::build(self),
                }
            }
            (Direction::Backward, strategy) => {
                borders::find(self)?;
                adjoint::build(self, strategy)
            }
        }
    }

    /// Whether time has one step.
    pub fn has_one_step(&self) -> bool {
        self.whole[1] == 1
    }

    /// Backward: whether the codes of all of time are one word, which a walk enters once.
    pub fn has_one_word(&self) -> bool {
        self.whole[1] <= 32 && !self.resumes
    }

    /// Thresholds that are loaded: one for each element, or one for each walk over rows.
    pub fn threshold_loads(&self, elements: u64, walks: u64) -> u64 {
        match self.descriptor.threshold_kind() {
            Threshold::PerElement => elements,
            Threshold::PerChannel => walks,
        }
    }

    /// The same of amplitudes.
    pub fn amplitude_loads(&self, elements: u64, walks: u64) -> u64 {
        match self.descriptor.amplitude_kind() {
            Amplitude::PerElement => elements,
            Amplitude::PerChannel => walks,
        }
    }

    /// The placed operands that a stage names. A probe needs amplitudes only where they are part of an element, and initial states only
    /// where they come again; walks are told of borders, and find what comes from behind a sequence in scratch.
    pub fn placed(&self, stage: Stage) -> Vec<Placed> {
        let named = stage.operands();
        let probes = stage == Stage::TileProbe;
        let borders = self.borders().filter(|_| stage != Stage::Borders);
        let needed = |placed: &&Placed| match placed.operand {
            Operand::Amplitude if probes => self.descriptor.carry().has_amplitudes(),
            Operand::InitialState if probes => borders.is_some(),
            Operand::CuSeqlens | Operand::Resets => stage == Stage::Borders,
            Operand::FinalStateGradient => false,
            operand => named.iter().any(|&(named, _)| named == operand),
        };
        let told = borders.filter(|_| named.iter().any(|&(operand, _)| operand == Operand::Borders));
        self.operands.iter().filter(needed).copied().chain(told).collect()
    }

    /// The axes in the order in which they are cut, slowest in memory first.
    pub fn cut_order(&self) -> [usize; 3] {
        match self.descriptor.memory_layout() {
            Layout::BatchTimeChannel => [0, 1, 2],
            Layout::TimeBatchChannel => [1, 0, 2],
            Layout::BatchChannelTime => [0, 2, 1],
        }
    }

    /// Bindings of the given operands fit: a constraint for each slot, because an axis that one slot does not gain from may be
    /// the one that another needs cut.
    pub fn binding_constraints<'b>(&'b self, whole: Extent, operands: &[Placed]) -> Vec<Constraint<'b>> {
        let alignment = u64::from(self.limits.min_storage_buffer_offset_alignment);
        let mut slots: Vec<Slot> = operands.iter().map(|placed| placed.view.slot).collect();
        slots.sort_unstable();
        slots.dedup();
        let constraint = |slot| {
            let in_slot: Vec<Placed> = operands.iter().filter(|placed| placed.view.slot == slot).copied().collect();
            Constraint {
                limit: "max_storage_buffer_binding_size",
                allowed: self.limits.binding_bytes(),
                measure: Box::new(move |part| longest_binding(whole, part, alignment, &in_slot)),
            }
        };
        slots.into_iter().map(constraint).collect()
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
        if boxes.is_empty() {
            // No steps, and nothing that lies before or behind them.
            return Ok(());
        }
        boxes.sort_unstable_by_key(|boxed| boxed.operand);
        let vectors = self.vectors(stage, &params, [rows, channels], &boxes);
        let detours = self.detour(stage, &mut boxes, vectors);
        let bindings = self.bindings(stage, &boxes)?;
        let operands = self.place(&mut params, &boxes, &bindings, vectors);
        params.channels = (channels / vectors.width) as u32;
        params.batch /= vectors.rows as u32;
        params.bands = vectors.bands as u32;
        params.rows = params.rows.max(1);
        let surrogates = (stage == Stage::Adjoint).then(|| self.descriptor.surrogate_pair());
        if let Some(surrogates) = surrogates {
            let [gate, [height, scale]] = surrogates.map(Surrogate::params);
            // The derivative of the sign is twice that of its step function.
            params.surrogates = bytemuck::cast([gate, [2.0 * height, scale]]);
        }
        if self.descriptor.carry() == Carry::Decay {
            params.epsilon = self.descriptor.epsilon_value();
        }
        if stage == Stage::Serial && self.descriptor.is_limited() {
            (params.limit, params.beyond) = (self.descriptor.limit_count(), self.descriptor.beyond_pattern());
        }
        let invocations = rows * vectors.bands;
        let grid = self.grid(invocations);
        params.grid_width = grid[0];
        params.items = invocations as u32;

        let accumulates: Vec<Operand> = boxes.iter().filter(|boxed| boxed.accumulates).map(|boxed| boxed.operand).collect();
        let traffic = moved.iter().fold(Traffic::default(), |sum, moved| {
            let Some(boxed) = boxes.iter().find(|boxed| boxed.operand == moved.operand) else { return sum };
            let bytes = self.bytes_of(boxed.region.slot);
            // What is added to is read first.
            let added = if accumulates.contains(&moved.operand) { moved.stores } else { 0 };
            let loads = if boxed.splats() { moved.loads / vectors.width } else { moved.loads };
            Traffic { read: sum.read + bytes * (loads + added), written: sum.written + bytes * moved.stores }
        });
        let descriptor = self.descriptor;
        // The type of a gradient depends on whether it is that of an element.
        let has_amplitudes = stage.has_amplitudes() || boxes.iter().any(|boxed| boxed.region.slot == Slot::AmplitudeGradient);
        let variant = self.number(Variant {
            bindings: bindings.iter().map(|binding| (binding.slot, binding.access)).collect(),
            operands,
            unit: if stage.is_of_unit() { descriptor.unit() } else { Unit::default() },
            carry: stage.carry_of(descriptor.carry()),
            amplitude: if has_amplitudes { descriptor.amplitude_kind() } else { Amplitude::default() },
            gate: stage.gates().then(|| self.gate()),
            element: self.element_in(stage, &boxes),
            saves: self.direction == Direction::Forward && descriptor.saves(),
            packs: matches!(stage, Stage::Serial | Stage::TileApply) && descriptor.packs(),
            packed_sequences: descriptor.sequences_kind().packed().is_some()
                && boxes.iter().any(|boxed| boxed.operand == Operand::Borders),
            meets_borders: matches!(stage, Stage::AdjointTreeReduce | Stage::AdjointTreeScan)
                && descriptor.carry() == Carry::Decay
                && descriptor.sequences_kind().has_borders(),
            surrogates: surrogates.map(|pair| pair.map(Surrogate::name)),
            resumes: stage == Stage::Adjoint && self.resumes,
            accumulates,
            vector_width: vectors.width as u32,
            fold: vectors.fold as u32,
            vector_rows: vectors.rows as u32,
            pairs: vectors.pairs,
            splats: boxes.iter().filter(|boxed| boxed.splats()).map(|boxed| boxed.operand).collect(),
            // A walk back goes down through memory, and one through descending time: both together go up.
            descends: (stage == Stage::Adjoint) != (descriptor.order_of_time() == TimeOrder::Descending),
            one_vector: match stage {
                Stage::Serial => u64::from(params.steps) == vectors.fold,
                Stage::Adjoint => self.whole[1] == vectors.fold,
                _ => false,
            },
            one_word: stage == Stage::Adjoint && self.has_one_word(),
            band: vectors.band as u32,
            steps_ahead: self.steps_ahead(stage, &params, vectors),
            ragged: vectors.band * vectors.bands != channels / vectors.width,
            ..self.plain_variant(stage)
        });
        // A trip of a folded walk takes several steps; before it, it may look back.
        let aggregates = boxes.iter().find(|boxed| stage == Stage::Serial && boxed.operand == Operand::Aggregates);
        let earlier = aggregates.map_or(0, |boxed| boxed.region.extent[1]);
        // What lies behind a part of a stretch can be longer than it.
        let tile_steps = if stage == Stage::AdjointReduce { adjoint::STRETCH } else { params.tile_steps.into() };
        let steps = u64::from(params.steps).min(tile_steps);
        // Words are looked through first where a stretch is reduced.
        let by_words = descriptor.takes_words() || matches!(stage, Stage::AdjointReduce | Stage::Adjoint);
        let words = if by_words { 2 * (steps.div_ceil(32) + 1) } else { 0 };
        let folded = earlier + u64::from(params.rows) * (2 + steps / vectors.fold + words);
        let iterations = if vectors.fold > 1 { folded } else { iterations };
        self.dispatches.push(Dispatch { variant, params, bindings, grid, invocations, iterations, traffic });
        detours.into_iter().try_for_each(|detour| self.pack(detour))
    }

    /// Of scalars, without anything that only some have.
    pub fn plain_variant(&self, stage: Stage) -> Variant {
        Variant {
            stage,
            bindings: Vec::new(),
            operands: Vec::new(),
            unit: Unit::default(),
            carry: Carry::default(),
            amplitude: Amplitude::default(),
            gate: None,
            element: Element::default(),
            narrows: false,
            saves: false,
            packs: false,
            packed_sequences: false,
            meets_borders: false,
            surrogates: None,
            resumes: false,
            accumulates: Vec::new(),
            vector_width: 1,
            fold: 1,
            vector_rows: 1,
            pairs: false,
            splats: Vec::new(),
            descends: false,
            one_vector: false,
            one_word: false,
            band: 1,
            steps_ahead: 1,
            ragged: false,
            workgroup_size: self.tuning.workgroup_size,
            access: self.tuning.access,
        }
    }

    /// Bytes of the elements of a slot.
    pub fn bytes_of(&self, slot: Slot) -> u64 {
        self.descriptor.element_of(slot).bytes()
    }

    /// What decides when a step sets, beside the unit; nothing where there are no thresholds.
    fn gate(&self) -> (Boundary, Threshold) {
        let gated = self.descriptor.unit().is_gated();
        if gated { (self.descriptor.boundary_rule(), self.descriptor.threshold_kind()) } else { Default::default() }
    }

    /// Workgroups along each dimension: as few rows of them as can be.
    pub fn grid(&self, invocations: u64) -> [u32; 3] {
        let workgroups = invocations.div_ceil(u64::from(self.tuning.workgroup_size));
        let per_dimension = u64::from(self.limits.max_compute_workgroups_per_dimension);
        [workgroups.min(per_dimension), workgroups.div_ceil(per_dimension), 1].map(|length| length as u32)
    }

    /// One binding for each slot, around all boxes in it.
    pub fn bindings(&self, stage: Stage, boxes: &[Boxed]) -> Result<Vec<Binding>, Error> {
        let named = stage.operands();
        let stores = |operand| named.iter().any(|&(named, usage)| named == operand && usage.stores());
        let regions: Vec<Region> = boxes.iter().map(|boxed| boxed.region).collect();
        let mut slots: Vec<Slot> = regions.iter().map(|region| region.slot).collect();
        slots.sort_unstable();
        slots.dedup();

        let allowed = u64::from(self.limits.max_storage_buffers_per_shader_stage);
        let count = slots.len() as u64 + self.tuning.access.bindings_of_params();
        if count > allowed {
            let slots = slots.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(Error::TooManyBindings { stage, expected: allowed, actual: count, slots });
        }
        let bind = |slot| {
            let (start, end) = span(&regions, slot);
            let alignment = u64::from(self.limits.min_storage_buffer_offset_alignment);
            let bytes = self.bytes_of(slot);
            let offset = start * bytes / alignment * alignment;
            let (size, longest) = ((end * bytes).next_multiple_of(4) - offset, self.limits.binding_bytes());
            if size > longest {
                let limit = "max_storage_buffer_binding_size";
                return Err(Error::CannotSplit { limit, expected: longest, actual: size });
            }
            let writes = boxes.iter().any(|boxed| boxed.region.slot == slot && stores(boxed.operand));
            let access = match (writes, self.tuning.access) {
                (false, Access::Declared) => BindingAccess::Read,
                _ => BindingAccess::ReadWrite,
            };
            Ok(Binding { slot, access, offset, size })
        };
        slots.into_iter().map(bind).collect()
    }

    /// The number of a variant among those of the plan.
    pub fn number(&mut self, variant: Variant) -> usize {
        self.variants.iter().position(|known| *known == variant).unwrap_or_else(|| {
            self.variants.push(variant);
            self.variants.len() - 1
        })
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
            let bytes = match slot {
                Slot::Scratch => self.scratch_elements.max(self.detour_elements).saturating_mul(4),
                Slot::Saved => self.descriptor.saved_layout().bytes(),
                slot => self.descriptor.slot_bytes(slot)?,
            };
            sized.push((slot, bytes));
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
