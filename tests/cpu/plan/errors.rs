//! Every refusal of planning, with what was expected and what came.

use bmru::{
    Access, Counts, Descriptor, Error, FinalState, Gradient, InitialCount, InitialState, Layout, Limits, MAX_AXIS, Operand, Plan,
    Save, Shape, Slot, Stage, States, Strategy, Strides, Threshold, Tuning, View,
};

fn bmru(batch: u64, time: u64, channels: u64) -> Descriptor {
    Descriptor::bmru(Shape { batch, time, channels })
}

fn refusal(descriptor: &Descriptor, limits: &Limits, tuning: &Tuning) -> Error {
    descriptor.forward(limits, tuning).expect_err("it cannot be planned")
}

#[track_caller]
fn refuses(descriptor: &Descriptor, expected: Error) {
    let error = refusal(descriptor, &Limits::default(), &Tuning::default());
    assert_eq!(error, expected);
    assert!(!error.to_string().is_empty());
}

#[test]
fn an_axis_beyond_31_bits() {
    let long = MAX_AXIS + 1;
    for (axis, descriptor) in [
        ("batch", bmru(long, 0, 0)),
        ("time", bmru(0, long, 0)),
        ("channels", bmru(0, 0, long)),
        ("batch", bmru(long, long, long)),
    ] {
        refuses(&descriptor, Error::AxisTooLong { axis, expected: MAX_AXIS, actual: long });
    }
    // The longest is not the cause of a refusal.
    assert!(bmru(MAX_AXIS, 0, 0).forward(&Limits::default(), &Tuning::default()).is_ok());
}

#[test]
fn views_into_other_slots() {
    let view = |slot| View { slot, offset: 0, strides: Strides { batch: 6, time: 2, channel: 1 } };
    let invalid = |operand, expected, slot: Slot| {
        let actual = format!("a view into {slot}");
        Error::InvalidView { operand, expected, actual }
    };
    for slot in [Slot::Threshold, Slot::States, Slot::Scratch] {
        refuses(&bmru(1, 3, 2).candidate_view(view(slot)), invalid(Operand::Candidate, "a view into candidate", slot));
    }
    for slot in [Slot::Amplitude, Slot::States] {
        let expected = invalid(Operand::Threshold, "a view into threshold or candidate", slot);
        refuses(&bmru(1, 3, 2).threshold_view(view(slot)), expected);
    }
    for slot in [Slot::Threshold, Slot::FinalState, Slot::Saved] {
        refuses(&bmru(1, 3, 2).states_view(view(slot)), invalid(Operand::States, "a view into states or candidate", slot));
    }
}

#[test]
fn views_whose_channels_are_apart() {
    let view = |slot, channel| View { slot, offset: 0, strides: Strides { batch: 0, time: 2, channel } };
    for channel in [0, 1, 7, 1 << 20] {
        let plan = bmru(1, 3, 2).candidate_view(view(Slot::Candidate, channel)).threshold_view(view(Slot::Threshold, channel));
        assert!(plan.forward(&Limits::default(), &Tuning::default()).is_ok(), "{channel}");
    }
    let overflow = Error::Overflow { operand: Operand::Candidate };
    refuses(&bmru(1, 3, 2).candidate_view(view(Slot::Candidate, u64::MAX)), overflow);
    // What is written once lies somewhere of its own.
    let shared = |operand, strides: Strides| Error::InvalidView {
        operand,
        expected: "strides that give every element a place of its own",
        actual: format!("{strides:?}"),
    };
    for channel in [0, 2, 4] {
        let states = view(Slot::States, channel);
        refuses(&bmru(1, 3, 2).states_view(states), shared(Operand::States, states.strides));
    }
    // One threshold for all of an axis has the sum of its gradients; one for some elements of it has none of its own.
    let backward = |scan: &Descriptor| scan.backward(&Limits::default(), &Tuning::default());
    assert!(backward(&bmru(1, 3, 2).threshold_view(view(Slot::Threshold, 0)).save(Save::Codes)).is_ok());
    let shared = bmru(1, 3, 2).threshold_view(view(Slot::Threshold, 2)).save(Save::Codes);
    let refused = backward(&shared).expect_err("two gradients have one place");
    assert!(matches!(refused, Error::InvalidView { operand: Operand::ThresholdGradient, .. }), "{refused}");
    assert!(backward(&shared.gradient(Operand::ThresholdGradient, Gradient::Omit)).is_ok());
    let candidates = backward(&bmru(1, 3, 2).candidate_view(view(Slot::Candidate, 0)).save(Save::Codes));
    assert!(matches!(candidates, Err(Error::InvalidView { operand: Operand::CandidateGradient, .. })), "{candidates:?}");
}

#[test]
fn states_over_inputs() {
    let scan = bmru(2, 3, 4);
    let actual = "states over the candidates";
    let expected = "Save::Nothing: gradients need the candidates";
    refuses(&scan.clone().save(Save::Codes).states_in_place(), Error::Incompatible { expected, actual });
    let packed = scan.clone().states(States::Both).states_in_place();
    refuses(&packed, Error::Incompatible { expected: "states that are numbers", actual });
    let gradients = Error::Incompatible { expected: "a forward pass", actual: "gradients of states over the candidates" };
    let backward = scan.clone().states_in_place().backward(&Limits::default(), &Tuning::default());
    assert_eq!(backward.expect_err("nothing is left to go back over"), gradients);
    // Of one input element for element, or of none; not of half of it.
    let beside = scan.clone().side_by_side();
    for offset in [0, 4] {
        let states = View { offset, ..beside.view(Operand::Candidate).expect("it has candidates") };
        assert!(beside.clone().states_view(states).forward(&Limits::default(), &Tuning::default()).is_ok(), "{offset}");
    }
    for offset in [1, 3, 5] {
        let states = View { offset, ..beside.view(Operand::Candidate).expect("it has candidates") };
        let refused = beside.clone().states_view(states).forward(&Limits::default(), &Tuning::default());
        let refused = refused.expect_err("it would write what is read later");
        assert!(matches!(refused, Error::InvalidView { operand: Operand::States, .. }), "{refused}");
    }
}

/// Thresholds may lie anywhere in the slot of the candidates that states are written over, but among those.
#[test]
fn thresholds_before_behind_and_among_candidates() {
    let planned = |shape: Shape, candidates, thresholds, row| {
        let view = |offset, row| View { slot: Slot::Candidate, offset, strides: Strides { batch: 100, time: row, channel: 1 } };
        let candidates = view(candidates, 8);
        let scan = Descriptor::bmru(shape).candidate_view(candidates).states_view(candidates);
        scan.threshold_view(view(thresholds, row)).forward(&Limits::default(), &Tuning::default())
    };
    let whole = Shape { batch: 1, time: 4, channels: 4 };
    // 28 elements with gaps, in rows of 8 or of 12.
    for (candidates, thresholds, row, fits) in [
        (0, 28, 12, true),
        (0, 27, 12, false),
        (0, 4, 8, true),
        (0, 3, 8, false),
        (0, 4, 12, false),
        (40, 0, 12, true),
        (39, 0, 12, false),
        (4, 0, 12, false),
    ] {
        let plan = planned(whole, candidates, thresholds, row);
        assert_eq!(plan.is_ok(), fits, "candidates at {candidates}, thresholds at {thresholds} in rows of {row}");
    }
    // At the same place, but not element for element.
    let broadcast = planned(whole, 0, 0, 0);
    assert!(matches!(broadcast, Err(Error::InvalidView { operand: Operand::States, .. })), "{broadcast:?}");
    // Nothing shares no elements with anything.
    for empty in [Shape { batch: 0, ..whole }, Shape { time: 0, ..whole }, Shape { channels: 0, ..whole }] {
        let plan = planned(empty, 4, 0, 12);
        assert!(plan.is_ok(), "{empty}: {plan:?}");
    }
}

#[test]
fn states_that_share_a_place() {
    let states = |batch, time| {
        let view = View { slot: Slot::States, offset: 5, strides: Strides { batch, time, channel: 1 } };
        bmru(2, 3, 4).states_view(view)
    };
    // Repeated rows, rows that overlap by one element, sequences that do, and rows of one that hit those of the other.
    for (batch, time) in [(0, 4), (12, 0), (12, 3), (11, 4), (4, 4), (3, 8)] {
        let strides = Strides { batch, time, channel: 1 };
        refuses(
            &states(batch, time),
            Error::InvalidView {
                operand: Operand::States,
                expected: "strides that give every element a place of its own",
                actual: format!("{strides:?}"),
            },
        );
    }
    for (batch, time) in [(12, 4), (4, 8), (13, 4), (100, 4), (5, 100)] {
        assert!(states(batch, time).forward(&Limits::default(), &Tuning::default()).is_ok(), "{batch}, {time}");
    }
    // An axis of one element may have any stride.
    let view = View { slot: Slot::States, offset: 0, strides: Strides { batch: 0, time: 4, channel: 1 } };
    assert!(bmru(1, 3, 4).states_view(view).forward(&Limits::default(), &Tuning::default()).is_ok());
}

#[test]
fn a_threshold_view_with_thresholds_per_channel() {
    let view = View { slot: Slot::Threshold, offset: 0, strides: Strides { batch: 0, time: 0, channel: 1 } };
    refuses(
        &bmru(1, 3, 2).threshold_view(view).threshold(Threshold::PerChannel),
        Error::InvalidView {
            operand: Operand::Threshold,
            expected: "none with thresholds per channel, which are [D]",
            actual: format!("{view:?}"),
        },
    );
}

#[test]
fn indices_beyond_63_bits() {
    let far = |offset, batch| View { slot: Slot::Candidate, offset, strides: Strides { batch, time: 2, channel: 1 } };
    // Of 12 elements the last one ends at 2^61, at which a count of 8 bytes each leaves 64 bits.
    let last = far((1 << 61) - 12, 6);
    for view in [far(u64::MAX, 6), far(0, u64::MAX), far((1 << 63) - 1, 6), far(0, 1 << 63), last] {
        refuses(&bmru(2, 3, 2).candidate_view(view), Error::Overflow { operand: Operand::Candidate });
    }
    refuses(&bmru(MAX_AXIS, MAX_AXIS, MAX_AXIS), Error::Overflow { operand: Operand::Candidate });
}

/// Elements that can be counted, in bytes that cannot, in buffers without a limit.
#[test]
fn bytes_beyond_64_bits() {
    let limits = Limits { max_buffer_size: u64::MAX, max_storage_buffer_binding_size: u64::MAX, ..Limits::default() };
    for power in 60..63 {
        for near in 0..3 {
            let view = |slot| View { slot, offset: (1 << power) - near, strides: Strides { batch: 0, time: 0, channel: 1 } };
            for descriptor in [
                bmru(1, 1, 1).candidate_view(view(Slot::Candidate)),
                bmru(1, 1, 1).threshold_view(view(Slot::Candidate)),
                bmru(1, 1, 1).states_view(view(Slot::States)),
            ] {
                // Up to 2^62 it may be planned or not.
                for plan in [descriptor.forward(&limits, &Tuning::default()), descriptor.backward(&limits, &Tuning::default())] {
                    assert!(power < 62 || plan.is_err() || near > 1, "2^{power} - {near}");
                }
            }
        }
    }
}

#[test]
fn tensors_longer_than_a_buffer() {
    let expected = 256 << 20;
    // One element more than fits.
    let descriptor = bmru(1, 1, (64 << 20) + 1);
    refuses(&descriptor, Error::BufferTooLarge { slot: Slot::Candidate, expected, actual: expected + 4 });
    let descriptor = bmru(2, 1, 32 << 20);
    assert!(descriptor.forward(&Limits::default(), &Tuning::default()).is_ok());
    let fused = descriptor.clone().side_by_side();
    refuses(&fused, Error::BufferTooLarge { slot: Slot::Candidate, expected, actual: 2 * expected });
    let saved = descriptor.clone().save(Save::Codes);
    let words = (1 + 2 * 4) * (32 << 20);
    refuses(&saved, Error::BufferTooLarge { slot: Slot::Saved, expected, actual: 4 * words });
    let view = View { slot: Slot::States, offset: 1, strides: Strides { batch: 32 << 20, time: 0, channel: 1 } };
    refuses(&descriptor.states_view(view), Error::BufferTooLarge { slot: Slot::States, expected, actual: expected + 4 });
}

#[test]
fn rows_longer_than_a_binding() {
    // 100 words of codes, twice, with first set step, h0 and the amplitude: a batch row of what is saved is not cut.
    let limits = Limits { max_storage_buffer_binding_size: 812, min_storage_buffer_offset_alignment: 4, ..Limits::default() };
    let descriptor = bmru(1, 3200, 1).save(Save::Codes);
    let tuning = Tuning::software();
    assert!(descriptor.forward(&limits, &tuning).is_ok());
    let limits = Limits { max_storage_buffer_binding_size: 808, ..limits };
    let reason = Error::CannotSplit { limit: "max_storage_buffer_binding_size", expected: 808, actual: 812 };
    assert_eq!(refusal(&descriptor, &limits, &tuning), reason);
    for strategy in Strategy::ALL {
        let error = refusal(&descriptor, &limits, &tuning.clone().with_strategy(strategy));
        assert_eq!(error, Error::StrategyUnavailable { strategy, reason: Box::new(reason.clone()) });
    }
}

#[test]
fn tiles_where_only_steps_fit() {
    // 32 steps of a row of 40 bytes are the shortest tile; serial takes 6 at a time.
    let limits = Limits { max_storage_buffer_binding_size: 256, min_storage_buffer_offset_alignment: 4, ..Limits::default() };
    let (descriptor, tuning) = (bmru(1, 64, 10), Tuning { max_vector_width: 1, serial_rows: 1000, ..Tuning::software() });
    let tuning = Tuning { tile_steps: 32, ..tuning };
    let reason = Box::new(Error::CannotSplit {
        limit: "max_storage_buffer_binding_size",
        expected: 256,
        // 31 rows and one element.
        actual: 4 * (31 * 10 + 1),
    });
    let error = refusal(&descriptor, &limits, &tuning.clone().with_strategy(Strategy::Tiles));
    assert_eq!(error, Error::StrategyUnavailable { strategy: Strategy::Tiles, reason });
    // Left open, tiles are preferred, and serial found.
    assert_eq!(descriptor.forward(&limits, &tuning).map(|plan| plan.strategy()), Ok(Strategy::Serial));
    assert_eq!(descriptor.forward(&Limits::default(), &tuning).map(|plan| plan.strategy()), Ok(tuning.few_rows));
}

#[test]
fn more_dispatches_than_anyone_means() {
    let expected = Plan::MAX_DISPATCHES;
    let tuning = Tuning { max_dispatch_elements: 1, ..Tuning::software() };
    let error = refusal(&bmru(1, expected + 1, 1), &Limits::default(), &tuning);
    assert_eq!(error, Error::CannotSplit { limit: "the dispatches of a plan", expected, actual: expected + 1 });
    let most = bmru(1, expected, 1).forward(&Limits::default(), &tuning).expect("as many as may be");
    assert_eq!(most.dispatches().len() as u64, expected);
}

#[test]
fn settings_that_nothing_can_be_planned_with() {
    let descriptor = bmru(2, 3, 4);
    let invalid = |field, expected, actual| Error::InvalidSetting { field, expected, actual };
    let default = Limits::default;
    for actual in [0, 1, 2, 3, 12, 255, u32::MAX] {
        let expected = "a power of two from 4 up";
        let limits = Limits { min_storage_buffer_offset_alignment: actual, ..default() };
        let error = refusal(&descriptor, &limits, &Tuning::default());
        assert_eq!(error, invalid("min_storage_buffer_offset_alignment", expected, actual.into()));
        let limits = Limits { min_uniform_buffer_offset_alignment: actual, ..default() };
        let error = refusal(&descriptor, &limits, &Tuning::default());
        assert_eq!(error, invalid("min_uniform_buffer_offset_alignment", expected, actual.into()));
    }
    for (field, limits) in [
        ("max_compute_invocations_per_workgroup", Limits { max_compute_invocations_per_workgroup: 0, ..default() }),
        ("max_compute_workgroups_per_dimension", Limits { max_compute_workgroups_per_dimension: 0, ..default() }),
    ] {
        assert_eq!(refusal(&descriptor, &limits, &Tuning::default()), invalid(field, "at least 1", 0));
    }
    let with = |change: &dyn Fn(&mut Tuning)| {
        let mut tuning = Tuning::default();
        change(&mut tuning);
        refusal(&descriptor, &default(), &tuning)
    };
    for actual in [0, 3, 8, u32::MAX] {
        let error = with(&|tuning| tuning.max_vector_width = actual);
        assert_eq!(error, invalid("max_vector_width", "1, 2 or 4", actual.into()));
    }
    for actual in [0, 257, u32::MAX] {
        let error = with(&|tuning| tuning.workgroup_size = actual);
        assert_eq!(error, invalid("workgroup_size", "from 1 to max_compute_invocations_per_workgroup", actual.into()));
    }
    for actual in [0, 31, 33, 48, 8224, u32::MAX] {
        let error = with(&|tuning| tuning.tile_steps = actual);
        assert_eq!(error, invalid("tile_steps", "a multiple of 32 from 32 to 8,192", actual.into()));
    }
    assert_eq!(with(&|tuning| tuning.max_dispatch_elements = 0), invalid("max_dispatch_elements", "at least 1", 0));
}

#[test]
fn more_slots_than_a_dispatch_can_bind() {
    let all = bmru(2, 40, 4).initial_state(InitialState::Given).final_state(FinalState::Written).save(Save::Codes);
    let limits = |buffers| Limits { max_storage_buffers_per_shader_stage: buffers, ..Limits::default() };
    let tuning = |access| Tuning { access, ..Tuning::default() }.with_strategy(Strategy::Serial);
    let slots = "candidate, threshold, amplitude, initial_state, states, final_state, saved".to_owned();
    let reason = |expected, actual| {
        let reason = Error::TooManyBindings { stage: Stage::Serial, expected, actual, slots: slots.clone() };
        Error::StrategyUnavailable { strategy: Strategy::Serial, reason: Box::new(reason) }
    };
    assert!(all.forward(&limits(7), &tuning(Access::Declared)).is_ok());
    assert_eq!(refusal(&all, &limits(6), &tuning(Access::Declared)), reason(6, 7));
    // The parameters are a storage buffer too.
    assert!(all.forward(&limits(8), &tuning(Access::AllReadWrite)).is_ok());
    assert_eq!(refusal(&all, &limits(7), &tuning(Access::AllReadWrite)), reason(7, 8));
    // As the message says.
    assert!(all.side_by_side().forward(&limits(6), &tuning(Access::Declared)).is_ok());
}

/// The slots are checked in the order of their names, whatever the layout.
#[test]
fn the_first_refusal_is_the_shape() {
    let view = View { slot: Slot::Saved, offset: u64::MAX, strides: Strides { batch: 0, time: 0, channel: 9 } };
    let descriptor = bmru(1 << 31, 3, 4).layout(Layout::TimeBatchChannel).states_view(view);
    let limits = Limits { min_storage_buffer_offset_alignment: 0, ..Limits::default() };
    let error = refusal(&descriptor, &limits, &Tuning { tile_steps: 0, ..Tuning::default() });
    assert_eq!(error, Error::AxisTooLong { axis: "batch", expected: MAX_AXIS, actual: 1 << 31 });
}

/// Tiles all read the initial state that one of them would write over.
#[test]
fn in_place_walks_serially() {
    let descriptor = Descriptor::bmru(Shape { batch: 1, time: 5000, channels: 3 })
        .initial_state(InitialState::Given)
        .final_state(FinalState::InPlace);
    for strategy in [Strategy::Tiles, Strategy::Probe] {
        let error = refusal(&descriptor, &Limits::default(), &Tuning::default().with_strategy(strategy));
        let Error::StrategyUnavailable { strategy: named, reason } = &error else { panic!("{error}") };
        assert!(*named == strategy && matches!(**reason, Error::Incompatible { .. }), "{error}");
    }
    let plan = descriptor.forward(&Limits::default(), &Tuning::default()).expect("it walks");
    assert_eq!(plan.strategy(), Strategy::Serial);
    assert!(plan.writes(Slot::InitialState) && !plan.uses(Slot::FinalState), "{plan}");
    // Counts lie beside states.
    let counted = Descriptor::forward_fill(descriptor.shape())
        .limit(2)
        .initial_state(InitialState::Given)
        .initial_count(InitialCount::Given)
        .counts(Counts::Final)
        .final_state(FinalState::InPlace);
    let plan = counted.forward(&Limits::default(), &Tuning::default()).expect("it walks");
    assert!(plan.writes(Slot::InitialCount) && !plan.uses(Slot::FinalCount), "{plan}");
    let error = refusal(&descriptor.initial_state(InitialState::Zero), &Limits::default(), &Tuning::default());
    assert!(matches!(error, Error::Incompatible { .. }), "{error}");
}
