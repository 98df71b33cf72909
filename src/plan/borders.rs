//! Borders of sequences: what walks are told of them, found once for all channels, and what packed sequences without steps hand on.

use super::build::{Builder, Launch, Moved};
use super::split::{Axes, Extent, Placed, part_count, parts, split};
use crate::carry::Carry;
use crate::{Error, Operand, Params, Sequences, Slot, Stage, Strides, View};

/// Steps of a word.
const WORD: u64 = 32;

impl Builder<'_> {
    /// Where the borders lie: at the beginning of scratch, words of bits in all lanes of a vector.
    pub fn borders(&self) -> Option<Placed> {
        let [batch, time, _] = self.whole;
        let (sequences, lanes) = (self.descriptor.sequences_kind(), self.vector_width);
        let words = match sequences {
            Sequences::Rows => return None,
            Sequences::Packed { .. } => BIT_WORDS * lanes + WORD,
            Sequences::Resets => lanes,
        };
        let strides = Strides { batch: time.div_ceil(WORD).saturating_mul(words), time: words, channel: 1 };
        let view = View { slot: Slot::Scratch, offset: 0, strides };
        (batch > 0 && time > 0).then(|| Placed::new(Operand::Borders, view, Axes::Borders { words }))
    }

    /// Words of scratch that are taken by them.
    pub fn border_words(&self) -> u64 {
        self.borders().map_or(0, |placed| placed.view.strides.batch.saturating_mul(self.whole[0]))
    }

    /// Words that a walk loads of 32 steps.
    pub fn border_loads(&self) -> u64 {
        match self.descriptor.sequences_kind() {
            Sequences::Rows => 0,
            Sequences::Packed { .. } => BIT_WORDS,
            Sequences::Resets => 1,
        }
    }

    /// At most: sequences that begin within so many steps of each row.
    pub fn beginnings(&self, [batch, steps, channels]: Extent) -> u64 {
        match self.descriptor.sequences_kind() {
            Sequences::Rows => 0,
            Sequences::Packed { count } => count.min(steps).saturating_mul(channels),
            Sequences::Resets => batch.saturating_mul(steps).saturating_mul(channels),
        }
    }

    /// At most: what walks load of borders that begin so often and enter so many words, and how often they look up a sequence: where
    /// they begin, and where one or what lies between two of them begins or ends.
    pub fn told(&self, [_, steps, channels]: Extent, walks: u64, words: u64) -> u64 {
        let bits = self.border_loads() * (words + 2 * walks);
        let looked_up = |count: u64| walks + 3 * (2 * count + 1).min(steps).saturating_mul(channels);
        bits + self.descriptor.sequences_kind().packed().map_or(0, looked_up)
    }

    /// Rows of initial states that a pass over so many rows of time loads beside the first of each.
    pub fn sequence_rows(&self) -> u64 {
        self.descriptor.sequences_kind().packed().unwrap_or(0)
    }
}

/// Of packed sequences: where they begin, where they end, and which steps belong to any.
const BIT_WORDS: u64 = 3;

/// Finds them.
pub(super) fn find(builder: &mut Builder<'_>) -> Result<(), Error> {
    let Some(borders) = builder.borders() else { return Ok(()) };
    let [batch, time, _] = builder.whole;
    let whole = [batch, time, 1];
    let given = builder.placed(Stage::Borders);
    let part = {
        let mut constraints = vec![builder.grid_constraint(|part| part[0] * part[1].div_ceil(WORD))];
        constraints.extend(builder.binding_constraints(whole, &[&given[..], &[borders]].concat()));
        split(whole, [1, WORD, 1], [0, 1, 2], &constraints)?
    };
    builder.check_dispatches(part_count(whole, part))?;
    builder.scratch_elements = builder.scratch_elements.max(builder.border_words());
    let count = builder.sequence_rows();
    // Of 32 steps, the one before and the one behind; each by bisection.
    let bisections = u64::from((count + 1).ilog2()) + 1;
    for (origin, part) in parts(whole, part) {
        let [rows, steps, _] = part;
        let words = steps.div_ceil(WORD);
        let mut boxes = vec![borders.boxed(origin, part)?];
        for placed in &given {
            boxes.push(placed.boxed(origin, part)?);
        }
        let launch = Launch {
            stage: Stage::Borders,
            params: Params {
                batch: rows as u32,
                steps: count as u32,
                nodes: words as u32,
                tile_steps: builder.vector_width as u32,
                time_origin: origin[1] as u32,
                time_total: time as u32,
                ..Params::default()
            },
            rows: rows * words,
            iterations: (WORD + 2) * (bisections + 2) + BIT_WORDS * builder.vector_width,
            moved: vec![
                Moved::loads(Operand::Resets, rows * steps),
                Moved::loads(Operand::CuSeqlens, words * (WORD + 2) * bisections),
                Moved::stores(Operand::Borders, rows * words * borders.view.strides.time),
            ],
        };
        builder.push(launch, 1, boxes)?;
    }
    Ok(())
}

/// Forward: what packed sequences without steps hand on.
pub(super) fn hand_on_empty(builder: &mut Builder<'_>) -> Result<(), Error> {
    let (count, [_, time, channels]) = (builder.sequence_rows(), builder.whole);
    let written = [Operand::FinalState, Operand::FinalCount, Operand::SavedInitialState];
    if count == 0 || !builder.operands.iter().any(|placed| written.contains(&placed.operand)) {
        return Ok(());
    }
    // Without steps nobody else saves the amplitudes.
    let (counts, saves) = (builder.descriptor.carry() == Carry::Count, builder.descriptor.saves_amplitude() && time == 0);
    let needed = |placed: &&Placed| match placed.operand {
        Operand::CuSeqlens | Operand::InitialState | Operand::InitialCount => true,
        Operand::Amplitude => counts || saves,
        Operand::SavedAmplitude => saves,
        operand => written.contains(&operand),
    };
    let operands: Vec<Placed> = builder.operands.iter().filter(needed).map(|placed| row_by_row(*placed)).collect();
    let width = builder.vector_width;
    let whole = [count, 1, channels];
    let part = {
        let mut constraints = vec![builder.grid_constraint(move |part| part[0] * part[2].div_ceil(width))];
        constraints.extend(builder.binding_constraints(whole, &operands));
        constraints.extend(builder.detour_constraint());
        split(whole, [1, 1, width], [0, 1, 2], &constraints)?
    };
    builder.check_dispatches(part_count(whole, part))?;
    for (origin, part) in parts(whole, part) {
        // Amplitudes are saved by the first part of their channels.
        let here =
            |placed: &&Placed| placed.is_here(origin) && (placed.operand != Operand::Amplitude || counts || origin[0] == 0);
        let boxes = operands.iter().filter(here).map(|placed| placed.boxed(origin, part)).collect::<Result<_, _>>()?;
        let rows = part[0] * part[2];
        let launch = Launch {
            stage: Stage::Serial,
            params: Params { batch: part[0] as u32, nodes: 1, time_total: time as u32, ..Params::default() },
            rows: part[0],
            iterations: u64::from(builder.tuning.max_band),
            // At most: where none has any.
            moved: vec![
                Moved::loads(Operand::CuSeqlens, 2 * rows / width),
                Moved::loads(Operand::Amplitude, rows),
                Moved::loads(Operand::InitialState, if builder.descriptor.saves() { 2 * rows } else { rows }),
                Moved::loads(Operand::InitialCount, rows),
                Moved::stores(Operand::FinalState, rows),
                Moved::stores(Operand::FinalCount, rows),
                Moved::stores(Operand::SavedInitialState, rows),
                Moved::stores(Operand::SavedAmplitude, part[2]),
            ],
        };
        builder.push(launch, part[2], boxes)?;
    }
    Ok(())
}

/// Rows of sequences, cut as rows of a batch; each with the border before and the one behind it.
pub(super) fn row_by_row(placed: Placed) -> Placed {
    match (placed.operand, placed.axes) {
        (Operand::CuSeqlens, _) => {
            let strides = Strides { batch: 1, ..placed.view.strides };
            Placed { view: View { strides, ..placed.view }, axes: Axes::Words { length: 2 }, ..placed }
        }
        (_, Axes::Sequence { .. }) => Placed { axes: Axes::Row, ..placed },
        _ => placed,
    }
}
