//! Units whose state is a number, against tables written by hand; and what cannot be had.

use bmru::oracle::{self, IncomingGradients, forward};
use bmru::{
    Amplitude, Beyond, Counts, Descriptor, Element, Error, FinalState, InitialCount, InitialState, Inputs, Limits, Operand,
    Outputs, Plan, Save, Shape, Slot, Strategy, Strides, Threshold, TimeOrder, Tuning, Unit, Validity, View,
};

/// A threshold of 1, candidates that set above it.
const C: [f32; 8] = [0.5, 2.0, 0.9, 3.0, -2.0, 1.0, -4.0, 0.0];

fn line(unit: Unit) -> Descriptor {
    Descriptor::new(unit, Shape { batch: 1, time: 8, channels: 1 }).threshold(Threshold::PerChannel)
}

fn run(descriptor: &Descriptor, amplitude: &[f32], h0: &[f32], n0: &[i32]) -> Outputs {
    let threshold: &[f32] = if descriptor.unit() == Unit::ForwardFill { &[] } else { &[1.0] };
    let inputs = Inputs { candidate: &C, threshold, amplitude, initial_state: h0, initial_count: n0, ..Inputs::default() };
    forward(descriptor, &inputs).expect("the slices fit")
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn amplitudes_per_element_are_held() {
    let payload = f32::from_bits(0x7fa1_2345);
    let amplitudes = [9.0, 2.0, 9.0, payload, 5.0, 9.0, -7.0, 9.0];
    let descriptor = line(Unit::Bistable).amplitude(Amplitude::PerElement).initial_state(InitialState::Given);
    let states = run(&descriptor, &amplitudes, &[-1.5], &[]).states;
    // −1.5 is held, then 2, the payload, −5, and −(−7).
    assert_eq!(bits(&states), bits(&[-1.5, 2.0, 2.0, payload, -5.0, -5.0, 7.0, 7.0]));
    // Of first-quadrant units the lower state is 0: high thresholds of 1, low ones of −1.
    let descriptor = line(Unit::FirstQuadrant).amplitude(Amplitude::PerElement);
    let inputs = Inputs { candidate: &C, threshold: &[1.0, -1.0], amplitude: &amplitudes, ..Inputs::default() };
    let states = forward(&descriptor, &inputs).expect("the slices fit").states;
    assert_eq!(bits(&states), bits(&[0.0, 2.0, 2.0, payload, 0.0, 0.0, 0.0, 0.0]));
}

/// A forward fill by a gate: nothing is below −∞, so that only what is above the high threshold sets, to the bits of its value.
#[test]
fn a_gate_fills_what_follows() {
    let values = [7, 0x7fa1_2345, 1, 0x8000_0000, 2, 3, 4, 5].map(f32::from_bits);
    let descriptor = line(Unit::FirstQuadrant).amplitude(Amplitude::PerElement).initial_state(InitialState::Given);
    let candidate = [f32::NAN, 2.0, 0.9, f32::INFINITY, -2.0, 1.0, f32::NEG_INFINITY, -0.0];
    let inputs = Inputs {
        candidate: &candidate,
        threshold: &[1.0, f32::NEG_INFINITY],
        amplitude: &values,
        initial_state: &[-1.5],
        ..Inputs::default()
    };
    let states = forward(&descriptor, &inputs).expect("the slices fit").states;
    assert_eq!(
        bits(&states),
        [(-1.5f32).to_bits(), 0x7fa1_2345, 0x7fa1_2345, 0x8000_0000, 0x8000_0000, 0x8000_0000, 0x8000_0000, 0x8000_0000]
    );
}

#[test]
fn counts_are_sums_of_signs() {
    let all = line(Unit::Cumulative).counts(Counts::All);
    let Outputs { states, counts, final_count, .. } = run(&all, &[0.5], &[], &[]);
    assert_eq!(counts, [0, 1, 1, 2, 1, 1, 0, 0]);
    assert_eq!(final_count, [0]);
    assert_eq!(states, [0.0, 0.5, 0.5, 1.0, 0.5, 0.5, 0.0, 0.0]);
    // It begins in h0 + α·n0, and where the count comes back to 0 the bits are those of h0.
    let nan = f32::from_bits(0x7fa1_2345);
    let given = all.initial_state(InitialState::Given).initial_count(InitialCount::Given);
    let Outputs { states, counts, final_count, .. } = run(&given, &[0.25], &[nan], &[-1]);
    assert_eq!(counts, [-1, 0, 0, 1, 0, 0, -1, -1]);
    assert_eq!(final_count, [-1]);
    assert_eq!([1, 2, 4, 5].map(|t: usize| states[t].to_bits()), [nan.to_bits(); 4]);
    assert!([0, 3, 6, 7].into_iter().all(|t: usize| states[t].is_nan()));
}

/// Nothing is multiplied by a count of none.
#[test]
fn what_nothing_has_counted_keeps_its_bits() {
    for amplitude in [2.0, f32::INFINITY, f32::NAN] {
        let descriptor = line(Unit::Cumulative).initial_state(InitialState::Given).final_state(FinalState::Written);
        for h0 in [-0.0, f32::from_bits(0x7fa1_2345), f32::from_bits(1)] {
            let inputs = Inputs { candidate: &[0.0; 8], threshold: &[1.0], amplitude: &[amplitude], ..Inputs::default() };
            let outputs = forward(&descriptor, &Inputs { initial_state: &[h0], ..inputs }).expect("the slices fit");
            assert!(bits(&outputs.states).iter().chain(&bits(&outputs.final_state)).all(|&word| word == h0.to_bits()), "{h0}");
        }
    }
}

#[test]
fn amplitudes_per_element_are_summed() {
    let sums = line(Unit::Cumulative).amplitude(Amplitude::PerElement).initial_state(InitialState::Given);
    // Those of steps that hold are not read into anything.
    let amplitudes = [f32::NAN, 2.0, f32::NAN, 0.5, 8.0, f32::NAN, -1.0, f32::NAN];
    let states = run(&sums, &amplitudes, &[100.0], &[]).states;
    assert_eq!(states, [100.0, 102.0, 102.0, 102.5, 94.5, 94.5, 95.5, 95.5]);
    // What nothing has set has its bits.
    let nan = f32::from_bits(0x7fa1_2345);
    let states = run(&sums, &amplitudes, &[nan], &[]).states;
    assert_eq!((states[0].to_bits(), states[1].is_nan()), (nan.to_bits(), true));
    // This is what a relaxed unit ends in.
    assert_eq!(Descriptor::relaxed(sums.shape(), 1.0).amplitude(Amplitude::PerElement).unit(), Unit::Cumulative);
}

/// Of 16 bits what is copied stays as it is, and what is a sum is rounded once, where it is stored: units of `f16` are 2 from 2,048
/// on.
#[test]
fn sums_of_16_bits_are_rounded_once() {
    let half = |unit| line(unit).element(Element::F16).initial_state(InitialState::Given);
    let (quarters, eighths) = ([0.75; 8], [0.125; 8]);
    // Four times to +, held, and back: each from 2,048 and ¾, and none from a rounded state.
    let c = [2.0, 2.0, 2.0, 2.0, 0.0, -2.0, -2.0, -2.0];
    let of = |descriptor: &Descriptor, amplitude: &[f32]| {
        let inputs = Inputs { candidate: &c, threshold: &[1.0], amplitude, initial_state: &[2048.0], ..Inputs::default() };
        forward(descriptor, &inputs).expect("the slices fit").states
    };
    let sums = [2048.0, 2050.0, 2050.0, 2052.0, 2052.0, 2050.0, 2050.0, 2048.0];
    let summed = half(Unit::Cumulative).amplitude(Amplitude::PerElement);
    assert_eq!(of(&summed, &quarters), sums);
    assert_eq!(of(&half(Unit::Cumulative), &quarters[..1]), sums);
    // Halved each time it sets: 1,024 ⅛, 512 3/16, 256 7/32, 128 15/64, and so on.
    let states = of(&half(Unit::Relaxed).epsilon(0.5), &eighths[..1]);
    assert_eq!(states, [1024.0, 512.0, 256.25, 128.25, 128.25, 64.0, 31.875, 15.8125]);
}

#[test]
fn relaxed_states_keep_a_share() {
    let half = line(Unit::Relaxed).epsilon(0.5).initial_state(InitialState::Given);
    let states = run(&half, &[1.0], &[8.0], &[]).states;
    // 8; 1 + 4; held; 1 + 2½; −1 + 1¾; held; −1 + 3/8; held.
    assert_eq!(states, [8.0, 5.0, 5.0, 3.5, 0.75, 0.75, -0.625, -0.625]);
    // At its ends it is one of the exact units.
    assert_eq!(Descriptor::relaxed(half.shape(), 0.0).unit(), Unit::Bistable);
    assert_eq!(Descriptor::relaxed(half.shape(), 1.0).unit(), Unit::Cumulative);
    assert_eq!(Descriptor::relaxed(half.shape(), 0.5).unit(), Unit::Relaxed);
}

/// At its ends the oracle of the relaxed unit, which holds the general kernel there, is that of the exact units.
#[test]
fn relaxed_units_end_in_the_exact_ones() {
    for (epsilon, exact) in [(0.0, Unit::Bistable), (1.0, Unit::Cumulative)] {
        let [general, exact] = [line(Unit::Relaxed).epsilon(epsilon), line(exact)].map(|unit| {
            let unit = unit.initial_state(InitialState::Given).save(Save::Codes);
            let states = run(&unit, &[0.75], &[8.0], &[]).states;
            let inputs =
                Inputs { candidate: &C, threshold: &[1.0], amplitude: &[0.75], initial_state: &[8.0], ..Inputs::default() };
            let incoming = [1.0, -2.0, 0.5, 3.0, 0.25, -1.0, 4.0, 2.0];
            let incoming = IncomingGradients { states: &incoming, ..IncomingGradients::default() };
            (states, oracle::backward(&unit, &inputs, &incoming).expect("it has gradients"))
        });
        assert_eq!(general, exact, "ε = {epsilon}");
    }
}

#[test]
fn values_fill_what_follows() {
    let descriptor = line(Unit::ForwardFill).initial_state(InitialState::Given);
    let nan = f32::NAN;
    let candidate = [nan, 1.0, nan, f32::INFINITY, -nan, nan, -0.0, f32::from_bits(0x7f80_0001)];
    let inputs = Inputs { candidate: &candidate, initial_state: &[7.0], ..Inputs::default() };
    let states = forward(&descriptor, &inputs).expect("the slices fit").states;
    let infinity = f32::INFINITY;
    assert_eq!(bits(&states), bits(&[7.0, 1.0, 1.0, infinity, infinity, infinity, -0.0, -0.0]));
    // By a mask a NaN can be a value, and a number none.
    let inputs = Inputs { validity: &[0b1001_0001], ..inputs };
    let states = forward(&descriptor.clone().validity(Validity::Mask), &inputs).expect("the slices fit").states;
    let last = candidate[7];
    assert_eq!(bits(&states), bits(&[nan, nan, nan, nan, -nan, -nan, -nan, last]));
    // From the end down, bit 0 is that of the last time.
    let down = descriptor.validity(Validity::Mask).time_order(TimeOrder::Descending);
    let states = forward(&down, &Inputs { validity: &[0b0000_0110], ..inputs }).expect("the slices fit").states;
    assert_eq!(bits(&states), bits(&[nan, nan, nan, nan, nan, nan, -0.0, 7.0]));
}

/// The states of one channel with these values, none of them at a NaN, and its counts.
fn limited(descriptor: Descriptor, h0: f32, n0: i32, values: &[f32]) -> (Vec<u32>, Vec<i32>) {
    let descriptor = descriptor
        .initial_state(InitialState::Given)
        .initial_count(InitialCount::Given)
        .final_state(FinalState::Written)
        .counts(Counts::All);
    let inputs = Inputs { candidate: values, initial_state: &[h0], initial_count: &[n0], ..Inputs::default() };
    let Outputs { states, final_state, counts, final_count, .. } = forward(&descriptor, &inputs).expect("the slices fit");
    let last = states.last().map_or_else(|| bits(&final_state)[0], |state| state.to_bits());
    assert_eq!((bits(&final_state)[0], final_count[0]), (last, counts.last().copied().unwrap_or(n0)));
    (bits(&states), counts)
}

#[test]
fn a_limit_ends_what_is_held() {
    const NAN: f32 = f32::NAN;
    let line = |time| Descriptor::forward_fill(Shape { batch: 1, time, channels: 1 });
    let quiet = 0x7fc0_0000;
    let [seven, one, two] = [7.0f32, 1.0, 2.0].map(f32::to_bits);
    let values = [NAN, NAN, NAN, 1.0, NAN, NAN, NAN, 2.0];
    // h0 was set just before the first step: it is held for two steps.
    let expected = (vec![seven, seven, quiet, one, one, one, quiet, two], vec![1, 2, 3, 0, 1, 2, 3, 0]);
    assert_eq!(limited(line(8).limit(2), 7.0, 0, &values), expected);
    // A step earlier it is held for one, and what follows is what the caller wants.
    let beyond = 0x0012_3456;
    let expected = (vec![seven, beyond, beyond, one, one, one, beyond, two], vec![2, 3, 4, 0, 1, 2, 3, 0]);
    assert_eq!(limited(line(8).limit(2).beyond(Beyond::Bits(beyond)), 7.0, 1, &values), expected);
    // Without holds only values are left; with long ones it is as without a limit.
    let (none, _) = limited(line(8).limit(0), 7.0, 0, &values);
    assert_eq!(none, [quiet, quiet, quiet, one, quiet, quiet, quiet, two]);
    for steps in [8, i32::MAX as u32, u32::MAX] {
        let (all, _) = limited(line(8).limit(steps), 7.0, 0, &values);
        assert_eq!(all, [seven, seven, seven, one, one, one, one, two]);
    }
    // Of 16 bits it is their quiet NaN, or the lower half of what is given.
    for (element, beyond, expected) in [
        (Element::F16, Beyond::Nan, 0x7e00),
        (Element::Bf16, Beyond::Nan, 0x7fc0),
        (Element::F16, Beyond::Bits(0x7c01), 0x7c01),
        (Element::Bf16, Beyond::Bits(0xffff_0003), 3),
    ] {
        let (states, _) = limited(line(2).element(element).limit(0).beyond(beyond), 7.0, 0, &[NAN, 1.0]);
        assert_eq!(states, [element.decode(expected).to_bits(), one]);
    }
    // A count of as many steps as can be counted stays: nothing comes back to life. It is beyond every limit but the highest.
    let (states, counts) = limited(line(3).limit(i32::MAX as u32 - 1), 7.0, i32::MAX - 1, &[NAN; 3]);
    assert_eq!((states, counts), (vec![quiet; 3], vec![i32::MAX; 3]));
    // Without steps the final state is what the initial one has become.
    assert_eq!(limited(line(0).limit(2), 7.0, 2, &[]), (vec![], vec![]));
    let inputs = Inputs { initial_state: &[7.0], initial_count: &[3], ..Inputs::default() };
    let empty = line(0).limit(2).initial_state(InitialState::Given).initial_count(InitialCount::Given);
    let outputs = forward(&empty.final_state(FinalState::Written), &inputs).expect("the slices fit");
    assert_eq!(bits(&outputs.final_state), [quiet]);
}

/// Time cut anywhere, states and counts handed on: the same bits.
#[test]
fn a_limit_outlives_a_cut() {
    let mut rng = fastrand::Rng::with_seed(11);
    let values: Vec<f32> = (0..60).map(|step| if rng.u8(..6) == 0 { step as f32 } else { f32::NAN }).collect();
    for limit in [0, 1, 4, 100] {
        let of = |time: usize| Descriptor::forward_fill(Shape { batch: 1, time: time as u64, channels: 1 }).limit(limit);
        for initial in [-3, 0, 5, i32::MAX - 2] {
            let (states, counts) = limited(of(60), -1.0, initial, &values);
            for cut in 1..60 {
                let (before, of_before) = limited(of(cut), -1.0, initial, &values[..cut]);
                let (handed, count) = (f32::from_bits(before[cut - 1]), of_before[cut - 1]);
                let (behind, of_behind) = limited(of(60 - cut), handed, count, &values[cut..]);
                assert_eq!((&before[..], &behind[..]), states.split_at(cut));
                assert_eq!((&of_before[..], &of_behind[..]), counts.split_at(cut));
            }
        }
    }
}

fn refusal(descriptor: &Descriptor) -> Error {
    descriptor.forward(&Limits::default(), &Tuning::default()).expect_err("it cannot be had")
}

#[test]
fn what_cannot_be_had_is_named() {
    let incompatible = |expected, actual| Error::Incompatible { expected, actual };
    let [cumulative, relaxed, fill, bistable] = [Unit::Cumulative, Unit::Relaxed, Unit::ForwardFill, Unit::Bistable].map(line);
    let sums = cumulative.amplitude(Amplitude::PerElement);
    for counting in [sums.clone().counts(Counts::Final), sums.initial_count(InitialCount::Given)] {
        assert_eq!(refusal(&counting), incompatible("amplitudes per channel", "counts of amplitudes per element"));
    }
    assert_eq!(refusal(&fill.clone().save(Save::Codes)), incompatible("Save::Nothing", "gradients of a forward fill"));
    let counted = "a cumulative unit, or a forward fill with a limit";
    assert_eq!(refusal(&bistable.clone().counts(Counts::Final)), incompatible(counted, "counts"));
    assert_eq!(refusal(&fill.clone().counts(Counts::Final)), incompatible(counted, "counts"));
    assert_eq!(refusal(&bistable.clone().limit(3)), incompatible("a forward fill", "a limit"));
    let masked = bistable.clone().validity(Validity::Mask);
    assert_eq!(refusal(&masked), incompatible("a forward fill", "a mask of values"));
    let given = relaxed.clone().initial_count(InitialCount::Given);
    assert_eq!(refusal(&given), incompatible(counted, "an initial count"));
    let backward = fill.backward(&Limits::default(), &Tuning::default());
    assert_eq!(backward.expect_err("there is none"), incompatible("a forward pass", "gradients of a forward fill"));
    for actual in [-0.5, 1.5, f32::INFINITY] {
        let expected = "a number from 0 to 1";
        assert_eq!(refusal(&relaxed.clone().epsilon(actual)), Error::InvalidEpsilon { expected, actual });
    }
    assert!(matches!(refusal(&relaxed.clone().epsilon(f32::NAN)), Error::InvalidEpsilon { .. }));
    let view = View { slot: Slot::Amplitude, offset: 0, strides: Strides { batch: 8, time: 1, channel: 1 } };
    let expected = "none with amplitudes per channel, which are [D]";
    let actual = format!("{view:?}");
    assert_eq!(
        refusal(&bistable.clone().amplitude_view(view)),
        Error::InvalidView { operand: Operand::Amplitude, expected, actual }
    );
    let per_element = bistable.amplitude(Amplitude::PerElement);
    let elsewhere = View { slot: Slot::States, ..view };
    let actual = "a view into states".to_owned();
    let expected = "a view into amplitude or candidate";
    assert_eq!(
        refusal(&per_element.amplitude_view(elsewhere)),
        Error::InvalidView { operand: Operand::Amplitude, expected, actual }
    );
}

/// What fits the eight buffers of WebGPU, and what the refusal names where it does not.
#[test]
fn amplitudes_per_element_lie_beside_candidates_backward() {
    let apart = line(Unit::Bistable).threshold(Threshold::PerElement).amplitude(Amplitude::PerElement);
    let plan = |descriptor: &Descriptor| descriptor.backward(&Limits::default(), &Tuning::default());
    match plan(&apart).expect_err("ten are too many") {
        Error::TooManyBindings { expected: 8, slots, .. } => {
            assert!(["candidate", "threshold", "amplitude", "states"].iter().all(|slot| slots.contains(slot)), "{slots}");
        }
        error => panic!("{error}"),
    }
    assert!(plan(&apart.side_by_side()).is_ok());
}

/// So are a limit and what follows it.
#[test]
fn other_limits_compile_nothing() {
    let shape = Shape { batch: 2, time: 5000, channels: 8 };
    let fills = [(3, Beyond::Nan), (4000, Beyond::Bits(7))].map(|(limit, beyond)| {
        let fill = Descriptor::forward_fill(shape).limit(limit).beyond(beyond);
        fill.forward(&Limits::default(), &Tuning::default()).expect("it fits").variants().to_vec()
    });
    assert_eq!(fills[0], fills[1]);
}

/// `ε` is a parameter: plans of two share their pipelines.
#[test]
fn annealing_compiles_nothing() {
    let plans = [0.25, 0.75].map(|epsilon| {
        let descriptor = Descriptor::relaxed(Shape { batch: 2, time: 5000, channels: 8 }, epsilon);
        [descriptor.forward(&Limits::default(), &Tuning::default()), descriptor.backward(&Limits::default(), &Tuning::default())]
            .map(|plan: Result<Plan, Error>| plan.expect("it fits").variants().to_vec())
    });
    assert_eq!(plans[0], plans[1]);
}

/// Bytes an element, of plans in one part: what is read and written once, and forward in tiles the inputs again.
#[test]
fn bytes_an_element() {
    let shape = Shape { batch: 8, time: 31 << 10, channels: 16 };
    let tuning = |strategy| Tuning { serial_rows: 1, tile_steps: 1024, ..Tuning::discrete().with_strategy(strategy) };
    let per_element = |plan: Plan| {
        let moved = plan.traffic();
        (moved.read + moved.written) as f64 / shape.elements().expect("they can be counted") as f64
    };
    let fill = Descriptor::bmru(shape).amplitude(Amplitude::PerElement).side_by_side();
    let values = Descriptor::forward_fill(shape);
    // Forward serially and in tiles, backward serially and in tiles.
    for (descriptor, expected) in [
        (fill.clone(), [16.0, 28.0, 32.125, 36.25]),
        (Descriptor::cumulative(shape), [12.0, 20.0, 20.0, 24.0]),
        (Descriptor::cumulative(shape).amplitude(Amplitude::PerElement), [16.0, 28.0, 28.0, 32.0]),
        (Descriptor::relaxed(shape, 0.5), [12.0, 20.0, 24.125, 28.25]),
        (values.clone(), [8.0, 12.0, 0.0, 0.0]),
        (values.clone().limit(100), [8.0, 12.0, 0.0, 0.0]),
        (values.clone().limit(100).counts(Counts::All), [12.0, 16.0, 0.0, 0.0]),
        // A word of 32 steps is loaded once for all of them.
        (values.validity(Validity::Mask), [8.125, 12.25, 0.0, 0.0]),
    ] {
        for (number, expected) in expected.into_iter().enumerate().filter(|&(_, expected)| expected > 0.0) {
            let tuning = tuning([Strategy::Serial, Strategy::Tiles][number % 2]);
            let plan = match number {
                0 | 1 => descriptor.forward(&Limits::default(), &tuning),
                _ => descriptor.backward(&Limits::default(), &tuning),
            };
            let moved = per_element(plan.expect("it fits"));
            // Beside them less than 16 words for each tile or stretch of 1,024 steps.
            assert!(moved >= expected && moved < expected + 64.0 / 1024.0, "{moved}, not {expected}: {descriptor:?}");
        }
    }
    // Saving is a bit each.
    let saves = fill.save(Save::Codes).forward(&Limits::default(), &tuning(Strategy::Serial)).expect("it fits");
    let moved = per_element(saves);
    assert!((16.125..16.13).contains(&moved), "{moved}");
}
