//! NaN and infinity, where differentiation says nothing: by hand.

use bmru::oracle::backward;
use bmru::{Boundary, Descriptor, Gradients, Incoming, IncomingGradients, InitialState, Inputs, Shape, Surrogate};

use crate::case::{Candidate, Case, LAYOUTS, Options, THRESHOLDS, Thresholds, named, of_oracle};
use crate::random::{Grain, RATES, Rate, Rng};
use crate::table::{BOTH, HOLD, Row, SET};

const NAN: f32 = f32::NAN;
const INF: f32 = f32::INFINITY;
const BAD: [f32; 3] = [NAN, INF, -INF];

/// Surrogates as in the table of finite numbers. Where `c` or `r` is not finite, `dc = dr = +0`.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    // g = 1 + 2 + 4, 2 + 4, 4          the third step: w = 2 − 1, φgw = ¼·4·1
    Row { name: "a NaN holds, and gradients pass", boundaries: BOTH, alpha: 2.0, h0: Some(1.0),
        c: &[NAN, 5.0, 0.5], r: &[0.0, NAN, 1.0], dh: &[1.0, 2.0, 4.0], dh_final: None,
        dc: &[0.0, 0.0, 1.0], dr: &[0.0, 0.0, -1.0], dalpha: 0.0, dh0: 7.0 },
    // g = 1, 2 + 4, 4, but nothing reaches the step before          the third step: before = −2, w = 2 + 2, φgw = ¼·4·4
    Row { name: "an infinite candidate sets, and gradients stop", boundaries: BOTH, alpha: 2.0, h0: Some(1.0),
        c: &[INF, -INF, 0.5], r: &[1.0, -1.0, 1.0], dh: &[1.0, 2.0, 4.0], dh_final: None,
        dc: &[0.0, 0.0, 4.0], dr: &[0.0, 0.0, -4.0], dalpha: 1.0 - 6.0, dh0: 0.0 },
    // g = 7, 6, 4          before = 1          the third step: w = 2 − 1
    Row { name: "an infinite threshold holds", boundaries: BOTH, alpha: 2.0, h0: Some(1.0),
        c: &[3.0, -3.0, 0.5], r: &[INF, -INF, 1.0], dh: &[1.0, 2.0, 4.0], dh_final: None,
        dc: &[0.0, 0.0, 1.0], dr: &[0.0, 0.0, -1.0], dalpha: 0.0, dh0: 7.0 },
    Row { name: "an infinite edge holds", boundaries: HOLD, alpha: 2.0, h0: Some(1.0),
        c: &[INF, -INF], r: &[INF, INF], dh: &[1.0, 2.0], dh_final: Some(4.0),
        dc: &[0.0, 0.0], dr: &[0.0, 0.0], dalpha: 0.0, dh0: 7.0 },
    // g = 1, 2 + 4
    Row { name: "an infinite edge sets", boundaries: SET, alpha: 2.0, h0: Some(1.0),
        c: &[INF, -INF], r: &[-INF, INF], dh: &[1.0, 2.0], dh_final: Some(4.0),
        dc: &[0.0, 0.0], dr: &[0.0, 0.0], dalpha: 1.0 - 6.0, dh0: 0.0 },
    // Negative gradients, candidates and thresholds: +0 all the same.
    Row { name: "no zero has a sign", boundaries: BOTH, alpha: -2.0, h0: Some(-1.0),
        c: &[-INF, NAN, -NAN], r: &[-1.0, -1.0, -INF], dh: &[-1.0, -2.0, -4.0], dh_final: None,
        dc: &[0.0; 3], dr: &[0.0; 3], dalpha: 7.0, dh0: 0.0 },
];

/// Bits: `−0` is not `+0`.
fn equal_bits(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits()
}

fn options(thresholds: Thresholds, boundary: Boundary) -> Options {
    // ArcTan is 0 nowhere: what is reached shows.
    let surrogates = [Surrogate::ArcTan { k: 2.0 }, Surrogate::ArcTan { k: 0.5 }];
    let (initial_state, incoming) = (InitialState::Given, Incoming::Both);
    Options { layout: LAYOUTS[0], thresholds, boundary, initial_state, incoming, surrogates }
}

/// What becomes of a gradient.
#[derive(Clone, Copy, PartialEq)]
enum Reached {
    /// Nothing: it keeps its bits.
    Not,
    /// It is 0 by a selection, `sign(0)`.
    Zero,
    /// It is not finite.
    Shows,
}

/// The gradients that `dh` at a step, or with `t = T` that of the final state, reaches: back to the step that set, or to `h0`.
fn reached(case: &Case, [b, t, d]: [usize; 3]) -> Gradients<Reached> {
    let nothing = |count| vec![Reached::Not; count];
    let mut reached = Gradients {
        candidate: nothing(case.c.len()),
        threshold: nothing(case.r.len()),
        amplitude: nothing(case.channels),
        initial_state: nothing(case.h0.len()),
    };
    for step in (0..=t.min(case.time - 1)).rev() {
        let (at, place, sets) = (case.element(b, step, d), case.threshold(b, step, d), case.sets(b, step, d));
        // The sign's part of a zero that sets is not selected away.
        let shows = |zero| if zero { Reached::Zero } else { Reached::Shows };
        reached.candidate[at] = shows(case.c[at] == 0.0 && !sets);
        reached.threshold[place] = shows(case.r[place] == 0.0);
        if sets {
            reached.amplitude[d] = Reached::Shows;
            return reached;
        }
    }
    reached.initial_state[case.row(b, d)] = Reached::Shows;
    reached
}

/// One incoming gradient is not finite.
fn keeps_to_its_hold(candidate: Candidate<'_>, case: &Case, at: [usize; 3], bad: f32) -> Result<(), String> {
    let [b, t, d] = at;
    let with = |value| {
        let mut case = case.clone();
        let at = if t < case.time { case.element(b, t, d) } else { case.row(b, d) };
        (if t < case.time { &mut case.dh } else { &mut case.dh_final })[at] = value;
        candidate(&case)
    };
    let (before, after) = (with(1.0), with(bad));
    let reached = reached(case, at);
    for (((name, before), (_, after)), (_, reached)) in named(&before).into_iter().zip(named(&after)).zip(named(&reached)) {
        for ((number, reached), (&before, &after)) in reached.iter().enumerate().zip(before.iter().zip(after)) {
            let right = match reached {
                Reached::Not => equal_bits(before, after),
                Reached::Zero => after == 0.0,
                Reached::Shows => !after.is_finite(),
            };
            if !right {
                return Err(format!("dh = {bad} at {at:?} makes {name}[{number}] {after} of {before}"));
            }
        }
    }
    Ok(())
}

/// Whether a candidate has the gradients of the table, and no gradient that is not finite, either, where `c` or `r` is not.
pub fn masks(candidate: Candidate<'_>) -> Result<(), String> {
    ROWS.iter().try_for_each(|row| row.check(candidate, equal_bits))?;
    for (c, r) in [(NAN, 1.0), (1.0, NAN), (INF, 1.0), (-INF, -1.0), (1.0, INF), (INF, INF), (-INF, INF), (NAN, NAN)] {
        for (boundary, bad) in BOTH.iter().flat_map(|&boundary| BAD.map(|bad| (boundary, bad))) {
            let options = options(Thresholds::PerElement, boundary);
            let mut case = Case::random(options, [1, 3, 1], Rate::Never, Grain::Sixteenths, &mut Rng(5));
            (case.c[1], case.r[1], case.dh[1]) = (c, r, bad);
            let gradients = candidate(&case);
            let [dc, dr] = [gradients.candidate[1], gradients.threshold[1]];
            if !(equal_bits(dc, 0.0) && equal_bits(dr, 0.0)) {
                return Err(format!("c = {c}, r = {r}, dh = {bad}, {boundary:?}: {dc}, {dr}"));
            }
            // But it reaches what the step held or set.
            let reached = if case.sets(0, 1, 0) { gradients.amplitude[0] } else { gradients.initial_state[0] };
            if reached.is_finite() {
                return Err(format!("c = {c}, r = {r}, dh = {bad}, {boundary:?} reaches neither h0 nor α: {reached}"));
            }
        }
    }
    Ok(())
}

/// Whether an incoming gradient that is not finite keeps to its hold.
pub fn contains(candidate: Candidate<'_>) -> Result<(), String> {
    let mut rng = Rng(3);
    for (thresholds, boundary) in THRESHOLDS.into_iter().flat_map(|kind| BOTH.iter().map(move |&boundary| (kind, boundary))) {
        for rate in RATES {
            let case = Case::random(options(thresholds, boundary), [2, 9, 2], rate, Grain::Sixteenths, &mut rng);
            for t in 0..=case.time {
                let (b, d) = (rng.below(2) as usize, rng.below(2) as usize);
                BAD.iter().try_for_each(|&bad| keeps_to_its_hold(candidate, &case, [b, t, d], bad))?;
            }
        }
    }
    Ok(())
}

#[test]
fn the_oracle_has_no_slope_where_something_is_not_finite() {
    masks(&of_oracle).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_gradient_that_is_not_finite_keeps_to_its_hold() {
    contains(&of_oracle).unwrap_or_else(|error| panic!("{error}"));
}

/// What nothing has counted is the initial state, whatever the amplitude.
#[test]
fn no_counts_of_an_infinite_amplitude() {
    let descriptor = Descriptor::cumulative(Shape { batch: 1, time: 1, channels: 1 }).initial_state(InitialState::Given);
    let (c, r, amplitude) = (&[0.5], &[1.0], &[INF]);
    let inputs = Inputs { candidate: c, threshold: r, amplitude, initial_state: &[2.0], ..Inputs::default() };
    let incoming = IncomingGradients { states: &[1.0], final_state: &[] };
    let gradients = backward(&descriptor, &inputs, &incoming).expect("the slices fit");
    // φ·g·(∞ − 2), and no NaN.
    assert_eq!((gradients.candidate, gradients.threshold), (vec![f64::INFINITY], vec![f64::NEG_INFINITY]));
}
