//! The first-quadrant unit: a table by hand, and the recurrence unrolled on a tape from its definition,
//! `h_t = z_hi·α + (1 − z_hi)·(1 − z_lo)·h_{t−1}`.

use bmru::oracle::{backward, forward};
use bmru::{Amplitude, Boundary, Descriptor, Incoming, IncomingGradients, InitialState, Inputs, Shape, Surrogate, Threshold};

use crate::case::BOUNDARIES;
use crate::random::Rng;
use crate::tape::{Step, Tape, Var, kinds};

/// One channel with `φ(u) = 1/4` where `|u| < 2`.
fn one(c: &[f32], high: &[f32], low: &[f32], alpha: f32, h0: f32, dh: &[f32], boundary: Boundary) -> [Vec<f64>; 4] {
    let gate = Surrogate::Boxcar { half_width: 2.0 };
    let descriptor = Descriptor::first_quadrant(Shape { batch: 1, time: c.len() as u64, channels: 1 })
        .initial_state(InitialState::Given)
        .boundary(boundary)
        .surrogates(gate, Surrogate::Zero);
    // Rows of a high and a low threshold.
    let threshold: Vec<f32> = high.iter().zip(low).flat_map(|(&high, &low)| [high, low]).collect();
    let inputs = Inputs { candidate: c, threshold: &threshold, amplitude: &[alpha], initial_state: &[h0], ..Inputs::default() };
    let incoming = IncomingGradients { states: dh, final_state: &[] };
    let gradients = backward(&descriptor, &inputs, &incoming).expect("the slices fit");
    [gradients.candidate, gradients.threshold, gradients.amplitude, gradients.initial_state]
}

#[test]
fn gradients_are_those_of_the_table() {
    for boundary in BOUNDARIES {
        // Holds 8, sets to 2, holds 2, falls to 0, holds 0. g = 1, 2 + 4, 4, 8 + 16, 16: a step that sets lets nothing through.
        // Step 1: c − hi = −½, lo − c = −1½: w_hi = g·(α − h) = 1·(2 − 8), w_lo = g·h = 1·8.
        let [dc, dr, dalpha, dh0] =
            one(&[0.5, 2.0, 0.0, -2.0, 0.0], &[1.0; 5], &[-1.0; 5], 2.0, 8.0, &[1.0, 2.0, 4.0, 8.0, 16.0], boundary);
        // Step 2: c − hi = 1, hi fires: w_hi = 6·(2 − 8); lo − c = −3: no slope, and w_lo = 0 in any case.
        // Step 3: −1 and −1: w_hi = 4·(2 − 2), w_lo = 4·2.
        // Step 4: c − hi = −3: no slope; lo − c = 1, lo fires: w_lo = 24·2.
        // Step 5: −1 and −1: w_hi = 16·(2 − 0), w_lo = 16·0.
        assert_eq!(dc, [(-6.0 + 8.0) / 4.0, -36.0 / 4.0, 8.0 / 4.0, 48.0 / 4.0, 32.0 / 4.0]);
        let [high, low]: [Vec<f64>; 2] = [0, 1].map(|place| dr.iter().skip(place).step_by(2).copied().collect());
        assert_eq!(high, [6.0 / 4.0, 36.0 / 4.0, 0.0, 0.0, -32.0 / 4.0]);
        assert_eq!(low, [-8.0 / 4.0, 0.0, -8.0 / 4.0, -48.0 / 4.0, 0.0]);
        assert_eq!((dalpha, dh0), (vec![6.0], vec![1.0]));
    }
}

/// On an edge it is the boundary that decides; where both fire, the high one does, and the low one would take the state to 0.
#[test]
fn edges_and_thresholds_that_cross() {
    let run = |c: f32, high: f32, low: f32, boundary| one(&[c], &[high], &[low], 2.0, 8.0, &[4.0], boundary);
    let [dc, dr, dalpha, dh0] = run(1.0, 1.0, -1.0, Boundary::Hold);
    assert_eq!((dc, dr, dalpha, dh0), (vec![4.0 * (2.0 - 8.0) / 4.0], vec![6.0, -0.0], vec![0.0], vec![4.0]));
    let [dc, dr, dalpha, dh0] = run(1.0, 1.0, -1.0, Boundary::Set);
    assert_eq!((dc, dr, dalpha, dh0), (vec![-6.0], vec![6.0, 0.0], vec![4.0], vec![0.0]));
    // Both: without the high one the state would be 0, and without the low one nothing would change.
    let [dc, dr, dalpha, dh0] = run(1.0, 0.5, 1.5, Boundary::Hold);
    assert_eq!((dc, dr, dalpha, dh0), (vec![4.0 * 2.0 / 4.0], vec![-2.0, 0.0], vec![4.0], vec![0.0]));
}

/// A NaN fires nothing and has no slope; the other threshold has.
#[test]
fn nan_and_infinity_have_no_slope() {
    let run = |c: f32, high: f32, low: f32| one(&[c], &[high], &[low], 2.0, 8.0, &[4.0], Boundary::Hold);
    let zeros = || (vec![0.0], vec![0.0, 0.0]);
    let [dc, dr, ..] = run(f32::NAN, 1.0, -1.0);
    assert_eq!((dc, dr), zeros());
    let [dc, dr, ..] = run(f32::INFINITY, 1.0, -1.0);
    assert_eq!((dc, dr), zeros());
    let [dc, dr, ..] = run(0.0, f32::NAN, -1.0);
    assert_eq!((dc, dr), (vec![8.0], vec![0.0, -8.0]));
    let [dc, dr, ..] = run(0.0, 1.0, f32::NEG_INFINITY);
    assert_eq!((dc, dr), (vec![-6.0], vec![6.0, 0.0]));
    // The distance from a threshold may be infinite, and their sum may be.
    let [dc, dr, ..] = run(f32::MAX, -f32::MAX, -f32::MAX);
    assert_eq!((dc, dr), zeros());
    let [dc, dr, ..] = run(f32::MAX, f32::MAX, -1.0);
    assert_eq!((dc, dr), (vec![-6.0], vec![6.0, 0.0]));
    // `ArcTan` has a slope everywhere, and would make a NaN of one.
    let far = (f32::MAX, -f32::MAX, -f32::MAX);
    for (c, high, low) in [(f32::NAN, 1.0, -1.0), (0.0, f32::NAN, f32::NAN), (0.0, f32::INFINITY, f32::NEG_INFINITY), far] {
        let descriptor = Descriptor::first_quadrant(Shape { batch: 1, time: 1, channels: 1 });
        let inputs = Inputs { candidate: &[c], threshold: &[high, low], amplitude: &[2.0], ..Inputs::default() };
        let incoming = IncomingGradients { states: &[f32::MAX], final_state: &[] };
        let gradients = backward(&descriptor, &inputs, &incoming).expect("the slices fit");
        assert_eq!((gradients.candidate, gradients.threshold), zeros(), "{c}, {high}, {low}");
    }
}

struct Unrolled {
    tape: Tape,
    inputs: [Vec<Var>; 4],
    loss: Var,
}

/// Candidates, thresholds (high then low in each row), amplitudes and initial states: all `[b][t][d]`, or `[d]`, and `[b][d]`.
fn unroll(shape: Shape, values: [&[f32]; 4], [dh, dh_final]: [&[f32]; 2], boundary: Boundary, surrogate: Surrogate) -> Unrolled {
    let mut tape = Tape::default();
    let one = tape.var(1.0);
    let inputs = values.map(|values| values.iter().map(|&value| tape.var(value.into())).collect::<Vec<_>>());
    let [c, thresholds, alpha, h0] = &inputs;
    let [time, channels] = [shape.time, shape.channels].map(|length| length as usize);
    let mut loss = tape.var(0.0);
    for (row, &before) in h0.iter().enumerate() {
        let (b, d) = (row / channels, row % channels);
        let mut h = before;
        for t in 0..time {
            let at = (b * time + t) * channels + d;
            // Of channels there is one pair for all rows and steps.
            let pair = 2 * channels * (b * time + t) % thresholds.len();
            let (c, high, low) = (c[at], thresholds[pair + d], thresholds[pair + channels + d]);
            let above = tape.sub(c, high);
            let below = tape.sub(low, c);
            let z_high = tape.step(above, Step::Hard(boundary), surrogate);
            let z_low = tape.step(below, Step::Hard(boundary), surrogate);
            let without = |tape: &mut Tape, z: Var, state: Var| {
                let minus = tape.neg(z);
                let keep = tape.add(one, minus);
                tape.mul(keep, state)
            };
            let not_low = without(&mut tape, z_low, h);
            let not_high = without(&mut tape, z_high, not_low);
            let set = tape.mul(z_high, alpha[at % alpha.len()]);
            h = tape.add(set, not_high);
            let weight = tape.var(dh[at].into());
            let term = tape.mul(weight, h);
            loss = tape.add(loss, term);
        }
        let weight = tape.var(dh_final[row].into());
        let term = tape.mul(weight, h);
        loss = tape.add(loss, term);
    }
    Unrolled { tape, inputs, loss }
}

#[test]
fn the_oracle_is_the_derivative_of_the_unrolled_recurrence() {
    let mut rng = Rng(0x4651);
    let (mut steps, mut both, mut held) = (0, 0, 0);
    for number in 0..3000 {
        let surrogates = kinds(&mut rng);
        let surrogate = surrogates[number % surrogates.len()];
        let boundary = BOUNDARIES[number / 7 % 2];
        let per_channel = number / 3 % 2 == 1;
        let per_element = number / 2 % 3 == 1;
        let shape = Shape { batch: 1 + rng.below(2), time: rng.below(40), channels: 1 + rng.below(3) };
        let [batch, time, channels] = [shape.batch, shape.time, shape.channels].map(|length| length as usize);
        let elements = batch * time * channels;
        // Sixteenths, so that edges are met.
        let mut numbers =
            |count: usize, shift: f32| -> Vec<f32> { (0..count).map(|_| (rng.below(33) as f32 - 16.0) / 16.0 + shift).collect() };
        let c: Vec<f32> = numbers(elements, 0.0).iter().map(|c| 2.0 * c).collect();
        let rows = if per_channel { 1 } else { batch * time };
        let thresholds: Vec<f32> = (0..rows).flat_map(|_| [numbers(channels, 0.5), numbers(channels, -0.5)].concat()).collect();
        let alpha = numbers(if per_element { elements } else { channels }, 1.5);
        let (h0, dh, dh_final) = (numbers(batch * channels, 0.0), numbers(elements, 0.0), numbers(batch * channels, 0.0));

        let descriptor = Descriptor::first_quadrant(shape)
            .threshold(if per_channel { Threshold::PerChannel } else { Threshold::PerElement })
            .amplitude(if per_element { Amplitude::PerElement } else { Amplitude::PerChannel })
            .initial_state(InitialState::Given)
            .incoming(Incoming::Both)
            .boundary(boundary)
            .surrogates(surrogate, Surrogate::Zero);
        let inputs = Inputs { candidate: &c, threshold: &thresholds, amplitude: &alpha, initial_state: &h0, ..Inputs::default() };
        let incoming = IncomingGradients { states: &dh, final_state: &dh_final };
        let actual = backward(&descriptor, &inputs, &incoming).expect("the slices fit");
        let unrolled = unroll(shape, [&c, &thresholds, &alpha, &h0], [&dh, &dh_final], boundary, surrogate);
        let derivatives = unrolled.tape.derivatives(unrolled.loss);
        let found = [&actual.candidate, &actual.threshold, &actual.amplitude, &actual.initial_state];
        for (place, (found, vars)) in found.into_iter().zip(&unrolled.inputs).enumerate() {
            assert_eq!(found.len(), vars.len(), "gradient {place}");
            for (at, (found, &Var(var))) in found.iter().zip(vars).enumerate() {
                // As for the bistable unit.
                let expected = derivatives[var];
                let agrees = (found - expected.value).abs() <= 1e-12 * expected.magnitude;
                assert!(agrees, "gradient {place} [{at}] is {found:e}, differentiation gives {expected:?}: {descriptor:?}");
            }
        }
        let states = forward(&descriptor, &inputs).expect("the slices fit").states;
        steps += states.len();
        for (at, &c) in c.iter().enumerate() {
            let (row, d) = (at / channels, at % channels);
            let pair = 2 * channels * row % thresholds.len();
            let (high, low) = (thresholds[pair + d], thresholds[pair + channels + d]);
            both += usize::from(c > high && c < low);
            held += usize::from(c < high && c > low);
        }
    }
    println!("{steps} steps, {held} hold, at {both} both fire");
    assert!(steps > 50_000 && both > 1000 && held > steps / 5 && held < steps * 4 / 5);
}
