//! The oracle against tables that were written by hand, and wrong loops against the same tables.

use bmru::oracle::{backward, forward};
use bmru::{Boundary, Descriptor, Element, Error, FinalState, InitialState, Inputs, Layout, Outputs, Save, SavedLayout, Shape};
use bmru::{IncomingGradients, Slot, Strides, Threshold, View};

const INF: f32 = f32::INFINITY;
const NAN: f32 = f32::NAN;
/// Signalling, with a payload: any arithmetic sets bit 22.
const SNAN: f32 = f32::from_bits(0x7fa1_2345);
/// The same with the other sign.
const NEG_SNAN: f32 = f32::from_bits(0xffa1_2345);
/// The smallest denormal, the next one, and the largest.
const TINY: f32 = f32::from_bits(1);
const TINY_2: f32 = f32::from_bits(2);
const TINY_MAX: f32 = f32::from_bits(0x007f_ffff);
/// One step beside 1.
const ABOVE: f32 = f32::from_bits(0x3f80_0001);
const BELOW: f32 = f32::from_bits(0x3f7f_ffff);

const HOLD: &[Boundary] = &[Boundary::Hold];
const SET: &[Boundary] = &[Boundary::Set];
const BOTH: &[Boundary] = &[Boundary::Hold, Boundary::Set];

/// One channel of one sequence.
struct Row {
    name: &'static str,
    boundaries: &'static [Boundary],
    amplitude: f32,
    h0: Option<f32>,
    c: &'static [f32],
    r: &'static [f32],
    h: &'static [f32],
}

#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row { name: "holds the zero it starts from", boundaries: BOTH, amplitude: 1.5, h0: None,
        c: &[0.5, -0.5, 0.25], r: &[1.0, 1.0, 1.0], h: &[0.0, 0.0, 0.0] },
    Row { name: "sets to both signs, holds between", boundaries: BOTH, amplitude: 1.5, h0: None,
        c: &[2.0, 0.5, -2.0, -0.5, 0.5, 3.0, -0.5], r: &[1.0; 7], h: &[1.5, 1.5, -1.5, -1.5, -1.5, 1.5, 1.5] },
    Row { name: "holds h0 until the first set, and never again", boundaries: BOTH, amplitude: 1.5, h0: Some(7.0),
        c: &[0.5, -0.5, 2.0, 0.5], r: &[1.0; 4], h: &[7.0, 7.0, 1.5, 1.5] },
    Row { name: "holds h0 = -0", boundaries: BOTH, amplitude: 1.5, h0: Some(-0.0),
        c: &[0.5], r: &[1.0], h: &[-0.0] },
    Row { name: "holds a signalling h0", boundaries: BOTH, amplitude: 1.5, h0: Some(NEG_SNAN),
        c: &[0.5, 2.0], r: &[1.0, 1.0], h: &[NEG_SNAN, 1.5] },
    Row { name: "only the magnitude of r counts", boundaries: BOTH, amplitude: 1.5, h0: Some(7.0),
        c: &[0.5, -0.5, 2.0, -2.0], r: &[-1.0; 4], h: &[7.0, 7.0, 1.5, -1.5] },
    Row { name: "the edge holds", boundaries: HOLD, amplitude: 1.5, h0: Some(7.0),
        c: &[1.0, -1.0, 1.0, -1.0], r: &[1.0, 1.0, -1.0, -1.0], h: &[7.0, 7.0, 7.0, 7.0] },
    Row { name: "the edge sets", boundaries: SET, amplitude: 1.5, h0: Some(7.0),
        c: &[1.0, -1.0, 1.0, -1.0], r: &[1.0, 1.0, -1.0, -1.0], h: &[1.5, -1.5, 1.5, -1.5] },
    Row { name: "zeros on the edge hold", boundaries: HOLD, amplitude: 1.5, h0: Some(7.0),
        c: &[0.0, -0.0, 0.0, -0.0], r: &[0.0, 0.0, -0.0, -0.0], h: &[7.0, 7.0, 7.0, 7.0] },
    Row { name: "S(+0) = S(-0) = +1 on the edge", boundaries: SET, amplitude: 1.5, h0: Some(7.0),
        c: &[0.0, -2.0, -0.0, -2.0, 0.0, -2.0, -0.0], r: &[0.0, 1.0, 0.0, 1.0, -0.0, 1.0, -0.0],
        h: &[1.5, -1.5, 1.5, -1.5, 1.5, -1.5, 1.5] },
    Row { name: "zeros inside the region hold", boundaries: BOTH, amplitude: 1.5, h0: Some(7.0),
        c: &[0.0, -0.0, 0.0], r: &[1.0, 1.0, TINY], h: &[7.0, 7.0, 7.0] },
    Row { name: "one step beside the edge", boundaries: BOTH, amplitude: 1.5, h0: Some(7.0),
        c: &[BELOW, -BELOW, ABOVE, -ABOVE, BELOW, 1.0, 1.0], r: &[1.0, 1.0, 1.0, -1.0, 1.0, ABOVE, BELOW],
        h: &[7.0, 7.0, 1.5, -1.5, -1.5, -1.5, 1.5] },
    Row { name: "a NaN candidate holds", boundaries: BOTH, amplitude: 1.5, h0: Some(7.0),
        c: &[NAN, -NAN, SNAN, NEG_SNAN, 2.0, NAN, -NAN], r: &[1.0, 0.0, -0.0, INF, 1.0, 1.0, 0.0],
        h: &[7.0, 7.0, 7.0, 7.0, 1.5, 1.5, 1.5] },
    Row { name: "a NaN threshold holds", boundaries: BOTH, amplitude: 1.5, h0: Some(7.0),
        c: &[2.0, INF, -INF, 0.0, NAN, NAN], r: &[NAN, -NAN, SNAN, NEG_SNAN, NAN, -NAN], h: &[7.0; 6] },
    Row { name: "infinities, the edge holds", boundaries: HOLD, amplitude: 1.5, h0: Some(7.0),
        c: &[INF, -INF, INF, -INF, f32::MAX], r: &[f32::MAX, f32::MIN, INF, -INF, INF], h: &[1.5, -1.5, -1.5, -1.5, -1.5] },
    Row { name: "infinities, the edge sets", boundaries: SET, amplitude: 1.5, h0: Some(7.0),
        c: &[INF, -INF, INF, -INF, f32::MAX], r: &[f32::MAX, f32::MIN, -INF, INF, INF], h: &[1.5, -1.5, 1.5, -1.5, -1.5] },
    Row { name: "denormals, the edge holds", boundaries: HOLD, amplitude: 1.5, h0: Some(7.0),
        c: &[TINY, TINY, -TINY, TINY_2, -TINY_2, TINY_MAX], r: &[TINY, 0.0, -0.0, TINY, -TINY, f32::MIN_POSITIVE],
        h: &[7.0, 1.5, -1.5, 1.5, -1.5, -1.5] },
    Row { name: "denormals, the edge sets", boundaries: SET, amplitude: 1.5, h0: Some(7.0),
        c: &[TINY, TINY, -TINY, TINY_MAX, -TINY_MAX], r: &[TINY_2, TINY, TINY, f32::MIN_POSITIVE, TINY_MAX],
        h: &[7.0, 1.5, -1.5, -1.5, -1.5] },
    Row { name: "amplitude +0", boundaries: BOTH, amplitude: 0.0, h0: Some(7.0),
        c: &[2.0, -2.0], r: &[1.0, 1.0], h: &[0.0, -0.0] },
    Row { name: "amplitude -0", boundaries: BOTH, amplitude: -0.0, h0: None,
        c: &[0.5, 2.0, -2.0], r: &[1.0; 3], h: &[0.0, -0.0, 0.0] },
    Row { name: "amplitude below zero", boundaries: BOTH, amplitude: -1.5, h0: None,
        c: &[2.0, -2.0, 0.5], r: &[1.0; 3], h: &[-1.5, 1.5, 1.5] },
    Row { name: "infinite amplitude", boundaries: BOTH, amplitude: INF, h0: None,
        c: &[2.0, -2.0], r: &[1.0; 2], h: &[INF, -INF] },
    Row { name: "denormal amplitude", boundaries: BOTH, amplitude: TINY, h0: None,
        c: &[2.0, -2.0], r: &[1.0; 2], h: &[TINY, -TINY] },
    Row { name: "signalling amplitude", boundaries: BOTH, amplitude: SNAN, h0: None,
        c: &[2.0, -2.0, 0.5], r: &[1.0; 3], h: &[SNAN, NEG_SNAN, NEG_SNAN] },
    Row { name: "no steps", boundaries: BOTH, amplitude: 1.5, h0: Some(7.0), c: &[], r: &[], h: &[] },
];

/// One channel of 33 steps, so that two words are there: the steps that set (others are inside the region), and what is saved.
struct Coded {
    name: &'static str,
    sets: &'static [(usize, f32)],
    /// `Z` of the first and of the second word.
    z: [u32; 2],
    /// The signs before.
    signs: [u32; 2],
    first_set: u32,
}

#[rustfmt::skip]
const CODED: &[Coded] = &[
    Coded { name: "around the end of the first word", sets: &[(1, 2.0), (31, -2.0), (32, 2.0)],
        z: [0x8000_0002, 1], signs: [0xffff_fffc, 0], first_set: 1 },
    Coded { name: "the sign is carried into the second word", sets: &[(5, -2.0), (30, 2.0)],
        z: [0x4000_0020, 0], signs: [0x8000_0000, 1], first_set: 5 },
    Coded { name: "never sets", sets: &[], z: [0, 0], signs: [0, 0], first_set: SavedLayout::NEVER },
    Coded { name: "first set in the second word", sets: &[(32, -2.0)], z: [0, 1], signs: [0, 0], first_set: 32 },
    Coded { name: "sets in the first step", sets: &[(0, 2.0), (16, -2.0)],
        z: [0x0001_0001, 0], signs: [0x0001_fffe, 0], first_set: 0 },
];

impl Coded {
    fn candidates(&self) -> Vec<f32> {
        let mut c = vec![0.5; 33];
        for &(t, value) in self.sets {
            c[t] = value;
        }
        c
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[track_caller]
fn assert_bits(actual: &[f32], expected: &[f32], what: &str) {
    let hex = |values: &[f32]| values.iter().map(|value| format!("{value}={:08x}", value.to_bits())).collect::<Vec<_>>();
    assert_eq!(hex(actual), hex(expected), "{what}");
}

fn shape(batch: u64, time: u64, channels: u64) -> Shape {
    Shape { batch, time, channels }
}

fn run(descriptor: &Descriptor, c: &[f32], r: &[f32], amplitude: &[f32], h0: &[f32]) -> Outputs {
    let inputs = Inputs { candidate: c, threshold: r, amplitude, initial_state: h0, ..Inputs::default() };
    forward(descriptor, &inputs).expect("the slices fit")
}

fn given(h0: Option<f32>) -> InitialState {
    if h0.is_some() { InitialState::Given } else { InitialState::Zero }
}

#[test]
fn states_are_those_of_the_table() {
    for row in TABLE {
        for &boundary in row.boundaries {
            let descriptor = Descriptor::bmru(shape(1, row.c.len() as u64, 1))
                .boundary(boundary)
                .initial_state(given(row.h0))
                .final_state(FinalState::Written);
            let outputs = run(&descriptor, row.c, row.r, &[row.amplitude], row.h0.as_slice());
            let what = format!("{}, {boundary:?}", row.name);
            assert_bits(&outputs.states, row.h, &what);
            let last = row.h.last().copied().or(row.h0).unwrap_or(0.0);
            assert_bits(&outputs.final_state, &[last], &what);
            assert!(outputs.saved.is_empty(), "{what}");
        }
    }
}

/// Every row of the table at once, as channels of one sequence and as sequences of one channel: no neighbour leaks in.
#[test]
fn channels_and_sequences_are_independent() {
    let rows: Vec<&Row> = TABLE.iter().filter(|row| row.boundaries.contains(&Boundary::Set) && !row.c.is_empty()).collect();
    let (count, time) = (rows.len(), rows.iter().map(|row| row.c.len()).max().expect("rows"));
    // Shorter rows end with holds.
    let at = |values: &[f32], t: usize, rest: f32| values.get(t).copied().unwrap_or(rest);
    let h0: Vec<f32> = rows.iter().map(|row| row.h0.unwrap_or(0.0)).collect();
    for (batch, channels) in [(1, count), (count, 1)] {
        let descriptor = Descriptor::bmru(shape(batch as u64, time as u64, channels as u64))
            .layout(if batch == 1 { Layout::BatchTimeChannel } else { Layout::TimeBatchChannel })
            .boundary(Boundary::Set)
            .initial_state(InitialState::Given)
            .threshold(Threshold::PerElement);
        let all = |value: &dyn Fn(&Row, usize) -> f32| -> Vec<f32> {
            (0..time).flat_map(|t| rows.iter().map(move |row| value(row, t))).collect()
        };
        let (c, r) = (all(&|row, t| at(row.c, t, 0.5)), all(&|row, t| at(row.r, t, 1.0)));
        let h = all(&|row, t| at(row.h, t, *row.h.last().expect("steps")));
        let amplitudes: Vec<f32> = if batch == 1 { rows.iter().map(|row| row.amplitude).collect() } else { vec![1.5] };
        let outputs = run(&descriptor, &c, &r, &amplitudes, &h0);
        for (index, (&actual, &expected)) in outputs.states.iter().zip(&h).enumerate() {
            let row = rows[index % count];
            if batch == 1 || row.amplitude == 1.5 {
                assert_bits(&[actual], &[expected], row.name);
            }
        }
    }
}

#[test]
fn axes_lie_as_the_layout_says() {
    // Two sequences of three steps and two channels; thresholds 1 everywhere.
    let (h0, amplitude, last) = ([5.0, 6.0, 7.0, 8.0], [1.0, 2.0], [-1.0, -2.0, 1.0, 2.0]);
    let batch_first: ([f32; 12], [f32; 12]) = (
        [2.0, 0.5, 0.5, -2.0, -2.0, 0.5, 0.5, -2.0, 0.5, 2.0, 2.0, 0.5],
        [1.0, 6.0, 1.0, -2.0, -1.0, -2.0, 7.0, -2.0, 7.0, 2.0, 1.0, 2.0],
    );
    let time_first: ([f32; 12], [f32; 12]) = (
        [2.0, 0.5, 0.5, -2.0, 0.5, -2.0, 0.5, 2.0, -2.0, 0.5, 2.0, 0.5],
        [1.0, 6.0, 7.0, -2.0, 1.0, -2.0, 7.0, 2.0, -1.0, -2.0, 1.0, 2.0],
    );
    for (layout, (c, h)) in [(Layout::BatchTimeChannel, batch_first), (Layout::TimeBatchChannel, time_first)] {
        let descriptor =
            Descriptor::bmru(shape(2, 3, 2)).layout(layout).initial_state(InitialState::Given).final_state(FinalState::Written);
        let outputs = run(&descriptor, &c, &[1.0; 12], &amplitude, &h0);
        assert_bits(&outputs.states, &h, &format!("{layout:?}"));
        assert_bits(&outputs.final_state, &last, &format!("{layout:?}"));
        let per_channel = run(&descriptor.threshold(Threshold::PerChannel), &c, &[-1.0; 2], &amplitude, &h0);
        assert_bits(&per_channel.states, &h, &format!("{layout:?}, threshold per channel"));
    }
}

#[test]
fn each_channel_has_its_threshold() {
    let descriptor = Descriptor::bmru(shape(1, 3, 2)).threshold(Threshold::PerChannel);
    let outputs = run(&descriptor, &[2.0, 2.0, -2.0, 4.0, 0.5, -2.0], &[1.0, -3.0], &[1.0, 10.0], &[]);
    assert_bits(&outputs.states, &[1.0, 0.0, -1.0, 10.0, -1.0, 10.0], "r = [1, -3]");
}

#[test]
fn side_by_side_rows_are_candidates_and_then_thresholds() {
    // c0, c1, r0, r1
    #[rustfmt::skip]
    let (batch_first, h_batch_first) = ([
        2.0, 2.0, 1.0, 3.0,   -2.0, 4.0, -3.0, 3.0,
        0.5, -2.0, 1.0, -1.0,   -2.0, 0.5, 1.0, 1.0,
    ], [1.0, 0.0, 1.0, 10.0, 0.0, -10.0, -1.0, -10.0]);
    #[rustfmt::skip]
    let (time_first, h_time_first) = ([
        2.0, 2.0, 1.0, 3.0,   0.5, -2.0, 1.0, -1.0,
        -2.0, 4.0, -3.0, 3.0,   -2.0, 0.5, 1.0, 1.0,
    ], [1.0, 0.0, 0.0, -10.0, 1.0, 10.0, -1.0, -10.0]);
    for (layout, c, h) in
        [(Layout::BatchTimeChannel, batch_first, h_batch_first), (Layout::TimeBatchChannel, time_first, h_time_first)]
    {
        let descriptor = Descriptor::bmru(shape(2, 2, 2)).layout(layout).side_by_side();
        assert_bits(&run(&descriptor, &c, &[], &[1.0, 10.0], &[]).states, &h, &format!("{layout:?}"));
    }
}

#[test]
fn views_have_offsets_and_gaps() {
    let strides = |batch, time| Strides { batch, time, channel: 1 };
    // One threshold row for all steps; states in rows of 3 from element 1 on, sequences 10 apart.
    let descriptor = Descriptor::bmru(shape(2, 2, 2))
        .candidate_view(View { slot: Slot::Candidate, offset: 2, strides: strides(5, 2) })
        .threshold_view(View { slot: Slot::Candidate, offset: 0, strides: strides(0, 0) })
        .states_view(View { slot: Slot::States, offset: 1, strides: strides(10, 3) });
    let c = [1.0, 3.0, 2.0, 2.0, -2.0, 4.0, NAN, -2.0, -4.0, 0.5, 0.5];
    let outputs = run(&descriptor, &c, &[], &[1.0, 10.0], &[]);
    #[rustfmt::skip]
    let h = [0.0, 1.0, 0.0, 0.0, -1.0, 10.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, -10.0, 0.0, -1.0, -10.0];
    assert_bits(&outputs.states, &h, "gaps are 0");
}

#[test]
fn saved_words_are_those_of_the_table() {
    let (h0, amplitude) = ([7.0, -0.0, SNAN, TINY], [1.5, NEG_SNAN]);
    let coded = [&CODED[0], &CODED[1], &CODED[2], &CODED[3]];
    let c: Vec<Vec<f32>> = coded.iter().map(|coded| coded.candidates()).collect();
    #[rustfmt::skip]
    let expected = [
        1.5f32.to_bits(), 0xffa1_2345,
        // Z and signs of steps 0 to 31, then of step 32; first set; h0.
        0x8000_0002, 0x4000_0020,   0xffff_fffc, 0x8000_0000,   1, 0,   0, 1,   1, 5,   7f32.to_bits(), 0x8000_0000,
        0, 0,   0, 0,   0, 1,   0, 0,   0xffff_ffff, 32,   0x7fa1_2345, 1,
    ];
    for layout in [Layout::BatchTimeChannel, Layout::TimeBatchChannel] {
        let mut elements = vec![0.0; 2 * 33 * 2];
        for (row, values) in c.iter().enumerate() {
            let (b, d) = (row / 2, row % 2);
            for (t, &value) in values.iter().enumerate() {
                let line = if layout == Layout::BatchTimeChannel { b * 33 + t } else { t * 2 + b };
                elements[line * 2 + d] = value;
            }
        }
        let descriptor = Descriptor::bmru(shape(2, 33, 2))
            .layout(layout)
            .threshold(Threshold::PerChannel)
            .initial_state(InitialState::Given)
            .save(Save::Codes);
        let outputs = run(&descriptor, &elements, &[1.0, 1.0], &amplitude, &h0);
        assert_eq!(outputs.saved, expected, "{layout:?}");
        assert_eq!(descriptor.saved_layout().words(), 26);
    }
}

#[test]
fn codes_of_each_channel_are_those_of_the_table() {
    for coded in CODED {
        let descriptor = Descriptor::bmru(shape(1, 33, 1)).threshold(Threshold::PerChannel).save(Save::Codes);
        let outputs = run(&descriptor, &coded.candidates(), &[1.0], &[1.5], &[]);
        let expected =
            [1.5f32.to_bits(), coded.z[0], coded.signs[0], coded.z[1], coded.signs[1], coded.first_set, 0.0f32.to_bits()];
        assert_eq!(outputs.saved, expected, "{}", coded.name);
    }
}

#[test]
fn empty_axes() {
    let all =
        |shape| Descriptor::bmru(shape).initial_state(InitialState::Given).final_state(FinalState::Written).save(Save::Codes);
    // No steps: the state is handed on, and there are no codes.
    let outputs = run(&all(shape(2, 0, 2)), &[], &[], &[1.5, SNAN], &[7.0, NEG_SNAN, -0.0, TINY]);
    assert!(outputs.states.is_empty());
    assert_bits(&outputs.final_state, &[7.0, NEG_SNAN, -0.0, TINY], "T = 0");
    let (never, seven) = (SavedLayout::NEVER, 7f32.to_bits());
    let words = [1.5f32.to_bits(), 0x7fa1_2345, never, never, seven, 0xffa1_2345, never, never, 0x8000_0000, 1];
    assert_eq!(outputs.saved, words);
    // No sequences: amplitudes are still read, nothing is written.
    assert_eq!(run(&all(shape(0, 5, 2)), &[], &[], &[1.5, 2.5], &[]).saved, [0u32; 0]);
    let outputs = run(&all(shape(0, 5, 2)).threshold(Threshold::PerChannel), &[], &[1.0, 1.0], &[1.5, 2.5], &[]);
    assert!(outputs.states.is_empty() && outputs.final_state.is_empty() && outputs.saved.is_empty());
    // No channels.
    let outputs = run(&all(shape(3, 5, 0)), &[], &[], &[], &[]);
    assert!(outputs.states.is_empty() && outputs.final_state.is_empty() && outputs.saved.is_empty());
}

#[test]
fn slices_of_the_wrong_length_are_refused() {
    let descriptor = Descriptor::bmru(shape(1, 3, 2)).initial_state(InitialState::Given);
    let right = Inputs {
        candidate: &[0.0; 6],
        threshold: &[0.0; 6],
        amplitude: &[0.0; 2],
        initial_state: &[0.0; 2],
        ..Inputs::default()
    };
    assert!(forward(&descriptor, &right).is_ok());
    for (inputs, slot, expected, actual) in [
        (Inputs { candidate: &[0.0; 5], ..right }, Slot::Candidate, 6, 5),
        (Inputs { threshold: &[0.0; 2], ..right }, Slot::Threshold, 6, 2),
        (Inputs { amplitude: &[0.0; 3], ..right }, Slot::Amplitude, 2, 3),
        (Inputs { initial_state: &[], ..right }, Slot::InitialState, 2, 0),
    ] {
        let error = forward(&descriptor, &inputs).expect_err("a wrong length");
        assert_eq!(error, Error::LengthMismatch { slot, expected, actual });
        let incoming = IncomingGradients { states: &[0.0; 6], final_state: &[] };
        assert_eq!(backward(&descriptor, &inputs, &incoming), Err(Error::LengthMismatch { slot, expected, actual }));
    }
}

/// A loop put together from its rules, so that each can be wrong on its own.
#[derive(Clone, Copy)]
struct Rules {
    sets: fn(f32, f32, Boundary) -> bool,
    negative: fn(f32) -> bool,
    negated: fn(f32) -> f32,
    hold: fn(f32, f32) -> f32,
    /// The sign that is saved, of those before and after the step.
    saved: fn(bool, bool) -> bool,
}

const RIGHT: Rules = Rules {
    sets: |c, r, boundary| if boundary == Boundary::Set { c.abs() >= r.abs() } else { c.abs() > r.abs() },
    negative: |c| c < 0.0,
    negated: |x| f32::from_bits(x.to_bits() ^ 1 << 31),
    hold: |state, _| state,
    saved: |before, _| before,
};

/// Zero where a driver that flushes denormals would see one.
fn flushed(x: f32) -> f32 {
    if x.is_subnormal() { 0.0 } else { x }
}

const MISTAKES: &[(&str, Rules)] = &[
    ("the edge always sets", Rules { sets: |c, r, _| c.abs() >= r.abs(), ..RIGHT }),
    ("the edge never sets", Rules { sets: |c, r, _| c.abs() > r.abs(), ..RIGHT }),
    ("the sign of r counts", Rules { sets: |c, r, rule| (RIGHT.sets)(c, r.max(0.0), rule), ..RIGHT }),
    ("NaN sets", Rules { sets: |c, r, rule| c.is_nan() || (RIGHT.sets)(c, r, rule), ..RIGHT }),
    ("a NaN threshold is 0", Rules { sets: |c, r, rule| (RIGHT.sets)(c, if r.is_nan() { 0.0 } else { r }, rule), ..RIGHT }),
    ("denormals are flushed", Rules { sets: |c, r, rule| (RIGHT.sets)(flushed(c), flushed(r), rule), ..RIGHT }),
    ("S is the sign bit", Rules { negative: |c| c.is_sign_negative(), ..RIGHT }),
    // The factor is hidden, or the compiler makes it a flip of the sign.
    ("-α by multiplication", Rules { negated: |x| x * std::hint::black_box(-1.0), ..RIGHT }),
    ("-α by subtraction", Rules { negated: |x| 0.0 - x, ..RIGHT }),
    ("a hold goes back to h0", Rules { hold: |_, h0| h0, ..RIGHT }),
    ("a held state passes arithmetic", Rules { hold: |state, _| state + std::hint::black_box(0.0), ..RIGHT }),
    ("the sign after is saved", Rules { saved: |_, after| after, ..RIGHT }),
    ("the sign is saved only where something sets", Rules { saved: |before, after| before && !after, ..RIGHT }),
];

/// States, `Z`, signs and first set step of one channel.
type Scanned = (Vec<u32>, [u32; 2], [u32; 2], u32);

fn scan(rules: Rules, boundary: Boundary, amplitude: f32, h0: f32, c: &[f32], r: &[f32]) -> Scanned {
    let (mut state, mut plus, mut first_set) = (h0, false, SavedLayout::NEVER);
    let (mut states, mut z, mut signs) = (Vec::new(), [0; 2], [0; 2]);
    for (t, (&c, &r)) in c.iter().zip(r).enumerate() {
        let (sets, before) = ((rules.sets)(c, r, boundary), plus);
        if sets {
            plus = !(rules.negative)(c);
            state = if plus { amplitude } else { (rules.negated)(amplitude) };
            first_set = first_set.min(t as u32);
        } else {
            state = (rules.hold)(state, h0);
        }
        states.push(state.to_bits());
        z[t / 32] |= u32::from(sets) << (t % 32);
        signs[t / 32] |= u32::from((rules.saved)(before, plus)) << (t % 32);
    }
    (states, z, signs, first_set)
}

/// Names of the table's rows that a loop gets wrong.
fn failures(rules: Rules) -> Vec<&'static str> {
    let mut failed = Vec::new();
    for row in TABLE {
        for &boundary in row.boundaries {
            let scanned = scan(rules, boundary, row.amplitude, row.h0.unwrap_or(0.0), row.c, row.r);
            if scanned.0 != bits(row.h) {
                failed.push(row.name);
            }
        }
    }
    for coded in CODED {
        let (_, z, signs, first_set) = scan(rules, Boundary::Hold, 1.5, 0.0, &coded.candidates(), &[1.0; 33]);
        if (z, signs, first_set) != (coded.z, coded.signs, coded.first_set) {
            failed.push(coded.name);
        }
    }
    failed
}

#[test]
fn tables_find_planted_mistakes() {
    assert_eq!(failures(RIGHT), [""; 0]);
    for &(name, rules) in MISTAKES {
        assert!(!failures(rules).is_empty(), "no row of the table notices: {name}");
    }
}

/// The first-quadrant unit with `β_hi = 1`, `β_lo = -1`, unless told otherwise.
#[test]
fn first_quadrant_states_are_those_of_the_table() {
    let run = |c: &[f32], high: f32, low: f32, amplitude: f32, boundary| {
        let descriptor = Descriptor::first_quadrant(Shape { batch: 1, time: c.len() as u64, channels: 1 })
            .threshold(Threshold::PerChannel)
            .initial_state(InitialState::Given)
            .boundary(boundary);
        let inputs =
            Inputs { candidate: c, threshold: &[high, low], amplitude: &[amplitude], initial_state: &[7.0], ..Inputs::default() };
        let states = forward(&descriptor, &inputs).expect("the slices fit").states;
        states.into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    let bits = |states: &[f32]| states.iter().map(|state| state.to_bits()).collect::<Vec<_>>();
    for &boundary in BOTH {
        assert_eq!(run(&[0.5, 2.0, -0.5, -2.0, 0.5, 2.0], 1.0, -1.0, 1.5, boundary), bits(&[7.0, 1.5, 1.5, 0.0, 0.0, 1.5]));
        // NaN lies nowhere, and nothing lies beyond it.
        assert_eq!(run(&[NAN, -NAN, SNAN, 2.0, NEG_SNAN, -2.0], 1.0, -1.0, 1.5, boundary), bits(&[7.0, 7.0, 7.0, 1.5, 1.5, 0.0]));
        assert_eq!(run(&[2.0, -2.0, INF], NAN, -1.0, 1.5, boundary), bits(&[7.0, 0.0, 0.0]));
        assert_eq!(run(&[-2.0, 2.0, -INF], 1.0, SNAN, 1.5, boundary), bits(&[7.0, 1.5, 1.5]));
        // Where both fire the high one wins.
        assert_eq!(run(&[0.0, 3.0, -3.0], -1.0, 1.0, 1.5, boundary), bits(&[1.5, 1.5, 0.0]));
        // The amplitude is copied, whatever it is; the other state is +0.
        assert_eq!(run(&[2.0, -2.0], 1.0, -1.0, NEG_SNAN, boundary), bits(&[NEG_SNAN, 0.0]));
        assert_eq!(run(&[2.0, -2.0], 1.0, -1.0, -0.0, boundary), bits(&[-0.0, 0.0]));
        // Signs count, magnitudes do not.
        assert_eq!(run(&[-0.5, -3.0], -1.0, -2.0, 1.5, boundary), bits(&[1.5, 0.0]));
        assert_eq!(run(&[TINY, -TINY], 0.0, -0.0, 1.5, boundary), bits(&[1.5, 0.0]));
    }
    // On the edge.
    assert_eq!(run(&[1.0, -1.0, ABOVE, -ABOVE], 1.0, -1.0, 1.5, Boundary::Hold), bits(&[7.0, 7.0, 1.5, 0.0]));
    assert_eq!(run(&[BELOW, 1.0, -BELOW, -1.0], 1.0, -1.0, 1.5, Boundary::Set), bits(&[7.0, 1.5, 1.5, 0.0]));
    // Both zeros are one number.
    assert_eq!(run(&[-0.0, 0.0], 0.0, -1.0, 1.5, Boundary::Hold), bits(&[7.0, 7.0]));
    assert_eq!(run(&[-0.0, -2.0], 0.0, -1.0, 1.5, Boundary::Set), bits(&[1.5, 0.0]));
    assert_eq!(run(&[INF, -INF], INF, -INF, 1.5, Boundary::Hold), bits(&[7.0, 7.0]));
    assert_eq!(run(&[INF, -INF], INF, -INF, 1.5, Boundary::Set), bits(&[1.5, 0.0]));
}

/// Two steps of three channels of 16 bits: inputs are rounded, amplitudes too, and what is saved are patterns.
#[test]
fn elements_of_16_bits_are_rounded_and_copied() {
    let descriptor = Descriptor::bmru(Shape { batch: 1, time: 2, channels: 3 })
        .element(Element::Bf16)
        .threshold(Threshold::PerChannel)
        .initial_state(InitialState::Given)
        .final_state(FinalState::Written)
        .save(Save::Codes);
    // 1 + 2^-9 lies between two elements and is rounded down to the edge, where it holds.
    let just_above = 1.0 + 2f32.powi(-9);
    let inputs = Inputs {
        candidate: &[just_above, 2.0, 0.5, 2.0, 0.5, -2.0],
        threshold: &[1.0; 3],
        amplitude: &[just_above, 1.0 + 3.0 * 2f32.powi(-9), 3.0],
        initial_state: &[7.0, -7.0, 0.5],
        ..Inputs::default()
    };
    let Outputs { states, final_state, saved, .. } = forward(&descriptor, &inputs).expect("the slices fit");
    // Ties to even: 1 + 3·2^-9 up to 1 + 2^-7.
    assert_eq!(states, [7.0, 1.0 + 2f32.powi(-7), 0.5, 1.0, 1.0 + 2f32.powi(-7), -3.0]);
    assert_eq!(final_state, states[3..]);
    assert_eq!(saved[..3], [0x3f80_0000, 0x3f81_0000, 0x4040_0000]);
    assert_eq!(saved[saved.len() - 3..], [0x40e0_0000, 0xc0e0_0000, 0x3f00_0000]);
}
