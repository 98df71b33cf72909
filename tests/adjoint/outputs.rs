//! Which outputs there are and what is in them where nothing is computed; and what the oracle refuses.

use bmru::oracle::backward;
use bmru::{
    Boundary, Descriptor, Error, Gradient, Gradients, Incoming, IncomingGradients, InitialState, Layout, Limits, Operand, Shape,
    Slot, Surrogate, Tuning,
};

use crate::case::{Case, Options, THRESHOLDS, Thresholds, named, of_oracle};
use crate::table::{SURROGATES, square};

/// A size with an empty axis.
fn empty([batch, time, channels]: [usize; 3], thresholds: Thresholds, incoming: Incoming) -> Case {
    let (layout, boundary, initial_state) = (Layout::default(), Boundary::Hold, InitialState::Given);
    let rows = batch * channels;
    Case {
        options: Options { layout, thresholds, boundary, initial_state, incoming, surrogates: SURROGATES },
        batch,
        time,
        channels,
        c: vec![],
        r: vec![1.0; if thresholds == Thresholds::PerChannel { channels } else { 0 }],
        alpha: vec![2.0; channels],
        h0: vec![7.0; rows],
        dh: vec![],
        dh_final: if incoming == Incoming::States { vec![] } else { (1..=rows).map(|row| row as f32).collect() },
    }
}

#[test]
fn empty_axes() {
    for thresholds in THRESHOLDS {
        let summed = |channels| vec![0.0; if thresholds == Thresholds::PerChannel { channels } else { 0 }];
        for incoming in [Incoming::Both, Incoming::FinalState] {
            // No steps: the final state is the first one.
            let gradients = of_oracle(&empty([2, 0, 3], thresholds, incoming));
            assert_eq!(gradients.initial_state, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
            assert_eq!((gradients.amplitude, gradients.threshold, gradients.candidate), (vec![0.0; 3], summed(3), vec![]));
        }
        let gradients = of_oracle(&empty([2, 0, 3], thresholds, Incoming::States));
        assert_eq!((gradients.initial_state, gradients.amplitude), (vec![0.0; 6], vec![0.0; 3]));
        // No rows: sums of nothing.
        let gradients = of_oracle(&empty([0, 5, 3], thresholds, Incoming::Both));
        let expected = Gradients { candidate: vec![], threshold: summed(3), amplitude: vec![0.0; 3], initial_state: vec![] };
        assert_eq!(gradients, expected);
        // No channels: nothing at all.
        assert_eq!(of_oracle(&empty([2, 5, 0], thresholds, Incoming::Both)), Gradients::default());
    }
}

const OUTPUTS: [(Operand, &str); 4] = [
    (Operand::CandidateGradient, "dc"),
    (Operand::ThresholdGradient, "dr"),
    (Operand::AmplitudeGradient, "dα"),
    (Operand::InitialStateGradient, "dh0"),
];

#[test]
fn what_is_omitted_is_empty_and_changes_nothing_else() {
    for thresholds in [Thresholds::PerElement, Thresholds::PerChannel] {
        let (case, expected) = square(Layout::default(), thresholds);
        let slots = case.slots();
        for mask in 0..16u32 {
            let omitted = |number: usize| mask >> number & 1 == 1;
            let all = case.descriptor();
            let descriptor = (0..4)
                .filter(|&number| omitted(number))
                .fold(all, |descriptor, number| descriptor.gradient(OUTPUTS[number].0, Gradient::Omit));
            let actual = backward(&descriptor, &slots.inputs(), &slots.incoming()).expect("the slices fit");
            for (number, ((name, actual), (_, expected))) in named(&actual).into_iter().zip(named(&expected)).enumerate() {
                assert_eq!(actual, if omitted(number) { &[] } else { expected }, "{name}, mask {mask:04b}, {thresholds:?}");
            }
        }
    }
}

#[test]
fn what_is_omitted_beside_something_else_is_zero() {
    let (case, expected) = square(Layout::default(), Thresholds::Beside);
    let slots = case.slots();
    let run = |operand| {
        let descriptor = case.descriptor().gradient(operand, Gradient::Omit);
        backward(&descriptor, &slots.inputs(), &slots.incoming()).expect("the slices fit").candidate
    };
    let interleaved = |c: &[f64], r: &[f64]| {
        let rows = c.chunks(2).zip(r.chunks(2));
        rows.flat_map(|(c, r)| [c, r].concat()).collect::<Vec<_>>()
    };
    // The last row of the candidates ends before that of the thresholds.
    let only_candidates = interleaved(&expected.candidate, &[0.0; 8]);
    assert_eq!(run(Operand::ThresholdGradient), only_candidates[..only_candidates.len() - 2]);
    assert_eq!(run(Operand::CandidateGradient), interleaved(&[0.0; 8], &expected.threshold));
}

#[test]
fn what_accumulates_begins_at_zero() {
    let (case, expected) = square(Layout::TimeBatchChannel, Thresholds::PerChannel);
    let slots = case.slots();
    let descriptor =
        OUTPUTS.iter().fold(case.descriptor(), |descriptor, &(operand, _)| descriptor.gradient(operand, Gradient::Accumulate));
    let actual = backward(&descriptor, &slots.inputs(), &slots.incoming()).expect("the slices fit");
    assert_eq!(case.logical(&actual), expected);
}

#[test]
fn slopes_that_cannot_be_are_refused() {
    let shape = Shape { batch: 1, time: 1, channels: 1 };
    let (case, _) = square(Layout::default(), Thresholds::PerElement);
    let slots = case.slots();
    let run = |gate, sign| backward(&case.descriptor().surrogates(gate, sign), &slots.inputs(), &slots.incoming());
    // 1e-39 is above zero, but its reciprocal is infinite.
    for slope in [0.0, -0.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-39] {
        let kinds = [
            Surrogate::ArcTan { k: slope },
            Surrogate::FastSigmoid { k: slope },
            Surrogate::Sigmoid { k: slope },
            Surrogate::Triangle { half_width: slope },
            Surrogate::Boxcar { half_width: slope },
        ];
        for kind in kinds {
            for (gate, sign) in [(kind, Surrogate::Zero), (Surrogate::Zero, kind)] {
                let result = run(gate, sign);
                assert!(matches!(result, Err(Error::InvalidSurrogate { .. })), "{gate:?}, {sign:?}: {result:?}");
                let descriptor = Descriptor::bmru(shape).surrogates(gate, sign);
                let plan = descriptor.backward(&Limits::default(), &Tuning::default());
                assert!(matches!(plan, Err(Error::InvalidSurrogate { .. })), "{gate:?}, {sign:?}");
            }
        }
    }
    assert!(run(Surrogate::Zero, Surrogate::Zero).is_ok());
}

#[test]
fn slices_of_another_length_are_refused() {
    let (mut case, _) = square(Layout::default(), Thresholds::PerElement);
    case.options.incoming = Incoming::Both;
    case.dh_final = vec![0.0; 4];
    let slots = case.slots();
    let refused = |states: &[f32], final_state: &[f32]| {
        let incoming = IncomingGradients { states, final_state };
        backward(&case.descriptor(), &slots.inputs(), &incoming).expect_err("the slices do not fit")
    };
    let mismatch = |slot, expected, actual| Error::LengthMismatch { slot, expected, actual };
    assert_eq!(refused(&[0.0; 7], &[0.0; 4]), mismatch(Slot::StatesGradient, 8, 7));
    assert_eq!(refused(&[0.0; 8], &[]), mismatch(Slot::FinalStateGradient, 4, 0));
    case.options.incoming = Incoming::States;
    let incoming = IncomingGradients { states: &[0.0; 8], final_state: &[0.0; 4] };
    let error = backward(&case.descriptor(), &slots.inputs(), &incoming).expect_err("no final state was asked for");
    assert_eq!(error, mismatch(Slot::FinalStateGradient, 0, 4));
}
