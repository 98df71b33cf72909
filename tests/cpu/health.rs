//! Health against tables that were written by hand.

use bmru::{
    Boundary, Descriptor, Error, Health, HealthSign, HealthSource, Inputs, Layout, Shape, Slot, Threshold, TimeOrder, oracle,
};

const NAN: f32 = f32::NAN;

/// One channel of one or more sequences, and what was counted with pencil and paper.
struct Row {
    name: &'static str,
    /// One string a sequence: `+` and `-` set, `.` holds, `n` is NaN.
    sequences: &'static [&'static str],
    sets: u64,
    flips: u64,
    holds: u64,
    longest: u64,
    first_set: Option<u64>,
    silent: u64,
    nans: u64,
    signs: &'static [HealthSign],
}

#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row { name: "nothing", sequences: &[""],
        sets: 0, flips: 0, holds: 0, longest: 0, first_set: None, silent: 1, nans: 0, signs: &[] },
    Row { name: "one step holds", sequences: &["."],
        sets: 0, flips: 0, holds: 1, longest: 1, first_set: None, silent: 1, nans: 0, signs: &[HealthSign::NeverSets] },
    Row { name: "inputs always inside the region", sequences: &["......"],
        sets: 0, flips: 0, holds: 1, longest: 6, first_set: None, silent: 1, nans: 0, signs: &[HealthSign::NeverSets] },
    Row { name: "no region", sequences: &["+-+-+-"],
        sets: 6, flips: 4, holds: 0, longest: 0, first_set: Some(0), silent: 0, nans: 0, signs: &[HealthSign::NeverHolds] },
    Row { name: "a small region", sequences: &["+-.+-."],
        sets: 4, flips: 3, holds: 2, longest: 1, first_set: Some(0), silent: 0, nans: 0, signs: &[HealthSign::RarelyHolds] },
    Row { name: "the first set is no flip, to whichever side", sequences: &[".-....", ".+...."],
        sets: 2, flips: 0, holds: 4, longest: 4, first_set: Some(1), silent: 0, nans: 0, signs: &[] },
    Row { name: "both sides, holds before, between and behind", sequences: &["..+...-.+...."],
        sets: 3, flips: 2, holds: 4, longest: 4, first_set: Some(2), silent: 0, nans: 0, signs: &[] },
    Row { name: "the same side is no flip", sequences: &["+..+..-..-...."],
        sets: 4, flips: 1, holds: 4, longest: 4, first_set: Some(0), silent: 0, nans: 0, signs: &[] },
    Row { name: "one side only", sequences: &[".+..+..+..."],
        sets: 3, flips: 0, holds: 4, longest: 3, first_set: Some(1), silent: 0, nans: 0, signs: &[HealthSign::NeverFlips] },
    Row { name: "a flip at the last step is not counted", sequences: &["+....-"],
        sets: 2, flips: 0, holds: 1, longest: 4, first_set: Some(0), silent: 0, nans: 0, signs: &[] },
    Row { name: "a hold ends with its sequence", sequences: &["+...", "...-", "...."],
        sets: 2, flips: 0, holds: 3, longest: 4, first_set: Some(0), silent: 1, nans: 0, signs: &[] },
    Row { name: "half of the sequences never set", sequences: &["....", "..-.", "....", "...+"],
        sets: 2, flips: 0, holds: 5, longest: 4, first_set: Some(2), silent: 2, nans: 0, signs: &[HealthSign::RarelySets] },
    Row { name: "NaN holds", sequences: &["+.nn.-.."],
        sets: 2, flips: 1, holds: 2, longest: 4, first_set: Some(0), silent: 0, nans: 2, signs: &[HealthSign::NanInputs] },
];

fn candidate(sign: u8) -> f32 {
    match sign {
        b'+' => 2.0,
        b'-' => -2.0,
        b'n' => NAN,
        _ => 0.5,
    }
}

fn health(descriptor: &Descriptor, source: HealthSource, inputs: &Inputs<'_>) -> Health {
    let words = oracle::health(descriptor, source, inputs).expect("the slices fit");
    Health::from_words(descriptor, &words).expect("as many words as it needs")
}

#[test]
fn the_oracle_counts_as_the_table() {
    for row in TABLE {
        let (batch, time) = (row.sequences.len(), row.sequences[0].len());
        let shape = Shape { batch: batch as u64, time: time as u64, channels: 1 };
        for (source, backwards) in
            [HealthSource::Saved, HealthSource::Inputs].into_iter().flat_map(|source| [false, true].map(|down| (source, down)))
        {
            let order = if backwards { TimeOrder::Descending } else { TimeOrder::Ascending };
            let descriptor = Descriptor::bmru(shape).threshold(Threshold::PerChannel).time_order(order);
            let taken = |sequence: &&str| -> Vec<f32> {
                let steps = sequence.bytes().map(candidate);
                if backwards { steps.rev().collect() } else { steps.collect() }
            };
            let candidates: Vec<f32> = row.sequences.iter().flat_map(taken).collect();
            let inputs = Inputs { candidate: &candidates, threshold: &[1.0], amplitude: &[1.0], ..Inputs::default() };
            let health = health(&descriptor, source, &inputs);
            let counted = (
                health.sets(0),
                health.flips(0),
                health.holds(0),
                health.longest_hold(0),
                health.first_set(0),
                health.silent_sequences(0),
            );
            assert_eq!(counted, (row.sets, row.flips, row.holds, row.longest, row.first_set, row.silent), "{}", row.name);
            let known = source == HealthSource::Inputs || batch * time == 0;
            assert_eq!(health.nan_inputs(0), known.then_some(row.nans), "{}", row.name);
            let mut signs = row.signs.to_vec();
            signs.retain(|&sign| known || sign != HealthSign::NanInputs);
            assert_eq!(health.signs(0), signs, "{}", row.name);
            let steps = (batch * time) as f64;
            if steps > 0.0 {
                assert_eq!(health.set_rate(0), row.sets as f64 / steps, "{}", row.name);
                assert_eq!(health.flip_rate(0), row.flips as f64 / steps, "{}", row.name);
            }
            let mean = if row.holds > 0 { (steps - row.sets as f64) / row.holds as f64 } else { 0.0 };
            assert_eq!(health.mean_hold(0), mean, "{}", row.name);
        }
    }
}

/// Of both thresholds of a first-quadrant unit, and each channel on its own.
#[test]
fn first_quadrant_units_flip_between_on_and_off() {
    let shape = Shape { batch: 1, time: 5, channels: 2 };
    let descriptor = Descriptor::first_quadrant(shape).threshold(Threshold::PerChannel).layout(Layout::TimeBatchChannel);
    #[rustfmt::skip]
    let candidate = [
        0.5, 3.0, // holds | on
        2.0, 1.5, // on    | holds
        0.5, 0.1, // holds | off
        0.1, NAN, // off   | NaN
        0.5, 1.5, // holds | holds
    ];
    let inputs = Inputs { candidate: &candidate, threshold: &[1.0, 2.0, 0.3, 1.0], amplitude: &[1.0, 1.0], ..Inputs::default() };
    for boundary in [Boundary::Hold, Boundary::Set] {
        let health = health(&descriptor.clone().boundary(boundary), HealthSource::Inputs, &inputs);
        for (channel, [sets, flips, holds, longest, first, nans]) in
            [[2, 1, 3, 1, 1, 0], [2, 1, 2, 2, 0, 1]].into_iter().enumerate()
        {
            assert_eq!([health.sets(channel), health.flips(channel), health.holds(channel)], [sets, flips, holds], "{channel}");
            assert_eq!((health.longest_hold(channel), health.first_set(channel)), (longest, Some(first)), "{channel}");
            assert_eq!(health.nan_inputs(channel), Some(nans), "{channel}");
        }
    }
}

/// Counts of more than 32 bits are read from both of their words.
#[test]
fn counts_have_64_bits() {
    let descriptor = Descriptor::bmru(Shape { batch: 1 << 20, time: 1 << 20, channels: 1 });
    let words = [0, 0x80, 5, 1, 1 << 20, 0, 9, 0, 0, 7, 2];
    let health = Health::from_words(&descriptor, &words).expect("11 words a channel");
    assert_eq!((health.sets(0), health.flips(0), health.nan_inputs(0)), (1 << 39, (1 << 32) + 5, Some((2 << 32) + 7)));
    assert_eq!((health.set_rate(0), health.mean_hold(0)), (0.5, 524_288.0));
}

#[test]
fn other_numbers_of_words_are_refused() {
    let descriptor = Descriptor::bmru(Shape { batch: 1, time: 1, channels: 3 });
    assert_eq!(
        Health::from_words(&descriptor, &[0; 32]),
        Err(Error::LengthMismatch { slot: Slot::Health, expected: 33, actual: 32 })
    );
}
