//! What can be planned is planned: whoever leaves the strategy open gets a plan as soon as single rows fit.

use bmru::{
    Access, Descriptor, Element, Error, FinalState, InitialState, Layout, Limits, Save, Sequences, Shape, Slot, States,
    Threshold, Tuning,
};
use proptest::prelude::{Strategy as Random, any, prop_oneof};

use super::checks::{self, ensure};
use super::for_all;

#[derive(Clone, Debug)]
struct Case {
    descriptor: Descriptor,
    limits: Limits,
    tuning: Tuning,
}

/// Bytes of the longest row that a part must take as a whole.
fn row_bytes(descriptor: &Descriptor, side_by_side: bool) -> u64 {
    let Shape { time, channels, .. } = descriptor.shape();
    // The amplitudes and the first batch row, of which the ends belong to one part.
    let saved = if descriptor.saves() { channels + (2 * time.div_ceil(32) + 2) * channels } else { 0 };
    4 * saved.max(if side_by_side { 2 * channels } else { channels })
}

/// Bindings that just hold a row, or a few; every other limit lets a row pass.
fn cases() -> impl Random<Value = Case> {
    let axis = || prop_oneof![3 => 0..=4u64, 3 => 1..=70u64, 1 => 1..=2500u64];
    let channels = prop_oneof![4 => 0..=40u64, 2 => (1..=64u64).prop_map(|vectors| 4 * vectors), 1 => 1..=20_000u64];
    let options = (any::<[bool; 8]>(), 0..=2u32, 2..=8u32);
    let sizes = (prop_oneof![3 => 1..=3u64, 2 => 4..=70u64], 0..=64u64, prop_oneof![1..=1u32, 1..=256u32], 1..=3u64, 0..=5000u64);
    (axis(), axis(), channels, options, sizes).prop_map(|(batch, time, channels, options, sizes)| {
        let ([time_first, given, written, saves, side_by_side, read_write, packed, numbers], width, alignment) = options;
        let (rows, more, workgroup_size, work, serial_rows) = sizes;
        // One part a row must not be too many.
        let time = time.min((1 << 12) / batch.max(1));
        let descriptor = Descriptor::bmru(Shape { batch, time, channels })
            .layout(if time_first { Layout::TimeBatchChannel } else { Layout::BatchTimeChannel })
            .initial_state(if given { InitialState::Given } else { InitialState::Zero })
            .final_state(if written { FinalState::Written } else { FinalState::Discarded })
            .threshold(if more % 3 == 0 { Threshold::PerChannel } else { Threshold::PerElement })
            .save(if saves { Save::Codes } else { Save::Nothing })
            .states(match (packed, numbers) {
                (false, _) => States::Numbers,
                (true, true) => States::Both,
                (true, false) => States::Packed,
            });
        let descriptor = if side_by_side { descriptor.side_by_side() } else { descriptor };
        let alignment = 1 << alignment;
        let limits = Limits {
            max_buffer_size: 1 << 40,
            // Both forms of states and all else, the parameters among it.
            max_storage_buffers_per_shader_stage: 9,
            max_storage_buffer_binding_size: rows * row_bytes(&descriptor, side_by_side) + u64::from(alignment) + 4 * more,
            min_storage_buffer_offset_alignment: alignment,
            max_compute_workgroups_per_dimension: channels.div_ceil(workgroup_size.into()).clamp(1, 65_535) as u32,
            ..Limits::default()
        };
        let tuning = Tuning {
            max_vector_width: 1 << width,
            workgroup_size,
            tile_steps: 32 * (1 + serial_rows as u32 % 5),
            serial_rows,
            max_dispatch_elements: work * channels.max(1),
            access: if read_write { Access::AllReadWrite } else { Access::Declared },
            ..Tuning::software()
        };
        Case { descriptor, limits, tuning }
    })
}

#[test]
fn everything_is_planned_whose_rows_fit() {
    for_all(1500, cases(), |Case { descriptor, limits, tuning }| {
        let plan = descriptor.forward(&limits, &tuning).map_err(|error| error.to_string())?;
        checks::check(&plan, &tuning)?;
        if descriptor.states_kind() == States::Numbers {
            return Ok(());
        }
        let plan = descriptor.unpack(&limits, &tuning).map_err(|error| error.to_string())?;
        checks::check(&plan, &tuning)
    });
}

#[test]
fn serial_parts_are_whole_rows() {
    for_all(1500, cases(), |Case { descriptor, limits, tuning }| {
        let tuning = tuning.with_strategy(bmru::Strategy::Serial);
        let plan = descriptor.forward(&limits, &tuning).map_err(|error| error.to_string())?;
        let Shape { batch, time, .. } = descriptor.shape();
        let parts = plan.dispatches().len() as u64;
        ensure!(parts <= (batch * time).max(batch), "{parts} parts of {} rows", batch * time);
        Ok(())
    });
}

/// 31 steps of these rows fill a binding of 128 MiB up to 62 elements, and 32 do not fit: two parts of 31 steps do it, where
/// parts of 32 steps would have 62 elements each.
#[test]
fn rows_a_hair_too_long_are_not_cut_to_ribbons() {
    let (rows, tuning) = (1_082_397, Tuning::discrete());
    for (batch, channels, layout) in [(1, rows, Layout::BatchTimeChannel), (rows, 1, Layout::TimeBatchChannel)] {
        let descriptor = Descriptor::bmru(Shape { batch, time: 62, channels }).layout(layout);
        for plan in [descriptor.forward(&Limits::default(), &tuning), descriptor.backward(&Limits::default(), &tuning)] {
            let plan = plan.expect("single rows fit");
            assert!(plan.dispatches().len() < 64, "{layout:?}: {plan}");
        }
    }
}

/// Vectors are as wide as a binding has room for.
#[test]
fn vectors_narrow_where_bindings_are_narrow() {
    for (bytes, width) in [(4, 1), (8, 2), (12, 2), (16, 4), (1024, 4)] {
        let limits =
            Limits { max_storage_buffer_binding_size: bytes, min_storage_buffer_offset_alignment: 4, ..Limits::default() };
        let tuning = Tuning { max_vector_width: 4, ..Tuning::software() };
        let plan = Descriptor::bmru(Shape { batch: 1, time: 1, channels: 8 }).forward(&limits, &tuning).expect("a channel fits");
        assert_eq!(plan.variants()[0].vector_width(), width, "{bytes} bytes: {plan}");
    }
}

/// Of no channels there are no words that two rows could share.
#[test]
fn no_channels_of_16_bits() {
    let descriptor = Descriptor::bmru(Shape { batch: 1, time: 5, channels: 0 }).element(Element::F16);
    let packed = descriptor.sequences(Sequences::Packed { count: 2 }).final_state(FinalState::Written);
    for max_vector_width in [1, 2, 4] {
        let tuning = Tuning { max_vector_width, ..Tuning::default() };
        assert!(packed.forward(&Limits::default(), &tuning).is_ok(), "{max_vector_width}");
    }
}

/// Amplitudes are saved where there are no sequences, too, and no steps.
#[test]
fn amplitudes_of_no_sequences_are_saved() {
    let none = Descriptor::bmru(Shape { batch: 1, time: 0, channels: 3 }).sequences(Sequences::Packed { count: 0 });
    let plan = none.save(Save::Codes).forward(&Limits::default(), &Tuning::default()).expect("a small plan");
    assert!(!plan.dispatches().is_empty() && plan.writes(Slot::Saved), "{plan}");
}

/// Tiles of the backward pass are stretches; one that fits no binding is walked over in parts of time.
#[test]
fn a_stretch_that_fits_no_binding_is_cut() {
    let limits = Limits { max_storage_buffer_binding_size: 8 << 10, ..Limits::default() };
    let tuning = Tuning::software().with_strategy(bmru::Strategy::Tiles);
    let scan = |time| Descriptor::bmru(Shape { batch: 1, time, channels: 8 }).backward(&limits, &tuning);
    assert!(scan(1024).is_ok());
    let refused = scan(1025).expect_err("two stretches are no walk");
    assert!(matches!(refused, Error::StrategyUnavailable { .. }), "{refused}");
}

/// A bit more of a limit loses nothing.
#[test]
fn looser_limits_plan_no_less() {
    let random = (super::random::arguments(super::random::small_shape()), 1..=300u64);
    for_all(4000, random, |((descriptor, limits, tuning), more)| {
        if descriptor.forward(&limits, &tuning).is_err() {
            return Ok(());
        }
        let binding = limits.max_storage_buffer_binding_size.saturating_add(4 * more);
        let looser = Limits { max_storage_buffer_binding_size: binding, ..limits };
        descriptor.forward(&looser, &tuning).map_err(|error| format!("{error} (with {more} words more)"))?;
        Ok(())
    });
}
