//! The oracle: the plain sequential loop that every kernel must agree with, forward bit for bit, backward within a bound.

mod health;
mod held;
mod summary;

pub use crate::sequences::Borders;
pub use health::health;
use held::Held;
pub use summary::summarize;

use crate::{Amplitude, Boundary, Descriptor, Direction, Error, Operand, SavedLayout, Shape, Slot, Surrogate, Unit, View};

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
    /// [`Slot::InitialCount`]
    pub initial_count: &'a [i32],
    /// [`Slot::Validity`]
    pub validity: &'a [u32],
    /// [`Slot::CuSeqlens`]
    pub cu_seqlens: &'a [u32],
    /// [`Slot::Resets`]
    pub resets: &'a [u32],
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
    /// [`Slot::States`], or what the candidates become in place.
    pub states: Vec<f32>,
    /// [`Slot::FinalState`], or what the initial state becomes in place.
    pub final_state: Vec<f32>,
    /// [`Slot::PackedStates`]
    pub packed_states: Vec<u32>,
    /// The first set steps of packed states, `[B, D]`: [`Slot::FirstSet`], or the same of what is saved.
    pub first_set: Vec<u32>,
    /// [`Slot::Saved`]
    pub saved: Vec<u32>,
    /// [`Slot::Counts`]
    pub counts: Vec<i32>,
    /// [`Slot::FinalCount`]
    pub final_count: Vec<i32>,
}

impl<'a> Inputs<'a> {
    /// Bits of any kind, as floats.
    pub(crate) fn slots(&self) -> [(Slot, &'a [f32]); 8] {
        [
            (Slot::Candidate, self.candidate),
            (Slot::Threshold, self.threshold),
            (Slot::Amplitude, self.amplitude),
            (Slot::InitialState, self.initial_state),
            (Slot::InitialCount, bytemuck::cast_slice(self.initial_count)),
            (Slot::Validity, bytemuck::cast_slice(self.validity)),
            (Slot::CuSeqlens, bytemuck::cast_slice(self.cu_seqlens)),
            (Slot::Resets, bytemuck::cast_slice(self.resets)),
        ]
    }

    fn slot(&self, slot: Slot) -> &'a [f32] {
        self.slots().into_iter().find(|&(named, _)| named == slot).map_or(&[], |(_, slice)| slice)
    }

    /// Checks the lengths of all slices.
    pub(crate) fn check(&self, descriptor: &Descriptor) -> Result<(), Error> {
        self.slots().into_iter().try_for_each(|(slot, slice)| check_length(descriptor, slot, slice))
    }

    /// The same for a forward pass: what only unpacking reads may be empty.
    pub(crate) fn check_forward(&self, descriptor: &Descriptor) -> Result<(), Error> {
        let unread = |slot| match slot {
            Slot::Amplitude => descriptor.view_in(Direction::Forward, Operand::Amplitude).is_none(),
            Slot::InitialState => descriptor.view_in(Direction::Forward, Operand::InitialState).is_none(),
            _ => false,
        };
        let mut given = self.slots().into_iter().filter(|&(slot, slice)| !(slice.is_empty() && unread(slot)));
        given.try_for_each(|(slot, slice)| check_length(descriptor, slot, slice))
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

/// What a unit makes of the inputs of one step.
#[derive(Clone, Copy)]
pub(crate) struct Gate {
    unit: Unit,
    boundary: Boundary,
}

impl Gate {
    pub(crate) fn of(descriptor: &Descriptor) -> Self {
        Self { unit: descriptor.unit(), boundary: descriptor.boundary_rule() }
    }

    /// `H(above − below)`. A NaN lies nowhere.
    fn fires(self, above: f32, below: f32) -> bool {
        above > below || (self.boundary == Boundary::Set && above == below)
    }

    /// Whether a step sets, and then whether to the upper state.
    fn action(self, c: f32, r: f32, low: f32) -> Option<bool> {
        match self.unit {
            // Zero sets only on the edge, where S(±0) = +1.
            Unit::Bistable | Unit::Cumulative | Unit::Relaxed => self.fires(c.abs(), r.abs()).then_some(c >= 0.0),
            Unit::FirstQuadrant if self.fires(c, r) => Some(true),
            Unit::FirstQuadrant => self.fires(low, c).then_some(false),
            Unit::ForwardFill => (!c.is_nan()).then_some(true),
        }
    }

    /// The state that a step sets.
    pub(crate) fn state(self, amplitude: f32, upper: bool) -> f32 {
        match (self.unit, upper) {
            (_, true) => amplitude,
            (Unit::FirstQuadrant, false) => 0.0,
            (_, false) => negated(amplitude),
        }
    }
}

/// `−x` without arithmetic: a signalling NaN stays one.
fn negated(x: f32) -> f32 {
    f32::from_bits(x.to_bits() ^ 0x8000_0000)
}

/// The forward pass, as [`Unit`] says. Inputs are rounded to the descriptor's [`Element`](crate::Element) first, and outputs are such.
///
/// Elements of the states' slot that belong to no element of the view are 0.
///
/// # Errors
/// A descriptor that cannot exist, or a slice of the wrong length.
pub fn forward(descriptor: &Descriptor, inputs: &Inputs<'_>) -> Result<Outputs, Error> {
    inputs.check_forward(descriptor)?;
    let Shape { batch, time, channels } = descriptor.shape();
    let zeros = |slot| Ok::<_, Error>(vec![0; descriptor.slot_elements(slot)? as usize]);
    let mut states: Vec<u32> = match descriptor.view_in(Direction::Forward, Operand::States) {
        Some(view) if view.slot == Slot::Candidate => {
            inputs.candidate.iter().map(|&number| descriptor.element_type().round(number).to_bits()).collect()
        }
        Some(_) => zeros(Slot::States)?,
        None => Vec::new(),
    };
    let mut packed_states: Vec<u32> = zeros(Slot::PackedStates)?;
    let mut first_sets = Vec::new();
    let rows = |operand| descriptor.view(operand).map_or(Ok(Vec::new()), |view| zeros(view.slot));
    let mut final_state: Vec<u32> = rows(Operand::FinalState)?;
    let mut saved: Vec<u32> = zeros(Slot::Saved)?;
    let mut counts = vec![0; descriptor.slot_elements(Slot::Counts)? as usize];
    let mut final_count: Vec<i32> = rows(Operand::FinalCount)?.into_iter().map(|zero| zero as i32).collect();
    let saved_layout = descriptor.saved_layout();
    let gate = Gate::of(descriptor);
    let view = |operand| descriptor.view_in(Direction::Forward, operand);
    let element = descriptor.element_type();
    let load = |view: Option<View>, b, t, d| view.map_or(0.0, |view| element.round(inputs.slot(view.slot)[index(view, b, t, d)]));
    let (borders, packed) = (Borders::new(descriptor, inputs), descriptor.sequences_kind().packed().is_some());
    let begin = |row: Option<u64>, d| match row {
        Some(row) => {
            let count = view(Operand::InitialCount).map_or(0, |view| inputs.initial_count[index(view, row, 0, d)]);
            Held::new(descriptor, load(view(Operand::InitialState), row, 0, d), count)
        }
        // What belongs to no sequence holds 0.
        None => Held::new(descriptor, 0.0, 0),
    };
    let mut hand_on = |row, d, state: &Held, amplitude| {
        if let Some(view) = view(Operand::FinalState) {
            final_state[index(view, row, 0, d)] = element.round(state.value(amplitude)).to_bits();
        }
        if let Some(view) = view(Operand::FinalCount) {
            final_count[index(view, row, 0, d)] = state.count();
        }
    };
    if packed {
        for (n, d) in (0..descriptor.state_rows()).flat_map(|n| (0..channels).map(move |d| (n, d))) {
            // As long as it has no steps.
            let amplitude =
                if descriptor.amplitude_kind() == Amplitude::PerChannel { load(view(Operand::Amplitude), 0, 0, d) } else { 0.0 };
            hand_on(n, d, &begin(Some(n), d), amplitude);
            if descriptor.saves() {
                let initial_state = load(view(Operand::InitialState), n, 0, d);
                saved[index(saved_layout.initial_state(), n, 0, d)] = element.pattern(initial_state);
            }
        }
    }

    for (b, d) in (0..batch).flat_map(|b| (0..channels).map(move |d| (b, d))) {
        let amplitude = |t| load(view(Operand::Amplitude), b, t, d);
        let mut state = begin((!packed).then_some(b), d);
        let mut upper = false;
        let mut first_set = SavedLayout::NEVER;
        for step in 0..time {
            let t = descriptor.order_of_time().time(step, time);
            let sequence = borders.sequence(b, step);
            if borders.begins(b, step) {
                state = begin(sequence, d);
            }
            let c = load(view(Operand::Candidate), b, t, d);
            let r = load(view(Operand::Threshold), b, t, d);
            let action = match view(Operand::Validity) {
                Some(view) => (inputs.validity[index(view, b, step / 32, d)] >> (step % 32) & 1 == 1).then_some(true),
                None => gate.action(c, r, load(view(Operand::LowThreshold), b, t, d)),
            };
            let action = action.filter(|_| sequence.is_some());
            if descriptor.saves() {
                let codes = index(saved_layout.codes(), b, saved_layout.lines() * (step / 32), d);
                saved[codes] |= u32::from(action.is_some()) << (step % 32);
                if saved_layout.lines() == 2 {
                    saved[codes + channels as usize] |= u32::from(upper) << (step % 32);
                }
            }
            if let Some(set_to_upper) = action {
                upper = set_to_upper;
                state.set(gate.state(if descriptor.unit().is_gated() { amplitude(t) } else { c }, upper), upper);
                first_set = first_set.min(step as u32);
            } else {
                state.hold();
            }
            if let Some(view) = view(Operand::PackedStates) {
                packed_states[index(view, b, step / 32, d)] |= u32::from(upper) << (step % 32);
            }
            if let Some(view) = view(Operand::States) {
                // Over a candidate that belongs to no sequence, too, 0 is written.
                let state = sequence.map_or(0.0, |_| element.round(state.value(amplitude(t))));
                states[index(view, b, t, d)] = state.to_bits();
            }
            if let Some(view) = view(Operand::Counts).filter(|_| sequence.is_some()) {
                counts[index(view, b, t, d)] = state.count();
            }
            if let Some(row) = sequence.filter(|_| packed && borders.ends(b, step)) {
                hand_on(row, d, &state, amplitude(t));
            }
        }
        if !packed {
            let last = if descriptor.amplitude_kind() == Amplitude::PerChannel { amplitude(0) } else { 0.0 };
            hand_on(b, d, &state, last);
        }
        if descriptor.packs() {
            first_sets.push(first_set);
        }
        if descriptor.saves() {
            if saved_layout.lines() == 2 {
                saved[index(saved_layout.first_set(), b, 0, d)] = first_set;
            }
            if !packed {
                let initial_state = load(view(Operand::InitialState), b, 0, d);
                saved[index(saved_layout.initial_state(), b, 0, d)] = element.pattern(initial_state);
            }
            if descriptor.saves_amplitude() {
                saved[index(saved_layout.amplitude(), b, 0, d)] = element.pattern(amplitude(0));
            }
        }
    }
    let floats = |bits: Vec<u32>| bits.into_iter().map(f32::from_bits).collect();
    let (states, final_state) = (floats(states), floats(final_state));
    Ok(Outputs { states, final_state, packed_states, first_set: first_sets, saved, counts, final_count })
}

/// The backward pass in double precision; the formulas are those of [`Descriptor::backward`].
///
/// Inputs are rounded to the descriptor's [`Element`](crate::Element), gradients are not. Elements of a slot that belong to no
/// element of a view are 0. Outputs that accumulate begin at 0 here.
///
/// # Errors
/// A descriptor that cannot exist, or a slice of the wrong length.
pub fn backward(descriptor: &Descriptor, inputs: &Inputs<'_>, incoming: &IncomingGradients<'_>) -> Result<Gradients<f64>, Error> {
    inputs.check(descriptor)?;
    incoming.check(descriptor)?;
    descriptor.check_backward()?;
    let Shape { batch, time, channels } = descriptor.shape();
    let (gate, surrogates, element) = (Gate::of(descriptor), descriptor.surrogate_pair(), descriptor.element_type());
    let zeros = |slot| Ok::<_, Error>(vec![0.0f64; descriptor.slot_elements(slot)? as usize]);
    let mut gradients = Gradients {
        candidate: zeros(Slot::CandidateGradient)?,
        threshold: zeros(Slot::ThresholdGradient)?,
        amplitude: zeros(Slot::AmplitudeGradient)?,
        initial_state: zeros(Slot::InitialStateGradient)?,
    };
    let view = |operand| descriptor.view(operand);
    let load = |operand, b, t, d| match view(operand) {
        Some(view) => element.round(inputs.slot(view.slot)[index(view, b, t, d)]),
        None => 0.0,
    };
    let load_incoming =
        |slice: &[f32], operand, b, t, d| view(operand).map_or(0.0, |view| f64::from(element.round(slice[index(view, b, t, d)])));

    let (borders, packed) = (Borders::new(descriptor, inputs), descriptor.sequences_kind().packed().is_some());
    let begin = |row: Option<u64>, d| match row {
        Some(row) => {
            let count = view(Operand::InitialCount).map_or(0, |view| inputs.initial_count[index(view, row, 0, d)]);
            Held::new(descriptor, load(Operand::InitialState, row, 0, d), count)
        }
        None => Held::new(descriptor, 0.0, 0),
    };
    let of_final_state = |row, d| load_incoming(incoming.final_state, Operand::FinalStateGradient, row, 0, d);
    if let Some(output) = view(Operand::InitialStateGradient).filter(|_| packed) {
        for (n, d) in (0..descriptor.state_rows()).flat_map(|n| (0..channels).map(move |d| (n, d))) {
            // Of a sequence with steps it is found there.
            let empty = time == 0 || (0..time).all(|step| borders.sequence(0, step) != Some(n));
            gradients.initial_state[index(output, n, 0, d)] = if empty { of_final_state(n, d) } else { 0.0 };
        }
    }

    for (b, d) in (0..batch).flat_map(|b| (0..channels).map(move |d| (b, d))) {
        let mut state = begin((!packed).then_some(b), d);
        let mut steps = Vec::with_capacity(time as usize);
        let at = |step| descriptor.order_of_time().time(step, time);
        for step in 0..time {
            let t = at(step);
            let sequence = borders.sequence(b, step);
            if borders.begins(b, step) {
                state = begin(sequence, d);
            }
            let [c, r, low] = [Operand::Candidate, Operand::Threshold, Operand::LowThreshold].map(|input| load(input, b, t, d));
            let action = gate.action(c, r, low).filter(|_| sequence.is_some());
            let amplitude = load(Operand::Amplitude, b, t, d);
            let before = state.exact(amplitude);
            steps.push(Step { t, step, gate, c, r, low, action, before, amplitude: amplitude.into(), kept: state.kept() });
            if let Some(upper) = action {
                state.set(gate.state(amplitude, upper), upper);
            }
        }
        let mut carry = if packed { 0.0 } else { of_final_state(b, d) };
        for step in steps.iter().rev() {
            let t = step.t;
            let Some(row) = borders.sequence(b, step.step) else { continue };
            if packed && borders.ends(b, step.step) {
                carry = of_final_state(row, d);
            }
            let g = load_incoming(incoming.states, Operand::StatesGradient, b, t, d) + carry;
            carry = if step.action.is_some() { of(step.kept, g) } else { g };
            let found = step.gradients(surrogates, g);
            for (output, value) in [
                (Operand::CandidateGradient, found.candidate),
                (Operand::ThresholdGradient, found.threshold),
                (Operand::LowThresholdGradient, found.low_threshold),
                (Operand::AmplitudeGradient, found.amplitude),
            ] {
                let Some(view) = view(output) else { continue };
                // The gradients of thresholds beside candidates lie beside those of the candidates.
                let slot = match view.slot {
                    Slot::CandidateGradient => &mut gradients.candidate,
                    Slot::ThresholdGradient => &mut gradients.threshold,
                    _ => &mut gradients.amplitude,
                };
                slot[index(view, b, t, d)] += value;
            }
            if borders.begins(b, step.step) {
                if let Some(view) = view(Operand::InitialStateGradient) {
                    gradients.initial_state[index(view, row, 0, d)] += carry;
                }
                carry = 0.0;
            }
        }
        // Without steps it goes through.
        if let Some(view) = view(Operand::InitialStateGradient).filter(|_| time == 0 && !packed) {
            gradients.initial_state[index(view, b, 0, d)] += carry;
        }
    }
    Ok(gradients)
}

/// A step as the forward pass found it.
struct Step {
    t: u64,
    /// Counted in the order in which steps are taken.
    step: u64,
    gate: Gate,
    c: f32,
    r: f32,
    low: f32,
    action: Option<bool>,
    /// The state before it.
    before: f64,
    amplitude: f64,
    /// What stays of the state before where it sets: `ε`, of bistable units 0, of cumulative ones 1.
    kept: f64,
}

/// What one step adds to the gradients.
#[derive(Default)]
struct ElementGradients {
    candidate: f64,
    threshold: f64,
    low_threshold: f64,
    amplitude: f64,
}

impl Step {
    /// Given the surrogates of gate and sign, and the gradient of the state after the step.
    fn gradients(&self, surrogates: [Surrogate; 2], g: f64) -> ElementGradients {
        match self.gate.unit {
            Unit::FirstQuadrant => self.first_quadrant(surrogates[0], g),
            _ => self.bistable(surrogates, g),
        }
    }

    fn bistable(&self, [gate, sign]: [Surrogate; 2], g: f64) -> ElementGradients {
        let Self { c, r, amplitude, before, .. } = *self;
        let sets = self.action.is_some();
        // S(0) is what H(0) makes of it: −1 under Hold, +1 under Set.
        let s = if c > 0.0 || (c == 0.0 && self.gate.boundary == Boundary::Set) { 1.0 } else { -1.0 };
        let through_amplitude = if sets { g * s } else { 0.0 };
        if !(c.is_finite() && r.is_finite()) {
            return ElementGradients { amplitude: through_amplitude, ..ElementGradients::default() };
        }
        let (c, r) = (f64::from(c), f64::from(r));
        let through_gate = gate.derivative(c.abs() - r.abs()) * g * (amplitude * s - of(1.0 - self.kept, before));
        let through_sign = if sets { g * amplitude * 2.0 * sign.derivative(c) } else { 0.0 };
        ElementGradients {
            candidate: signed(c, through_gate) + through_sign,
            threshold: -signed(r, through_gate),
            low_threshold: 0.0,
            amplitude: through_amplitude,
        }
    }

    fn first_quadrant(&self, surrogate: Surrogate, g: f64) -> ElementGradients {
        let Self { c, r: high, low, amplitude, before, .. } = *self;
        let (fires_high, fires_low) = (self.gate.fires(c, high), self.gate.fires(low, c));
        // What the state would be without the threshold that fires, or fires not.
        let without_high = if fires_low { 0.0 } else { before };
        let below_high = if fires_high { 0.0 } else { before };
        let slope = |above: f32, below: f32, w: f64| {
            let finite = above.is_finite() && below.is_finite() && (above - below).is_finite();
            if finite { surrogate.derivative(f64::from(above) - f64::from(below)) * g * w } else { 0.0 }
        };
        let (by_high, by_low) = (slope(c, high, amplitude - without_high), slope(low, c, below_high));
        ElementGradients {
            candidate: by_high + by_low,
            threshold: -by_high,
            low_threshold: -by_low,
            amplitude: if fires_high { g } else { 0.0 },
        }
    }
}

/// `share·value`; 0 of anything is 0.
fn of(share: f64, value: f64) -> f64 {
    if share == 0.0 { 0.0 } else { share * value }
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

pub(crate) fn index(view: View, b: u64, t: u64, d: u64) -> usize {
    (view.offset + b * view.strides.batch + t * view.strides.time + d * view.strides.channel) as usize
}
