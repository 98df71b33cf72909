//! Inputs in which a lost, doubled or swapped element shows: thresholds and candidates are different everywhere, amplitudes
//! are different for each channel and initial states for each row, and sets fall at random.

use bmru::{Descriptor, Inputs, Operand, Slot};

/// How often a candidate leaves its region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Never: everything holds `h0`.
    Never,
    /// About once in so many steps.
    Once(u64),
    /// At about half of the steps.
    Half,
    /// At every step.
    Always,
}

/// Which values the inputs have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Plain numbers.
    Plain,
    /// As edges, but only the candidates and thresholds, and no denormals: gradients are real numbers that a bound holds for.
    Inputs,
    /// NaN, infinities, zeros, denormals, candidates equal to the threshold and one unit in the last place beside it;
    /// amplitudes and initial states of the same kinds.
    Edges,
}

/// The contents of the input slots.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    /// [`Slot::Candidate`]
    pub candidate: Vec<f32>,
    /// [`Slot::Threshold`]
    pub threshold: Vec<f32>,
    /// [`Slot::Amplitude`]
    pub amplitude: Vec<f32>,
    /// [`Slot::InitialState`]
    pub initial_state: Vec<f32>,
}

impl Slots {
    /// The same as slices.
    #[must_use]
    pub fn inputs(&self) -> Inputs<'_> {
        Inputs {
            candidate: &self.candidate,
            threshold: &self.threshold,
            amplitude: &self.amplitude,
            initial_state: &self.initial_state,
        }
    }

    /// The contents of a slot.
    #[must_use]
    pub fn slot(&self, slot: Slot) -> &[f32] {
        match slot {
            Slot::Candidate => &self.candidate,
            Slot::Threshold => &self.threshold,
            Slot::Amplitude => &self.amplitude,
            Slot::InitialState => &self.initial_state,
            _ => &[],
        }
    }
}

/// A signalling NaN with a payload.
const SIGNALLING: u32 = 0x7fa1_2345;

/// Numbers that arithmetic, a flush of denormals, or a comparison of floats would get wrong.
const EDGES: [u32; 14] = [
    0x0000_0000,
    0x8000_0000,
    0x0000_0001,
    0x8000_0001,
    0x007f_ffff,
    0x0080_0000,
    0x8080_0000,
    0x7f7f_ffff,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0xffc0_0001,
    SIGNALLING,
    SIGNALLING | 0x8000_0000,
];

/// Fills the input slots of a descriptor.
///
/// # Panics
/// If the descriptor cannot exist.
#[must_use]
pub fn generate(descriptor: &Descriptor, rate: Rate, values: Values, seed: u64) -> Slots {
    let mut rng = fastrand::Rng::with_seed(seed);
    let length = |slot| descriptor.slot_elements(slot).expect("a descriptor that can exist") as usize;
    let edge = |rng: &mut fastrand::Rng| f32::from_bits(EDGES[rng.usize(..EDGES.len())]);
    let mut slots = Slots {
        candidate: vec![f32::NAN; length(Slot::Candidate)],
        threshold: vec![f32::NAN; length(Slot::Threshold)],
        amplitude: (0..length(Slot::Amplitude)).map(|d| (1.0 + d as f32) * 0.5).collect(),
        initial_state: (0..length(Slot::InitialState)).map(|row| -1e6 - row as f32).collect(),
    };
    // Amplitudes of both signs: their sign bit is not the sign of the state.
    for amplitude in slots.amplitude.iter_mut().filter(|_| rng.bool()) {
        *amplitude = -*amplitude;
    }
    if values == Values::Edges {
        for value in slots.amplitude.iter_mut().chain(&mut slots.initial_state) {
            if rng.bool() {
                *value = edge(&mut rng);
            }
        }
    }

    let shape = descriptor.shape();
    let place = |operand, b: u64, t: u64, d: u64| {
        let view = descriptor.view(operand).expect("forward has candidates and thresholds");
        let at = view.offset + b * view.strides.batch + t * view.strides.time + d * view.strides.channel;
        (view.slot, at as usize)
    };
    for b in 0..shape.batch {
        for t in 0..shape.time {
            for d in 0..shape.channels {
                // Thresholds per channel are written again and again; the last stays, and candidates are made from that.
                let (slot, at) = place(Operand::Threshold, b, t, d);
                let target = if slot == Slot::Threshold { &mut slots.threshold } else { &mut slots.candidate };
                if target[at].is_nan() {
                    let magnitude = 0.5 + rng.f32();
                    target[at] = if rng.bool() { magnitude } else { -magnitude };
                }
                let r = target[at];
                let (_, at) = place(Operand::Candidate, b, t, d);
                slots.candidate[at] = candidate(&mut rng, r, rate);
                let edge = |rng: &mut fastrand::Rng| match values {
                    Values::Inputs => [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN][rng.usize(..5)],
                    _ => edge(rng),
                };
                if values != Values::Plain && rng.u8(..4) == 0 {
                    slots.candidate[at] = match rng.u8(..4) {
                        0 => edge(&mut rng),
                        1 => f32::from_bits(r.to_bits() ^ (u32::from(rng.bool()) << 31)),
                        2 => f32::from_bits(r.to_bits() + 1),
                        _ => f32::from_bits(r.to_bits() - 1),
                    };
                    if descriptor.threshold_kind() == bmru::Threshold::PerElement && rng.bool() {
                        let (slot, at) = place(Operand::Threshold, b, t, d);
                        let target = if slot == Slot::Threshold { &mut slots.threshold } else { &mut slots.candidate };
                        target[at] = edge(&mut rng);
                    }
                }
            }
        }
    }
    slots
}

fn candidate(rng: &mut fastrand::Rng, r: f32, rate: Rate) -> f32 {
    let sets = match rate {
        Rate::Never => false,
        Rate::Once(steps) => rng.u64(..steps) == 0,
        Rate::Half => rng.bool(),
        Rate::Always => true,
    };
    // Between 0.1 and 0.9 of the threshold, or between 1.1 and 2.
    let factor = if sets { 1.1 + 0.9 * rng.f32() } else { 0.1 + 0.8 * rng.f32() };
    let magnitude = r.abs() * factor;
    if rng.bool() { magnitude } else { -magnitude }
}
