//! What the forward pass leaves for the backward pass.

use core::fmt;

use crate::carry::Carry;
use crate::{Amplitude, Boundary, Descriptor, Element, Sequences, Slot, Strides, Threshold, TimeOrder, Unit, View};

/// Layout of [`Slot::Saved`]: it depends on the descriptor alone, never on limits, tuning or strategy, so that a forward
/// pass on one plan and a backward pass on another fit.
///
/// In words of 32 bits, channels fastest, steps in the order in which they are taken: the amplitudes, then for each batch row its codes, first set steps and initial state.
///
/// | region | shape | content |
/// |---|---|---|
/// | amplitude | `[D]` | the bits of `α`; of elements of 16 bits those that it is rounded to, in the upper half |
/// | codes | `[⌈T/32⌉][2][D]` in each row | `Z`: bit `k` is 1 where step `k` of the word sets; then the sign *before* each step, 1 for `+α`, and 0 for the other state or still `h0`. Bits past `T` are 0. |
/// | first set | `[D]` in each row | index of the first step that set, [`NEVER`](Self::NEVER) if none did |
/// | initial state | `[D]` in each row | the bits of `h0`, in the same way |
///
/// Units whose state is a number, those with borders within their rows among them, save less, because backward reads their states: no
/// signs (one word for 32 steps), no first set steps, and no amplitudes if they are per element. Packed sequences have an initial state
/// each, `[N][D]`. Of cumulative units nothing is saved.
///
/// Without rows or without channels there is nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SavedLayout {
    batch: u64,
    time: u64,
    channels: u64,
    unit: Unit,
    element: Element,
    amplitude: Amplitude,
    boundary: Boundary,
    threshold: Threshold,
    time_order: TimeOrder,
    sequences: Sequences,
}

impl SavedLayout {
    /// Version of this layout; it changes whenever the meaning of a word does.
    pub const VERSION: u32 = 3;
    /// First set step of a channel that never set.
    pub const NEVER: u32 = u32::MAX;
    /// Steps that one pair of words describes.
    pub const STEPS_PER_WORD: u64 = 32;

    pub(crate) fn new(descriptor: &Descriptor) -> Self {
        let shape = descriptor.shape();
        Self {
            batch: shape.batch,
            time: shape.time,
            channels: shape.channels,
            unit: descriptor.unit(),
            element: descriptor.element_type(),
            amplitude: descriptor.amplitude_kind(),
            boundary: descriptor.boundary_rule(),
            threshold: descriptor.threshold_kind(),
            time_order: descriptor.order_of_time(),
            sequences: descriptor.sequences_kind(),
        }
    }

    /// A number that tells layouts apart, made from all that the meaning of a word depends on and [`VERSION`](Self::VERSION).
    /// The same on every machine, so it may be stored with a saved buffer.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let options = [
            self.unit as u64,
            self.element as u64,
            self.amplitude as u64,
            self.boundary as u64,
            self.threshold as u64,
            self.time_order as u64,
        ];
        let fields = [u64::from(Self::VERSION), self.batch, self.time, self.channels].into_iter().chain(options);
        let fields = fields.chain(self.sequences.fingerprint().into_iter().flatten());
        // FNV-1a over the bytes.
        fields
            .flat_map(u64::to_le_bytes)
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    fn carry(&self) -> Carry {
        Carry::of(self.unit, self.amplitude, self.sequences)
    }

    /// Words for 32 steps of a channel.
    pub(crate) fn lines(&self) -> u64 {
        self.carry().code_lines()
    }

    /// Lines of codes of a row.
    fn lines_per_row(&self) -> u64 {
        self.time.div_ceil(Self::STEPS_PER_WORD).saturating_mul(self.lines())
    }

    /// Lines of amplitudes.
    fn amplitude_lines(&self) -> u64 {
        u64::from(self.amplitude == Amplitude::PerChannel)
    }

    /// Lines of first set steps of a row.
    fn first_set_lines(&self) -> u64 {
        u64::from(!self.carry().is_number())
    }

    /// Length in words of 4 bytes. Saturates far beyond what a buffer can hold.
    #[must_use]
    pub fn words(&self) -> u64 {
        if self.batch == 0 || self.lines() == 0 {
            0
        } else {
            self.channels.saturating_mul(self.amplitude_lines()).saturating_add(self.batch.saturating_mul(self.row()))
        }
    }

    /// Length in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.words().saturating_mul(4)
    }

    /// The amplitudes, `[D]`, where they are saved.
    #[must_use]
    pub fn amplitude(&self) -> View {
        View { slot: Slot::Saved, offset: 0, strides: Strides { batch: 0, time: 0, channel: 1 } }
    }

    /// The codes, as a view whose time axis counts words: two for each 32 steps, or one.
    #[must_use]
    pub fn codes(&self) -> View {
        self.region(0)
    }

    /// The first set steps, `[B][D]`, where they are saved.
    #[must_use]
    pub fn first_set(&self) -> View {
        self.region(self.lines_per_row())
    }

    /// Lines of initial states of a row: one for each sequence in it.
    fn initial_state_lines(&self) -> u64 {
        self.sequences.packed().unwrap_or(1)
    }

    /// The initial states, `[B][D]`, or of packed sequences `[N][D]`.
    #[must_use]
    pub fn initial_state(&self) -> View {
        let view = self.region(self.lines_per_row().saturating_add(self.first_set_lines()));
        match self.sequences {
            Sequences::Packed { .. } => View { strides: Strides { batch: self.channels, ..view.strides }, ..view },
            _ => view,
        }
    }

    /// Length of a batch row.
    fn row(&self) -> u64 {
        let lines = self.lines_per_row().saturating_add(self.first_set_lines()).saturating_add(self.initial_state_lines());
        lines.saturating_mul(self.channels)
    }

    /// Lines of `D` words from the given one on, in each row.
    fn region(&self, first: u64) -> View {
        let offset = self.channels.saturating_mul(first.saturating_add(self.amplitude_lines()));
        View { slot: Slot::Saved, offset, strides: Strides { batch: self.row(), time: self.channels, channel: 1 } }
    }
}

impl fmt::Display for SavedLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch, time, channels, unit, element, amplitude, boundary, threshold, time_order, sequences } = self;
        write!(
            f,
            "version {} of B = {batch}, T = {time}, D = {channels}, {unit:?}, {element:?}, amplitude {amplitude:?}, {boundary:?}, {threshold:?}, {time_order:?}",
            Self::VERSION
        )?;
        if sequences.has_borders() { write!(f, ", {sequences:?}") } else { Ok(()) }
    }
}
