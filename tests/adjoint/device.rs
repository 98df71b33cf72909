//! A device in single precision: a twin of the kernels' arithmetic that rounds as badly as it may.

use bmru::{Boundary, Gradients, Strategy, Surrogate};

use crate::canonical::{Adder, sum, tree, walk};
use crate::case::{Case, Thresholds};
use crate::random::Rng;

/// WGSL fixes none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rounding {
    Nearest,
    Away,
    TowardZero,
    Random,
}

pub const ROUNDINGS: [Rounding; 4] = [Rounding::Nearest, Rounding::Away, Rounding::TowardZero, Rounding::Random];

/// That of `shaders/surrogate.wgsl`.
const LARGEST: f32 = (1u64 << 63) as f32;

/// As large as may be with a square, and its inverse below every bound.
#[test]
fn the_largest_argument_leaves_nothing() {
    let text = include_str!("../../shaders/surrogate.wgsl");
    let number = text.split_once("const LARGEST: f32 = ").and_then(|(_, behind)| behind.split_once(';')).expect("it is there").0;
    assert_eq!(number.parse(), Ok(LARGEST));
    assert!((LARGEST * LARGEST).is_finite());
    for surrogate in [Surrogate::ArcTan { k: 2.0 }, Surrogate::FastSigmoid { k: 1.0 }] {
        for u in [LARGEST, f32::MAX] {
            let left = Device::new(Rounding::Nearest).phi(surrogate, u);
            assert!(left <= f32::MIN_POSITIVE, "{surrogate:?} at {u:e} is {left:e}");
        }
    }
}

/// A device in single precision. Unless it rounds to nearest, division and `exp` are as wrong as WGSL allows, and denormals
/// are flushed.
struct Device {
    rounding: Rounding,
    rng: Rng,
}

impl Device {
    fn new(rounding: Rounding) -> Self {
        Self { rounding, rng: Rng(1) }
    }

    /// A result off by at most `units` in the last place; of one unit, one of its two neighbours.
    fn rounded(&mut self, exact: f64, units: f64) -> f32 {
        let nearest = exact as f32;
        let away = match self.rounding {
            Rounding::Nearest => return nearest,
            Rounding::Away => true,
            Rounding::TowardZero => false,
            Rounding::Random => self.rng.one_in(2),
        };
        if !nearest.is_finite() || nearest == 0.0 || (units == 1.0 && f64::from(nearest) == exact) {
            return nearest;
        }
        let is_beyond = f64::from(nearest).abs() > exact.abs();
        let bits = i64::from(nearest.abs().to_bits());
        let neighbour = if away { bits + i64::from(!is_beyond) } else { bits - i64::from(is_beyond) };
        let further = (units - 1.0) as i64;
        let bits = (if away { neighbour + further } else { neighbour - further }).max(0) as u32;
        let magnitude = f32::from_bits(bits);
        if magnitude < f32::MIN_POSITIVE { 0.0 } else { magnitude.copysign(nearest) }
    }

    fn sub(&mut self, a: f32, b: f32) -> f32 {
        self.add(a, -b)
    }

    fn mul(&mut self, a: f32, b: f32) -> f32 {
        self.rounded(f64::from(a) * f64::from(b), 1.0)
    }

    fn div(&mut self, a: f32, b: f32) -> f32 {
        self.rounded(f64::from(a) / f64::from(b), 2.5)
    }

    fn exp(&mut self, x: f32) -> f32 {
        self.rounded(f64::from(x).exp(), 3.0 + 2.0 * f64::from(x.abs()))
    }

    /// As `shaders/surrogate.wgsl` has it.
    fn phi(&mut self, surrogate: Surrogate, u: f32) -> f32 {
        match surrogate {
            Surrogate::Zero => 0.0,
            Surrogate::ArcTan { k } => {
                let x = self.mul(u, (std::f64::consts::FRAC_PI_2 * f64::from(k)) as f32).clamp(-LARGEST, LARGEST);
                let square = self.mul(x, x);
                let below = self.add(1.0, square);
                self.div(k / 2.0, below)
            }
            Surrogate::FastSigmoid { k } => {
                let x = self.mul(u.abs(), k).min(LARGEST);
                let below = self.add(1.0, x);
                let y = self.div(1.0, below);
                self.mul(y, y)
            }
            Surrogate::Sigmoid { k } => {
                let x = self.mul(u.abs(), k).min(128.0);
                let e = self.exp(-x);
                let y = self.add(1.0, e);
                let (above, below) = (self.mul(k, e), self.mul(y, y));
                self.div(above, below)
            }
            Surrogate::Triangle { half_width } => {
                let height = 1.0 / half_width;
                let x = self.mul(u.abs(), height).min(2.0);
                let v = self.sub(1.0, x).max(0.0);
                self.mul(v, height)
            }
            Surrogate::Boxcar { half_width } if u.abs() < half_width => 0.5 / half_width,
            Surrogate::Boxcar { .. } => 0.0,
        }
    }

    /// The gradients of a step, as `shaders/gate_adjoint.wgsl` has them: `dc`, `dr`.
    fn element(&mut self, [gate, sign]: [Surrogate; 2], [c, r, alpha, s, before]: [f32; 5], g: f32, sets: bool) -> [f32; 2] {
        if !(c.is_finite() && r.is_finite()) {
            return [0.0; 2];
        }
        let u = self.sub(c.abs(), r.abs());
        let w = self.sub(alpha * s, before);
        let (phi, weighed) = (self.phi(gate, u), self.mul(g, w));
        let through_gate = self.mul(phi, weighed);
        let signed = |x: f32| if x == 0.0 { 0.0 } else { through_gate * x.signum() };
        let by_sign = if sets {
            let (amplified, psi) = (self.mul(g, alpha), 2.0 * self.phi(sign, c));
            self.mul(amplified, psi)
        } else {
            0.0
        };
        [self.add(signed(c), by_sign), -signed(r)]
    }
}

impl Adder for Device {
    type Number = f32;

    fn zero(&self) -> f32 {
        0.0
    }

    fn add(&mut self, a: f32, b: f32) -> f32 {
        self.rounded(f64::from(a) + f64::from(b), 1.0)
    }
}

/// The backward pass of a device.
pub fn computed(case: &Case, rounding: Rounding, strategy: Strategy) -> Gradients<f64> {
    let mut device = Device::new(rounding);
    let per_channel = case.options.thresholds == Thresholds::PerChannel;
    let mut gradients = Gradients {
        candidate: vec![0.0; case.c.len()],
        threshold: vec![0.0; case.r.len()],
        amplitude: vec![0.0; case.channels],
        initial_state: vec![0.0; case.h0.len()],
    };
    for d in 0..case.channels {
        let (mut amplitude_terms, mut threshold_terms) = (Vec::new(), Vec::new());
        for b in 0..case.batch {
            let dh: Vec<f32> = (0..case.time).map(|t| case.dh(b, t, d)).collect();
            let sets: Vec<bool> = (0..case.time).map(|t| case.sets(b, t, d)).collect();
            let beyond = case.dh_final(b, d);
            let flow = match strategy {
                Strategy::Serial => walk(&mut device, &dh, &sets, beyond),
                _ => tree(&mut device, &dh, &sets, beyond),
            };
            let (mut state, mut terms) = (case.h0(b, d), [vec![0.0; case.time], vec![0.0; case.time]]);
            for t in 0..case.time {
                let (c, r) = (case.c[case.element(b, t, d)], case.r[case.threshold(b, t, d)]);
                let plus = c > 0.0 || (c == 0.0 && case.options.boundary == Boundary::Set);
                let s = if plus { 1.0 } else { -1.0 };
                let g = flow.states[t];
                let [dc, dr] = device.element(case.options.surrogates, [c, r, case.alpha[d], s, state], g, sets[t]);
                if sets[t] {
                    terms[0][t] = s * g;
                    state = s * case.alpha[d];
                }
                terms[1][t] = dr;
                gradients.candidate[case.element(b, t, d)] = dc.into();
                if !per_channel {
                    gradients.threshold[case.element(b, t, d)] = dr.into();
                }
            }
            let [amplitude, threshold] = terms;
            amplitude_terms.push(amplitude);
            threshold_terms.push(threshold);
            if let Some(dh0) = gradients.initial_state.get_mut(case.row(b, d)) {
                *dh0 = flow.leaving.into();
            }
        }
        gradients.amplitude[d] = sum(&mut device, &amplitude_terms).into();
        if per_channel {
            gradients.threshold[d] = sum(&mut device, &threshold_terms).into();
        }
    }
    gradients
}
