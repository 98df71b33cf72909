//! Relaxed units where their sums are worst: factors next to 0 and to 1, powers of them that no float holds, terms that cancel, and
//! trees of one level and of three.

use bmru::{
    Amplitude, Descriptor, FinalState, Gradient, Incoming, InitialState, Operand, Shape, Strategy, Surrogate, Threshold, Unit,
};

use crate::backward::BackwardCase;
use crate::case::name_seed;
use crate::data::{Rate, Values};
use crate::numbers::of_row;
use crate::{Case, Scope};

/// Next to nothing, powers of two and others, and the largest below 1.
const FACTORS: [f32; 9] = [1e-40, 1e-9, 0.125, 0.5, 0.7, 0.9, 0.96875, 0.9997, 0.99999994];

/// Both ends, which [`Descriptor::relaxed`] gives to the exact kernels.
const ENDS: [f32; 2] = [0.0, 1.0];

/// At every step, at half of them, seldom, and many times in a row after a long hold, around the end of a tile.
const RATES: [(&str, Rate); 4] = [
    ("always", Rate::Always),
    ("half", Rate::Half),
    ("seldom", Rate::Once(300)),
    ("bursts", Rate::Bursts { held: 900, set: 190 }),
];

fn scan(epsilon: f32, [batch, time, channels]: [u64; 3]) -> Descriptor {
    Descriptor::new(Unit::Relaxed, Shape { batch, time, channels }).epsilon(epsilon).initial_state(InitialState::Given)
}

/// Forward.
pub(crate) fn forward(scope: Scope, cases: &mut Vec<Case>) {
    // It was beyond an earlier bound in Chromium: 147 steps set behind an initial state of 2^128.
    let mut case = of_row(&[4, 4, 1, 1, 1, 1, 0, 2, 0, 0, 2, 1, 0, 0, 1]);
    "relaxed/beyond an earlier bound".clone_into(&mut case.name);
    case.seed = name_seed("family/relaxed, half/1x1100x8/34111102021001/probe");
    cases.push(case);
    let strategies =
        [(Strategy::Serial, 1024, [1, 1100, 8]), (Strategy::Probe, 1024, [1, 3300, 8]), (Strategy::Probe, 32, [2, 2050, 3])];
    let mut number = 0;
    for epsilon in FACTORS {
        for (rate, sets) in RATES {
            for (strategy, tile_steps, shape) in strategies {
                number += 1;
                if scope == Scope::Quick && number % 5 > 0 {
                    continue;
                }
                // Each with the other amplitudes in the next round.
                let amplitude = [Amplitude::PerChannel, Amplitude::PerElement][number / 3 % 2];
                let descriptor = scan(epsilon, shape).amplitude(amplitude).final_state(FinalState::Written);
                let mut case =
                    Case::new(format!("relaxed/{epsilon:e}/{rate}/{strategy}/tiles of {tile_steps}"), descriptor, sets);
                case.values = Values::Wide;
                case.strategy = Some(strategy);
                case.tile_steps = Some(tile_steps);
                cases.push(case);
            }
        }
        deep(epsilon, cases);
        huge(epsilon, cases);
    }
    for epsilon in ENDS {
        for ((rate, sets), (strategy, tile_steps, shape)) in RATES.into_iter().zip(strategies.into_iter().cycle()) {
            for amplitude in [Amplitude::PerChannel, Amplitude::PerElement] {
                let name = format!("relaxed/end {epsilon}/{rate}/{amplitude:?}/{strategy}");
                let descriptor = scan(epsilon, shape).amplitude(amplitude).final_state(FinalState::Written);
                let mut case = Case::new(name, descriptor, sets);
                case.values = Values::Wide;
                case.strategy = Some(strategy);
                case.tile_steps = Some(tile_steps);
                cases.push(case);
            }
        }
    }
}

/// A tree of three levels.
fn deep(epsilon: f32, cases: &mut Vec<Case>) {
    let mut case = Case::new(format!("relaxed/{epsilon:e}/deep"), scan(epsilon, [1, 40_000, 1]), RATES[3].1);
    case.values = Values::Wide;
    case.strategy = Some(Strategy::Probe);
    case.tile_steps = Some(32);
    cases.push(case);
}

/// The largest initial states, of which powers that no float holds would leave something, beside small amplitudes.
fn huge(epsilon: f32, cases: &mut Vec<Case>) {
    for tile_steps in [32, 1024] {
        let descriptor = scan(epsilon, [1, 6000, 4]).threshold(Threshold::PerChannel);
        let mut case = Case::new(format!("relaxed/{epsilon:e}/huge/tiles of {tile_steps}"), descriptor, Rate::Half);
        case.values = Values::Huge;
        case.strategy = Some(Strategy::Probe);
        case.tile_steps = Some(tile_steps);
        cases.push(case);
    }
}

/// Backward: all gradients, or only that of the last state, of which little is left where much was scaled.
pub(crate) fn backward(scope: Scope, cases: &mut Vec<BackwardCase>) {
    let surrogates = [Surrogate::ArcTan { k: 2.0 }, Surrogate::Triangle { half_width: 0.8 }];
    let mut number = 0;
    for epsilon in FACTORS {
        for (rate, sets) in RATES {
            for incoming in [Incoming::States, Incoming::FinalState, Incoming::Both] {
                number += 1;
                if scope == Scope::Quick && number % 5 > 0 {
                    continue;
                }
                let descriptor = scan(epsilon, [1, 2100, 4])
                    .incoming(incoming)
                    .surrogates(surrogates[number % 2], surrogates[0])
                    .gradient(Operand::AmplitudeGradient, Gradient::Overwrite);
                let mut case = BackwardCase::new(format!("backward relaxed/{epsilon:e}/{rate}/{incoming:?}"), descriptor, sets);
                case.values = Values::Wide;
                cases.push(case);
            }
        }
    }
    for epsilon in ENDS {
        for (rate, sets) in RATES {
            let descriptor = scan(epsilon, [2, 2100, 4]).incoming(Incoming::Both);
            let mut case = BackwardCase::new(format!("backward relaxed/end {epsilon}/{rate}"), descriptor, sets);
            case.values = Values::Wide;
            cases.push(case);
        }
    }
}
