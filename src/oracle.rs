//! The oracle: the plain sequential loop that every kernel must agree with, bit for bit.

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
        for (slot, slice) in self.slots() {
            let (expected, actual) = (descriptor.slot_elements(slot)?, slice.len() as u64);
            if expected != actual {
                return Err(Error::LengthMismatch { slot, expected, actual });
            }
        }
        Ok(())
    }
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
        for t in 0..time {
            let c = load(view(Operand::Candidate), b, t, d);
            let r = load(view(Operand::Threshold), b, t, d);
            let sets = sets(c, r, descriptor.boundary_rule());
            if descriptor.saves() {
                let codes = index(saved_layout.codes(), b, 2 * (t / 32), d);
                saved[codes] |= u32::from(sets) << (t % 32);
                saved[codes + channels as usize] |= u32::from(plus) << (t % 32);
            }
            if sets {
                state = if is_negative(c) { negated(amplitude) } else { amplitude };
                plus = !is_negative(c);
                first_set = first_set.min(t as u32);
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

fn index(view: View, b: u64, t: u64, d: u64) -> usize {
    (view.offset + b * view.strides.batch + t * view.strides.time + d * view.strides.channel) as usize
}
