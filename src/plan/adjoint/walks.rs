//! How time is cut between the invocations that walk back over it, and what one dispatch takes of a shape.

use super::scratch::{Scratch, rows_of_vector};
use super::{FAN_OUT, STRETCH};
use crate::carry::Carry;
use crate::plan::Plan;
use crate::plan::borders::row_by_row;
use crate::plan::build::Builder;
use crate::plan::split::{Constraint, Extent, Placed, fewest_parts, split};
use crate::{Error, Operand, Sequences, Stage, Strategy};

/// How time is cut between invocations.
#[derive(Clone, Copy)]
pub(super) enum Walks {
    /// One goes over all of a part, and leaves registers for the next.
    Whole,
    /// One goes over so many steps: a stretch, or 32 times a power of two, which is a part of one.
    Tiles(u64),
}

impl Walks {
    pub(super) fn new(builder: &Builder<'_>, strategy: Strategy) -> Self {
        let descriptor = builder.descriptor;
        // What passes the steps behind a part is a factor where they scale, and several things where sequences end there.
        let parts = descriptor.carry() != Carry::Decay && !descriptor.sequences_kind().has_borders();
        let steps = if parts { builder.tuning.steps_back(descriptor.shape(), STRETCH) } else { STRETCH };
        if strategy == Strategy::Serial || descriptor.shape().time <= steps { Self::Whole } else { Self::Tiles(steps) }
    }

    pub(super) fn are_tiles(self) -> bool {
        matches!(self, Self::Tiles(_))
    }

    /// Steps of each walk over so many.
    pub(super) fn steps(self, part: u64) -> u64 {
        match self {
            Self::Whole => part,
            Self::Tiles(steps) => steps,
        }
    }

    /// Walks over so many steps.
    pub(super) fn count(self, part: u64) -> u64 {
        match self {
            Self::Whole => 1,
            Self::Tiles(steps) => part.div_ceil(steps),
        }
    }

    /// Steps of a part of a stretch, if that is what is walked over.
    pub(super) fn part_of_stretch(self) -> Option<u64> {
        match self {
            Self::Tiles(steps) if steps < STRETCH => Some(steps),
            _ => None,
        }
    }

    /// Steps that give one term of a sum: the blocks of stretches are summed apart where no walk goes over all of them.
    pub(super) fn term_steps(self) -> u64 {
        if self.part_of_stretch().is_some() { FAN_OUT } else { STRETCH }
    }
}

/// Steps, or words, that lie behind each tile of `tile` of them in its stretch of `stretch`, added over all tiles.
pub(super) fn behind(steps: u64, tile: u64, stretch: u64) -> u64 {
    let of_stretch = |steps: u64| {
        let tiles = steps.div_ceil(tile);
        tiles.saturating_sub(1) * steps - tile * (tiles * tiles.saturating_sub(1) / 2)
    };
    steps / stretch * of_stretch(stretch) + of_stretch(steps % stretch)
}

/// Channels that are worked on together, and what one dispatch takes of them.
pub(super) struct Cut {
    pub group: Extent,
    pub part: Extent,
    /// The same for rows without time.
    pub rows: Extent,
}

pub(super) fn cut(builder: &Builder<'_>, walks: Walks) -> Result<Cut, Error> {
    let whole = builder.whole;
    let [batch, time, _] = whole;
    let width = builder.vector_width;
    let order = builder.cut_order();
    let resets = builder.descriptor.sequences_kind() == Sequences::Resets;
    let by_rows = resets || builder.summed.iter().any(|summed| summed.is_of_stretches() && summed.rows(batch) == batch);
    let vectors = move |part: Extent| part[0] * part[2].div_ceil(width);
    // Sums go over all rows, so that only channels are cut into groups.
    let group = split(
        whole,
        [batch.max(1), time.max(1), width],
        order,
        &[
            Constraint {
                limit: "max_storage_buffer_binding_size",
                allowed: builder.scratch_bytes(),
                measure: Box::new(move |part| Scratch::new(builder, part, walks, !walks.are_tiles()).elements.saturating_mul(4)),
            },
            builder.grid_constraint(move |part| {
                // A summary of no steps has a node, too.
                let nodes = if walks.are_tiles() { time.div_ceil(STRETCH).div_ceil(FAN_OUT).max(1) } else { 0 };
                let together = (batch * time.div_ceil(STRETCH)).div_ceil(FAN_OUT);
                // A sum of no terms has a node, too.
                let apart = if by_rows { batch * time.div_ceil(STRETCH).div_ceil(FAN_OUT).max(1) } else { 0 };
                let of_blocks = if walks.part_of_stretch().is_some() { batch * time.div_ceil(STRETCH) } else { 0 };
                let sums = part[2].div_ceil(width) * together.max(apart).max(of_blocks).max(1);
                sums.max(vectors(part).saturating_mul(nodes))
            }),
        ],
    )?;
    let walked = builder.placed(Stage::Adjoint);
    let mut constraints = vec![
        Constraint {
            limit: "the iterations of an invocation",
            allowed: Plan::MAX_ITERATIONS,
            measure: Box::new(move |part| walk_iterations(walks.steps(part[1]))),
        },
        builder.grid_constraint(move |part| vectors(part) * walks.count(part[1])),
    ];
    constraints.extend(builder.binding_constraints(whole, &walked));
    constraints.extend(builder.detour_constraint());
    constraints.push(builder.work_constraint());
    // Of whole vectors of rows, unless only single rows fit.
    let rows = rows_of_vector(builder, walks, whole);
    let cut = |steps| {
        let cut = |rows| split(group, [rows, steps, width], order, &constraints);
        cut(rows).or_else(|_| cut(1))
    };
    // Parts of whole stretches or blocks, unless rows are so long that single steps make fewer.
    let part = if walks.are_tiles() { cut(STRETCH)? } else { fewest_parts(group, [STRETCH, FAN_OUT, 1].map(cut))? };
    let handed = [Operand::FinalStateGradient, Operand::InitialStateGradient];
    let handed = builder.operands.iter().filter(|placed| handed.contains(&placed.operand));
    let handed: Vec<Placed> = handed.map(|placed| row_by_row(*placed)).collect();
    let state_rows = builder.descriptor.state_rows();
    let mut of_rows = vec![builder.grid_constraint(vectors)];
    of_rows.extend(builder.binding_constraints([state_rows, 1, whole[2]], &handed));
    of_rows.extend(builder.detour_constraint());
    let rows = split([state_rows, 1, group[2]], [1, 1, width], order, &of_rows)?;
    Ok(Cut { group, part, rows })
}

/// A row, its steps and its blocks; a part can begin and end within a block.
pub(super) fn walk_iterations(steps: u64) -> u64 {
    1 + steps + steps.div_ceil(FAN_OUT) + 1
}
