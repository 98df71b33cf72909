//! The dispatches of a backward pass over channels that are worked on together.

use super::scratch::{Scratch, Sums, moved_registers, registers};
use super::walks::{Cut, Walks, behind, walk_iterations};
use super::{FAN_OUT, STRETCH};
use crate::plan::borders::row_by_row;
use crate::plan::build::{Builder, Launch, Moved, scratch_view};
use crate::plan::split::{Axes, Boxed, Extent, Placed, parts};
use crate::plan::sums;
use crate::{Error, Operand, Params, Sequences, Slot, Stage};

/// Channels that are worked on together, with all rows and all of time.
pub(super) struct Group {
    pub origin: Extent,
    pub extent: Extent,
    pub scratch: Scratch,
}

impl Group {
    pub(super) fn run(&self, builder: &mut Builder<'_>, walks: Walks, cut: &Cut) -> Result<(), Error> {
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
    pub(super) fn reduce(&self, builder: &mut Builder<'_>, origin: Extent, part: Extent) -> Result<(), Error> {
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

    pub(super) fn reduce_nodes(&self, builder: &mut Builder<'_>, index: usize) -> Result<(), Error> {
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
        // Short rows are taken several at a time.
        let turns = match walks {
            Walks::Whole => {
                u64::from(builder.tuning.min_steps).checked_div(steps).unwrap_or(1).clamp(1, batch / builder.vector_rows)
            }
            Walks::Tiles(_) => 1,
        };
        let rows_each = turns * builder.vector_rows;
        let kept = registers(builder.descriptor);
        let mut boxes = Vec::new();
        // The row before time is stored by the walk that comes to it, unless it goes through scratch.
        let stores_initial_state = origin[1] == 0 && self.scratch.initial_state_gradient.is_none();
        for placed in builder.placed(Stage::Adjoint) {
            if placed.operand != Operand::InitialStateGradient || stores_initial_state {
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
        // What rows have in common is loaded once for all that an invocation takes.
        let common = batch.div_ceil(rows_each) * tiles * channels;
        let thresholds = builder.threshold_loads(elements, common);
        // Before the only step lies the initial state: no signs are asked for.
        let lines = if builder.has_one_step() { 1 } else { builder.descriptor.carry().code_lines() };
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
                rows: turns as u32,
                ..self.params(batch, steps, tiles)
            },
            rows: batch.div_ceil(rows_each) * tiles,
            iterations: turns * walk_iterations(walks.steps(steps)),
            moved: vec![
                Moved::loads(Operand::Candidate, elements),
                Moved::loads(Operand::Threshold, thresholds),
                Moved::loads(Operand::LowThreshold, thresholds),
                Moved::loads(Operand::StatesGradient, elements),
                Moved::loads(Operand::Codes, lines * batch * words * channels),
                Moved::loads(Operand::Amplitude, builder.amplitude_loads(elements, common)),
                // Nothing lies before the first step of all.
                Moved::loads(Operand::StatesBefore, elements - if origin[1] == 0 { batch * channels } else { 0 }),
                Moved::stores(Operand::AmplitudeGradient, elements),
                // One word of codes tells it.
                Moved::loads(Operand::FirstSet, if builder.has_one_word() { 0 } else { rows }),
                Moved::loads(Operand::SavedInitialState, rows + builder.beginnings(part)),
                Moved::loads(Operand::Borders, builder.told(part, rows, batch * words * channels)),
                Moved::loads(Operand::FinalStateGradient, builder.sequence_rows() * channels),
                Moved::loads(Operand::SavedAmplitude, common),
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
