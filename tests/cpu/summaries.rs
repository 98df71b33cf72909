//! Summaries compose as the scan does: associative, with an identity, whatever the unit; and bytes are what they say.

use bmru::{
    Amplitude, Counts, Descriptor, Element, Error, FinalState, GradientSummary, InitialCount, InitialState, Inputs, Layout,
    Limits, Plan, Sequences, Shape, Stage, Summary, Threshold, Tuning, Validity, oracle,
};
use bmru_conformance::data::Slots;

use crate::plan::checks;

type Unit = (&'static str, fn(Shape) -> Descriptor);

/// With the words that one channel takes.
const UNITS: [(Unit, usize); 8] = [
    (("bistable", Descriptor::bmru), 1),
    (("first quadrant", Descriptor::first_quadrant), 1),
    (("bistable per element", |shape| Descriptor::bmru(shape).amplitude(Amplitude::PerElement)), 2),
    (("cumulative", |shape| Descriptor::cumulative(shape).counts(Counts::Final).initial_count(InitialCount::Given)), 1),
    (("cumulative per element", |shape| Descriptor::cumulative(shape).amplitude(Amplitude::PerElement)), 1),
    (("relaxed", |shape| Descriptor::relaxed(shape, 0.5)), 2),
    (("forward fill", |shape| Descriptor::forward_fill(shape).validity(Validity::Mask)), 2),
    (
        ("forward fill with a limit", |shape| {
            Descriptor::forward_fill(shape).limit(4).counts(Counts::Final).initial_count(InitialCount::Given)
        }),
        2,
    ),
];

/// Inputs of `[T, 1, D]` in small multiples of ½, so that sums are exact.
fn given(descriptor: &Descriptor, seed: u64) -> Slots {
    let mut rng = fastrand::Rng::with_seed(seed);
    let length = |slot| descriptor.slot_elements(slot).expect("it exists") as usize;
    let mut halves = |length: usize, sharp: bool| -> Vec<f32> {
        let of = |rng: &mut fastrand::Rng| if sharp && rng.u8(..3) > 0 { f32::NAN } else { f32::from(rng.i8(-6..=6)) * 0.5 };
        (0..length).map(|_| of(&mut rng)).collect()
    };
    let nan = descriptor.unit() == bmru::Unit::ForwardFill;
    Slots {
        candidate: halves(length(bmru::Slot::Candidate), nan),
        threshold: halves(length(bmru::Slot::Threshold), false),
        amplitude: halves(length(bmru::Slot::Amplitude), false),
        initial_state: halves(length(bmru::Slot::InitialState), false),
        validity: (0..length(bmru::Slot::Validity)).map(|word| 0x9249_2492_u32.rotate_left(word as u32)).collect(),
        initial_count: (0..length(bmru::Slot::InitialCount)).map(|row| row as i32 % 3).collect(),
        ..Slots::default()
    }
}

fn of(unit: fn(Shape) -> Descriptor, time: u64) -> Descriptor {
    let descriptor = unit(Shape { batch: 2, time, channels: 3 }).layout(Layout::TimeBatchChannel);
    descriptor.initial_state(InitialState::Given).final_state(FinalState::Written)
}

/// What follows a summary is the final state of the loop, for stretches that set seldom, often and never.
#[test]
fn a_summary_is_what_the_loop_does() {
    for ((name, unit), words) in UNITS {
        for time in [0, 1, 2, 5, 40] {
            let descriptor = of(unit, time);
            let given = given(&descriptor, time);
            let summary = oracle::summarize(&descriptor, &given.inputs()).expect("it has a summary");
            assert_eq!(summary.words().len(), 2 * words * 3, "{name}");
            let outputs = oracle::forward(&descriptor, &given.inputs()).expect("the loop runs");
            let after = summary.after(&descriptor, &given.inputs()).expect("it is of this kind");
            if descriptor.view(bmru::Operand::FinalCount).is_some() {
                assert_eq!(after.counts, outputs.final_count, "{name}, {time} steps");
            }
            // A count hands on h0 again, and what is older than its limit is held no longer, but is still known.
            if descriptor.view(bmru::Operand::InitialCount).is_none() {
                let [after, wanted] = [&after.states, &outputs.final_state].map(|states| states.iter().map(|x| x.to_bits()));
                assert!(after.eq(wanted), "{name}, {time} steps: {summary:?}");
            }
        }
    }
}

#[test]
fn composing_is_associative_and_has_an_identity() {
    for ((name, unit), _) in UNITS {
        let parts = [3, 1, 6].map(|time| {
            let descriptor = of(unit, time);
            oracle::summarize(&descriptor, &given(&descriptor, 7 * time).inputs()).expect("it has a summary")
        });
        let [a, b, c] = &parts;
        let then = |x: &Summary, y: &Summary| x.then(y).expect("they are of one kind");
        assert_eq!(then(&then(a, b), c), then(a, &then(b, c)), "{name}");
        let identity = Summary::identity(&of(unit, 0)).expect("it has one");
        assert_eq!((then(&identity, a), then(a, &identity)), (a.clone(), a.clone()), "{name}");
        assert_eq!(oracle::summarize(&of(unit, 0), &given(&of(unit, 0), 1).inputs()), Ok(identity), "{name}");
        let received = Summary::from_bytes(&of(unit, 9), &a.to_bytes()).expect("it is what was sent");
        assert_eq!(received, *a, "{name}");
    }
}

/// What no steps do is written, too, by grids that the limits allow.
#[test]
fn no_steps_keep_to_the_grid() {
    let limits = Limits { max_compute_workgroups_per_dimension: 2, ..Limits::default() };
    let tuning = Tuning { workgroup_size: 4, max_vector_width: 2, ..Tuning::default() };
    for ((name, unit), _) in UNITS {
        let descriptor = unit(Shape { batch: 15, time: 0, channels: 66 });
        let states = descriptor.summarize(&limits, &tuning);
        let gradient = (!name.starts_with("forward")).then(|| descriptor.summarize_gradient(&limits, &tuning));
        for plan in [Some(states), gradient].into_iter().flatten() {
            let plan = plan.unwrap_or_else(|error| panic!("{name}: {error}"));
            let grids: Vec<_> = plan.dispatches().iter().map(bmru::Dispatch::grid).collect();
            assert!(grids.len() > 1 && grids.iter().flatten().all(|&groups| groups <= 2), "{name}: {grids:?}");
            is_right(&plan, &limits, &tuning);
        }
    }
}

/// Every dispatch stays inside its bindings and its slots, with one level of a tree, with several, and in groups and parts.
#[test]
fn plans_keep_all_limits() {
    let mut planned = 0;
    for [batch, time, channels] in [[1, 1, 1], [2, 33, 5], [3, 3000, 8], [1, 40_000, 2]] {
        for limits in [Limits::default(), Limits { max_storage_buffer_binding_size: 1 << 16, ..Limits::default() }] {
            for ((_, unit), _) in UNITS {
                let descriptor = unit(Shape { batch, time, channels });
                let tuning = Tuning { tile_steps: 32, ..Tuning::default() };
                let plans = [descriptor.summarize(&limits, &tuning), descriptor.summarize_gradient(&limits, &tuning)];
                for plan in plans.into_iter().flatten() {
                    is_right(&plan, &limits, &tuning);
                    planned += 1;
                }
            }
        }
    }
    assert!(planned > 80, "{planned} plans");
}

fn is_right(plan: &Plan, limits: &Limits, tuning: &Tuning) {
    let right = checks::check(plan, tuning).and_then(|()| checks::is_pure(plan, plan.descriptor(), limits, tuning));
    right.unwrap_or_else(|error| panic!("{error}\n{plan}"));
}

/// Stretches, and the levels above them; without steps a level above none, which all passes.
#[test]
fn gradients_are_summarized_in_stretches() {
    for (time, stages) in [
        (0, vec![Stage::AdjointTreeReduce]),
        (100, vec![Stage::AdjointReduce]),
        (1025, vec![Stage::AdjointReduce, Stage::AdjointTreeReduce]),
    ] {
        let descriptor = Descriptor::bmru(Shape { batch: 2, time, channels: 3 });
        let plan = descriptor.summarize_gradient(&Limits::default(), &Tuning::default()).expect("a small plan");
        let found: Vec<Stage> = plan.dispatches().iter().map(|dispatch| plan.stage(dispatch)).collect();
        assert_eq!(found, stages, "{time} steps");
    }
}

/// Nothing but units that sum amplitudes reads them: the others need none.
#[test]
fn amplitudes_are_for_those_that_sum_them() {
    for ((name, unit), _) in UNITS {
        let descriptor = of(unit, 5);
        let given = given(&descriptor, 5);
        let without = Inputs { amplitude: &[], ..given.inputs() };
        let [with, without] = [given.inputs(), without].map(|inputs| oracle::summarize(&descriptor, &inputs));
        let sums = name.starts_with("relaxed") || name.ends_with("per element");
        assert_eq!(without.is_err(), sums, "{name}: {without:?}");
        if !sums {
            assert_eq!(with, without, "{name}");
        }
    }
}

/// Two steps that hold, one that sets, as words by hand: what leaves, and whether it passes.
#[test]
fn gradients_pass_what_holds() {
    let scan = |time| Descriptor::bmru(Shape { batch: 1, time, channels: 2 });
    let [held, set] = [[1.5f32, 1.0], [0.25, 3.0]].map(|leaving| leaving.map(f32::to_bits));
    let summary = |words: [u32; 4]| GradientSummary::from_words(&scan(2), &words).expect("so many words");
    let near = summary([held[0], held[1], 1, 0]);
    let far = summary([set[0], set[1], 1, 1]);
    assert_eq!(near.before(Some(&[10.0, 10.0])), Ok(vec![11.5, 1.0]));
    assert_eq!(near.before(None), Ok(vec![1.5, 1.0]));
    let both = near.then(&far).expect("they are of one kind");
    assert_eq!(both.before(Some(&[10.0, 10.0])), Ok(vec![11.75, 1.0]));
    let identity = GradientSummary::identity(&scan(5)).expect("it has one");
    assert_eq!((identity.then(&both), both.then(&identity)), (Ok(both.clone()), Ok(both.clone())));
    assert_eq!(identity.before(Some(&[10.0, -3.0])), Ok(vec![10.0, -3.0]));
    assert_eq!(GradientSummary::from_bytes(&scan(1), &both.to_bytes()), Ok(both.clone()));

    // Of relaxed units a share of it passes.
    let relaxed = Descriptor::relaxed(Shape { batch: 1, time: 2, channels: 1 }, 0.5);
    let half = GradientSummary::from_words(&relaxed, &[1f32.to_bits(), 0.5f32.to_bits()]).expect("so many words");
    assert_eq!(half.then(&half).expect("of one kind").before(Some(&[8.0])), Ok(vec![3.5]));
    let identity = GradientSummary::identity(&relaxed).expect("it has one");
    assert_eq!((identity.then(&half), half.then(&identity)), (Ok(half.clone()), Ok(half)));
}

/// The documented layout, byte by byte.
#[test]
fn bytes_are_those_of_the_documentation() {
    let scan = Descriptor::bmru(Shape { batch: 1, time: 9, channels: 5 });
    let summary = Summary::from_words(&scan, &[0, 1, 3, 3, 1]).expect("so many words");
    let bytes = summary.to_bytes();
    assert_eq!(&bytes[..8], b"BMRS\x01\0\0\0");
    let field = |number: usize| u64::from_le_bytes(bytes[8 + 8 * number..16 + 8 * number].try_into().expect("eight bytes"));
    assert_eq!((field(5), field(6)), (1, 5));
    assert_eq!(&bytes[8 + 7 * 8..], [0b11_11_01_00, 0b01]);
}

/// The numbers that stand for what is summarised, unit, carry and element: other processes and versions read them, so that no order
/// of names may change one.
#[test]
fn numbers_in_bytes_never_change() {
    let shape = Shape { batch: 1, time: 2, channels: 1 };
    let per_element = |descriptor: Descriptor| descriptor.amplitude(Amplitude::PerElement);
    let kinds: [(Descriptor, [u64; 3], &[u8]); 11] = [
        (Descriptor::bmru(shape), [0, 0, 0], &[3]),
        (Descriptor::bmru(shape).element(Element::F16), [0, 0, 1], &[3]),
        (Descriptor::bmru(shape).element(Element::Bf16), [0, 0, 2], &[3]),
        (per_element(Descriptor::bmru(shape)), [0, 1, 0], &[3, 0, 0, 0, 7, 0, 0, 0]),
        (Descriptor::first_quadrant(shape), [1, 0, 0], &[3]),
        (per_element(Descriptor::first_quadrant(shape)), [1, 1, 0], &[3, 0, 0, 0, 7, 0, 0, 0]),
        (Descriptor::cumulative(shape), [2, 3, 0], &[3, 0, 0, 0]),
        (per_element(Descriptor::cumulative(shape)), [2, 5, 0], &[3, 0, 0, 0]),
        (Descriptor::relaxed(shape, 0.5), [3, 4, 0], &[3, 0, 0, 0, 7, 0, 0, 0]),
        (Descriptor::forward_fill(shape), [4, 1, 0], &[3, 0, 0, 0, 7, 0, 0, 0]),
        (Descriptor::forward_fill(shape).limit(4), [4, 2, 0], &[3, 0, 0, 0, 7, 0, 0, 0]),
    ];
    for (descriptor, [unit, carry, element], body) in kinds {
        let epsilon = if unit == 3 { 0x3f00_0000 } else { 0 };
        let bytes = |of: u64, body: &[u8]| {
            let numbers = [of, unit, carry, element, epsilon, 1, 1].map(u64::to_le_bytes).concat();
            [b"BMRS\x01\0\0\0", &numbers[..], body].concat()
        };
        let words = &[3, 7][..body.len().div_ceil(4)];
        let summary = Summary::from_words(&descriptor, words).expect("so many words");
        assert_eq!(summary.to_bytes(), bytes(0, body), "{descriptor:?}");
        assert_eq!(Summary::from_bytes(&descriptor, &bytes(0, body)), Ok(summary), "{descriptor:?}");
        if unit < 4 {
            let gradient = GradientSummary::from_words(&descriptor, &[3, 7]).expect("two words");
            let bytes = bytes(1, &[3, 0, 0, 0, 7, 0, 0, 0]);
            assert_eq!(gradient.to_bytes(), bytes, "{descriptor:?}");
            assert_eq!(GradientSummary::from_bytes(&descriptor, &bytes), Ok(gradient), "{descriptor:?}");
        }
    }
}

/// Each number one too high: an error that names it.
#[test]
fn numbers_that_stand_for_nothing_are_refused() {
    let scan = Descriptor::bmru(Shape { batch: 1, time: 9, channels: 5 });
    let bytes = Summary::identity(&scan).expect("it has one").to_bytes();
    for (field, (name, number)) in [("direction", 2), ("unit", 5), ("carry", 6), ("element", 3)].into_iter().enumerate() {
        let mut unknown = bytes.clone();
        unknown[8 + 8 * field] = number;
        let error = Summary::from_bytes(&scan, &unknown).expect_err("it stands for nothing");
        assert!(matches!(error, Error::SummaryMismatch { .. }), "{error}");
        assert!(error.to_string().contains(&format!("of {name} number {number}, which stands for nothing")), "{error}");
    }
    // What is known is shown as what it is.
    let error = Summary::from_bytes(&scan.element(Element::F16), &bytes).expect_err("it is of another element");
    assert!(error.to_string().contains("Bistable by Codes, F32, expected"), "{error}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let shape = Shape { batch: 1, time: 9, channels: 5 };
    let scan = Descriptor::bmru(shape);
    let summary = Summary::identity(&scan).expect("it has one");
    let bytes = summary.to_bytes();
    let others = [
        Descriptor::first_quadrant(shape),
        Descriptor::bmru(shape).element(Element::F16),
        Descriptor::bmru(shape).amplitude(Amplitude::PerElement),
        Descriptor::bmru(Shape { channels: 6, ..shape }),
        Descriptor::bmru(Shape { batch: 2, ..shape }),
    ];
    for other in &others {
        let mismatch = |result: Result<Summary, Error>| {
            let error = result.expect_err("it is of another kind");
            assert!(matches!(error, Error::SummaryMismatch { .. }), "{error}");
        };
        mismatch(summary.then(&Summary::identity(other).expect("it has one")));
        mismatch(Summary::from_bytes(other, &bytes));
        assert!(matches!(summary.after(other, &Inputs::default()), Err(Error::SummaryMismatch { .. })));
    }
    // Another number of steps is none of its business.
    assert!(Summary::from_bytes(&Descriptor::bmru(Shape { time: 1, ..shape }).threshold(Threshold::PerChannel), &bytes).is_ok());
    for spoilt in [&bytes[..bytes.len() - 1], &bytes[..3], &[]] {
        assert!(matches!(Summary::from_bytes(&scan, spoilt), Err(Error::SummaryMismatch { .. })));
    }
    let mut newer = bytes.clone();
    newer[4] = 2;
    assert!(matches!(Summary::from_bytes(&scan, &newer), Err(Error::SummaryMismatch { .. })));
    assert!(matches!(Summary::from_words(&scan, &[0; 4]), Err(Error::LengthMismatch { expected: 5, actual: 4, .. })));
    assert!(matches!(summary.after(&scan, &Inputs::default()), Err(Error::LengthMismatch { .. })));
    let bordered = scan.sequences(Sequences::Resets);
    assert!(matches!(Summary::identity(&bordered), Err(Error::Incompatible { .. })));
    assert!(matches!(GradientSummary::identity(&Descriptor::forward_fill(shape)), Err(Error::Incompatible { .. })));
}
