//! Where everything that lies between the dispatches of a backward pass lies in scratch.

use super::walks::Walks;
use super::{FAN_OUT, STRETCH};
use crate::carry::Carry;
use crate::plan::build::{Builder, scratch_view};
use crate::plan::split::{Axes, Extent, Placed};
use crate::plan::sums;
use crate::{Descriptor, Operand, Sequences, Slot, Stage, Unit};

/// Registers that a walk keeps between two parts of time; `load_walk` in `shaders/adjoint.wgsl` numbers them. Two of rows with borders
/// come behind all others.
pub(super) fn registers(descriptor: &Descriptor) -> u64 {
    if descriptor.sequences_kind().has_borders() { 16 } else { moved_registers(descriptor) }
}

/// Those of them that the descriptor has.
pub(super) fn moved_registers(descriptor: &Descriptor) -> u64 {
    let of_borders = if descriptor.sequences_kind().has_borders() { 2 } else { 0 };
    of_borders
        + match (descriptor.carry(), descriptor.unit()) {
            (Carry::Decay, _) => 13,
            (_, Unit::FirstQuadrant) => 14,
            _ => 12,
        }
}

/// Whether the walk that comes to the beginning of a row stores the gradient of its initial state where the caller wants it: if one sequence
/// begins there, a binding is left for it beside one of scratch, and it would take no detour. Otherwise it goes through scratch.
fn stores_initial_state(builder: &Builder<'_>, detours: bool) -> bool {
    let mut slots: Vec<Slot> =
        builder.placed(Stage::Adjoint).iter().map(|placed| placed.view.slot).chain([Slot::Scratch]).collect();
    slots.sort_unstable();
    slots.dedup();
    let bindings = slots.len() as u64 + builder.tuning.access.bindings_of_params();
    builder.descriptor.sequences_kind() == Sequences::Rows
        && !detours
        && bindings <= builder.limits.max_storage_buffers_per_shader_stage.into()
}

/// Where everything of a group lies in scratch.
pub(super) struct Scratch {
    /// The incoming gradient of the final state, or of those of packed sequences.
    pub beyond: Option<Placed>,
    /// None, too, where walks store it themselves.
    pub initial_state_gradient: Option<Placed>,
    pub registers: Option<Placed>,
    /// The sums over stretches.
    pub sums: Vec<Sums>,
    /// What the steps behind each part of a stretch pass on to it.
    pub within: Option<Placed>,
    /// Stretches of 1,024 steps, then the levels of the tree above them. Empty if one walk goes over all of time.
    pub levels: Vec<Level>,
    pub elements: u64,
}

/// Batch rows of the vectors of walks over parts of this extent. They take no detour.
pub(super) fn rows_of_vector(builder: &Builder<'_>, walks: Walks, part: Extent) -> u64 {
    let scratch = Scratch::new(builder, builder.whole, walks, builder.resumes);
    let stores = stores_initial_state(builder, false);
    let of_caller = builder.placed(Stage::Adjoint).into_iter();
    let mut walked: Vec<Placed> = of_caller.filter(|placed| placed.operand != Operand::InitialStateGradient || stores).collect();
    let of_rows = [scratch.beyond, scratch.initial_state_gradient, scratch.registers, scratch.within];
    walked.extend(of_rows.into_iter().flatten());
    walked.extend(scratch.sums.iter().map(|sums| sums.blocks.unwrap_or(sums.terms)));
    builder.rows_of_vector(&walked, part)
}

pub(super) struct Sums {
    /// Where they end: in this scratch, or where the whole of an output lies.
    pub output: Placed,
    pub in_scratch: bool,
    /// Rows that are summed apart, and terms of each.
    pub rows: u64,
    pub count: u64,
    pub terms: Placed,
    /// What walks leave, if those are the terms of blocks.
    pub blocks: Option<Placed>,
    /// Where the levels between lie in scratch.
    pub between: u64,
}

pub(super) struct Level {
    pub nodes: u64,
    pub stretches: Placed,
    pub beyond: Placed,
}

impl Scratch {
    pub(super) fn new(builder: &Builder<'_>, [batch, time, channels]: Extent, walks: Walks, resumes: bool) -> Self {
        let mut elements = builder.border_words().max(builder.lasting_words);
        let mut place = |operand, rows: u64, length: u64, axes| {
            // Where vectors hold several rows, each begins with a whole one.
            elements = elements.checked_next_multiple_of(4).unwrap_or(u64::MAX);
            let view = scratch_view(elements, [rows, length, channels]);
            elements = elements.saturating_add(rows.saturating_mul(length).saturating_mul(channels));
            Placed::new(operand, view, axes)
        };
        let output = |operand| builder.operands.iter().find(|placed| placed.operand == operand).copied();
        let sequences = builder.descriptor.sequences_kind();
        let (state_rows, state_axes) = (builder.descriptor.state_rows(), builder.descriptor.state_axes());
        // What comes from beyond a row comes to its last step; packed sequences end within.
        let incoming = if sequences.packed().is_some() { Operand::FinalStateGradient } else { Operand::Beyond };
        let beyond = output(Operand::FinalStateGradient).map(|_| place(incoming, state_rows, 1, state_axes));
        let resets = sequences == Sequences::Resets;
        // Vectors of several rows take no detour.
        let detours = builder.detours() && builder.vector_rows == 1;
        let initial_state_gradient = output(Operand::InitialStateGradient)
            .filter(|_| !stores_initial_state(builder, detours))
            .map(|_| place(Operand::InitialStateGradient, state_rows, 1, state_axes));
        let registers = resumes.then(|| place(Operand::Registers, batch, registers(builder.descriptor), Axes::Element));

        let stretches = time.div_ceil(STRETCH);
        // What comes to the initial state takes the way of what is no sum from there.
        let of_initial_state = initial_state_gradient.filter(|_| resets && time > 0);
        let of_initial_state = of_initial_state.map(|output| (Operand::InitialStateTerms, output, batch));
        let summed = builder.summed.iter().filter(|summed| summed.is_of_stretches());
        let summed = summed.map(|summed| (summed.terms, summed.of_stretches(), summed.rows(batch)));
        let sums = summed.chain(of_initial_state).map(|(terms, output, rows)| {
            let in_scratch = terms == Operand::InitialStateTerms;
            let count = (batch * stretches).checked_div(rows).unwrap_or(0);
            let mut place_terms = |steps| place(terms, batch, time.div_ceil(steps), Axes::Tile { steps, words: 1 });
            let blocks = walks.part_of_stretch().map(|_| place_terms(walks.term_steps()));
            let terms = place_terms(STRETCH);
            let between = place(Operand::Sum, 1, sums::between_words([rows, count, 1]), Axes::Element);
            Sums { output, in_scratch, rows, count, terms, blocks, between: between.view.offset }
        });
        let sums = sums.collect();

        let parts = walks.part_of_stretch();
        let within = parts.map(|steps| place(Operand::Within, batch, 2 * time.div_ceil(steps), Axes::Tile { steps, words: 2 }));
        let mut levels = Vec::new();
        let mut nodes = if walks.are_tiles() { stretches } else { 0 };
        while nodes > 0 {
            let stretches = place(Operand::Stretches, batch, 2 * nodes, Axes::Element);
            levels.push(Level { nodes, stretches, beyond: place(Operand::Beyond, batch, nodes, Axes::Element) });
            nodes = if nodes > 1 { nodes.div_ceil(FAN_OUT) } else { 0 };
        }
        Self { beyond, initial_state_gradient, registers, sums, within, levels, elements }
    }
}
