//! Summaries, by the plain loop.

use super::held::Held;
use super::{Gate, index};
use crate::carry::Carry;
use crate::{Descriptor, Error, Inputs, Operand, Shape, Slot, Summary, SummaryOf};

/// What all steps together do to the state: the oracle of [`Descriptor::summarize`]. Sums are rounded once.
///
/// # Errors
/// A descriptor that cannot exist, rows with borders, or a slice of the wrong length.
pub fn summarize(descriptor: &Descriptor, inputs: &Inputs<'_>) -> Result<Summary, Error> {
    descriptor.check_summary(SummaryOf::States)?;
    let read = [Slot::Candidate, Slot::Threshold, Slot::Validity].into_iter();
    let amplitudes = descriptor.sums_amplitudes().then_some(Slot::Amplitude);
    for slot in read.chain(amplitudes) {
        super::check_length(descriptor, slot, inputs.slot(slot))?;
    }
    let Shape { batch, time, channels } = descriptor.shape();
    let (carry, element, gate) = (descriptor.carry(), descriptor.element_type(), Gate::of(descriptor));
    let mut words = vec![0; descriptor.summary_words(SummaryOf::States) as usize];
    for (b, d) in (0..batch).flat_map(|b| (0..channels).map(move |d| (b, d))) {
        let load = |operand, t| match descriptor.view(operand) {
            Some(view) if operand != Operand::Amplitude || amplitudes.is_some() => {
                element.round(inputs.slot(view.slot)[index(view, b, t, d)])
            }
            _ => 0.0,
        };
        let mut held = Held::new(descriptor, 0.0, 0);
        let (mut last, mut sets) = (None, 0);
        for step in 0..time {
            let t = descriptor.order_of_time().time(step, time);
            let [c, r, low] = [Operand::Candidate, Operand::Threshold, Operand::LowThreshold].map(|operand| load(operand, t));
            let action = match descriptor.view(Operand::Validity) {
                Some(view) => (inputs.validity[index(view, b, step / 32, d)] >> (step % 32) & 1 == 1).then_some(true),
                None => gate.action(c, r, low),
            };
            if let Some(upper) = action {
                let amplitude = if descriptor.unit().is_gated() { load(Operand::Amplitude, t) } else { c };
                let state = gate.state(amplitude, upper);
                held.set(state, upper);
                (last, sets) = (Some((upper, state, time - 1 - step)), sets + 1);
            }
        }
        let at = (b * carry.words() * channels + d) as usize;
        let second = at + channels as usize;
        match (carry, last) {
            (Carry::Count, _) => words[at] = held.count() as u32,
            (Carry::Age, None) => words[at] = (time as u32) << 1,
            (_, None) => {}
            (Carry::Codes, Some((upper, ..))) => words[at] = 1 | u32::from(upper) << 1,
            (Carry::Fill, Some((_, state, _))) => (words[at], words[second]) = (1, element.pattern(state)),
            (Carry::Age, Some((_, state, since))) => {
                (words[at], words[second]) = (1 | (since as u32) << 1, element.pattern(state))
            }
            (Carry::Sum, Some(_)) => words[at] = (held.exact(0.0) as f32).to_bits(),
            (Carry::Decay, Some(_)) => {
                words[at] = (f64::from(descriptor.epsilon_value()).powi(sets) as f32).to_bits() ^ 0x3f80_0000;
                words[second] = (held.exact(0.0) as f32).to_bits();
            }
        }
    }
    Summary::from_words(descriptor, &words)
}
