//! What shaders take of a surrogate: a height and a scale, with which their functions are its derivative.

use bmru::{Descriptor, Limits, Shape, Surrogate, Tuning};

/// As `surrogate.wgsl` has them.
type Function = fn(f64, [f64; 2]) -> f64;

const ALL: [(Surrogate, Function); 6] = [
    (Surrogate::Zero, |_, _| 0.0),
    (Surrogate::ArcTan { k: 3.0 }, |u, [height, scale]| height / (1.0 + (u * scale).powi(2))),
    (Surrogate::FastSigmoid { k: 5.0 }, |u, [height, scale]| height / (1.0 + u.abs() * scale).powi(2)),
    (Surrogate::Sigmoid { k: 7.0 }, |u, [height, scale]| {
        let e = (-u.abs() * scale).exp();
        height * e / (1.0 + e).powi(2)
    }),
    (Surrogate::Triangle { half_width: 0.375 }, |u, [height, scale]| (1.0 - u.abs() * scale).max(0.0) * height),
    (Surrogate::Boxcar { half_width: 0.3 }, |u, [height, scale]| if u.abs() < scale { height } else { 0.0 }),
];

#[test]
fn heights_and_scales_are_those_of_the_derivative() {
    for (gate, of_gate) in ALL {
        for (sign, of_sign) in ALL {
            let descriptor = Descriptor::bmru(Shape { batch: 1, time: 3, channels: 1 }).surrogates(gate, sign);
            let plan = descriptor.backward(&Limits::default(), &Tuning::default()).expect("a small plan");
            let [a, b, c, d] = plan.dispatches()[0].params().surrogates.map(f64::from);
            // A sign jumps by two, from −α to α.
            for (surrogate, function, numbers) in [(gate, of_gate, [a, b]), (sign, of_sign, [c / 2.0, d])] {
                for u in [-3.0, -0.4, -0.25, -0.0, 0.0, 0.125, 0.29, 0.36, 1.0, 2.5] {
                    let (found, expected) = (function(u, numbers), surrogate.derivative(u));
                    // Either number is rounded to half a unit. Of what comes of the scale no exponent here is beyond 7·3, and a triangle
                    // is a difference from 1.
                    let bound = f64::from(f32::EPSILON) * (21.0 * expected + numbers[0]);
                    assert!((found - expected).abs() <= bound, "{surrogate:?} at {u}: {found}, {expected}");
                }
            }
        }
    }
}
