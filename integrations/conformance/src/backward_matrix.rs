//! The cases of the backward pass, in groups named by what they attack.

use bmru::{
    Access, Boundary, Descriptor, Gradient, Incoming, InitialState, Layout, Operand, Shape, Slot, Strategy, Strides, Surrogate,
    Threshold, TimeOrder, View,
};

use crate::backward::{BackwardCase, Choice};
use crate::data::{Rate, Values};
use crate::{Profile, Scope};

/// Lengths of time around a block, a stretch of 1,024 steps, and 32 of those.
const TIMES: [u64; 15] = [0, 1, 2, 31, 32, 33, 65, 1023, 1024, 1025, 2049, 4096, 32_767, 32_769, 70_000];

/// All cases of a scope.
#[must_use]
pub fn backward_matrix(scope: Scope) -> Vec<BackwardCase> {
    let mut cases = Vec::new();
    sizes(scope, &mut cases);
    options(&mut cases);
    surrogates(&mut cases);
    values(&mut cases);
    holds(&mut cases);
    limits(&mut cases);
    two_thresholds_in_parts(&mut cases);
    views(&mut cases);
    time_orders(&mut cases);
    crate::family::backward(scope, &mut cases);
    crate::numbers::backward(scope, &mut cases);
    crate::relaxed::backward(scope, &mut cases);
    crate::packed::backward(&mut cases);
    crate::sequences::backward(scope, &mut cases);
    crate::channels::backward(scope, &mut cases);
    crate::folds::backward(&mut cases);
    cases
}

fn shape(batch: u64, time: u64, channels: u64) -> Shape {
    Shape { batch, time, channels }
}

fn all(shape: Shape) -> Descriptor {
    Descriptor::bmru(shape).initial_state(InitialState::Given).incoming(Incoming::Both)
}

fn sizes(scope: Scope, cases: &mut Vec<BackwardCase>) {
    let mut shapes: Vec<Shape> = TIMES.iter().map(|&time| shape(2, time, 3)).collect();
    shapes.extend([1, 2, 4, 5, 8, 33, 64].map(|channels| shape(1, 1100, channels)));
    shapes.extend([0, 1, 33, 70, 1100].map(|batch| shape(batch, 40, 4)));
    shapes.extend([shape(3, 5, 0), shape(2000, 1, 6)]);
    let step = if scope == Scope::Quick { 2 } else { 1 };
    for (number, &shape) in shapes.iter().enumerate().step_by(step) {
        let Shape { batch, time, channels } = shape;
        let layout = if number % 2 == 0 { Layout::BatchTimeChannel } else { Layout::TimeBatchChannel };
        let threshold = if number % 3 == 0 { Threshold::PerChannel } else { Threshold::PerElement };
        let rate = [Rate::Half, Rate::Once(20), Rate::Once(1000)][number % 3];
        let descriptor = all(shape).layout(layout).threshold(threshold);
        cases.push(BackwardCase::new(format!("backward size/{batch}x{time}x{channels}"), descriptor, rate));
    }
}

/// Every combination of the options.
fn options(cases: &mut Vec<BackwardCase>) {
    let incoming = [Incoming::States, Incoming::FinalState, Incoming::Both];
    for bits in 0..16u32 {
        let pick = |bit: u32| bits >> bit & 1 == 1;
        for incoming in incoming {
            let descriptor = Descriptor::bmru(shape(2, 2100, 6))
                .layout(if pick(0) { Layout::TimeBatchChannel } else { Layout::BatchTimeChannel })
                .threshold(if pick(1) { Threshold::PerChannel } else { Threshold::PerElement })
                .initial_state(if pick(2) { InitialState::Zero } else { InitialState::Given })
                .boundary(if pick(3) { Boundary::Set } else { Boundary::Hold })
                .incoming(incoming);
            cases.push(BackwardCase::new(format!("backward option/{bits:04b}/{incoming:?}"), descriptor, Rate::Once(30)));
        }
    }
    let outputs =
        [Operand::CandidateGradient, Operand::ThresholdGradient, Operand::AmplitudeGradient, Operand::InitialStateGradient];
    for output in outputs {
        for gradient in [Gradient::Accumulate, Gradient::Omit] {
            for threshold in [Threshold::PerElement, Threshold::PerChannel] {
                let descriptor = all(shape(2, 1500, 4)).threshold(threshold).gradient(output, gradient);
                cases.push(BackwardCase::new(
                    format!("backward output/{output}/{gradient:?}/{threshold:?}"),
                    descriptor,
                    Rate::Once(30),
                ));
            }
        }
    }
}

/// One of each kind, with this slope, or this width.
#[must_use]
pub fn surrogate_kinds(slope: f32) -> [Surrogate; 6] {
    [
        Surrogate::Zero,
        Surrogate::ArcTan { k: slope },
        Surrogate::FastSigmoid { k: slope },
        Surrogate::Sigmoid { k: slope },
        Surrogate::Triangle { half_width: slope },
        Surrogate::Boxcar { half_width: slope },
    ]
}

/// Every surrogate for the gate and for the sign, flat and steep.
fn surrogates(cases: &mut Vec<BackwardCase>) {
    for number in 0..surrogate_kinds(2.0).len() {
        for slope in [1.0 / 64.0, 0.7, 64.0] {
            for (sign_number, &sign) in surrogate_kinds(slope).iter().enumerate() {
                let gate = surrogate_kinds([slope, 2.0][(number + sign_number) % 2])[number];
                let threshold = if sign_number % 2 == 0 { Threshold::PerElement } else { Threshold::PerChannel };
                let descriptor = all(shape(1, 300, 4)).surrogates(gate, sign).threshold(threshold);
                let name = format!("backward surrogate/{gate:?}/{sign:?}");
                let mut case = BackwardCase::new(name, descriptor, Rate::Once(4));
                case.choices.truncate(1);
                cases.push(case);
            }
        }
    }
}

/// All set rates; NaN, infinities and zeros as candidates and thresholds.
fn values(cases: &mut Vec<BackwardCase>) {
    let rates = [("never", Rate::Never), ("rare", Rate::Once(500)), ("half", Rate::Half), ("always", Rate::Always)];
    for (name, rate) in rates {
        for boundary in [Boundary::Hold, Boundary::Set] {
            for values in [Values::Plain, Values::Inputs] {
                let descriptor = all(shape(3, 1500, 5)).boundary(boundary);
                let mut case = BackwardCase::new(format!("backward value/{values:?}/{name}/{boundary:?}"), descriptor, rate);
                case.values = values;
                cases.push(case);
            }
        }
    }
}

/// Gradients that pass over many stretches.
fn holds(cases: &mut Vec<BackwardCase>) {
    for (hold, time) in [(1500, 9000), (40_000, 140_000)] {
        cases.push(BackwardCase::new(format!("backward hold/{hold}"), all(shape(1, time, 2)), Rate::Once(hold)));
    }
    for threshold in [Threshold::PerElement, Threshold::PerChannel] {
        // Long enough for the carries of five orders, the last of which is added to twice.
        let descriptor = all(shape(1, (1 << 21) + 1024, 1)).threshold(threshold);
        cases.push(BackwardCase::new(format!("backward hold/forever/{threshold:?}"), descriptor, Rate::Never));
    }
}

/// Plans for small limits, other vectors, workgroups and access: the same bits.
fn limits(cases: &mut Vec<BackwardCase>) {
    for layout in [Layout::BatchTimeChannel, Layout::TimeBatchChannel] {
        for threshold in [Threshold::PerElement, Threshold::PerChannel] {
            for shape in [shape(3, 2500, 8), shape(20, 70, 12), shape(1, 40_000, 2)] {
                let Shape { batch, time, channels } = shape;
                let name = format!("backward limit/{batch}x{time}x{channels}/{layout:?}/{threshold:?}");
                let descriptor = all(shape).layout(layout).threshold(threshold);
                let mut case = BackwardCase::new(name, descriptor, Rate::Once(60));
                let base = case.choices[0];
                let serial = |profile| Choice { profile, ..base };
                case.choices.extend([
                    serial(Profile::WebGpu),
                    serial(Profile::Small { kibibytes: 24 }),
                    serial(Profile::Small { kibibytes: 64 }),
                    serial(Profile::Grid { workgroups: 3 }),
                    Choice { vector_width: 1, workgroup_size: 1, ..base },
                    Choice { vector_width: 2, workgroup_size: 64, ..base },
                    Choice { backward: Strategy::Tiles, profile: Profile::Grid { workgroups: 3 }, vector_width: 2, ..base },
                    Choice { backward: Strategy::Tiles, profile: Profile::Small { kibibytes: 400 }, ..base },
                ]);
                cases.push(case);
            }
        }
    }
}

/// Walks over two thresholds that go on within a block, and within a stretch.
fn two_thresholds_in_parts(cases: &mut Vec<BackwardCase>) {
    for (batch, time, channels, kibibytes) in [(20, 70, 12, 24), (3, 2500, 8, 64)] {
        let descriptor = Descriptor::first_quadrant(shape(batch, time, channels))
            .initial_state(InitialState::Given)
            .incoming(Incoming::Both)
            .layout(Layout::TimeBatchChannel)
            .threshold(Threshold::PerChannel);
        let name = format!("backward limit/first quadrant/{batch}x{time}x{channels}");
        let mut case = BackwardCase::new(name, descriptor, Rate::Once(60));
        let base = case.choices[0];
        let small = Profile::Small { kibibytes };
        case.choices.push(Choice { backward: Strategy::Serial, profile: small, ..base });
        cases.push(case);
    }
}

/// Time taken from its end.
fn time_orders(cases: &mut Vec<BackwardCase>) {
    for layout in [Layout::BatchTimeChannel, Layout::TimeBatchChannel] {
        for (batch, time, channels) in [(2, 1, 4), (2, 33, 1), (3, 2500, 8), (1, 5000, 5), (1, 1100, 260)] {
            for threshold in [Threshold::PerElement, Threshold::PerChannel] {
                let descriptor = all(shape(batch, time, channels)).layout(layout).threshold(threshold);
                let name = format!("backward order/{batch}x{time}x{channels}/{layout:?}/{threshold:?}");
                let mut case = BackwardCase::new(name, descriptor.time_order(TimeOrder::Descending), Rate::Once(30));
                let base = case.choices[0];
                if channels < 100 {
                    case.choices.push(Choice { profile: Profile::Small { kibibytes: 64 }, ..base });
                }
                cases.push(case);
            }
        }
    }
}

/// Candidate and threshold side by side, and rows of wider tensors.
fn views(cases: &mut Vec<BackwardCase>) {
    for layout in [Layout::BatchTimeChannel, Layout::TimeBatchChannel] {
        for channels in [1, 4, 7] {
            let shape = shape(2, 1300, channels);
            let descriptor = all(shape).layout(layout).side_by_side();
            let mut case =
                BackwardCase::new(format!("backward view/side by side/{channels}/{layout:?}"), descriptor, Rate::Once(15));
            let base = case.choices[0];
            case.choices.push(Choice { access: Access::AllReadWrite, ..base });
            case.choices.push(Choice { profile: Profile::Small { kibibytes: 16 }, ..base });
            cases.push(case);

            let row = |slot, offset, padding| {
                let strides = Strides::rows(layout, shape, shape.channels + padding);
                View { slot, offset, strides }
            };
            let descriptor = all(shape)
                .layout(layout)
                .candidate_view(row(Slot::Candidate, 3, 5))
                .threshold_view(row(Slot::Threshold, 8, 4))
                .states_view(row(Slot::States, 4, 12));
            cases.push(BackwardCase::new(format!("backward view/rows/{channels}/{layout:?}"), descriptor, Rate::Once(15)));
        }
    }
}
