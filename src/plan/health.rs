//! Health: records of 1,024 steps each, a tree that joins those of a sequence, and then a sum over the sequences.

use super::Plan;
use super::build::{Builder, Launch, Moved, scratch_view};
use super::split::{Axes, Boxed, Constraint, Extent, Placed, part_count, parts, split};
use crate::{Error, Health, HealthSource, Operand, Params, Slot, Stage, Strides, View};

/// Children of a node, sequences of a sum.
const FAN_OUT: u64 = 32;
/// Steps of a leaf.
const STRETCH: u64 = FAN_OUT * FAN_OUT;
/// Steps of a word.
const WORD: u64 = 32;
/// Words of a record, and of totals; `shaders/health.wgsl` and `shaders/health_sum.wgsl` number them.
const RECORD: u64 = 8;
const TOTALS: u64 = Health::LINES;

pub(super) fn build(builder: &mut Builder<'_>, source: HealthSource) -> Result<(), Error> {
    let stage = match source {
        HealthSource::Saved => Stage::HealthReduce,
        HealthSource::Inputs => Stage::HealthClassify,
    };
    let cut = cut(builder, stage)?;
    // A dispatch a part, and at most 14 for the levels of a group.
    let dispatches = part_count(cut.group, cut.part).saturating_add(14);
    builder.check_dispatches(part_count(builder.whole, cut.group).saturating_mul(dispatches))?;
    for (origin, extent) in parts(builder.whole, cut.group) {
        let scratch = Scratch::new(extent);
        builder.scratch_elements = builder.scratch_elements.max(scratch.elements);
        Group { origin, extent, scratch }.run(builder, stage, cut.part)?;
    }
    Ok(())
}

/// Channels that are worked on together, with all sequences and all of time; and what one dispatch takes of them.
struct Cut {
    group: Extent,
    part: Extent,
}

fn cut(builder: &Builder<'_>, stage: Stage) -> Result<Cut, Error> {
    let whole = builder.whole;
    let [batch, time, _] = whole;
    let order = builder.cut_order();
    let group = split(
        whole,
        [batch.max(1), time.max(1), 1],
        order,
        &[
            Constraint {
                limit: "max_storage_buffer_binding_size",
                allowed: builder.limits.binding_bytes(),
                measure: Box::new(|part| Scratch::new(part).elements.saturating_mul(4)),
            },
            builder.grid_constraint(move |part| {
                // One stretch needs no joining.
                let nodes = if time > STRETCH { time.div_ceil(STRETCH).div_ceil(FAN_OUT) } else { 0 };
                let joins = batch.saturating_mul(nodes);
                part[2].saturating_mul(joins.max(batch.div_ceil(FAN_OUT)).max(1))
            }),
        ],
    )?;
    let read: Vec<Placed> = builder.placed(stage);
    let mut constraints =
        vec![builder.grid_constraint(|part| part[0].saturating_mul(part[2]).saturating_mul(part[1].div_ceil(STRETCH)))];
    for mut constraint in builder.binding_constraints(whole, &read) {
        let measure = constraint.measure;
        constraint.measure = Box::new(move |part| measure(reach(stage, part, time)));
        constraints.push(constraint);
    }
    constraints.push(builder.work_constraint());
    let part = split(group, [1, STRETCH, 1], order, &constraints)?;
    Ok(Cut { group, part })
}

/// What a part reads: of what is saved the signs behind its last step, too.
fn reach(stage: Stage, [batch, steps, channels]: Extent, time_left: u64) -> Extent {
    let steps = if stage == Stage::HealthReduce { (steps + WORD).min(time_left) } else { steps };
    [batch, steps, channels]
}

/// Where everything of a group lies in scratch.
struct Scratch {
    /// The records of the stretches, then those of the levels of the tree above them, each with its number of nodes.
    records: Vec<(Placed, u64)>,
    /// The totals of each level that is not the last, each with its number of nodes.
    totals: Vec<(Placed, u64)>,
    elements: u64,
}

impl Scratch {
    fn new([batch, time, channels]: Extent) -> Self {
        let mut elements: u64 = 0;
        let mut place = |operand, rows: u64, length: u64, axes| {
            let view = scratch_view(elements, [rows, length, channels]);
            elements = elements.saturating_add(rows.saturating_mul(length).saturating_mul(channels));
            Placed::new(operand, view, axes)
        };
        let (mut records, mut totals) = (Vec::new(), Vec::new());
        let mut nodes = if batch == 0 { 0 } else { time.div_ceil(STRETCH) };
        while nodes > 0 {
            records.push((place(Operand::Records, batch, RECORD * nodes, Axes::Element), nodes));
            nodes = if nodes > 1 { nodes.div_ceil(FAN_OUT) } else { 0 };
        }
        nodes = if records.is_empty() { 0 } else { batch.div_ceil(FAN_OUT) };
        while nodes > 1 {
            totals.push((place(Operand::Totals, 1, TOTALS * nodes, Axes::Element), nodes));
            nodes = nodes.div_ceil(FAN_OUT);
        }
        Self { records, totals, elements }
    }
}

struct Group {
    origin: Extent,
    extent: Extent,
    scratch: Scratch,
}

impl Group {
    fn run(&self, builder: &mut Builder<'_>, stage: Stage, part: Extent) -> Result<(), Error> {
        if let Some(&(leaves, _)) = self.scratch.records.first() {
            for (origin, part) in parts(self.extent, part) {
                self.reduce(builder, stage, leaves, origin, part)?;
            }
        }
        for level in 1..self.scratch.records.len() {
            self.join(builder, level)?;
        }
        self.sum(builder)
    }

    fn reduce(&self, builder: &mut Builder<'_>, stage: Stage, leaves: Placed, origin: Extent, part: Extent) -> Result<(), Error> {
        let [batch, steps, channels] = part;
        let tiles = steps.div_ceil(STRETCH);
        let absolute = core::array::from_fn(|axis| self.origin[axis] + origin[axis]);
        let first = RECORD * (origin[1] / STRETCH);
        let mut boxes = vec![leaves.boxed([origin[0], first, origin[2]], [batch, RECORD * tiles, channels])?];
        for placed in builder.placed(stage) {
            boxes.push(placed.boxed(absolute, reach(stage, part, builder.whole[1] - absolute[1]))?);
        }
        let (elements, rows) = (batch * steps * channels, batch * tiles * channels);
        let thresholds = builder.threshold_loads(elements, rows);
        let is_last = absolute[1] + steps == builder.whole[1];
        // Two words for 32 steps, and the signs behind each tile but the last.
        let ends = if is_last { tiles - 1 } else { tiles };
        let launch = Launch {
            stage,
            params: Params {
                batch: batch as u32,
                steps: steps as u32,
                nodes: tiles as u32,
                tile_steps: STRETCH as u32,
                time_origin: absolute[1] as u32,
                time_total: builder.whole[1] as u32,
                ..Params::default()
            },
            rows: batch * tiles,
            iterations: iterations(stage, steps.min(STRETCH)),
            moved: vec![
                Moved::loads(Operand::Candidate, elements),
                Moved::loads(Operand::Threshold, thresholds),
                Moved::loads(Operand::LowThreshold, thresholds),
                Moved::loads(Operand::Codes, batch * channels * (2 * steps.div_ceil(WORD) + ends)),
                Moved::stores(Operand::Records, RECORD * rows),
            ],
        };
        builder.push(launch, channels, boxes)
    }

    fn join(&self, builder: &mut Builder<'_>, level: usize) -> Result<(), Error> {
        let [batch, _, channels] = self.extent;
        let ((below, children), (records, nodes)) = (self.scratch.records[level - 1], self.scratch.records[level]);
        let boxes = vec![
            Placed { operand: Operand::Children, ..below }.boxed([0; 3], [batch, RECORD * children, channels])?,
            records.boxed([0; 3], [batch, RECORD * nodes, channels])?,
        ];
        let launch = Launch {
            stage: Stage::HealthJoin,
            params: Params { batch: batch as u32, steps: children as u32, nodes: nodes as u32, ..Params::default() },
            rows: batch * nodes,
            iterations: FAN_OUT,
            moved: vec![
                Moved::loads(Operand::Children, RECORD * batch * children * channels),
                Moved::stores(Operand::Records, RECORD * batch * nodes * channels),
            ],
        };
        builder.push(launch, channels, boxes)
    }

    /// From the records of the sequences, a list, to the totals of all of them.
    fn sum(&self, builder: &mut Builder<'_>) -> Result<(), Error> {
        let [batch, _, channels] = self.extent;
        let sequences = self.scratch.records.last().map(|&(records, _)| (records, batch, RECORD));
        // Sequences without steps have set nothing.
        let silent = if sequences.is_none() { batch } else { 0 };
        let below = self.scratch.totals.iter().map(|&(totals, count)| Some((totals, count, TOTALS)));
        for (level, children) in core::iter::once(sequences).chain(below).enumerate() {
            let (count, words) = children.map_or((0, TOTALS), |(_, count, words)| (count, words));
            let mut boxes = Vec::new();
            if let Some((placed, ..)) = children {
                boxes.push(list(placed, Operand::Children, [words * count, channels])?);
            }
            let nodes = match self.scratch.totals.get(level) {
                Some(&(totals, nodes)) => {
                    boxes.push(list(totals, Operand::Totals, [TOTALS * nodes, channels])?);
                    nodes
                }
                None => {
                    boxes.push(self.output(builder)?);
                    1
                }
            };
            let launch = Launch {
                stage: Stage::HealthSum,
                params: Params {
                    batch: 1,
                    steps: count as u32,
                    nodes: nodes as u32,
                    tile_steps: words as u32,
                    time_total: silent as u32,
                    ..Params::default()
                },
                rows: nodes,
                iterations: FAN_OUT,
                moved: vec![
                    // Of a record that of how it ends is not needed.
                    Moved::loads(Operand::Children, if words == RECORD { RECORD - 2 } else { TOTALS } * count * channels),
                    Moved::stores(Operand::Totals, TOTALS * nodes * channels),
                ],
            };
            builder.push(launch, channels, boxes)?;
        }
        Ok(())
    }

    /// The lines of the caller's buffer that belong to the channels of this group.
    fn output(&self, builder: &Builder<'_>) -> Result<Boxed, Error> {
        let strides = Strides { batch: 0, time: builder.whole[2], channel: 1 };
        let view = View { slot: Slot::Health, offset: 0, strides };
        let placed = Placed::new(Operand::Totals, view, Axes::Element);
        placed.boxed([0, 0, self.origin[2]], [1, TOTALS, self.extent[2]])
    }
}

/// What lies in scratch as a list of words of each channel, one sequence behind the other.
fn list(placed: Placed, operand: Operand, [length, channels]: [u64; 2]) -> Result<Boxed, Error> {
    let view = View { strides: scratch_view(0, [1, length, channels]).strides, ..placed.view };
    Placed::new(operand, view, Axes::Element).boxed([0; 3], [1, length, channels])
}

/// Words, each with a run of 31 steps at most where something sets, and steps where they are classified.
fn iterations(stage: Stage, steps: u64) -> u64 {
    let words = steps.div_ceil(WORD) * WORD;
    debug_assert!(words + steps < Plan::MAX_ITERATIONS);
    if stage == Stage::HealthClassify { words + steps } else { words }
}
