//! Sequences by the oracle: what is packed is each sequence alone, and a row that is reset is its pieces; and a table written by hand.

use bmru::oracle::{Gradients, backward, forward};
use bmru::{
    Amplitude, Counts, Descriptor, FinalState, Incoming, IncomingGradients, InitialCount, InitialState, Inputs, Limits, Outputs,
    Save, Sequences, Shape, Threshold, TimeOrder, Tuning, Unit, Validity, check_cu_seqlens,
};
use bmru_conformance::data::Slots;

const CHANNELS: u64 = 3;

/// A name, a descriptor of a shape, and whether there is a backward pass.
type Named = (&'static str, fn(Shape) -> Descriptor, bool);

const UNITS: [Named; 9] = [
    ("bistable", Descriptor::bmru, true),
    ("first quadrant", Descriptor::first_quadrant, true),
    ("bistable per element", |shape| Descriptor::bmru(shape).amplitude(Amplitude::PerElement), true),
    ("cumulative", counted, true),
    ("cumulative per element", |shape| Descriptor::cumulative(shape).amplitude(Amplitude::PerElement), true),
    ("relaxed", |shape| Descriptor::relaxed(shape, 0.5), true),
    ("forward fill", Descriptor::forward_fill, false),
    ("forward fill with a mask", |shape| Descriptor::forward_fill(shape).validity(Validity::Mask), false),
    ("forward fill with a limit", limited, false),
];

fn counted(shape: Shape) -> Descriptor {
    Descriptor::cumulative(shape).counts(Counts::All).initial_count(InitialCount::Given)
}

fn limited(shape: Shape) -> Descriptor {
    Descriptor::forward_fill(shape).limit(2).counts(Counts::All).initial_count(InitialCount::Given)
}

/// Borders of packed sequences, and the steps of the row.
const PACKED: [(u64, &[u32]); 8] = [
    (1, &[0, 1]),
    (7, &[0, 3, 3, 7]),
    // Slack before, between nothing, and behind; the first and the last are empty.
    (40, &[2, 2, 5, 6, 33, 33, 33]),
    (64, &[0, 32, 64]),
    // Beyond the end.
    (33, &[0, 31, 40, 50]),
    (20, &[25, 30, 31]),
    (5, &[1]),
    (0, &[0, 0, 3]),
];

/// All slots of a descriptor. Of packed sequences it is the row that they lie in.
#[derive(Clone)]
struct Data {
    slots: Slots,
    of_states: Vec<f32>,
    of_final_state: Vec<f32>,
}

impl Data {
    /// For so many rows of states.
    fn new(descriptor: &Descriptor, rows: u64, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let Shape { batch, time, channels } = descriptor.shape();
        let filled = descriptor.unit() == Unit::ForwardFill;
        let masked = descriptor.view(bmru::Operand::Validity).is_some();
        let thresholds = if descriptor.threshold_kind() == Threshold::PerChannel { channels } else { batch * time * channels };
        let sides = if descriptor.unit() == Unit::FirstQuadrant { 2 } else { 1 };
        let amplitudes = if descriptor.amplitude_kind() == Amplitude::PerChannel { channels } else { batch * time * channels };
        let mut candidate = |_| {
            let value = rng.f32() * 6.0 - 3.0;
            if filled && !masked && rng.bool() { f32::NAN } else { value }
        };
        let candidate: Vec<f32> = (0..batch * time * channels).map(&mut candidate).collect();
        let mut any = |count: u64| (0..count).map(|_| rng.f32() * 4.0 - 2.0).collect::<Vec<f32>>();
        let [threshold, amplitude] = [thresholds * sides, amplitudes].map(&mut any);
        let [initial_state, of_states, of_final_state] =
            [rows * channels, batch * time * channels, rows * channels].map(&mut any);
        let initial_count = (0..rows * channels).map(|row| row as i32 % 5 - 1).collect();
        let validity = (0..batch * time.div_ceil(32) * channels).map(|_| rng.u32(..)).collect();
        let threshold = if filled { Vec::new() } else { threshold };
        let amplitude = if filled { Vec::new() } else { amplitude };
        let slots = Slots {
            candidate,
            threshold,
            amplitude,
            initial_state,
            initial_count: if descriptor.view(bmru::Operand::InitialCount).is_some() { initial_count } else { Vec::new() },
            validity: if masked { validity } else { Vec::new() },
            ..Slots::default()
        };
        Self { slots, of_states, of_final_state }
    }

    fn forward(&self, descriptor: &Descriptor) -> Outputs {
        forward(descriptor, &self.slots.inputs()).unwrap_or_else(|error| panic!("{descriptor:?}: {error}"))
    }

    fn backward(&self, descriptor: &Descriptor) -> Gradients<f64> {
        let incoming = IncomingGradients { states: &self.of_states, final_state: &self.of_final_state };
        backward(descriptor, &self.slots.inputs(), &incoming).unwrap_or_else(|error| panic!("{descriptor:?}: {error}"))
    }

    /// Steps of a batch row alone, with the initial state and the gradient of the final one of a row of those.
    fn piece(&self, descriptor: &Descriptor, b: u64, steps: std::ops::Range<u64>, row: u64) -> Self {
        let Shape { batch: of_batch, time, channels } = descriptor.shape();
        // Of two thresholds each step has a row of both.
        let of_steps = |values: &[f32]| {
            let row = values.len().checked_div((of_batch * time) as usize).unwrap_or(0);
            let [begin, end] = [steps.start, steps.end].map(|t| (b * time + t) as usize * row);
            values[begin..end].to_vec()
        };
        let of_row = row as usize * channels as usize..(row as usize + 1) * channels as usize;
        let filled = descriptor.unit() == Unit::ForwardFill;
        let per_channel = descriptor.threshold_kind() == Threshold::PerChannel;
        let threshold = match () {
            () if filled || per_channel => self.slots.threshold.clone(),
            () => of_steps(&self.slots.threshold),
        };
        let one_amplitude = filled || descriptor.amplitude_kind() == Amplitude::PerChannel;
        // Its bits begin with those of the first step.
        let words = (steps.end - steps.start).div_ceil(32);
        let mut validity = vec![0; if self.slots.validity.is_empty() { 0 } else { words * channels } as usize];
        for (k, t) in (0u64..).zip(steps.clone()).filter(|_| !self.slots.validity.is_empty()) {
            for d in 0..channels {
                let word = self.slots.validity[((b * time.div_ceil(32) + t / 32) * channels + d) as usize];
                validity[(k / 32 * channels + d) as usize] |= (word >> (t % 32) & 1) << (k % 32);
            }
        }
        let slots = Slots {
            candidate: of_steps(&self.slots.candidate),
            threshold,
            amplitude: if one_amplitude { self.slots.amplitude.clone() } else { of_steps(&self.slots.amplitude) },
            initial_state: self.slots.initial_state[of_row.clone()].to_vec(),
            initial_count: if self.slots.initial_count.is_empty() {
                Vec::new()
            } else {
                self.slots.initial_count[of_row.clone()].to_vec()
            },
            validity,
            ..Slots::default()
        };
        let of_final_state = self.of_final_state[of_row].to_vec();
        Self { slots, of_states: of_steps(&self.of_states), of_final_state }
    }
}

/// One with everything in it.
fn whole(unit: fn(Shape) -> Descriptor, has_backward: bool, shape: Shape, threshold: Threshold) -> Descriptor {
    let descriptor = unit(shape).initial_state(InitialState::Given).final_state(FinalState::Written).incoming(Incoming::Both);
    let threshold = if descriptor.unit() == Unit::ForwardFill { Threshold::PerElement } else { threshold };
    let descriptor = descriptor.threshold(threshold);
    if has_backward { descriptor.save(Save::Codes) } else { descriptor }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Steps of both in the order of the other: `t` for `T − 1 − t`. Bits of a mask are in the order in which steps are taken.
fn flip<T: Copy>(values: &mut [T], time: u64) {
    let channels = values.len().checked_div(time as usize).unwrap_or(0);
    let flipped: Vec<T> = values.chunks(channels.max(1)).rev().flatten().copied().collect();
    values.copy_from_slice(&flipped);
}

#[derive(Default)]
struct Sums {
    amplitude: Vec<f64>,
    threshold: Vec<f64>,
}

impl Sums {
    fn add(&mut self, gradients: &Gradients<f64>) {
        for (sum, of) in [(&mut self.amplitude, &gradients.amplitude), (&mut self.threshold, &gradients.threshold)] {
            sum.resize(sum.len().max(of.len()), 0.0);
            sum.iter_mut().zip(of).for_each(|(sum, of)| *sum += of);
        }
    }
}

fn near(actual: &[f64], expected: &[f64], what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (place, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!((a - e).abs() <= 1e-11 * (1.0 + e.abs()), "{what}: {place} is {a}, not {e}");
    }
}

/// The steps of each packed sequence, as the documentation says.
fn steps_of(cu_seqlens: &[u32], time: u64) -> Vec<std::ops::Range<u64>> {
    let clamped = |border: u32| u64::from(border).min(time);
    cu_seqlens.windows(2).map(|pair| clamped(pair[0])..clamped(pair[1])).collect()
}

#[test]
fn what_is_packed_is_each_sequence_alone() {
    for (name, unit, has_backward) in UNITS {
        for (number, (time, cu_seqlens)) in PACKED.into_iter().enumerate() {
            for (order, threshold) in [
                (TimeOrder::Ascending, Threshold::PerElement),
                (TimeOrder::Descending, Threshold::PerElement),
                (TimeOrder::Ascending, Threshold::PerChannel),
                (TimeOrder::Descending, Threshold::PerChannel),
            ] {
                let what = format!("{name}, {cu_seqlens:?} of {time}, {order:?}, {threshold:?}");
                packed_is_alone((unit, has_backward), [time, number as u64], cu_seqlens, (order, threshold), &what);
            }
        }
    }
}

fn packed_is_alone(
    (unit, has_backward): (fn(Shape) -> Descriptor, bool),
    [time, seed]: [u64; 2],
    cu_seqlens: &[u32],
    (order, threshold): (TimeOrder, Threshold),
    what: &str,
) {
    assert_eq!(check_cu_seqlens(cu_seqlens), Ok(()));
    let count = cu_seqlens.len() as u64 - 1;
    let shape = Shape { batch: 1, time, channels: CHANNELS };
    let of_rows = whole(unit, has_backward, shape, threshold);
    let packed = of_rows.clone().sequences(Sequences::Packed { count }).time_order(order);
    let mut data = Data::new(&packed, count, seed);
    data.slots.cu_seqlens = cu_seqlens.to_vec();
    let steps = steps_of(cu_seqlens, time);
    let row = CHANNELS as usize;
    let slack: Vec<usize> = (0..time as usize).filter(|&t| !steps.iter().any(|steps| steps.contains(&(t as u64)))).collect();
    // What is per channel belongs to all steps.
    let mut of_steps = vec![&mut data.slots.candidate, &mut data.of_states];
    if threshold == Threshold::PerElement {
        of_steps.push(&mut data.slots.threshold);
    }
    if packed.amplitude_kind() == Amplitude::PerElement {
        of_steps.push(&mut data.slots.amplitude);
    }
    for values in of_steps {
        let row = values.len().checked_div(time as usize).unwrap_or(0);
        slack.iter().flat_map(|t| t * row..(t + 1) * row).for_each(|at| values[at] = f32::NAN);
    }
    let outputs = data.forward(&packed);
    let gradients = has_backward.then(|| data.backward(&packed));
    let mut sums = Sums::default();
    for t in &slack {
        assert_eq!(bits(&outputs.states[t * row..(t + 1) * row]), [0; 3], "{what}: slack {t}");
        assert!(outputs.counts.is_empty() || outputs.counts[t * row..(t + 1) * row] == [0; 3], "{what}: slack {t}");
        for gradients in gradients.iter() {
            assert_eq!(gradients.candidate[t * row..(t + 1) * row], [0.0; 3], "{what}: slack {t}");
        }
    }
    // Over the candidates, too.
    let over = data.forward(&packed.clone().save(Save::Nothing).states_in_place());
    assert_eq!(bits(&over.states), bits(&outputs.states), "{what}: over the candidates");
    for (n, steps) in steps.iter().enumerate() {
        let length = steps.end - steps.start;
        let alone = whole(unit, has_backward, Shape { time: length, ..shape }, threshold).time_order(order);
        // Bits of a mask are those of steps as they are taken: of the last first.
        let masked = !data.slots.validity.is_empty() && order == TimeOrder::Descending;
        let taken = if masked { time - steps.end..time - steps.start } else { steps.clone() };
        let mut piece = data.piece(&of_rows, 0, steps.clone(), n as u64);
        if masked {
            piece.slots.validity = data.piece(&of_rows, 0, taken, n as u64).slots.validity;
        }
        let single = piece.forward(&alone);
        let [begin, end] = [steps.start, steps.end].map(|t| t as usize * row);
        assert_eq!(bits(&outputs.states[begin..end]), bits(&single.states), "{what}: states of {n}");
        let final_row = n * row..(n + 1) * row;
        assert_eq!(bits(&outputs.final_state[final_row.clone()]), bits(&single.final_state), "{what}: final state of {n}");
        if !single.counts.is_empty() {
            assert_eq!(outputs.counts[begin..end], single.counts, "{what}: counts of {n}");
            assert_eq!(outputs.final_count[final_row.clone()], single.final_count, "{what}: final count of {n}");
        }
        let Some(gradients) = &gradients else { continue };
        let single = piece.backward(&alone);
        sums.add(&single);
        near(&gradients.candidate[begin..end], &single.candidate, &format!("{what}: dc of {n}"));
        near(&gradients.initial_state[final_row], &single.initial_state, &format!("{what}: dh0 of {n}"));
        if threshold == Threshold::PerElement {
            let row = gradients.threshold.len().checked_div(time as usize).unwrap_or(0);
            let of_steps = &gradients.threshold[steps.start as usize * row..steps.end as usize * row];
            near(of_steps, &single.threshold, &format!("{what}: dr of {n}"));
        }
        if packed.amplitude_kind() == Amplitude::PerElement {
            near(&gradients.amplitude[begin..end], &single.amplitude, &format!("{what}: dα of {n}"));
        }
    }
    if let Some(gradients) = gradients.filter(|_| count > 0) {
        if packed.amplitude_kind() == Amplitude::PerChannel {
            near(&gradients.amplitude, &sums.amplitude, &format!("{what}: dα"));
        }
        if threshold == Threshold::PerChannel {
            near(&gradients.threshold, &sums.threshold, &format!("{what}: dr"));
        }
    }
}

/// What lies in slack changes no bit of anything.
#[test]
fn slack_is_not_read() {
    for (name, unit, has_backward) in UNITS {
        let shape = Shape { batch: 1, time: 40, channels: CHANNELS };
        let packed = whole(unit, has_backward, shape, Threshold::PerElement).sequences(Sequences::Packed { count: 2 });
        let mut data = Data::new(&packed, 2, 5);
        data.slots.cu_seqlens = vec![3, 9, 35];
        let (before, gradients) = (data.forward(&packed), has_backward.then(|| data.backward(&packed)));
        // Before the first and behind the last.
        for at in [0, 8, 105, 119] {
            (data.slots.candidate[at], data.of_states[at]) = (f32::INFINITY, f32::NAN);
        }
        let after = data.forward(&packed);
        assert_eq!(bits(&after.states), bits(&before.states), "{name}");
        assert_eq!((bits(&after.final_state), after.saved), (bits(&before.final_state), before.saved), "{name}");
        assert_eq!(has_backward.then(|| data.backward(&packed)), gradients, "{name}");
    }
}

/// Descending time is flipping what goes in, packing the other way round, and flipping what comes out.
#[test]
fn packed_sequences_descend_as_flipped() {
    for (name, unit, has_backward) in UNITS {
        for (number, (time, cu_seqlens)) in PACKED.into_iter().enumerate() {
            let count = cu_seqlens.len() as u64 - 1;
            let shape = Shape { batch: 1, time, channels: CHANNELS };
            let ascending = whole(unit, has_backward, shape, Threshold::PerElement).sequences(Sequences::Packed { count });
            let descending = ascending.clone().time_order(TimeOrder::Descending);
            let mut data = Data::new(&ascending, count, number as u64);
            data.slots.cu_seqlens = cu_seqlens.to_vec();
            let mut flipped = data.clone();
            for values in [&mut flipped.slots.candidate, &mut flipped.of_states] {
                flip(values, time);
            }
            let mut of_steps = vec![&mut flipped.slots.threshold];
            if ascending.amplitude_kind() == Amplitude::PerElement {
                of_steps.push(&mut flipped.slots.amplitude);
            }
            for values in of_steps {
                flip(values, time);
            }
            // The last sequence is the first.
            flipped.slots.cu_seqlens = cu_seqlens.iter().rev().map(|&border| time.saturating_sub(border.into()) as u32).collect();
            let row = CHANNELS as usize;
            let reversed = |values: &[f32]| values.chunks(row).rev().flatten().copied().collect::<Vec<f32>>();
            flipped.slots.initial_state = reversed(&data.slots.initial_state);
            flipped.of_final_state = reversed(&data.of_final_state);
            flipped.slots.initial_count = data.slots.initial_count.chunks(row).rev().flatten().copied().collect();
            let (actual, mut expected) = (data.forward(&descending), flipped.forward(&ascending));
            flip(&mut expected.states, time);
            assert_eq!(bits(&actual.states), bits(&expected.states), "{name}, {cu_seqlens:?}: states");
            assert_eq!(bits(&actual.final_state), bits(&reversed(&expected.final_state)), "{name}, {cu_seqlens:?}: final states");
            if !has_backward {
                continue;
            }
            let (actual, mut expected) = (data.backward(&descending), flipped.backward(&ascending));
            flip(&mut expected.candidate, time);
            let reversed: Vec<f64> = expected.initial_state.chunks(row).rev().flatten().copied().collect();
            near(&actual.candidate, &expected.candidate, &format!("{name}, {cu_seqlens:?}: dc"));
            near(&actual.initial_state, &reversed, &format!("{name}, {cu_seqlens:?}: dh0"));
        }
    }
}

/// Each row is cut where it is reset, and its pieces begin in the same initial state.
#[test]
fn a_row_that_is_reset_is_its_pieces() {
    let resets: [(u64, [&[u64]; 2]); 5] = [
        (1, [&[0], &[]]),
        (7, [&[3], &[0, 1, 2, 3, 4, 5, 6]]),
        (70, [&[31, 32, 63, 64], &[5]]),
        (33, [&[], &[32]]),
        (0, [&[], &[]]),
    ];
    for (name, unit, has_backward) in UNITS {
        for (number, (time, resets)) in resets.into_iter().enumerate() {
            for order in [TimeOrder::Ascending, TimeOrder::Descending] {
                let what = format!("{name}, {resets:?} of {time}, {order:?}");
                let shape = Shape { batch: 2, time, channels: CHANNELS };
                let of_rows = whole(unit, has_backward, shape, Threshold::PerElement);
                let reset = of_rows.clone().sequences(Sequences::Resets).time_order(order);
                let mut data = Data::new(&reset, 2, number as u64);
                let words = time.div_ceil(32);
                data.slots.resets = vec![0; 2 * words as usize];
                for (b, t) in (0..2).flat_map(|b| resets[b].iter().map(move |&t| (b, t))) {
                    data.slots.resets[b * words as usize + t as usize / 32] |= 1 << (t % 32);
                }
                let outputs = data.forward(&reset);
                let gradients = has_backward.then(|| data.backward(&reset));
                for b in 0..2 {
                    let of_piece = |shape| whole(unit, has_backward, shape, Threshold::PerElement);
                    row_is_pieces(
                        (&of_rows, &of_piece),
                        &data,
                        (&outputs, gradients.as_ref()),
                        b,
                        (resets[b as usize], order),
                        &what,
                    );
                }
            }
        }
    }
}

fn row_is_pieces(
    (of_rows, of_piece): (&Descriptor, &dyn Fn(Shape) -> Descriptor),
    data: &Data,
    (outputs, gradients): (&Outputs, Option<&Gradients<f64>>),
    b: u64,
    (resets, order): (&[u64], TimeOrder),
    what: &str,
) {
    let Shape { time, .. } = of_rows.shape();
    let row = CHANNELS as usize;
    let descends = order == TimeOrder::Descending;
    // Steps in the order of time; downwards the step of a reset is the last of its piece.
    let mut cuts: Vec<u64> = resets.iter().map(|&t| if descends { t + 1 } else { t }).collect();
    cuts.extend([0, time]);
    cuts.sort_unstable();
    cuts.dedup();
    let mut of_initial = vec![0.0; row];
    let pieces: Vec<std::ops::Range<u64>> =
        if time == 0 { std::iter::once(0..0).collect() } else { cuts.windows(2).map(|pair| pair[0]..pair[1]).collect() };
    let last = if descends { 0 } else { pieces.len() - 1 };
    for (number, steps) in pieces.iter().enumerate() {
        let shape = Shape { batch: 1, time: steps.end - steps.start, channels: CHANNELS };
        let mut piece = data.piece(of_rows, b, steps.clone(), b);
        if descends && !data.slots.validity.is_empty() {
            piece.slots.validity = data.piece(of_rows, b, time - steps.end..time - steps.start, b).slots.validity;
        }
        if number != last {
            // A reset cuts what comes from behind.
            piece.of_final_state.fill(0.0);
        }
        let alone = of_piece(shape).time_order(order);
        let single = piece.forward(&alone);
        let [begin, end] = [steps.start, steps.end].map(|t| ((b * time + t) as usize) * row);
        assert_eq!(bits(&outputs.states[begin..end]), bits(&single.states), "{what}: row {b}, {steps:?}");
        if !single.counts.is_empty() {
            assert_eq!(outputs.counts[begin..end], single.counts, "{what}: row {b}, {steps:?}");
        }
        let of_row = b as usize * row..(b as usize + 1) * row;
        if number == last {
            assert_eq!(bits(&outputs.final_state[of_row.clone()]), bits(&single.final_state), "{what}: row {b}");
            assert!(single.final_count.is_empty() || outputs.final_count[of_row] == single.final_count, "{what}: row {b}");
        }
        let Some(gradients) = gradients else { continue };
        let single = piece.backward(&alone);
        near(&gradients.candidate[begin..end], &single.candidate, &format!("{what}: dc of row {b}, {steps:?}"));
        of_initial.iter_mut().zip(&single.initial_state).for_each(|(sum, of)| *sum += of);
    }
    if let Some(gradients) = gradients {
        let of_row = b as usize * row..(b as usize + 1) * row;
        near(&gradients.initial_state[of_row], &of_initial, &format!("{what}: dh0 of row {b}"));
    }
}

/// By hand: three sequences, the second of which is empty, slack at both ends, and `α = 2`.
#[test]
fn the_table_holds() {
    const NAN: f32 = f32::NAN;
    let shape = Shape { batch: 1, time: 7, channels: 1 };
    let packed = Descriptor::bmru(shape)
        .sequences(Sequences::Packed { count: 3 })
        .initial_state(InitialState::Given)
        .final_state(FinalState::Written)
        .incoming(Incoming::Both)
        .save(Save::Codes);
    let inputs = Inputs {
        candidate: &[NAN, 0.5, 3.0, -0.5, -3.0, 0.5, 9.0],
        threshold: &[1.0; 7],
        amplitude: &[2.0],
        initial_state: &[7.0, 8.0, 9.0],
        cu_seqlens: &[1, 3, 3, 6],
        ..Inputs::default()
    };
    let outputs = forward(&packed, &inputs).expect("the slices fit");
    assert_eq!(outputs.states, [0.0, 7.0, 2.0, 9.0, -2.0, -2.0, 0.0]);
    assert_eq!(outputs.final_state, [2.0, 8.0, -2.0]);
    // Steps 2 and 4 set: one word of codes, the initial states, and before them the amplitude.
    assert_eq!(outputs.saved, [2f32.to_bits(), 0b1_0100, 7f32.to_bits(), 8f32.to_bits(), 9f32.to_bits()]);
    let incoming = IncomingGradients { states: &[NAN, 1.0, 10.0, 100.0, 1e3, 1e4, NAN], final_state: &[0.5, 0.25, 0.125] };
    let gradients = backward(&packed, &inputs, &incoming).expect("the slices fit");
    // g: 1; 10.5 at a set; 100; 11000.125 at a set; 10000.125.
    assert_eq!(gradients.initial_state, [1.0, 0.25, 100.0]);
    assert_eq!(gradients.amplitude, [10.5 - 11_000.125]);
    assert_eq!((gradients.candidate[0], gradients.candidate[6]), (0.0, 0.0));

    // The same row, reset before its steps 3 and 4; of two that set, the first is before the reset.
    let reset = packed.sequences(Sequences::Resets);
    let inputs = Inputs { initial_state: &[7.0], cu_seqlens: &[], resets: &[0b01_1000], ..inputs };
    let outputs = forward(&reset, &inputs).expect("the slices fit");
    assert_eq!(outputs.states, [7.0, 7.0, 2.0, 7.0, -2.0, -2.0, 2.0]);
    assert_eq!(outputs.final_state, [2.0]);
    let incoming = IncomingGradients { states: &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0], final_state: &[128.0] };
    let gradients = backward(&reset, &inputs, &incoming).expect("the slices fit");
    // Step 6 sets, steps 3 and 4 are cut off: 1 + 2 come to the beginning, 8 to the first reset, nothing through the set at the second.
    assert_eq!(gradients.initial_state, [11.0]);
    assert_eq!(gradients.amplitude, [4.0 - (16.0 + 32.0) + 192.0]);
}

/// Cases for other hosts have room for all sequences.
#[test]
fn exported_cases_have_room() {
    use bmru_conformance::{Scope, backward_matrix, matrix};
    let (limits, tuning) = (Limits::default(), Tuning::software());
    let has_room = |case: &bmru_conformance::Portable| {
        for (run, launch) in case.runs.iter().flat_map(|run| run.launches.iter().map(move |launch| (run, launch))) {
            for &(slot, bytes) in launch.plan.slots() {
                let (_, buffer) = launch.slots.iter().find(|(held, _)| *held == slot).expect("every slot has a buffer");
                let words = run.buffers[*buffer].words.len() as u64;
                assert!(4 * words > bytes, "{}: {slot} of {bytes} bytes in {words} words", case.name);
            }
        }
        for check in case.runs.iter().flat_map(|run| run.checks.iter().map(move |check| (run, check))) {
            if let (run, bmru_conformance::portable::Check::Exact { buffer, words }) = check {
                assert_eq!(run.buffers[*buffer].words.len(), words.len(), "{}: {}", case.name, run.buffers[*buffer].label);
            }
        }
    };
    let mut met = [0, 0];
    for case in matrix(Scope::Full).iter().filter(|case| case.name.starts_with("sequences/")).step_by(5) {
        // Some need more buffers than every device has.
        let Ok(portable) = case.portable(&limits, &tuning) else { continue };
        has_room(&portable);
        met[0] += 1;
    }
    for case in backward_matrix(Scope::Full).iter().filter(|case| case.name.starts_with("backward sequences/")).step_by(11) {
        let Ok(portable) = case.portable(&limits, &tuning) else { continue };
        has_room(&portable);
        met[1] += 1;
    }
    assert!(met[0] > 50 && met[1] > 10, "{met:?} cases");
}
