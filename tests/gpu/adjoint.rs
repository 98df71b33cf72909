//! The backward pass beyond the matrix.

use bmru::oracle::{self, IncomingGradients};
use bmru::{Access, Descriptor, Incoming, InitialState, Save, Sequences, Shape, Strategy, Surrogate, Threshold};
use bmru_conformance::backward::{Choice, incoming};
use bmru_conformance::data::{self, Rate, Values};
use bmru_conformance::{BackwardCase, Profile, Runner};
use libtest_mimic::Failed;

const CHOICE: Choice = Choice {
    forward: Strategy::Serial,
    backward: Strategy::Serial,
    profile: Profile::Device,
    vector_width: 4,
    workgroup_size: 8,
    access: Access::Declared,
};

pub fn conforms(runner: &Runner, cases: &[BackwardCase]) -> Result<(), Failed> {
    let mut failures = Vec::new();
    for case in cases {
        match runner.run_backward(case) {
            Ok(outcome) if outcome.wrong == 0 => {}
            Ok(outcome) => failures.push(format!("{}: {} wrong, {:?}", case.name, outcome.wrong, outcome.first)),
            Err(error) => failures.push(format!("{}: {error}", case.name)),
        }
    }
    crate::failed(&failures, cases.len())
}

fn all(shape: Shape) -> Descriptor {
    Descriptor::bmru(shape).initial_state(InitialState::Given).incoming(Incoming::Both).save(Save::Codes)
}

pub fn repeats(runner: &Runner) -> Result<(), Failed> {
    let descriptor = all(Shape { batch: 3, time: 5000, channels: 4 }).threshold(Threshold::PerChannel);
    let data = data::generate(&descriptor, Rate::Once(40), Values::Plain, 1);
    let [states, final_state] = incoming(&descriptor, 1);
    let incoming = IncomingGradients { states: &states, final_state: &final_state };
    for backward in Strategy::ALL {
        let choice = Choice { backward, ..CHOICE };
        let first = runner.gradients(&descriptor, &choice, &data, &incoming)?;
        for _ in 0..3 {
            assert!(runner.gradients(&descriptor, &choice, &data, &incoming)? == first);
        }
    }
    Ok(())
}

/// With one incoming gradient in place of another every element that it does not reach keeps its bits, by every strategy; and what it
/// reaches is NaN in those outputs that are told.
fn keeps_to(
    runner: &Runner,
    descriptor: &Descriptor,
    data: &data::Slots,
    [plain, bad, final_state]: [&[f32]; 3],
    is_reached: impl Fn(usize, usize) -> bool,
    become_nan: &[usize],
) -> Result<(), Failed> {
    for backward in Strategy::ALL {
        let choice = Choice { backward, ..CHOICE };
        let run = |states: &[f32]| {
            let incoming = IncomingGradients { states, final_state };
            runner.gradients(descriptor, &choice, data, &incoming).map(|(_, gradients)| gradients)
        };
        let (without, with) = (run(plain)?, run(bad)?);
        for output in 0..4 {
            for (index, (a, b)) in without[output].iter().zip(&with[output]).enumerate() {
                let reached = is_reached(output, index);
                assert!(reached || a == b, "{backward}, output {output}, {index}: {a:#010x} became {b:#010x}");
                if reached && become_nan.contains(&output) {
                    assert!(f32::from_bits(*b).is_nan(), "{backward}, output {output}, {index}: the NaN was lost");
                }
            }
        }
    }
    Ok(())
}

/// Every element that the NaN does not reach keeps its bits.
pub fn contains_nan(runner: &Runner) -> Result<(), Failed> {
    let (time, channels) = (4000, 5);
    let descriptor = all(Shape { batch: 2, time, channels });
    let data = data::generate(&descriptor, Rate::Once(300), Values::Plain, 2);
    let [mut states, final_state] = incoming(&descriptor, 2);
    let states_of = oracle::forward(&descriptor, &data.inputs())?.states;
    let plain = states.clone();
    // In the middle of the second row's channel 3.
    let (b, t, d) = (1, 2345u64, 3);
    let at = |t: u64| ((b * time + t) * channels + d) as usize;
    states[at(t)] = f32::NAN;
    let sets = |t: u64| data.candidate[at(t)].abs() > data.threshold[at(t)].abs();
    // It flows back to the step that set what was held then.
    let reached_from = (0..=t).rev().find(|&t| sets(t)).unwrap_or(0);
    assert!(reached_from > 0 && reached_from < t && states_of[at(t)] == states_of[at(reached_from)], "a hold in the middle");

    let is_reached = |output, index| match output {
        0 | 1 => (reached_from..=t).any(|t| at(t) == index),
        2 => index == d as usize,
        _ => false,
    };
    keeps_to(runner, &descriptor, &data, [&plain, &states, &final_state], is_reached, &[0, 1, 2])
}

/// Nor does one pass a border, in the tree either: not where steps that set scale what passes them.
pub fn contains_nan_behind_borders(runner: &Runner) -> Result<(), Failed> {
    let (time, channels) = (4000, 5);
    let descriptor = Descriptor::relaxed(Shape { batch: 2, time, channels }, 0.5)
        .sequences(Sequences::Resets)
        .initial_state(InitialState::Given)
        .incoming(Incoming::Both)
        .save(Save::Codes);
    let mut data = data::generate(&descriptor, Rate::Once(300), Values::Plain, 2);
    let border = 1500;
    data.resets.fill(0);
    for row in data.resets.chunks_mut(time.div_ceil(32) as usize) {
        row[border as usize / 32] = 1 << (border % 32);
    }
    let [plain, final_state] = incoming(&descriptor, 2);
    // Two stretches behind the first, in one without a border.
    let (b, t, d) = (1, 2500u64, 3);
    let at = |t: u64| ((b * time + t) * channels + d) as usize;
    let is_reached = |output, index| match output {
        0 | 1 => (border..=t).any(|t| at(t) == index),
        2 => index == d as usize,
        _ => index == (channels + d) as usize,
    };
    for (bad, become_nan) in [(f32::NAN, &[0, 2, 3][..]), (f32::INFINITY, &[])] {
        let mut states = plain.clone();
        states[at(t)] = bad;
        keeps_to(runner, &descriptor, &data, [&plain, &states, &final_state], is_reached, become_nan)?;
    }
    Ok(())
}

/// 2^24 steps that set, of one channel: every sum has 2^24 terms.
pub fn long_sums(runner: &Runner) -> Result<(), Failed> {
    let terms = 1 << 24;
    let shapes = [Shape { batch: 1, time: terms, channels: 1 }, Shape { batch: 4096, time: terms / 4096, channels: 1 }];
    for shape in shapes {
        let descriptor = all(shape).threshold(Threshold::PerChannel);
        let mut case = BackwardCase::new(format!("{shape}"), descriptor, Rate::Half);
        case.choices = vec![CHOICE, Choice { backward: Strategy::Tiles, ..CHOICE }];
        conforms(runner, &[case])?;
    }
    Ok(())
}

pub fn anneals(runner: &Runner) -> Result<(), Failed> {
    let descriptor = all(Shape { batch: 1, time: 100, channels: 4 });
    let data = data::generate(&descriptor, Rate::Once(4), Values::Plain, 3);
    let [states, final_state] = incoming(&descriptor, 3);
    let incoming = IncomingGradients { states: &states, final_state: &final_state };
    let run = |k| {
        let surrogate = Surrogate::ArcTan { k };
        runner.gradients(&descriptor.clone().surrogates(surrogate, surrogate), &CHOICE, &data, &incoming)
    };
    let (_, before) = run(1.0)?;
    let pipelines = runner.gpu().kernels().pipeline_count();
    for k in [1.1, 2.0, 10.0] {
        assert!(run(k)?.1[0] != before[0], "the slope is used");
    }
    assert_eq!(runner.gpu().kernels().pipeline_count(), pipelines);
    Ok(())
}
