//! Health as the sequential loop counts it.

use super::{Gate, Inputs, index};
use crate::{Descriptor, Error, Health, HealthSource, Operand, SavedLayout, Shape, View};

/// The contents of [`Slot::Health`](crate::Slot::Health): what each channel does with these inputs, rounded to the descriptor's
/// [`Element`](crate::Element) first.
///
/// # Errors
/// A descriptor that cannot exist, or a slice of the wrong length.
pub fn health(descriptor: &Descriptor, source: HealthSource, inputs: &Inputs<'_>) -> Result<Vec<u32>, Error> {
    inputs.check(descriptor)?;
    let Shape { batch, time, channels } = descriptor.shape();
    let (gate, element) = (Gate::of(descriptor), descriptor.element_type());
    let load = |operand, b, t, d| {
        descriptor.view(operand).map_or(0.0, |view: View| element.round(inputs.slot(view.slot)[index(view, b, t, d)]))
    };
    let mut lines = vec![0; (channels * Health::LINES) as usize];
    for d in 0..channels {
        let mut of_channel = Counts { first_set: SavedLayout::NEVER, ..Counts::default() };
        for b in 0..batch {
            let mut sequence = Sequence::default();
            for step in 0..time {
                let t = descriptor.order_of_time().time(step, time);
                let [c, r, low] =
                    [Operand::Candidate, Operand::Threshold, Operand::LowThreshold].map(|input| load(input, b, t, d));
                of_channel.nans += u64::from([c, r, low].iter().any(|input| input.is_nan()));
                sequence.step(step, step + 1 == time, gate.action(c, r, low), &mut of_channel);
            }
            of_channel.silent += u32::from(sequence.first_set.is_none());
        }
        if source == HealthSource::Saved && batch * time > 0 {
            of_channel.nans = u64::MAX;
        }
        for (line, word) in of_channel.words().into_iter().enumerate() {
            lines[line * channels as usize + d as usize] = word;
        }
    }
    Ok(lines)
}

/// The lines of the buffer for one channel.
#[derive(Default)]
struct Counts {
    sets: u64,
    flips: u64,
    holds: u64,
    longest: u32,
    first_set: u32,
    silent: u32,
    nans: u64,
}

impl Counts {
    fn words(&self) -> [u32; Health::LINES as usize] {
        let [low, high] = [|count: u64| count as u32, |count: u64| (count >> 32) as u32];
        let Self { sets, flips, holds, nans, .. } = *self;
        [
            low(sets),
            high(sets),
            low(flips),
            high(flips),
            low(holds),
            high(holds),
            self.longest,
            self.first_set,
            self.silent,
            low(nans),
            high(nans),
        ]
    }
}

/// A sequence of one channel, so far.
#[derive(Default)]
struct Sequence {
    first_set: Option<u64>,
    /// Whether the last set was to the upper state.
    upper: bool,
    /// Steps since then.
    held: u32,
}

impl Sequence {
    fn step(&mut self, step: u64, is_last: bool, action: Option<bool>, counts: &mut Counts) {
        let Some(upper) = action else {
            counts.holds += u64::from(self.held == 0);
            self.held += 1;
            counts.longest = counts.longest.max(self.held);
            return;
        };
        counts.sets += 1;
        // The side of a set is seen by the step behind it.
        counts.flips += u64::from(self.first_set.is_some() && upper != self.upper && !is_last);
        counts.first_set = counts.first_set.min(step as u32);
        self.first_set = self.first_set.or(Some(step));
        (self.upper, self.held) = (upper, 0);
    }
}
