//! Elements of 16 bits, all 65,536 patterns of them, through the shaders.

use bmru::{
    Amplitude, Descriptor, Element, FinalState, Incoming, IncomingGradients, InitialState, Inputs, Limits, Save, Shape, Slot,
    Strategy, Strides, Surrogate, Threshold, Tuning, Unit, Validity, Variant, View, oracle,
};
use bmru_conformance::Runner;
use libtest_mimic::Failed;

const HALVES: [Element; 2] = [Element::F16, Element::Bf16];

/// Every element, and the last one twice where the rows shall be odd: then they take a detour.
fn patterns(element: Element, odd: bool) -> Vec<f32> {
    (0..=0xffffu32).chain(odd.then_some(0xffff)).map(|bits| element.decode(bits)).collect()
}

fn one_step(element: Element, channels: usize) -> Descriptor {
    Descriptor::bmru(Shape { batch: 1, time: 1, channels: channels as u64 }).element(element).threshold(Threshold::PerChannel)
}

/// The first number whose bits differ.
fn same(name: &str, actual: &[f32], expected: &[f32]) -> Result<(), Failed> {
    let differs = actual.iter().zip(expected).position(|(actual, expected)| actual.to_bits() != expected.to_bits());
    match differs {
        _ if actual.len() != expected.len() => Err(format!("{name}: {} of {} numbers", actual.len(), expected.len()).into()),
        Some(at) => Err(format!("{name} {at} is {:?}, expected {:?}", actual[at], expected[at]).into()),
        None => Ok(()),
    }
}

/// A state that is held is copied, whatever it is; one that is set is the amplitude's nearest element.
pub fn states(runner: &Runner) -> Result<(), Failed> {
    for element in HALVES {
        for odd in [false, true] {
            let held = patterns(element, odd);
            let descriptor = one_step(element, held.len()).initial_state(InitialState::Given).final_state(FinalState::Written);
            let (zeros, ones) = (vec![0.0; held.len()], vec![1.0; held.len()]);
            let inputs =
                Inputs { candidate: &zeros, threshold: &ones, amplitude: &ones, initial_state: &held, ..Inputs::default() };
            let outputs = runner.gpu().forward_blocking(&descriptor, &inputs)?;
            same("held", &outputs.states, &held)?;
            same("final", &outputs.final_state, &held)?;

            // The elements themselves, the middle between two, and the f32 on both sides of it.
            let middle = |x: f32| {
                let next = element.decode(element.encode(x) + 1);
                if next.is_finite() { ((f64::from(x) + f64::from(next)) / 2.0) as f32 } else { x }
            };
            let mut amplitudes = held.clone();
            amplitudes
                .extend(held.iter().filter(|x| x.is_finite()).map(|&x| middle(x)).flat_map(|x| [x.next_down(), x, x.next_up()]));
            // What a NaN carries beyond 16 bits.
            amplitudes.extend([0x7f80_0001, 0xff80_ffff, 0x7fa1_2345, 0xffc0_0001].map(f32::from_bits));
            amplitudes.truncate(amplitudes.len() - (amplitudes.len() + usize::from(odd)) % 2);
            let channels = amplitudes.len();
            let (twos, ones) = (vec![2.0; channels], vec![1.0; channels]);
            let inputs = Inputs { candidate: &twos, threshold: &ones, amplitude: &amplitudes, ..Inputs::default() };
            let outputs = runner.gpu().forward_blocking(&one_step(element, channels), &inputs)?;
            let nearest: Vec<f32> = amplitudes.iter().map(|&amplitude| element.round(amplitude)).collect();
            same("set", &outputs.states, &nearest)?;
        }
    }
    Ok(())
}

/// Copies by units whose state is a number: values that are filled and amplitudes per element as they are, and what a relaxed unit
/// holds through the `f32` that it is in registers.
pub fn numbers(runner: &Runner) -> Result<(), Failed> {
    for element in HALVES {
        for odd in [false, true] {
            let all = patterns(element, odd);
            let shape = Shape { batch: 1, time: 1, channels: all.len() as u64 };
            let (zeros, ones) = (vec![0.0; all.len()], vec![1.0; all.len()]);
            let with = |descriptor: &Descriptor, inputs: &Inputs<'_>| {
                let outputs = runner.gpu().forward_blocking(&descriptor.clone().final_state(FinalState::Written), inputs)?;
                same("the state", &outputs.states, &outputs.final_state)?;
                Ok::<_, Failed>(outputs.states)
            };
            let bits = vec![1; all.len()];
            let fill = Descriptor::forward_fill(shape).element(element);
            let masked = Inputs { candidate: &all, validity: &bits, ..Inputs::default() };
            same("filled", &with(&fill.clone().validity(Validity::Mask), &masked)?, &all)?;
            let fill = fill.initial_state(InitialState::Given);
            let values: Vec<f32> = all.iter().map(|&value| if value.is_nan() { 1.0 } else { value }).collect();
            same("values", &with(&fill, &Inputs { candidate: &all, initial_state: &ones, ..Inputs::default() })?, &values)?;

            let bmru = Descriptor::bmru(shape).element(element).amplitude(Amplitude::PerElement);
            let twos = vec![2.0; all.len()];
            let inputs = Inputs { candidate: &twos, threshold: &ones, amplitude: &all, ..Inputs::default() };
            same("amplitudes", &with(&bmru, &inputs)?, &all)?;
            let relaxed = Descriptor::relaxed(shape, 0.5).element(element).initial_state(InitialState::Given);
            let inputs =
                Inputs { candidate: &zeros, threshold: &ones, amplitude: &ones, initial_state: &all, ..Inputs::default() };
            same("held", &with(&relaxed, &inputs)?, &all)?;
            sums(runner, element, odd)?;
        }
    }
    Ok(())
}

/// What is added lies halfway between two elements, or just beside that: exact in an `f32`, and rounded once.
fn sums(runner: &Runner, element: Element, odd: bool) -> Result<(), Failed> {
    let unit = if element == Element::F16 { 2f64.powi(-10) } else { 2f64.powi(-7) };
    let mut terms = Vec::new();
    for x in patterns(element, false).into_iter().filter(|x| x.is_finite()) {
        let next = f64::from(element.decode(element.encode(x.abs()) + 1));
        let half = if next.is_finite() { (next - f64::from(x.abs())) / 2.0 } else { f64::from(x.abs()) / 4096.0 };
        let beside = [half, half * (1.0 + unit), half * (1.0 - unit / 2.0)];
        // Of the least elements half of a unit is none, and below the least normal f32 a sum may be flushed.
        let exact = |term: f64| f64::from(element.round(term as f32)) == term && term >= f64::from(f32::MIN_POSITIVE);
        terms.extend(beside.into_iter().filter(|&term| exact(term)).map(|term| (x, (term as f32).copysign(x))));
    }
    assert!(terms.len() > 100_000, "{} sums", terms.len());
    terms.truncate(terms.len() - (terms.len() + usize::from(odd)) % 2);
    let (states, amplitudes): (Vec<f32>, Vec<f32>) = terms.iter().copied().unzip();
    let (twos, ones) = (vec![2.0; terms.len()], vec![1.0; terms.len()]);
    let inputs =
        Inputs { candidate: &twos, threshold: &ones, amplitude: &amplitudes, initial_state: &states, ..Inputs::default() };
    let descriptor = Descriptor::cumulative(Shape { batch: 1, time: 1, channels: terms.len() as u64 })
        .element(element)
        .amplitude(Amplitude::PerElement)
        .initial_state(InitialState::Given);
    let nearest: Vec<f32> = terms.iter().map(|&(x, term)| element.round(x + term)).collect();
    same("sums", &runner.gpu().forward_blocking(&descriptor, &inputs)?.states, &nearest)
}

/// A state that rests between two parts of time of which only the second, a single step, takes pairs of elements.
pub fn rests(runner: &Runner) -> Result<(), Failed> {
    let (time, channels, row) = (33, 8, 12);
    let shape = Shape { batch: 1, time, channels };
    let view = View { slot: Slot::Candidate, offset: 0, strides: Strides { batch: time * row, time: row, channel: 1 } };
    // Channel d sets at step d alone.
    let (held, sets) = (vec![0.25, f32::NAN], vec![4.0, -0.5, 8.0, 1.5, -2.0, 3.0, -6.0, 0.75]);
    let tuning = Tuning {
        max_vector_width: 4,
        max_dispatch_elements: 32 * channels,
        ..runner.tuning().clone().with_strategy(Strategy::Serial)
    };
    let gpu = runner.gpu().clone().with_tuning(tuning.clone());
    for element in HALVES {
        let fill = Descriptor::forward_fill(shape).element(element).candidate_view(view);
        let bmru = Descriptor::bmru(shape).element(element).threshold(Threshold::PerChannel).candidate_view(view);
        for (descriptor, held) in [(fill.clone(), held[1]), (fill.limit(40), held[1]), (bmru, held[0])] {
            let pairs: Vec<bool> =
                descriptor.forward(&Limits::default(), &tuning)?.variants().iter().map(Variant::pairs).collect();
            assert_eq!(pairs, [false, true], "of the two parts");
            let mut candidate = vec![held; descriptor.slot_elements(Slot::Candidate)? as usize];
            for (d, &value) in sets.iter().enumerate() {
                candidate[d * row as usize + d] = value;
            }
            let thresholds = vec![0.5; channels as usize];
            let inputs = if descriptor.unit() == Unit::Bistable {
                Inputs { candidate: &candidate, threshold: &thresholds, amplitude: &sets, ..Inputs::default() }
            } else {
                Inputs { candidate: &candidate, ..Inputs::default() }
            };
            let expected = oracle::forward(&descriptor, &inputs)?;
            same("states", &gpu.forward_blocking(&descriptor, &inputs)?.states, &expected.states)?;
        }
    }
    Ok(())
}

/// A gradient that comes in is the number that it stands for, and one that goes out the nearest element.
pub fn gradients(runner: &Runner) -> Result<(), Failed> {
    for element in HALVES {
        for odd in [false, true] {
            let incoming = patterns(element, odd);
            let channels = incoming.len();
            // All steps set: the gradient of the amplitude is the one that comes in.
            let (twos, ones) = (vec![2.0; channels], vec![1.0; channels]);
            let inputs = Inputs { candidate: &twos, threshold: &ones, amplitude: &ones, ..Inputs::default() };
            let descriptor = one_step(element, channels).surrogates(Surrogate::Zero, Surrogate::Zero).save(Save::Codes);
            let saved = oracle::forward(&descriptor, &inputs)?.saved;
            let gradients = IncomingGradients { states: &incoming, final_state: &[] };
            let found = runner.gpu().backward_blocking(&descriptor, &inputs, &saved, &gradients)?.amplitude;
            for (&found, &expected) in found.iter().zip(&incoming) {
                // Only an f32 below the least normal one may be flushed.
                let flushed = found == 0.0 && expected.abs() < f32::MIN_POSITIVE;
                if !(found == expected || flushed || (found.is_nan() && expected.is_nan())) {
                    return Err(format!("{element:?} {expected:e} comes in as {found:e}").into());
                }
            }

            // Without steps the gradient of the final state is that of the initial one.
            let descriptor = Descriptor::bmru(Shape { batch: 1, time: 0, channels: channels as u64 })
                .element(element)
                .initial_state(InitialState::Given)
                .incoming(Incoming::FinalState)
                .save(Save::Codes);
            let inputs = Inputs { amplitude: &ones, initial_state: &ones, ..Inputs::default() };
            let saved = oracle::forward(&descriptor, &inputs)?.saved;
            let gradients = IncomingGradients { states: &[], final_state: &incoming };
            let found = runner.gpu().backward_blocking(&descriptor, &inputs, &saved, &gradients)?.initial_state;
            same("handed through", &found, &incoming)?;
        }
    }
    Ok(())
}
