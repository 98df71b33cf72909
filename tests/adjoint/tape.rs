//! A small reverse-mode tape, and surrogates in formulas of its own. It shares nothing with the library.

use std::f64::consts::PI;

use bmru::{Boundary, Surrogate};

use crate::random::Rng;

/// A number on the tape.
#[derive(Clone, Copy)]
pub struct Var(pub usize);

struct Node {
    value: f64,
    /// What it was made of, each with the derivative.
    parents: [(usize, f64); 2],
}

#[derive(Default)]
pub struct Tape {
    nodes: Vec<Node>,
}

/// A derivative, and the sum of the magnitudes over all paths that it is the sum of: the scale of its rounding errors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Adjoint {
    pub value: f64,
    pub magnitude: f64,
}

/// How steps are evaluated; their derivative is the surrogate in any case.
#[derive(Clone, Copy)]
pub enum Step {
    Hard(Boundary),
    /// The function whose derivative the surrogate is, so that finite differences see it.
    Smooth,
}

impl Tape {
    fn push(&mut self, value: f64, parents: [(usize, f64); 2]) -> Var {
        self.nodes.push(Node { value, parents });
        Var(self.nodes.len() - 1)
    }

    /// Also for constants: nobody asks for their derivative.
    pub fn var(&mut self, value: f64) -> Var {
        self.push(value, [(0, 0.0); 2])
    }

    pub fn value(&self, Var(x): Var) -> f64 {
        self.nodes[x].value
    }

    fn one(&mut self, value: f64, Var(x): Var, derivative: f64) -> Var {
        self.push(value, [(x, derivative), (0, 0.0)])
    }

    pub fn add(&mut self, x: Var, y: Var) -> Var {
        self.push(self.value(x) + self.value(y), [(x.0, 1.0), (y.0, 1.0)])
    }

    pub fn sub(&mut self, x: Var, y: Var) -> Var {
        self.push(self.value(x) - self.value(y), [(x.0, 1.0), (y.0, -1.0)])
    }

    pub fn mul(&mut self, x: Var, y: Var) -> Var {
        let (a, b) = (self.value(x), self.value(y));
        self.push(a * b, [(x.0, b), (y.0, a)])
    }

    pub fn neg(&mut self, x: Var) -> Var {
        self.one(-self.value(x), x, -1.0)
    }

    /// `d|x|/dx = sign(x)`, and 0 at 0.
    pub fn abs(&mut self, x: Var) -> Var {
        let value = self.value(x);
        let sign = f64::from(i8::from(value > 0.0) - i8::from(value < 0.0));
        self.one(value.abs(), x, sign)
    }

    /// `H(x)`
    pub fn step(&mut self, x: Var, step: Step, surrogate: Surrogate) -> Var {
        let at = self.value(x);
        let value = match step {
            Step::Hard(Boundary::Hold) => f64::from(u8::from(at > 0.0)),
            Step::Hard(Boundary::Set) => f64::from(u8::from(at >= 0.0)),
            Step::Smooth => primitive(surrogate, at),
        };
        self.one(value, x, phi(surrogate, at))
    }

    /// `S(x) = 2·H(x) − 1`
    pub fn sign(&mut self, x: Var, step: Step, surrogate: Surrogate) -> Var {
        let (one, two) = (self.var(1.0), self.var(2.0));
        let step = self.step(x, step, surrogate);
        let doubled = self.mul(two, step);
        self.sub(doubled, one)
    }

    /// The derivatives of `x` with respect to everything.
    pub fn derivatives(&self, Var(x): Var) -> Vec<Adjoint> {
        let mut adjoints = vec![Adjoint::default(); self.nodes.len()];
        adjoints[x] = Adjoint { value: 1.0, magnitude: 1.0 };
        for (number, node) in self.nodes.iter().enumerate().rev() {
            let Adjoint { value, magnitude } = adjoints[number];
            for (parent, derivative) in node.parents {
                adjoints[parent].value += value * derivative;
                adjoints[parent].magnitude += magnitude * derivative.abs();
            }
        }
        adjoints
    }
}

/// `φ`, in forms other than the library's.
fn phi(surrogate: Surrogate, u: f64) -> f64 {
    match surrogate {
        Surrogate::Zero => 0.0,
        Surrogate::ArcTan { k } => {
            let x = PI * f64::from(k) * u;
            2.0 * f64::from(k) / (4.0 + x * x)
        }
        Surrogate::FastSigmoid { k } => {
            let y = 1.0 + f64::from(k) * u.abs();
            1.0 / (y * y)
        }
        Surrogate::Sigmoid { k } => f64::from(k) / (2.0 * (f64::from(k) * u / 2.0).cosh()).powi(2),
        Surrogate::Triangle { half_width } => {
            let width = f64::from(half_width);
            (width - u.abs()).max(0.0) / (width * width)
        }
        Surrogate::Boxcar { half_width } if u.abs() < f64::from(half_width) => 1.0 / (2.0 * f64::from(half_width)),
        Surrogate::Boxcar { .. } => 0.0,
    }
}

/// The function whose derivative `φ` is.
fn primitive(surrogate: Surrogate, u: f64) -> f64 {
    match surrogate {
        Surrogate::Zero => 0.0,
        Surrogate::ArcTan { k } => 0.5 + (PI * f64::from(k) * u / 2.0).atan() / PI,
        Surrogate::FastSigmoid { k } => u / (1.0 + f64::from(k) * u.abs()),
        Surrogate::Sigmoid { k } => 1.0 / (1.0 + (-f64::from(k) * u).exp()),
        Surrogate::Triangle { half_width } => {
            let v = (u / f64::from(half_width)).clamp(-1.0, 1.0);
            0.5 + v - 0.5 * v * v.abs()
        }
        Surrogate::Boxcar { half_width } => 0.5 + 0.5 * (u / f64::from(half_width)).clamp(-1.0, 1.0),
    }
}

/// All kinds with a random slope. On sixteenths, the edges of these widths are met exactly or from afar.
pub fn kinds(rng: &mut Rng) -> [Surrogate; 6] {
    let (k, half_width) = (rng.pick(&[0.5, 2.0, 8.0]), rng.pick(&[0.3, 0.7, 2.0]));
    [
        Surrogate::Zero,
        Surrogate::ArcTan { k },
        Surrogate::FastSigmoid { k },
        Surrogate::Sigmoid { k },
        Surrogate::Triangle { half_width },
        Surrogate::Boxcar { half_width },
    ]
}

#[test]
fn every_surrogate_is_the_derivative_of_its_primitive() {
    let mut rng = Rng(7);
    for surrogate in [kinds(&mut rng), kinds(&mut rng), kinds(&mut rng)].concat() {
        // Beside the kinks at 0, 0.3, 0.7 and 2.
        for u in [-40.0, -2.5, -1.9, -0.75, -0.6, -0.25, -0.01, 0.02, 0.2, 0.55, 0.8, 1.5, 2.25, 9.0] {
            let half = 1e-5;
            let slope = (primitive(surrogate, u + half) - primitive(surrogate, u - half)) / (2.0 * half);
            // A third derivative of at most 50·k³, and cancellation of 2⁻⁵³ over 10⁻⁵.
            assert!((phi(surrogate, u) - slope).abs() < 1e-6, "{surrogate:?} at {u}: {} and {slope}", phi(surrogate, u));
            let library = surrogate.derivative(u);
            assert!((phi(surrogate, u) - library).abs() <= 1e-13 * library, "{surrogate:?} at {u}: {library}");
        }
        let mass = primitive(surrogate, 1e12) - primitive(surrogate, -1e12);
        let expected = match surrogate {
            Surrogate::Zero => 0.0,
            Surrogate::FastSigmoid { k } => 2.0 / f64::from(k),
            _ => 1.0,
        };
        assert!((mass - expected).abs() < 1e-9, "{surrogate:?} has mass {mass}");
    }
}

#[test]
fn every_operation_is_differentiated() {
    let mut tape = Tape::default();
    tape.var(1.0);
    let (x, y) = (tape.var(-3.0), tape.var(5.0));
    // f = (−x·y − |x|)·x + x·x, and at −3: ∂f/∂x = −2·x·y − 2·|x| + 2·x = 18, ∂f/∂y = −x² = −9.
    let (product, magnitude) = (tape.mul(x, y), tape.abs(x));
    let negated = tape.neg(product);
    let difference = tape.sub(negated, magnitude);
    let (first, square) = (tape.mul(difference, x), tape.mul(x, x));
    let f = tape.add(first, square);
    let derivatives = tape.derivatives(f);
    assert_eq!((tape.value(f), derivatives[x.0].value, derivatives[y.0].value), (-27.0, 18.0, -9.0));

    for (boundary, at_zero) in [(Boundary::Hold, 0.0), (Boundary::Set, 1.0)] {
        for zero in [0.0, -0.0] {
            let mut tape = Tape::default();
            tape.var(1.0);
            let x = tape.var(zero);
            let surrogate = Surrogate::Boxcar { half_width: 2.0 };
            let step = tape.step(x, Step::Hard(boundary), surrogate);
            let (sign, magnitude) = (tape.sign(x, Step::Hard(boundary), surrogate), tape.abs(x));
            assert_eq!((tape.value(step), tape.value(sign)), (at_zero, 2.0 * at_zero - 1.0));
            let slope = |of| tape.derivatives(of)[x.0].value;
            assert_eq!((slope(step), slope(sign), slope(magnitude)), (0.25, 0.5, 0.0));
        }
    }
}
