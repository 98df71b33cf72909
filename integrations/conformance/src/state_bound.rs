//! How far a state may lie from the oracle's, where it is a sum: derived, not chosen. Other states are copies.
//!
//! Of a cumulative unit `h0 + α·n` is a product and a sum: `ε·(2|α·n| + |h0|) + 2⁻¹²⁶` with `ε = 2⁻²³`, and none where `n = 0`.
//!
//! Of a relaxed unit `scaled.rs` tells, and half a unit more, by which the oracle's is rounded.

use crate::runner::states_slot;
use crate::scaled::Scaled;
use crate::sum_bound;
use bmru::oracle::{self, Borders, Inputs};
use bmru::{Counts, Descriptor, Error, Operand, Sequences, Slot, TimeOrder, Unit, View};

const EPSILON: f64 = 1.1920928955078125e-7;

/// The bounds of states and final states, in the same places as the oracle's; 0 where they are copies, NaN where no bound holds.
/// `depth` is that of the plan, of all plans the largest.
///
/// # Errors
/// As [`oracle::forward`].
pub(crate) fn state_bounds(descriptor: &Descriptor, inputs: &Inputs<'_>, depth: u64) -> Result<[Vec<f64>; 2], Error> {
    let zeros = |slot| Ok::<_, Error>(vec![0.0; descriptor.slot_elements(slot)? as usize]);
    let final_state = descriptor.view(Operand::FinalState).map_or(Slot::FinalState, |view| view.slot);
    let mut bounds = [zeros(states_slot(descriptor))?, zeros(final_state)?];
    if !matches!(descriptor.unit(), Unit::Cumulative | Unit::Relaxed) {
        return Ok(bounds);
    }
    if sum_bound::is_sum(descriptor) {
        return Ok(sum_bound::extend(descriptor, inputs, bounds));
    }
    let shape = descriptor.shape();
    let counted = descriptor.unit() == Unit::Cumulative;
    let whole = if counted { descriptor.clone().counts(Counts::All) } else { descriptor.clone() };
    let outputs = oracle::forward(&whole, inputs)?;
    let counts = whole.view(Operand::Counts);
    let input = |operand, b, t, d| {
        let Some(view) = descriptor.view(operand) else { return 0.0 };
        let slot = match view.slot {
            Slot::Candidate => inputs.candidate,
            Slot::Amplitude => inputs.amplitude,
            _ => inputs.initial_state,
        };
        f64::from(slot[at(view, b, t, d)]).abs()
    };
    let (borders, sequences) = (Borders::new(descriptor, inputs), descriptor.sequences_kind());
    let count_of = |row, d| descriptor.view(Operand::InitialCount).map_or(0, |view| inputs.initial_count[at(view, row, 0, d)]);
    let of_count = |initial: f64, n: i32, amplitude: f64| match f64::from(n) * amplitude {
        _ if n == 0 => 0.0,
        moved => EPSILON * (2.0 * moved.abs() + initial) + 2f64.powi(-126),
    };
    // Without steps there are no amplitudes but those of channels.
    let of_row = |row, d| {
        let first = if counted { input(Operand::Amplitude, 0, 0, d) } else { 0.0 };
        of_count(input(Operand::InitialState, row, 0, d), count_of(row, d), first)
    };
    let finite = |bound: f64| if bound.is_finite() { bound } else { f64::NAN };
    let packed = matches!(sequences, Sequences::Packed { .. });
    if let (Sequences::Packed { count }, Some(view)) = (sequences, descriptor.view(Operand::FinalState)) {
        for (n, d) in (0..count).flat_map(|n| (0..shape.channels).map(move |d| (n, d))) {
            bounds[1][at(view, n, 0, d)] = finite(of_row(n, d));
        }
    }
    for (b, d) in (0..shape.batch).flat_map(|b| (0..shape.channels).map(move |d| (b, d))) {
        let mut initial = if packed { 0.0 } else { input(Operand::InitialState, b, 0, d) };
        let mut of_relaxed = Scaled::state(descriptor, depth, initial);
        let mut bound = if packed { 0.0 } else { finite(of_row(b, d)) };
        for step in 0..shape.time {
            let t = if descriptor.order_of_time() == TimeOrder::Descending { shape.time - 1 - step } else { step };
            let Some(row) = borders.sequence(b, step) else { continue };
            if borders.begins(b, step) {
                initial = input(Operand::InitialState, row, 0, d);
                of_relaxed = Scaled::state(descriptor, depth, initial);
            }
            let amplitude = input(Operand::Amplitude, b, t, d);
            let view = descriptor.view(Operand::States).expect("every descriptor has states");
            let place = at(view, b, t, d);
            bound = match counts {
                Some(view) => of_count(initial, outputs.counts[at(view, b, t, d)], amplitude),
                None => {
                    if sum_bound::sets(descriptor, inputs, [b, t, d]) {
                        of_relaxed.set(amplitude);
                    }
                    of_relaxed.state_error(outputs.states[place].into())
                }
            };
            // Terms that are so large together may pass infinity on the way, in one order and not in another.
            bound = match finite(bound) {
                bound if counts.is_none() && of_relaxed.largest() > f32::MAX.into() && bound > 0.0 => f64::INFINITY,
                bound => bound,
            };
            bounds[0][place] = bound;
            if let Some(view) = descriptor.view(Operand::FinalState).filter(|_| packed && borders.ends(b, step)) {
                bounds[1][at(view, row, 0, d)] = bound;
            }
        }
        if let Some(view) = descriptor.view(Operand::FinalState).filter(|_| !packed) {
            bounds[1][at(view, b, 0, d)] = bound;
        }
    }
    Ok(bounds)
}

pub(crate) fn at(view: View, b: u64, t: u64, d: u64) -> usize {
    (view.offset + b * view.strides.batch + t * view.strides.time + d * view.strides.channel) as usize
}
