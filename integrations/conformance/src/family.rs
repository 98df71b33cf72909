//! The whole family: every unit with every option, sampled so that each two choices meet.

use bmru::{
    Access, Boundary, Descriptor, Element, FinalState, Gradient, Incoming, InitialState, Layout, Operand, Save, Shape, Slot,
    States, Strategy, Strides, Surrogate, Threshold, TimeOrder, Unit, View,
};

use crate::backward::{BackwardCase, Choice};
use crate::data::{Rate, Values};
use crate::pairwise::rows;
use crate::{Case, Profile, Scope};

const UNITS: [(&str, Unit); 2] = [("bistable", Unit::Bistable), ("first quadrant", Unit::FirstQuadrant)];

/// Around a word, a tile of 32 steps, one of 1,024, and a level of the tree; channels of one vector and of odd rows.
pub(crate) const SHAPES: [[u64; 3]; 9] =
    [[2, 1, 4], [3, 31, 1], [1, 33, 2], [2, 100, 6], [1, 1100, 8], [2, 2050, 3], [1, 70, 260], [70, 40, 4], [1, 40_000, 1]];

pub(crate) const RATES: [Rate; 4] = [Rate::Half, Rate::Once(10), Rate::Once(300), Rate::Never];

/// The axes that forward and backward have in common.
const COMMON: [usize; 11] = [UNITS.len(), SHAPES.len(), 2, 2, 2, 2, 2, RATES.len(), VIEWS.len(), 2, Element::ALL.len()];

const VIEWS: [&str; 3] = ["contiguous", "side by side", "rows"];

fn of_common(row: &[usize]) -> Descriptor {
    let [unit, shape, layout, order, boundary, threshold, initial, _, view, _, element, ..] = *row else {
        unreachable!("eleven axes")
    };
    let [batch, time, channels] = SHAPES[shape];
    let descriptor = Descriptor::new(UNITS[unit].1, Shape { batch, time, channels })
        .element(Element::ALL[element])
        .layout([Layout::BatchTimeChannel, Layout::TimeBatchChannel][layout])
        .time_order([TimeOrder::Ascending, TimeOrder::Descending][order])
        .boundary([Boundary::Hold, Boundary::Set][boundary])
        .threshold([Threshold::PerElement, Threshold::PerChannel][threshold])
        .initial_state([InitialState::Given, InitialState::Zero][initial]);
    match VIEWS[view] {
        "side by side" => descriptor.side_by_side(),
        "rows" => in_rows(descriptor),
        _ => descriptor,
    }
}

/// Rows of wider tensors, with offsets that no vector divides.
fn in_rows(descriptor: Descriptor) -> Descriptor {
    let (layout, shape) = (descriptor.memory_layout(), descriptor.shape());
    let row = |slot, offset, padding| View { slot, offset, strides: Strides::rows(layout, shape, shape.channels + padding) };
    let per_element = descriptor.threshold_kind() == Threshold::PerElement;
    let two_thresholds = descriptor.view(Operand::LowThreshold).is_some();
    let mut placed = descriptor.candidate_view(row(Slot::Candidate, 3, 5)).states_view(row(Slot::States, 4, 12));
    if per_element {
        // Before the high ones, if there are low ones.
        let padding = if two_thresholds { shape.channels + 4 } else { 4 };
        placed = placed.threshold_view(row(Slot::Threshold, if two_thresholds { shape.channels + 1 } else { 8 }, padding));
        if two_thresholds {
            placed = placed.low_threshold_view(row(Slot::Threshold, 1, padding));
        }
    }
    placed
}

/// Candidates and thresholds per channel do not lie side by side.
fn possible(row: &[usize]) -> bool {
    !(VIEWS[row[8]] == "side by side" && row[5] == 1)
}

fn name(row: &[usize], rest: &str) -> String {
    let [batch, time, channels] = SHAPES[row[1]];
    let options: String = row.iter().map(|choice| choice.to_string()).collect();
    format!("family/{}/{:?}/{batch}x{time}x{channels}/{options}/{rest}", UNITS[row[0]].0, Element::ALL[row[10]])
}

/// Whether eight storage buffers are enough: those that probe and save both forms of states have nine if they do all else.
fn fits(row: &[usize]) -> bool {
    let [strategy, save, final_state, _, states] = row[COMMON.len()..] else { unreachable!("five more axes") };
    let all = save == 1 && final_state == 0 && STATES[states] == States::Both && row[6] == 0;
    !(all && Strategy::ALL[strategy] == Strategy::Probe && VIEWS[row[8]] != "side by side")
}

const STATES: [States; 3] = [States::Numbers, States::Packed, States::Both];

/// Forward.
pub(crate) fn forward(scope: Scope, cases: &mut Vec<Case>) {
    let axes = [&COMMON[..], &[Strategy::ALL.len(), 2, 2, 3, STATES.len()]].concat();
    let seeds = if scope == Scope::Full { 1..4 } else { 1..2 };
    for row in seeds.flat_map(|seed| rows(&axes, seed, |row| possible(row) && fits(row))) {
        let [strategy, save, final_state, profile, states] = row[COMMON.len()..] else { unreachable!("five more axes") };
        let descriptor = of_common(&row)
            .states(STATES[states])
            .save([Save::Nothing, Save::Codes][save])
            .final_state([FinalState::Written, FinalState::Discarded][final_state]);
        let strategy = Strategy::ALL[strategy];
        let mut case = Case::new(name(&row, &strategy.to_string()), descriptor, RATES[row[7]]);
        case.values = [Values::Plain, Values::Edges][row[9]];
        case.strategy = Some(strategy);
        case.profile = [Profile::Device, Profile::WebGpu, Profile::Small { kibibytes: 160 }][profile];
        case.tile_steps = Some([32, 1024][save]);
        cases.push(case);
    }
}

/// What stands for the derivatives of gate and sign, each with the next.
pub const SURROGATES: [Surrogate; 6] = [
    Surrogate::ArcTan { k: 2.0 },
    Surrogate::Sigmoid { k: 3.0 },
    Surrogate::FastSigmoid { k: 0.5 },
    Surrogate::Triangle { half_width: 0.8 },
    Surrogate::Boxcar { half_width: 0.7 },
    Surrogate::Zero,
];
/// The outputs of the backward pass.
pub(crate) const OUTPUTS: [Operand; 4] =
    [Operand::CandidateGradient, Operand::ThresholdGradient, Operand::AmplitudeGradient, Operand::InitialStateGradient];
/// What is done with one of them.
pub(crate) const GRADIENTS: [Gradient; 3] = [Gradient::Overwrite, Gradient::Accumulate, Gradient::Omit];

/// Backward.
pub(crate) fn backward(scope: Scope, cases: &mut Vec<BackwardCase>) {
    let (surrogates, outputs, gradients) = (SURROGATES, OUTPUTS, GRADIENTS);
    let axes = [&COMMON[..], &[surrogates.len(), 3, outputs.len(), gradients.len(), 2]].concat();
    let seeds = if scope == Scope::Full { 1..3 } else { 1..2 };
    for row in seeds.flat_map(|seed| rows(&axes, seed, possible)) {
        let [surrogate, incoming, output, gradient, profile] = row[COMMON.len()..] else { unreachable!("five more axes") };
        let descriptor = of_common(&row)
            .surrogates(surrogates[surrogate], surrogates[(surrogate + 1) % surrogates.len()])
            .incoming([Incoming::States, Incoming::FinalState, Incoming::Both][incoming])
            .gradient(outputs[output], gradients[gradient]);
        let mut case =
            BackwardCase::new(format!("backward {}", name(&row, &outputs[output].to_string())), descriptor, RATES[row[7]]);
        case.values = [Values::Plain, Values::Inputs][row[9]];
        let base = case.choices[0];
        let profile = [Profile::WebGpu, Profile::Small { kibibytes: 256 }][profile];
        case.choices.push(Choice { profile, access: Access::Declared, ..base });
        cases.push(case);
    }
}
