//! Packed states of the oracle and of the host: a table made by hand, and lengths and units that are refused.

use bmru::{
    Amplitude, Descriptor, Error, InitialState, Inputs, Layout, Limits, Operand, Packed, Save, SavedLayout, Shape, Slot, States,
    Threshold, TimeOrder, Tuning, oracle,
};

const NEVER: u32 = SavedLayout::NEVER;

/// Two rows of 34 steps and 3 channels: a word and two steps.
const SHAPE: Shape = Shape { batch: 2, time: 34, channels: 3 };

/// Row, channel, step, and what the candidate is there; 0 elsewhere, thresholds of 1. Channel 2 of row 1 never sets.
const SETS: [(u64, u64, u64, f32); 9] = [
    (0, 0, 0, 2.0),
    (0, 0, 3, -2.0),
    (0, 1, 31, 2.0),
    (0, 2, 32, 2.0),
    (0, 2, 33, -2.0),
    (1, 0, 1, -2.0),
    (1, 0, 30, 2.0),
    (1, 1, 33, 2.0),
    (1, 1, 5, -2.0),
];

/// By row and channel: two words, and the first set step.
const WORDS: [[([u32; 2], u32); 3]; 2] = [
    [([0b0111, 0b00], 0), ([0x8000_0000, 0b11], 31), ([0, 0b01], 32)],
    [([0xc000_0000, 0b11], 1), ([0, 0b10], 5), ([0, 0], NEVER)],
];

fn candidates(layout: Layout, order: TimeOrder) -> Vec<f32> {
    let mut candidates = vec![0.0; 2 * 34 * 3];
    for (b, d, step, value) in SETS {
        let t = if order == TimeOrder::Descending { 33 - step } else { step };
        let row = if layout == Layout::TimeBatchChannel { t * 2 + b } else { b * 34 + t };
        candidates[(row * 3 + d) as usize] = value;
    }
    candidates
}

#[test]
fn words_and_first_set_steps_are_those_of_the_table() {
    for layout in [Layout::BatchTimeChannel, Layout::TimeBatchChannel] {
        for order in [TimeOrder::Ascending, TimeOrder::Descending] {
            for save in [Save::Nothing, Save::Codes] {
                let scan = Descriptor::bmru(SHAPE).threshold(Threshold::PerChannel).layout(layout).time_order(order).save(save);
                let candidate = candidates(layout, order);
                let inputs =
                    Inputs { candidate: &candidate, threshold: &[1.0; 3], amplitude: &[4.0, 5.0, 6.0], ..Inputs::default() };
                let numbers = oracle::forward(&scan, &inputs).expect("the slices fit");
                let packed = scan.states(States::Packed);
                let written = oracle::forward(&packed, &inputs).expect("the slices fit");
                let view = packed.view(Operand::PackedStates).expect("there are packed states");
                for (b, d) in (0..2).flat_map(|b| (0..3).map(move |d| (b, d))) {
                    let (words, first_set) = WORDS[b][d];
                    for (w, word) in (0..).zip(words) {
                        let at = b as u64 * view.strides.batch + w * view.strides.time + d as u64;
                        assert_eq!(written.packed_states[at as usize], word, "{layout:?}, {order:?}: {b}, {w}, {d}");
                    }
                    assert_eq!(written.first_set[3 * b + d], first_set, "{b}, {d}");
                }
                assert!(written.states.is_empty());
                let (packed_states, first_set) = (&written.packed_states, &written.first_set);
                let unpacked =
                    Packed { packed_states, first_set, amplitude: &[4.0, 5.0, 6.0], ..Packed::default() }.unpack(&packed);
                assert_eq!(unpacked.as_deref(), Ok(&numbers.states[..]), "{layout:?}, {order:?}");
            }
        }
    }
}

/// Words follow each other as the layout of the descriptor says.
#[test]
fn words_lie_as_documented() {
    let packed = Descriptor::bmru(Shape { batch: 7, time: 100, channels: 5 }).states(States::Packed);
    let strides =
        |descriptor: &Descriptor| descriptor.view(Operand::PackedStates).map(|view| [view.strides.batch, view.strides.time]);
    assert_eq!(strides(&packed), Some([20, 5]));
    assert_eq!(strides(&packed.clone().layout(Layout::TimeBatchChannel)), Some([5, 35]));
    assert_eq!(packed.slot_elements(Slot::PackedStates), Ok(7 * 4 * 5));
    assert_eq!(packed.slot_elements(Slot::FirstSet), Ok(35));
    // What saves has the first set steps there.
    let saves = packed.clone().save(Save::Codes);
    assert_eq!(saves.slot_elements(Slot::FirstSet), Ok(0));
    assert_eq!(saves.view(Operand::FirstSet), Some(saves.saved_layout().first_set()));
    assert_eq!(saves.saved_layout(), packed.states(States::Numbers).saved_layout());
}

#[test]
fn amplitudes_are_not_read_where_nothing_is_made_of_them() {
    let scan = Descriptor::bmru(Shape { batch: 1, time: 2, channels: 1 }).threshold(Threshold::PerChannel);
    let scan = scan.initial_state(InitialState::Given);
    let inputs = Inputs { candidate: &[2.0, 0.0], threshold: &[1.0], ..Inputs::default() };
    let packed = scan.clone().states(States::Packed);
    assert_eq!(oracle::forward(&packed, &inputs).map(|written| written.packed_states), Ok(vec![0b11]));
    for descriptor in [scan.clone().states(States::Both), packed.clone().save(Save::Codes), scan] {
        let missing = oracle::forward(&descriptor, &inputs).map(drop);
        assert_eq!(missing, Err(Error::LengthMismatch { slot: Slot::Amplitude, expected: 1, actual: 0 }));
    }
    // One of another length is still a mistake.
    let wrong = oracle::forward(&packed, &Inputs { amplitude: &[1.0, 2.0], ..inputs }).map(drop);
    assert_eq!(wrong, Err(Error::LengthMismatch { slot: Slot::Amplitude, expected: 1, actual: 2 }));
}

#[test]
fn what_cannot_be_unpacked_is_refused() {
    let scan = Descriptor::bmru(SHAPE);
    let refused = Err(Error::Incompatible { expected: "packed states", actual: "unpacking of states that are numbers" });
    assert_eq!(scan.unpack(&Limits::default(), &Tuning::default()).map(drop), refused);
    assert_eq!(Packed::default().unpack(&scan).map(drop), refused);

    let number =
        Err(Error::Incompatible { expected: "a state that is one of two", actual: "packed states of a state that is a number" });
    for number_unit in [Descriptor::cumulative(SHAPE), scan.clone().amplitude(Amplitude::PerElement)] {
        let packed = number_unit.states(States::Both);
        assert_eq!(packed.forward(&Limits::default(), &Tuning::default()).map(drop), number);
        assert_eq!(packed.unpack(&Limits::default(), &Tuning::default()).map(drop), number);
    }

    let packed = scan.states(States::Packed).initial_state(InitialState::Given);
    let slices = |lengths: [usize; 4]| (vec![0; lengths[0]], vec![0; lengths[1]], vec![0.0; lengths[2]], vec![0.0; lengths[3]]);
    for (lengths, slot, expected, actual) in [
        ([11, 6, 3, 6], Slot::PackedStates, 12, 11),
        ([12, 7, 3, 6], Slot::FirstSet, 6, 7),
        ([12, 6, 0, 6], Slot::Amplitude, 3, 0),
        ([12, 6, 3, 5], Slot::InitialState, 6, 5),
    ] {
        let (packed_states, first_set, amplitude, initial_state) = slices(lengths);
        let (packed_states, first_set) = (&packed_states, &first_set);
        let unpacked =
            Packed { packed_states, first_set, amplitude: &amplitude, initial_state: &initial_state }.unpack(&packed).map(drop);
        assert_eq!(unpacked, Err(Error::LengthMismatch { slot, expected, actual }));
    }
}
