//! The backward pass: a walk from the end of time to its beginning, or a tree over stretches of 1,024 steps and a walk over
//! each; then the sums over batch and time.

use super::Plan;
use super::borders::row_by_row;
use super::build::{Builder, Launch, Moved, scratch_view};
use super::split::{Axes, Boxed, Constraint, Extent, Placed, fewest_parts, part_count, parts, split};
use super::tiles;
use crate::carry::Carry;
use crate::{Amplitude, Descriptor, Error, Operand, Params, Sequences, Slot, Stage, Strategy, SummaryOf, Threshold, Unit, View};

/// Children of a node, terms of a sum, steps of a block.
const FAN_OUT: u64 = 32;
/// Steps that give one term of a sum, and that one invocation walks over when there are few channels.
const STRETCH: u64 = FAN_OUT * FAN_OUT;

/// Registers that a walk keeps between two parts of time; `load_walk` in `shaders/adjoint.wgsl` numbers them. Two of rows with borders
/// come behind all others.
fn registers(descriptor: &Descriptor) -> u64 {
    if descriptor.sequences_kind().has_borders() { 16 } else { moved_registers(descriptor) }
}

/// Those of them that the descriptor has.
fn moved_registers(descriptor: &Descriptor) -> u64 {
    let of_borders = if descriptor.sequences_kind().has_borders() { 2 } else { 0 };
    of_borders
        + match (descriptor.carry(), descriptor.unit()) {
            (Carry::Decay, _) => 13,
            (_, Unit::FirstQuadrant) => 14,
            _ => 12,
        }
}

/// Outputs that are sums where they are per channel.
const SUMMED: [Operand; 3] = [Operand::AmplitudeGradient, Operand::ThresholdGradient, Operand::LowThresholdGradient];

/// The longest chain of additions: within blocks, within 32 of them and so on, then over the levels; sums over batch and time
/// first over the blocks of a stretch.
pub(super) fn depth(batch: u64, time: u64) -> u64 {
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
    let sum = chain(time.min(STRETCH)) + chain(batch.saturating_mul(time.div_ceil(STRETCH)));
    gradient.max(sum)
}

pub(super) fn build(builder: &mut Builder<'_>, strategy: Strategy) -> Result<(), Error> {
    let [batch, time, _] = builder.whole;
    let tiled = strategy != Strategy::Serial && time > STRETCH;
    let cut = cut(builder, tiled)?;
    builder.resumes = !tiled && cut.part[1] < time;
    // At most two dispatches and the copies of two rows a part, and a bounded number beside them in each group.
    let state_rows = [builder.descriptor.state_rows(), 1, cut.group[2]];
    let parts_of_group = part_count(cut.group, cut.part).saturating_add(part_count(state_rows, cut.rows));
    let dispatches = parts_of_group.saturating_mul(2).saturating_add(64);
    builder.check_dispatches(part_count(builder.whole, cut.group).saturating_mul(dispatches))?;
    for (origin, extent) in parts([batch, time, builder.whole[2]], cut.group) {
        let scratch = Scratch::new(builder, extent, tiled, builder.resumes);
        builder.scratch_elements = builder.scratch_elements.max(scratch.elements);
        let group = Group { origin, extent, scratch };
        group.run(builder, tiled, &cut)?;
    }
    Ok(())
}

/// What all steps together do to a gradient from behind: stretches, and an up-sweep over them.
pub(super) fn summarize(builder: &mut Builder<'_>) -> Result<(), Error> {
    let cut = cut(builder, true)?;
    let dispatches = part_count(cut.group, cut.part).saturating_add(8);
    builder.check_dispatches(part_count(builder.whole, cut.group).saturating_mul(dispatches))?;
    for (origin, extent) in parts(builder.whole, cut.group) {
        let mut scratch = Scratch::new(builder, extent, true, false);
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

/// Channels that are worked on together, and what one dispatch takes of them.
struct Cut {
    group: Extent,
    part: Extent,
    /// The same for rows without time.
    rows: Extent,
}

fn cut(builder: &Builder<'_>, tiled: bool) -> Result<Cut, Error> {
    let whole = builder.whole;
    let [batch, time, _] = whole;
    let width = builder.vector_width;
    let order = builder.cut_order();
    let resets = builder.descriptor.sequences_kind() == Sequences::Resets;
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
                measure: Box::new(move |part| Scratch::new(builder, part, tiled, !tiled).elements.saturating_mul(4)),
            },
            builder.grid_constraint(move |part| {
                let nodes = if tiled { time.div_ceil(STRETCH).div_ceil(FAN_OUT) } else { 0 };
                let together = (batch * time.div_ceil(STRETCH)).div_ceil(FAN_OUT);
                let apart = if resets { batch * time.div_ceil(STRETCH).div_ceil(FAN_OUT) } else { 0 };
                let sums = part[2].div_ceil(width) * together.max(apart).max(1);
                sums.max(vectors(part).saturating_mul(nodes))
            }),
        ],
    )?;
    let walked = builder.placed(Stage::Adjoint);
    let mut constraints = vec![
        Constraint {
            limit: "the iterations of an invocation",
            allowed: Plan::MAX_ITERATIONS,
            measure: Box::new(move |part| walk_iterations(if tiled { STRETCH } else { part[1] })),
        },
        builder.grid_constraint(move |part| vectors(part) * if tiled { part[1].div_ceil(STRETCH) } else { 1 }),
    ];
    constraints.extend(builder.binding_constraints(whole, &walked));
    constraints.extend(builder.detour_constraint());
    constraints.push(builder.work_constraint());
    let cut = |steps| split(group, [1, steps, width], order, &constraints);
    // Parts of whole stretches or blocks, unless rows are so long that single steps make fewer.
    let part = if tiled { cut(STRETCH)? } else { fewest_parts(group, [STRETCH, FAN_OUT, 1].map(cut))? };
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

/// Steps and blocks; a part can begin and end within a block.
fn walk_iterations(steps: u64) -> u64 {
    steps + steps.div_ceil(FAN_OUT) + 1
}

/// Where everything of a group lies in scratch.
struct Scratch {
    /// The incoming gradient of the final state, or of those of packed sequences.
    beyond: Option<Placed>,
    initial_state_gradient: Option<Placed>,
    registers: Option<Placed>,
    /// The terms of the sums, each with its operand in the walk and the output that it ends in.
    sums: Vec<Sums>,
    /// Stretches of 1,024 steps, then the levels of the tree above them. Empty if one walk goes over all of time.
    levels: Vec<Level>,
    elements: u64,
}

struct Sums {
    output: Placed,
    /// Rows that are summed apart.
    rows: u64,
    /// The terms of each row, and the sums of each level that is not the last.
    levels: Vec<(Placed, u64)>,
}

struct Level {
    nodes: u64,
    stretches: Placed,
    beyond: Placed,
}

impl Scratch {
    fn new(builder: &Builder<'_>, [batch, time, channels]: Extent, tiled: bool, resumes: bool) -> Self {
        let mut elements = builder.border_words();
        let mut place = |operand, rows: u64, length: u64, axes| {
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
        let initial_state_gradient =
            output(Operand::InitialStateGradient).map(|_| place(Operand::InitialStateGradient, state_rows, 1, state_axes));
        let registers = resumes.then(|| place(Operand::Registers, batch, registers(builder.descriptor), Axes::Element));

        let stretches = time.div_ceil(STRETCH);
        let per_channel = builder.descriptor.threshold_kind() == Threshold::PerChannel;
        let one_amplitude = builder.descriptor.amplitude_kind() == Amplitude::PerChannel;
        let mut sums = Vec::new();
        for (terms, result, summed, rows) in [
            (Operand::AmplitudeTerms, Operand::AmplitudeGradient, one_amplitude, 1),
            (Operand::ThresholdTerms, Operand::ThresholdGradient, per_channel, 1),
            (Operand::LowThresholdTerms, Operand::LowThresholdGradient, per_channel, 1),
            // It takes the way of one that is no sum from there.
            (Operand::InitialStateTerms, Operand::InitialStateGradient, resets && time > 0, batch),
        ] {
            let output = if result == Operand::InitialStateGradient { initial_state_gradient } else { output(result) };
            let Some(output) = output.filter(|_| summed) else { continue };
            let mut count = (batch * stretches).checked_div(rows).unwrap_or(0);
            let mut levels = vec![(place(terms, batch, stretches, Axes::Tile { steps: STRETCH, words: 1 }), count)];
            count = count.div_ceil(FAN_OUT);
            while count > 1 {
                levels.push((place(Operand::Terms, rows, count, Axes::Element), count));
                count = count.div_ceil(FAN_OUT);
            }
            sums.push(Sums { output, rows, levels });
        }

        let mut levels = Vec::new();
        let mut nodes = if tiled { stretches } else { 0 };
        while nodes > 0 {
            let stretches = place(Operand::Stretches, batch, 2 * nodes, Axes::Element);
            levels.push(Level { nodes, stretches, beyond: place(Operand::Beyond, batch, nodes, Axes::Element) });
            nodes = if nodes > 1 { nodes.div_ceil(FAN_OUT) } else { 0 };
        }
        Self { beyond, initial_state_gradient, registers, sums, levels, elements }
    }
}

/// Channels that are worked on together, with all rows and all of time.
struct Group {
    origin: Extent,
    extent: Extent,
    scratch: Scratch,
}

impl Group {
    fn run(&self, builder: &mut Builder<'_>, tiled: bool, cut: &Cut) -> Result<(), Error> {
        let [batch, time, channels] = self.extent;
        let part = [cut.part[0], cut.part[1], cut.part[2].min(channels)];
        let (incoming, outgoing) = (Operand::FinalStateGradient, Operand::InitialStateGradient);
        if batch > 0 && time == 0 {
            self.hand_over(builder, cut, (incoming, None), (outgoing, None), None)?;
        } else if batch > 0 {
            if let Some(beyond) = self.scratch.beyond {
                self.hand_over(builder, cut, (incoming, None), (beyond.operand, Some(beyond)), None)?;
            }
            let walks: Vec<_> = parts(self.extent, part).collect();
            if tiled {
                self.scan(builder, &walks)?;
            }
            // From the end of time to its beginning.
            for &(origin, part) in walks.iter().rev() {
                self.walk(builder, origin, part, tiled)?;
            }
        }
        for sums in &self.scratch.sums {
            self.sum(builder, sums)?;
        }
        if let Some(gradient) = self.scratch.initial_state_gradient.filter(|_| batch > 0 && time > 0) {
            let packed = builder.descriptor.sequences_kind().packed();
            self.hand_over(builder, cut, (outgoing, Some(gradient)), (outgoing, None), packed)?;
        }
        Ok(())
    }

    /// Finds what comes to every stretch from beyond its end.
    fn scan(&self, builder: &mut Builder<'_>, walks: &[(Extent, Extent)]) -> Result<(), Error> {
        for &(origin, part) in walks {
            self.reduce(builder, origin, part)?;
        }
        let root = self.scratch.levels.len() - 1;
        // Nobody reads what the root passes on.
        for level in 1..root {
            self.reduce_nodes(builder, level)?;
        }
        for level in (1..=root).rev() {
            self.scan_nodes(builder, level)?;
        }
        Ok(())
    }

    fn params(&self, batch: u64, steps: u64, nodes: u64) -> Params {
        Params { batch: batch as u32, steps: steps as u32, nodes: nodes as u32, ..Params::default() }
    }

    /// The box of a caller's operand that belongs to a part of this group.
    fn absolute(&self, placed: Placed, origin: Extent, part: Extent) -> Result<Boxed, Error> {
        placed.boxed(core::array::from_fn(|axis| self.origin[axis] + origin[axis]), part)
    }

    /// Copies `[B, D]` rows; an operand that is not in scratch is the caller's. Does nothing if nobody wants the copy. Of so many packed
    /// sequences those without steps get what comes from beyond instead.
    fn hand_over(
        &self,
        builder: &mut Builder<'_>,
        cut: &Cut,
        from: (Operand, Option<Placed>),
        to: (Operand, Option<Placed>),
        packed: Option<u64>,
    ) -> Result<(), Error> {
        let [_, _, channels] = self.extent;
        let find = |(operand, in_scratch): (Operand, Option<Placed>)| {
            in_scratch.or_else(|| builder.operands.iter().find(|placed| placed.operand == operand).copied())
        };
        let (source, target) = (find(from), find(to));
        if target.is_none() {
            return Ok(());
        }
        let row_part = [cut.rows[0], 1, cut.rows[2].min(channels)];
        let borders = builder.operands.iter().find(|placed| packed.is_some() && placed.operand == Operand::CuSeqlens).copied();
        let of_empty = self.scratch.beyond.filter(|_| packed.is_some());
        for (origin, part) in parts([builder.descriptor.state_rows(), 1, channels], row_part).filter(|(_, part)| part[0] > 0) {
            let mut boxes = Vec::new();
            let copied = [(Operand::Source, source), (Operand::Target, target)];
            for (operand, placed) in
                copied.into_iter().chain([(Operand::CuSeqlens, borders), (Operand::FinalStateGradient, of_empty)])
            {
                let Some(placed) = placed else { continue };
                let in_scratch = placed.view.slot == Slot::Scratch;
                let here = Placed { operand, ..row_by_row(placed) };
                boxes.push(if in_scratch { here.boxed(origin, part)? } else { self.absolute(here, origin, part)? });
            }
            let rows = part[0] * part[2];
            let launch = Launch {
                stage: Stage::HandOver,
                params: Params { time_total: self.extent[1] as u32, ..self.params(part[0], 0, 0) },
                rows: part[0],
                iterations: 0,
                moved: vec![
                    Moved::loads(Operand::CuSeqlens, 2 * rows / builder.vector_width),
                    // At most: where all are empty.
                    Moved::loads(Operand::FinalStateGradient, rows),
                    Moved::loads(Operand::Source, rows),
                    Moved::stores(Operand::Target, rows),
                ],
            };
            builder.push(launch, part[2], boxes)?;
        }
        Ok(())
    }

    fn reduce(&self, builder: &mut Builder<'_>, origin: Extent, part: Extent) -> Result<(), Error> {
        let [batch, steps, channels] = part;
        let tiles = steps.div_ceil(STRETCH);
        let leaves = Placed { axes: Axes::Element, ..self.scratch.levels[0].stretches };
        let first = origin[1] / STRETCH;
        let mut boxes = vec![leaves.boxed([origin[0], 2 * first, origin[2]], [batch, 2 * tiles, channels])?];
        for placed in builder.placed(Stage::AdjointReduce) {
            boxes.push(self.absolute(placed, origin, part)?);
        }
        boxes.extend(self.of_ends(origin, part)?);
        let rows = batch * tiles * channels;
        let launch = Launch {
            stage: Stage::AdjointReduce,
            params: Params { tile_steps: STRETCH as u32, ..self.params(batch, steps, tiles) },
            rows: batch * tiles,
            iterations: STRETCH + 2 * FAN_OUT,
            moved: vec![
                // At most: it reads the gradients before the first step that sets.
                Moved::loads(Operand::StatesGradient, batch * steps * channels),
                Moved::loads(Operand::Codes, batch * steps.div_ceil(FAN_OUT) * channels),
                Moved::loads(Operand::Borders, builder.told(part, 0, batch * (steps + steps.div_ceil(FAN_OUT)) * channels)),
                Moved::loads(Operand::FinalStateGradient, builder.sequence_rows() * channels),
                Moved::stores(Operand::Stretches, 2 * rows),
            ],
        };
        builder.push(launch, channels, boxes)
    }

    fn reduce_nodes(&self, builder: &mut Builder<'_>, index: usize) -> Result<(), Error> {
        let [batch, _, channels] = self.extent;
        let (below, level) = (&self.scratch.levels[index - 1], &self.scratch.levels[index]);
        let boxes = vec![
            Placed { operand: Operand::Children, ..below.stretches }.boxed([0; 3], [batch, 2 * below.nodes, channels])?,
            level.stretches.boxed([0; 3], [batch, 2 * level.nodes, channels])?,
        ];
        let launch = Launch {
            stage: Stage::AdjointTreeReduce,
            params: self.params(batch, below.nodes, level.nodes),
            rows: batch * level.nodes,
            iterations: FAN_OUT,
            moved: vec![
                Moved::loads(Operand::Children, 2 * batch * below.nodes * channels),
                Moved::stores(Operand::Stretches, 2 * batch * level.nodes * channels),
            ],
        };
        builder.push(launch, channels, boxes)
    }

    /// From what comes to the nodes of a level to what comes to their children.
    fn scan_nodes(&self, builder: &mut Builder<'_>, index: usize) -> Result<(), Error> {
        let [batch, _, channels] = self.extent;
        let (below, level) = (&self.scratch.levels[index - 1], &self.scratch.levels[index]);
        let whole = |placed: Placed, operand, length| Placed { operand, ..placed }.boxed([0; 3], [batch, length, channels]);
        let mut boxes = vec![
            whole(below.stretches, Operand::Children, 2 * below.nodes)?,
            whole(below.beyond, Operand::ChildrenBeyond, below.nodes)?,
        ];
        let root = index + 1 == self.scratch.levels.len();
        let beyond = if root { self.beyond_time() } else { Some(level.beyond) };
        if let Some(beyond) = beyond {
            boxes.push(beyond.boxed([0; 3], [batch, level.nodes, channels])?);
        }
        let launch = Launch {
            stage: Stage::AdjointTreeScan,
            params: self.params(batch, below.nodes, level.nodes),
            rows: batch * level.nodes,
            iterations: FAN_OUT,
            moved: vec![
                Moved::loads(Operand::Children, 2 * batch * below.nodes * channels),
                Moved::loads(Operand::Beyond, batch * level.nodes * channels),
                Moved::stores(Operand::ChildrenBeyond, batch * below.nodes * channels),
            ],
        };
        builder.push(launch, channels, boxes)
    }

    fn walk(&self, builder: &mut Builder<'_>, origin: Extent, part: Extent, tiled: bool) -> Result<(), Error> {
        let [batch, steps, channels] = part;
        let tiles = if tiled { steps.div_ceil(STRETCH) } else { 1 };
        let kept = registers(builder.descriptor);
        let mut boxes = Vec::new();
        for placed in builder.placed(Stage::Adjoint) {
            // The sums and the row before time go through scratch.
            let summed = SUMMED.contains(&placed.operand) && placed.axes == Axes::Channel;
            if placed.operand != Operand::InitialStateGradient && !summed {
                boxes.push(self.absolute(placed, origin, part)?);
            }
        }
        // Where a row is reset it is a sum.
        let resets = builder.descriptor.sequences_kind() == Sequences::Resets;
        let leaves = |gradient: &Placed| !resets && (origin[1] == 0 || gradient.axes != Axes::Row);
        if let Some(gradient) = self.scratch.initial_state_gradient.filter(leaves) {
            boxes.push(gradient.boxed(origin, part)?);
        }
        if let Some(registers) = self.scratch.registers {
            boxes.push(registers.boxed([origin[0], 0, origin[2]], [batch, kept, channels])?);
        }
        for sums in &self.scratch.sums {
            boxes.push(sums.levels[0].0.boxed(origin, part)?);
        }
        if tiled {
            let beyond = Placed { axes: Axes::Tile { steps: STRETCH, words: 1 }, ..self.scratch.levels[0].beyond };
            boxes.push(beyond.boxed(origin, part)?);
        } else if let Some(beyond) = self.beyond_time() {
            boxes.push(beyond.boxed(origin, part)?);
        }
        boxes.extend(self.of_ends(origin, part)?);

        let elements = batch * steps * channels;
        let rows = batch * tiles * channels;
        let thresholds = builder.threshold_loads(elements, rows);
        let words = (origin[1] + steps).div_ceil(FAN_OUT) - origin[1] / FAN_OUT;
        // A term is stored by the part in which its stretch begins.
        let terms = batch * ((origin[1] + steps).div_ceil(STRETCH) - origin[1].div_ceil(STRETCH)) * channels;
        let resumed = moved_registers(builder.descriptor) * batch * channels;
        let is_last = origin[1] + steps == self.extent[1];
        let launch = Launch {
            stage: Stage::Adjoint,
            params: Params {
                time_origin: origin[1] as u32,
                time_total: self.extent[1] as u32,
                tile_steps: if tiled { STRETCH } else { steps } as u32,
                ..self.params(batch, steps, tiles)
            },
            rows: batch * tiles,
            iterations: walk_iterations(if tiled { STRETCH } else { steps }),
            moved: vec![
                Moved::loads(Operand::Candidate, elements),
                Moved::loads(Operand::Threshold, thresholds),
                Moved::loads(Operand::LowThreshold, thresholds),
                Moved::loads(Operand::StatesGradient, elements),
                Moved::loads(Operand::Codes, builder.descriptor.carry().code_lines() * batch * words * channels),
                Moved::loads(Operand::Amplitude, builder.amplitude_loads(elements, rows)),
                // Nothing lies before the first step of all.
                Moved::loads(Operand::StatesBefore, elements - if origin[1] == 0 { batch * channels } else { 0 }),
                Moved::stores(Operand::AmplitudeGradient, elements),
                Moved::loads(Operand::FirstSet, rows),
                Moved::loads(Operand::SavedInitialState, rows + builder.beginnings(part)),
                Moved::loads(Operand::Borders, builder.told(part, rows, batch * words * channels)),
                Moved::loads(Operand::FinalStateGradient, builder.sequence_rows() * channels),
                Moved::loads(Operand::SavedAmplitude, rows),
                Moved::loads(Operand::Beyond, rows),
                Moved { operand: Operand::Registers, loads: if is_last { 0 } else { resumed }, stores: resumed },
                Moved::stores(Operand::CandidateGradient, elements),
                Moved::stores(Operand::ThresholdGradient, elements),
                Moved::stores(Operand::LowThresholdGradient, elements),
                Moved::stores(
                    Operand::InitialStateGradient,
                    builder.descriptor.sequences_kind().packed().unwrap_or(batch) * channels,
                ),
                Moved::stores(Operand::AmplitudeTerms, terms),
                Moved::stores(Operand::ThresholdTerms, terms),
                Moved::stores(Operand::LowThresholdTerms, terms),
                Moved::stores(Operand::InitialStateTerms, terms),
            ],
        };
        builder.push(launch, channels, boxes)
    }

    /// What comes to the last step of each row from beyond it.
    fn beyond_time(&self) -> Option<Placed> {
        self.scratch.beyond.filter(|placed| placed.operand == Operand::Beyond)
    }

    /// What comes to the last steps of packed sequences.
    fn of_ends(&self, origin: Extent, part: Extent) -> Result<Option<Boxed>, Error> {
        let packed = self.scratch.beyond.filter(|placed| placed.operand != Operand::Beyond);
        packed.map(|placed| placed.boxed(origin, part)).transpose()
    }

    /// Sums over batch and time, or over time alone, 32 terms at a time.
    fn sum(&self, builder: &mut Builder<'_>, sums: &Sums) -> Result<(), Error> {
        let channels = self.extent[2];
        let rows = sums.rows;
        for (number, &(terms, count)) in sums.levels.iter().enumerate() {
            let nodes = count.div_ceil(FAN_OUT).max(1);
            // Where they are summed together, the terms of all rows follow each other.
            let list = |placed: Placed, operand, length| {
                let view = View { strides: scratch_view(0, [rows, length, channels]).strides, ..placed.view };
                Placed::new(operand, view, Axes::Element).boxed([0; 3], [rows, length, channels])
            };
            let result = match sums.levels.get(number + 1) {
                Some(&(next, _)) => list(next, Operand::Sum, nodes)?,
                None => {
                    let sum = Placed { operand: Operand::Sum, ..sums.output };
                    let in_scratch = sum.view.slot == Slot::Scratch;
                    let whole = [rows, 1, channels];
                    if in_scratch { sum.boxed([0; 3], whole)? } else { self.absolute(sum, [0; 3], whole)? }
                }
            };
            let launch = Launch {
                stage: Stage::SumReduce,
                params: self.params(rows, count, nodes),
                rows: rows * nodes,
                iterations: FAN_OUT,
                moved: vec![
                    Moved::loads(Operand::Terms, rows * count * channels),
                    Moved::stores(Operand::Sum, rows * nodes * channels),
                ],
            };
            builder.push(launch, channels, vec![list(terms, Operand::Terms, count)?, result])?;
        }
        Ok(())
    }
}
