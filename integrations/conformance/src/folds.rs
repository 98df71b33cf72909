//! One channel or two, steps that follow each other in memory: vectors that hold several steps of a channel, or several batch rows.

use bmru::{
    Amplitude, Boundary, Counts, Descriptor, Element, FinalState, Gradient, Incoming, InitialCount, InitialState, Layout,
    Operand, Save, Shape, Slot, States, Strategy, Strides, Threshold, TimeOrder, Unit, Validity, View,
};

use crate::backward::{BackwardCase, Choice};
use crate::data::{Rate, Values};
use crate::{Case, Profile};

const UNITS: [(&str, Unit); 2] = [("bistable", Unit::Bistable), ("first quadrant", Unit::FirstQuadrant)];

/// All high thresholds, and behind them all low ones.
fn two_planes(shape: Shape) -> Descriptor {
    let Shape { batch, time, channels } = shape;
    let strides = Strides::rows(Layout::BatchTimeChannel, shape, channels);
    let plane = |offset| View { slot: Slot::Threshold, offset, strides };
    Descriptor::first_quadrant(shape).threshold_view(plane(0)).low_threshold_view(plane(batch * time * channels))
}

/// Tiles of which no whole number of steps loaded at once is one, and low thresholds in a plane of their own.
fn probes(cases: &mut Vec<Case>) {
    let shape = Shape { batch: 3, time: 1000, channels: 1 };
    for (name, descriptor) in [("bistable", Descriptor::bmru(shape)), ("two planes", two_planes(shape))] {
        let descriptor = descriptor.initial_state(InitialState::Given);
        let mut case = Case::new(format!("fold/three ahead/{name}"), descriptor, Rate::Once(300));
        case.strategy = Some(Strategy::Probe);
        case.vector_width = Some(4);
        case.tile_steps = Some(32);
        case.steps_ahead = Some(3);
        cases.push(case);
    }
}

/// A unit by its name, and how to have it.
type Member = (&'static str, fn(Shape) -> Descriptor);

const MEMBERS: [Member; 9] = [
    ("bistable", Descriptor::bmru),
    ("bistable, packed", |shape| Descriptor::bmru(shape).states(States::Both)),
    ("bistable, amplitudes", |shape| Descriptor::bmru(shape).amplitude(Amplitude::PerElement)),
    ("first quadrant", Descriptor::first_quadrant),
    ("first quadrant, two planes", two_planes),
    ("cumulative", |shape| Descriptor::cumulative(shape).counts(Counts::Final).initial_count(InitialCount::Given)),
    ("relaxed", |shape| Descriptor::relaxed(shape, 0.5)),
    ("forward fill by a mask", |shape| Descriptor::forward_fill(shape).validity(Validity::Mask)),
    ("forward fill, limit", |shape| Descriptor::forward_fill(shape).limit(3).counts(Counts::All)),
];

/// Batch, time and channels of vectors of whole rows: all three ways to fill one, one row a vector, and rows that fill none. Of 300 rows
/// an invocation takes some, and the last takes fewer.
const SHORT: [[u64; 3]; 8] = [[300, 1, 1], [302, 1, 2], [300, 2, 1], [70, 2, 2], [70, 4, 1], [6, 1, 1], [5, 1, 2], [7, 2, 1]];

/// The units that save, by the same names.
const SAVING: [Member; 6] = [
    ("bistable", Descriptor::bmru),
    // All gradients would be more than eight buffers.
    ("bistable, amplitudes", |shape| {
        let descriptor =
            Descriptor::bmru(shape).amplitude(Amplitude::PerElement).gradient(Operand::ThresholdGradient, Gradient::Omit);
        descriptor.gradient(Operand::CandidateGradient, Gradient::Omit)
    }),
    ("first quadrant", Descriptor::first_quadrant),
    ("first quadrant, two planes", two_planes),
    ("cumulative", Descriptor::cumulative),
    ("relaxed", |shape| Descriptor::relaxed(shape, 0.5)),
];

/// Per channel or per element; planes are of elements.
fn threshold(rng: &mut fastrand::Rng, name: &str) -> Threshold {
    if rng.bool() && name != "first quadrant, two planes" { Threshold::PerChannel } else { Threshold::PerElement }
}

/// The same walked back over, each with all that goes in and comes out, and with less: the bits of vectors of one element.
pub fn backward(cases: &mut Vec<BackwardCase>) {
    let mut rng = fastrand::Rng::with_seed(5);
    for [batch, time, channels] in SHORT {
        for (number, (name, member)) in SAVING.iter().flat_map(|member| [(0, *member), (1, *member)]) {
            let element = Element::ALL[rng.usize(..3)];
            let mut descriptor = member(Shape { batch, time, channels })
                .element(element)
                .threshold(threshold(&mut rng, name))
                .initial_state(InitialState::Given)
                .incoming(Incoming::Both);
            if number > 0 {
                let output = [Operand::AmplitudeGradient, Operand::InitialStateGradient][rng.usize(..2)];
                descriptor = descriptor
                    .time_order(if rng.bool() { TimeOrder::Descending } else { TimeOrder::Ascending })
                    .initial_state(if rng.bool() { InitialState::Zero } else { InitialState::Given })
                    .incoming([Incoming::States, Incoming::FinalState, Incoming::Both][rng.usize(..3)])
                    .gradient(output, [Gradient::Overwrite, Gradient::Accumulate, Gradient::Omit][rng.usize(..3)]);
            }
            let name = format!("backward fold/rows/{batch}x{time}x{channels}/{name}/{element:?}/{number}");
            let mut case = BackwardCase::new(name, descriptor, Rate::Half);
            let base = Choice { forward: Strategy::Serial, vector_width: 4, ..case.choices[0] };
            case.choices = vec![
                base,
                Choice { forward: Strategy::Tiles, vector_width: 1, ..base },
                Choice { profile: Profile::Grid { workgroups: 5 }, workgroup_size: 1, ..base },
            ];
            cases.push(case);
        }
    }
}

/// Vectors of several batch rows.
fn rows(cases: &mut Vec<Case>) {
    let mut rng = fastrand::Rng::with_seed(4);
    for [batch, time, channels] in SHORT {
        for (name, member) in MEMBERS {
            let element = Element::ALL[rng.usize(..3)];
            let descriptor = member(Shape { batch, time, channels });
            let descriptor = descriptor
                .element(element)
                .threshold(threshold(&mut rng, name))
                .layout(if rng.u8(..4) == 0 { Layout::TimeBatchChannel } else { Layout::BatchTimeChannel })
                .initial_state(InitialState::Given)
                .final_state(if rng.u8(..4) == 0 { FinalState::Discarded } else { FinalState::Written })
                .save(if rng.bool() && !name.starts_with("forward fill") { Save::Codes } else { Save::Nothing });
            let mut case = Case::new(format!("fold/rows/{batch}x{time}x{channels}/{name}/{element:?}"), descriptor, Rate::Half);
            case.strategy = Some(Strategy::Serial);
            case.vector_width = Some(4);
            case.values = if rng.bool() { Values::Plain } else { Values::Edges };
            case.profile = if rng.u8(..4) == 0 { Profile::Small { kibibytes: 1 } } else { Profile::Device };
            cases.push(case);
        }
    }
}

/// Both folds with every unit and element that has them, whole and in parts; a tile's fold begins in what the tree found.
pub fn forward(cases: &mut Vec<Case>) {
    probes(cases);
    rows(cases);
    // Everything that is not in the loops.
    let mut rng = fastrand::Rng::with_seed(3);
    for channels in [1, 2] {
        for (batch, time) in [(1, 40), (3, 1000)] {
            for (unit_name, unit) in UNITS {
                for threshold in [Threshold::PerElement, Threshold::PerChannel] {
                    for strategy in [Strategy::Serial, Strategy::Probe] {
                        let element = Element::ALL[rng.usize(..3)];
                        let descriptor = Descriptor::new(unit, Shape { batch, time, channels })
                            .element(element)
                            .threshold(threshold)
                            .boundary(if rng.bool() { Boundary::Set } else { Boundary::Hold })
                            .initial_state(InitialState::Given)
                            .final_state(FinalState::Written);
                        let name = format!("fold/{channels}/{batch}x{time}/{unit_name}/{element:?}/{threshold:?}/{strategy}");
                        let mut case = Case::new(name, descriptor, if rng.bool() { Rate::Half } else { Rate::Once(12) });
                        case.strategy = Some(strategy);
                        case.vector_width = Some(4);
                        case.tile_steps = Some(32);
                        case.values = if rng.bool() { Values::Plain } else { Values::Edges };
                        case.profile = if rng.u8(..4) == 0 { Profile::Small { kibibytes: 4 } } else { Profile::Device };
                        cases.push(case);
                    }
                }
            }
        }
    }
}
