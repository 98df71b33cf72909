//! The backward pass: a walk from the end of time to its beginning, or a tree over stretches of 1,024 steps and a walk over
//! each, or over each of its parts; then the sums over the axes that gradients lack.

use super::Plan;
use super::borders::row_by_row;
use super::build::{Builder, Launch, Moved, scratch_view};
use super::split::{Axes, Boxed, Constraint, Extent, Placed, fewest_parts, part_count, parts, split};
use super::{sums, tiles};
use crate::carry::Carry;
use crate::{Descriptor, Error, Operand, Params, Sequences, Shape, Slot, Stage, Strategy, SummaryOf, Unit};

/// Children of a node, terms of a sum, steps of a block.
pub(super) const FAN_OUT: u64 = 32;
/// Steps that give one term of a sum, and that one invocation walks over at most when there are few channels.
pub(super) const STRETCH: u64 = FAN_OUT * FAN_OUT;

/// How time is cut between invocations.
#[derive(Clone, Copy)]
enum Walks {
    /// One goes over all of a part, and leaves registers for the next.
    Whole,
    /// One goes over so many steps: a stretch, or 32 times a power of two, which is a part of one.
    Tiles(u64),
}

impl Walks {
    fn new(builder: &Builder<'_>, strategy: Strategy) -> Self {
        let descriptor = builder.descriptor;
        // What passes the steps behind a part is a factor where they scale, and several things where sequences end there.
        let parts = descriptor.carry() != Carry::Decay && !descriptor.sequences_kind().has_borders();
        let steps = if parts { builder.tuning.steps_back(descriptor.shape(), STRETCH) } else { STRETCH };
        if strategy == Strategy::Serial || descriptor.shape().time <= steps { Self::Whole } else { Self::Tiles(steps) }
    }

    fn are_tiles(self) -> bool {
        matches!(self, Self::Tiles(_))
    }

    /// Steps of each walk over so many.
    fn steps(self, part: u64) -> u64 {
        match self {
            Self::Whole => part,
            Self::Tiles(steps) => steps,
        }
    }

    /// Walks over so many steps.
    fn count(self, part: u64) -> u64 {
        match self {
            Self::Whole => 1,
            Self::Tiles(steps) => part.div_ceil(steps),
        }
    }

    /// Steps of a part of a stretch, if that is what is walked over.
    fn part_of_stretch(self) -> Option<u64> {
        match self {
            Self::Tiles(steps) if steps < STRETCH => Some(steps),
            _ => None,
        }
    }

    /// Steps that give one term of a sum: the blocks of stretches are summed apart where no walk goes over all of them.
    fn term_steps(self) -> u64 {
        if self.part_of_stretch().is_some() { FAN_OUT } else { STRETCH }
    }
}

/// Steps, or words, that lie behind each tile of `tile` of them in its stretch of `stretch`, added over all tiles.
fn behind(steps: u64, tile: u64, stretch: u64) -> u64 {
    let of_stretch = |steps: u64| {
        let tiles = steps.div_ceil(tile);
        tiles.saturating_sub(1) * steps - tile * (tiles * tiles.saturating_sub(1) / 2)
    };
    steps / stretch * of_stretch(stretch) + of_stretch(steps % stretch)
}

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

/// Channels that are worked on together, and what one dispatch takes of them.
struct Cut {
    group: Extent,
    part: Extent,
    /// The same for rows without time.
    rows: Extent,
}

fn cut(builder: &Builder<'_>, walks: Walks) -> Result<Cut, Error> {
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
                let apart = if by_rows { batch * time.div_ceil(STRETCH).div_ceil(FAN_OUT) } else { 0 };
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
    let cut = |steps| split(group, [1, steps, width], order, &constraints);
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
    /// The sums over stretches.
    sums: Vec<Sums>,
    /// What the steps behind each part of a stretch pass on to it.
    within: Option<Placed>,
    /// Stretches of 1,024 steps, then the levels of the tree above them. Empty if one walk goes over all of time.
    levels: Vec<Level>,
    elements: u64,
}

struct Sums {
    /// Where they end: in this scratch, or where the whole of an output lies.
    output: Placed,
    in_scratch: bool,
    /// Rows that are summed apart, and terms of each.
    rows: u64,
    count: u64,
    terms: Placed,
    /// What walks leave, if those are the terms of blocks.
    blocks: Option<Placed>,
    /// Where the levels between lie in scratch.
    between: u64,
}

struct Level {
    nodes: u64,
    stretches: Placed,
    beyond: Placed,
}

impl Scratch {
    fn new(builder: &Builder<'_>, [batch, time, channels]: Extent, walks: Walks, resumes: bool) -> Self {
        let mut elements = builder.border_words().max(builder.lasting_words);
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

/// Channels that are worked on together, with all rows and all of time.
struct Group {
    origin: Extent,
    extent: Extent,
    scratch: Scratch,
}

impl Group {
    fn run(&self, builder: &mut Builder<'_>, walks: Walks, cut: &Cut) -> Result<(), Error> {
        let [batch, time, channels] = self.extent;
        let part = [cut.part[0], cut.part[1], cut.part[2].min(channels)];
        let (incoming, outgoing) = (Operand::FinalStateGradient, Operand::InitialStateGradient);
        if batch > 0 && time == 0 {
            self.hand_over(builder, cut, (incoming, None), (outgoing, None), None)?;
        } else if batch > 0 {
            if let Some(beyond) = self.scratch.beyond {
                self.hand_over(builder, cut, (incoming, None), (beyond.operand, Some(beyond)), None)?;
            }
            let parts: Vec<_> = parts(self.extent, part).collect();
            if self.is_scanned() {
                self.scan(builder, &parts)?;
            }
            // From the end of time to its beginning.
            for &(origin, part) in parts.iter().rev() {
                if let Some(steps) = walks.part_of_stretch() {
                    self.reduce_behind(builder, origin, part, steps)?;
                }
                self.walk(builder, origin, part, walks)?;
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

    /// Whether something comes to a stretch from others.
    fn is_scanned(&self) -> bool {
        self.scratch.levels.len() > 1
    }

    /// Finds what comes to every stretch from beyond its end.
    fn scan(&self, builder: &mut Builder<'_>, parts: &[(Extent, Extent)]) -> Result<(), Error> {
        for &(origin, part) in parts {
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

    /// What stretches pass on.
    fn reduce(&self, builder: &mut Builder<'_>, origin: Extent, part: Extent) -> Result<(), Error> {
        let [_, steps, _] = part;
        let stretches = Placed { axes: Axes::Tile { steps: STRETCH, words: 2 }, ..self.scratch.levels[0].stretches };
        let params = Params { tile_steps: STRETCH as u32, ..Params::default() };
        self.reduce_to(builder, stretches, (origin, part), params, [steps, steps.div_ceil(FAN_OUT)])
    }

    /// What the steps behind each part of a stretch pass on to it.
    fn reduce_behind(&self, builder: &mut Builder<'_>, origin: Extent, part: Extent, steps: u64) -> Result<(), Error> {
        let [_, time, _] = part;
        let within = self.scratch.within.expect("stretches are walked over in parts");
        let params = Params { tile_steps: steps as u32, time_origin: steps as u32, ..Params::default() };
        let words = behind(time.div_ceil(FAN_OUT), steps / FAN_OUT, FAN_OUT);
        let stretches = Placed { operand: Operand::Stretches, ..within };
        self.reduce_to(builder, stretches, (origin, part), params, [behind(time, steps, STRETCH), words])
    }

    /// Reads so many steps and words of a row at most.
    fn reduce_to(
        &self,
        builder: &mut Builder<'_>,
        stretches: Placed,
        (origin, part): (Extent, Extent),
        params: Params,
        [read, words]: [u64; 2],
    ) -> Result<(), Error> {
        let [batch, steps, channels] = part;
        let tiles = steps.div_ceil(params.tile_steps.into());
        let mut boxes = vec![stretches.boxed(origin, part)?];
        for placed in builder.placed(Stage::AdjointReduce) {
            boxes.push(self.absolute(placed, origin, part)?);
        }
        boxes.extend(self.of_ends(origin, part)?);
        let rows = batch * tiles * channels;
        let launch = Launch {
            stage: Stage::AdjointReduce,
            params: Params { batch: batch as u32, steps: steps as u32, nodes: tiles as u32, ..params },
            rows: batch * tiles,
            iterations: STRETCH + 2 * FAN_OUT,
            moved: vec![
                // At most: it reads the gradients before the first step that sets.
                Moved::loads(Operand::StatesGradient, batch * read * channels),
                Moved::loads(Operand::Codes, batch * words * channels),
                Moved::loads(Operand::Borders, builder.told(part, 0, 2 * batch * words * channels)),
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

    fn walk(&self, builder: &mut Builder<'_>, origin: Extent, part: Extent, walks: Walks) -> Result<(), Error> {
        let [batch, steps, channels] = part;
        let tiles = walks.count(steps);
        let kept = registers(builder.descriptor);
        let mut boxes = Vec::new();
        for placed in builder.placed(Stage::Adjoint) {
            // The row before time goes through scratch.
            if placed.operand != Operand::InitialStateGradient {
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
            boxes.push(sums.blocks.unwrap_or(sums.terms).boxed(origin, part)?);
        }
        if let Some(within) = self.scratch.within {
            boxes.push(within.boxed(origin, part)?);
        }
        if self.is_scanned() {
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
        // A term is stored by the part in which its steps begin.
        let term_steps = walks.term_steps();
        let terms = batch * ((origin[1] + steps).div_ceil(term_steps) - origin[1].div_ceil(term_steps)) * channels;
        let resumed = moved_registers(builder.descriptor) * batch * channels;
        let is_last = origin[1] + steps == self.extent[1];
        let launch = Launch {
            stage: Stage::Adjoint,
            params: Params {
                time_origin: origin[1] as u32,
                time_total: self.extent[1] as u32,
                tile_steps: walks.steps(steps) as u32,
                ..self.params(batch, steps, tiles)
            },
            rows: batch * tiles,
            iterations: walk_iterations(walks.steps(steps)),
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
                Moved::loads(Operand::Within, 2 * rows),
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

    /// Sums over batch and time, or over time alone.
    fn sum(&self, builder: &mut Builder<'_>, sums: &Sums) -> Result<(), Error> {
        let ([batch, time, channels], rows) = (self.extent, sums.rows);
        if let Some(blocks) = sums.blocks {
            let (terms, stretches) = (time.div_ceil(FAN_OUT), time.div_ceil(STRETCH));
            let whole = |operand, placed: Placed, count| {
                Placed { operand, axes: Axes::Element, ..placed }.boxed([0; 3], [batch, count, channels])
            };
            let (from, to) = (whole(Operand::Terms, blocks, terms)?, whole(Operand::Sum, sums.terms, stretches)?);
            builder.push(sums::launch([batch, terms, channels], stretches), channels, vec![from, to])?;
        }
        // Where they are summed together, the terms of all rows follow each other.
        let list = scratch_view(sums.terms.view.offset, [rows, sums.count, channels]);
        let terms = Placed::new(Operand::Terms, list, Axes::Element).boxed([0; 3], [rows, sums.count, channels])?;
        let (output, whole) = (Placed { operand: Operand::Sum, ..sums.output }, [rows, 1, channels]);
        let output = if sums.in_scratch { output.boxed([0; 3], whole)? } else { self.absolute(output, [0; 3], whole)? };
        sums::sum(builder, [rows, sums.count, channels], terms, sums.between, output)
    }
}
