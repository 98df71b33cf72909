//! The units whose carry is a number: every option with every other, sampled so that each two choices meet.

use bmru::{
    Access, Amplitude, Boundary, Counts, Descriptor, FinalState, Incoming, InitialCount, InitialState, Layout, Save, Shape,
    Strategy, Threshold, TimeOrder, Unit, Validity,
};

use crate::backward::{BackwardCase, Choice};
use crate::data::Values;
use crate::family::{GRADIENTS, OUTPUTS, SURROGATES};
use crate::family::{RATES, SHAPES};
use crate::pairwise::rows;
use crate::{Case, Profile, Scope};

/// Each with the `ε` of its general kernel; at both ends that is forced.
const UNITS: [(&str, Unit, Amplitude, f32); 9] = [
    ("bistable, amplitudes", Unit::Bistable, Amplitude::PerElement, 0.0),
    ("first quadrant, amplitudes", Unit::FirstQuadrant, Amplitude::PerElement, 0.0),
    ("cumulative", Unit::Cumulative, Amplitude::PerChannel, 0.0),
    ("relaxed, half", Unit::Relaxed, Amplitude::PerChannel, 0.5),
    ("relaxed, nearly cumulative", Unit::Relaxed, Amplitude::PerChannel, 0.96875),
    ("relaxed, amplitudes", Unit::Relaxed, Amplitude::PerElement, 0.75),
    ("relaxed to bistable", Unit::Relaxed, Amplitude::PerChannel, 0.0),
    ("relaxed to cumulative", Unit::Relaxed, Amplitude::PerChannel, 1.0),
    ("forward fill", Unit::ForwardFill, Amplitude::PerChannel, 0.0),
];

/// The axes that forward and backward have in common.
const COMMON: [usize; 9] = [UNITS.len(), SHAPES.len(), 2, 2, 2, 2, 2, RATES.len(), 2];

fn of_common(row: &[usize]) -> Descriptor {
    let [unit, shape, layout, order, boundary, threshold, initial, _, view, ..] = *row else { unreachable!("nine axes") };
    let [batch, time, channels] = SHAPES[shape];
    let (_, unit, amplitude, epsilon) = UNITS[unit];
    // Nothing else of a forward fill has a threshold.
    let masked = unit == Unit::ForwardFill && threshold == 1;
    let descriptor = Descriptor::new(unit, Shape { batch, time, channels })
        .validity(if masked { Validity::Mask } else { Validity::NotNan })
        .layout([Layout::BatchTimeChannel, Layout::TimeBatchChannel][layout])
        .time_order([TimeOrder::Ascending, TimeOrder::Descending][order])
        .boundary([Boundary::Hold, Boundary::Set][boundary])
        .threshold([Threshold::PerElement, Threshold::PerChannel][threshold])
        .initial_state([InitialState::Given, InitialState::Zero][initial])
        .amplitude(amplitude)
        .epsilon(epsilon);
    if view == 1 { descriptor.side_by_side() } else { descriptor }
}

/// Candidates and thresholds per channel do not lie side by side.
fn possible(row: &[usize]) -> bool {
    row[8] == 0 || row[5] == 0 && UNITS[row[0]].1 != Unit::ForwardFill
}

fn name(row: &[usize], rest: &str) -> String {
    let [batch, time, channels] = SHAPES[row[1]];
    let options: String = row.iter().map(|choice| choice.to_string()).collect();
    format!("family/{}/{batch}x{time}x{channels}/{options}/{rest}", UNITS[row[0]].0)
}

/// Forward.
pub(crate) fn forward(scope: Scope, cases: &mut Vec<Case>) {
    // Strategy, what is saved or counted, the final state, limits, edges.
    let axes = [&COMMON[..], &[Strategy::ALL.len(), 2, 2, 3, 2]].concat();
    let seeds = if scope == Scope::Full { 1..4 } else { 1..2 };
    for row in seeds.flat_map(|seed| rows(&axes, seed, possible)) {
        let [strategy, save, final_state, profile, edges] = row[COMMON.len()..] else { unreachable!("five more axes") };
        let mut descriptor = of_common(&row).final_state([FinalState::Written, FinalState::Discarded][final_state]);
        if descriptor.unit() == Unit::Cumulative {
            // All of it is more than eight buffers.
            let beside = row[8] == 1 && final_state == 1;
            let counts = if save == 1 && beside { Counts::All } else { Counts::Final };
            descriptor = descriptor.counts(if save == 1 || beside { counts } else { Counts::Discarded });
            descriptor = descriptor.initial_count([InitialCount::Zero, InitialCount::Given][usize::from(beside)]);
        } else if descriptor.unit() != Unit::ForwardFill {
            descriptor = descriptor.save([Save::Nothing, Save::Codes][save]);
        }
        let strategy = Strategy::ALL[strategy];
        let mut case = Case::new(name(&row, &strategy.to_string()), descriptor, RATES[row[7]]);
        case.values = [Values::Plain, Values::Edges][edges];
        case.strategy = Some(strategy);
        case.profile = [Profile::Device, Profile::WebGpu, Profile::Small { kibibytes: 160 }][profile];
        case.tile_steps = Some([32, 1024][save]);
        cases.push(case);
    }
    streaming(cases);
}

/// Time cut at random points, or as the plan must, states or counts handed over.
fn streaming(cases: &mut Vec<Case>) {
    for &(unit, kind, amplitude, epsilon) in &UNITS {
        for strategy in Strategy::ALL {
            let of_shape = |batch, time, channels| {
                let descriptor = Descriptor::new(kind, Shape { batch, time, channels })
                    .amplitude(amplitude)
                    .epsilon(epsilon)
                    .initial_state(InitialState::Given)
                    .final_state(FinalState::Written);
                // With counts there are more operands than the storage buffers of the WebGPU defaults.
                if kind == Unit::Cumulative { descriptor.counts(Counts::Final).side_by_side() } else { descriptor }
            };
            let descriptor = of_shape(2, 1500, 6);
            let mut case = Case::new(format!("family/{unit}/stream/{strategy}"), descriptor, RATES[1]);
            let mut rng = fastrand::Rng::with_seed(case.seed);
            case.cuts = (0..4).map(|_| rng.u64(..=1500)).collect();
            case.cuts.sort_unstable();
            case.strategy = Some(strategy);
            case.tile_steps = Some(32);
            cases.push(case);
            // One walk over all of it is more than an invocation may run: the plan itself hands over.
            let mut case = Case::new(format!("family/{unit}/long/{strategy}"), of_shape(1, 70_000, 3), RATES[1]);
            case.strategy = Some(strategy);
            cases.push(case);
        }
    }
}

/// Backward.
pub(crate) fn backward(scope: Scope, cases: &mut Vec<BackwardCase>) {
    let (surrogates, outputs, gradients) = (SURROGATES, OUTPUTS, GRADIENTS);
    let axes = [&COMMON[..], &[surrogates.len(), 3, outputs.len(), gradients.len(), 2, 2]].concat();
    let seeds = if scope == Scope::Full { 1..3 } else { 1..2 };
    // Of amplitudes per element only those beside the candidates fit eight buffers.
    let fits = |row: &[usize]| {
        possible(row) && UNITS[row[0]].1 != Unit::ForwardFill && (UNITS[row[0]].2 == Amplitude::PerChannel || row[8] == 1)
    };
    for row in seeds.flat_map(|seed| rows(&axes, seed, fits)) {
        let [surrogate, incoming, output, gradient, profile, values] = row[COMMON.len()..] else { unreachable!("six more axes") };
        let descriptor = of_common(&row)
            .surrogates(surrogates[surrogate], surrogates[(surrogate + 1) % surrogates.len()])
            .incoming([Incoming::States, Incoming::FinalState, Incoming::Both][incoming])
            .gradient(outputs[output], gradients[gradient]);
        let mut case =
            BackwardCase::new(format!("backward {}", name(&row, &outputs[output].to_string())), descriptor, RATES[row[7]]);
        case.values = [Values::Plain, Values::Inputs][values];
        let base = case.choices[0];
        let profile = [Profile::WebGpu, Profile::Small { kibibytes: 256 }][profile];
        case.choices.push(Choice { profile, access: Access::Declared, ..base });
        cases.push(case);
    }
    // A last stretch whose last word has one step, behind a whole one.
    for &(unit, kind, _, epsilon) in
        UNITS.iter().filter(|(_, kind, amplitude, _)| *kind == Unit::Relaxed && *amplitude == Amplitude::PerChannel)
    {
        let descriptor = Descriptor::new(kind, Shape { batch: 2, time: 1057, channels: 4 })
            .epsilon(epsilon)
            .initial_state(InitialState::Given)
            .incoming(Incoming::Both);
        cases.push(BackwardCase::new(format!("backward family/{unit}/2x1057x4"), descriptor, RATES[1]));
    }
}
