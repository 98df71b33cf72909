//! Units whose state is a number, through the `host` module: counts in and out, states read again, and ε at its ends.

use bmru::{
    Amplitude, Counts, Descriptor, IncomingGradients, InitialCount, InitialState, Inputs, Save, Shape, Strategy, Threshold,
    Tuning, Unit, oracle,
};

use bmru_conformance::Runner;
use libtest_mimic::Failed;

const SHAPE: Shape = Shape { batch: 2, time: 300, channels: 3 };

/// Different everywhere, and beyond a threshold of 1 about half of the time.
fn wave(count: u64, step: f32) -> Vec<f32> {
    (0..count).map(|index| 2.0 * (index as f32 * step).sin()).collect()
}

/// Counts go in and come out.
pub fn counts(runner: &Runner) -> Result<(), Failed> {
    let candidate = wave(SHAPE.batch * SHAPE.time * SHAPE.channels, 0.37);
    let descriptor = Descriptor::cumulative(SHAPE)
        .threshold(Threshold::PerChannel)
        .initial_state(InitialState::Given)
        .initial_count(InitialCount::Given)
        .counts(Counts::All);
    let inputs = Inputs {
        candidate: &candidate,
        threshold: &[1.0, 0.5, 1.5],
        amplitude: &[0.25, -3.0, 1.5],
        initial_state: &[1.0, 2.0, 3.0, -1.0, 0.0, 0.5],
        initial_count: &[5, -7, 0, 1000, -1000, 1],
        ..Inputs::default()
    };
    let expected = oracle::forward(&descriptor, &inputs)?;
    let gpu = runner.gpu();
    let actual = gpu.forward_blocking(&descriptor, &inputs)?;
    assert_eq!(actual.counts, expected.counts);
    assert_eq!(actual.final_count, expected.final_count);
    // Sums of few bits are exact.
    assert_eq!(actual.states, expected.states);
    Ok(())
}

/// A state that is a sum has the bits of the initial state while nothing sets, whatever they are. Where the matrix allows a rounding, it
/// does not see them.
pub fn held(runner: &Runner) -> Result<(), Failed> {
    let bits = [0x8000_0000, 0x7fa1_2345, 0x0000_0001, 0x807f_ffff, 0x7f80_0000, 0xffc0_0001];
    let initial_state = bits.map(f32::from_bits);
    let candidate = vec![0.5; (SHAPE.batch * SHAPE.time * SHAPE.channels) as usize];
    let inputs = Inputs {
        candidate: &candidate,
        threshold: &[1.0; 3],
        amplitude: &[0.25, -3.0, 1.5],
        initial_state: &initial_state,
        ..Inputs::default()
    };
    for unit in [Unit::Relaxed, Unit::Cumulative] {
        let descriptor =
            Descriptor::new(unit, SHAPE).epsilon(0.5).threshold(Threshold::PerChannel).initial_state(InitialState::Given);
        for strategy in Strategy::ALL {
            let tuning = Tuning { tile_steps: 32, ..runner.tuning().clone() }.with_strategy(strategy);
            let states = runner.gpu().clone().with_tuning(tuning).forward_blocking(&descriptor, &inputs)?.states;
            for (at, state) in states.iter().enumerate() {
                let (row, channel) = (at as u64 / SHAPE.channels / SHAPE.time, at as u64 % SHAPE.channels);
                let expected = bits[(row * SHAPE.channels + channel) as usize];
                assert!(state.to_bits() == expected, "{unit:?}, {strategy}: {:#010x}, not {expected:#010x}", state.to_bits());
            }
        }
    }
    Ok(())
}

/// Amplitudes per element have gradients of their own.
pub fn amplitudes(runner: &Runner) -> Result<(), Failed> {
    let elements = SHAPE.batch * SHAPE.time * SHAPE.channels;
    let rows = [wave(elements, 0.37), vec![1.0; elements as usize], wave(elements, 0.21)];
    // Candidates, thresholds and amplitudes of a step lie side by side.
    let channels = SHAPE.channels as usize;
    let steps = elements as usize / channels;
    let beside: Vec<f32> =
        (0..steps).flat_map(|row| rows.iter().flat_map(move |values| values[row * channels..][..channels].to_vec())).collect();
    let descriptor = Descriptor::bmru(SHAPE).amplitude(Amplitude::PerElement).side_by_side().save(Save::Codes);
    let inputs = Inputs { candidate: &beside, ..Inputs::default() };
    let gradient = wave(elements, 0.73);
    let incoming = IncomingGradients { states: &gradient, ..IncomingGradients::default() };
    let expected = oracle::backward(&descriptor, &inputs, &incoming)?;
    let gpu = runner.gpu();
    let outputs = gpu.forward_blocking(&descriptor, &inputs)?;
    let actual = gpu.backward_blocking(&descriptor, &inputs, &outputs.saved, &incoming)?;
    for (at, (&a, &e)) in actual.candidate.iter().zip(&expected.candidate).enumerate() {
        assert!((f64::from(a) - e).abs() <= 1e-4 * (1.0 + e.abs()), "{at}: {a}, not {e}");
    }
    Ok(())
}
