//! How far a gradient may lie from the oracle's: derived, not chosen.
//!
//! WGSL fixes no rounding mode, so an operation may be off by one unit `ε = 2⁻²³`; it gives division 2.5 units and `exp`
//! `3 + 2|x|`, may contract and reassociate, and may flush denormals. For one element let `G` be the sum of the magnitudes of the
//! incoming gradients that reach it, `n` their number, and `m = min(n − 1, depth)`, with the depth that the plan states. Then
//!
//! ```text
//! |g − g*|, |dh0 − dh0*| ≤ m·ε·G
//! |dc − dc*| ≤ 1.01·G·(ε·(m + 4)·(φ|w| + |α|ψ if it set) + |w|·e_φ + |α|·e_ψ if it set) + τ       dr: without ψ
//! sums over a channel: 1.01·Σ(element bounds) + depth·ε·Σ|terms|
//! τ = 2⁻¹²³·(1 + G)·(1 + |w| + |α|)·(1 + k or 1/half_width)
//! ```
//!
//! where `e_φ` is what one unit in `u` changes of `φ`, and the error `ε·ρ(u)` of computing `φ` itself.

use bmru::oracle::{self, Gradients, IncomingGradients, Inputs};
use bmru::{Descriptor, Error, Operand, Slot, Surrogate, View};

const EPSILON: f64 = 1.1920928955078125e-7;

/// The error of computing `φ` itself, in units of `ε`.
fn rho(surrogate: Surrogate, u: f64) -> f64 {
    let phi = surrogate.derivative(u);
    match surrogate {
        Surrogate::Zero => 0.0,
        Surrogate::ArcTan { .. } => 9.0 * phi,
        Surrogate::FastSigmoid { .. } => 8.0 * phi,
        Surrogate::Sigmoid { k } => (10.0 + 3.0 * f64::from(k) * u.abs()) * phi,
        Surrogate::Triangle { half_width } => 4.0 / f64::from(half_width),
        Surrogate::Boxcar { .. } => phi,
    }
}

/// What one unit in `u`, and computing it, change of `φ(u)`.
fn phi_error(surrogate: Surrogate, u: f64) -> f64 {
    let phi = surrogate.derivative(u);
    let moved = |factor: f64| (surrogate.derivative(u * factor) - phi).abs();
    moved(1.0 + EPSILON).max(moved(1.0 - EPSILON)) + EPSILON * rho(surrogate, u)
}

fn slope(surrogate: Surrogate) -> f64 {
    match surrogate {
        Surrogate::Zero => 0.0,
        Surrogate::ArcTan { k } | Surrogate::FastSigmoid { k } | Surrogate::Sigmoid { k } => k.into(),
        Surrogate::Triangle { half_width } | Surrogate::Boxcar { half_width } => f64::from(half_width).recip(),
    }
}

fn at(view: View, b: u64, t: u64, d: u64) -> usize {
    (view.offset + b * view.strides.batch + t * view.strides.time + d * view.strides.channel) as usize
}

/// The bound of every gradient, in the same places as the oracle's gradients.
///
/// # Errors
/// As [`oracle::forward`].
pub fn bounds(
    descriptor: &Descriptor,
    inputs: &Inputs<'_>,
    incoming: &IncomingGradients<'_>,
    depth: u64,
) -> Result<Gradients<f64>, Error> {
    let states = oracle::forward(descriptor, inputs)?.states;
    let shape = descriptor.shape();
    let depth = depth as f64;
    let [gate, sign] = descriptor.surrogate_pair();
    let zeros = |slot| Ok::<_, Error>(vec![0.0f64; descriptor.slot_elements(slot)? as usize]);
    let mut bounds = Gradients {
        candidate: zeros(Slot::CandidateGradient)?,
        threshold: zeros(Slot::ThresholdGradient)?,
        amplitude: zeros(Slot::AmplitudeGradient)?,
        initial_state: zeros(Slot::InitialStateGradient)?,
    };
    let input = |operand, b, t, d| {
        let Some(view) = descriptor.view(operand) else { return 0.0f32 };
        let slot = match view.slot {
            Slot::Candidate => inputs.candidate,
            Slot::Threshold => inputs.threshold,
            Slot::Amplitude => inputs.amplitude,
            _ => inputs.initial_state,
        };
        slot[at(view, b, t, d)]
    };
    let magnitude =
        |slice: &[f32], operand, b, t, d| descriptor.view(operand).map_or(0.0, |view| f64::from(slice[at(view, b, t, d)]).abs());
    let states_view = descriptor.view(Operand::States).expect("every descriptor has states");
    let threshold_view = descriptor.view(Operand::ThresholdGradient);
    let descends = descriptor.order_of_time() == bmru::TimeOrder::Descending;
    let per_channel = descriptor.threshold_kind() == bmru::Threshold::PerChannel;

    for d in 0..shape.channels {
        let alpha = f64::from(input(Operand::Amplitude, 0, 0, d)).abs();
        let (mut amplitude_bound, mut amplitude_terms) = (0.0, 0.0);
        let (mut threshold_bound, mut threshold_terms) = (0.0, 0.0);
        for b in 0..shape.batch {
            let tail = magnitude(incoming.final_state, Operand::FinalStateGradient, b, 0, d);
            let (mut reach, mut count) = (tail, f64::from(u8::from(tail != 0.0)));
            for step in (0..shape.time).rev() {
                let time = |step| if descends { shape.time - 1 - step } else { step };
                let state = |step| f64::from(states[at(states_view, b, time(step), d)]);
                let before = if step > 0 { state(step - 1) } else { f64::from(input(Operand::InitialState, b, 0, d)) };
                let t = time(step);
                let (c, r) = (input(Operand::Candidate, b, t, d), input(Operand::Threshold, b, t, d));
                let on_edge = c.abs() == r.abs() && descriptor.boundary_rule() == bmru::Boundary::Set;
                let sets = c.abs() > r.abs() || on_edge;
                reach += magnitude(incoming.states, Operand::StatesGradient, b, t, d);
                count += 1.0;
                let m = (count - 1.0f64).min(depth);

                if sets {
                    amplitude_bound += m * EPSILON * reach;
                    amplitude_terms += reach;
                }
                if c.is_finite() && r.is_finite() {
                    let plus = c > 0.0 || (c == 0.0 && descriptor.boundary_rule() == bmru::Boundary::Set);
                    let set_state = f64::from(input(Operand::Amplitude, 0, 0, d)) * if plus { 1.0 } else { -1.0 };
                    let w = (set_state - before).abs();
                    let (c, r) = (f64::from(c), f64::from(r));
                    let u = c.abs() - r.abs();
                    let phi = gate.derivative(u);
                    let psi = 2.0 * sign.derivative(c);
                    let tau = 2f64.powi(-123) * (1.0 + reach) * (1.0 + w + alpha) * (1.0 + slope(gate).max(slope(sign)));
                    let by_gate = EPSILON * (m + 4.0) * phi * w + w * phi_error(gate, u);
                    let by_sign =
                        if sets { EPSILON * (m + 4.0) * alpha * psi + alpha * 2.0 * EPSILON * rho(sign, c) } else { 0.0 };
                    let threshold = 1.01 * reach * by_gate + tau;
                    if let Some(view) = descriptor.view(Operand::CandidateGradient) {
                        bounds.candidate[at(view, b, t, d)] = 1.01 * reach * (by_gate + by_sign) + tau;
                    }
                    threshold_bound += threshold;
                    threshold_terms += phi * w * reach;
                    if let Some(view) = threshold_view.filter(|_| !per_channel) {
                        let beside = view.slot == Slot::CandidateGradient;
                        let slot = if beside { &mut bounds.candidate } else { &mut bounds.threshold };
                        slot[at(view, b, t, d)] = threshold;
                    }
                }
                if step == 0 {
                    if let Some(view) = descriptor.view(Operand::InitialStateGradient).filter(|_| !sets) {
                        bounds.initial_state[at(view, b, 0, d)] = m * EPSILON * reach;
                    }
                }
                if sets {
                    (reach, count) = (0.0, 0.0);
                }
            }
        }
        if let Some(view) = descriptor.view(Operand::AmplitudeGradient) {
            bounds.amplitude[at(view, 0, 0, d)] = 1.01 * amplitude_bound + depth * EPSILON * amplitude_terms;
        }
        if let Some(view) = threshold_view.filter(|_| per_channel) {
            bounds.threshold[at(view, 0, 0, d)] = 1.01 * threshold_bound + depth * EPSILON * threshold_terms;
        }
    }
    Ok(bounds)
}
