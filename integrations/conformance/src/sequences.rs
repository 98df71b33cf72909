//! Packed sequences and resets: borders at every bit of a word, at the edges of words, tiles and stretches, and outside all time; many
//! sequences of no step and of one; slack that holds, sets or has slopes, and nothing of it may be seen.

use bmru::{
    Amplitude, Counts, Descriptor, Element, FinalState, Gradient, Incoming, InitialCount, InitialState, Layout, Operand, Save,
    Sequences, Shape, States, Strategy, Threshold, TimeOrder, Unit, Validity,
};

use crate::backward::BackwardCase;
use crate::case::{is_left_out, name_seed};
use crate::data::{Rate, Values};
use crate::{Case, Profile, Scope};

/// A name, and what it stands for.
type Named = (&'static str, fn(Shape) -> Descriptor);

const UNITS: [Named; 9] = [
    ("bistable", Descriptor::bmru),
    ("first quadrant", Descriptor::first_quadrant),
    ("bistable per element", |shape| Descriptor::bmru(shape).amplitude(Amplitude::PerElement).side_by_side()),
    ("cumulative", |shape| Descriptor::cumulative(shape).counts(Counts::Final).initial_count(InitialCount::Given).side_by_side()),
    ("cumulative per element", |shape| Descriptor::cumulative(shape).amplitude(Amplitude::PerElement).side_by_side()),
    ("relaxed", |shape| Descriptor::relaxed(shape, 0.5)),
    ("forward fill", Descriptor::forward_fill),
    ("forward fill with a mask", |shape| Descriptor::forward_fill(shape).validity(Validity::Mask)),
    ("forward fill with a limit", |shape| {
        Descriptor::forward_fill(shape).limit(3).counts(Counts::All).initial_count(InitialCount::Given)
    }),
];

/// Steps and channels, and how many sequences are packed. Of many channels an invocation takes several vectors; a last word has one step.
const SHAPES: [[u64; 3]; 11] = [
    [0, 4, 3],
    [0, 72, 1],
    [0, 72, 3],
    [1, 3, 1],
    [33, 4, 6],
    [70, 5, 9],
    [1057, 3, 9],
    [1100, 4, 40],
    [2100, 3, 1500],
    [3000, 8, 3],
    [130, 72, 20],
];

fn sequences(count: u64) -> [(&'static str, u64, Sequences); 2] {
    [("packed", 1, Sequences::Packed { count }), ("resets", 3, Sequences::Resets)]
}

/// Options by the bits of a hash of the name, so that each meets every unit, shape and element somewhere.
fn of(unit: fn(Shape) -> Descriptor, shape: Shape, sequences: Sequences, hash: u64) -> Descriptor {
    let pick = |bit: u64| hash >> bit & 1 == 1;
    let descriptor = unit(shape)
        .sequences(sequences)
        .time_order(if pick(0) { TimeOrder::Descending } else { TimeOrder::Ascending })
        .initial_state(if hash >> 1 & 3 == 0 { InitialState::Zero } else { InitialState::Given });
    let beside = descriptor.view(Operand::Threshold).is_some_and(|view| view.slot == bmru::Slot::Candidate);
    let descriptor = if pick(3) && !beside { descriptor.threshold(Threshold::PerChannel) } else { descriptor };
    if pick(4) && !beside { descriptor.layout(Layout::TimeBatchChannel) } else { descriptor }
}

pub(crate) fn forward(scope: Scope, cases: &mut Vec<Case>) {
    over_candidates(scope, cases);
    short_parts(cases);
    odd_pairs(cases);
    for (name, unit) in UNITS {
        for [time, channels, count] in SHAPES {
            for (kind, batch, sequences) in sequences(count) {
                for element in Element::ALL {
                    let channels = if element == Element::F32 { channels } else { channels.next_multiple_of(2) };
                    for strategy in [None, Some(Strategy::Tiles)] {
                        let way = strategy.map_or("chosen".to_owned(), |strategy| strategy.to_string());
                        let name = format!("sequences/{kind}/{name}/{element:?}/{batch}x{time}x{channels}/{way}");
                        let hash = name_seed(&name) >> 7;
                        let shape = Shape { batch, time, channels };
                        let descriptor = of(unit, shape, sequences, hash).element(element);
                        let tiles = matches!(descriptor.unit(), Unit::Bistable | Unit::FirstQuadrant | Unit::ForwardFill);
                        let unavailable = !tiles || descriptor.limit_steps().is_some();
                        // Without steps a case costs next to nothing.
                        let left_out = (time > 0 || element != Element::F32) && is_left_out(scope, element, hash, [2, 8]);
                        if strategy.is_some() && unavailable || left_out {
                            continue;
                        }
                        let final_state = if hash >> 5 & 3 == 0 { FinalState::Discarded } else { FinalState::Written };
                        // Without steps nothing but what is saved tells amplitudes.
                        let saves = (hash >> 7 & 1 == 0 || time == 0) && descriptor.unit() != Unit::ForwardFill;
                        let descriptor = descriptor.final_state(final_state);
                        let descriptor = if saves { descriptor.save(Save::Codes) } else { descriptor };
                        let rate = [Rate::Half, Rate::Once(20), Rate::Never][(hash >> 8) as usize % 3];
                        let mut case = Case::new(name, descriptor, rate);
                        let edges = matches!(case.descriptor.unit(), Unit::Bistable | Unit::FirstQuadrant);
                        case.values = if edges { Values::Edges } else { Values::Plain };
                        case.strategy = strategy;
                        case.tile_steps = Some(64);
                        if hash >> 10 & 1 == 1 && time > 0 {
                            // Parts of time, within words, too.
                            case.profile = Profile::Small { kibibytes: if time > 2000 || channels > 8 { 32 } else { 8 } };
                            case.tile_steps = Some(32);
                        }
                        cases.push(case);
                    }
                }
            }
        }
    }
}

/// Parts of single steps, and parts of 31, the second of which begins with the last step of a word.
fn short_parts(cases: &mut Vec<Case>) {
    let parts: [Named; 3] = [
        ("bistable", |shape| Descriptor::bmru(shape).initial_state(InitialState::Given)),
        ("cumulative", |shape| Descriptor::cumulative(shape).initial_state(InitialState::Given)),
        ("forward fill with a mask", |shape| Descriptor::forward_fill(shape).validity(Validity::Mask)),
    ];
    for (name, unit) in parts {
        for (kind, batch, sequences) in
            [("rows", 1, Sequences::Rows), ("packed", 1, Sequences::Packed { count: 4 }), ("resets", 3, Sequences::Resets)]
        {
            // What rests between parts of rows with borders is longer than a single step.
            let rows = sequences == Sequences::Rows;
            for (time, channels, kibibytes) in [(70, 64, 8), (6, 400, 2)].into_iter().take(if rows { 2 } else { 1 }) {
                let descriptor = unit(Shape { batch, time, channels }).sequences(sequences).final_state(FinalState::Written);
                let name = format!("sequences/short parts/{kind}/{name}/{batch}x{time}x{channels}");
                let mut case = Case::new(name, descriptor, Rate::Half);
                case.strategy = Some(Strategy::Serial);
                case.profile = Profile::Small { kibibytes };
                cases.push(case);
            }
        }
    }
    // States of 16 bits that rest between single steps.
    for element in [Element::F16, Element::Bf16] {
        let descriptor = Descriptor::relaxed(Shape { batch: 1, time: 6, channels: 288 }, 0.5).element(element).side_by_side();
        let mut case = Case::new(format!("sequences/short parts/relaxed/{element:?}"), descriptor, Rate::Half);
        case.strategy = Some(Strategy::Serial);
        case.profile = Profile::Small { kibibytes: 2 };
        cases.push(case);
    }
}

/// Single steps of rows of which every other begins with a whole vector of pairs: what rests between them is of both widths.
fn odd_pairs(cases: &mut Vec<Case>) {
    let units: [Named; 2] =
        [("bistable", |shape| Descriptor::bmru(shape).states(States::Both)), ("forward fill", Descriptor::forward_fill)];
    for (name, unit) in units {
        for element in [Element::F16, Element::Bf16] {
            let descriptor = unit(Shape { batch: 1, time: 37, channels: 804 }).element(element);
            let descriptor = descriptor.initial_state(InitialState::Given).final_state(FinalState::Written);
            let mut case = Case::new(format!("sequences/odd pairs/{name}/{element:?}"), descriptor, Rate::Half);
            case.strategy = Some(Strategy::Serial);
            case.profile = Profile::Small { kibibytes: 2 };
            cases.push(case);
        }
    }
}

/// Over the candidates, slack among them.
fn over_candidates(scope: Scope, cases: &mut Vec<Case>) {
    for (name, unit) in UNITS {
        for (kind, batch, sequences) in sequences(9) {
            for element in Element::ALL {
                let name = format!("sequences/over candidates/{kind}/{name}/{element:?}");
                let hash = name_seed(&name) >> 7;
                if is_left_out(scope, element, hash, [2, 8]) {
                    continue;
                }
                let descriptor = of(unit, Shape { batch, time: 300, channels: 6 }, sequences, hash).element(element);
                cases.push(Case::new(name, descriptor.states_in_place(), [Rate::Half, Rate::Once(20)][(hash >> 8) as usize % 2]));
            }
        }
    }
}

pub(crate) fn backward(scope: Scope, cases: &mut Vec<BackwardCase>) {
    for (name, unit) in UNITS.iter().filter(|(name, _)| !name.starts_with("forward")) {
        for [time, channels, count] in SHAPES {
            for (kind, batch, sequences) in sequences(count) {
                for element in Element::ALL {
                    let channels = if element == Element::F32 { channels } else { channels.next_multiple_of(2) };
                    let name = format!("backward sequences/{kind}/{name}/{element:?}/{batch}x{time}x{channels}");
                    let hash = name_seed(&name) >> 7;
                    if is_left_out(scope, element, hash, [2, 8]) {
                        continue;
                    }
                    let incoming =
                        [Incoming::States, Incoming::FinalState, Incoming::Both, Incoming::Both][(hash >> 5) as usize % 4];
                    let mut descriptor =
                        of(*unit, Shape { batch, time, channels }, sequences, hash).element(element).incoming(incoming);
                    if hash >> 11 & 3 == 0 {
                        descriptor = descriptor.gradient(Operand::InitialStateGradient, Gradient::Accumulate);
                    }
                    let rate = [Rate::Half, Rate::Once(20), Rate::Once(500)][(hash >> 8) as usize % 3];
                    let mut case = BackwardCase::new(name, descriptor, rate);
                    let tiles = matches!(case.descriptor.unit(), Unit::Bistable | Unit::FirstQuadrant);
                    for choice in &mut case.choices {
                        if !tiles {
                            choice.forward = Strategy::Serial;
                        }
                    }
                    if hash >> 13 & 1 == 1 && time > 0 {
                        // Walks that go on where others ended.
                        let small = Profile::Small { kibibytes: if time > 2000 { 48 } else { 16 } };
                        case.choices.push(crate::backward::Choice { profile: small, ..case.choices[0] });
                    }
                    cases.push(case);
                }
            }
        }
    }
}
