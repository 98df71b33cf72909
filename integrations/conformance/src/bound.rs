//! How far a gradient may lie from the oracle's: derived, not chosen.
//!
//! WGSL fixes no rounding mode, so an operation may be off by one unit `ε = 2⁻²³`; it gives division 2.5 units and `exp`
//! `3 + 2|x|`, may contract and reassociate, and may flush denormals. For one element let `G` be the sum of the magnitudes of the
//! incoming gradients that reach it, `n` their number, and `m = min(n − 1, depth)`, with the depth that the plan states. Then
//!
//! ```text
//! |g − g*|, |dh0 − dh0*| ≤ m·ε·G
//! |dc − dc*| ≤ 1.01·G·(ε·(m + 4)·(φ|w| + |α|ψ if it set) + |w|·e_φ + |α|·e_ψ if it set) + τ       dr: without ψ
//! sums over axes that an output lacks, and what comes to an initial state that is reset to: 1.01·Σ(element bounds) + depth·ε·Σ|terms|
//! τ = 2⁻¹²³·(1 + G)·(1 + |w| + |α|)·(1 + k or 1/half_width)
//! ```
//!
//! First-quadrant units have two step functions, each with its own `u` and `w` and no sign: `dc` has the bounds of both.
//!
//! Of relaxed units a gradient is scaled by `e` at each step that sets, and so is what is rounded of it: `scaled.rs` tells what that
//! adds. The state before a step is read again there, and is a sum: `w` may lie off by `1 − e` of what that does, in a plan of the
//! deepest tree, and by the two roundings of that product. Where `w` is a factor above, the largest that it may be is meant.
//!
//! Here `e_φ` is what one unit in `u` changes of `φ`, and the error `ε·ρ(u)` of computing `φ` itself.

use crate::allowed::Wide;
use crate::scaled::{Scaled, deepest};
use crate::state_bound::state_bounds;
use bmru::oracle::{self, Borders, Gradients, IncomingGradients, Inputs};
use bmru::{
    Amplitude, Boundary, Descriptor, Element, Error, Operand, Sequences, Slot, States, Surrogate, Threshold, TimeOrder, Unit,
    View,
};

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

/// What rounding a gradient to an element may change, ties to even: half a unit in its last place, or of the least number.
#[must_use]
pub fn rounding(element: Element, magnitude: f64) -> f64 {
    let (unit, least, largest) = match element {
        // Part of the bounds.
        Element::F32 => return 0.0,
        Element::F16 => (2f64.powi(-11), 2f64.powi(-25), 65_504.0),
        Element::Bf16 => (2f64.powi(-8), 2f64.powi(-134), f64::from(Element::Bf16.decode(0x7f7f))),
    };
    // Beyond the largest number comes infinity.
    if magnitude > largest { f64::INFINITY } else { unit * magnitude + least }
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

/// Whether an output has one element for all of an axis.
fn lacks_axes(descriptor: &Descriptor, View { strides, .. }: View) -> bool {
    let shape = descriptor.shape();
    let axes = [(strides.batch, shape.batch), (strides.time, shape.time), (strides.channel, shape.channels)];
    axes.iter().any(|&(stride, length)| stride == 0 && length > 1)
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
    let element = descriptor.element_type();
    let wide = Wide::new(&descriptor.clone().states(States::Numbers), inputs);
    let states = oracle::forward(&wide.descriptor, &wide.inputs())?.states;
    let [mut of_states, _] = state_bounds(&wide.descriptor, &wide.inputs(), deepest(descriptor.shape().time))?;
    for (bound, state) in of_states.iter_mut().zip(&states).filter(|(bound, _)| **bound != 0.0) {
        // What is read again was rounded.
        *bound += rounding(element, f64::from(state.abs()) + *bound);
    }
    let relaxed = descriptor.unit() == Unit::Relaxed;
    let amplitude_per_element = descriptor.amplitude_kind() == Amplitude::PerElement;
    let shape = descriptor.shape();
    let [gate, _] = descriptor.surrogate_pair();
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
        element.round(slot[at(view, b, t, d)])
    };
    let magnitude =
        |slice: &[f32], operand, b, t, d| descriptor.view(operand).map_or(0.0, |view| f64::from(slice[at(view, b, t, d)]).abs());
    let states_view = descriptor.view(Operand::States).expect("every descriptor has states");
    let descends = descriptor.order_of_time() == TimeOrder::Descending;
    let per_channel = descriptor.threshold_kind() == Threshold::PerChannel;

    let borders = Borders::new(descriptor, inputs);
    let sequences = descriptor.sequences_kind();
    let (packed, resets) = (matches!(sequences, Sequences::Packed { .. }), sequences == Sequences::Resets);

    let of_sum = |(bound, terms): (f64, f64)| 1.01 * bound + depth as f64 * EPSILON * terms;
    for d in 0..shape.channels {
        // Of the amplitude and of both thresholds: the bounds of the terms, and the terms.
        let mut sums = [(0.0, 0.0); 3];
        for b in 0..shape.batch {
            let of_final_state = |row| magnitude(incoming.final_state, Operand::FinalStateGradient, row, 0, d);
            let tail = if packed { 0.0 } else { of_final_state(b) };
            // Where the row is reset: the bounds of what comes to the initial state, and that.
            let mut of_initial = (0.0, 0.0);
            let states_bound = |step: u64, time: u64| if step > 0 { of_states[at(states_view, b, time, d)] } else { 0.0 };
            let mut carried = Scaled::gradient(descriptor, depth, tail);
            let mut count = u64::from(tail != 0.0);
            for step in (0..shape.time).rev() {
                let time = |step| if descends { shape.time - 1 - step } else { step };
                let Some(row) = borders.sequence(b, step) else { continue };
                let begins = borders.begins(b, step);
                if packed && borders.ends(b, step) {
                    let tail = of_final_state(row);
                    (carried, count) = (Scaled::gradient(descriptor, depth, tail), u64::from(tail != 0.0));
                }
                let state = |step| f64::from(states[at(states_view, b, time(step), d)]);
                let before = if begins { f64::from(input(Operand::InitialState, row, 0, d)) } else { state(step - 1) };
                let t = time(step);
                let [c, r, low] = [Operand::Candidate, Operand::Threshold, Operand::LowThreshold].map(|of| input(of, b, t, d));
                let amplitude = f64::from(input(Operand::Amplitude, b, t, d));
                let of_before = if begins { 0.0 } else { states_bound(step, time(step - 1)) };
                let found = Step { descriptor, c, r, low, amplitude, before, of_before };
                carried.add(magnitude(incoming.states, Operand::StatesGradient, b, t, d));
                count += 1;
                let m = (count - 1).min(depth) as f64;
                // What scaling may have changed of the sum of the terms, which are so large together at most.
                let scaled = carried.error();
                let reach = carried.terms() + scaled;

                let (sets, by_amplitude) = found.sets();
                if by_amplitude {
                    sums[0].0 += m * EPSILON * reach + scaled;
                    sums[0].1 += reach;
                    if let Some(view) = descriptor.view(Operand::AmplitudeGradient).filter(|_| amplitude_per_element) {
                        let beside = view.slot == Slot::CandidateGradient;
                        let slot = if beside { &mut bounds.candidate } else { &mut bounds.amplitude };
                        let bound = m * EPSILON * reach + scaled;
                        slot[at(view, b, t, d)] += if lacks_axes(descriptor, view) { of_sum((bound, reach)) } else { bound };
                    }
                }
                let mut of_candidate = 0.0;
                for (place, slope) in found.slopes().into_iter().enumerate() {
                    let Some(slope) = slope else { continue };
                    let w = slope.w + slope.w_error;
                    let moved = 1.01 * gate.derivative(slope.u) * (slope.w_error * reach + w * scaled);
                    let threshold = slope.bound(gate, reach, m) + moved + found.tau(w, reach);
                    of_candidate += threshold;
                    let term = gate.derivative(slope.u) * w * reach;
                    sums[1 + place].0 += threshold;
                    sums[1 + place].1 += term;
                    let output = [Operand::ThresholdGradient, Operand::LowThresholdGradient][place];
                    if let Some(view) = descriptor.view(output).filter(|_| !per_channel) {
                        let beside = view.slot == Slot::CandidateGradient;
                        let slot = if beside { &mut bounds.candidate } else { &mut bounds.threshold };
                        slot[at(view, b, t, d)] +=
                            if lacks_axes(descriptor, view) { of_sum((threshold, term)) } else { threshold };
                    }
                }
                if let Some(view) = descriptor.view(Operand::CandidateGradient) {
                    bounds.candidate[at(view, b, t, d)] =
                        of_candidate + 1.01 * (reach * found.through_sign(m) + scaled * found.sign_slope());
                }
                if begins {
                    if let Some(view) = descriptor.view(Operand::InitialStateGradient).filter(|_| !sets || found.kept() > 0.0) {
                        let mut leaving = carried.clone();
                        if sets && relaxed {
                            leaving.scale();
                        }
                        let bound = m * EPSILON * (leaving.terms() + leaving.error()) + leaving.error();
                        bounds.initial_state[at(view, row, 0, d)] = bound;
                        of_initial.0 += bound;
                        of_initial.1 += leaving.terms() + leaving.error();
                    }
                    (carried, count) = (Scaled::gradient(descriptor, depth, 0.0), 0);
                } else if sets && found.kept() == 0.0 {
                    (carried, count) = (Scaled::gradient(descriptor, depth, 0.0), 0);
                } else if sets && relaxed {
                    carried.scale();
                }
            }
            if let Some(view) = descriptor.view(Operand::InitialStateGradient).filter(|_| resets && shape.time > 0) {
                bounds.initial_state[at(view, b, 0, d)] = of_sum(of_initial);
            }
        }
        if let Some(view) = descriptor.view(Operand::AmplitudeGradient).filter(|_| !amplitude_per_element) {
            bounds.amplitude[at(view, 0, 0, d)] = of_sum(sums[0]);
        }
        for (place, output) in [Operand::ThresholdGradient, Operand::LowThresholdGradient].into_iter().enumerate() {
            if let Some(view) = descriptor.view(output).filter(|_| per_channel) {
                bounds.threshold[at(view, 0, 0, d)] = of_sum(sums[1 + place]);
            }
        }
    }
    Ok(bounds)
}

/// A step function of the gate: its argument, and what it moves the state by.
#[derive(Clone, Copy)]
struct Slope {
    u: f64,
    w: f64,
    /// How far `w` itself may lie off, beyond one rounding.
    w_error: f64,
}

impl Slope {
    /// `1.01·G·(ε·(m + 4)·φ|w| + |w|·e_φ)`
    fn bound(self, gate: Surrogate, reach: f64, m: f64) -> f64 {
        let Self { u, w, w_error } = self;
        let w = w + w_error;
        1.01 * reach * (EPSILON * (m + 4.0) * gate.derivative(u) * w + w * phi_error(gate, u))
    }
}

/// One step of one channel.
struct Step<'a> {
    descriptor: &'a Descriptor,
    c: f32,
    r: f32,
    low: f32,
    amplitude: f64,
    before: f64,
    /// How far that may lie off.
    of_before: f64,
}

impl Step<'_> {
    /// What stays of the state before a step that sets.
    fn kept(&self) -> f64 {
        match self.descriptor.unit() {
            Unit::Cumulative => 1.0,
            Unit::Relaxed => self.descriptor.epsilon_value().into(),
            _ => 0.0,
        }
    }

    fn edge_sets(&self) -> bool {
        self.descriptor.boundary_rule() == Boundary::Set
    }

    fn fires(&self, above: f32, below: f32) -> bool {
        above > below || (self.edge_sets() && above == below)
    }

    /// Whether the step sets, and whether the amplitude gets of the gradient.
    fn sets(&self) -> (bool, bool) {
        if self.descriptor.unit() == Unit::FirstQuadrant {
            let high = self.fires(self.c, self.r);
            return (high || self.fires(self.low, self.c), high);
        }
        let sets = self.fires(self.c.abs(), self.r.abs());
        (sets, sets)
    }

    /// The step functions of the high and the low threshold, where they have a slope.
    fn slopes(&self) -> [Option<Slope>; 2] {
        let Self { descriptor, c, r, low, amplitude, before, .. } = *self;
        let lost = 1.0 - self.kept();
        // 1 − ε is rounded, and so is its product; a copy is not.
        let w_error = if descriptor.unit() == Unit::Relaxed {
            lost * (2.0 * EPSILON * (before.abs() + self.of_before) + self.of_before)
        } else {
            0.0
        };
        let finite = |x: f32, w: f64, u: f64| (c.is_finite() && x.is_finite()).then_some(Slope { u, w: w.abs(), w_error });
        if self.descriptor.unit() == Unit::FirstQuadrant {
            let without_high = if self.fires(low, c) { 0.0 } else { before };
            let below_high = if self.fires(c, r) { 0.0 } else { before };
            let of_high = finite(r, amplitude - without_high, f64::from(c) - f64::from(r));
            return [of_high, finite(low, below_high, f64::from(low) - f64::from(c))];
        }
        let plus = c > 0.0 || (c == 0.0 && self.edge_sets());
        let set_state = if plus { amplitude } else { -amplitude };
        let before = if lost == 0.0 { 0.0 } else { lost * before };
        [finite(r, set_state - before, f64::from(c.abs()) - f64::from(r.abs())), None]
    }

    /// `ε·(m + 4)·|α|ψ + |α|·e_ψ`, where it set through a sign.
    fn through_sign(&self, m: f64) -> f64 {
        let [_, sign] = self.descriptor.surrogate_pair();
        let finite = self.c.is_finite() && self.r.is_finite();
        if self.descriptor.unit() == Unit::FirstQuadrant || !finite || !self.sets().0 {
            return 0.0;
        }
        let (c, alpha) = (f64::from(self.c), self.amplitude.abs());
        EPSILON * (m + 4.0) * alpha * 2.0 * sign.derivative(c) + alpha * 2.0 * EPSILON * rho(sign, c)
    }

    /// `|α|ψ`, where it set through a sign.
    fn sign_slope(&self) -> f64 {
        let [_, sign] = self.descriptor.surrogate_pair();
        let slopes = self.descriptor.unit() != Unit::FirstQuadrant && self.c.is_finite() && self.r.is_finite();
        if slopes && self.sets().0 { self.amplitude.abs() * 2.0 * sign.derivative(self.c.into()) } else { 0.0 }
    }

    fn tau(&self, w: f64, reach: f64) -> f64 {
        let [gate, sign] = self.descriptor.surrogate_pair();
        2f64.powi(-123) * (1.0 + reach) * (1.0 + w + self.amplitude.abs()) * (1.0 + slope(gate).max(slope(sign)))
    }
}
