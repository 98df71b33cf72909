//! How far a state may lie from the oracle's where it is a sum of amplitudes, in an order that nobody promises.
//!
//! Of `k` steps that set, `h0` and `k` amplitudes are added up. Whatever the order, each of them passes at most `k` additions that
//! round (to add the 0 of a stretch that holds does not), so that `|h − h*| ≤ ((1 + ε)^k − 1)·(|h0| + Σ|α|)`, and what a driver flushes:
//! two operands and a sum below `2⁻¹²⁶` each time.

use bmru::oracle::Borders;
use bmru::{Amplitude, Boundary, Descriptor, Inputs, Operand, Sequences, Slot, TimeOrder, Unit};

use crate::state_bound::at;

const EPSILON: f64 = 1.1920928955078125e-7;

pub(crate) fn is_sum(descriptor: &Descriptor) -> bool {
    descriptor.unit() == Unit::Cumulative && descriptor.amplitude_kind() == Amplitude::PerElement
}

/// The magnitude of an input.
fn magnitude(descriptor: &Descriptor, inputs: &Inputs<'_>, operand: Operand, [b, t, d]: [u64; 3]) -> f32 {
    let Some(view) = descriptor.view(operand) else { return 0.0 };
    let slot = match view.slot {
        Slot::Candidate => inputs.candidate,
        Slot::Threshold => inputs.threshold,
        Slot::Amplitude => inputs.amplitude,
        _ => inputs.initial_state,
    };
    slot[at(view, b, t, d)].abs()
}

/// Whether a step of a unit with one threshold sets.
pub(crate) fn sets(descriptor: &Descriptor, inputs: &Inputs<'_>, place: [u64; 3]) -> bool {
    let [c, r] = [Operand::Candidate, Operand::Threshold].map(|operand| magnitude(descriptor, inputs, operand, place));
    c > r || descriptor.boundary_rule() == Boundary::Set && c == r
}

/// Fills the bounds of states and final states.
pub(crate) fn extend(descriptor: &Descriptor, inputs: &Inputs<'_>, mut bounds: [Vec<f64>; 2]) -> [Vec<f64>; 2] {
    let shape = descriptor.shape();
    let input = |operand, place| f64::from(magnitude(descriptor, inputs, operand, place));
    let states = descriptor.view(Operand::States).expect("every descriptor has states");
    let borders = Borders::new(descriptor, inputs);
    let packed = matches!(descriptor.sequences_kind(), Sequences::Packed { .. });
    for (b, d) in (0..shape.batch).flat_map(|b| (0..shape.channels).map(move |d| (b, d))) {
        let initial = |row| input(Operand::InitialState, [row, 0, d]);
        let (mut terms, mut steps, mut bound) = (if packed { 0.0 } else { initial(b) }, 0.0, 0.0);
        for step in 0..shape.time {
            let t = if descriptor.order_of_time() == TimeOrder::Descending { shape.time - 1 - step } else { step };
            let Some(row) = borders.sequence(b, step) else { continue };
            if borders.begins(b, step) {
                (terms, steps) = (initial(row), 0.0);
            }
            if sets(descriptor, inputs, [b, t, d]) {
                terms += input(Operand::Amplitude, [b, t, d]);
                steps += 1.0;
            }
            bound = match (steps * EPSILON).exp_m1() * terms + steps * 2f64.powi(-124) {
                // What is held from the beginning is a copy, an infinity or a NaN, too.
                _ if steps == 0.0 => 0.0,
                bound if !bound.is_finite() => f64::NAN,
                // Terms that are so large together may pass infinity on the way, in one order and not in another.
                _ if terms > f32::MAX.into() => f64::INFINITY,
                bound => bound,
            };
            bounds[0][at(states, b, t, d)] = bound;
            if let Some(view) = descriptor.view(Operand::FinalState).filter(|_| packed && borders.ends(b, step)) {
                bounds[1][at(view, row, 0, d)] = bound;
            }
        }
        if let Some(view) = descriptor.view(Operand::FinalState).filter(|_| !packed) {
            bounds[1][at(view, b, 0, d)] = bound;
        }
    }
    bounds
}
