//! The bound that kernels are held to: a twin of the kernels in single precision keeps it, however badly it rounds within what
//! WGSL allows; and an error of 10⁻⁴ in one gradient does not.

use bmru::{Gradients, Incoming, InitialState, Limits, Strategy, Surrogate, Tuning};
use bmru_conformance::bounds;
use proptest::prelude::{Strategy as Random, any, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use crate::case::{BOUNDARIES, Case, INCOMING, INITIAL_STATES, LAYOUTS, Options, THRESHOLDS, Thresholds, named, of_oracle};
use crate::random::{Grain, RATES, Rate, Rng};

use crate::device::{ROUNDINGS, Rounding, computed};

/// Gradients of the oracle and their bounds.
struct Judge {
    expected: Gradients<f64>,
    bounds: Gradients<f64>,
}

impl Judge {
    fn new(case: &Case) -> Self {
        let (descriptor, slots) = (case.descriptor(), case.slots());
        let depth = descriptor.backward(&Limits::default(), &Tuning::default()).expect("a plan").depth();
        let bounds = bounds(&descriptor, &slots.inputs(), &slots.incoming(), depth).expect("the slices fit");
        Self { expected: of_oracle(case), bounds: case.logical(&bounds) }
    }

    /// The largest error as a share of its bound; the first that is beyond it is an error.
    fn share(&self, actual: &Gradients<f64>) -> Result<f64, String> {
        let mut worst = 0.0f64;
        let all = named(actual).into_iter().zip(named(&self.expected)).zip(named(&self.bounds));
        for (((name, actual), (_, expected)), (_, bounds)) in all {
            for (at, ((actual, expected), bound)) in actual.iter().zip(expected).zip(bounds).enumerate() {
                let error = (actual - expected).abs();
                let share = if error == 0.0 { 0.0 } else { error / bound };
                // NaN is no share at all.
                let within = share <= 1.0;
                if !within {
                    return Err(format!("{name}[{at}] is {actual:e}, expected {expected:e} ± {bound:e}"));
                }
                worst = worst.max(share);
            }
        }
        Ok(worst)
    }
}

/// Kinds of surrogate, by number, with a slope or half width.
fn surrogate(kind: usize, slope: f32) -> Surrogate {
    match kind {
        0 => Surrogate::Zero,
        1 => Surrogate::ArcTan { k: slope },
        2 => Surrogate::FastSigmoid { k: slope },
        3 => Surrogate::Sigmoid { k: slope },
        4 => Surrogate::Triangle { half_width: slope },
        _ => Surrogate::Boxcar { half_width: slope },
    }
}

/// Slopes from 2⁻⁶ to 2⁶.
fn surrogates() -> impl Random<Value = Surrogate> {
    (0..6usize, -6.0..6.0f32).prop_map(|(kind, log)| surrogate(kind, log.exp2()))
}

fn options() -> impl Random<Value = Options> {
    let choices = (
        select(&LAYOUTS[..]),
        select(&THRESHOLDS[..]),
        select(&BOUNDARIES[..]),
        select(&INITIAL_STATES[..]),
        select(&INCOMING[..]),
    );
    (choices, surrogates(), surrogates()).prop_map(|((layout, thresholds, boundary, initial_state, incoming), gate, sign)| {
        Options { layout, thresholds, boundary, initial_state, incoming, surrogates: [gate, sign] }
    })
}

/// Magnitudes that differ by up to 2¹⁶ between inputs, states and gradients.
fn cases() -> impl Random<Value = Case> {
    let time = prop_oneof![6 => 1..=100usize, 2 => 100..=400usize, 1 => 1000..=2200usize];
    let grain = select(vec![Grain::Sixteenths, Grain::Anywhere]);
    let scales = (-8..=8i32, -8..=8i32, -8..=8i32);
    (options(), (1..=2usize, time, 1..=2usize), select(&RATES[..]), grain, scales, any::<u64>()).prop_map(
        |(options, (batch, time, channels), rate, grain, (inputs, states, gradients), seed)| {
            let mut case = Case::random(options, [batch, time, channels], rate, grain, &mut Rng(seed));
            let scale = |by: i32, values: &mut [f32]| values.iter_mut().for_each(|value| *value *= (by as f32).exp2());
            scale(inputs, &mut case.c);
            scale(inputs, &mut case.r);
            scale(states, &mut case.alpha);
            scale(states, &mut case.h0);
            scale(gradients, &mut case.dh);
            scale(gradients, &mut case.dh_final);
            case
        },
    )
}

/// The same cases in every run, unless `PROPTEST_CASES` asks for others.
fn for_all(cases: u32, test: impl Fn(Case) -> Result<(), String>) {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        (config.cases, config.rng_seed) = (cases, RngSeed::Fixed(0x626d_7275));
    }
    let result = TestRunner::new(config).run(&self::cases(), |case| test(case).map_err(TestCaseError::fail));
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn single_precision_stays_within_the_bound_however_it_rounds() {
    let worst = std::cell::Cell::new([0.0f64; 4]);
    for_all(1500, |case| {
        let judge = Judge::new(&case);
        for (number, rounding) in ROUNDINGS.into_iter().enumerate() {
            let share =
                judge.share(&computed(&case, rounding, Strategy::Serial)).map_err(|error| format!("{rounding:?}: {error}"))?;
            let mut all = worst.get();
            all[number] = all[number].max(share);
            worst.set(all);
        }
        Ok(())
    });
    println!("worst shares of the bound: {ROUNDINGS:?} {:.3?}", worst.get());
    // A bound five times too wide is a worse one.
    assert!(worst.get().iter().all(|&share| share > 0.2));
}

/// Where rounding decides on which side of a width a step lies.
#[test]
fn single_precision_stays_within_the_bound_on_the_edge_of_a_surrogate() {
    let mut rng = Rng(13);
    let mut sides = [0; 2];
    for number in 0..2000 {
        let half_width = rng.between(0.01, 3.0).abs();
        let gate = surrogate(4 + number % 2, half_width);
        let (layout, thresholds, boundary) = (LAYOUTS[0], Thresholds::PerElement, BOUNDARIES[0]);
        let (initial_state, incoming, surrogates) =
            (InitialState::Given, Incoming::Both, [gate, rng.pick(&[gate, Surrogate::Zero])]);
        let options = Options { layout, thresholds, boundary, initial_state, incoming, surrogates };
        let mut case = Case::random(options, [1, 3, 1], Rate::Half, Grain::Anywhere, &mut rng);
        for t in 0..case.time {
            // So that the difference is as wide as the surrogate is, give or take a few units.
            (case.r[t], case.c[t]) = (rng.between(0.5, 1.5), 0.0);
            let edge = (case.r[t].abs() + half_width).to_bits() + 2 - rng.below(5) as u32;
            case.c[t] = rng.signed(f32::from_bits(edge));
            let u = f64::from(case.c[t].abs()) - f64::from(case.r[t].abs());
            sides[usize::from(u < f64::from(half_width))] += 1;
        }
        let judge = Judge::new(&case);
        for rounding in ROUNDINGS {
            let share = judge.share(&computed(&case, rounding, Strategy::Serial));
            share.unwrap_or_else(|error| panic!("{gate:?}, {rounding:?}: {error}"));
        }
    }
    println!("{} beyond the edge, {} within", sides[0], sides[1]);
    assert!(sides.iter().all(|&steps| steps > 500));
}

#[test]
fn a_walk_and_a_tree_add_to_the_same_bits() {
    let bits =
        |gradients: Gradients<f64>| named(&gradients).map(|(_, values)| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
    for (number, time) in [1023, 1024, 1025, 2049, 33_000, 70_000].into_iter().enumerate() {
        for rate in RATES {
            let options = Options {
                layout: LAYOUTS[0],
                thresholds: THRESHOLDS[number % 2],
                boundary: BOUNDARIES[0],
                initial_state: InitialState::Given,
                incoming: Incoming::Both,
                surrogates: [Surrogate::default(); 2],
            };
            let mut case = Case::random(options, [1, time, 1], rate, Grain::Anywhere, &mut Rng(time as u64));
            if rate == Rate::Rare {
                // Rarer, so that gradients pass over stretches.
                let kept = |at: usize| at % 2500 == 2000;
                case.c.iter_mut().enumerate().filter(|(at, _)| !kept(*at)).for_each(|(_, c)| *c = c.clamp(-0.1, 0.1));
            }
            let [walk, tree] =
                [Strategy::Serial, Strategy::Tiles].map(|strategy| bits(computed(&case, Rounding::Nearest, strategy)));
            assert!(walk == tree, "T = {time}, {rate:?}");
        }
    }
}

/// Terms that all have one sign: no gradient is small because something cancelled.
fn aligned(gate: Surrogate, sign: Surrogate, thresholds: Thresholds, rng: &mut Rng) -> Case {
    let options = Options {
        layout: rng.pick(&LAYOUTS),
        thresholds,
        boundary: rng.pick(&BOUNDARIES),
        initial_state: InitialState::Given,
        incoming: Incoming::Both,
        surrogates: [gate, sign],
    };
    let mut case = Case::random(options, [2, 200, 2], Rate::Rare, Grain::Sixteenths, rng);
    for (b, d) in case.lanes() {
        case.alpha[d] = case.alpha[d].abs();
        let row = case.row(b, d);
        // No set and no hold finds the state that it would set.
        case.h0[row] = case.alpha[d] * 0.75 * rng.unit();
        for t in 0..case.time {
            let at = case.element(b, t, d);
            let sets = case.sets(b, t, d);
            let r = case.r[case.threshold(b, t, d)].abs();
            // S(0) is +1 where the edge sets: no hold is at 0.
            let magnitude = if case.c[at] == 0.0 && !sets { r / 2.0 } else { case.c[at].abs() };
            case.c[at] = if sets { magnitude } else { -magnitude };
        }
    }
    case.dh.iter_mut().chain(&mut case.dh_final).for_each(|value| *value = value.abs());
    case
}

#[test]
fn one_error_of_a_ten_thousandth_is_beyond_the_bound() {
    let mut rng = Rng(0x626d_7275);
    let mut planted = [0; 4];
    for pair in 0..36 {
        for thresholds in THRESHOLDS {
            // No edge of a triangle or boxcar is near.
            let kind = |number: usize| surrogate(number, if number < 4 { 2.0 } else { 8.0 });
            let case = aligned(kind(pair % 6), kind(pair / 6), thresholds, &mut rng);
            let judge = Judge::new(&case);
            let right = computed(&case, Rounding::Nearest, Strategy::Serial);
            judge.share(&right).unwrap_or_else(|error| panic!("{:?}: {error}", case.options));
            for (output, planted) in planted.iter_mut().enumerate() {
                for _ in 0..20 {
                    let mut wrong = right.clone();
                    let Gradients { candidate, threshold, amplitude, initial_state } = &mut wrong;
                    let values = [candidate, threshold, amplitude, initial_state].into_iter().nth(output).expect("four outputs");
                    let at = rng.below(values.len() as u64) as usize;
                    if values[at] == 0.0 {
                        continue;
                    }
                    values[at] *= 1.0 + 1e-4 * f64::from(rng.signed(1.0));
                    *planted += 1;
                    let name = named(&wrong)[output].0;
                    assert!(judge.share(&wrong).is_err(), "an error in {name}[{at}] is not seen: {:?}", case.options);
                }
            }
        }
    }
    println!("planted errors: {planted:?}");
    assert!(planted.iter().all(|&planted| planted > 100));
}
