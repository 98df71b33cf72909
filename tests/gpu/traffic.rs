//! The shaders move what the plan states: with the text changed so that every access to a slot counts, loads and stores apart,
//! on data whose set steps are known. Only searches move less, and how much is worked out here.

mod counted;

use std::collections::BTreeSet;

use bmru::{
    Amplitude, Counts, Descriptor, Direction, FinalState, Gradient, Incoming, InitialState, Layout, Operand, Plan, Save,
    Sequences, Shape, Slot, Stage, States, Strategy, Strides, Surrogate, Threshold, TimeOrder, Unit, Validity, View, oracle,
};
use bmru_conformance::Runner;
use bmru_conformance::backward::{BEFORE, incoming};
use bmru_conformance::data::{self, Rate, Values};
use counted::{Sets, TOGETHER, WAYS, WHOLE, counting, miscounted, moved, not_read, uploads};
use libtest_mimic::Failed;

use crate::host::{Host, Uploads};

/// The kinds of dispatches that came up.
#[derive(Default)]
struct Met {
    stages: BTreeSet<Stage>,
    widths: BTreeSet<u32>,
    bands: BTreeSet<u32>,
    folds: BTreeSet<u32>,
    vector_rows: BTreeSet<u32>,
    rows: BTreeSet<u32>,
    parts: usize,
}

impl Met {
    fn met(&mut self, plan: &Plan) {
        for variant in plan.variants() {
            self.stages.insert(variant.stage());
            self.widths.insert(variant.vector_width());
            self.bands.insert(variant.band());
            self.folds.insert(variant.fold());
            self.vector_rows.insert(variant.vector_rows());
        }
        self.rows.extend(plan.dispatches().iter().map(|dispatch| dispatch.params().rows));
        self.parts = self.parts.max(plan.dispatches().len());
    }

    fn assert_all(&self, stages: &[Stage]) {
        assert!(self.stages.iter().eq(stages), "{:?}", self.stages);
        assert!(self.widths.iter().eq(&[1, 2, 4]), "{:?}", self.widths);
        assert!(self.bands.iter().eq(&[1, 2, 3]), "{:?}", self.bands);
        assert!(self.parts > 30, "{}", self.parts);
    }
}

fn bits(floats: &[f32]) -> Vec<u32> {
    floats.iter().map(|float| float.to_bits()).collect()
}

/// 35 tiles of 32 steps, 7 of 160; 1,024 steps and 96 more.
const SHAPE: Shape = Shape { batch: 2, time: 1120, channels: 12 };
/// Nothing, less than a word, a word and one step; channels that no vector divides.
const SMALL: [Shape; 3] = [
    Shape { batch: 3, time: 0, channels: 4 },
    Shape { batch: 1, time: 1, channels: 1 },
    Shape { batch: 40, time: 33, channels: 5 },
];
/// Vectors hold 4 steps, or 2.
const FOLDED: [Shape; 2] = [Shape { batch: 2, time: 96, channels: 1 }, Shape { batch: 3, time: 96, channels: 2 }];
/// Vectors hold 4 rows, or 2.
const SHORT: [Shape; 3] = [
    Shape { batch: 300, time: 1, channels: 1 },
    Shape { batch: 302, time: 1, channels: 2 },
    Shape { batch: 300, time: 2, channels: 1 },
];
/// Three levels above tiles of 32 steps, two above 34 stretches of 1,024.
const LONG: Shape = Shape { batch: 1, time: 33 * 1024 + 5, channels: 2 };

/// Units whose state is a number, with sums of whole ones, of which none is rounded.
fn numbers(threshold: Threshold) -> [Descriptor; 4] {
    [
        Descriptor::cumulative(SHAPE).threshold(threshold).counts(Counts::All),
        Descriptor::cumulative(SHAPE).threshold(threshold).amplitude(Amplitude::PerElement),
        Descriptor::new(Unit::Relaxed, SHAPE).threshold(threshold).epsilon(1.0).save(Save::Codes),
        Descriptor::bmru(SHAPE).threshold(threshold).amplitude(Amplitude::PerElement).save(Save::Codes),
    ]
}

pub fn forward(runner: &Runner) -> Result<(), Failed> {
    let full = |shape, threshold| {
        let descriptor = Descriptor::bmru(shape).threshold(threshold).save(Save::Codes);
        descriptor.initial_state(InitialState::Given).final_state(FinalState::Written)
    };
    let bare = |shape, threshold| Descriptor::bmru(shape).threshold(threshold).layout(Layout::TimeBatchChannel);
    let (each, channel) = (Threshold::PerElement, Threshold::PerChannel);
    let mut cases = Vec::new();
    for (number, way) in WAYS.iter().enumerate() {
        let [one, other] = if number % 2 == 0 { [each, channel] } else { [channel, each] };
        cases.extend([(way, full(SHAPE, one)), (way, bare(SHAPE, other))]);
        let [packed, both] = [States::Packed, States::Both].map(|states| full(SHAPE, other).states(states));
        cases.extend([(way, bare(SHAPE, one).states(States::Packed)), (way, packed), (way, both.save(Save::Nothing))]);
    }
    cases.extend([(&WAYS[3], full(SHAPE, each)), (&WHOLE, full(LONG, each)), (&WHOLE, bare(LONG, channel))]);
    cases.extend(SMALL.map(|shape| (&TOGETHER, full(shape, channel))));
    cases.extend(SMALL.map(|shape| (&TOGETHER, bare(shape, each).states(States::Packed))));
    cases.push((&WHOLE, bare(LONG, each).states(States::Packed)));
    cases.extend(
        FOLDED.map(|shape| (&WHOLE, Descriptor::bmru(shape).threshold(if shape.channels == 1 { each } else { channel }))),
    );

    let handing = |descriptor: Descriptor| descriptor.initial_state(InitialState::Given).final_state(FinalState::Written);
    cases.extend(SHORT.map(|shape| (&WHOLE, handing(Descriptor::bmru(shape)))));
    cases.extend(SHORT.map(|shape| (&WHOLE, handing(Descriptor::bmru(shape).threshold(channel).states(States::Both)))));
    cases.extend(SHORT.map(|shape| (&WHOLE, full(shape, channel))));

    let masked = |shape| Descriptor::forward_fill(shape).validity(Validity::Mask).final_state(FinalState::Written);
    cases.extend(WAYS.iter().map(|way| (way, masked(SHAPE))));
    cases.extend(SMALL.map(|shape| (&TOGETHER, masked(shape).limit(3).counts(Counts::All))));
    cases.extend(numbers(channel).map(|descriptor| (&WHOLE, descriptor.final_state(FinalState::Written))));
    cases.extend(numbers(each).map(|descriptor| (&WAYS[1], descriptor)));

    let host = Host::new(runner, Some(counting));
    let (mut met, mut wrong, mut dispatches) = (Met::default(), Vec::new(), 0);
    for (way, descriptor) in &cases {
        for sets in Sets::ALL {
            let uploads = uploads(descriptor, sets)?;
            let expected = oracle::forward(descriptor, &uploads.data.inputs())?;
            for strategy in Strategy::ALL {
                let plan = way.plan(&host, descriptor, Direction::Forward, strategy)?;
                met.met(&plan);
                dispatches += plan.dispatches().len();
                let ran = host.run(&plan, &uploads.given(Direction::Forward))?;
                wrong.extend(miscounted(&plan, &ran, sets));
                assert!(host.download(&ran, Slot::States)? == bits(&expected.states), "states of {plan}");
                assert!(host.download(&ran, Slot::FinalState)? == bits(&expected.final_state), "final state of {plan}");
                assert!(host.download(&ran, Slot::Saved)? == expected.saved, "saved of {plan}");
                assert!(host.download(&ran, Slot::PackedStates)? == expected.packed_states, "packed states of {plan}");
                let apart = descriptor.view(Operand::FirstSet).is_some_and(|view| view.slot == Slot::FirstSet);
                let first_set = if apart { &expected.first_set[..] } else { &[] };
                assert!(host.download(&ran, Slot::FirstSet)? == first_set, "first set steps of {plan}");
                if descriptor.view(Operand::Counts).is_some() {
                    let counts: &[u32] = bytemuck::cast_slice(&expected.counts);
                    assert!(host.download(&ran, Slot::Counts)? == counts, "counts of {plan}");
                }
                // The closed form: so many steps of each tile, a candidate and a threshold each.
                let tile_steps = u64::from(way.tile_steps);
                let whole = descriptor.shape() == SHAPE && SHAPE.time.is_multiple_of(tile_steps);
                let whole = whole && descriptor.unit() == Unit::Bistable && descriptor.amplitude_kind() == Amplitude::PerChannel;
                if let (Strategy::Probe, true, Some([looked, _])) = (strategy, whole, sets.of_whole_tile(tile_steps)) {
                    let thresholds = if descriptor.threshold_kind() == channel { 1 } else { looked };
                    let tiles = SHAPE.batch * SHAPE.channels * SHAPE.time / tile_steps;
                    wrong.extend(not_read(&plan, &ran, Stage::TileProbe, 4 * tiles * (looked + thresholds)));
                }
            }
        }
    }
    met.assert_all(&Stage::ALL[..9]);
    assert!(met.folds.iter().eq(&[1, 2, 4]) && met.rows.iter().any(|&rows| rows == 3), "{:?}, {:?}", met.folds, met.rows);
    assert!(met.vector_rows.iter().eq(&[1, 2, 4]), "{:?}", met.vector_rows);
    println!("{dispatches} dispatches");
    crate::failed(&wrong, dispatches)
}

/// What is stated of rows with borders is what they move at most: how many sequences begin and end where, only the device knows. What
/// is read and written of steps is known all the same.
pub fn bordered(runner: &Runner) -> Result<(), Failed> {
    let (host, boxcar) = (Host::new(runner, Some(counting)), Surrogate::Boxcar { half_width: 1.0 });
    let kinds = [(1, Sequences::Packed { count: 40 }), (2, Sequences::Resets), (1, Sequences::Packed { count: 3000 })];
    let units: [fn(Shape) -> Descriptor; 4] = [
        Descriptor::bmru,
        |shape| Descriptor::bmru(shape).amplitude(Amplitude::PerElement).side_by_side(),
        |shape| Descriptor::cumulative(shape).threshold(Threshold::PerChannel),
        |shape| Descriptor::relaxed(shape, 0.5),
    ];
    let (mut wrong, mut dispatches, mut stages) = (Vec::new(), 0, BTreeSet::new());
    for (number, way) in [&WHOLE, &WAYS[2], &WAYS[5]].into_iter().enumerate() {
        for ((batch, sequences), unit) in kinds.into_iter().flat_map(|kind| units.map(|unit| (kind, unit))) {
            let descriptor = unit(Shape { batch, time: 1120, channels: 12 })
                .sequences(sequences)
                .initial_state(InitialState::Given)
                .final_state(FinalState::Written)
                .incoming(Incoming::Both)
                .surrogates(boxcar, boxcar)
                .save(Save::Codes)
                .time_order(if number == 1 { TimeOrder::Descending } else { TimeOrder::Ascending });
            let values = data::generate(&descriptor, Rate::Once(9), Values::Plain, number as u64);
            let uploads = Uploads::new(&descriptor, values, incoming(&descriptor, 3))?;
            let states = oracle::forward(&descriptor, &uploads.data.inputs())?.states;
            for (direction, strategy) in [
                (Direction::Forward, Strategy::Serial),
                (Direction::Forward, Strategy::Tiles),
                (Direction::Backward, Strategy::Serial),
                (Direction::Backward, Strategy::Tiles),
            ] {
                let walks = matches!(descriptor.unit(), Unit::Cumulative | Unit::Relaxed);
                if walks && (direction, strategy) == (Direction::Forward, Strategy::Tiles) {
                    continue;
                }
                let plan = way.plan(&host, &descriptor, direction, strategy)?;
                let mut given = uploads.given(direction);
                if direction == Direction::Backward {
                    given.push((Slot::States, bytemuck::cast_slice(&states)));
                }
                let ran = host.run(&plan, &given)?;
                dispatches += plan.dispatches().len();
                for (dispatch, counted) in plan.dispatches().iter().zip(&ran.counted) {
                    let variant = &plan.variants()[dispatch.variant()];
                    stages.insert(variant.stage());
                    let (moved, stated) = (moved(variant, counted), dispatch.traffic());
                    let exact = |operand| counted[2 * variant.operands().position(|present| present == operand).unwrap_or(0)];
                    let elements = u64::from(dispatch.params().batch) * u64::from(dispatch.params().steps);
                    let elements = elements * u64::from(dispatch.params().channels);
                    let walks = matches!(variant.stage(), Stage::Serial | Stage::Adjoint);
                    let walks = walks && variant.binding_of(Operand::Candidate).is_some();
                    let missed = walks && u64::from(exact(Operand::Candidate)) != elements;
                    // Of resets all stores are known.
                    let stores = sequences == Sequences::Resets && moved.written != stated.written;
                    if moved.read > stated.read || moved.written > stated.written || missed || stores {
                        let counts: Vec<String> = variant
                            .operands()
                            .zip(counted.chunks(2))
                            .map(|(operand, pair)| format!("{operand} {pair:?}"))
                            .collect();
                        wrong.push(format!(
                            "{}, {sequences:?}: moved {moved:?}, stated {stated:?}; {}\n{plan}",
                            variant.stage(),
                            counts.join(", ")
                        ));
                    }
                }
            }
        }
    }
    let met = [
        Stage::TileProbe,
        Stage::Serial,
        Stage::AdjointReduce,
        Stage::Adjoint,
        Stage::SumReduce,
        Stage::HandOver,
        Stage::Borders,
    ];
    assert!(met.iter().all(|stage| stages.contains(stage)), "{stages:?}");
    println!("{dispatches} dispatches");
    crate::failed(&wrong, dispatches)
}

pub fn unpacking(runner: &Runner) -> Result<(), Failed> {
    let host = Host::new(runner, Some(counting));
    let (mut wrong, mut dispatches) = (Vec::new(), 0);
    for (number, way) in WAYS.iter().enumerate() {
        let long = if number == 0 { &[LONG][..] } else { &[] };
        for &shape in [SHAPE].iter().chain(&SMALL).chain(long) {
            let packed = Descriptor::bmru(shape).states(States::Packed).initial_state(InitialState::Given);
            let descriptor = if number % 2 == 0 { packed.save(Save::Codes) } else { packed.layout(Layout::TimeBatchChannel) };
            for sets in [Sets::Never, Sets::Once] {
                let uploads = uploads(&descriptor, sets)?;
                let expected = oracle::forward(&descriptor.clone().states(States::Numbers), &uploads.data.inputs())?;
                let plan = way.plan(&host, &descriptor, Direction::Unpack, Strategy::Serial)?;
                dispatches += plan.dispatches().len();
                let ran = host.run(&plan, &uploads.given(Direction::Unpack))?;
                wrong.extend(miscounted(&plan, &ran, sets));
                assert!(host.download(&ran, Slot::States)? == bits(&expected.states), "states of {plan}");
            }
        }
    }
    println!("{dispatches} dispatches");
    crate::failed(&wrong, dispatches)
}

const OUTPUTS: [(Operand, Slot); 4] = [
    (Operand::CandidateGradient, Slot::CandidateGradient),
    (Operand::ThresholdGradient, Slot::ThresholdGradient),
    (Operand::AmplitudeGradient, Slot::AmplitudeGradient),
    (Operand::InitialStateGradient, Slot::InitialStateGradient),
];

pub fn backward(runner: &Runner) -> Result<(), Failed> {
    let boxcar = Surrogate::Boxcar { half_width: 1.0 };
    let all = |shape, threshold| {
        let descriptor = Descriptor::bmru(shape).threshold(threshold).save(Save::Codes).surrogates(boxcar, boxcar);
        descriptor.initial_state(InitialState::Given).incoming(Incoming::Both)
    };
    let accumulates = |descriptor: Descriptor| {
        OUTPUTS.iter().fold(descriptor, |descriptor, &(output, _)| descriptor.gradient(output, Gradient::Accumulate))
    };
    let few = |shape, threshold, incoming| {
        let descriptor = all(shape, threshold).initial_state(InitialState::Zero).incoming(incoming);
        descriptor.gradient(Operand::AmplitudeGradient, Gradient::Omit).layout(Layout::TimeBatchChannel)
    };
    let (each, channel) = (Threshold::PerElement, Threshold::PerChannel);
    let mut cases = Vec::new();
    for (number, way) in WAYS.iter().enumerate() {
        let [one, other] = if number % 2 == 0 { [each, channel] } else { [channel, each] };
        let incoming = if number % 2 == 0 { Incoming::States } else { Incoming::FinalState };
        cases.extend([(way, accumulates(all(SHAPE, one))), (way, few(SHAPE, other, incoming))]);
    }
    cases.extend([(&WHOLE, all(SHAPE, channel)), (&WHOLE, all(LONG, channel)), (&WHOLE, few(LONG, each, Incoming::FinalState))]);
    cases.extend(SMALL.map(|shape| (&WHOLE, accumulates(all(shape, channel)))));
    cases.extend(SHORT.map(|shape| (&WHOLE, all(shape, channel))));
    cases.extend(SHORT.map(|shape| (&WHOLE, accumulates(all(shape, each)))));
    // Thresholds that lack axes: their gradients are sums over them.
    let Shape { time, channels, .. } = SHAPE;
    for [batch, time, channel] in [[0, 0, 0], [channels, 0, 1], [0, channels, 1], [time, 1, 0]] {
        let view = View { slot: Slot::Threshold, offset: 0, strides: Strides { batch, time, channel } };
        cases.push((&WHOLE, accumulates(all(SHAPE, each).threshold_view(view))));
    }
    // Of both, everything that is not the caller's lies where it did.
    cases.extend(numbers(each).map(|descriptor| {
        let beside = descriptor.side_by_side().counts(Counts::Discarded);
        (&WHOLE, beside.surrogates(boxcar, boxcar).initial_state(InitialState::Given))
    }));

    let host = Host::new(runner, Some(counting));
    let (mut met, mut wrong, mut dispatches) = (Met::default(), Vec::new(), 0);
    for (way, descriptor) in &cases {
        for sets in Sets::ALL {
            let uploads = uploads(descriptor, sets)?;
            let gradients = oracle::backward(descriptor, &uploads.data.inputs(), &uploads.incoming())?;
            let expected = [gradients.candidate, gradients.threshold, gradients.amplitude, gradients.initial_state];
            let before = OUTPUTS.map(|(output, slot)| {
                let value = if descriptor.gradient_of(output) == Gradient::Accumulate { BEFORE } else { 0.0 };
                (slot, vec![value; descriptor.slot_elements(slot).expect("the descriptor exists") as usize])
            });
            for strategy in [Strategy::Serial, Strategy::Tiles] {
                let plan = way.plan(&host, descriptor, Direction::Backward, strategy)?;
                met.met(&plan);
                dispatches += plan.dispatches().len();
                let mut given = uploads.given(Direction::Backward);
                let states = oracle::forward(descriptor, &uploads.data.inputs())?.states;
                given.push((Slot::States, bytemuck::cast_slice(&states)));
                given.extend(before.iter().map(|(slot, values)| (*slot, bytemuck::cast_slice(values))));
                let ran = host.run(&plan, &given)?;
                wrong.extend(miscounted(&plan, &ran, sets));
                for ((slot, before), expected) in before.iter().zip(&expected) {
                    let actual = host.download(&ran, *slot)?;
                    assert_eq!(actual.len(), expected.len(), "{slot} of {plan}");
                    let exact =
                        |(at, &word): (usize, &u32)| f64::from(f32::from_bits(word)) == expected[at] + f64::from(before[at]);
                    assert!(actual.iter().enumerate().all(exact), "{sets:?}: {slot} of {plan}");
                }
                // The closed form of the two stretches: a word for 32 steps, and the steps before the first that sets.
                let whole = descriptor.view(Operand::StatesGradient).is_some();
                let sums = descriptor.unit() != Unit::Bistable || way.steps_back.is_some();
                if let (Strategy::Tiles, SHAPE, Some([_, first]), false) =
                    (strategy, descriptor.shape(), sets.of_whole_tile(1024), sums)
                {
                    let steps = if whole { first.min(1024) + first.min(96) } else { 0 };
                    let words = SHAPE.batch * SHAPE.channels * (SHAPE.time / 32 + steps);
                    wrong.extend(not_read(&plan, &ran, Stage::AdjointReduce, 4 * words));
                }
            }
        }
    }
    // Packing and health are another matter.
    met.assert_all(&Stage::ALL[9..15]);
    assert!(met.vector_rows.iter().eq(&[1, 2, 4]), "{:?}", met.vector_rows);
    println!("{dispatches} dispatches");
    crate::failed(&wrong, dispatches)
}
