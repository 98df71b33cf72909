//! The oracle: the plain sequential loop that every kernel must agree with, forward bit for bit, backward within a bound.

use crate::{Boundary, Descriptor, Error, Operand, SavedLayout, Shape, Slot, View};

/// The contents of the slots that a descriptor reads. Slots that it does not use are empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inputs<'a> {
    /// [`Slot::Candidate`]
    pub candidate: &'a [f32],
    /// [`Slot::Threshold`]
    pub threshold: &'a [f32],
    /// [`Slot::Amplitude`]
    pub amplitude: &'a [f32],
    /// [`Slot::InitialState`]
    pub initial_state: &'a [f32],
}

/// The contents of the slots that come into the backward pass. One that does not is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct IncomingGradients<'a> {
    /// [`Slot::StatesGradient`]
    pub states: &'a [f32],
    /// [`Slot::FinalStateGradient`]
    pub final_state: &'a [f32],
}

/// The contents of the slots that the backward pass writes. Slots that it does not use are empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradients<T> {
    /// [`Slot::CandidateGradient`]
    pub candidate: Vec<T>,
    /// [`Slot::ThresholdGradient`]
    pub threshold: Vec<T>,
    /// [`Slot::AmplitudeGradient`]
    pub amplitude: Vec<T>,
    /// [`Slot::InitialStateGradient`]
    pub initial_state: Vec<T>,
}

/// The contents of the slots that a descriptor writes. Slots that it does not use are empty.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// [`Slot::States`]
    pub states: Vec<f32>,
    /// [`Slot::FinalState`]
    pub final_state: Vec<f32>,
    /// [`Slot::Saved`]
    pub saved: Vec<u32>,
}

impl<'a> Inputs<'a> {
    pub(crate) fn slots(&self) -> [(Slot, &'a [f32]); 4] {
        [
            (Slot::Candidate, self.candidate),
            (Slot::Threshold, self.threshold),
            (Slot::Amplitude, self.amplitude),
            (Slot::InitialState, self.initial_state),
        ]
    }

    fn slot(&self, slot: Slot) -> &'a [f32] {
        self.slots().into_iter().find(|&(named, _)| named == slot).map_or(&[], |(_, slice)| slice)
    }

    /// Checks the lengths of all slices.
    pub(crate) fn check(&self, descriptor: &Descriptor) -> Result<(), Error> {
        self.slots().into_iter().try_for_each(|(slot, slice)| check_length(descriptor, slot, slice))
    }
}

impl<'a> IncomingGradients<'a> {
    pub(crate) fn slots(&self) -> [(Slot, &'a [f32]); 2] {
        [(Slot::StatesGradient, self.states), (Slot::FinalStateGradient, self.final_state)]
    }

    pub(crate) fn check(&self, descriptor: &Descriptor) -> Result<(), Error> {
        self.slots().into_iter().try_for_each(|(slot, slice)| check_length(descriptor, slot, slice))
    }
}

fn check_length(descriptor: &Descriptor, slot: Slot, slice: &[f32]) -> Result<(), Error> {
    let (expected, actual) = (descriptor.slot_elements(slot)?, slice.len() as u64);
    if expected == actual { Ok(()) } else { Err(Error::LengthMismatch { slot, expected, actual }) }
}

/// `H(|c| − |r|)`: whether the candidate leaves its region.
fn sets(c: f32, r: f32, boundary: Boundary) -> bool {
    c.abs() > r.abs() || (boundary == Boundary::Set && c.abs() == r.abs())
}

/// `S(c) < 0` for a candidate that sets. Zero sets only on the edge, where `S(±0) = +1`.
fn is_negative(c: f32) -> bool {
    c < 0.0
}

/// `−x` without arithmetic: a signalling NaN stays one.
fn negated(x: f32) -> f32 {
    f32::from_bits(x.to_bits() ^ 0x8000_0000)
}

/// The forward pass (arXiv 2601.09495): `h_t = α·S(c_t)` if `H(|c_t| − |r_t|)`, else `h_{t−1}`.
///
/// Elements of the states' slot that belong to no element of the view are 0.
///
/// # Errors
/// A descriptor that cannot exist, or a slice of the wrong length.
pub fn forward(descriptor: &Descriptor, inputs: &Inputs<'_>) -> Result<Outputs, Error> {
    inputs.check(descriptor)?;
    let Shape { batch, time, channels } = descriptor.shape();
    let zeros = |slot| Ok::<_, Error>(vec![0; descriptor.slot_elements(slot)? as usize]);
    let mut states: Vec<u32> = zeros(Slot::States)?;
    let mut final_state: Vec<u32> = zeros(Slot::FinalState)?;
    let mut saved: Vec<u32> = zeros(Slot::Saved)?;
    let saved_layout = descriptor.saved_layout();
    let view = |operand| descriptor.view(operand);
    let load = |view: Option<View>, b, t, d| view.map_or(0.0, |view| inputs.slot(view.slot)[index(view, b, t, d)]);

    for (b, d) in (0..batch).flat_map(|b| (0..channels).map(move |d| (b, d))) {
        let amplitude = load(view(Operand::Amplitude), 0, 0, d);
        let initial_state = load(view(Operand::InitialState), b, 0, d);
        let mut state = initial_state;
        let mut plus = false;
        let mut first_set = SavedLayout::NEVER;
        for step in 0..time {
            let t = descriptor.order_of_time().time(step, time);
            let c = load(view(Operand::Candidate), b, t, d);
            let r = load(view(Operand::Threshold), b, t, d);
            let sets = sets(c, r, descriptor.boundary_rule());
            if descriptor.saves() {
                let codes = index(saved_layout.codes(), b, 2 * (step / 32), d);
                saved[codes] |= u32::from(sets) << (step % 32);
                saved[codes + channels as usize] |= u32::from(plus) << (step % 32);
            }
            if sets {
                state = if is_negative(c) { negated(amplitude) } else { amplitude };
                plus = !is_negative(c);
                first_set = first_set.min(step as u32);
            }
            if let Some(view) = view(Operand::States) {
                states[index(view, b, t, d)] = state.to_bits();
            }
        }
        if let Some(view) = view(Operand::FinalState) {
            final_state[index(view, b, 0, d)] = state.to_bits();
        }
        if descriptor.saves() {
            saved[index(saved_layout.first_set(), b, 0, d)] = first_set;
            saved[index(saved_layout.initial_state(), b, 0, d)] = initial_state.to_bits();
            saved[index(saved_layout.amplitude(), b, 0, d)] = amplitude.to_bits();
        }
    }
    let floats = |bits: Vec<u32>| bits.into_iter().map(f32::from_bits).collect();
    Ok(Outputs { states: floats(states), final_state: floats(final_state), saved })
}

/// The backward pass in double precision; the formulas are those of [`Descriptor::backward`].
///
/// Elements of a slot that belong to no element of a view are 0. Outputs that accumulate begin at 0 here.
///
/// # Errors
/// A descriptor that cannot exist, or a slice of the wrong length.
pub fn backward(descriptor: &Descriptor, inputs: &Inputs<'_>, incoming: &IncomingGradients<'_>) -> Result<Gradients<f64>, Error> {
    inputs.check(descriptor)?;
    incoming.check(descriptor)?;
    descriptor.check_backward()?;
    let Shape { batch, time, channels } = descriptor.shape();
    let [gate, sign] = descriptor.surrogate_pair();
    let boundary = descriptor.boundary_rule();
    let zeros = |slot| Ok::<_, Error>(vec![0.0f64; descriptor.slot_elements(slot)? as usize]);
    let mut gradients = Gradients {
        candidate: zeros(Slot::CandidateGradient)?,
        threshold: zeros(Slot::ThresholdGradient)?,
        amplitude: zeros(Slot::AmplitudeGradient)?,
        initial_state: zeros(Slot::InitialStateGradient)?,
    };
    let view = |operand| descriptor.view(operand);
    let load = |operand, b, t, d| match view(operand) {
        Some(view) => inputs.slot(view.slot)[index(view, b, t, d)],
        None => 0.0,
    };
    let load_incoming =
        |slice: &[f32], operand, b, t, d| view(operand).map_or(0.0, |view| f64::from(slice[index(view, b, t, d)]));

    for (b, d) in (0..batch).flat_map(|b| (0..channels).map(move |d| (b, d))) {
        let amplitude = f64::from(load(Operand::Amplitude, 0, 0, d));
        // What each step finds, and whether it sets.
        let mut state = f64::from(load(Operand::InitialState, b, 0, d));
        let mut steps = Vec::with_capacity(time as usize);
        let at = |step| descriptor.order_of_time().time(step, time);
        for step in 0..time {
            let t = at(step);
            let (c, r) = (load(Operand::Candidate, b, t, d), load(Operand::Threshold, b, t, d));
            let sets = sets(c, r, boundary);
            steps.push((c, r, sets, state));
            if sets {
                state = if is_negative(c) { -amplitude } else { amplitude };
            }
        }
        let mut carry = load_incoming(incoming.final_state, Operand::FinalStateGradient, b, 0, d);
        for step in (0..time).rev() {
            let t = at(step);
            let (c, r, sets, before) = steps[step as usize];
            let g = load_incoming(incoming.states, Operand::StatesGradient, b, t, d) + carry;
            carry = if sets { 0.0 } else { g };

            // S(0) is what H(0) makes of it: −1 under Hold, +1 under Set.
            let s = if c > 0.0 || (c == 0.0 && boundary == Boundary::Set) { 1.0 } else { -1.0 };
            if sets {
                add(&mut gradients.amplitude, view(Operand::AmplitudeGradient), 0, 0, d, g * s);
            }
            if !(c.is_finite() && r.is_finite()) {
                continue;
            }
            let (c, r) = (f64::from(c), f64::from(r));
            let through_gate = gate.derivative(c.abs() - r.abs()) * g * (amplitude * s - before);
            let through_sign = if sets { g * amplitude * 2.0 * sign.derivative(c) } else { 0.0 };
            add(&mut gradients.candidate, view(Operand::CandidateGradient), b, t, d, signed(c, through_gate) + through_sign);
            let threshold_gradient = view(Operand::ThresholdGradient);
            // Beside the candidates, the thresholds' gradients lie beside theirs.
            let beside = threshold_gradient.is_some_and(|view| view.slot == Slot::CandidateGradient);
            let slot = if beside { &mut gradients.candidate } else { &mut gradients.threshold };
            add(slot, threshold_gradient, b, t, d, -signed(r, through_gate));
        }
        add(&mut gradients.initial_state, view(Operand::InitialStateGradient), b, 0, d, carry);
    }
    Ok(gradients)
}

/// `sign(x)·value`, and 0 where `x` is, whatever the value.
fn signed(x: f64, value: f64) -> f64 {
    if x > 0.0 {
        value
    } else if x < 0.0 {
        -value
    } else {
        0.0
    }
}

fn add(slot: &mut [f64], view: Option<View>, b: u64, t: u64, d: u64, value: f64) {
    if let Some(view) = view {
        slot[index(view, b, t, d)] += value;
    }
}

fn index(view: View, b: u64, t: u64, d: u64) -> usize {
    (view.offset + b * view.strides.batch + t * view.strides.time + d * view.strides.channel) as usize
}
