//! Inputs in which a lost, doubled or swapped element shows: thresholds and candidates are different everywhere, amplitudes
//! are different for each channel and initial states for each row, and sets fall at random.

use bmru::oracle::Borders;
use bmru::{Descriptor, Element, Inputs, Operand, Sequences, Shape, Slot, Threshold, Unit};

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
    /// Nowhere in so many steps, then at each of so many, and so on.
    Bursts {
        /// Steps that hold.
        held: u64,
        /// Steps that set.
        set: u64,
    },
}

impl Rate {
    fn sets(self, rng: &mut fastrand::Rng, t: u64) -> bool {
        match self {
            Self::Never => false,
            Self::Once(steps) => rng.u64(..steps) == 0,
            Self::Half => rng.bool(),
            Self::Always => true,
            Self::Bursts { held, set } => t % (held + set) >= held,
        }
    }
}

/// Which values the inputs have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Plain numbers.
    Plain,
    /// As edges, but only the candidates and thresholds, and no denormals: gradients are real numbers that a bound holds for.
    Inputs,
    /// Plain numbers, but amplitudes and initial states of magnitudes from `2⁻²⁰` to `2²⁰` and both signs, so that sums of them cancel.
    Wide,
    /// The same, but initial states are the largest floats.
    Huge,
    /// NaN, infinities, zeros, denormals, candidates equal to a threshold and one unit in the last place beside it;
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
    /// [`Slot::InitialCount`]
    pub initial_count: Vec<i32>,
    /// [`Slot::Validity`]
    pub validity: Vec<u32>,
    /// [`Slot::CuSeqlens`]
    pub cu_seqlens: Vec<u32>,
    /// [`Slot::Resets`]
    pub resets: Vec<u32>,
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
            initial_count: &self.initial_count,
            validity: &self.validity,
            cu_seqlens: &self.cu_seqlens,
            resets: &self.resets,
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

    /// The words of a slot.
    #[must_use]
    pub fn words(&self, descriptor: &Descriptor, slot: Slot) -> Vec<u32> {
        match slot {
            Slot::InitialCount => bytemuck::cast_slice(&self.initial_count).to_vec(),
            Slot::Validity => self.validity.clone(),
            Slot::CuSeqlens => self.cu_seqlens.clone(),
            Slot::Resets => self.resets.clone(),
            slot => descriptor.element_of(slot).to_words(self.slot(slot)),
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

/// The same for elements of 16 bits, most of which mean something in both types.
const HALF_EDGES: [u32; 15] =
    [0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x0400, 0x7bff, 0x7c00, 0xfc00, 0x7c01, 0xfe23, 0x7f80, 0xff80, 0x7fa1, 0x7fff];

/// Amplitudes of units whose states have 16 bits: halfway between two of them, and one unit of `f32` beside that. Of binary16 around 1,
/// among its least numbers, and at both ends of its normal ones; of bfloat16 around 1 and at its end; and NaNs whose payload ends below.
const TIES: [u32; 26] = [
    0x3f80_0fff,
    0x3f80_1000,
    0x3f80_1001,
    0x3f80_2fff,
    0x3f80_3000,
    0x3f80_3001,
    0x3300_0000,
    0x3300_0001,
    0x33bf_ffff,
    0x33c0_0000,
    0x3420_0000,
    0x3420_0001,
    0x387f_dfff,
    0x387f_e000,
    0x477f_efff,
    0x477f_f000,
    0x3f80_7fff,
    0x3f80_8000,
    0x3f80_8001,
    0x3f81_7fff,
    0x3f81_8000,
    0x7f7f_7fff,
    0x7f7f_8000,
    0x7f80_0001,
    0x7f80_1fff,
    0x7f81_0000,
];

fn edge(rng: &mut fastrand::Rng, element: Element) -> f32 {
    let edges: &[u32] = if element == Element::F32 { &EDGES } else { &HALF_EDGES };
    element.decode(edges[rng.u64(..edges.len() as u64) as usize])
}

/// A number of any magnitude from 2^-20 up to 2^20.
fn wide(rng: &mut fastrand::Rng) -> f32 {
    let magnitude = (1.0 + rng.f32()) * 2f32.powi(rng.i32(-20..20));
    if rng.bool() { magnitude } else { -magnitude }
}

/// An amplitude, which is `f32` whatever the elements are.
fn edge_of_amplitude(rng: &mut fastrand::Rng, element: Element) -> f32 {
    if element == Element::F32 || rng.bool() {
        return edge(rng, Element::F32);
    }
    let sign = if rng.bool() { 0x8000_0000 } else { 0 };
    f32::from_bits(TIES[rng.u64(..TIES.len() as u64) as usize] | sign)
}

/// Fills the input slots of a descriptor.
///
/// # Panics
/// If the descriptor cannot exist.
#[must_use]
pub fn generate(descriptor: &Descriptor, rate: Rate, values: Values, seed: u64) -> Slots {
    let mut rng = fastrand::Rng::with_seed(seed);
    let length = |slot| descriptor.slot_elements(slot).expect("a descriptor that can exist") as usize;
    let element = descriptor.element_type();
    // Of 16 bits there are too few far from zero.
    let initial = |row: usize| match element {
        Element::F32 => -1e6 - row as f32,
        half => half.decode(0xb800 + (row % 0x3000) as u32),
    };
    // Sums of 16 bits would soon be infinite, and so would amplitudes that grow with their number.
    let different = match (descriptor.unit(), element) {
        (_, Element::F32) => usize::MAX,
        (Unit::Bistable | Unit::FirstQuadrant, _) => 1 << 15,
        _ => 8,
    };
    let mut slots = Slots {
        candidate: vec![f32::NAN; length(Slot::Candidate)],
        threshold: vec![f32::NAN; length(Slot::Threshold)],
        amplitude: (0..length(Slot::Amplitude)).map(|d| (1.0 + (d % different) as f32) * 0.5).collect(),
        initial_state: (0..length(Slot::InitialState)).map(initial).collect(),
        validity: (0..length(Slot::Validity))
            .map(|_| (0..32).map(|bit| u32::from(rate.sets(&mut rng, bit)) << bit).sum())
            .collect(),
        // As many steps before the first, some of them more than are held, and some that no step may be added to.
        initial_count: (0..length(Slot::InitialCount))
            .map(|row| match descriptor.unit() {
                Unit::ForwardFill => [0, 3, 40, i32::MAX - 5, -9, i32::MAX][row % 6],
                _ => 1000 - row as i32 * 7,
            })
            .collect(),
        ..borders(descriptor, seed)
    };
    // Steps that set and add nothing still scale what was there.
    if descriptor.unit() == Unit::Relaxed {
        slots.amplitude.iter_mut().skip(5).step_by(8).for_each(|amplitude| *amplitude = 0.0);
    }
    // Amplitudes of both signs: their sign bit is not the sign of the state.
    for amplitude in slots.amplitude.iter_mut().filter(|_| rng.bool()) {
        *amplitude = -*amplitude;
    }
    if matches!(values, Values::Wide | Values::Huge) {
        slots.amplitude.iter_mut().chain(&mut slots.initial_state).for_each(|value| *value = wide(&mut rng));
    }
    if values == Values::Huge {
        slots.initial_state.iter_mut().for_each(|state| *state = f32::MAX.copysign(*state));
    }
    if values == Values::Edges {
        let mut sharpen = |values: &mut [f32], edge: fn(&mut fastrand::Rng, Element) -> f32| {
            for value in values {
                if rng.bool() {
                    *value = edge(&mut rng, element);
                }
            }
        };
        // Sums of amplitudes are numbers only if those are.
        if !matches!(descriptor.unit(), Unit::Cumulative | Unit::Relaxed) {
            sharpen(&mut slots.amplitude, edge_of_amplitude);
        }
        sharpen(&mut slots.initial_state, edge);
    }

    for (b, t, d) in indices(descriptor) {
        let mut step = Step { descriptor, slots: &mut slots, at: [b, t, d] };
        step.fill(&mut rng, rate);
        if matches!(values, Values::Inputs | Values::Edges) && rng.u8(..4) == 0 && descriptor.unit() != Unit::ForwardFill {
            step.sharpen(&mut rng, values);
        }
    }
    poison_slack(descriptor, &mut slots);
    slots
}

/// Where sequences begin and end: at word and tile edges and between them, many of them empty or of one step, with slack before and behind
/// or none; and resets at every step, at none, on the first and the last, or at random.
fn borders(descriptor: &Descriptor, seed: u64) -> Slots {
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x5eed_b0de);
    let Shape { time, .. } = descriptor.shape();
    let mut slots = Slots::default();
    match descriptor.sequences_kind() {
        Sequences::Packed { count } => {
            let mut cut = |_| {
                let granule = [1, 1, 1, 32, 32, 1024][rng.usize(..6)];
                rng.u64(..=time) / granule * granule
            };
            let mut cuts: Vec<u64> = (0..=count).map(&mut cut).collect();
            cuts.sort_unstable();
            if rng.bool() {
                cuts[0] = 0;
            }
            if rng.u8(..3) > 0 {
                // Beyond the last step sequences end with it.
                *cuts.last_mut().expect("there is one more border than sequences") = time + u64::from(rng.u8(..2)) * 40;
            }
            slots.cu_seqlens = cuts.into_iter().map(|cut| cut as u32).collect();
        }
        Sequences::Resets => {
            let words = descriptor.slot_elements(Slot::Resets).expect("a descriptor that can exist");
            let kind = rng.u8(..5);
            let last = (time.saturating_sub(1)) % 32;
            let row_words = time.div_ceil(32).max(1);
            let mut word = |at: u64| match kind {
                0 => u32::MAX,
                1 => 0,
                2 => u32::from(at.is_multiple_of(row_words)) | u32::from(at % row_words == row_words - 1) << last,
                3 => (0..32).map(|bit| u32::from(rng.u8(..20) == 0) << bit).sum(),
                _ => rng.u32(..),
            };
            slots.resets = (0..words).map(&mut word).collect();
        }
        _ => {}
    }
    slots
}

/// Steps that belong to no packed sequence, each with its batch row.
fn slack(descriptor: &Descriptor, slots: &Slots) -> Vec<u64> {
    let time = descriptor.shape().time;
    let ascending = descriptor.clone().time_order(bmru::TimeOrder::Ascending);
    let borders = Borders::new(&ascending, &slots.inputs());
    (0..time).filter(|&t| descriptor.shape().batch > 0 && borders.sequence(0, t).is_none()).collect()
}

/// Whatever is read of them shows.
fn poison_slack(descriptor: &Descriptor, slots: &mut Slots) {
    for t in slack(descriptor, slots) {
        // What holds for good, what sets whatever the thresholds are, and what has slopes.
        let [candidate, threshold, low_threshold] =
            [[f32::NAN; 3], [f32::INFINITY, 0.0, 0.0], [0.5, 1.0, 0.25], [2.0, 1.0, 0.25]][t as usize % 4];
        let values = [
            (Operand::Candidate, candidate),
            (Operand::Threshold, threshold),
            (Operand::LowThreshold, low_threshold),
            (Operand::Amplitude, f32::NAN),
        ];
        for d in 0..descriptor.shape().channels {
            let mut step = Step { descriptor, slots, at: [0, t, d] };
            for (operand, value) in values {
                let of_steps = descriptor.view(operand).is_some_and(|view| view.strides.time > 0);
                if let Some(place) = step.place(operand).filter(|_| of_steps) {
                    *place = value;
                }
            }
        }
    }
}

/// The same of an incoming gradient.
pub(crate) fn poison_slack_of_gradient(descriptor: &Descriptor, seed: u64, gradient: &mut [f32]) {
    let Some(view) = descriptor.view(Operand::StatesGradient).filter(|view| view.slot == Slot::StatesGradient) else { return };
    for t in slack(descriptor, &borders(descriptor, seed)) {
        for d in 0..descriptor.shape().channels {
            gradient[(view.offset + t * view.strides.time + d * view.strides.channel) as usize] = f32::NAN;
        }
    }
}

fn indices(descriptor: &Descriptor) -> impl Iterator<Item = (u64, u64, u64)> + use<> {
    let Shape { batch, time, channels } = descriptor.shape();
    (0..batch).flat_map(move |b| (0..time).flat_map(move |t| (0..channels).map(move |d| (b, t, d))))
}

/// The inputs of one step of one channel.
struct Step<'a> {
    descriptor: &'a Descriptor,
    slots: &'a mut Slots,
    at: [u64; 3],
}

impl Step<'_> {
    /// Where an operand lies here.
    fn place(&mut self, operand: Operand) -> Option<&mut f32> {
        let view = self.descriptor.view(operand)?;
        let [b, t, d] = self.at;
        let at = view.offset + b * view.strides.batch + t * view.strides.time + d * view.strides.channel;
        let slot = match view.slot {
            Slot::Threshold => &mut self.slots.threshold,
            Slot::Amplitude => &mut self.slots.amplitude,
            _ => &mut self.slots.candidate,
        };
        Some(&mut slot[at as usize])
    }

    fn candidate(&mut self) -> &mut f32 {
        self.place(Operand::Candidate).expect("every unit has candidates")
    }

    /// Thresholds per channel are met again and again; the first stays, and all candidates are made from that.
    fn fill(&mut self, rng: &mut fastrand::Rng, rate: Rate) {
        let (two, element) = (self.descriptor.unit() == Unit::FirstQuadrant, self.descriptor.element_type());
        if self.descriptor.unit() == Unit::ForwardFill {
            // Bits of any kind, different everywhere; or a NaN with a payload.
            let (edges, numbers, nan) = match element {
                Element::F32 => (&EDGES[..10], 0xbfff_ffff, 0x7f80_0001),
                // Of the edges those that are numbers in both types.
                Element::F16 | Element::Bf16 => (&HALF_EDGES[..7], 0xbfff, element.encode(f32::INFINITY) | 1),
            };
            let bits = match rng.u8(..8) {
                // Zeros, denormals and infinities are values, too.
                0 => edges[rng.u64(..edges.len() as u64) as usize],
                1 => element.encode([f32::INFINITY, f32::NEG_INFINITY][usize::from(rng.bool())]),
                _ => rng.u32(..) & numbers,
            };
            *self.candidate() = element.decode(if rate.sets(rng, self.at[1]) { bits } else { bits | nan });
            return;
        }
        let [b, t, d] = self.at;
        let beside = self.descriptor.view(Operand::Amplitude).is_some_and(|view| view.slot == Slot::Candidate);
        if let Some(amplitude) = self.place(Operand::Amplitude).filter(|amplitude| beside && amplitude.is_nan()) {
            let number = (b * 37 + t * 5 + d) % if element == Element::F32 { u64::MAX } else { 500 };
            *amplitude = element.round(0.5 + number as f32 * if rng.bool() { 0.25 } else { -0.25 });
        }
        for operand in [Operand::Threshold, Operand::LowThreshold] {
            let Some(threshold) = self.place(operand).filter(|threshold| threshold.is_nan()) else { continue };
            let magnitude = 0.5 + rng.f32();
            // Two of them lie one above the other, mostly with zero between them; the sign of a single one means nothing.
            let negative = if two { operand == Operand::LowThreshold } else { rng.bool() };
            *threshold = element.round(if negative { -magnitude } else { magnitude });
            if two && operand == Operand::LowThreshold && rng.u8(..8) == 0 {
                *threshold = if rng.bool() { 0.25 } else { 2.0 };
            }
        }
        let high = self.place(Operand::Threshold).map_or(0.0, |threshold| *threshold);
        let [low, high] = match self.place(Operand::LowThreshold) {
            Some(low) => [*low, high],
            None => [-high.abs(), high.abs()],
        };
        let sets = rate.sets(rng, t);
        *self.candidate() = element.round(candidate(rng, low, high, sets));
    }

    /// Puts something where arithmetic would go wrong.
    fn sharpen(&mut self, rng: &mut fastrand::Rng, values: Values) {
        let element = self.descriptor.element_type();
        let edge = |rng: &mut fastrand::Rng| match values {
            Values::Inputs => {
                let least = f32::from_bits(1);
                let (zero, most, inf) = (0.0f32, f32::MAX, f32::INFINITY);
                element.round([zero, -zero, least, -least, most, -most, inf, -inf, f32::NAN][rng.usize(..9)])
            }
            _ => edge(rng, element),
        };
        let operand = if rng.bool() { Operand::LowThreshold } else { Operand::Threshold };
        let operand = if self.place(operand).is_some() { operand } else { Operand::Threshold };
        let r = self.place(operand).map_or(0, |threshold| element.encode(*threshold));
        let sign = 1 << (8 * element.bytes() - 1);
        let moved = |distance: u32| element.decode(r.wrapping_add(distance) & (sign | (sign - 1)));
        *self.candidate() = match rng.u8(..4) {
            0 => edge(rng),
            1 if operand == Operand::LowThreshold => moved(0),
            1 => element.decode(if rng.bool() { r ^ sign } else { r }),
            2 => moved(1),
            _ => moved(u32::MAX),
        };
        if self.descriptor.threshold_kind() == Threshold::PerElement && rng.bool() {
            *self.place(operand).expect("it was found before") = edge(rng);
        }
    }
}

/// A candidate within a region, or beyond one of its edges.
fn candidate(rng: &mut fastrand::Rng, low: f32, high: f32, sets: bool) -> f32 {
    let half = (high - low) / 2.0;
    // Between 0.1 and 0.9 of the way from its middle to an edge, or between 1.1 and 2.
    let factor = if sets { 1.1 + 0.9 * rng.f32() } else { 0.1 + 0.8 * rng.f32() };
    let offset = half * factor;
    low + half + if rng.bool() { offset } else { -offset }
}
