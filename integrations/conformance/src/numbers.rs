//! The units whose carry is a number: every option with every other, sampled so that each two choices meet.

use bmru::{
    Access, Amplitude, Beyond, Boundary, Counts, Descriptor, Element, FinalState, Incoming, InitialCount, InitialState, Layout,
    Save, Sequences, Shape, Strategy, Threshold, TimeOrder, Unit, Validity,
};

use crate::backward::{BackwardCase, Choice};
use crate::data::Values;
use crate::family::{GRADIENTS, OUTPUTS, SURROGATES};
use crate::family::{RATES, SHAPES};
use crate::pairwise::rows;
use crate::runner::Handed;
use crate::{Case, Profile, Scope};

/// A unit by its name, and how to have it.
type Member = (&'static str, fn(Shape) -> Descriptor);

/// At both ends of `ε` the general kernel is forced.
const UNITS: [Member; 13] = [
    ("bistable, amplitudes", |shape| Descriptor::bmru(shape).amplitude(Amplitude::PerElement)),
    ("first quadrant, amplitudes", |shape| Descriptor::first_quadrant(shape).amplitude(Amplitude::PerElement)),
    ("cumulative", Descriptor::cumulative),
    ("cumulative, amplitudes", |shape| Descriptor::cumulative(shape).amplitude(Amplitude::PerElement)),
    ("relaxed, half", |shape| relaxed(shape, 0.5)),
    ("relaxed, nearly cumulative", |shape| relaxed(shape, 0.96875)),
    ("relaxed, amplitudes", |shape| relaxed(shape, 0.75).amplitude(Amplitude::PerElement)),
    ("relaxed to bistable", |shape| relaxed(shape, 0.0)),
    ("relaxed to cumulative", |shape| relaxed(shape, 1.0)),
    ("forward fill", Descriptor::forward_fill),
    ("forward fill, limit", |shape| Descriptor::forward_fill(shape).limit(7)),
    // Longer than a tile, and bits that are a denormal and a pattern of its own.
    ("forward fill, long limit", |shape| Descriptor::forward_fill(shape).limit(70).beyond(Beyond::Bits(0x8012_3456))),
    ("forward fill, no holds", |shape| Descriptor::forward_fill(shape).limit(0).beyond(Beyond::Bits(0x7fa1_2345))),
];

fn relaxed(shape: Shape, epsilon: f32) -> Descriptor {
    Descriptor::new(Unit::Relaxed, shape).epsilon(epsilon)
}

/// The axes that forward and backward have in common.
const COMMON: [usize; 10] = [UNITS.len(), SHAPES.len(), 2, 2, 2, 2, 2, RATES.len(), 2, Element::ALL.len()];

fn unit(row: &[usize]) -> Descriptor {
    let [batch, time, channels] = SHAPES[row[1]];
    UNITS[row[0]].1(Shape { batch, time, channels })
}

fn of_common(row: &[usize]) -> Descriptor {
    let [_, _, layout, order, boundary, threshold, initial, _, view, element, ..] = *row else { unreachable!("ten axes") };
    let of_unit = unit(row);
    // Nothing else of a forward fill has a threshold.
    let masked = of_unit.unit() == Unit::ForwardFill && threshold == 1;
    let descriptor = of_unit
        .element(Element::ALL[element])
        .validity(if masked { Validity::Mask } else { Validity::NotNan })
        .layout([Layout::BatchTimeChannel, Layout::TimeBatchChannel][layout])
        .time_order([TimeOrder::Ascending, TimeOrder::Descending][order])
        .boundary([Boundary::Hold, Boundary::Set][boundary])
        .threshold([Threshold::PerElement, Threshold::PerChannel][threshold])
        .initial_state([InitialState::Given, InitialState::Zero][initial]);
    if view == 1 { descriptor.side_by_side() } else { descriptor }
}

/// Candidates and thresholds per channel do not lie side by side.
fn possible(row: &[usize]) -> bool {
    row[8] == 0 || row[5] == 0 && unit(row).unit() != Unit::ForwardFill
}

fn name(row: &[usize], rest: &str) -> String {
    let [batch, time, channels] = SHAPES[row[1]];
    let options: String = row.iter().map(|choice| choice.to_string()).collect();
    format!("family/{}/{:?}/{batch}x{time}x{channels}/{options}/{rest}", UNITS[row[0]].0, Element::ALL[row[9]])
}

/// Forward.
pub(crate) fn forward(scope: Scope, cases: &mut Vec<Case>) {
    // Strategy, what is saved or counted, the final state, limits, edges.
    let axes = [&COMMON[..], &[Strategy::ALL.len(), 2, 2, 3, 2]].concat();
    let seeds = if scope == Scope::Full { 1..4 } else { 1..2 };
    for row in seeds.flat_map(|seed| rows(&axes, seed, possible)) {
        cases.push(of_row(&row));
    }
    streaming(cases);
    rows_in_parts(cases);
    bands(cases);
}

/// Several rows in parts of time: between two parts rest states, ages and counts, where rows are reset, and sums of 16 bits before they
/// are rounded.
fn rows_in_parts(cases: &mut Vec<Case>) {
    let counts: fn(Shape) -> Descriptor = |shape| Descriptor::cumulative(shape).counts(Counts::All).sequences(Sequences::Resets);
    let sums: fn(Shape) -> Descriptor = |shape| Descriptor::cumulative(shape).amplitude(Amplitude::PerElement);
    let relaxed: fn(Shape) -> Descriptor = |shape| relaxed(shape, 0.5);
    let ages: fn(Shape) -> Descriptor =
        |shape| Descriptor::forward_fill(shape).limit(3).counts(Counts::All).sequences(Sequences::Resets);
    let states: fn(Shape) -> Descriptor = |shape| Descriptor::bmru(shape).sequences(Sequences::Resets);
    let relaxed_states: fn(Shape) -> Descriptor = |shape| Descriptor::relaxed(shape, 0.5).sequences(Sequences::Resets);
    let units = [
        ("counts", counts),
        ("sums", sums),
        ("relaxed", relaxed),
        ("ages", ages),
        ("states", states),
        ("relaxed states", relaxed_states),
    ];
    for (name, unit) in units {
        for element in Element::ALL {
            // Where steps lie outermost, time is cut and not the rows.
            let shape = Shape { batch: 3, time: 300, channels: 6 };
            let descriptor = unit(shape).element(element).layout(Layout::TimeBatchChannel);
            let gated = descriptor.unit() != Unit::ForwardFill;
            let descriptor = if gated { descriptor.side_by_side() } else { descriptor };
            let mut case = Case::new(format!("family/rows in parts/{name}/{element:?}"), descriptor, RATES[1]);
            case.strategy = Some(Strategy::Serial);
            case.profile = Profile::Small { kibibytes: 6 };
            cases.push(case);
        }
    }
}

/// All counts of so many channels that an invocation takes several vectors.
fn bands(cases: &mut Vec<Case>) {
    for strategy in Strategy::ALL {
        for channels in [72, 70] {
            let descriptor = Descriptor::cumulative(Shape { batch: 2, time: 100, channels }).side_by_side().counts(Counts::All);
            let mut case = Case::new(format!("family/bands/{channels}/{strategy}"), descriptor, RATES[1]);
            case.strategy = Some(strategy);
            case.tile_steps = Some(32);
            cases.push(case);
        }
    }
}

/// The case of a row of choices: those of the axes in common, then strategy, what is saved, the final state, limits, edges.
pub(crate) fn of_row(row: &[usize]) -> Case {
    let [strategy, save, final_state, profile, edges] = row[COMMON.len()..] else { unreachable!("five more axes") };
    let mut descriptor = of_common(row).final_state([FinalState::Written, FinalState::Discarded][final_state]);
    if Handed::of(&descriptor).count && descriptor.unit() == Unit::Cumulative {
        // All of it is more than eight buffers.
        let beside = row[8] == 1 && final_state == 1;
        let counts = if save == 1 && beside { Counts::All } else { Counts::Final };
        descriptor = descriptor.counts(if save == 1 || beside { counts } else { Counts::Discarded });
        descriptor = descriptor.initial_count([InitialCount::Zero, InitialCount::Given][usize::from(beside)]);
    } else if descriptor.limit_steps().is_some() {
        // With a mask, both states and scratch, all counts are more than eight buffers.
        let few = row[5] == 0 || final_state == 1;
        descriptor = descriptor.initial_count(if few { InitialCount::Given } else { InitialCount::Zero });
        descriptor = descriptor.counts(match (few, save) {
            (true, 1) => Counts::All,
            (false, 0) => Counts::Discarded,
            _ => Counts::Final,
        });
    } else if descriptor.unit() != Unit::ForwardFill {
        descriptor = descriptor.save([Save::Nothing, Save::Codes][save]);
    }
    let strategy = Strategy::ALL[strategy];
    let mut case = Case::new(name(row, &strategy.to_string()), descriptor, RATES[row[7]]);
    case.values = [Values::Plain, Values::Edges][edges];
    case.strategy = Some(strategy);
    case.profile = [Profile::Device, Profile::WebGpu, Profile::Small { kibibytes: 160 }][profile];
    case.tile_steps = Some([32, 1024][save]);
    case
}

/// Time cut at random points, or as the plan must, states or counts handed over.
fn streaming(cases: &mut Vec<Case>) {
    for (number, (name, unit)) in UNITS.into_iter().enumerate() {
        for (strategy, element) in Strategy::ALL.into_iter().flat_map(|strategy| Element::ALL.map(|element| (strategy, element)))
        {
            let of_shape = |batch, time, channels| {
                let descriptor = unit(Shape { batch, time, channels })
                    .element(element)
                    .initial_state(InitialState::Given)
                    .final_state(FinalState::Written);
                match descriptor.unit() {
                    // With counts there are more operands than the storage buffers of the WebGPU defaults.
                    Unit::Cumulative if Handed::of(&descriptor).count => descriptor.counts(Counts::Final).side_by_side(),
                    Unit::ForwardFill if descriptor.limit_steps().is_some() => descriptor.counts(Counts::Final),
                    _ => descriptor,
                }
            };
            let mut case = Case::new(format!("family/{name}/{element:?}/stream/{strategy}"), of_shape(2, 1500, 6), RATES[1]);
            let mut rng = fastrand::Rng::with_seed(case.seed);
            case.cuts = (0..4).map(|_| rng.u64(..=1500)).collect();
            case.cuts.sort_unstable();
            case.strategy = Some(strategy);
            case.tile_steps = Some(32);
            cases.push(case);
            // One walk over all of it is more than an invocation may run: the plan itself hands over. Of 16 bits every other type.
            if element == Element::F32 || element == [Element::F16, Element::Bf16][number % 2] {
                let name = format!("family/{name}/{element:?}/long/{strategy}");
                let mut case = Case::new(name, of_shape(1, 70_000, 3), RATES[1]);
                case.strategy = Some(strategy);
                cases.push(case);
            }
        }
    }
}

/// Backward.
pub(crate) fn backward(scope: Scope, cases: &mut Vec<BackwardCase>) {
    let (surrogates, outputs, gradients) = (SURROGATES, OUTPUTS, GRADIENTS);
    let axes = [&COMMON[..], &[surrogates.len(), 3, outputs.len(), gradients.len(), 2, 2]].concat();
    let seeds = if scope == Scope::Full { 1..3 } else { 1..2 };
    // Of amplitudes per element only those beside the candidates fit eight buffers, unless no states are read again.
    let fits = |row: &[usize]| {
        let of_unit = unit(row);
        let apart = of_unit.amplitude_kind() == Amplitude::PerChannel || of_unit.unit() == Unit::Cumulative;
        let fits = apart || row[8] == 1;
        possible(row) && of_unit.unit() != Unit::ForwardFill && fits
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
    for (name, unit) in UNITS {
        let descriptor = unit(Shape { batch: 2, time: 1057, channels: 4 });
        if descriptor.unit() != Unit::Relaxed || descriptor.amplitude_kind() == Amplitude::PerElement {
            continue;
        }
        let descriptor = descriptor.initial_state(InitialState::Given).incoming(Incoming::Both);
        cases.push(BackwardCase::new(format!("backward family/{name}/2x1057x4"), descriptor, RATES[1]));
    }
}
