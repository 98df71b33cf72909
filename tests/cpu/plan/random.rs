//! Random descriptors, limits and tunings: those that someone could have, and absurd ones.

use bmru::{
    Access, Amplitude, Beyond, Boundary, Counts, Descriptor, Direction, Element, FinalState, Gradient, HealthSource, Incoming,
    InitialCount, InitialState, Layout, Limits, MAX_AXIS, Operand, Save, Sequences, Shape, Slot, States, Strategy, Strides,
    Surrogate, Threshold, TimeOrder, Tuning, Unit, Validity, View,
};
use proptest::prelude::{Just, Strategy as Random, any, prop_oneof};
use proptest::sample::select;

/// Lengths around vectors, words, tiles and nodes.
const EDGES: [u64; 16] = [1, 2, 3, 4, 8, 31, 32, 33, 63, 64, 65, 256, 1023, 1024, 1025, 4096];

fn axis() -> impl Random<Value = u64> {
    prop_oneof![
        6 => 0..=9u64,
        4 => 10..=300u64,
        4 => select(&EDGES[..]),
        1 => 300..=100_000u64,
        1 => 0..=MAX_AXIS,
        1 => Just(MAX_AXIS),
    ]
}

/// Vectors are in use only where they divide the channels.
fn channels() -> impl Random<Value = u64> {
    prop_oneof![2 => axis(), 1 => (0..=70u64).prop_map(|vectors| 4 * vectors)]
}

pub fn shape() -> impl Random<Value = Shape> {
    (axis(), axis(), channels()).prop_map(|(batch, time, channels)| Shape { batch, time, channels })
}

/// Of at most some thousand elements, for what follows every one of them.
pub fn small_shape() -> impl Random<Value = Shape> {
    let short = || prop_oneof![1..=4u64, 0..=9u64];
    let time = prop_oneof![2 => 0..=9u64, 4 => 10..=300u64, 2 => 300..=2200u64];
    (short(), time, short(), 1..=4u64).prop_map(|(batch, time, channels, lanes)| {
        let longest = 6000 / (batch * channels * lanes).max(1);
        Shape { batch, time: time.min(longest), channels: channels * lanes }
    })
}

/// Of whole vectors, and of pairs.
pub fn wide_shape() -> impl Random<Value = Shape> {
    let time = prop_oneof![0..=9u64, 10..=140u64];
    (1..=3u64, time, 1..=5u64).prop_map(|(batch, time, vectors)| Shape { batch, time, channels: 8 * vectors })
}

/// Of rows that fill no vector, or just one, and often are of whole vectors together.
pub fn short_rows() -> impl Random<Value = Shape> {
    let batch = prop_oneof![1 => 1..=9u64, 3 => (1..=70u64).prop_map(|vectors| 4 * vectors)];
    (batch, select(vec![[1, 1], [1, 2], [2, 1], [2, 2], [4, 1]])).prop_map(|(batch, [time, channels])| Shape {
        batch,
        time,
        channels,
    })
}

/// A view with a margin, gaps between the rows and between the slower axis; or one that repeats itself, to be read only.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Default,
    Padded { offset: u64, row: u64, outer: u64 },
    Broadcast { batch: bool, time: bool, channels: bool },
}

impl Wish {
    fn view(self, slot: Slot, layout: Layout, shape: Shape) -> Option<View> {
        let Shape { batch, time, channels } = shape;
        match self {
            Self::Default => None,
            Self::Padded { offset, row, outer } => {
                let row = channels.checked_add(row)?;
                let slower = |count: u64| count.saturating_mul(row).saturating_add(outer);
                let strides = match layout {
                    Layout::BatchTimeChannel => Strides { batch: slower(time), time: row, channel: 1 },
                    Layout::TimeBatchChannel => Strides { batch: row, time: slower(batch), channel: 1 },
                    Layout::BatchChannelTime => {
                        let channel = time.saturating_add(outer);
                        Strides { batch: row.saturating_mul(channel), time: 1, channel }
                    }
                };
                Some(View { slot, offset, strides })
            }
            Self::Broadcast { batch, time, channels: repeats_channels } => {
                let whole = Strides::rows(layout, shape, channels);
                let stride = |repeats: bool, stride| if repeats { 0 } else { stride };
                let strides = Strides {
                    batch: stride(batch, whole.batch),
                    time: stride(time, whole.time),
                    channel: stride(repeats_channels, whole.channel),
                };
                Some(View { slot, offset: 0, strides })
            }
        }
    }
}

fn padded() -> impl Random<Value = Wish> {
    let short = || prop_oneof![Just(0), 1..=9u64, (0..=8u64).prop_map(|vectors| 4 * vectors), 0..=3000u64];
    (short(), short(), short()).prop_map(|(offset, row, outer)| Wish::Padded { offset, row, outer })
}

fn written() -> impl Random<Value = Wish> {
    prop_oneof![4 => Just(Wish::Default), 1 => padded()]
}

fn read() -> impl Random<Value = Wish> {
    let axes = (any::<bool>(), any::<bool>(), any::<bool>());
    let broadcast = axes.prop_map(|(batch, time, channels)| Wish::Broadcast { batch, time, channels });
    // On the heap: three of them by value are more than the stack of a test.
    prop_oneof![6 => written(), 1 => broadcast].boxed()
}

fn pick<T>(first: T, second: T) -> impl Random<Value = T>
where
    T: Copy + core::fmt::Debug + 'static,
{
    select(vec![first, second])
}

const OUTPUTS: [Operand; 4] =
    [Operand::CandidateGradient, Operand::ThresholdGradient, Operand::AmplitudeGradient, Operand::InitialStateGradient];

/// What only the backward pass looks at.
fn backward() -> impl Random<Value = ([Surrogate; 2], Incoming, [Gradient; 4])> {
    let surrogate = || {
        select(vec![
            Surrogate::Zero,
            Surrogate::ArcTan { k: 2.0 },
            Surrogate::FastSigmoid { k: 1.0 },
            Surrogate::Sigmoid { k: 4.0 },
            Surrogate::Triangle { half_width: 0.5 },
            Surrogate::Boxcar { half_width: 1.0 },
        ])
    };
    let gradient = || select(vec![Gradient::Overwrite, Gradient::Accumulate, Gradient::Omit]);
    let gradients = [gradient(), gradient(), gradient(), gradient()];
    ([surrogate(), surrogate()], select(vec![Incoming::States, Incoming::FinalState, Incoming::Both]), gradients)
}

/// What only carries that are numbers look at.
fn carry() -> impl Random<Value = (Amplitude, InitialCount, Counts, f32)> {
    let counts = select(vec![Counts::Discarded, Counts::Final, Counts::All]);
    let amplitude = select(vec![Amplitude::PerChannel, Amplitude::PerChannel, Amplitude::PerElement]);
    (amplitude, pick(InitialCount::Zero, InitialCount::Given), counts, select(vec![0.0, 0.5, 0.75, 1.0]))
}

/// Rows mostly; packed sequences are fewer and more than steps, and absurdly many.
fn sequences() -> impl Random<Value = Sequences> {
    let count = prop_oneof![6 => 0..=9u64, 3 => 10..=300u64, 1 => Just(2000), 1 => 0..=MAX_AXIS];
    prop_oneof![6 => Just(Sequences::Rows), 1 => Just(Sequences::Resets), 1 => count.prop_map(|count| Sequences::Packed { count })]
}

pub fn unit() -> impl Random<Value = Unit> {
    select(vec![Unit::Bistable, Unit::Bistable, Unit::FirstQuadrant, Unit::Cumulative, Unit::Relaxed, Unit::ForwardFill])
}

pub fn direction() -> impl Random<Value = Direction> {
    select(vec![
        Direction::Forward,
        Direction::Backward,
        Direction::Unpack,
        Direction::Health(HealthSource::Saved),
        Direction::Health(HealthSource::Inputs),
    ])
}

pub fn descriptor(shape: impl Random<Value = Shape>) -> impl Random<Value = Descriptor> {
    let options = (
        (
            unit(),
            select(&Element::ALL[..]),
            prop_oneof![4 => pick(Layout::BatchTimeChannel, Layout::TimeBatchChannel), 1 => Just(Layout::BatchChannelTime)],
            pick(TimeOrder::Ascending, TimeOrder::Descending),
        ),
        pick(Boundary::Hold, Boundary::Set),
        pick(Threshold::PerElement, Threshold::PerChannel),
        pick(InitialState::Zero, InitialState::Given),
        select(vec![FinalState::Discarded, FinalState::Written, FinalState::Written, FinalState::InPlace]),
        (pick(Save::Nothing, Save::Codes), select(vec![States::Numbers, States::Packed, States::Both])),
        (backward(), carry(), sequences()),
    );
    let beside = || pick(Slot::Candidate, Slot::Threshold);
    let views = ((read(), read(), read(), read(), written()), (beside(), beside()), 0..6u32);
    (shape, options, views).prop_map(|(shape, options, views)| {
        let (
            (unit, element, layout, time_order),
            boundary,
            threshold,
            initial_state,
            final_state,
            (save, written),
            ((surrogates, incoming, gradients), (amplitude, initial_count, counts, epsilon), sequences),
        ) = options;
        let ((candidates, thresholds, low_thresholds, amplitudes, states), (beside, low_beside), side_by_side) = views;
        // Nothing is planned of what cannot be had together.
        let amplitude = if unit == Unit::ForwardFill { Amplitude::PerChannel } else { amplitude };
        let two = matches!(unit, Unit::Bistable | Unit::FirstQuadrant) && amplitude == Amplitude::PerChannel;
        let written = if two { written } else { States::Numbers };
        let bordered = written == States::Numbers && sequences != Sequences::Rows;
        let sequences = if bordered { sequences } else { Sequences::Rows };
        let final_state = if bordered && final_state == FinalState::InPlace { FinalState::Written } else { final_state };
        let shape = if matches!(sequences, Sequences::Packed { .. }) { Shape { batch: 1, ..shape } } else { shape };
        let save = if unit == Unit::ForwardFill { Save::Nothing } else { save };
        let mut descriptor = Descriptor::new(unit, shape)
            .element(element)
            .layout(layout)
            .time_order(time_order)
            .boundary(boundary)
            .threshold(threshold)
            .initial_state(initial_state)
            .final_state(final_state)
            .save(save)
            .states(written)
            .sequences(sequences)
            .surrogates(surrogates[0], surrogates[1])
            .incoming(incoming)
            .amplitude(amplitude)
            .epsilon(epsilon);
        if unit == Unit::ForwardFill && epsilon > 0.5 {
            descriptor = descriptor.validity(Validity::Mask);
        }
        // Limits of none, of some, and of more steps than there are.
        let limit = [0, 5, 100, u32::MAX][(side_by_side % 4) as usize];
        let limited = unit == Unit::ForwardFill && counts != Counts::Discarded;
        if limited {
            descriptor = descriptor.limit(limit).beyond([Beyond::Nan, Beyond::Bits(0x1234_5678)][usize::from(limit == 5)]);
        }
        if unit == Unit::Cumulative && amplitude == Amplitude::PerChannel || limited {
            let counts = if limited && epsilon == 0.5 { Counts::Discarded } else { counts };
            descriptor = descriptor.initial_count(initial_count).counts(counts);
        }
        for (output, gradient) in OUTPUTS.into_iter().zip(gradients) {
            descriptor = descriptor.gradient(output, gradient);
        }
        if let Some(view) = candidates.view(Slot::Candidate, layout, shape) {
            descriptor = descriptor.candidate_view(view);
        }
        if let Some(view) = thresholds.view(beside, layout, shape).filter(|_| threshold == Threshold::PerElement) {
            descriptor = descriptor.threshold_view(view);
        }
        let low = low_thresholds.view(low_beside, layout, shape);
        if let Some(view) = low.filter(|_| unit == Unit::FirstQuadrant && threshold == Threshold::PerElement) {
            descriptor = descriptor.low_threshold_view(view);
        }
        if let Some(view) = amplitudes.view(Slot::Amplitude, layout, shape).filter(|_| amplitude == Amplitude::PerElement) {
            descriptor = descriptor.amplitude_view(view);
        }
        if let Some(view) = states.view(Slot::States, layout, shape) {
            descriptor = descriptor.states_view(view);
        }
        if side_by_side == 0 { descriptor.side_by_side() } else { descriptor }
    })
}

fn alignment() -> impl Random<Value = u32> {
    (2..=8u32).prop_map(|power| 1 << power)
}

pub fn limits() -> impl Random<Value = Limits> {
    let buffer = prop_oneof![1 => 4096..=1u64 << 24, 3 => Just(256 << 20), 2 => Just(1 << 40), 1 => Just(u64::MAX)];
    let binding = prop_oneof![
        2 => 256..=2048u64,
        3 => 2048..=65_536u64,
        2 => 65_536..=1u64 << 24,
        2 => Just(128 << 20),
        1 => Just(u64::MAX),
    ];
    let workgroups = prop_oneof![1 => 1..=8u32, 3 => 1..=70_000u32, 2 => Just(65_535)];
    let invocations = prop_oneof![1..=64u32, 65..=1024u32];
    let buffers = prop_oneof![1 => 3..=7u32, 4 => 8..=16u32];
    (buffer, binding, buffers, invocations, workgroups, (alignment(), alignment())).prop_map(
        |(buffer, binding, buffers, invocations, workgroups, (storage, uniform))| Limits {
            max_buffer_size: buffer,
            max_storage_buffer_binding_size: binding,
            max_storage_buffers_per_shader_stage: buffers,
            max_compute_invocations_per_workgroup: invocations,
            max_compute_workgroups_per_dimension: workgroups,
            min_storage_buffer_offset_alignment: storage,
            min_uniform_buffer_offset_alignment: uniform,
        },
    )
}

pub fn strategy() -> impl Random<Value = Option<Strategy>> {
    select(vec![None, Some(Strategy::Serial), Some(Strategy::Tiles), Some(Strategy::Probe)])
}

/// For limits of any number of invocations: `check_tuning` cuts the workgroup to them.
pub fn tuning() -> impl Random<Value = Tuning> {
    let tiles = prop_oneof![4 => 1..=4u32, 1 => 1..=256u32].prop_map(|words| 32 * words);
    let rows = prop_oneof![0..=8u64, 0..=20_000u64];
    let elements = prop_oneof![1 => 1..=64u64, 3 => 64..=20_000u64, 4 => Just(1 << 26)];
    let group = prop_oneof![Just(1u32), 1..=8u32, 1..=300u32];
    let few_rows = pick(Strategy::Tiles, Strategy::Probe);
    let accesses = pick(Access::Declared, Access::AllReadWrite);
    (
        strategy(),
        0..=2u32,
        (1..=8u32, 1..=100u32, prop_oneof![1..=5000u64, Just(u64::MAX)]),
        group,
        tiles,
        (rows, few_rows),
        elements,
        accesses,
    )
        .prop_map(
            |(
                strategy,
                width,
                (max_band, min_steps, max_shared_elements),
                workgroup_size,
                tile_steps,
                (serial_rows, few_rows),
                max_dispatch_elements,
                access,
            )| {
                Tuning {
                    strategy,
                    max_vector_width: 1 << width,
                    min_workgroups: min_steps,
                    min_steps,
                    few_rows,
                    workgroup_size,
                    tile_steps,
                    // Of what is drawn, so that seeds of failures stay.
                    steps_ahead: [1, 2, 8, 5][tile_steps as usize / 32 % 4],
                    look_back_tiles: if min_steps % 2 == 1 { 64 } else { 0 },
                    min_tile_steps: min_steps,
                    serial_rows,
                    max_shared_elements,
                    max_dispatch_elements,
                    access,
                    ..Tuning::default()
                }
                .with_band(max_band)
            },
        )
}

/// A plan's arguments that can be right.
pub fn arguments(shape: impl Random<Value = Shape>) -> impl Random<Value = (Descriptor, Limits, Tuning)> {
    (descriptor(shape), limits(), tuning()).prop_map(|(descriptor, limits, mut tuning)| {
        tuning.workgroup_size = tuning.workgroup_size.min(limits.max_compute_invocations_per_workgroup);
        (descriptor, limits, tuning)
    })
}

/// Numbers at which sums and products leave their type.
fn absurd() -> impl Random<Value = u64> {
    let powers = (0..64u32, 0..3u64).prop_map(|(power, near)| (1u64 << power).wrapping_add(near).wrapping_sub(1));
    prop_oneof![3 => 0..=40u64, 3 => powers, 1 => Just(MAX_AXIS), 1 => Just(u64::MAX), 1 => any::<u64>()]
}

fn absurd_u32() -> impl Random<Value = u32> {
    prop_oneof![3 => absurd().prop_map(|value| value as u32), 3 => 1..=300u32, 3 => (0..32u32).prop_map(|power| 1 << power)]
}

fn absurd_view() -> impl Random<Value = View> {
    let channel = prop_oneof![6 => Just(1), 1 => absurd()];
    let slot = prop_oneof![
        6 => select(vec![Slot::Candidate, Slot::Threshold, Slot::States]),
        1 => select(vec![Slot::Amplitude, Slot::InitialState, Slot::FinalState, Slot::Saved, Slot::Scratch]),
    ];
    (slot, absurd(), absurd(), absurd(), channel).prop_map(|(slot, offset, batch, time, channel)| View {
        slot,
        offset,
        strides: Strides { batch, time, channel },
    })
}

fn absurd_descriptor() -> impl Random<Value = Descriptor> {
    let shape = (absurd(), absurd(), absurd()).prop_map(|(batch, time, channels)| Shape { batch, time, channels });
    let own = |view| move |place: View| View { slot: view, ..place };
    let view = |slot| prop_oneof![4 => Just(None), 2 => absurd_view().prop_map(own(slot)).prop_map(Some), 1 => absurd_view().prop_map(Some)];
    (descriptor(shape), view(Slot::Candidate), view(Slot::Threshold), view(Slot::States)).prop_map(
        |(mut descriptor, candidate, threshold, states)| {
            if let Some(view) = candidate {
                descriptor = descriptor.candidate_view(view);
            }
            if let Some(view) = threshold {
                descriptor = descriptor.threshold_view(view);
            }
            if let Some(view) = states {
                descriptor = descriptor.states_view(view);
            }
            descriptor
        },
    )
}

fn absurd_limits() -> impl Random<Value = Limits> {
    let numbers = (absurd_u32(), absurd_u32(), absurd_u32(), absurd_u32(), absurd_u32());
    (absurd(), absurd(), numbers).prop_map(|(buffer, binding, (buffers, invocations, workgroups, storage, uniform))| Limits {
        max_buffer_size: buffer,
        max_storage_buffer_binding_size: binding,
        max_storage_buffers_per_shader_stage: buffers,
        max_compute_invocations_per_workgroup: invocations,
        max_compute_workgroups_per_dimension: workgroups,
        min_storage_buffer_offset_alignment: storage,
        min_uniform_buffer_offset_alignment: uniform,
    })
}

fn absurd_tuning() -> impl Random<Value = Tuning> {
    (tuning(), absurd_u32(), (absurd_u32(), absurd_u32()), absurd_u32(), absurd_u32(), absurd(), absurd()).prop_map(
        |(sane, max_vector_width, (max_band, min_steps), workgroup_size, tile_steps, serial_rows, max_dispatch_elements)| {
            Tuning {
                max_vector_width,
                steps_ahead: max_band,
                look_back_tiles: workgroup_size,
                min_steps,
                workgroup_size,
                tile_steps,
                min_tile_steps: min_steps,
                serial_rows,
                max_dispatch_elements,
                ..sane
            }
            .with_band(max_band)
        },
    )
}

/// Any of the three can be absurd: if all are, nothing ever gets far.
pub fn absurd_arguments() -> impl Random<Value = (Descriptor, Limits, Tuning)> {
    let descriptors = prop_oneof![1 => descriptor(shape()), 2 => absurd_descriptor()];
    let limits = prop_oneof![2 => limits(), 1 => absurd_limits()];
    let tunings = prop_oneof![2 => tuning(), 1 => absurd_tuning()];
    (descriptors, limits, tunings)
}
