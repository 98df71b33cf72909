//! Elements of 16 bits whose walks take two of a word at once: rows of whole vectors of eight channels.

use bmru::{
    Amplitude, Boundary, Descriptor, Element, FinalState, InitialState, Layout, Save, Shape, Slot, States, Strategy, Strides,
    Threshold, TimeOrder, Unit, Validity, View,
};

use crate::data::{Rate, Values};
use crate::{Case, Profile};

const UNITS: [(&str, Unit, Amplitude); 6] = [
    ("bistable", Unit::Bistable, Amplitude::PerChannel),
    ("bistable per element", Unit::Bistable, Amplitude::PerElement),
    ("first quadrant", Unit::FirstQuadrant, Amplitude::PerChannel),
    ("first quadrant per element", Unit::FirstQuadrant, Amplitude::PerElement),
    ("fill", Unit::ForwardFill, Amplitude::PerChannel),
    ("fill by mask", Unit::ForwardFill, Amplitude::PerChannel),
];

/// One vector, bands and bands that reach beyond the last channel; one step, both halves of a word, words behind it.
const SHAPES: [[u64; 3]; 6] = [[5, 1, 8], [2, 15, 24], [1, 47, 264], [3, 100, 8], [2, 1057, 16], [2, 70, 72]];

/// Every unit and both elements, whole, in parts that begin within a word, and cut in time.
pub fn forward(cases: &mut Vec<Case>) {
    // Everything that is not in the loops.
    let mut rng = fastrand::Rng::with_seed(5);
    for [batch, time, channels] in SHAPES {
        for (unit_name, unit, amplitude) in UNITS {
            for element in [Element::F16, Element::Bf16] {
                let mut coin = || rng.bool();
                let layout = if coin() { Layout::BatchTimeChannel } else { Layout::TimeBatchChannel };
                let mut descriptor = Descriptor::new(unit, Shape { batch, time, channels })
                    .element(element)
                    .amplitude(amplitude)
                    .layout(layout)
                    .time_order(if coin() { TimeOrder::Descending } else { TimeOrder::Ascending })
                    .initial_state(if coin() { InitialState::Given } else { InitialState::Zero })
                    .final_state(if coin() { FinalState::Written } else { FinalState::Discarded });
                if unit == Unit::ForwardFill {
                    descriptor = descriptor.validity(if unit_name == "fill" { Validity::NotNan } else { Validity::Mask });
                } else {
                    descriptor = descriptor
                        .boundary(if coin() { Boundary::Set } else { Boundary::Hold })
                        .threshold(if coin() { Threshold::PerElement } else { Threshold::PerChannel })
                        .save(if coin() { Save::Codes } else { Save::Nothing });
                    if descriptor.threshold_kind() == Threshold::PerElement && coin() {
                        // One for all channels.
                        let strides = Strides { batch: time, time: 1, channel: 0 };
                        let view = |offset| View { slot: Slot::Threshold, offset, strides };
                        descriptor = descriptor.threshold_view(view(0));
                        if unit == Unit::FirstQuadrant {
                            descriptor = descriptor.low_threshold_view(view(batch * time));
                        }
                    }
                    if amplitude == Amplitude::PerChannel && coin() {
                        // Eight buffers.
                        descriptor = descriptor
                            .states(if coin() { States::Both } else { States::Packed })
                            .initial_state(InitialState::Zero)
                            .final_state(FinalState::Discarded);
                    }
                }
                let name = format!("pairs/{unit_name}/{element:?}/{batch}x{time}x{channels}");
                let mut case = Case::new(name, descriptor, if coin() { Rate::Half } else { Rate::Once(12) });
                case.strategy = Some(Strategy::Serial);
                case.vector_width = Some(4);
                case.values = if coin() { Values::Plain } else { Values::Edges };
                // What has a word for 32 steps cannot be cut anywhere.
                let by_words = case.descriptor.saves()
                    || case.descriptor.states_kind() != States::Numbers
                    || case.descriptor.validity_kind() == Validity::Mask;
                match rng.u8(..3) {
                    // Parts take up what rests between them, of rows of 264 channels within a word.
                    _ if by_words && time > 40 => case.profile = Profile::Small { kibibytes: 8 },
                    0 => case.profile = Profile::Small { kibibytes: 8 },
                    1 if !by_words => {
                        let descriptor = case.descriptor.time_order(TimeOrder::Ascending);
                        case.descriptor = descriptor.initial_state(InitialState::Given).final_state(FinalState::Written);
                        case.cuts = vec![rng.u64(..=time)];
                    }
                    _ => {}
                }
                cases.push(case);
            }
        }
    }
}
