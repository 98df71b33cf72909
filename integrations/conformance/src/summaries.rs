//! What summaries must be: bit for bit where they are copies and counts; sums and powers of `ε` as far from the loop in double precision
//! as `state_bound.rs` and `scaled.rs` say, of the deepest tree that there is.
//!
//! A power of `k` steps is a product of `k` equal factors, `k − 1` roundings in a tree of any form, and may be 0 below `2⁻¹²⁶`. What of a
//! gradient leaves a stretch is the gradient of an initial state, and what passes is that of a final state of 1.

use bmru::oracle::{self, IncomingGradients, Inputs};
use bmru::{
    Amplitude, Descriptor, Direction, Element, Error, FinalState, Gradient, Incoming, InitialState, Operand, Plan, Save, Shape,
    Slot, States, Summary, SummaryOf, Unit,
};

use crate::allowed::{Allowed, Wide};
use crate::image::POISON;
use crate::runner::{MARGIN, Outcome};
use crate::scaled::deepest;
use crate::state_bound::state_bounds;
use crate::{bounds, sum_bound};

/// The bits of 1.
const ONE: u32 = 0x3f80_0000;
/// What one operation may be off by.
const UNIT: f64 = f32::EPSILON as f64;
const LEAST: f64 = f32::MIN_POSITIVE as f64;

/// Words, and where they are numbers how far from each another may be.
struct Wanted {
    words: Vec<u32>,
    allowed: Allowed,
}

impl Outcome {
    /// Compares the summary that a plan wrote, and the margin behind it.
    pub(crate) fn compare_summary(
        &mut self,
        descriptor: &Descriptor,
        inputs: &Inputs<'_>,
        incoming: &IncomingGradients<'_>,
        plan: &Plan,
        actual: &[u32],
    ) -> Result<(), Error> {
        let (words, margin) = actual.split_at(actual.len() - MARGIN as usize);
        self.compare(Slot::Scratch, margin, &[POISON; MARGIN as usize]);
        let (slot, words, wanted) = match plan.direction() {
            Direction::Summary(SummaryOf::Gradient) => {
                (Slot::GradientSummary, words.to_vec(), of_gradient(descriptor, inputs, incoming, plan.depth())?)
            }
            _ => {
                // What kernels leave anything in is cleared.
                let mut words = Summary::from_words(descriptor, words)?.words().to_vec();
                powers(descriptor, &mut words);
                (Slot::Summary, words, of_states(descriptor, inputs)?)
            }
        };
        self.compare_sums(slot, &words, &wanted.words, &wanted.allowed);
        Ok(())
    }
}

/// Turns powers of `ε` from differences of bits into numbers, and back.
fn powers(descriptor: &Descriptor, words: &mut [u32]) {
    if descriptor.unit() == Unit::Relaxed {
        let channels = descriptor.shape().channels as usize;
        words.chunks_mut(2 * channels.max(1)).for_each(|row| row[..channels].iter_mut().for_each(|word| *word ^= ONE));
    }
}

/// How often each channel of each row sets.
fn sets(descriptor: &Descriptor, inputs: &Inputs<'_>) -> Vec<i32> {
    let Shape { batch, time, channels } = descriptor.shape();
    let rows = (0..batch).flat_map(|b| (0..channels).map(move |d| (b, d)));
    rows.map(|(b, d)| (0..time).filter(|&t| sum_bound::sets(descriptor, inputs, [b, t, d])).count() as i32).collect()
}

fn of_states(descriptor: &Descriptor, inputs: &Inputs<'_>) -> Result<Wanted, Error> {
    let mut words = oracle::summarize(descriptor, inputs)?.words().to_vec();
    powers(descriptor, &mut words);
    let mut limits = vec![0.0; words.len()];
    let summed = descriptor.unit() == Unit::Cumulative && descriptor.amplitude_kind() == Amplitude::PerElement;
    if summed || descriptor.unit() == Unit::Relaxed {
        let Shape { time, channels, .. } = descriptor.shape();
        let wide = Wide::new(descriptor, inputs);
        // A sum is the state behind a zero.
        let zeroed = wide.descriptor.clone().states(States::Numbers).initial_state(InitialState::Zero);
        let zeroed = zeroed.final_state(FinalState::Written);
        let given = Inputs { initial_state: &[], ..wide.inputs() };
        let [_, of_sums] = state_bounds(&zeroed, &given, deepest(time))?;
        let lines = if summed { 1 } else { 2 };
        let epsilon = f64::from(descriptor.epsilon_value());
        for (at, (bound, count)) in of_sums.into_iter().zip(sets(&wide.descriptor, &wide.inputs())).enumerate() {
            let channels = channels as usize;
            let place = at / channels * lines * channels + at % channels;
            limits[place + (lines - 1) * channels] = bound;
            if !summed && count > 0 {
                limits[place] = epsilon.powi(count) * ((1.0 + UNIT).powi(count) - 1.0) + LEAST;
            }
        }
    }
    let wanted = words.iter().map(|&word| f32::from_bits(word).into()).collect();
    Ok(Wanted { allowed: Allowed { element: Element::F32, wanted, bounds: limits }, words })
}

fn of_gradient(
    descriptor: &Descriptor,
    inputs: &Inputs<'_>,
    incoming: &IncomingGradients<'_>,
    depth: u64,
) -> Result<Wanted, Error> {
    let Shape { batch, channels, .. } = descriptor.shape();
    let given = descriptor
        .clone()
        .save(Save::Nothing)
        .initial_state(InitialState::Given)
        .gradient(Operand::InitialStateGradient, Gradient::Overwrite);
    let zeros = vec![0.0; (batch * channels) as usize];
    let inputs = Inputs { initial_state: &zeros, ..*inputs };
    // Whatever comes in, of a final state there is none.
    let end = vec![0.0; given.slot_elements(Slot::FinalStateGradient)? as usize];
    let own = IncomingGradients { states: incoming.states, final_state: &end };
    let leaving = (oracle::backward(&given, &inputs, &own)?, bounds(&given, &inputs, &own, depth)?);
    let through = given.incoming(Incoming::FinalState);
    let ones = vec![1.0; zeros.len()];
    let behind = IncomingGradients { states: &[], final_state: &ones };
    let passing = (oracle::backward(&through, &inputs, &behind)?, bounds(&through, &inputs, &behind, depth)?);

    let is_power = descriptor.unit() == Unit::Relaxed;
    let length = 2 * zeros.len();
    let mut wanted = Wanted {
        words: vec![0; length],
        allowed: Allowed { element: Element::F32, wanted: vec![0.0; length], bounds: vec![0.0; length] },
    };
    for at in 0..zeros.len() {
        let channels = channels as usize;
        let place = at / channels * 2 * channels + at % channels;
        let mut put = |place: usize, value: f64, bound: f64, bits: u32| {
            wanted.words[place] = bits;
            wanted.allowed.wanted[place] = value;
            wanted.allowed.bounds[place] = bound;
        };
        let (value, bound) = (leaving.0.initial_state[at], leaving.1.initial_state[at]);
        // The loop in double precision is rounded to tell bits.
        // The sign of a zero depends on the order of additions.
        let bound = (bound + UNIT * value.abs()).max(f64::MIN_POSITIVE);
        put(place, value, bound, (value as f32).to_bits());
        let (value, bound) = (passing.0.initial_state[at], passing.1.initial_state[at]);
        if is_power {
            put(place + channels, value, if value == 1.0 { 0.0 } else { bound + LEAST }, (value as f32).to_bits());
        } else {
            put(place + channels, value, 0.0, u32::from(value != 0.0));
        }
    }
    Ok(wanted)
}
