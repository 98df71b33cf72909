//! Tests of the tests: a backward pass of the tests' own, right or with one mistake, goes through the checks that hold the
//! oracle. Each mistake must fail the checks that are there for it.

use bmru::{Boundary, Gradients};

use crate::case::{Case, Check, Thresholds, of_oracle};
use crate::{nonfinite, table, unrolled};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mistake {
    /// It is right.
    Nothing,
    /// `dr = +sign(r)·φ·g·w`
    WrongSign,
    /// `φ·g·w` without `sign(c)`
    NoSignOfCandidate,
    /// `w = α·S(c)`, without `(ε − 1)·h_{t−1}`
    DroppedState,
    /// `w = α·S(c) − h_t`
    StateAfter,
    /// `w = α − h_{t−1}`
    NoSignOfState,
    /// `g_t = dh_t + keep_t·g_{t+1}`
    OffByOne,
    /// `keep = 0`
    NotThroughHolds,
    /// `keep = 1`
    ThroughSets,
    /// `keep·g`, and `0·NaN` is NaN
    KeepAsFactor,
    /// `g_T = dh_T`
    MissingFinal,
    /// `dhT` comes to every step.
    FinalEverywhere,
    /// `dh0 = g_1`
    InitialThroughSets,
    /// `dh0 = keep_1·g_1 − dh_1`: what flows into step 1, not out of it
    InitialWithoutFirst,
    /// `ψ = φ`
    SignWithoutTwo,
    /// `φ` of the sign, `ψ` of the gate
    SwappedSurrogates,
    /// `φ(|c|)`
    SurrogateOfCandidate,
    /// No surrogate where it held.
    NoGateAtHolds,
    /// `ψ` also where it held
    SignAtHolds,
    /// `dα = Σ g·S(c)` over all steps
    AmplitudeAtHolds,
    /// `dα = Σ g`
    AmplitudeWithoutSign,
    /// `dα` of the last row
    AmplitudeOfOneRow,
    /// `dr` per channel of the last row
    ThresholdOfOneRow,
    /// `sign(±0) = 1`
    SignOfZero,
    /// `sign(x)` as a factor, and `0·NaN` is NaN
    SignAsFactor,
    /// `S(±0) = +1` where the edge holds
    PlusAtZero,
    /// `S(−0) = −1` where the edge sets
    MinusAtMinusZero,
    /// The edge sets where it holds and the other way round.
    OtherBoundary,
    /// No mask: `φ(∞)` is 0 and `φ(NaN)` is NaN.
    NoMask,
    /// The mask as a factor, and `0·NaN` is NaN
    MaskAsFactor,
    /// Only NaN is masked.
    InfinityNotMasked,
    /// Where slopes are masked, so is the gradient of the amplitude.
    AmplitudeMasked,
    /// Set unless `|c| < |r|` or `|c| ≤ |r|`, and NaN is neither
    NanSets,
}

use Mistake::*;

const CHECKS: [(&str, Check); 4] =
    [("unrolled", unrolled::agrees), ("table", table::agrees), ("masks", nonfinite::masks), ("contains", nonfinite::contains)];

/// Both see whatever is wrong with finite numbers.
const FINITE: &[&str] = &["unrolled", "table"];

/// Each mistake with checks that must see it, whatever else does.
const PLANTED: &[(Mistake, &[&str])] = &[
    (WrongSign, FINITE),
    (NoSignOfCandidate, FINITE),
    (DroppedState, FINITE),
    (StateAfter, FINITE),
    (NoSignOfState, FINITE),
    (OffByOne, FINITE),
    (NotThroughHolds, FINITE),
    (ThroughSets, FINITE),
    (KeepAsFactor, &["contains"]),
    (MissingFinal, FINITE),
    (FinalEverywhere, FINITE),
    (InitialThroughSets, FINITE),
    (InitialWithoutFirst, FINITE),
    (SignWithoutTwo, FINITE),
    (SwappedSurrogates, FINITE),
    (SurrogateOfCandidate, FINITE),
    (NoGateAtHolds, FINITE),
    (SignAtHolds, FINITE),
    (AmplitudeAtHolds, FINITE),
    (AmplitudeWithoutSign, FINITE),
    (AmplitudeOfOneRow, FINITE),
    (ThresholdOfOneRow, FINITE),
    (SignOfZero, FINITE),
    (SignAsFactor, &["contains"]),
    (PlusAtZero, FINITE),
    (MinusAtMinusZero, FINITE),
    (OtherBoundary, FINITE),
    (NoMask, &["masks"]),
    (MaskAsFactor, &["masks"]),
    (InfinityNotMasked, &["masks"]),
    (AmplitudeMasked, &["masks"]),
    (NanSets, &["masks"]),
];

fn backward(mistake: Mistake, case: &Case) -> Gradients<f64> {
    let has = |planted| mistake == planted;
    let boundary = case.options.boundary;
    let [gate, sign] =
        if has(SwappedSurrogates) { [case.options.surrogates[1], case.options.surrogates[0]] } else { case.options.surrogates };
    let zeros = |count| vec![0.0; count];
    let mut gradients = Gradients {
        candidate: zeros(case.c.len()),
        threshold: zeros(case.r.len()),
        amplitude: zeros(case.channels),
        initial_state: zeros(case.h0.len()),
    };
    for (b, d) in case.lanes() {
        let alpha = f64::from(case.alpha[d]);
        let pair = |t| (case.c[case.element(b, t, d)], case.r[case.threshold(b, t, d)]);
        let sets = |t| {
            let (c, r) = pair(t);
            let (c, r) = (c.abs(), r.abs());
            let edge = (boundary == Boundary::Set) != has(OtherBoundary);
            let nan = c.is_nan() || r.is_nan();
            c > r || edge && c == r || nan && has(NanSets)
        };
        let plus = |t| {
            let (c, _) = pair(t);
            let zero = match boundary {
                Boundary::Hold => has(PlusAtZero),
                Boundary::Set => !(has(MinusAtMinusZero) && c.is_sign_negative()),
            };
            c > 0.0 || c == 0.0 && zero
        };
        let set_state = |t| if plus(t) { alpha } else { -alpha };
        // h[t] is what step t finds.
        let mut h = vec![f64::from(case.h0(b, d))];
        for t in 0..case.time {
            h.push(if sets(t) { set_state(t) } else { h[t] });
        }

        let keep = |t: usize, g: f64| match sets(t) {
            _ if has(NotThroughHolds) => 0.0,
            _ if has(ThroughSets) => g,
            sets if has(KeepAsFactor) => f64::from(u8::from(!sets)) * g,
            true => 0.0,
            false => g,
        };
        if has(AmplitudeOfOneRow) {
            gradients.amplitude[d] = 0.0;
        }
        if has(ThresholdOfOneRow) && case.options.thresholds == Thresholds::PerChannel {
            gradients.threshold[d] = 0.0;
        }
        let last = if has(MissingFinal) && case.time > 0 { 0.0 } else { f64::from(case.dh_final(b, d)) };
        // The gradient of the state that is behind a step.
        let mut behind = last;
        for t in (0..case.time).rev() {
            let flowing = if has(OffByOne) && t + 1 < case.time {
                keep(t, behind)
            } else if t + 1 < case.time {
                keep(t + 1, behind)
            } else {
                behind
            };
            let everywhere = if has(FinalEverywhere) && t + 1 < case.time { last } else { 0.0 };
            let g = f64::from(case.dh(b, t, d)) + flowing + everywhere;
            behind = g;
            let (set, s) = (sets(t), if plus(t) { 1.0 } else { -1.0 });
            let (c, r) = pair(t);
            let masked = match mistake {
                NoMask => false,
                InfinityNotMasked => c.is_nan() || r.is_nan(),
                _ => !(c.is_finite() && r.is_finite()),
            };
            if (set || has(AmplitudeAtHolds)) && !(masked && has(AmplitudeMasked)) {
                gradients.amplitude[d] += if has(AmplitudeWithoutSign) { g } else { g * s };
            }

            let (c, r) = (f64::from(c), f64::from(r));
            let w = match mistake {
                DroppedState => set_state(t),
                StateAfter => set_state(t) - h[t + 1],
                NoSignOfState => alpha - h[t],
                _ => set_state(t) - h[t],
            };
            let u = if has(SurrogateOfCandidate) { c.abs() } else { c.abs() - r.abs() };
            let through_gate = if has(NoGateAtHolds) && !set { 0.0 } else { gate.derivative(u) * g * w };
            let psi = sign.derivative(c) * if has(SignWithoutTwo) { 1.0 } else { 2.0 };
            let through_sign = if set || has(SignAtHolds) { g * alpha * psi } else { 0.0 };
            let signed = |x: f64, value: f64| match mistake {
                SignAsFactor => value * f64::from(i8::from(x > 0.0) - i8::from(x < 0.0)),
                SignOfZero if x == 0.0 => value,
                _ if x == 0.0 => 0.0,
                _ => value * x.signum(),
            };
            let mut dc = if has(NoSignOfCandidate) { through_gate } else { signed(c, through_gate) } + through_sign;
            let mut dr = signed(r, through_gate) * if has(WrongSign) { 1.0 } else { -1.0 };
            if masked && has(MaskAsFactor) {
                // Finite slopes of a masked difference, as the shader takes them.
                (dc, dr) = (0.0 * g, 0.0 * g);
            } else if masked {
                (dc, dr) = (0.0, 0.0);
            }
            gradients.candidate[case.element(b, t, d)] = dc;
            gradients.threshold[case.threshold(b, t, d)] += dr;
        }
        if let Some(dh0) = gradients.initial_state.get_mut(case.row(b, d)) {
            *dh0 = match case.time {
                0 => behind,
                _ if has(InitialThroughSets) => behind,
                _ if has(InitialWithoutFirst) => keep(0, behind - f64::from(case.dh(b, 0, d))),
                _ => keep(0, behind),
            };
        }
    }
    gradients
}

/// The names of the checks that fail.
fn failed(mistake: Mistake) -> Vec<&'static str> {
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        if let Err(error) = check(&|case| backward(mistake, case)) {
            println!("{mistake:?}, {name}: {error}");
            failed.push(name);
        }
    }
    failed
}

#[test]
fn without_a_mistake_every_check_passes() {
    assert!(failed(Nothing).is_empty());
}

#[test]
fn every_mistake_fails_the_checks_that_are_there_for_it() {
    for &(mistake, expected) in PLANTED {
        let failed = failed(mistake);
        assert!(expected.iter().all(|check| failed.contains(check)), "{mistake:?} fails {failed:?}, not {expected:?}");
    }
}

/// The same operations in the same order, so to the bit.
#[test]
fn without_a_mistake_it_is_the_oracle() {
    unrolled::agrees(&|case| {
        let gradients = backward(Nothing, case);
        assert_eq!(gradients, of_oracle(case));
        gradients
    })
    .unwrap_or_else(|error| panic!("{error}"));
}
