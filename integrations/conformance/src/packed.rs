//! Packed states: words and tiles around their ends, everything that splits them, and what is written beside them.

use bmru::{
    Access, Descriptor, Element, FinalState, Incoming, InitialState, Layout, Save, Shape, States, Strategy, TimeOrder, Unit,
};

use crate::backward::BackwardCase;
use crate::data::{Rate, Values};
use crate::{Case, Profile, Scope};

const UNITS: [(&str, Unit); 2] = [("bistable", Unit::Bistable), ("first quadrant", Unit::FirstQuadrant)];

/// Nothing, around one word and two, a tile of 1,024 steps, and a level of the tree.
const TIMES: [u64; 12] = [0, 1, 31, 32, 33, 64, 65, 1023, 1024, 1025, 4129, 33_000];

fn states_of(number: usize) -> States {
    if number.is_multiple_of(3) { States::Both } else { States::Packed }
}

/// With what is written beside them, by the number of the case.
fn descriptor(number: usize, unit: Unit, shape: Shape) -> Descriptor {
    let pick = |bit: usize| number >> bit & 1 == 1;
    Descriptor::new(unit, shape)
        .states(states_of(number))
        .layout(if pick(0) { Layout::TimeBatchChannel } else { Layout::BatchTimeChannel })
        .time_order(if pick(1) { TimeOrder::Descending } else { TimeOrder::Ascending })
        .initial_state(if pick(2) { InitialState::Zero } else { InitialState::Given })
        .final_state(if pick(0) == pick(2) { FinalState::Discarded } else { FinalState::Written })
        .save(if pick(3) { Save::Codes } else { Save::Nothing })
}

/// Forward, each with the way back to numbers.
pub(crate) fn forward(scope: Scope, cases: &mut Vec<Case>) {
    sizes(scope, cases);
    splits(scope, cases);
    access(cases);
}

fn sizes(scope: Scope, cases: &mut Vec<Case>) {
    let mut number = 0;
    for strategy in Strategy::ALL {
        for (unit_name, unit) in UNITS {
            for time in TIMES.into_iter().filter(|&time| scope == Scope::Full || time < 4000) {
                for channels in [1, 3, 8] {
                    number += 1;
                    if scope == Scope::Quick && number % 3 != number / 3 % 3 {
                        continue;
                    }
                    let batch = if time > 4000 { 1 } else { 2 };
                    // Both forms and all else are a buffer too many for a probe.
                    let descriptor = descriptor(number, unit, Shape { batch, time, channels });
                    let descriptor = if strategy == Strategy::Probe { descriptor.side_by_side() } else { descriptor };
                    let rate = [Rate::Half, Rate::Once(20), Rate::Once(1500), Rate::Never][number % 4];
                    let name = format!("packed/{unit_name}/{batch}x{time}x{channels}/{number:03}/{strategy}");
                    let mut case = Case::new(name, descriptor, rate);
                    case.strategy = Some(strategy);
                    case.tile_steps = Some([32, 1024][number / 2 % 2]);
                    case.values = [Values::Plain, Values::Edges][number / 5 % 2];
                    cases.push(case);
                }
            }
        }
    }
}

/// Parts that begin within a word, in rows, and in channels; of 16 bits with rows that are not made of whole words.
fn splits(scope: Scope, cases: &mut Vec<Case>) {
    let profiles = [Profile::Small { kibibytes: 8 }, Profile::Small { kibibytes: 40 }, Profile::Grid { workgroups: 2 }];
    let shapes = [[5, 300, 12], [2, 3000, 4], [1, 100, 700], [40, 33, 3]];
    let mut number = 0;
    for strategy in Strategy::ALL {
        for [batch, time, channels] in shapes {
            for (profile, element) in profiles.into_iter().flat_map(|profile| Element::ALL.map(|element| (profile, element))) {
                number += 1;
                if scope == Scope::Quick && number % 3 != number / 3 % 3 {
                    continue;
                }
                let shape = Shape { batch, time, channels };
                let descriptor = descriptor(number, UNITS[number % 2].1, shape).element(element).side_by_side();
                let saves = profile == profiles[2] && descriptor.saves();
                let descriptor = descriptor.save(if saves { Save::Codes } else { Save::Nothing });
                // A tile is no shorter than 32 rows of three inputs.
                let row = if descriptor.memory_layout() == Layout::TimeBatchChannel { batch * channels } else { channels };
                let longest = if strategy == Strategy::Serial { 12 * row } else { 12 * 32 * row };
                if matches!(profile, Profile::Small { kibibytes } if longest + 256 > u64::from(kibibytes) << 10) {
                    continue;
                }
                let name = format!("packed/split/{batch}x{time}x{channels}/{element:?}/{number:03}/{strategy}");
                let mut case = Case::new(name, descriptor, Rate::Once(40));
                case.strategy = Some(strategy);
                case.profile = profile;
                case.tile_steps = Some(32);
                cases.push(case);
            }
        }
    }
    // Parts of single steps: a row of channels fills a binding.
    for states in [States::Packed, States::Both] {
        let descriptor = Descriptor::bmru(Shape { batch: 1, time: 70, channels: 400 }).states(states);
        let mut case = Case::new(format!("packed/split/single steps/{states:?}"), descriptor, Rate::Half);
        case.profile = Profile::Small { kibibytes: 2 };
        case.strategy = Some(Strategy::Serial);
        cases.push(case);
    }
}

/// Every buffer declared `read_write`, scalars and vectors.
fn access(cases: &mut Vec<Case>) {
    for (strategy, width) in Strategy::ALL.into_iter().flat_map(|strategy| [1, 2, 4].map(|width| (strategy, width))) {
        for (access, states) in [(Access::Declared, States::Packed), (Access::AllReadWrite, States::Both)] {
            let shape = Shape { batch: 3, time: 2100, channels: 12 };
            let descriptor = Descriptor::bmru(shape).states(states).initial_state(InitialState::Given).side_by_side();
            let name = format!("packed/{access:?}/vectors of {width}/{strategy}");
            let mut case = Case::new(name, descriptor, Rate::Once(30));
            case.strategy = Some(strategy);
            case.access = access;
            case.vector_width = Some(width);
            cases.push(case);
        }
    }
}

/// Gradients of states that were written as bits alone.
pub(crate) fn backward(cases: &mut Vec<BackwardCase>) {
    for (unit_name, unit) in UNITS {
        for [batch, time, channels] in [[2, 33, 3], [3, 1100, 4]] {
            let descriptor = Descriptor::new(unit, Shape { batch, time, channels })
                .states(States::Packed)
                .initial_state(InitialState::Given)
                .incoming(Incoming::Both);
            let name = format!("backward packed/{unit_name}/{batch}x{time}x{channels}");
            cases.push(BackwardCase::new(name, descriptor, Rate::Once(20)));
        }
    }
}
