//! Serial: an invocation walks over all steps of its channels. Parts of time hand the state on.

use super::Plan;
use super::build::{Builder, Launch, Moved, scratch_view};
use super::split::{Axes, Constraint, Extent, Placed, fewest_parts, part_count, parts, split};
use crate::carry::Carry;
use crate::{Element, Error, Operand, Params, Slot, Stage};

/// What is carried from one part of time to the next: where the last will be, or in scratch if nobody wants that.
struct Rest {
    /// What it stands for behind the first part, if anything.
    replaces: Operand,
    enters: Operand,
    leaves: Placed,
}

/// What rests between parts of time, and the words of scratch that it takes.
fn rests(builder: &Builder<'_>, operands: &[Placed]) -> (Vec<Rest>, u64) {
    let base = builder.border_words();
    if builder.borders().is_some() {
        // The initial state is still needed.
        let [batch, _, channels] = builder.whole;
        let count = if builder.descriptor.carry() == Carry::Age { 2 } else { 1 };
        let leaves = Placed::new(Operand::Registers, scratch_view(base, [batch, count, channels]), Axes::Lines { count });
        let rest = Rest { replaces: Operand::Registers, enters: Operand::Registers, leaves };
        return (vec![rest], [batch, count, channels].into_iter().fold(1, u64::saturating_mul).saturating_add(base));
    }
    const STATE: [Operand; 3] = [Operand::InitialState, Operand::InitialState, Operand::FinalState];
    const COUNT: [Operand; 3] = [Operand::InitialCount, Operand::InitialCount, Operand::FinalCount];
    // A sum is not rounded before its last step.
    const SUM: [Operand; 3] = [Operand::InitialState, Operand::Registers, Operand::Registers];
    let carried: &[[Operand; 3]] = match builder.descriptor.carry() {
        Carry::Count => &[COUNT],
        Carry::Age => &[STATE, COUNT],
        Carry::Decay | Carry::Sum if builder.descriptor.element_type() != Element::F32 => &[SUM],
        // Where no state is made of its bit, the bit rests with the first set step.
        Carry::Codes if !builder.descriptor.resolves() => &[],
        _ => &[STATE],
    };
    let row_elements = [builder.whole[0], 1, builder.whole[2]];
    let mut scratch: u64 = 0;
    let mut rest = |&[replaces, enters, leaves]: &[Operand; 3]| {
        let wanted = operands.iter().find(|placed| placed.operand == leaves).copied();
        let leaves = wanted.unwrap_or_else(|| {
            let placed = Placed::new(leaves, scratch_view(scratch, row_elements), Axes::Row);
            scratch = scratch.saturating_add(row_elements.into_iter().fold(1, u64::saturating_mul));
            placed
        });
        Rest { replaces, enters, leaves }
    };
    (carried.iter().map(&mut rest).collect(), scratch)
}

pub(super) fn build(builder: &mut Builder<'_>) -> Result<(), Error> {
    let whole = builder.whole;
    let mut operands = builder.placed(Stage::Serial);
    let (rests, scratch) = rests(builder, &operands);
    let part = part_extent(builder, &operands, &rests)?;
    if part[1] < whole[1] {
        builder.scratch_elements = builder.scratch_elements.max(scratch);
    }
    let bordered = builder.borders().is_some();
    if whole[1] == 0 && builder.descriptor.sequences_kind().packed().is_some_and(|count| count > 0) {
        // All are empty; where there is none, the amplitudes are saved all the same.
        return Ok(());
    }
    builder.vector_rows = builder.rows_of_vector(&operands, part);
    operands.retain(|placed| rests.iter().all(|rest| placed.operand != rest.leaves.operand));
    builder.check_dispatches(part_count(whole, part))?;

    for (origin, extent) in parts(whole, part) {
        let [_, first_step, _] = origin;
        let is_last = first_step + extent[1] == whole[1];
        let mut present: Vec<Placed> = operands.iter().filter(|placed| placed.is_here(origin)).copied().collect();
        // Where the state is not what rests, only the last part has it.
        present.retain(|placed| is_last || placed.operand != Operand::FinalState || placed.axes != Axes::Row);
        // What has a row for each batch row: the last part has it.
        present.retain(|placed| is_last || !bordered || placed.operand != Operand::FinalCount || placed.axes != Axes::Row);
        for &Rest { replaces, enters, leaves } in &rests {
            if first_step > 0 {
                present.retain(|placed| placed.operand != replaces);
                present.push(Placed { operand: enters, ..leaves });
            }
            if !(is_last && leaves.view.slot == Slot::Scratch || present.iter().any(|placed| placed.operand == leaves.operand)) {
                present.push(leaves);
            }
        }
        let boxes = present.iter().map(|placed| placed.boxed(origin, extent)).collect::<Result<_, _>>()?;
        builder.push(launch(builder, origin, extent), extent[2], boxes)?;
    }
    Ok(())
}

fn part_extent(builder: &Builder<'_>, operands: &[Placed], rests: &[Rest]) -> Result<Extent, Error> {
    let whole = builder.whole;
    let width = builder.vector_width;
    let words = walks_by_words(builder);
    let bound: Vec<Placed> = operands.iter().copied().chain(rests.iter().map(|rest| rest.leaves)).collect();
    let mut constraints = vec![
        Constraint {
            limit: "the iterations of an invocation",
            allowed: Plan::MAX_ITERATIONS,
            measure: Box::new(move |part| 1 + iterations(part[1], words)),
        },
        builder.grid_constraint(move |part| part[0] * part[2].div_ceil(width)),
    ];
    let (_, bands) = builder.bands(Stage::Serial, whole[0], whole[2] / width);
    if bands > u64::from(builder.tuning.workgroup_size) {
        // Never less than a word of steps: this is about speed.
        let allowed = builder.tuning.max_shared_elements.max(32 * whole[2]);
        let measure = Box::new(move |part: Extent| part[1].saturating_mul(whole[2]));
        constraints.push(Constraint { limit: "max_shared_elements", allowed, measure });
    }
    constraints.extend(builder.binding_constraints(whole, &bound));
    constraints.extend(builder.detour_constraint());
    constraints.push(builder.work_constraint());
    // Parts of whole vectors of rows, and of whole words, unless single rows, or single steps of long ones, make fewer.
    let rows = builder.rows_of_vector(operands, whole);
    let cut = |[rows, steps]: [u64; 2]| split(whole, [rows, steps, width], builder.cut_order(), &constraints);
    fewest_parts(whole, [[rows, 32], [1, 32], [1, 1]].map(cut))
}

/// Whether a walk goes from word to word: it stores one, or is told one of the steps in it.
fn walks_by_words(builder: &Builder<'_>) -> bool {
    let descriptor = builder.descriptor;
    descriptor.takes_words() || builder.borders().is_some() || descriptor.is_masked()
}

/// Outer and inner loop together. A part can begin in the middle of a word.
fn iterations(steps: u64, words: bool) -> u64 {
    if words { steps + steps.div_ceil(32) + 1 } else { steps + 1 }
}

fn launch(builder: &Builder<'_>, origin: Extent, extent: Extent) -> Launch {
    let [batch, steps, channels] = extent;
    // Short rows are taken several at a time.
    let turns = u64::from(builder.tuning.min_steps).checked_div(steps).unwrap_or(1).clamp(1, batch / builder.vector_rows);
    let rows_each = turns * builder.vector_rows;
    let groups = batch.div_ceil(rows_each);
    let rows = batch * channels;
    let elements = rows * steps;
    let words = (origin[1] + steps).div_ceil(32) - origin[1] / 32;
    // A word that the part before began is completed.
    let lines = builder.descriptor.carry().code_lines();
    let begun = if origin[1].is_multiple_of(32) { 0 } else { rows };
    let thresholds = builder.threshold_loads(elements, groups * channels * steps.min(1));
    // At most: all sequences can lie in this part.
    let handed = rows + builder.sequence_rows() * channels;
    let begun_states = builder.beginnings(extent);
    // One that begins is loaded again where it is saved.
    let copied =
        if builder.descriptor.saves() { builder.descriptor.sequences_kind().packed().map_or(0, |_| begun_states) } else { 0 };
    let registers = if builder.borders().is_some() && builder.descriptor.carry() == Carry::Age { 2 * rows } else { rows };
    Launch {
        stage: Stage::Serial,
        params: Params {
            batch: batch as u32,
            steps: steps as u32,
            nodes: 1,
            rows: turns as u32,
            tile_steps: steps.max(1) as u32,
            time_origin: origin[1] as u32,
            time_total: builder.whole[1] as u32,
            ..Params::default()
        },
        rows: groups,
        iterations: turns * (1 + iterations(steps, walks_by_words(builder))),
        moved: vec![
            Moved::loads(Operand::Candidate, elements),
            Moved::loads(Operand::Threshold, thresholds),
            Moved::loads(Operand::LowThreshold, thresholds),
            Moved::loads(Operand::Amplitude, builder.amplitude_loads(elements, groups * channels)),
            Moved::loads(Operand::InitialState, rows + begun_states + copied),
            Moved::stores(Operand::States, elements),
            Moved::loads(Operand::Validity, words * rows),
            Moved::loads(Operand::InitialCount, rows + begun_states),
            Moved::loads(Operand::Borders, builder.told(extent, rows, words * rows)),
            Moved::stores(Operand::FinalState, handed),
            Moved::stores(Operand::Counts, elements),
            Moved::stores(Operand::FinalCount, handed),
            Moved { operand: Operand::Codes, loads: lines * begun, stores: lines * words * rows },
            Moved { operand: Operand::PackedStates, loads: begun, stores: words * rows },
            Moved {
                operand: Operand::Registers,
                loads: if origin[1] > 0 { registers } else { 0 },
                stores: if origin[1] + steps < builder.whole[1] { registers } else { 0 },
            },
            Moved { operand: Operand::FirstSet, loads: if origin[1] > 0 { rows } else { 0 }, stores: rows },
            Moved::stores(Operand::SavedInitialState, rows.max(copied)),
            Moved::stores(Operand::SavedAmplitude, channels),
        ],
    }
}
