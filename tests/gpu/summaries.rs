//! One sequence on several devices: stretches that know each other by their summaries alone.

use bmru::host::Gpu;
use bmru::{
    Amplitude, Counts, Descriptor, Element, FinalState, GradientSummary, Incoming, IncomingGradients, InitialCount, InitialState,
    Inputs, Layout, Operand, Save, Shape, Slot, Strategy, Summary, TimeOrder, Tuning, Unit, Validity, View, oracle,
};
use bmru_conformance::data::{self, Rate, Slots, Values};
use bmru_conformance::{Runner, allowed, backward};
use libtest_mimic::Failed;

use crate::host::Host;

type Named = (&'static str, fn(Shape) -> Descriptor);

const UNITS: [Named; 9] = [
    ("bistable", Descriptor::bmru),
    ("first quadrant", Descriptor::first_quadrant),
    ("bistable per element", |shape| Descriptor::bmru(shape).amplitude(Amplitude::PerElement).side_by_side()),
    ("cumulative", |shape| Descriptor::cumulative(shape).initial_count(InitialCount::Given).counts(Counts::Final)),
    ("cumulative per element", |shape| Descriptor::cumulative(shape).amplitude(Amplitude::PerElement)),
    ("relaxed", |shape| Descriptor::relaxed(shape, 0.5)),
    ("forward fill", Descriptor::forward_fill),
    ("forward fill by a mask", |shape| Descriptor::forward_fill(shape).validity(Validity::Mask)),
    ("forward fill with a limit", |shape| {
        Descriptor::forward_fill(shape).limit(40).initial_count(InitialCount::Given).counts(Counts::Final)
    }),
];

/// Steps of the stretches: none, one, a tile with one step more, words, several tiles.
const STRETCHES: [u64; 7] = [1025, 0, 1, 96, 33, 4100, 31];

/// The part of a tensor of `[T, B, D]`, or of `[⌈T/32⌉][B][D]` words, that belongs to steps.
fn of_steps<T: Copy>(whole: &[T], rows: usize, from: u64, steps: u64) -> Vec<T> {
    let row = whole.len() / rows.max(1);
    whole[from as usize * row..(from + steps) as usize * row].to_vec()
}

/// A stretch of the data: with time outermost it is one piece of every tensor.
fn stretch(whole: &Descriptor, data: &Slots, from: u64, steps: u64) -> Slots {
    let Shape { batch, time, channels } = whole.shape();
    let piece = |slot: &Vec<f32>, per_step: bool| {
        if per_step && !slot.is_empty() { of_steps(slot, time as usize, from, steps) } else { slot.clone() }
    };
    let has_steps = |operand| whole.view(operand).is_some_and(|view: View| view.strides.time > 0);
    // Bits lie in words of their row: cut anew.
    let words = |t: u64| (t.div_ceil(32) * channels) as usize;
    let validity = (0..batch as usize).flat_map(|b| {
        let row = if data.validity.is_empty() { &[][..] } else { &data.validity[b * words(time)..(b + 1) * words(time)] };
        let bit = |t: u64, d: u64| row[(t / 32 * channels + d) as usize] >> (t % 32) & 1;
        let word = |w: u64, d: u64| (0..32).filter(|k| 32 * w + k < steps).map(|k| bit(from + 32 * w + k, d) << k).sum::<u32>();
        let count = if row.is_empty() { 0 } else { steps.div_ceil(32) };
        (0..count).flat_map(|w| (0..channels).map(move |d| (w, d))).map(|(w, d)| word(w, d)).collect::<Vec<_>>()
    });
    Slots {
        candidate: piece(&data.candidate, true),
        threshold: piece(&data.threshold, has_steps(Operand::Threshold)),
        amplitude: piece(&data.amplitude, has_steps(Operand::Amplitude)),
        validity: validity.collect(),
        ..data.clone()
    }
}

/// A device with tiles of 32 steps, so that there is a tree above them, or as it is.
fn tunings(runner: &Runner) -> [Tuning; 2] {
    [runner.tuning().clone(), Tuning { tile_steps: 32, ..runner.tuning().clone() }.with_strategy(Strategy::Tiles)]
}

/// Composed summaries give each stretch the state that it begins in, and then its states have the bits of the whole.
pub fn forward(runner: &Runner) -> Result<(), Failed> {
    for (number, (name, unit)) in UNITS.into_iter().enumerate() {
        for element in [Element::F32, Element::F16, Element::Bf16] {
            let gpu = &runner.gpu().clone().with_tuning(tunings(runner)[number % 2].clone());
            let rate = [Rate::Once(30), Rate::Once(2000), Rate::Half][number % 3];
            one_sequence(gpu, unit, element, rate).map_err(|error| Failed::from(format!("{name}, {element:?}: {error:?}")))?;
        }
    }
    Ok(())
}

fn one_sequence(
    gpu: &Gpu,
    unit: fn(Shape) -> Descriptor,
    element: Element,
    rate: Rate,
) -> Result<(), Box<dyn std::error::Error>> {
    let of = |time| {
        let descriptor = unit(Shape { batch: 2, time, channels: 4 }).layout(Layout::TimeBatchChannel).element(element);
        let beside = descriptor.view(Operand::Threshold).is_some_and(|view| view.slot == Slot::Candidate);
        let descriptor = if beside { descriptor.side_by_side() } else { descriptor };
        descriptor.initial_state(InitialState::Given).final_state(FinalState::Written)
    };
    let time = STRETCHES.iter().sum();
    let (whole, values) = (of(time), Values::Plain);
    let data = data::generate(&whole, rate, values, 21);
    let expected = oracle::forward(&whole, &data.inputs())?;
    let [allowed, _] = allowed(&whole, &data.inputs(), &[], 64)?;
    let sums = matches!(whole.unit(), Unit::Cumulative | Unit::Relaxed);
    // What is handed on of a sum is rounded to its element, and so is off by more than a bound of one pass says.
    let rounded = sums && element != Element::F32 && whole.view(Operand::InitialCount).is_none();

    let (mut before, mut from, mut states) = (Summary::identity(&whole)?, 0, Vec::new());
    for steps in STRETCHES {
        let (scan, data) = (of(steps), stretch(&whole, &data, from, steps));
        let handed = before.after(&scan, &data.inputs())?;
        let inputs = Inputs { initial_state: &handed.states, initial_count: &handed.counts, ..data.inputs() };
        states.extend(gpu.forward_blocking(&scan, &inputs)?.states);

        let summary = gpu.summarize_blocking(&scan, &data.inputs())?;
        let oracle = oracle::summarize(&scan, &data.inputs())?;
        let exact = !sums || whole.view(Operand::InitialCount).is_some();
        assert!(!exact || summary == oracle, "{summary:?} is not {oracle:?}");
        // Nobody need know more than the bytes.
        let received = Summary::from_bytes(&scan, &summary.to_bytes())?;
        assert_eq!(received, summary);
        before = before.then(&received)?;
        from += steps;
    }
    let last = before.after(&whole, &data.inputs())?;
    if !rounded {
        for (at, (state, wanted)) in states.iter().zip(&expected.states).enumerate() {
            let bound = allowed.bounds[at];
            let close = (f64::from(*state) - allowed.wanted[at]).abs() <= 4.0 * bound;
            assert!(state.to_bits() == wanted.to_bits() || sums && close, "state {at} is {state:e}, not {wanted:e}");
        }
        assert!(
            sums || last.states.iter().map(|x| x.to_bits()).eq(expected.final_state.iter().map(|x| x.to_bits()))
                || !last.counts.is_empty()
        );
    }
    assert_eq!(last.counts, if last.counts.is_empty() { Vec::new() } else { expected.final_count });
    Ok(())
}

/// The same of gradients, from behind: all stretches go back at once, each with what the summaries behind it tell.
pub fn gradients(runner: &Runner) -> Result<(), Failed> {
    for (number, (name, unit)) in UNITS.into_iter().enumerate().filter(|(_, (name, _))| !name.starts_with("forward")) {
        let gpu = &runner.gpu().clone().with_tuning(tunings(runner)[number % 2].clone());
        back(gpu, unit).map_err(|error| Failed::from(format!("{name}: {error:?}")))?;
    }
    Ok(())
}

fn back(gpu: &Gpu, unit: fn(Shape) -> Descriptor) -> Result<(), Box<dyn std::error::Error>> {
    let of = |time| {
        let descriptor = unit(Shape { batch: 2, time, channels: 4 }).layout(Layout::TimeBatchChannel).side_by_side();
        descriptor.initial_state(InitialState::Given).incoming(Incoming::Both).save(Save::Codes)
    };
    let time = STRETCHES.iter().sum();
    let whole = of(time);
    let data = data::generate(&whole, Rate::Once(700), Values::Plain, 22);
    let [states, final_state] = backward::incoming(&whole, 22);
    let incoming = IncomingGradients { states: &states, final_state: &final_state };
    let wanted = oracle::backward(&whole, &data.inputs(), &incoming)?;

    let mut from = 0;
    let mut before = Summary::identity(&whole)?;
    let mut pieces = Vec::new();
    for steps in STRETCHES {
        let (scan, data) = (of(steps), stretch(&whole, &data, from, steps));
        let handed = before.after(&scan, &data.inputs())?;
        let states = of_steps(&states, time as usize, from, steps);
        let inputs = Inputs { initial_state: &handed.states, initial_count: &handed.counts, ..data.inputs() };
        let saved = gpu.forward_blocking(&scan, &inputs)?.saved;
        let incoming = IncomingGradients { states: &states, final_state: &[] };
        let summary = gpu.summarize_gradient_blocking(&scan, &saved, &incoming)?;
        assert_eq!(GradientSummary::from_bytes(&scan, &summary.to_bytes())?, summary);
        before = before.then(&gpu.summarize_blocking(&scan, &data.inputs())?)?;
        pieces.push((scan, data.clone(), handed.clone(), saved, states, summary));
        from += steps;
    }
    let (mut candidate, mut behind) = (Vec::new(), GradientSummary::identity(&whole)?);
    let mut depth = 0;
    for (scan, data, handed, saved, states, summary) in pieces.iter().rev() {
        let beyond = behind.before(Some(&final_state))?;
        let inputs = Inputs { initial_state: &handed.states, initial_count: &handed.counts, ..data.inputs() };
        let incoming = IncomingGradients { states, final_state: &beyond };
        let mut gradients = gpu.backward_blocking(scan, &inputs, saved, &incoming)?.candidate;
        depth += 2 + scan.backward(&gpu.limits(), &Tuning::default())?.depth();
        gradients.append(&mut candidate);
        candidate = gradients;
        behind = summary.then(&behind)?;
    }
    let bounds = bmru_conformance::bounds(&whole, &data.inputs(), &incoming, depth)?;
    let through = behind.before(Some(&final_state))?;
    for (what, actual, wanted, bounds) in [
        ("candidate", candidate, wanted.candidate, bounds.candidate),
        ("initial state", through, wanted.initial_state, bounds.initial_state),
    ] {
        assert!(wanted.iter().any(|&gradient| gradient != 0.0), "{what} has gradients");
        for (at, ((actual, wanted), bound)) in actual.iter().zip(&wanted).zip(&bounds).enumerate() {
            assert!((f64::from(*actual) - wanted).abs() <= *bound, "{what}[{at}] is {actual:e}, not {wanted:e} ± {bound:e}");
        }
    }
    Ok(())
}

/// Of descending time the stretch that is taken first comes first, and of long sequences groups and parts are cut.
pub fn limits(runner: &Runner) -> Result<(), Failed> {
    let gpu = runner.gpu();
    let scan = Descriptor::bmru(Shape { batch: 3, time: 2500, channels: 8 }).time_order(TimeOrder::Descending);
    let data = data::generate(&scan, Rate::Once(900), Values::Plain, 23);
    let summary = oracle::summarize(&scan, &data.inputs())?;
    assert!(
        summary.words().contains(&0) && summary.words().contains(&1) && summary.words().contains(&3),
        "all that there can be"
    );
    assert_eq!(gpu.summarize_blocking(&scan, &data.inputs())?, summary);
    let small =
        bmru::Limits { max_storage_buffer_binding_size: 6 << 10, max_compute_workgroups_per_dimension: 2, ..gpu.limits() };
    let plan = scan.summarize(&small, runner.tuning())?;
    assert!(plan.dispatches().len() > 10, "{plan}");
    let host = Host::new(runner, None);
    let given = [(Slot::Candidate, &data.candidate), (Slot::Threshold, &data.threshold)];
    let ran = host.run(&plan, &given.map(|(slot, slice)| (slot, bytemuck::cast_slice(slice))))?;
    let written = host.download(&ran, Slot::Summary)?;
    assert_eq!(Summary::from_words(&scan, &written)?, summary);
    Ok(())
}
