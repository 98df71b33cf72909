//! What the forward pass leaves for the backward pass.

use crate::{Descriptor, Slot, Strides, View};

/// Layout of [`Slot::Saved`]: it depends on the descriptor alone, never on limits, tuning or strategy, so that a forward
/// pass on one plan and a backward pass on another fit.
///
/// In words of 32 bits, one region after the other, channels fastest:
///
/// | region | shape | content |
/// |---|---|---|
/// | codes | `[B][⌈T/32⌉][2][D]` | `Z`: bit `k` is 1 where step `k` of the word sets; then the sign *before* each step, 1 for `+` and 0 for `−` or still `h0`. Bits past `T` are 0. |
/// | first set | `[B][D]` | index of the first step that set, [`NEVER`](Self::NEVER) if none did |
/// | initial state | `[B][D]` | the bits of `h0` |
/// | amplitude | `[D]` | the bits of `α` |
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SavedLayout {
    batch: u64,
    words_per_row: u64,
    channels: u64,
}

impl SavedLayout {
    /// Version of this layout; it changes whenever the meaning of a word does.
    pub const VERSION: u32 = 1;
    /// First set step of a channel that never set.
    pub const NEVER: u32 = u32::MAX;
    /// Steps that one pair of words describes.
    pub const STEPS_PER_WORD: u64 = 32;

    pub(crate) fn new(descriptor: &Descriptor) -> Self {
        let shape = descriptor.shape();
        Self { batch: shape.batch, words_per_row: shape.time.div_ceil(Self::STEPS_PER_WORD), channels: shape.channels }
    }

    /// Length in words of 4 bytes. Saturates far beyond what a buffer can hold.
    #[must_use]
    pub fn words(&self) -> u64 {
        self.amplitude().offset.saturating_add(self.channels)
    }

    /// Length in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.words().saturating_mul(4)
    }

    /// The codes as a view whose time axis counts words, two for each 32 steps.
    #[must_use]
    pub fn codes(&self) -> View {
        Self::codes_view(Slot::Saved, 0, self.words_per_row, self.channels)
    }

    /// Codes of `words_per_row` pairs, wherever they lie.
    pub(crate) fn codes_view(slot: Slot, offset: u64, words_per_row: u64, channels: u64) -> View {
        let batch = words_per_row.saturating_mul(2).saturating_mul(channels);
        View { slot, offset, strides: Strides { batch, time: channels, channel: 1 } }
    }

    /// First set step, `[B][D]`.
    #[must_use]
    pub fn first_set(&self) -> View {
        self.rows(self.batch.saturating_mul(self.codes().strides.batch))
    }

    /// Initial state, `[B][D]`.
    #[must_use]
    pub fn initial_state(&self) -> View {
        self.rows(self.first_set().offset.saturating_add(self.batch.saturating_mul(self.channels)))
    }

    /// Amplitude, `[D]`.
    #[must_use]
    pub fn amplitude(&self) -> View {
        let offset = self.initial_state().offset.saturating_add(self.batch.saturating_mul(self.channels));
        View { strides: Strides { batch: 0, time: 0, channel: 1 }, ..self.rows(offset) }
    }

    fn rows(&self, offset: u64) -> View {
        View { slot: Slot::Saved, offset, strides: Strides { batch: self.channels, time: 0, channel: 1 } }
    }
}
