//! The recurrence unrolled on a tape from its definition, and the comparison with a candidate.
//!
//! Gates are factors here, signs are made of steps, and no gradient is written down, only
//! `h_t = z·α·S(c) + (1 − z)·h_{t−1}`.

use bmru::{Gradients, Surrogate};

use crate::case::{BOUNDARIES, Candidate, Case, INCOMING, INITIAL_STATES, LAYOUTS, Options, THRESHOLDS, named, of_oracle};
use crate::random::{Grain, RATES, Rng};
use crate::tape::{Adjoint, Step, Tape, Var, kinds};

/// The inputs of a case in double precision, in its order; `h0` also where the case has none.
#[derive(Clone)]
struct Values {
    c: Vec<f64>,
    r: Vec<f64>,
    alpha: Vec<f64>,
    h0: Vec<f64>,
}

impl Values {
    fn of(case: &Case) -> Self {
        let double = |values: &[f32]| values.iter().copied().map(f64::from).collect();
        let h0 = case.lanes().map(|(b, d)| f64::from(case.h0(b, d))).collect();
        Self { c: double(&case.c), r: double(&case.r), alpha: double(&case.alpha), h0 }
    }
}

/// The recurrence on a tape.
struct Unrolled {
    tape: Tape,
    c: Vec<Var>,
    r: Vec<Var>,
    alpha: Vec<Var>,
    h0: Vec<Var>,
    /// `Σ dh·h + Σ dhT·h_T`
    loss: Var,
}

fn unroll(case: &Case, values: &Values, step: Step) -> Unrolled {
    let [gate, sign] = case.options.surrogates;
    let mut tape = Tape::default();
    // The node that constants name as their parents.
    let one = tape.var(1.0);
    let mut vars = |values: &[f64]| values.iter().map(|&value| tape.var(value)).collect::<Vec<_>>();
    let (c, r, alpha, h0) = (vars(&values.c), vars(&values.r), vars(&values.alpha), vars(&values.h0));
    let mut loss = tape.var(0.0);
    let mut weigh = |tape: &mut Tape, weight: f32, h: Var| {
        let weight = tape.var(weight.into());
        let term = tape.mul(weight, h);
        loss = tape.add(loss, term);
    };
    for (b, d) in case.lanes() {
        let mut h = h0[case.row(b, d)];
        for t in 0..case.time {
            let (c, r) = (c[case.element(b, t, d)], r[case.threshold(b, t, d)]);
            let (c_magnitude, r_magnitude) = (tape.abs(c), tape.abs(r));
            let u = tape.sub(c_magnitude, r_magnitude);
            let z = tape.step(u, step, gate);
            let s = tape.sign(c, step, sign);
            let state = tape.mul(alpha[d], s);
            let set = tape.mul(z, state);
            let minus_z = tape.neg(z);
            let keep = tape.add(one, minus_z);
            let held = tape.mul(keep, h);
            h = tape.add(set, held);
            weigh(&mut tape, case.dh(b, t, d), h);
        }
        weigh(&mut tape, case.dh_final(b, d), h);
    }
    Unrolled { tape, c, r, alpha, h0, loss }
}

fn gradients(case: &Case, values: &Values, step: Step) -> Gradients<Adjoint> {
    let Unrolled { tape, c, r, alpha, h0, loss } = unroll(case, values, step);
    let derivatives = tape.derivatives(loss);
    let of = |vars: &[Var]| vars.iter().map(|&Var(x)| derivatives[x]).collect();
    // One that has no slot is written nowhere.
    let h0 = if case.h0.is_empty() { Vec::new() } else { of(&h0) };
    Gradients { candidate: of(&c), threshold: of(&r), amplitude: of(&alpha), initial_state: h0 }
}

/// Of the sum of the magnitudes. No path has more than 10 roundings and two for each of 70 steps; a sum adds at most
/// 3·70 of them; the forms of `φ` differ by 30 units at most. On both sides, of 2⁻⁵³ each: 9·10⁻¹⁴.
const AGREEMENT: f64 = 1e-12;

fn compare(case: &Case, actual: &Gradients<f64>) -> Result<(), String> {
    let expected = gradients(case, &Values::of(case), Step::Hard(case.options.boundary));
    for ((name, actual), (_, expected)) in named(actual).into_iter().zip(named(&expected)) {
        if actual.len() != expected.len() {
            return Err(format!("{} of {name}, not {}", actual.len(), expected.len()));
        }
        for (at, (actual, Adjoint { value, magnitude })) in actual.iter().zip(expected).enumerate() {
            // NaN agrees with nothing.
            let agrees = (actual - value).abs() <= AGREEMENT * magnitude;
            if !agrees {
                let Case { options, batch, time, channels, .. } = case;
                return Err(format!(
                    "{name}[{at}] is {actual:e}, differentiation gives {value:e}: {options:?}, B = {batch}, T = {time}, D = {channels}"
                ));
            }
        }
    }
    Ok(())
}

/// Every combination of all options, each with random numbers in a random size.
fn cases() -> impl Iterator<Item = Case> {
    let mut rng = Rng(0x626d_7275);
    let options = (0..36 * 3 * 2 * 2 * 3 * 2 * 4).map(|number| {
        let mut rest = number;
        let mut digit = |base: usize| {
            let digit = rest % base;
            rest /= base;
            digit
        };
        let surrogates = [digit(6), digit(6)];
        let thresholds = THRESHOLDS[digit(3)];
        let (boundary, initial_state) = (BOUNDARIES[digit(2)], INITIAL_STATES[digit(2)]);
        let (incoming, layout, rate) = (INCOMING[digit(3)], LAYOUTS[digit(2)], RATES[digit(4)]);
        (surrogates, layout, thresholds, boundary, initial_state, incoming, rate)
    });
    options.map(move |(pair, layout, thresholds, boundary, initial_state, incoming, rate)| {
        let kinds = [kinds(&mut rng), kinds(&mut rng)];
        let surrogates = [kinds[0][pair[0]], kinds[1][pair[1]]];
        let time = match rng.below(8) {
            0 => rng.below(3),
            1 => 31 + rng.below(3),
            _ => rng.below(71),
        };
        // Empty axes are rare, but there.
        let mut axis = |longest: u64| if rng.one_in(30) { 0 } else { 1 + rng.below(longest) };
        let size = [axis(3), time, axis(4)].map(|length| length as usize);
        let options = Options { layout, thresholds, boundary, initial_state, incoming, surrogates };
        Case::random(options, size, rate, Grain::Sixteenths, &mut rng)
    })
}

/// Whether a candidate is what automatic differentiation makes of the unrolled recurrence.
pub fn agrees(candidate: Candidate<'_>) -> Result<(), String> {
    cases().try_for_each(|case| compare(&case, &candidate(&case)))
}

#[test]
fn the_oracle_is_the_derivative_of_the_unrolled_recurrence() {
    agrees(&of_oracle).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn cases_meet_zeros_edges_and_every_rate() {
    let (mut count, mut held, mut steps, mut zeros, mut edges, mut minus, mut empty) = (0, 0, 0, 0, 0, 0, 0);
    for case in cases() {
        count += 1;
        empty += u32::from(case.c.is_empty());
        for (b, d) in case.lanes() {
            for t in 0..case.time {
                let (c, r) = (case.c[case.element(b, t, d)], case.r[case.threshold(b, t, d)]);
                steps += 1;
                held += u32::from(!case.sets(b, t, d));
                zeros += u32::from(c == 0.0 && r == 0.0);
                minus += u32::from(c.to_bits() == 1 << 31);
                edges += u32::from(c.abs() == r.abs() && c != 0.0);
            }
        }
    }
    println!("{count} cases, {steps} steps: {held} hold, {zeros} at c = r = 0, {minus} at c = −0, {edges} with |c| = |r| > 0");
    assert_eq!(count, 10_368);
    assert!(empty > 100 && zeros > 1000 && minus > 1000 && edges > 10_000);
    assert!(4 * held > steps && 4 * held < 3 * steps);
}

/// With gates that are smooth forward, too, the same tape is seen by finite differences.
#[test]
fn the_tape_is_what_finite_differences_see_of_a_smooth_gate() {
    let mut rng = Rng(11);
    let surrogates = [Surrogate::ArcTan { k: 2.0 }, Surrogate::Sigmoid { k: 3.0 }];
    for thresholds in THRESHOLDS {
        let options = Options {
            layout: LAYOUTS[0],
            thresholds,
            boundary: BOUNDARIES[0],
            initial_state: INITIAL_STATES[0],
            incoming: INCOMING[0],
            surrogates,
        };
        let case = Case::random(options, [2, 5, 2], RATES[2], Grain::Sixteenths, &mut rng);
        let mut values = Values::of(&case);
        // Away from the kink of the magnitude.
        for value in values.c.iter_mut().chain(&mut values.r) {
            *value += if *value < 0.0 { -0.1 } else { 0.1 };
        }
        let expected = gradients(&case, &values, Step::Smooth);
        let loss = |values: &Values| {
            let unrolled = unroll(&case, values, Step::Smooth);
            unrolled.tape.value(unrolled.loss)
        };
        for (field, (name, expected)) in named(&expected).into_iter().enumerate() {
            for (at, adjoint) in expected.iter().enumerate() {
                let moved = |by: f64| {
                    let mut moved = values.clone();
                    let Values { c, r, alpha, h0 } = &mut moved;
                    [c, r, alpha, h0][field][at] += by;
                    loss(&moved)
                };
                let half = 1e-5;
                let slope = (moved(half) - moved(-half)) / (2.0 * half);
                let Adjoint { value, magnitude } = *adjoint;
                assert!((slope - value).abs() < 1e-7 * (1.0 + magnitude), "{name}[{at}] is {value}, differences give {slope}");
            }
        }
    }
}
