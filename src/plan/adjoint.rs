//! The backward pass: a walk from the end of time to its beginning, or a tree over stretches of 1,024 steps and a walk over
//! each, or over each of its parts; then the sums over the axes that gradients lack.

mod group;
mod scratch;
mod walks;

use group::Group;
use scratch::{Level, Scratch, rows_of_vector};
use walks::{Walks, cut};

use super::build::Builder;
use super::split::{Axes, Placed, part_count, parts};
use super::{sums, tiles};
use crate::{Descriptor, Error, Operand, Shape, Strategy, SummaryOf};

/// Children of a node, terms of a sum, steps of a block.
pub(super) const FAN_OUT: u64 = 32;
/// Steps that give one term of a sum, and that one invocation walks over at most when there are few channels.
pub(super) const STRETCH: u64 = FAN_OUT * FAN_OUT;

/// The longest chain of additions: within blocks, within 32 of them and so on, then over the levels; sums over batch and time
/// first over the blocks of a stretch, and over channels last.
pub(super) fn depth(descriptor: &Descriptor) -> u64 {
    let Shape { batch, time, channels } = descriptor.shape();
    // Adding a first term to zero rounds nothing, but is counted. Adding the zero of a level that is not there is not.
    let chain = |mut terms: u64| {
        let (mut depth, mut levels) = (0, 0);
        while terms > 1 {
            depth += terms.min(FAN_OUT);
            levels += 1;
            terms = terms.div_ceil(FAN_OUT);
        }
        depth + levels
    };
    // What comes from beyond is one more term.
    let gradient = chain(time) + 2;
    let of_channels = if sums::go_over_channels(descriptor) { chain(channels) } else { 0 };
    let sum = chain(time.min(STRETCH)) + chain(batch.saturating_mul(time.div_ceil(STRETCH))) + of_channels;
    gradient.max(sum)
}

pub(super) fn build(builder: &mut Builder<'_>, strategy: Strategy) -> Result<(), Error> {
    let [batch, time, _] = builder.whole;
    let mut walks = Walks::new(builder, strategy);
    sums::take(builder);
    let cut = match cut(builder, walks) {
        // A stretch that does not fit is walked over in parts of time.
        Err(Error::CannotSplit { .. }) if walks.are_tiles() && time <= STRETCH => {
            walks = Walks::Whole;
            cut(builder, walks)?
        }
        cut => cut?,
    };
    builder.resumes = !walks.are_tiles() && cut.part[1] < time;
    builder.vector_rows = rows_of_vector(builder, walks, cut.part);
    // At most three dispatches and the copies of two rows a part, and a bounded number beside them in each group.
    let state_rows = [builder.descriptor.state_rows(), 1, cut.group[2]];
    let parts_of_group = part_count(cut.group, cut.part).saturating_add(part_count(state_rows, cut.rows));
    let dispatches = parts_of_group.saturating_mul(3).saturating_add(64);
    builder.check_dispatches(part_count(builder.whole, cut.group).saturating_mul(dispatches))?;
    for (origin, extent) in parts([batch, time, builder.whole[2]], cut.group) {
        let scratch = Scratch::new(builder, extent, walks, builder.resumes);
        builder.scratch_elements = builder.scratch_elements.max(scratch.elements);
        let group = Group { origin, extent, scratch };
        group.run(builder, walks, &cut)?;
    }
    sums::finish(builder)
}

/// What all steps together do to a gradient from behind: stretches, and an up-sweep over them.
pub(super) fn summarize(builder: &mut Builder<'_>) -> Result<(), Error> {
    let walks = Walks::Tiles(STRETCH);
    let cut = cut(builder, walks)?;
    let dispatches = part_count(cut.group, cut.part).saturating_add(8);
    builder.check_dispatches(part_count(builder.whole, cut.group).saturating_mul(dispatches))?;
    for (origin, extent) in parts(builder.whole, cut.group) {
        let mut scratch = Scratch::new(builder, extent, walks, false);
        builder.scratch_elements = builder.scratch_elements.max(scratch.elements);
        let view = tiles::summary(builder, SummaryOf::Gradient, origin);
        if scratch.levels.is_empty() {
            // Without steps all passes.
            let none = Placed::new(Operand::Stretches, view, Axes::Element);
            scratch.levels.push(Level { nodes: 0, stretches: none, beyond: none });
            scratch.levels.push(Level { nodes: 1, stretches: none, beyond: none });
        }
        scratch.levels.last_mut().expect("there is a level").stretches.view = view;
        let group = Group { origin, extent, scratch };
        for (origin, part) in parts(extent, cut.part).filter(|(_, part)| part[1] > 0) {
            group.reduce(builder, origin, part)?;
        }
        for level in 1..group.scratch.levels.len() {
            group.reduce_nodes(builder, level)?;
        }
    }
    Ok(())
}
