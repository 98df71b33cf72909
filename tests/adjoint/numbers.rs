//! Units whose state is a number: their gradients are those of `h_t = z·(α·S(c) + ε·h_{t−1}) + (1 − z)·h_{t−1}`, unrolled.

use bmru::{
    Amplitude, Descriptor, Gradients, Incoming, IncomingGradients, InitialState, Inputs, Shape, Surrogate, Threshold, Unit,
    oracle,
};

use crate::case::{BOUNDARIES, named};
use crate::random::Rng;
use crate::tape::{Adjoint, Step, Tape, Var, kinds};

const UNITS: [(Unit, Amplitude, f32); 8] = [
    (Unit::Bistable, Amplitude::PerElement, 0.0),
    (Unit::Cumulative, Amplitude::PerChannel, 1.0),
    (Unit::Cumulative, Amplitude::PerElement, 1.0),
    (Unit::Relaxed, Amplitude::PerChannel, 0.5),
    (Unit::Relaxed, Amplitude::PerChannel, 0.9),
    (Unit::Relaxed, Amplitude::PerElement, 0.75),
    (Unit::Relaxed, Amplitude::PerChannel, 0.0),
    (Unit::Relaxed, Amplitude::PerChannel, 1.0),
];

/// Rows and channels, with thresholds and amplitudes for each element or for each channel.
struct Numbers {
    shape: Shape,
    c: Vec<f32>,
    r: Vec<f32>,
    alpha: Vec<f32>,
    h0: Vec<f32>,
    dh: Vec<f32>,
    dh_final: Vec<f32>,
}

impl Numbers {
    fn random(shape: Shape, threshold: Threshold, amplitude: Amplitude, rng: &mut Rng) -> Self {
        let [elements, rows, channels] =
            [shape.batch * shape.time * shape.channels, shape.batch * shape.channels, shape.channels].map(|count| count as usize);
        let mut sixteenths = |count: usize| (0..count).map(|_| rng.below(65) as f32 / 16.0 - 2.0).collect::<Vec<_>>();
        let c = sixteenths(elements);
        let r = sixteenths(if threshold == Threshold::PerElement { elements } else { channels });
        let alpha = sixteenths(if amplitude == Amplitude::PerElement { elements } else { channels });
        let h0 = (0..rows).map(|_| rng.between(0.5, 4.0)).collect();
        let mut gradients = |count: usize| (0..count).map(|_| rng.gradient()).collect();
        Self { shape, c, r, alpha, h0, dh: gradients(elements), dh_final: gradients(rows) }
    }

    fn inputs(&self) -> Inputs<'_> {
        let Self { c, r, alpha, h0, .. } = self;
        Inputs { candidate: c, threshold: r, amplitude: alpha, initial_state: h0, ..Inputs::default() }
    }

    fn incoming(&self) -> IncomingGradients<'_> {
        IncomingGradients { states: &self.dh, final_state: &self.dh_final }
    }

    fn gradients(&self, epsilon: f32, step: Step, [gate, sign]: [Surrogate; 2]) -> Gradients<Adjoint> {
        let mut tape = Tape::default();
        let one = tape.var(1.0);
        let mut vars = |values: &[f32]| values.iter().map(|&value| tape.var(value.into())).collect::<Vec<_>>();
        let (c, r, alpha, h0) = (vars(&self.c), vars(&self.r), vars(&self.alpha), vars(&self.h0));
        let (epsilon, mut loss) = (tape.var(epsilon.into()), tape.var(0.0));
        let [time, channels] = [self.shape.time, self.shape.channels].map(|length| length as usize);
        for (row, &before) in h0.iter().enumerate() {
            let (b, d) = (row / channels, row % channels);
            let mut h = before;
            for t in 0..time {
                let at = (b * time + t) * channels + d;
                // Of `[D]` there is one for all rows and steps.
                let [c, r, alpha] = [&c, &r, &alpha].map(|vars| vars[at % vars.len()]);
                let magnitudes = [c, r].map(|x| tape.abs(x));
                let u = tape.sub(magnitudes[0], magnitudes[1]);
                let (z, s) = (tape.step(u, step, gate), tape.sign(c, step, sign));
                let (state, kept) = (tape.mul(alpha, s), tape.mul(epsilon, h));
                let moved = tape.add(state, kept);
                let (set, held) = (tape.mul(z, moved), tape.sub(one, z));
                let held = tape.mul(held, h);
                h = tape.add(set, held);
                let weight = tape.var(self.dh[at].into());
                let term = tape.mul(weight, h);
                loss = tape.add(loss, term);
            }
            let weight = tape.var(self.dh_final[row].into());
            let term = tape.mul(weight, h);
            loss = tape.add(loss, term);
        }
        let derivatives = tape.derivatives(loss);
        let of = |vars: &[Var]| vars.iter().map(|&Var(x)| derivatives[x]).collect();
        Gradients { candidate: of(&c), threshold: of(&r), amplitude: of(&alpha), initial_state: of(&h0) }
    }
}

#[test]
fn the_oracle_is_the_derivative_of_the_unrolled_recurrence() {
    let mut rng = Rng(0x6e75_6d62);
    for number in 0..1600 {
        let (unit, amplitude, epsilon) = UNITS[number % UNITS.len()];
        let boundary = BOUNDARIES[number / UNITS.len() % 2];
        let surrogates = [kinds(&mut rng)[number % 6], kinds(&mut rng)[number / 6 % 6]];
        let threshold = [Threshold::PerElement, Threshold::PerChannel][number / 3 % 2];
        let shape = Shape { batch: 1 + rng.below(2), time: 1 + rng.below(40), channels: 1 + rng.below(3) };
        let numbers = Numbers::random(shape, threshold, amplitude, &mut rng);
        let descriptor = Descriptor::new(unit, shape)
            .threshold(threshold)
            .boundary(boundary)
            .amplitude(amplitude)
            .epsilon(epsilon)
            .initial_state(InitialState::Given)
            .incoming(Incoming::Both)
            .surrogates(surrogates[0], surrogates[1]);
        let actual = oracle::backward(&descriptor, &numbers.inputs(), &numbers.incoming()).expect("the slices fit");
        let expected = numbers.gradients(epsilon, Step::Hard(boundary), surrogates);
        for ((name, actual), (_, expected)) in named(&actual).into_iter().zip(named(&expected)) {
            assert_eq!(actual.len(), expected.len(), "{name}");
            for (at, (actual, Adjoint { value, magnitude })) in actual.iter().zip(expected).enumerate() {
                // Of the sum of all magnitudes: as in `unrolled`, with a product more for each step.
                let agrees = (actual - value).abs() <= 1e-12 * magnitude;
                assert!(
                    agrees,
                    "{unit:?}, {amplitude:?}, ε = {epsilon}: {name}[{at}] is {actual:e}, differentiation gives {value:e}"
                );
            }
        }
    }
}
