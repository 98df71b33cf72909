//! The one error type. A variant names what was expected and what came.

use crate::{Operand, Slot, Stage, Strategy};

/// Everything that planning, binding and the `host` module can refuse.
///
/// Planning and binding check everything on the host before they touch the device; nothing is half-written
/// when one of these comes back.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An axis of the shape is longer than indices of 31 bits can count.
    #[error("{axis} is {actual} long, at most {expected} can be indexed")]
    AxisTooLong {
        /// Name of the axis: batch, time or channels.
        axis: &'static str,
        /// The longest length that is possible.
        expected: u64,
        /// The length that came.
        actual: u64,
    },
    /// The elements of an operand end beyond 2^61, so that their bytes cannot be counted in 63 bits.
    #[error("the elements of {operand} reach beyond 2^61")]
    Overflow {
        /// The operand whose index overflows.
        operand: Operand,
    },
    /// A view that this operand cannot have.
    #[error("{operand} cannot have this view: expected {expected}, got {actual}")]
    InvalidView {
        /// The operand.
        operand: Operand,
        /// What a view of this operand must be.
        expected: &'static str,
        /// What came.
        actual: String,
    },
    /// Options that no unit has together.
    #[error("{actual} cannot be had, expected {expected}")]
    Incompatible {
        /// What goes together.
        expected: &'static str,
        /// What was asked for.
        actual: &'static str,
    },
    /// Borders of packed sequences that go down.
    #[error("border {place} of packed sequences is {actual}, expected at least {expected}")]
    InvalidBorders {
        /// Its place in `cu_seqlens`.
        place: usize,
        /// The border before it.
        expected: u32,
        /// What came.
        actual: u32,
    },
    /// An `ε` of a relaxed unit that it cannot have.
    #[error("ε is {actual}, expected {expected}")]
    InvalidEpsilon {
        /// What it must be.
        expected: &'static str,
        /// What came.
        actual: f32,
    },
    /// Summaries of different kinds, or bytes that are none of this kind.
    #[error("the summary is {actual}, expected {expected}")]
    SummaryMismatch {
        /// The kind that was needed.
        expected: String,
        /// What came.
        actual: String,
    },
    /// A surrogate with a slope or width that it cannot have.
    #[error("a surrogate has slope or width {actual}, expected {expected}")]
    InvalidSurrogate {
        /// What it must be.
        expected: &'static str,
        /// What came.
        actual: f32,
    },
    /// A backward pass was bound to a saved buffer without the layout that its forward pass wrote, or with another one.
    #[error("the saved buffer is laid out as {actual}, expected {expected}")]
    SavedMismatch {
        /// The layout that this plan reads.
        expected: String,
        /// The layout that came with the buffer.
        actual: String,
    },
    /// A slot needs more bytes than a buffer can have.
    #[error("{slot} needs {actual} bytes, a buffer can have {expected} (max_buffer_size)")]
    BufferTooLarge {
        /// The slot.
        slot: Slot,
        /// `max_buffer_size` of the limits that the plan was made for.
        expected: u64,
        /// The bytes that the slot needs.
        actual: u64,
    },
    /// The smallest part that the tensors can be split into still breaks a limit.
    #[error("cannot be split any further: the smallest part needs {actual} of {limit}, at most {expected} is possible")]
    CannotSplit {
        /// The limit that is in the way.
        limit: &'static str,
        /// Its value.
        expected: u64,
        /// What the smallest possible part needs.
        actual: u64,
    },
    /// A strategy that was asked for cannot do this descriptor under these limits.
    #[error("strategy {strategy} cannot do this: {reason}")]
    StrategyUnavailable {
        /// The strategy that was forced.
        strategy: Strategy,
        /// Why it cannot be used.
        reason: Box<Error>,
    },
    /// A field of [`Limits`](crate::Limits) or [`Tuning`](crate::Tuning) has a value that no plan can be made with.
    #[error("{field} is {actual}, expected {expected}")]
    InvalidSetting {
        /// Name of the field.
        field: &'static str,
        /// What the field must be.
        expected: &'static str,
        /// What came.
        actual: u64,
    },
    /// The plan was made for looser limits than the device has.
    #[error("the plan was made for {field} = {actual}, the device has {expected}")]
    LimitMismatch {
        /// Name of the limit.
        field: &'static str,
        /// The device's limit.
        expected: u64,
        /// The plan's limit.
        actual: u64,
    },
    /// A stage needs more storage buffers than a dispatch may bind.
    #[error("{stage} binds {actual} storage buffers ({slots}), {expected} are possible: place operands side by side in one slot")]
    TooManyBindings {
        /// The stage.
        stage: Stage,
        /// `max_storage_buffers_per_shader_stage`.
        expected: u64,
        /// Buffers that the stage binds.
        actual: u64,
        /// The slots that it binds.
        slots: String,
    },
    /// A slot of the plan has no buffer.
    #[error("no buffer for {slot}, which needs {expected} bytes")]
    MissingBuffer {
        /// The slot.
        slot: Slot,
        /// The bytes that the plan needs there.
        expected: u64,
    },
    /// A buffer was given for a slot that the plan does not have.
    #[error("a buffer was given for {slot}, which this plan does not use (it uses {expected})")]
    SurplusBuffer {
        /// The slot.
        slot: Slot,
        /// The slots that the plan uses.
        expected: String,
    },
    /// The range given for a slot is shorter than the plan needs.
    #[error("the range for {slot} has {actual} bytes, {expected} are needed")]
    RangeTooShort {
        /// The slot.
        slot: Slot,
        /// The bytes that the plan needs there.
        expected: u64,
        /// The bytes that came.
        actual: u64,
    },
    /// The range given for a slot does not lie inside its buffer.
    #[error("the range for {slot} is {actual_size} bytes from byte {actual_offset}, its buffer has {expected}")]
    RangeOutOfBounds {
        /// The slot.
        slot: Slot,
        /// The size of the buffer in bytes.
        expected: u64,
        /// The offset that came, in bytes.
        actual_offset: u64,
        /// The size that came, in bytes.
        actual_size: u64,
    },
    /// The byte offset of a slot is not a multiple of `min_storage_buffer_offset_alignment`.
    #[error("the offset of {slot} is {actual} bytes, a multiple of {expected} is needed")]
    MisalignedOffset {
        /// The slot.
        slot: Slot,
        /// The alignment in bytes.
        expected: u64,
        /// The offset that came, in bytes.
        actual: u64,
    },
    /// The buffer of a slot was created without a usage flag that is needed.
    #[error("the buffer for {slot} has usages {actual}, {expected} is needed")]
    MissingUsage {
        /// The slot.
        slot: Slot,
        /// The flag that is needed.
        expected: &'static str,
        /// The flags that the buffer has.
        actual: String,
    },
    /// A range that is written overlaps the range of another slot in the same buffer.
    #[error("{written} is written and overlaps {other} in the same buffer, expected disjoint ranges")]
    OverlappingRanges {
        /// The slot that is written.
        written: Slot,
        /// The slot whose range it overlaps.
        other: Slot,
    },
    /// One buffer is bound read-only and writable in one dispatch, which WebGPU forbids even for disjoint ranges.
    #[error(
        "{written} is written and {other} is only read, but both lie in one buffer: plan with Access::AllReadWrite, or use two buffers"
    )]
    MixedAccess {
        /// The slot that is written.
        written: Slot,
        /// The slot that is only read.
        other: Slot,
    },
    /// The device refused a shader, a pipeline, a bind group or the parameter buffer.
    #[error("the device refused {what}: {message}")]
    Device {
        /// What was being made.
        what: String,
        /// What the device said.
        message: String,
    },
    /// The device has no memory left for the object.
    #[error("the device has no memory for {what}")]
    OutOfMemory {
        /// What was being made.
        what: String,
    },
    /// The device is lost: destroyed, or given up by its driver. Nothing on it will work again; a new device will.
    #[error("the device is lost, and {what} with it")]
    DeviceLost {
        /// What was being made or waited for.
        what: String,
    },
    /// A slice has another length than the descriptor says.
    #[error("the slice for {slot} has {actual} elements, expected {expected}")]
    LengthMismatch {
        /// The slot.
        slot: Slot,
        /// The elements that the descriptor asks for.
        expected: u64,
        /// The elements that came.
        actual: u64,
    },
    /// The device computes something else than the [`oracle`](crate::oracle): its driver is wrong, or its memory.
    #[error("the device computes wrongly: in {case}, {slot}[{index}] is {actual:#010x}, expected {expected:#010x}")]
    WrongResult {
        /// The case of the self-check.
        case: &'static str,
        /// The slot that was written.
        slot: Slot,
        /// The element.
        index: u64,
        /// The bits that the oracle says; of a gradient that may be rounded, those in the middle of its bound.
        expected: u32,
        /// The bits that came.
        actual: u32,
    },
    /// No adapter was found.
    #[error("no adapter matches {expected:?}; adapters found: {actual}")]
    NoAdapter {
        /// What was looked for.
        expected: String,
        /// What is there.
        actual: String,
    },
    /// The device did not finish in time.
    #[error("the device did not finish within {expected:?}")]
    Timeout {
        /// The time limit.
        expected: std::time::Duration,
    },
}
