//! The cases of the self-check, and their data: numbers that arithmetic, a flush of denormals or a comparison of floats gets wrong,
//! shapes with an incomplete vector, word, band and tile, and a tree of two levels.

use crate::{
    Boundary, Descriptor, FinalState, Incoming, InitialState, Inputs, Layout, Save, Shape, Slot, Strategy, Surrogate, Threshold,
    TimeOrder,
};

/// One descriptor with its data.
pub(super) struct Case {
    pub name: &'static str,
    pub descriptor: Descriptor,
    pub strategy: Strategy,
    pub tile_steps: u32,
    /// How well gradients agree; nothing if there is no backward pass.
    pub agreement: Option<Agreement>,
    pub data: Data,
}

/// How well a gradient agrees with the oracle's.
#[derive(Clone, Copy)]
pub(super) enum Agreement {
    /// Everything that is added or multiplied is a whole number of sixteenths below 2^20: nothing is rounded, in any order.
    Exact,
    /// So many units `2⁻²³` of the gradient itself. All terms of a sum have one sign, so that their bounds add up to a share of it:
    /// `m + 4` units for `m` additions, and at most 42 for a surrogate, where `k·|u| ≤ 8`.
    Within { units: u32 },
}

/// The contents of the slots that are read.
#[derive(Default)]
pub(super) struct Data {
    candidate: Vec<f32>,
    threshold: Vec<f32>,
    amplitude: Vec<f32>,
    initial_state: Vec<f32>,
    pub states_gradient: Vec<f32>,
    pub final_state_gradient: Vec<f32>,
}

/// Which numbers.
#[derive(Clone, Copy, PartialEq)]
enum Values {
    /// Whatever a float can be.
    Edges,
    /// Whole numbers of eighths, zeros of both signs among the candidates, and what has no slope.
    Whole,
    /// As those, but candidates are never 0 and never on the edge; gradients are positive.
    Plain,
}

impl Data {
    pub fn inputs(&self) -> Inputs<'_> {
        let Self { candidate, threshold, amplitude, initial_state, .. } = self;
        Inputs { candidate, threshold, amplitude, initial_state }
    }
}

impl Case {
    /// What a slot holds before the kernels run.
    pub fn input(&self, slot: Slot) -> &[f32] {
        match slot {
            Slot::Candidate => &self.data.candidate,
            Slot::Threshold => &self.data.threshold,
            Slot::Amplitude => &self.data.amplitude,
            Slot::InitialState => &self.data.initial_state,
            Slot::StatesGradient => &self.data.states_gradient,
            Slot::FinalStateGradient => &self.data.final_state_gradient,
            _ => &[],
        }
    }

    fn forward(name: &'static str, strategy: Strategy, descriptor: Descriptor) -> Self {
        let data = data(&descriptor, Values::Edges);
        Self { name, descriptor, strategy, tile_steps: 32, agreement: None, data }
    }

    fn exact(name: &'static str, strategy: Strategy, descriptor: Descriptor) -> Self {
        let (wide, narrow) = (Surrogate::Boxcar { half_width: 1.0 }, Surrogate::Boxcar { half_width: 2.0 });
        let descriptor = descriptor.surrogates(wide, narrow).incoming(Incoming::Both).save(Save::Codes);
        let data = data(&descriptor, Values::Whole);
        Self { name, descriptor, strategy, tile_steps: 32, agreement: Some(Agreement::Exact), data }
    }

    fn rounded(name: &'static str, gate: Surrogate, sign: Surrogate) -> Self {
        let shape = Shape { batch: 2, time: 40, channels: 5 };
        let descriptor = Descriptor::bmru(shape).initial_state(InitialState::Given).incoming(Incoming::Both);
        let descriptor = descriptor.surrogates(gate, sign).save(Save::Codes);
        let data = data(&descriptor, Values::Plain);
        let agreement = Some(Agreement::Within { units: 40 + 64 });
        Self { name, descriptor, strategy: Strategy::Serial, tile_steps: 32, agreement, data }
    }
}

/// All cases.
pub(super) fn all() -> Vec<Case> {
    let shape = |batch, time, channels| Shape { batch, time, channels };
    let with_state =
        |shape| Descriptor::bmru(shape).initial_state(InitialState::Given).final_state(FinalState::Written).save(Save::Codes);
    let other =
        |shape| with_state(shape).boundary(Boundary::Set).threshold(Threshold::PerChannel).layout(Layout::TimeBatchChannel);
    let plain = |shape| Descriptor::bmru(shape).final_state(FinalState::Written);
    vec![
        Case::forward("serial, saving", Strategy::Serial, with_state(shape(2, 70, 21))),
        Case::forward("serial, edges set", Strategy::Serial, other(shape(3, 33, 8))),
        Case::forward("serial, one step", Strategy::Serial, plain(shape(9, 1, 4))),
        Case::forward("serial, one channel", Strategy::Serial, plain(shape(2, 256, 1))),
        Case::forward("serial, descending", Strategy::Serial, other(shape(2, 65, 6)).time_order(TimeOrder::Descending)),
        Case { tile_steps: 64, ..Case::forward("tiles, saving", Strategy::Tiles, with_state(shape(1, 2200, 5))) },
        Case::forward("tiles, edges set", Strategy::Tiles, other(shape(2, 100, 8))),
        Case { tile_steps: 64, ..Case::forward("probe", Strategy::Probe, plain(shape(1, 2200, 5))) },
        Case::forward("tiles, few bindings", Strategy::Tiles, Descriptor::bmru(shape(2, 100, 4))),
        Case::forward("probe, edges set", Strategy::Probe, other(shape(2, 100, 8)).save(Save::Nothing)),
        Case::exact("backward, serial", Strategy::Serial, with_state(shape(2, 70, 21))),
        Case::exact("backward, serial, edges set", Strategy::Serial, other(shape(3, 33, 8))),
        Case::exact("backward, tiles", Strategy::Tiles, with_state(shape(1, 2100, 3)).threshold(Threshold::PerChannel)),
        Case::rounded("backward, slopes", Surrogate::ArcTan { k: 2.0 }, Surrogate::FastSigmoid { k: 1.0 }),
        Case::rounded("backward, steep", Surrogate::Sigmoid { k: 2.0 }, Surrogate::ArcTan { k: 0.5 }),
    ]
}

/// Zeros, denormals, the smallest normal number, infinities, and NaNs with payloads, some of them signalling.
const EDGES: [u32; 11] = [
    0x0000_0000,
    0x8000_0000,
    0x0000_0001,
    0x807f_ffff,
    0x0080_0000,
    0x3fc0_0000,
    0xff80_0000,
    0x7f80_0000,
    0x7fc0_0001,
    0x7fa1_2345,
    0xffa0_0001,
];

/// Fills what a contiguous descriptor reads.
fn data(descriptor: &Descriptor, values: Values) -> Data {
    let fill = |slot, value: &dyn Fn(u64) -> f32| {
        let length = descriptor.slot_elements(slot).expect("a descriptor that can exist");
        (0..length).map(value).collect::<Vec<_>>()
    };
    let per_channel = descriptor.threshold_kind() == Threshold::PerChannel;
    let channels = descriptor.shape().channels;
    let beside = |place| threshold(if per_channel { place % channels } else { place }, values);
    let gradient = |place| {
        let magnitude = (random(place, 1) % 4) as f32;
        if values == Values::Plain { magnitude } else { signed(random(place, 2), magnitude) }
    };
    Data {
        candidate: fill(Slot::Candidate, &|place| candidate(random(place, 3), beside(place), values)),
        threshold: fill(Slot::Threshold, &|place| threshold(place, values)),
        amplitude: fill(Slot::Amplitude, &|channel| match values {
            Values::Edges => edge(channel),
            _ => 1.0 + (channel % 3) as f32,
        }),
        // No larger than any amplitude of the backward cases.
        initial_state: fill(Slot::InitialState, &|row| match values {
            Values::Edges => edge(row + 5),
            _ => ((row % 7) as f32 - 3.0) / 4.0,
        }),
        states_gradient: fill(Slot::StatesGradient, &gradient),
        final_state_gradient: fill(Slot::FinalStateGradient, &|row| 5.0 + row as f32),
    }
}

/// From 1 to 2, in eighths.
fn threshold(place: u64, values: Values) -> f32 {
    let random = random(place, 4);
    if values == Values::Edges && random >> 1 & 15 == 0 {
        return edge((random >> 5).into());
    }
    signed(random, 1.0 + (random >> 5 & 7) as f32 / 8.0)
}

fn candidate(random: u32, threshold: f32, values: Values) -> f32 {
    let near = |moved: u32| f32::from_bits(threshold.to_bits().wrapping_add(moved) ^ random & 1 << 31);
    let eighths = (random >> 9 & 7) as f32 / 8.0;
    match (random >> 4 & 31, values) {
        (0, Values::Edges) => edge((random >> 9).into()),
        (0, Values::Whole) => [0.0, -0.0, f32::INFINITY, f32::NAN][(random >> 9) as usize % 4],
        (1, Values::Edges | Values::Whole) => near(0),
        (2, Values::Edges) => near(1),
        (3, Values::Edges) => near(u32::MAX),
        (..7, _) => signed(random, 2.125 + eighths),
        _ => signed(random, 0.125 + eighths / 2.0),
    }
}

fn edge(number: u64) -> f32 {
    f32::from_bits(EDGES[(number % EDGES.len() as u64) as usize])
}

fn signed(random: u32, magnitude: f32) -> f32 {
    f32::from_bits(magnitude.to_bits() | random & 1 << 31)
}

/// A hash of a place, another for each purpose.
fn random(place: u64, purpose: u64) -> u32 {
    // The finaliser of SplitMix64.
    let mut x = (place + (purpose << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ x >> 31) >> 32) as u32
}
