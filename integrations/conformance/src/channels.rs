//! Channels that do not lie side by side: time contiguous, gaps between channels, and axes that inputs do not have.

use bmru::{
    Amplitude, Descriptor, Element, FinalState, Gradient, Incoming, InitialState, Layout, Operand, Save, Sequences, Shape, Slot,
    States, Strategy, Strides, Threshold, TimeOrder, Unit, Validity, View,
};

use crate::backward::BackwardCase;
use crate::case::{is_left_out, name_seed};
use crate::data::{Rate, Values};
use crate::{Case, Profile, Scope};

/// A name, and what it stands for.
type Named = (&'static str, fn(Shape) -> Descriptor);

const UNITS: [Named; 8] = [
    ("bistable", Descriptor::bmru),
    ("first quadrant", Descriptor::first_quadrant),
    ("bistable per element", |shape| Descriptor::bmru(shape).amplitude(Amplitude::PerElement)),
    ("cumulative", Descriptor::cumulative),
    ("cumulative per element", |shape| Descriptor::cumulative(shape).amplitude(Amplitude::PerElement)),
    ("relaxed", |shape| Descriptor::relaxed(shape, 0.5)),
    ("forward fill", Descriptor::forward_fill),
    ("forward fill by a mask", |shape| Descriptor::forward_fill(shape).validity(Validity::Mask)),
];

/// Whole vectors of steps and not, words and tiles of them, one channel and more than a workgroup has.
const SHAPES: [[u64; 3]; 6] = [[2, 5, 3], [1, 64, 1], [2, 100, 6], [3, 256, 9], [1, 1100, 70], [2, 0, 3]];

/// Where element `(b, t, d)` lies.
#[derive(Clone, Copy)]
enum Placing {
    /// `[B, D, T]`
    TimeContiguous,
    /// The same with gaps between channels and between rows.
    Gaps,
    /// Every second channel of rows of `[B, T, 2·D]`.
    EverySecond,
    /// `[D, B, T]`
    ChannelsOutermost,
}

impl Placing {
    const ALL: [(&'static str, Self); 4] = [
        ("time contiguous", Self::TimeContiguous),
        ("gaps", Self::Gaps),
        ("every second", Self::EverySecond),
        ("channels outermost", Self::ChannelsOutermost),
    ];

    fn view(self, slot: Slot, Shape { batch, time, channels }: Shape, columns: u64, column: u64) -> View {
        let channels = columns * channels;
        let (strides, offset) = match self {
            Self::TimeContiguous => (Strides { batch: channels * time, time: 1, channel: time }, 0),
            Self::Gaps => (Strides { batch: channels * (time + 3) + 7, time: 1, channel: time + 3 }, 5),
            Self::EverySecond => (Strides { batch: 2 * channels * time, time: 2 * channels, channel: 2 }, 1),
            Self::ChannelsOutermost => (Strides { batch: time, time: 1, channel: batch * time }, 0),
        };
        View { slot, offset: offset + column * channels / columns * strides.channel, strides }
    }

    fn place(self, descriptor: Descriptor) -> Descriptor {
        let shape = descriptor.shape();
        let per_element = descriptor.threshold_kind() == Threshold::PerElement && descriptor.unit() != Unit::ForwardFill;
        let two = descriptor.unit() == Unit::FirstQuadrant;
        let amplitudes = descriptor.amplitude_kind() == Amplitude::PerElement;
        let columns = if two { 2 } else { 1 };
        let mut placed = descriptor
            .layout(Layout::BatchChannelTime)
            .candidate_view(self.view(Slot::Candidate, shape, 1, 0))
            .states_view(self.view(Slot::States, shape, 1, 0));
        if per_element {
            placed = placed.threshold_view(self.view(Slot::Threshold, shape, columns, 0));
        }
        if per_element && two {
            placed = placed.low_threshold_view(self.view(Slot::Threshold, shape, columns, 1));
        }
        if amplitudes {
            placed = placed.amplitude_view(self.view(Slot::Amplitude, shape, 1, 0));
        }
        placed
    }
}

fn of(unit: fn(Shape) -> Descriptor, shape: Shape, element: Element, placing: Placing, hash: u64) -> Descriptor {
    let pick = |bit: u64| hash >> bit & 1 == 1;
    let descriptor = unit(shape).element(element);
    let per_channel = pick(0) || descriptor.amplitude_kind() == Amplitude::PerElement && pick(1);
    let descriptor = descriptor
        .threshold(if per_channel { Threshold::PerChannel } else { Threshold::PerElement })
        .time_order(if pick(2) && pick(3) { TimeOrder::Descending } else { TimeOrder::Ascending })
        .initial_state(if pick(4) { InitialState::Given } else { InitialState::Zero });
    if pick(5) && matches!(placing, Placing::TimeContiguous) {
        // The layout alone says where all lies.
        return if per_channel {
            descriptor.layout(Layout::BatchChannelTime)
        } else {
            descriptor.layout(Layout::BatchChannelTime).side_by_side()
        };
    }
    placing.place(descriptor)
}

/// Whether no small binding holds all operands of a slot: two thresholds, or thresholds behind the candidates.
fn lies_far_apart(descriptor: &Descriptor) -> bool {
    let threshold = descriptor.view(Operand::Threshold);
    descriptor.unit() == Unit::FirstQuadrant || threshold.is_some_and(|view| view.slot == Slot::Candidate)
}

pub(crate) fn forward(scope: Scope, cases: &mut Vec<Case>) {
    for (unit_name, unit) in UNITS {
        for [batch, time, channels] in SHAPES {
            for (placing_name, placing) in Placing::ALL {
                for element in Element::ALL {
                    for strategy in [Strategy::Serial, Strategy::Tiles, Strategy::Probe] {
                        let shape = format!("{batch}x{time}x{channels}");
                        let name = format!("channels/{placing_name}/{unit_name}/{element:?}/{shape}/{strategy}");
                        let hash = name_seed(&name) >> 9;
                        if is_left_out(scope, element, hash, [8, 32]) {
                            continue;
                        }
                        let descriptor = of(unit, Shape { batch, time, channels }, element, placing, hash);
                        let gated = descriptor.unit() != Unit::ForwardFill;
                        let packs = matches!(descriptor.unit(), Unit::Bistable | Unit::FirstQuadrant)
                            && descriptor.amplitude_kind() == Amplitude::PerChannel;
                        let descriptor = match hash >> 6 & 7 {
                            0 | 1 if gated => descriptor.save(Save::Codes),
                            2 if packs => descriptor.states(States::Packed),
                            3 if !gated => descriptor.sequences(Sequences::Resets),
                            4 | 5 => descriptor.final_state(FinalState::Written),
                            6 => descriptor.states_in_place(),
                            _ => descriptor,
                        };
                        let tiled = descriptor.sequences_kind() == Sequences::Rows || descriptor.limit_steps().is_none();
                        let mut case = Case::new(name, descriptor, [Rate::Half, Rate::Once(20)][(hash >> 10) as usize % 2]);
                        let edges = unit_name.starts_with("bistable") || unit_name.starts_with("first");
                        case.values = if edges { Values::Edges } else { Values::Plain };
                        case.strategy = Some(strategy).filter(|_| tiled);
                        case.tile_steps = Some(32);
                        if hash >> 11 & 3 == 0 && time > 200 && !lies_far_apart(&case.descriptor) {
                            case.profile = Profile::Small { kibibytes: 32 };
                        }
                        cases.push(case);
                    }
                }
            }
        }
    }
    broadcasts(scope, cases);
    one_candidate(cases);
    cases.extend(odd_halves().map(|(name, descriptor)| Case::new(name, descriptor, Rate::Half)));
}

/// Places thresholds, and amplitudes per element, without those axes whose bit is not set: one for all, for each row, for each step, for
/// each channel. Thresholds per channel stay as they are.
#[must_use]
pub fn broadcast(descriptor: Descriptor, axes: u32) -> Descriptor {
    let Shape { batch, time, channels } = descriptor.shape();
    // Contiguous over the axes that are there.
    let [_, steps, columns] = core::array::from_fn(|axis| if axes >> axis & 1 == 1 { [batch, time, channels][axis] } else { 1 });
    let [by_row, by_step, by_channel] = core::array::from_fn(|axis| u64::from(axes >> axis & 1));
    let strides = Strides { batch: by_row * steps * columns, time: by_step * columns, channel: by_channel };
    let view = |slot, offset| View { slot, offset, strides };
    let last = |length: u64| length.saturating_sub(1);
    let length = 1 + strides.batch * last(batch) + strides.time * last(time) + strides.channel * last(channels);
    let placed = match (descriptor.threshold_kind(), descriptor.unit()) {
        (Threshold::PerChannel, _) | (_, Unit::ForwardFill) => descriptor,
        (_, Unit::FirstQuadrant) => {
            descriptor.threshold_view(view(Slot::Threshold, 0)).low_threshold_view(view(Slot::Threshold, length))
        }
        _ => descriptor.threshold_view(view(Slot::Threshold, 0)),
    };
    if placed.amplitude_kind() == Amplitude::PerElement { placed.amplitude_view(view(Slot::Amplitude, 0)) } else { placed }
}

/// All that lacks axes.
fn broadcasts(scope: Scope, cases: &mut Vec<Case>) {
    let shape = Shape { batch: 3, time: 100, channels: 8 };
    for axes in 0..8u32 {
        for layout in [Layout::BatchTimeChannel, Layout::TimeBatchChannel, Layout::BatchChannelTime] {
            for strategy in [Strategy::Serial, Strategy::Tiles, Strategy::Probe] {
                let name = format!("channels/broadcast/{axes:03b}/{layout:?}/{strategy}");
                if is_left_out(scope, Element::F32, name_seed(&name), [3, 3]) {
                    continue;
                }
                let of_amplitude = axes.count_ones() % 2 == 0;
                let descriptor = Descriptor::bmru(shape).layout(layout);
                let descriptor =
                    if of_amplitude { descriptor.amplitude(Amplitude::PerElement) } else { descriptor.save(Save::Codes) };
                let mut case = Case::new(name, broadcast(descriptor, axes), Rate::Once(5));
                case.strategy = Some(strategy);
                case.tile_steps = Some(32);
                cases.push(case);
            }
        }
    }
}

const COMPARED: [u64; 4] = [8, 37, 70, 72];

/// One signal, held against the thresholds of many channels: more of them than a workgroup has invocations.
fn of_one_candidate(unit: Unit, element: Element, channels: u64) -> Descriptor {
    let shape = Shape { batch: 2, time: 100, channels };
    let strides = Strides { batch: shape.time, time: 1, channel: 0 };
    Descriptor::new(unit, shape).element(element).candidate_view(View { slot: Slot::Candidate, offset: 0, strides })
}

fn one_candidate(cases: &mut Vec<Case>) {
    for channels in COMPARED {
        for (unit, element) in
            [(Unit::Bistable, Element::F32), (Unit::FirstQuadrant, Element::Bf16), (Unit::Relaxed, Element::F16)]
        {
            for strategy in Strategy::ALL {
                let name = format!("channels/one candidate/{unit:?}/{channels}/{strategy}");
                let mut case = Case::new(name, of_one_candidate(unit, element, channels).epsilon(0.5), Rate::Once(5));
                case.strategy = Some(strategy);
                case.tile_steps = Some(32);
                cases.push(case);
            }
        }
    }
}

/// The gradients of what lacks axes are sums over them: of nothing, of one level and of several, in whole vectors and not, under limits that cut
/// channels into groups.
fn backward_broadcasts(scope: Scope, cases: &mut Vec<BackwardCase>) {
    for axes in 0..7u32 {
        for (unit_name, unit) in UNITS.into_iter().filter(|(name, _)| !name.starts_with("forward")) {
            for [batch, time, channels] in [[2, 0, 3], [3, 5, 8], [2, 1100, 3], [70, 33, 40]] {
                for element in Element::ALL {
                    let shape = format!("{batch}x{time}x{channels}");
                    let name = format!("backward channels/broadcast/{axes:03b}/{unit_name}/{element:?}/{shape}");
                    let hash = name_seed(&name) >> 9;
                    if is_left_out(scope, element, hash, [4, 16]) {
                        continue;
                    }
                    let pick = |bit: u64| hash >> bit & 1 == 1;
                    let layouts = [Layout::BatchTimeChannel, Layout::TimeBatchChannel, Layout::BatchChannelTime];
                    let descriptor = unit(Shape { batch, time, channels })
                        .element(element)
                        .layout(layouts[(hash % 3) as usize])
                        .time_order(if pick(2) { TimeOrder::Descending } else { TimeOrder::Ascending })
                        .incoming(Incoming::Both);
                    let descriptor = broadcast(descriptor, axes);
                    let accumulates = if pick(3) { Gradient::Accumulate } else { Gradient::Overwrite };
                    let apart = descriptor.amplitude_kind() == Amplitude::PerElement;
                    let descriptor = descriptor.gradient(Operand::ThresholdGradient, accumulates);
                    // Of the buffers that there are amplitudes and thresholds apart take too many.
                    let descriptor = match apart {
                        true if pick(4) => descriptor.gradient(Operand::ThresholdGradient, Gradient::Omit),
                        true => descriptor.gradient(Operand::CandidateGradient, Gradient::Omit),
                        false => descriptor,
                    };
                    let mut case = BackwardCase::new(name, descriptor, [Rate::Half, Rate::Once(20)][(hash >> 10) as usize % 2]);
                    if !apart {
                        // What is stored by element lies in scratch, of 16 bits in half of it.
                        let kibibytes = match (axes >> 1 & 1, element) {
                            (0, _) => 80,
                            (_, Element::F32) => 800,
                            _ => 1600,
                        };
                        let small = Profile::Small { kibibytes };
                        case.choices.push(crate::backward::Choice { profile: small, ..case.choices[0] });
                    }
                    cases.push(case);
                }
            }
        }
    }
}

pub(crate) fn backward(scope: Scope, cases: &mut Vec<BackwardCase>) {
    for (unit_name, unit) in UNITS.into_iter().filter(|(name, _)| !name.starts_with("forward")) {
        for [batch, time, channels] in SHAPES {
            for (placing_name, placing) in Placing::ALL {
                for element in Element::ALL {
                    let shape = format!("{batch}x{time}x{channels}");
                    let name = format!("backward channels/{placing_name}/{unit_name}/{element:?}/{shape}");
                    let hash = name_seed(&name) >> 9;
                    if is_left_out(scope, element, hash, [4, 16]) {
                        continue;
                    }
                    let descriptor = of(unit, Shape { batch, time, channels }, element, placing, hash).incoming(Incoming::Both);
                    // Of the buffers that there are amplitudes, thresholds and candidates apart take too many.
                    let apart = descriptor.amplitude_kind() == Amplitude::PerElement
                        && descriptor.view(Operand::Amplitude).is_some_and(|view| view.slot == Slot::Amplitude);
                    let descriptor = if apart {
                        descriptor
                            .gradient(Operand::AmplitudeGradient, Gradient::Omit)
                            .gradient(Operand::ThresholdGradient, Gradient::Omit)
                    } else {
                        descriptor
                    };
                    let mut case = BackwardCase::new(name, descriptor, [Rate::Half, Rate::Once(20)][(hash >> 10) as usize % 2]);
                    if hash >> 11 & 3 == 0 && time > 200 && !lies_far_apart(&case.descriptor) {
                        let small = Profile::Small { kibibytes: 32 };
                        case.choices.push(crate::backward::Choice { profile: small, ..case.choices[0] });
                    }
                    cases.push(case);
                }
            }
        }
    }
    backward_broadcasts(scope, cases);
    for channels in COMPARED {
        for element in Element::ALL {
            let descriptor =
                of_one_candidate(Unit::Bistable, element, channels).gradient(Operand::CandidateGradient, Gradient::Omit);
            let name = format!("backward channels/one candidate/{element:?}/{channels}");
            cases.push(BackwardCase::new(name, descriptor, Rate::Half));
        }
    }
    for (name, descriptor) in odd_halves() {
        cases.push(BackwardCase::new(format!("backward {name}"), descriptor, Rate::Half));
    }
}

/// Half words behind an output that are not of it, though they would be the first element of a row that is not there.
fn odd_halves() -> impl Iterator<Item = (String, Descriptor)> {
    let shape = Shape { batch: 3, time: 5, channels: 3 };
    [Element::F16, Element::Bf16].into_iter().map(move |element| {
        let descriptor = Descriptor::bmru(shape).element(element).layout(Layout::BatchChannelTime);
        (format!("channels/odd halves/{element:?}"), descriptor)
    })
}
