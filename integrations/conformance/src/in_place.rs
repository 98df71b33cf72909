//! Final states over initial ones: single steps and several, parts of time, and rows that are not made of whole words. States over
//! candidates, by every strategy.

use bmru::{
    Amplitude, Counts, Descriptor, Element, FinalState, InitialCount, InitialState, Layout, Operand, Save, Shape, Slot, Strategy,
    Strides, Threshold, TimeOrder, Unit, View,
};

use crate::case::{is_left_out, name_seed};
use crate::data::{Rate, Values};
use crate::{Case, Profile, Scope};

/// A name, and what it stands for.
type Named = (&'static str, fn(Shape) -> Descriptor);

/// Those that hand on a state.
const UNITS: [Named; 7] = [
    ("bistable", Descriptor::bmru),
    ("first quadrant", Descriptor::first_quadrant),
    ("bistable per element", |shape| Descriptor::bmru(shape).amplitude(Amplitude::PerElement)),
    ("cumulative per element", |shape| Descriptor::cumulative(shape).amplitude(Amplitude::PerElement)),
    ("relaxed", |shape| Descriptor::relaxed(shape, 0.5)),
    ("forward fill", Descriptor::forward_fill),
    ("forward fill with a limit", |shape| {
        Descriptor::forward_fill(shape).limit(3).counts(Counts::Final).initial_count(InitialCount::Given)
    }),
];

const SHAPES: [[u64; 3]; 8] = [[1, 1, 1], [12, 1, 1], [6, 1, 2], [6, 2, 1], [3, 1, 5], [40, 1, 8], [2, 70, 3], [2, 300, 4]];

pub(crate) fn forward(scope: Scope, cases: &mut Vec<Case>) {
    final_states(cases);
    states(scope, cases);
}

/// States over candidates, over thresholds beside them, and in a column of their own beside both.
fn states(scope: Scope, cases: &mut Vec<Case>) {
    let over_thresholds = |of: Descriptor| {
        let thresholds = of.view(Operand::Threshold).expect("it has thresholds");
        of.states_view(thresholds)
    };
    let beside = |of: Descriptor| {
        let Shape { channels, .. } = of.shape();
        let row = 3 * channels;
        let column = |number| View {
            slot: Slot::Candidate,
            offset: number * channels,
            strides: Strides::rows(of.memory_layout(), of.shape(), row),
        };
        let [candidates, thresholds, states] = [0, 1, 2].map(column);
        of.threshold(Threshold::PerElement).candidate_view(candidates).threshold_view(thresholds).states_view(states)
    };
    let cumulative: Named = ("cumulative", Descriptor::cumulative);
    for (name, unit) in UNITS.into_iter().chain([cumulative]) {
        for [batch, time, channels] in SHAPES {
            for element in Element::ALL {
                for strategy in [Strategy::Serial, Strategy::Tiles, Strategy::Probe] {
                    let name = format!("in place/states/{name}/{element:?}/{batch}x{time}x{channels}/{strategy}");
                    let hash = name_seed(&name);
                    if is_left_out(scope, element, hash, [3, 12]) {
                        continue;
                    }
                    let descriptor = unit(Shape { batch, time, channels })
                        .element(element)
                        .final_state(FinalState::Written)
                        .layout(if hash & 1 == 0 { Layout::TimeBatchChannel } else { Layout::BatchTimeChannel })
                        .time_order(if hash >> 1 & 1 == 0 { TimeOrder::Descending } else { TimeOrder::Ascending });
                    let one = matches!(descriptor.unit(), Unit::Bistable | Unit::Cumulative | Unit::Relaxed)
                        && descriptor.amplitude_kind() == Amplitude::PerChannel;
                    let descriptor = match hash >> 2 & 3 {
                        0 if descriptor.unit() != Unit::ForwardFill => over_thresholds(descriptor.side_by_side()),
                        1 if one => beside(descriptor),
                        2 => descriptor.side_by_side().states_in_place(),
                        _ => descriptor.states_in_place(),
                    };
                    let mut case = Case::new(name, descriptor, [Rate::Half, Rate::Once(20)][(hash >> 4) as usize % 2]);
                    case.strategy = Some(strategy);
                    case.tile_steps = Some(32);
                    if time > 100 {
                        case.profile = Profile::Small { kibibytes: 4 };
                    }
                    cases.push(case);
                }
            }
        }
    }
}

fn final_states(cases: &mut Vec<Case>) {
    for (name, unit) in UNITS {
        for [batch, time, channels] in SHAPES {
            for element in Element::ALL {
                let name = format!("in place/{name}/{element:?}/{batch}x{time}x{channels}");
                // Every option meets every unit, shape and element somewhere.
                let hash = name_seed(&name);
                let descriptor = unit(Shape { batch, time, channels })
                    .element(element)
                    .initial_state(InitialState::Given)
                    .final_state(FinalState::InPlace)
                    .time_order(if hash & 1 == 0 { TimeOrder::Descending } else { TimeOrder::Ascending });
                let trains = hash >> 1 & 1 == 0 && descriptor.unit() != Unit::ForwardFill;
                let descriptor = if trains { descriptor.save(Save::Codes) } else { descriptor };
                // Whether anything sets decides which state is handed on.
                let rate = [Rate::Half, Rate::Never, Rate::Once(20)][(hash >> 2) as usize % 3];
                let edges = name.starts_with("in place/bistable");
                let mut case = Case::new(name, descriptor, rate);
                case.values = if edges { Values::Edges } else { Values::Plain };
                if time > 100 {
                    // Parts of time, each of which goes on where the one before left its state.
                    case.profile = Profile::Small { kibibytes: 2 };
                }
                cases.push(case);
            }
        }
    }
}
