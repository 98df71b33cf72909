//! From bytes to the arguments of a plan: any that someone could have, and absurd ones.
//!
//! A byte is mostly one choice, so that a fuzzer that changes one changes one thing. Bytes that are missing are 0, and 0 is the plainest
//! choice.

use arbitrary::{Result, Unstructured};
use bmru::{
    Access, Amplitude, Beyond, Boundary, Counts, Descriptor, Direction, Element, FinalState, Gradient, HealthSource, Incoming,
    InitialCount, InitialState, Layout, Limits, MAX_AXIS, Operand, Save, Sequences, Shape, Slot, States, Strategy, Strides,
    SummaryOf, Surrogate, Threshold, TimeOrder, Tuning, Unit, Validity, View,
};
use bmru_conformance::surrogate_kinds;

/// What a plan is made of.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub descriptor: Descriptor,
    pub direction: Direction,
    pub limits: Limits,
    pub tuning: Tuning,
}

/// Lengths around vectors, words, tiles and nodes.
const EDGES: [u64; 16] = [1, 2, 3, 4, 8, 31, 32, 33, 63, 64, 65, 256, 1023, 1024, 1025, 4096];

/// Parts up to which plans are looked at one and all: more of them take too long to be fuzzed.
const PARTS: u64 = 300;

pub(crate) fn one_of<T: Copy>(bytes: &mut Unstructured<'_>, choices: &[T]) -> Result<T> {
    bytes.choose(choices).copied()
}

/// Once in so many times; not where bytes are missing.
pub(crate) fn rarely(bytes: &mut Unstructured<'_>, times: u8) -> Result<bool> {
    Ok(bytes.int_in_range(1..=times)? == times)
}

/// Numbers at which sums and products leave their type, and those beside them.
pub(crate) fn absurd(bytes: &mut Unstructured<'_>) -> Result<u64> {
    Ok(match bytes.int_in_range(0..=3u8)? {
        0 => bytes.int_in_range(0..=255u64)?,
        1 => one_of(bytes, &[MAX_AXIS, MAX_AXIS + 1, u64::MAX, u64::MAX - 1, 1 << 61, (1 << 61) - 1, 1 << 32, (1 << 30) + 1])?,
        2 => (1u64 << bytes.int_in_range(0..=63u32)?).wrapping_add(bytes.int_in_range(0..=4u64)?).wrapping_sub(2),
        _ => bytes.arbitrary()?,
    })
}

fn absurd_u32(bytes: &mut Unstructured<'_>) -> Result<u32> {
    absurd(bytes).map(|number| number as u32)
}

fn axis(bytes: &mut Unstructured<'_>) -> Result<u64> {
    Ok(match bytes.int_in_range(0..=31u8)? {
        0..=14 => bytes.int_in_range(0..=20u64)?,
        15..=21 => one_of(bytes, &EDGES)?,
        22..=26 => 4 * bytes.int_in_range(0..=255u64)?,
        27..=29 => bytes.int_in_range(0..=65_535u64)?,
        30 => bytes.int_in_range(0..=MAX_AXIS)?,
        _ => absurd(bytes)?,
    })
}

fn shape(bytes: &mut Unstructured<'_>) -> Result<Shape> {
    Ok(Shape { batch: axis(bytes)?, time: axis(bytes)?, channels: axis(bytes)? })
}

/// None mostly; rows with a margin and gaps; a view that repeats itself; anything at all.
fn view(bytes: &mut Unstructured<'_>, slot: Slot, layout: Layout, shape: Shape) -> Result<Option<View>> {
    let gap = |bytes: &mut Unstructured<'_>| {
        Ok::<u64, arbitrary::Error>(match bytes.int_in_range(0..=3u8)? {
            0 => 0,
            1 => bytes.int_in_range(0..=9u64)?,
            2 => 4 * bytes.int_in_range(0..=8u64)?,
            _ => bytes.int_in_range(0..=3000u64)?,
        })
    };
    let kind = bytes.int_in_range(0..=15u8)?;
    let beside = slot != Slot::States && !kind.is_multiple_of(2);
    let slot = if beside { one_of(bytes, &[Slot::Candidate, slot])? } else { slot };
    Ok(match kind {
        0..=8 => None,
        9..=12 => {
            let (offset, row, outer) = (gap(bytes)?, shape.channels.saturating_add(gap(bytes)?), gap(bytes)?);
            let slower = |count: u64| count.saturating_mul(row).saturating_add(outer);
            let (batch, time, channel) = match layout {
                Layout::BatchTimeChannel => (slower(shape.time), row, 1),
                Layout::TimeBatchChannel => (row, slower(shape.batch), 1),
                Layout::BatchChannelTime => (slower(shape.time), 1, shape.time.saturating_add(outer)),
            };
            Some(View { slot, offset, strides: Strides { batch, time, channel } })
        }
        13 => {
            let whole = Strides::rows(layout, shape, shape.channels);
            let repeats = bytes.int_in_range(0..=3u8)?;
            let stride = |bit: u8, stride| if repeats >> bit & 1 == 1 { 0 } else { stride };
            Some(View {
                slot,
                offset: 0,
                strides: Strides { batch: stride(0, whole.batch), time: stride(1, whole.time), channel: 1 },
            })
        }
        _ => {
            let slot = if rarely(bytes, 8)? { one_of(bytes, Slot::ALL)? } else { slot };
            let channel = if rarely(bytes, 8)? { absurd(bytes)? } else { 1 };
            let strides = Strides { batch: absurd(bytes)?, time: absurd(bytes)?, channel };
            Some(View { slot, offset: absurd(bytes)?, strides })
        }
    })
}

fn surrogate(bytes: &mut Unstructured<'_>) -> Result<Surrogate> {
    let slope = match bytes.int_in_range(0..=7u8)? {
        0..=6 => one_of(bytes, &[2.0, 1.0, 0.5, 64.0])?,
        _ => f32::from_bits(bytes.arbitrary()?),
    };
    one_of(bytes, &surrogate_kinds(slope))
}

fn backward(bytes: &mut Unstructured<'_>, mut descriptor: Descriptor) -> Result<Descriptor> {
    descriptor = descriptor
        .surrogates(surrogate(bytes)?, surrogate(bytes)?)
        .incoming(one_of(bytes, &[Incoming::States, Incoming::FinalState, Incoming::Both])?);
    for output in
        [Operand::CandidateGradient, Operand::ThresholdGradient, Operand::AmplitudeGradient, Operand::InitialStateGradient]
    {
        descriptor = descriptor.gradient(output, one_of(bytes, &[Gradient::Overwrite, Gradient::Accumulate, Gradient::Omit])?);
    }
    Ok(descriptor)
}

fn descriptor(bytes: &mut Unstructured<'_>) -> Result<Descriptor> {
    let units = [Unit::Bistable, Unit::Bistable, Unit::FirstQuadrant, Unit::Cumulative, Unit::Relaxed, Unit::ForwardFill];
    let (unit, shape) = (one_of(bytes, &units)?, shape(bytes)?);
    let layout = one_of(bytes, &[Layout::BatchTimeChannel, Layout::TimeBatchChannel, Layout::BatchChannelTime])?;
    // What cannot be had together ends at once, and is drawn rarely.
    let anything = rarely(bytes, 16)?;
    let amplitude = one_of(bytes, &[Amplitude::PerChannel, Amplitude::PerChannel, Amplitude::PerElement])?;
    let amplitude = match unit {
        Unit::Cumulative | Unit::ForwardFill if !anything => Amplitude::PerChannel,
        _ => amplitude,
    };
    let sequences = match bytes.int_in_range(0..=7u8)? {
        0..=4 => Sequences::Rows,
        5..=6 => Sequences::Packed { count: axis(bytes)? },
        _ => Sequences::Resets,
    };
    let bordered = sequences != Sequences::Rows;
    let packed = matches!(sequences, Sequences::Packed { .. });
    let shape = if packed && !anything { Shape { batch: 1, ..shape } } else { shape };
    let of_codes = amplitude == Amplitude::PerChannel && matches!(unit, Unit::Bistable | Unit::FirstQuadrant);
    let element = one_of(bytes, &[Element::F32, Element::F32, Element::F16, Element::Bf16])?;
    let save = one_of(bytes, &[Save::Nothing, Save::Codes])?;
    let mut descriptor = Descriptor::new(unit, shape)
        .layout(layout)
        .element(if anything || of_codes { element } else { Element::F32 })
        .time_order(one_of(bytes, &[TimeOrder::Ascending, TimeOrder::Descending])?)
        .boundary(one_of(bytes, &[Boundary::Hold, Boundary::Set])?)
        .threshold(one_of(bytes, &[Threshold::PerElement, Threshold::PerChannel])?)
        .initial_state(one_of(bytes, &[InitialState::Zero, InitialState::Given])?)
        .final_state(match one_of(bytes, &[FinalState::Discarded, FinalState::Written, FinalState::InPlace])? {
            FinalState::InPlace if bordered && !anything => FinalState::Written,
            final_state => final_state,
        })
        .sequences(sequences)
        .save(if anything || unit != Unit::ForwardFill { save } else { Save::Nothing })
        .amplitude(amplitude);
    if anything || unit == Unit::Relaxed {
        let epsilon = if rarely(bytes, 8)? { f32::from_bits(bytes.arbitrary()?) } else { one_of(bytes, &[0.5, 0.0, 0.75, 1.0])? };
        descriptor = descriptor.epsilon(epsilon);
    }
    if anything || unit == Unit::Cumulative {
        let counts = one_of(bytes, &[Counts::Discarded, Counts::Final, Counts::All])?;
        descriptor = descriptor.counts(counts).initial_count(one_of(bytes, &[InitialCount::Zero, InitialCount::Given])?);
    }
    if anything || unit == Unit::ForwardFill {
        descriptor = descriptor.validity(one_of(bytes, &[Validity::NotNan, Validity::Mask])?);
    }
    descriptor = backward(bytes, descriptor)?;
    if let Some(view) = view(bytes, Slot::Candidate, layout, shape)? {
        descriptor = descriptor.candidate_view(view);
    }
    let thresholds = anything || descriptor.threshold_kind() == Threshold::PerElement;
    if let Some(view) = view(bytes, Slot::Threshold, layout, shape)?.filter(|_| thresholds) {
        descriptor = descriptor.threshold_view(view);
    }
    let low = thresholds && (anything || unit == Unit::FirstQuadrant);
    if let Some(view) = view(bytes, Slot::Threshold, layout, shape)?.filter(|_| low) {
        descriptor = descriptor.low_threshold_view(view);
    }
    if let Some(view) = view(bytes, Slot::States, layout, shape)? {
        descriptor = descriptor.states_view(view);
    }
    let per_element = descriptor.amplitude_kind() == Amplitude::PerElement;
    if let Some(view) = view(bytes, Slot::Amplitude, layout, shape)?.filter(|_| anything || per_element) {
        descriptor = descriptor.amplitude_view(view);
    }
    Ok(if rarely(bytes, 6)? { descriptor.side_by_side() } else { descriptor })
}

/// What else there is: packed states, states over inputs, limits, unpacking and summaries. Drawn last, so that inputs mean what they did.
fn rest(bytes: &mut Unstructured<'_>, descriptor: Descriptor, direction: Direction) -> Result<(Descriptor, Direction)> {
    let drawn = match bytes.int_in_range(0..=15u8)? {
        0..=10 => direction,
        11..=12 => Direction::Unpack,
        13..=14 => Direction::Summary(SummaryOf::States),
        _ => Direction::Summary(SummaryOf::Gradient),
    };
    let states = match bytes.int_in_range(0..=7u8)? {
        0 | 2..=4 if drawn == Direction::Unpack => States::Packed,
        0..=4 => States::Numbers,
        5..=6 => States::Packed,
        _ => States::Both,
    };
    let place = bytes.int_in_range(0..=15u8)?;
    // What cannot be had together ends at once, and is drawn rarely.
    let anything = rarely(bytes, 16)?;
    let rows = descriptor.sequences_kind() == Sequences::Rows;
    let of_bits = matches!(descriptor.unit(), Unit::Bistable | Unit::FirstQuadrant)
        && descriptor.amplitude_kind() == Amplitude::PerChannel
        && rows
        && !descriptor.is_in_place();
    let states = if of_bits || anything { states } else { States::Numbers };
    let direction = match drawn {
        Direction::Unpack if states == States::Numbers && !anything => direction,
        Direction::Summary(_) if !rows && !anything => direction,
        drawn => drawn,
    };
    let forward = direction == Direction::Forward && states == States::Numbers && !descriptor.saves();
    let placed = match (place, descriptor.view(Operand::Threshold)) {
        (12, Some(view)) if view.slot == Slot::Candidate || anything => descriptor.states_view(view),
        (13..=15, _) if forward || anything => descriptor.states_in_place(),
        _ => descriptor,
    };
    let placed = placed.states(states);
    if bytes.int_in_range(0..=1u8)? == 0 || placed.unit() != Unit::ForwardFill && !anything {
        return Ok((placed, direction));
    }
    let counts = one_of(bytes, &[Counts::Discarded, Counts::Final, Counts::All])?;
    let initial_count = one_of(bytes, &[InitialCount::Zero, InitialCount::Given])?;
    let beyond = if rarely(bytes, 2)? { Beyond::Bits(bytes.arbitrary()?) } else { Beyond::Nan };
    Ok((placed.limit(absurd_u32(bytes)?).beyond(beyond).counts(counts).initial_count(initial_count), direction))
}

/// Those of a device, tight ones, or absurd ones.
fn limits(bytes: &mut Unstructured<'_>) -> Result<Limits> {
    let default = Limits::default();
    Ok(match bytes.int_in_range(0..=7u8)? {
        0..=2 => default,
        3..=6 => Limits {
            max_buffer_size: one_of(bytes, &[256 << 20, 1 << 40, u64::MAX, 1 << 16, 1 << 20])?,
            max_storage_buffer_binding_size: match bytes.int_in_range(0..=3u8)? {
                0 => one_of(bytes, &[128 << 20, u64::MAX])?,
                1 => 256 + bytes.int_in_range(0..=2047u64)?,
                2 => bytes.int_in_range(0..=65_535u64)?,
                _ => 1 << bytes.int_in_range(0..=40u32)?,
            },
            max_storage_buffers_per_shader_stage: bytes.int_in_range(3..=16)?,
            max_compute_invocations_per_workgroup: 1 << bytes.int_in_range(0..=10u32)?,
            max_compute_workgroups_per_dimension: match bytes.int_in_range(0..=2u8)? {
                0 => 65_535,
                1 => bytes.int_in_range(1..=8u32)?,
                _ => bytes.int_in_range(1..=70_000u32)?,
            },
            min_storage_buffer_offset_alignment: 1 << bytes.int_in_range(2..=8u32)?,
            min_uniform_buffer_offset_alignment: 1 << bytes.int_in_range(2..=8u32)?,
        },
        _ => Limits {
            max_buffer_size: absurd(bytes)?,
            max_storage_buffer_binding_size: absurd(bytes)?,
            max_storage_buffers_per_shader_stage: absurd_u32(bytes)?,
            max_compute_invocations_per_workgroup: absurd_u32(bytes)?,
            max_compute_workgroups_per_dimension: absurd_u32(bytes)?,
            min_storage_buffer_offset_alignment: absurd_u32(bytes)?,
            min_uniform_buffer_offset_alignment: absurd_u32(bytes)?,
        },
    })
}

fn tuning(bytes: &mut Unstructured<'_>, limits: &Limits) -> Result<Tuning> {
    let base = one_of(bytes, &[Tuning::software, Tuning::mesa_22, Tuning::integrated, Tuning::discrete, Tuning::browser])?();
    let strategies = [None, Some(Strategy::Serial), Some(Strategy::Tiles), Some(Strategy::Probe)];
    let strategy = one_of(bytes, &strategies)?;
    let access = one_of(bytes, &[Access::Declared, Access::AllReadWrite])?;
    let few_rows = one_of(bytes, &Strategy::ALL)?;
    let base = Tuning { strategy, access, few_rows, ..base };
    let group = limits.max_compute_invocations_per_workgroup.max(1);
    let tuning = match bytes.int_in_range(0..=7u8)? {
        0..=1 => Tuning { workgroup_size: base.workgroup_size.min(group), ..base },
        2..=6 => Tuning {
            max_vector_width: one_of(bytes, &[1, 2, 4])?,
            max_band: bytes.int_in_range(1..=32)?,
            steps_ahead: bytes.int_in_range(1..=32)?,
            look_back_tiles: one_of(bytes, &[0, 1, 64, 1024])?,
            min_workgroups: bytes.int_in_range(0..=255)?,
            workgroup_size: one_of(bytes, &[8, 1, 4, 32, 64, 256, 3])?.min(group),
            min_steps: one_of(bytes, &[1, 2, 7, 32, 256, 1024])?,
            tile_steps: 32 * bytes.int_in_range(1..=256u32)?,
            min_tile_steps: one_of(bytes, &[0, 1, 32, 33, 1056, u32::MAX])?,
            serial_rows: one_of(bytes, &[0, 1, 8, 1024, u64::MAX])?,
            max_shared_elements: one_of(bytes, &[u64::MAX, 1, 100, 1 << 19])?,
            max_dispatch_elements: match bytes.int_in_range(0..=2u8)? {
                0 => 1 << 26,
                1 => bytes.int_in_range(1..=65_535u64)?,
                _ => u64::MAX,
            },
            ..base
        },
        _ => Tuning {
            max_vector_width: absurd_u32(bytes)?,
            max_band: absurd_u32(bytes)?,
            steps_ahead: absurd_u32(bytes)?,
            look_back_tiles: absurd_u32(bytes)?,
            min_workgroups: absurd_u32(bytes)?,
            workgroup_size: absurd_u32(bytes)?,
            min_steps: absurd_u32(bytes)?,
            tile_steps: absurd_u32(bytes)?,
            min_tile_steps: absurd_u32(bytes)?,
            serial_rows: absurd(bytes)?,
            max_shared_elements: absurd(bytes)?,
            max_dispatch_elements: absurd(bytes)?,
            ..base
        },
    };
    // One draw for all bands, so that inputs which failed stay what they are.
    let band = tuning.max_band;
    Ok(tuning.with_band(band))
}

impl Arguments {
    pub fn draw(bytes: &mut Unstructured<'_>) -> Result<Self> {
        let source = one_of(bytes, &[HealthSource::Saved, HealthSource::Inputs])?;
        let choices =
            [Direction::Forward, Direction::Forward, Direction::Backward, Direction::Backward, Direction::Health(source)];
        let direction = one_of(bytes, &choices)?;
        let (descriptor, limits) = (descriptor(bytes)?, limits(bytes)?);
        let tuning = tuning(bytes, &limits)?;
        let (descriptor, direction) = rest(bytes, descriptor, direction)?;
        Ok(Self { descriptor, direction, limits, tuning })
    }

    /// The same with limits and a tuning that cut it into some hundred parts at most, as far as that can be told beforehand.
    pub fn tamed(mut self) -> Self {
        let elements = self.descriptor.shape().elements().unwrap_or(u64::MAX);
        let least = elements / PARTS;
        let raise = |limit: &mut u64, least: u64| *limit = if *limit == 0 { 0 } else { least.max(*limit) };
        raise(&mut self.tuning.max_dispatch_elements, least);
        raise(&mut self.tuning.max_shared_elements, least);
        raise(&mut self.limits.max_storage_buffer_binding_size, least.saturating_mul(8));
        let group = u64::from(self.tuning.workgroup_size.max(1));
        let side = (least / group).isqrt().min(u64::from(u32::MAX)) as u32;
        if self.limits.max_compute_workgroups_per_dimension > 0 {
            self.limits.max_compute_workgroups_per_dimension = self.limits.max_compute_workgroups_per_dimension.max(side);
        }
        self
    }
}
