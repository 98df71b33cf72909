//! Tiles: aggregates of all tiles, a tree over them or a look back through them, then the states.
//!
//! [`Strategy::Tiles`] reads the inputs once and keeps the codes of every step; [`Strategy::Probe`] looks for the aggregates from
//! the ends of the tiles, and reads the inputs again.

mod numbers;

use super::build::{Builder, Launch, Moved, scratch_view};
use super::serial;
use super::split::{Axes, Boxed, Constraint, Extent, Placed, part_count, parts, split};
use crate::carry::Carry;
use crate::{Error, Operand, Params, SavedLayout, Slot, Stage, Strategy, Strides, SummaryOf, View};

/// Children of a node: the bits of a word.
const FAN_OUT: u64 = 32;
/// Steps of the shortest tile.
const WORD: u64 = SavedLayout::STEPS_PER_WORD;

/// The additions of the tree that a sum goes through: one at each level, and one where the initial state is scaled and added.
pub(super) fn depth(time: u64, tile_steps: u64) -> u64 {
    let (mut nodes, mut levels) = (time.div_ceil(tile_steps), 0);
    while nodes > 1 {
        nodes = nodes.div_ceil(FAN_OUT);
        levels += 1;
    }
    levels + 1
}

pub(super) fn build(builder: &mut Builder<'_>, strategy: Strategy) -> Result<(), Error> {
    let steps = builder.tuning.tile_steps_of(builder.descriptor.shape());
    // The codes of numbers are not all there is to know of them.
    let probes = strategy == Strategy::Probe || builder.descriptor.carry().is_number();
    // A single tile that is walked over as it is needs no carry.
    if probes && builder.whole[1] <= steps {
        return serial::build(builder);
    }
    // Where a whole tile of long rows does not fit a binding, the shortest tile may.
    let tiles = |steps| Tiles::new(builder, steps, probes);
    let (longest, shortest) = (tiles(steps), tiles(WORD));
    match cut(builder, longest) {
        Ok(fits) => run(builder, longest, fits),
        Err(_) => run(builder, shortest, cut(builder, shortest)?),
    }
}

/// What all steps together do to the state: the aggregates of tiles, and an up-sweep over them.
pub(super) fn summarize(builder: &mut Builder<'_>) -> Result<(), Error> {
    let descriptor = builder.descriptor;
    // What looks back reads only the ends of its tiles; sums read all of them.
    let steps = match descriptor.carry() {
        Carry::Codes | Carry::Fill | Carry::Age => WORD * FAN_OUT,
        Carry::Count | Carry::Sum | Carry::Decay => builder.tuning.tile_steps_of(descriptor.shape()),
    };
    let tiles = |steps| Tiles { steps, probes: true, looks_back: false };
    let (tiles, cut) = match cut(builder, tiles(steps)) {
        Ok(fits) => (tiles(steps), fits),
        Err(_) => (tiles(WORD), cut(builder, tiles(WORD))?),
    };
    let dispatches = part_count(cut.group, cut.part).saturating_add(8);
    builder.check_dispatches(part_count(builder.whole, cut.group).saturating_mul(dispatches))?;
    for (origin, extent) in parts(builder.whole, cut.group) {
        let mut scratch = tiles.scratch(builder, extent);
        builder.scratch_elements = builder.scratch_elements.max(scratch.elements);
        scratch.end_in(summary(builder, SummaryOf::States, origin), extent[1].div_ceil(tiles.steps));
        let group = Group { origin, extent, tiles, scratch };
        for (origin, part) in parts(extent, cut.part).filter(|(_, part)| part[1] > 0) {
            group.reduce_tiles(builder, origin, part)?;
        }
        group.sum_elements(builder)?;
    }
    Ok(())
}

/// Where the summary of a group lies.
pub(super) fn summary(builder: &Builder<'_>, of: SummaryOf, [row, _, channel]: Extent) -> View {
    let ([batch, _, channels], slot) = match of {
        SummaryOf::States => (builder.whole, Slot::Summary),
        SummaryOf::Gradient => (builder.whole, Slot::GradientSummary),
    };
    let words = builder.descriptor.summary_words(of).checked_div(batch * channels).unwrap_or(0);
    let strides = Strides { batch: words * channels, time: channels, channel: 1 };
    View { slot, offset: row * strides.batch + channel, strides }
}

/// What all groups have in common.
#[derive(Clone, Copy)]
struct Tiles {
    steps: u64,
    probes: bool,
    /// Whether each tile looks through the aggregates of those before it, and there is no tree.
    looks_back: bool,
}

impl Tiles {
    fn new(builder: &Builder<'_>, steps: u64, probes: bool) -> Self {
        let tiles = builder.whole[1].div_ceil(steps);
        let looks_back = !builder.descriptor.carry().is_number() && (2..=builder.tuning.look_back_tiles.into()).contains(&tiles);
        Self { steps, probes, looks_back }
    }

    /// The stages before and behind the tree.
    fn stages(self) -> [Stage; 2] {
        if self.probes { [Stage::TileProbe, Stage::Serial] } else { [Stage::TileReduce, Stage::TileApply] }
    }

    fn scratch(self, builder: &Builder<'_>, extent: Extent) -> Scratch {
        let descriptor = builder.descriptor;
        let codes = !self.probes && !descriptor.saves();
        Scratch::new(builder.border_words(), extent, self, codes, descriptor.carry(), descriptor.marks_first_set())
    }
}

/// Rows and channels that share one tree, and what one dispatch over tiles takes of them.
struct Cut {
    group: Extent,
    part: Extent,
}

fn cut(builder: &Builder<'_>, of: Tiles) -> Result<Cut, Error> {
    let whole = builder.whole;
    let width = builder.vector_width;
    let searches = builder.descriptor.marks_first_set();
    let order = builder.cut_order();
    let tiles = move |part: Extent| part[1].div_ceil(of.steps);
    let mut of_group = vec![
        Constraint {
            limit: "max_storage_buffer_binding_size",
            allowed: builder.scratch_bytes(),
            measure: Box::new(move |part| of.scratch(builder, part).elements.saturating_mul(4)),
        },
        // A summary of no steps has a node, too.
        builder.grid_constraint(move |part| part[0] * tiles(part).div_ceil(FAN_OUT).max(1) * part[2].div_ceil(width)),
        // The search for the first set step takes single channels.
        builder.grid_constraint(move |part| if searches { part[0] * part[2] } else { 0 }),
    ];
    of_group.extend(builder.binding_constraints(whole, &builder.placed(Stage::FirstSet)));
    let group = split(whole, [1, whole[1].max(1), width], order, &of_group)?;
    let bound = of.stages().map(|stage| builder.placed(stage)).concat();
    let mut of_part = vec![builder.grid_constraint(move |part| part[0] * tiles(part) * part[2].div_ceil(width))];
    of_part.extend(builder.binding_constraints(whole, &bound));
    of_part.extend(builder.detour_constraint());
    of_part.push(builder.work_constraint());
    let part = split(group, [1, of.steps, width], order, &of_part)?;
    Ok(Cut { group, part })
}

/// Where everything of a group lies in scratch.
struct Scratch {
    /// Codes are here unless they are saved, or not needed.
    codes: Option<Placed>,
    /// The aggregates of the tiles.
    aggregates: Placed,
    /// The first set step of each tile.
    first_of_tile: Placed,
    levels: Vec<Level>,
    elements: u64,
}

/// A level of the tree above the tiles.
struct Level {
    nodes: u64,
    words: Placed,
    aggregates: Placed,
}

impl Scratch {
    /// Behind so many words.
    fn new(base: u64, [batch, time, channels]: Extent, tiles: Tiles, codes: bool, carry: Carry, marks_first_set: bool) -> Self {
        let tile_steps = tiles.steps;
        let mut elements = base;
        let mut place = |operand, length: u64, axes| {
            let view = scratch_view(elements, [batch, length, channels]);
            let length = batch.saturating_mul(length).saturating_mul(channels);
            elements = elements.saturating_add(length);
            Placed::new(operand, view, axes)
        };
        let codes = codes.then(|| place(Operand::Codes, 2 * time.div_ceil(32), Axes::Tile { steps: 32, words: 2 }));
        let mut nodes = time.div_ceil(tile_steps);
        let aggregates =
            place(Operand::Aggregates, carry.words() * nodes, Axes::Tile { steps: tile_steps, words: carry.words() });
        let axes = Axes::Tile { steps: tile_steps, words: 1 };
        let first_of_tile = if marks_first_set && tiles.looks_back {
            place(Operand::FirstOfTile, nodes, axes)
        } else {
            // The aggregates are in the tree by then, and leave their place.
            Placed { operand: Operand::FirstOfTile, axes, ..aggregates }
        };
        let mut levels = Vec::new();
        while nodes > 1 && !tiles.looks_back {
            nodes = nodes.div_ceil(FAN_OUT);
            let words = place(Operand::Words, if carry.is_number() { 0 } else { 2 * nodes }, Axes::Element);
            levels.push(Level { nodes, words, aggregates: place(Operand::Aggregates, carry.words() * nodes, Axes::Element) });
        }
        Self { codes, aggregates, first_of_tile, levels, elements }
    }

    /// What all tiles do together goes there. Without steps a node without children finds the identity.
    fn end_in(&mut self, view: View, tiles: u64) {
        if tiles == 0 {
            let aggregates = Placed::new(Operand::Aggregates, view, Axes::Element);
            self.levels.push(Level { nodes: 1, words: aggregates, aggregates });
        }
        let last = self.levels.last_mut().map_or(&mut self.aggregates, |level| &mut level.aggregates);
        last.view = view;
    }
}

fn run(builder: &mut Builder<'_>, tiles: Tiles, cut: Cut) -> Result<(), Error> {
    // Two dispatches a part, and at most 14 for the tree and the first set steps of a group.
    let dispatches = part_count(cut.group, cut.part).saturating_mul(2).saturating_add(14);
    builder.check_dispatches(part_count(builder.whole, cut.group).saturating_mul(dispatches))?;
    for (origin, extent) in parts(builder.whole, cut.group) {
        let scratch = tiles.scratch(builder, extent);
        builder.scratch_elements = builder.scratch_elements.max(scratch.elements);
        let levels = scratch.levels.len();
        let group = Group { origin, extent, tiles, scratch };
        for (origin, part) in parts(extent, cut.part) {
            group.reduce_tiles(builder, origin, part)?;
        }
        if builder.descriptor.carry().is_number() {
            group.scan_elements(builder)?;
        } else {
            for level in 0..levels {
                group.reduce_nodes(builder, level)?;
            }
            for level in (0..levels).rev() {
                group.scan_nodes(builder, level)?;
            }
        }
        for (origin, part) in parts(extent, cut.part) {
            group.apply_tiles(builder, origin, part)?;
        }
        if builder.descriptor.marks_first_set() {
            group.find_first_set(builder)?;
        }
    }
    Ok(())
}

/// Rows and channels that share one tree.
struct Group {
    origin: Extent,
    extent: Extent,
    tiles: Tiles,
    scratch: Scratch,
}

impl Group {
    /// The boxes of the stage's own operands, and of the codes wherever they lie, that belong to a part of this group.
    fn regions(&self, builder: &Builder<'_>, stage: Stage, origin: Extent, part: Extent) -> Result<Vec<Boxed>, Error> {
        let absolute: Extent = core::array::from_fn(|axis| self.origin[axis] + origin[axis]);
        let is_last = absolute[1] + part[1] == builder.whole[1];
        let mut regions = Vec::new();
        for placed in builder.placed(stage) {
            let here = match (stage, placed.operand) {
                // The tree tells it to a stage of its own.
                (Stage::Serial, Operand::FirstSet) => false,
                (_, Operand::FinalState | Operand::FinalCount) => is_last || placed.axes != Axes::Row,
                _ => placed.is_here(absolute),
            };
            if here {
                regions.push(placed.boxed(absolute, part)?);
            }
        }
        if let Some(codes) = self.scratch.codes.filter(|codes| stage.operands().iter().any(|&(named, _)| named == codes.operand))
        {
            regions.push(codes.boxed(origin, part)?);
        }
        Ok(regions)
    }

    /// The words above a level, all nodes of them; nothing above the root.
    fn parent(&self, level: usize, [batch, _, channel]: Extent, part: Extent) -> Result<Option<Boxed>, Error> {
        let Some(level) = self.scratch.levels.get(level) else { return Ok(None) };
        let parent = Placed { operand: Operand::Parent, ..level.words };
        parent.boxed([batch, 0, channel], [part[0], 2 * level.nodes, part[2]]).map(Some)
    }

    fn params(&self, builder: &Builder<'_>, batch: u64, steps: u64, nodes: u64) -> Params {
        Params {
            batch: batch as u32,
            steps: steps as u32,
            nodes: nodes as u32,
            tile_steps: self.tiles.steps as u32,
            time_total: builder.whole[1] as u32,
            ..Params::default()
        }
    }

    fn reduce_tiles(&self, builder: &mut Builder<'_>, origin: Extent, part: Extent) -> Result<(), Error> {
        let [batch, steps, channels] = part;
        let tiles = steps.div_ceil(self.tiles.steps);
        let (elements, rows) = (batch * steps * channels, batch * tiles * channels);
        let words_of_steps = batch * steps.div_ceil(32) * channels;
        let thresholds = builder.threshold_loads(elements, rows);
        let [stage, _] = self.tiles.stages();
        let mut regions = self.regions(builder, stage, origin, part)?;
        regions.push(self.scratch.aggregates.boxed(origin, part)?);
        let words = builder.descriptor.carry().words();
        let ahead = u64::from(builder.tuning.steps_ahead.max(1));
        let launch = Launch {
            stage,
            params: Params { time_origin: origin[1] as u32, ..self.params(builder, batch, steps, tiles) },
            rows: batch * tiles,
            iterations: self.tile_iterations(),
            // At most, where it probes: it stops at the last step that sets.
            moved: vec![
                Moved::loads(Operand::Candidate, elements),
                Moved::loads(Operand::Threshold, thresholds),
                Moved::loads(Operand::LowThreshold, thresholds),
                Moved::stores(Operand::Codes, 2 * words_of_steps),
                Moved::loads(Operand::Validity, words_of_steps),
                Moved::loads(Operand::Amplitude, builder.amplitude_loads(elements, rows)),
                Moved::loads(Operand::Borders, builder.border_loads() * words_of_steps + ahead * rows),
                // A border decides it, but steps are taken several at once.
                Moved::loads(Operand::InitialState, ahead * rows),
                Moved::stores(Operand::Aggregates, words * rows),
            ],
        };
        builder.push(launch, channels, regions)
    }

    fn reduce_nodes(&self, builder: &mut Builder<'_>, index: usize) -> Result<(), Error> {
        let [batch, _, channels] = self.extent;
        let level = &self.scratch.levels[index];
        let (below, children) = match index.checked_sub(1) {
            Some(below) => (self.scratch.levels[below].aggregates, self.scratch.levels[below].nodes),
            None => (Placed { axes: Axes::Element, ..self.scratch.aggregates }, self.tile_count()),
        };
        let root = level.nodes == 1;
        let mut regions = vec![
            Placed { operand: Operand::Children, ..below }.boxed([0; 3], [batch, children, channels])?,
            level.words.boxed([0; 3], [batch, 2 * level.nodes, channels])?,
        ];
        if !root {
            regions.push(level.aggregates.boxed([0; 3], [batch, level.nodes, channels])?);
        }
        let rows = batch * level.nodes * channels;
        let launch = Launch {
            stage: Stage::TreeReduce,
            params: self.params(builder, batch, children, level.nodes),
            rows: batch * level.nodes,
            iterations: FAN_OUT,
            moved: vec![
                Moved::loads(Operand::Children, batch * children * channels),
                Moved::stores(Operand::Words, 2 * rows),
                Moved::stores(Operand::Aggregates, rows),
            ],
        };
        builder.push(launch, channels, regions)
    }

    fn scan_nodes(&self, builder: &mut Builder<'_>, index: usize) -> Result<(), Error> {
        let [batch, _, channels] = self.extent;
        let level = &self.scratch.levels[index];
        let mut regions = vec![level.words.boxed([0; 3], [batch, 2 * level.nodes, channels])?];
        regions.extend(self.parent(index + 1, [0; 3], self.extent)?);
        let rows = batch * level.nodes * channels;
        let launch = Launch {
            stage: Stage::TreeScan,
            params: self.params(builder, batch, 0, level.nodes),
            rows: batch * level.nodes,
            iterations: 0,
            moved: vec![
                Moved::loads(Operand::Parent, 2 * rows),
                Moved { operand: Operand::Words, loads: 2 * rows, stores: 2 * rows },
            ],
        };
        builder.push(launch, channels, regions)
    }

    fn apply_tiles(&self, builder: &mut Builder<'_>, origin: Extent, part: Extent) -> Result<(), Error> {
        let [batch, steps, channels] = part;
        let tiles = steps.div_ceil(self.tiles.steps);
        let (elements, rows) = (batch * steps * channels, batch * tiles * channels);
        let words = batch * steps.div_ceil(32) * channels;
        let [_, stage] = self.tiles.stages();
        // Bits alone are written a word at a time.
        let by_words = stage == Stage::TileApply && !builder.descriptor.writes_states();
        let iterations = if by_words { 1 + self.tiles.steps / 32 } else { self.tile_iterations() };
        let carry = builder.descriptor.carry();
        let codes = match (stage, builder.descriptor.saves()) {
            (Stage::Serial, _) => Moved::stores(Operand::Codes, carry.code_lines() * words),
            (_, saves) => Moved { operand: Operand::Codes, loads: 2 * words, stores: if saves { words } else { 0 } },
        };
        let thresholds = builder.threshold_loads(elements, rows);
        let mut regions = self.regions(builder, stage, origin, part)?;
        regions.extend(self.before_tiles(builder, origin, part)?);
        if builder.descriptor.marks_first_set() {
            regions.push(self.scratch.first_of_tile.boxed(origin, part)?);
        }
        // At most, where it looks back: it stops at the first that sets.
        let earlier: u64 = (origin[1] / self.tiles.steps..).take(tiles as usize).sum();
        let launch = Launch {
            stage,
            params: Params { time_origin: origin[1] as u32, ..self.params(builder, batch, steps, tiles) },
            rows: batch * tiles,
            iterations: iterations + if self.tiles.looks_back { self.tile_count() } else { 0 },
            moved: vec![
                Moved::loads(Operand::Candidate, elements),
                Moved::loads(Operand::Threshold, thresholds),
                Moved::loads(Operand::LowThreshold, thresholds),
                codes,
                Moved::loads(Operand::Aggregates, batch * earlier * channels),
                Moved::loads(Operand::Parent, if carry.is_number() { carry.words() } else { 2 } * rows),
                Moved::loads(Operand::Amplitude, builder.amplitude_loads(elements, rows)),
                Moved::loads(Operand::InitialState, rows + 2 * builder.beginnings(part)),
                Moved::loads(Operand::Borders, builder.told(part, rows, words)),
                Moved::loads(Operand::Validity, words),
                Moved::loads(Operand::InitialCount, rows),
                Moved::stores(Operand::States, elements),
                Moved::stores(Operand::PackedStates, words),
                Moved::stores(Operand::FirstOfTile, rows),
                Moved::stores(Operand::FinalState, (batch + builder.sequence_rows()) * channels),
                Moved::stores(Operand::Counts, elements),
                Moved::stores(Operand::FinalCount, batch * channels),
                Moved::stores(Operand::SavedInitialState, batch.max(builder.sequence_rows()) * channels),
                Moved::stores(Operand::SavedAmplitude, channels),
            ],
        };
        builder.push(launch, channels, regions)
    }

    fn find_first_set(&self, builder: &mut Builder<'_>) -> Result<(), Error> {
        let [batch, time, channels] = self.extent;
        let mut regions = self.regions(builder, Stage::FirstSet, [0; 3], self.extent)?;
        regions.extend(self.parent(0, [0; 3], self.extent)?);
        regions.push(self.scratch.first_of_tile.boxed([0; 3], self.extent)?);
        let bisections = u64::from(self.tile_count().max(1).next_power_of_two().ilog2());
        let looks_back = self.tiles.looks_back;
        let rows = batch * channels;
        let launch = Launch {
            stage: Stage::FirstSet,
            params: self.params(builder, batch, time, self.tile_count()),
            rows: batch,
            iterations: if looks_back { self.tile_count() } else { bisections },
            // At most: the halves of an odd number of tiles differ by one, and tiles are looked through until one has set.
            moved: vec![
                Moved::loads(Operand::Parent, bisections * rows),
                Moved::loads(Operand::FirstOfTile, if looks_back { self.tile_count() } else { 1 } * rows),
                Moved::stores(Operand::FirstSet, rows),
            ],
        };
        builder.push(launch, channels, regions)
    }

    fn tile_count(&self) -> u64 {
        self.extent[1].div_ceil(self.tiles.steps)
    }

    /// The steps of a tile, its words, and the row.
    fn tile_iterations(&self) -> u64 {
        1 + self.tiles.steps + self.tiles.steps / 32
    }
}
