//! Unpacking: a tile of packed states an invocation, whatever the strategy.

use super::build::{Builder, Launch, Moved};
use super::split::{Constraint, Extent, fewest_parts, part_count, parts, split};
use crate::{Error, Operand, Params, SavedLayout, Stage};

/// Steps of a word.
const WORD: u64 = SavedLayout::STEPS_PER_WORD;

pub(super) fn build(builder: &mut Builder<'_>) -> Result<(), Error> {
    let longest = builder.tuning.tile_steps_of(builder.descriptor.shape());
    // Where a whole tile of long rows does not fit a binding, a word may, or some steps of one.
    let cuts = [(longest, longest), (WORD, WORD), (1, WORD)].map(|(granule, steps)| (steps, cut(builder, granule, steps)));
    let part = fewest_parts(builder.whole, cuts.iter().map(|(_, cut)| cut.clone()))?;
    let steps = cuts.iter().find(|(_, cut)| *cut == Ok(part)).map_or(WORD, |&(steps, _)| steps);
    builder.check_dispatches(part_count(builder.whole, part))?;
    for (origin, part) in parts(builder.whole, part).filter(|(_, part)| part[1] > 0) {
        unpack(builder, steps, origin, part)?;
    }
    Ok(())
}

/// What one dispatch takes: tiles of so many steps, or less than one.
fn cut(builder: &Builder<'_>, granule: u64, steps: u64) -> Result<Extent, Error> {
    let (whole, width) = (builder.whole, builder.vector_width);
    let invocations = move |part: Extent| part[0].saturating_mul(part[1].div_ceil(steps)).saturating_mul(part[2].div_ceil(width));
    let mut constraints = vec![builder.grid_constraint(invocations)];
    constraints.extend(builder.binding_constraints(whole, &builder.placed(Stage::Unpack)));
    constraints.extend(builder.detour_constraint());
    constraints.push(builder.work_constraint());
    if granule < WORD {
        constraints.push(Constraint { limit: "the steps of a word", allowed: WORD - 1, measure: Box::new(|part| part[1]) });
    }
    split(whole, [1, granule, width], builder.cut_order(), &constraints)
}

fn unpack(builder: &mut Builder<'_>, tile_steps: u64, origin: Extent, part: Extent) -> Result<(), Error> {
    let [batch, steps, channels] = part;
    let tiles = steps.div_ceil(tile_steps);
    let rows = batch * tiles * channels;
    let words = (origin[1] + steps).div_ceil(WORD) - origin[1] / WORD;
    let boxes = builder.placed(Stage::Unpack).iter().map(|placed| placed.boxed(origin, part)).collect::<Result<_, _>>()?;
    let launch = Launch {
        stage: Stage::Unpack,
        params: Params {
            batch: batch as u32,
            steps: steps as u32,
            nodes: tiles as u32,
            tile_steps: tile_steps as u32,
            time_origin: origin[1] as u32,
            time_total: builder.whole[1] as u32,
            ..Params::default()
        },
        rows: batch * tiles,
        // A part of a word can lie in two.
        iterations: tile_steps + tile_steps / WORD + 1,
        moved: vec![
            Moved::loads(Operand::PackedStates, batch * words * channels),
            Moved::loads(Operand::FirstSet, rows),
            Moved::loads(Operand::Amplitude, rows),
            Moved::loads(Operand::InitialState, rows),
            Moved::stores(Operand::States, batch * steps * channels),
        ],
    };
    builder.push(launch, channels, boxes)
}
