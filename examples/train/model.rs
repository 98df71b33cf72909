//! A layer of memory units with its input maps, and the chain rule through those maps. Everything here is in double precision, so
//! that a curve tells of the kernels' gradients and not of the rounding of parameters.

use bmru::{Descriptor, Gradients, InitialState, Save, Shape, Surrogate};
use bmru_conformance::data::Slots;

/// Units of the layer.
pub const UNITS: usize = 8;

/// `c = w·x + b`, `r = v·x + s`, `α` and `h0` of each unit, one row after the other.
#[derive(Clone)]
pub struct Parameters {
    pub rows: Vec<Vec<f64>>,
}

/// What the layer computes on input of the given shape.
pub fn descriptor(input: Shape) -> Descriptor {
    let surrogate = Surrogate::ArcTan { k: 2.0 };
    Descriptor::bmru(Shape { channels: UNITS as u64, ..input })
        .initial_state(InitialState::Given)
        .surrogates(surrogate, surrogate)
        .save(Save::Codes)
}

impl Parameters {
    /// Random parameters of units that see `width` inputs.
    pub fn random(rng: &mut fastrand::Rng, width: usize) -> Self {
        let mut row = || {
            let mut symmetric = |scale: f64| scale * (2.0 * rng.f64() - 1.0);
            let mut row: Vec<f64> = (0..width).map(|_| symmetric(1.0)).collect();
            row.push(symmetric(0.3));
            row.extend((0..width).map(|_| symmetric(0.2)));
            row.push(0.6 + symmetric(0.2));
            row.extend([1.0 + symmetric(0.3), symmetric(0.5)]);
            row
        };
        Self { rows: (0..UNITS).map(|_| row()).collect() }
    }

    /// `c`, `r`, `α`, `h0` for inputs `x[row][width]`.
    pub fn tensors(&self, x: &[f32], width: usize, batch: usize) -> Slots {
        let affine = |map: &[f64], x: &[f32]| {
            let products = map.iter().zip(x).map(|(weight, &x)| weight * f64::from(x));
            (products.sum::<f64>() + map[width]) as f32
        };
        let mapped = |begin: usize| {
            let units = move |x| self.rows.iter().map(move |row| affine(&row[begin..], x));
            x.chunks_exact(width).flat_map(units).collect()
        };
        let column = |number: usize| self.rows.iter().map(move |row| row[number] as f32);
        Slots {
            candidate: mapped(0),
            threshold: mapped(width + 1),
            amplitude: column(2 * width + 2).collect(),
            initial_state: (0..batch).flat_map(|_| column(2 * width + 3)).collect(),
            ..Slots::default()
        }
    }

    /// The gradient of every parameter, from those of the tensors.
    pub fn gradient(x: &[f32], width: usize, tensors: &Gradients<f64>) -> Self {
        let mut rows = vec![vec![0.0; 2 * width + 4]; UNITS];
        for (x, (dc, dr)) in
            x.chunks_exact(width).zip(tensors.candidate.chunks_exact(UNITS).zip(tensors.threshold.chunks_exact(UNITS)))
        {
            for (row, (dc, dr)) in rows.iter_mut().zip(dc.iter().zip(dr)) {
                for (number, &x) in x.iter().enumerate() {
                    row[number] += dc * f64::from(x);
                    row[width + 1 + number] += dr * f64::from(x);
                }
                row[width] += dc;
                row[2 * width + 1] += dr;
            }
        }
        for (row, amplitude) in rows.iter_mut().zip(&tensors.amplitude) {
            row[2 * width + 2] = *amplitude;
        }
        for states in tensors.initial_state.chunks_exact(UNITS) {
            for (row, state) in rows.iter_mut().zip(states) {
                row[2 * width + 3] += state;
            }
        }
        Self { rows }
    }

    /// One step of descent in signs.
    pub fn descend(&mut self, gradient: &Self, rate: f64) {
        for (parameters, gradients) in self.rows.iter_mut().zip(&gradient.rows) {
            for (parameter, gradient) in parameters.iter_mut().zip(gradients) {
                if *gradient != 0.0 {
                    *parameter -= rate * gradient.signum();
                }
            }
        }
    }

    pub fn minus(&self, other: &Self) -> Self {
        let row = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| a - b).collect();
        Self { rows: self.rows.iter().zip(&other.rows).map(row).collect() }
    }

    /// The lengths of the maps of candidates and of thresholds, of `α` and of `h0`, each as one vector.
    pub fn lengths(&self) -> [f64; 4] {
        let mut squares = [0.0; 4];
        for row in &self.rows {
            let map = row.len() / 2 - 1;
            let (maps, rest) = row.split_at(2 * map);
            let kinds = [&maps[..map], &maps[map..], &rest[..1], &rest[1..]];
            for (square, kind) in squares.iter_mut().zip(kinds) {
                *square += kind.iter().map(|value| value * value).sum::<f64>();
            }
        }
        squares.map(f64::sqrt)
    }
}
