//! Sums of gradients over the axes that their tensors lack: over batch and time where there is one threshold or amplitude per channel,
//! over any axis whose stride is 0.
//!
//! Over time a walk sums itself, and leaves a term for each of its stretches. What lacks only other axes it stores element by element,
//! in scratch. What is left is added 32 terms at a time, first over batch and the stretches of time, then over channels: an order that
//! shape and strides decide.

use super::adjoint::FAN_OUT;
use super::build::{Builder, Launch, Moved, scratch_view};
use super::split::{Axes, Boxed, Constraint, Extent, Placed, part_count, parts, split};
use crate::{Descriptor, Error, Operand, Params, Stage, Strides, View};

/// Outputs that can be sums, each with its terms.
const TERMS: [(Operand, Operand); 3] = [
    (Operand::AmplitudeGradient, Operand::AmplitudeTerms),
    (Operand::ThresholdGradient, Operand::ThresholdTerms),
    (Operand::LowThresholdGradient, Operand::LowThresholdTerms),
];

/// Whether any output is a sum over channels.
pub(super) fn go_over_channels(descriptor: &Descriptor) -> bool {
    TERMS.iter().any(|&(output, _)| descriptor.lacks(output)[2])
}

/// An output that has one element for several of a walk.
#[derive(Clone, Copy)]
pub(super) struct Summed {
    /// What the walk leaves of a stretch, where the output lacks time.
    pub terms: Operand,
    /// Where the caller wants it, row by row.
    output: Placed,
    /// Which of batch, time and channels it lacks.
    lacks: [bool; 3],
    /// What is left to be summed when all walks are done: `[B, T, D]`, without the axes that are summed by then.
    rest: Option<View>,
}

impl Summed {
    /// Whether walks sum over their steps.
    pub fn is_of_stretches(&self) -> bool {
        self.lacks[1]
    }

    /// Rows that are summed apart, of so many.
    pub fn rows(&self, batch: u64) -> u64 {
        if self.lacks[0] { 1 } else { batch }
    }

    /// Where the sums over the stretches end.
    pub fn of_stretches(&self) -> Placed {
        self.rest.map_or(self.output, |rest| Placed::new(Operand::Sum, rest, Axes::Row))
    }

    /// Length of each axis of `rest`.
    fn extent(&self, [batch, time, channels]: Extent) -> Extent {
        if self.lacks[1] { [self.rows(batch), 1, channels] } else { [batch, time, channels] }
    }

    /// The output with its axes in another order.
    fn to(&self, strides: Strides) -> Placed {
        Placed { view: View { strides, ..self.output.view }, ..self.output }
    }
}

/// Takes the outputs that are sums from those that walks store, or has them stored in scratch.
pub(super) fn take(builder: &mut Builder<'_>) {
    let whole = builder.whole;
    let mut words = builder.border_words();
    for (operand, terms) in TERMS {
        let lacks = builder.descriptor.lacks(operand);
        let Some(number) = builder.operands.iter().position(|placed| placed.operand == operand) else { continue };
        if lacks == [false; 3] {
            continue;
        }
        let placed = builder.operands[number];
        let output = Placed { operand: Operand::Sum, axes: Axes::Row, descends: None, ..placed };
        let mut summed = Summed { terms, output, lacks, rest: None };
        if !lacks[1] || lacks[2] {
            let extent = summed.extent(whole);
            let view = scratch_view(words, extent);
            summed.rest = Some(view);
            words = words.saturating_add(extent.into_iter().fold(1, u64::saturating_mul));
        }
        match summed.rest {
            // In the order of memory, whichever way steps are taken.
            Some(view) if !lacks[1] => {
                builder.operands[number] = Placed { descends: placed.descends, ..Placed::new(operand, view, Axes::Element) };
            }
            _ => drop(builder.operands.remove(number)),
        }
        builder.summed.push(summed);
    }
    builder.lasting_words = words;
    builder.scratch_elements = builder.scratch_elements.max(words);
}

/// Sums over what axes are left when all walks are done.
pub(super) fn finish(builder: &mut Builder<'_>) -> Result<(), Error> {
    for summed in builder.summed.clone() {
        let Some(mut rest) = summed.rest else { continue };
        let [mut batch, time, channels] = summed.extent(builder.whole);
        let [lacks_batch, _, lacks_channels] = summed.lacks;
        let mut between = builder.lasting_words;
        let output = summed.output.view.strides;
        if lacks_batch && batch != 1 {
            let strides = Strides { batch: rest.strides.time, time: rest.strides.batch, channel: rest.strides.channel };
            let extent = [time, batch, channels];
            let next = scratch_view(between, [1, time, channels]);
            let to = if lacks_channels {
                between += time * channels;
                Placed::new(Operand::Sum, View { strides: Strides { batch: channels, ..next.strides }, ..next }, Axes::Row)
            } else {
                summed.to(Strides { batch: output.time, time: 0, channel: output.channel })
            };
            sum_by_parts(builder, extent, View { strides, ..rest }, between, to)?;
            (rest, batch) = (next, 1);
        }
        if lacks_channels {
            let strides = Strides { batch: rest.strides.batch, time: rest.strides.channel, channel: rest.strides.time };
            let to = summed.to(Strides { batch: output.batch, time: 0, channel: output.time });
            sum_by_parts(builder, [batch, channels, time], View { strides, ..rest }, between, to)?;
        }
    }
    Ok(())
}

/// Adds so many terms for each row and channel, cut into parts of rows and channels; the levels between lie in scratch from a word on.
fn sum_by_parts(
    builder: &mut Builder<'_>,
    [rows, count, channels]: Extent,
    terms: View,
    between: u64,
    output: Placed,
) -> Result<(), Error> {
    let whole = [rows, 1, channels];
    let width = if terms.strides.channel == 1 { builder.vector_width } else { 1 };
    let terms = Placed::new(Operand::Terms, terms, Axes::Lines { count });
    let part = {
        let mut constraints = vec![
            builder.grid_constraint(move |part| part[0] * part[2].div_ceil(width) * count.div_ceil(FAN_OUT).max(1)),
            Constraint {
                limit: "max_dispatch_elements",
                allowed: builder.tuning.max_dispatch_elements,
                measure: Box::new(move |part| part.into_iter().fold(count, u64::saturating_mul)),
            },
        ];
        constraints.extend(builder.binding_constraints(whole, &[terms, output]));
        split(whole, [1, 1, width], [0, 2, 1], &constraints)?
    };
    builder.check_dispatches(part_count(whole, part))?;
    let levels = between_words([part[0], count, part[2]]);
    builder.scratch_elements = builder.scratch_elements.max(between.saturating_add(levels));
    for (origin, part) in parts(whole, part).filter(|(_, part)| part[0] > 0) {
        let [rows, _, channels] = part;
        let (terms, output) = (terms.boxed(origin, part)?, output.boxed(origin, part)?);
        sum(builder, [rows, count, channels], terms, between, output)?;
    }
    Ok(())
}

/// Words between the terms of so many rows and channels and their sums.
pub(super) fn between_words([rows, mut count, channels]: Extent) -> u64 {
    let mut words = 0u64;
    while count > FAN_OUT {
        count = count.div_ceil(FAN_OUT);
        words = words.saturating_add(rows.saturating_mul(count).saturating_mul(channels));
    }
    words
}

/// Adds so many terms for each row and channel, 32 at a time.
pub(super) fn launch([rows, count, channels]: Extent, nodes: u64) -> Launch {
    Launch {
        stage: Stage::SumReduce,
        params: Params { batch: rows as u32, steps: count as u32, nodes: nodes as u32, ..Params::default() },
        rows: rows * nodes,
        iterations: FAN_OUT,
        moved: vec![Moved::loads(Operand::Terms, rows * count * channels), Moved::stores(Operand::Sum, rows * nodes * channels)],
    }
}

/// Adds so many terms for each row and channel; the levels between lie in scratch from a word on.
pub(super) fn sum(
    builder: &mut Builder<'_>,
    [rows, mut count, channels]: Extent,
    mut terms: Boxed,
    mut between: u64,
    output: Boxed,
) -> Result<(), Error> {
    loop {
        let nodes = count.div_ceil(FAN_OUT).max(1);
        let level = Placed::new(Operand::Sum, scratch_view(between, [rows, nodes, channels]), Axes::Element);
        let result = if nodes == 1 { output } else { level.boxed([0; 3], [rows, nodes, channels])? };
        builder.push(launch([rows, count, channels], nodes), channels, vec![terms, result])?;
        if nodes == 1 {
            return Ok(());
        }
        terms = Boxed { operand: Operand::Terms, ..result };
        between += rows * nodes * channels;
        count = nodes;
    }
}
