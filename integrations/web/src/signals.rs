//! Signals to look at, all of about unit size.

use wasm_bindgen::prelude::wasm_bindgen;

/// What the page offers.
#[wasm_bindgen]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A slow sine under noise: thresholds make a clean switch of it.
    Sine,
    /// A quiet line with rare spikes of either sign: what a memory is for.
    Spikes,
    /// Steps that add up: crosses a threshold many times in a row, then not for long.
    Walk,
    /// Bits, each some steps long, under noise.
    Bits,
}

/// A signal of so many steps. The same seed gives the same signal.
#[must_use]
#[wasm_bindgen]
pub fn signal(kind: Signal, steps: usize, seed: u32) -> Vec<f32> {
    let mut rng = fastrand::Rng::with_seed(u64::from(seed) ^ (kind as u64) << 32);
    // A long signal has longer waves and not only more of them, so that its whole still has a shape.
    let scale = (steps as f32 / 400.0).powf(0.75).max(1.0);
    match kind {
        Signal::Sine => {
            let (period, phase) = (100.0 * scale, rng.f32() * std::f32::consts::TAU);
            let wave = |t: usize| (phase + std::f32::consts::TAU * t as f32 / period).sin();
            (0..steps).map(|t| wave(t) + 0.25 * normal(&mut rng)).collect()
        }
        Signal::Spikes => {
            let spike = |rng: &mut fastrand::Rng| if rng.bool() { 1.0 } else { -1.0 } * (1.2 + 0.6 * rng.f32());
            let value = |rng: &mut fastrand::Rng| if rng.f32() < 0.04 / scale { spike(rng) } else { 0.22 * normal(rng) };
            (0..steps).map(|_| value(&mut rng)).collect()
        }
        Signal::Walk => {
            // Pulled back to 0, or it would leave the picture.
            let pull = 1.0 - 0.02 / scale;
            let mut at = 0.0;
            let step = |_| {
                at = pull * at + 0.15 / scale.sqrt() * normal(&mut rng);
                at
            };
            (0..steps).map(step).collect()
        }
        Signal::Bits => {
            let length = (25.0 * scale) as usize;
            let mut bit = 1.0;
            let value = |t: usize| {
                if t.is_multiple_of(length) {
                    bit = if rng.bool() { 1.0 } else { -1.0 };
                }
                bit + 0.35 * normal(&mut rng)
            };
            (0..steps).map(value).collect()
        }
    }
}

/// About a standard normal number: the sum of twelve uniform ones.
fn normal(rng: &mut fastrand::Rng) -> f32 {
    (0..12).map(|_| rng.f32()).sum::<f32>() - 6.0
}

#[cfg(test)]
mod tests {
    use super::{Signal, signal};

    const ALL: [Signal; 4] = [Signal::Sine, Signal::Spikes, Signal::Walk, Signal::Bits];

    #[test]
    fn signals_are_of_unit_size_and_repeat() {
        for kind in ALL {
            for steps in [400, 300_000] {
                let values = signal(kind, steps, 7);
                assert_eq!(values.len(), steps);
                assert_eq!(values, signal(kind, steps, 7), "{kind:?}");
                assert_ne!(values, signal(kind, steps, 8), "{kind:?}");
                let highest = values.iter().fold(0.0f32, |high, value| high.max(value.abs()));
                assert!((0.8..6.0).contains(&highest), "{kind:?} of {steps} steps reaches {highest}");
            }
        }
    }

    #[test]
    fn no_steps_are_no_signal() {
        assert!(ALL.iter().all(|&kind| signal(kind, 0, 1).is_empty()));
    }
}
