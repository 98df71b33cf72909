//! Hand-made tables. With boxcars of power-of-two widths every number is exact, and worked out in the comments:
//!
//! ```text
//! φ(u) = 1/4 where |u| < 2        ψ(c) = 2·1/8 = 1/4 where |c| < 4
//! ```

use bmru::oracle::{Outputs, forward};
use bmru::{Boundary, Gradients, Incoming, InitialState, Layout, Surrogate};

use crate::case::{Candidate, Case, LAYOUTS, Options, THRESHOLDS, Thresholds, named, of_oracle};

pub const BOTH: &[Boundary] = &[Boundary::Hold, Boundary::Set];
pub const HOLD: &[Boundary] = &[Boundary::Hold];
pub const SET: &[Boundary] = &[Boundary::Set];

pub const SURROGATES: [Surrogate; 2] = [Surrogate::Boxcar { half_width: 2.0 }, Surrogate::Boxcar { half_width: 4.0 }];

/// One channel.
pub struct Row {
    pub name: &'static str,
    pub boundaries: &'static [Boundary],
    pub alpha: f32,
    pub h0: Option<f32>,
    pub c: &'static [f32],
    pub r: &'static [f32],
    pub dh: &'static [f32],
    pub dh_final: Option<f32>,
    pub dc: &'static [f64],
    pub dr: &'static [f64],
    pub dalpha: f64,
    /// Only with `h0`.
    pub dh0: f64,
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // before = 8, 2, 2, −2          g = 1 + 2, 2, 4 + 24, 8 + 16 (steps 2 and 4 hold)
    // w = 2 − 8, −2 − 2, −2 − 2, 2 + 2 = −6, −4, −4, 4
    // u = ½, −½, 2, −½: φ = ¼, ¼, 0, ¼          φgw = −4½, −2, 0, 24          gαψ = 3·2·¼, –, 28·2·¼, –
    Row { name: "sets, holds, sets, holds", boundaries: BOTH, alpha: 2.0, h0: Some(8.0),
        c: &[1.5, -0.5, -3.0, 0.5], r: &[1.0, 1.0, -1.0, -1.0], dh: &[1.0, 2.0, 4.0, 8.0], dh_final: Some(16.0),
        dc: &[1.5 - 4.5, 2.0, 14.0, 24.0], dr: &[4.5, 2.0, 0.0, 24.0], dalpha: 3.0 - 28.0, dh0: 0.0 },
    // before = 1½          g = 1 + 2, −2 + 4          w = −½ − 1½, ½ − 1½          φgw = ¼·3·(−2), ¼·2·(−1)
    Row { name: "what the first step holds goes to h0", boundaries: BOTH, alpha: -0.5, h0: Some(1.5),
        c: &[0.25, -0.25], r: &[0.5, -1.0], dh: &[1.0, -2.0], dh_final: Some(4.0),
        dc: &[-1.5, 0.5], dr: &[1.5, -0.5], dalpha: 0.0, dh0: 3.0 },
    // g = 1 + 3, 3          w = 2 − 1, −2 − 1          u = 0          φgw = ¼·4·1, ¼·3·(−3)
    Row { name: "the edge holds", boundaries: HOLD, alpha: 2.0, h0: Some(1.0),
        c: &[1.0, -1.0], r: &[1.0, 1.0], dh: &[1.0, 3.0], dh_final: None,
        dc: &[1.0, 2.25], dr: &[-1.0, 2.25], dalpha: 0.0, dh0: 4.0 },
    // before = 1, 2          g = 1, 3          w = 2 − 1, −2 − 2          φgw = ¼, −3          gαψ = ½, 1½
    Row { name: "the edge sets", boundaries: SET, alpha: 2.0, h0: Some(1.0),
        c: &[1.0, -1.0], r: &[1.0, 1.0], dh: &[1.0, 3.0], dh_final: None,
        dc: &[0.75, 4.5], dr: &[-0.25, 3.0], dalpha: 1.0 - 3.0, dh0: 0.0 },
    // g = 2 + 4, 4          w = −2 − 1          φgw = ¼·6·(−3), ¼·4·(−3)          sign(±0) = 0
    Row { name: "S(±0) = −1 where the edge holds", boundaries: HOLD, alpha: 2.0, h0: Some(1.0),
        c: &[0.0, -0.0], r: &[1.0, -1.0], dh: &[2.0, 4.0], dh_final: None,
        dc: &[0.0, 0.0], dr: &[4.5, -3.0], dalpha: 0.0, dh0: 6.0 },
    // w = 2 − 1          φgw = ¼·6·1, ¼·4·1
    Row { name: "S(±0) = +1 where the edge sets", boundaries: SET, alpha: 2.0, h0: Some(1.0),
        c: &[0.0, -0.0], r: &[1.0, -1.0], dh: &[2.0, 4.0], dh_final: None,
        dc: &[0.0, 0.0], dr: &[-1.5, 1.0], dalpha: 0.0, dh0: 6.0 },
    // g = 7, 6, 4, and all signs are 0.
    Row { name: "zeros on the edge hold", boundaries: HOLD, alpha: 2.0, h0: Some(1.0),
        c: &[0.0, -0.0, 0.0], r: &[0.0, 0.0, -0.0], dh: &[1.0, 2.0, 4.0], dh_final: None,
        dc: &[0.0; 3], dr: &[0.0; 3], dalpha: 0.0, dh0: 7.0 },
    // g = 1, 2, 4          gαψ = g·2·¼; the gate's part has w = 1, 0, 0, but sign(±0) = 0
    Row { name: "zeros on the edge set", boundaries: SET, alpha: 2.0, h0: Some(1.0),
        c: &[0.0, -0.0, 0.0], r: &[0.0, 0.0, -0.0], dh: &[1.0, 2.0, 4.0], dh_final: None,
        dc: &[0.5, 1.0, 2.0], dr: &[0.0; 3], dalpha: 7.0, dh0: 0.0 },
    // u = 3, 4½, 2¾: φ = 0          ψ(4) = ψ(5) = 0, gαψ(3¾) = 4·1·¼
    Row { name: "beyond the widths", boundaries: BOTH, alpha: 1.0, h0: Some(1.0),
        c: &[4.0, -5.0, 3.75], r: &[1.0, 0.5, 1.0], dh: &[1.0, 2.0, 4.0], dh_final: None,
        dc: &[0.0, 0.0, 1.0], dr: &[0.0; 3], dalpha: 1.0 - 2.0 + 4.0, dh0: 0.0 },
    // before = −1, −1, 1          g = 0 (step 2 sets), 4 (step 3 holds), 4
    // w = –, 1 + 1, −1 − 1          φgw = 0, ¼·4·2, ¼·4·(−2)          gαψ = –, 4·1·¼, –
    Row { name: "only the final state has a gradient", boundaries: BOTH, alpha: 1.0, h0: Some(-1.0),
        c: &[0.5, 2.0, -0.5], r: &[1.0; 3], dh: &[], dh_final: Some(4.0),
        dc: &[0.0, 3.0, 2.0], dr: &[0.0, -2.0, 2.0], dalpha: 4.0, dh0: 0.0 },
    // before = 0          w = 2          φgw = ¼·4·2
    Row { name: "h0 = 0 where none is given", boundaries: BOTH, alpha: 2.0, h0: None,
        c: &[0.5], r: &[1.0], dh: &[4.0], dh_final: None,
        dc: &[2.0], dr: &[-2.0], dalpha: 0.0, dh0: 0.0 },
    // before = 0, −2          w = −2, 2 + 2          u = 1          φgw = −½, 2          gαψ = −½, −1
    Row { name: "amplitude below zero", boundaries: BOTH, alpha: -2.0, h0: None,
        c: &[2.0, -2.0], r: &[1.0, 1.0], dh: &[1.0, 2.0], dh_final: None,
        dc: &[-0.5 - 0.5, -2.0 - 1.0], dr: &[0.5, -2.0], dalpha: 1.0 - 2.0, dh0: 0.0 },
    // g = 3 − 3, −3: what cancels is 0          w = –, 2          φgw = 0, −1½
    Row { name: "gradients that cancel", boundaries: BOTH, alpha: 1.0, h0: Some(-1.0),
        c: &[0.5, 0.5], r: &[1.0, 1.0], dh: &[3.0, -3.0], dh_final: None,
        dc: &[0.0, -1.5], dr: &[0.0, 1.5], dalpha: 0.0, dh0: 0.0 },
    Row { name: "no steps", boundaries: BOTH, alpha: 2.0, h0: Some(1.0),
        c: &[], r: &[], dh: &[], dh_final: Some(3.0), dc: &[], dr: &[], dalpha: 0.0, dh0: 3.0 },
];

impl Row {
    fn case(&self, boundary: Boundary) -> Case {
        let initial_state = if self.h0.is_some() { InitialState::Given } else { InitialState::Zero };
        let incoming = match (self.dh, self.dh_final) {
            (_, None) => Incoming::States,
            ([], _) => Incoming::FinalState,
            _ => Incoming::Both,
        };
        let (layout, thresholds) = (Layout::default(), Thresholds::PerElement);
        Case {
            options: Options { layout, thresholds, boundary, initial_state, incoming, surrogates: SURROGATES },
            batch: 1,
            time: self.c.len(),
            channels: 1,
            c: self.c.to_vec(),
            r: self.r.to_vec(),
            alpha: vec![self.alpha],
            h0: self.h0.into_iter().collect(),
            dh: self.dh.to_vec(),
            dh_final: self.dh_final.into_iter().collect(),
        }
    }

    fn gradients(&self) -> Gradients<f64> {
        Gradients {
            candidate: self.dc.to_vec(),
            threshold: self.dr.to_vec(),
            amplitude: vec![self.dalpha],
            initial_state: self.h0.map(|_| self.dh0).into_iter().collect(),
        }
    }

    /// Each boundary of the row, as `equal` judges `dc` and `dr`.
    pub fn check(&self, candidate: Candidate<'_>, equal: fn(f64, f64) -> bool) -> Result<(), String> {
        let expected = self.gradients();
        self.boundaries.iter().try_for_each(|&boundary| {
            let actual = candidate(&self.case(boundary));
            same(&actual, &expected, equal).map_err(|error| format!("{}, {boundary:?}: {error}", self.name))
        })
    }
}

fn equal_values(a: f64, b: f64) -> bool {
    a == b
}

fn same(actual: &Gradients<f64>, expected: &Gradients<f64>, equal: fn(f64, f64) -> bool) -> Result<(), String> {
    for ((name, actual), (_, expected)) in named(actual).into_iter().zip(named(expected)) {
        // The sign of a zero is promised of these two alone.
        let equal = if matches!(name, "dc" | "dr") { equal } else { equal_values };
        let agree = actual.len() == expected.len() && actual.iter().zip(expected).all(|(&a, &b)| equal(a, b));
        if !agree {
            return Err(format!("{name} is {actual:?}, expected {expected:?}"));
        }
    }
    Ok(())
}

/// Two rows, two steps, two channels; thresholds 1 and −1.
///
/// ```text
/// (b, d)  α  h0   c        g        w       φgw        gαψ   sets
/// (0, 0)  1   3   ½,  2    1,   4   −2, −2  −½, −2     –, 1  second
/// (0, 1)  2   1   2, −½    10,  8    1, −4   2½, −8    5, –  first
/// (1, 0)  1   1  −2,  ½    80, 64   −2,  2  −40, 32   20, –  first
/// (1, 1)  2  −3  −½,  ½   160, 128   1,  5   40, 160   –, –  none
/// ```
///
/// `dα = 4 − 80, 10`; `dr = ∓φgw`, summed `½ + 2 + 40 − 32, 2½ − 8 + 40 + 160`.
pub fn square(layout: Layout, thresholds: Thresholds) -> (Case, Gradients<f64>) {
    let per_channel = thresholds == Thresholds::PerChannel;
    let (boundary, initial_state, incoming) = (Boundary::Hold, InitialState::Given, Incoming::States);
    let case = Case {
        options: Options { layout, thresholds, boundary, initial_state, incoming, surrogates: SURROGATES },
        batch: 2,
        time: 2,
        channels: 2,
        c: vec![0.5, 2.0, 2.0, -0.5, -2.0, -0.5, 0.5, 0.5],
        r: [1.0, -1.0].repeat(if per_channel { 1 } else { 4 }),
        alpha: vec![1.0, 2.0],
        h0: vec![3.0, 1.0, 1.0, -3.0],
        dh: vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0],
        dh_final: vec![],
    };
    let threshold = if per_channel { vec![10.5, 194.5] } else { vec![0.5, 2.5, 2.0, -8.0, 40.0, 40.0, -32.0, 160.0] };
    let gradients = Gradients {
        candidate: vec![-0.5, 7.5, 1.0 - 2.0, 8.0, 40.0 + 20.0, -40.0, 32.0, 160.0],
        threshold,
        amplitude: vec![-76.0, 10.0],
        initial_state: vec![1.0, 0.0, 0.0, 160.0],
    };
    (case, gradients)
}

/// Whether a candidate has the gradients of the tables.
pub fn agrees(candidate: Candidate<'_>) -> Result<(), String> {
    ROWS.iter().try_for_each(|row| row.check(candidate, equal_values))?;
    for layout in LAYOUTS {
        for thresholds in THRESHOLDS {
            let (case, expected) = square(layout, thresholds);
            let actual = candidate(&case);
            same(&actual, &expected, equal_values).map_err(|error| format!("{layout:?}, {thresholds:?}: {error}"))?;
        }
    }
    Ok(())
}

#[test]
fn the_oracle_has_the_gradients_of_the_tables() {
    agrees(&of_oracle).unwrap_or_else(|error| panic!("{error}"));
}

/// A table whose states are not those of the forward pass would be a table of something else.
#[test]
fn the_tables_begin_from_the_states_of_the_forward_pass() {
    let (case, _) = square(Layout::default(), Thresholds::PerElement);
    let Outputs { states, .. } = forward(&case.descriptor(), &case.slots().inputs()).expect("the slices fit");
    assert_eq!(states, [3.0, 2.0, 1.0, 2.0, -1.0, -3.0, -1.0, -3.0]);
    let Outputs { states, .. } =
        forward(&ROWS[0].case(Boundary::Hold).descriptor(), &ROWS[0].case(Boundary::Hold).slots().inputs())
            .expect("the slices fit");
    assert_eq!(states, [2.0, 2.0, -2.0, -2.0]);
}
