//! The health of a unit: what each channel did, read from one small buffer, and what to do about it.

use core::fmt;

use crate::{Descriptor, Error, SavedLayout, Shape, Slot};

/// What health is counted from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HealthSource {
    /// What the forward pass saved: a quarter of a byte per element. It does not tell NaN inputs.
    #[default]
    Saved,
    /// Candidates and thresholds, read once. They tell NaN inputs, and nothing need be saved.
    Inputs,
}

/// What each channel did in all sequences of a batch: the contents of [`Slot::Health`], read. Whatever takes a channel panics, as an index
/// does, if there is no such channel.
///
/// The buffer has [`LINES`](Self::LINES) lines of `[D]` words of 32 bits. Two lines are one count of 64 bits, its lower word first,
/// so that none overflows:
///
/// | lines | content |
/// |---|---|
/// | 0, 1 | steps that set |
/// | 2, 3 | flips: sets to the other side than the set before. The first set of a sequence does not count as one, nor does one at its very last step: what is saved does not tell its side |
/// | 4, 5 | holds: runs of steps that do not set, the first from the initial state, the last to the end of the sequence. A run of one sequence does not go on in the next |
/// | 6 | steps of the longest hold |
/// | 7 | the first set step of all sequences, in the order in which steps are taken; all ones if none sets |
/// | 8 | sequences that never set |
/// | 9, 10 | steps with a NaN among their inputs; all ones where it was counted from what is saved |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    shape: Shape,
    words: Vec<u32>,
}

impl Health {
    /// Version of the layout; it changes whenever the meaning of a word does.
    pub const VERSION: u32 = 1;
    /// Lines of the buffer.
    pub const LINES: u64 = 11;
    /// Share of steps from which on sets are too many for a memory: a state lives for less than two steps.
    pub const MANY_SETS: f64 = 0.5;
    /// Share of the sequences from which on those that never set are too many.
    pub const MANY_SILENT: f64 = 0.5;

    /// Reads the contents of [`Slot::Health`] after a plan of [`Descriptor::health`] has run.
    ///
    /// # Errors
    /// A descriptor that cannot exist, or another number of words than its channels need.
    pub fn from_words(descriptor: &Descriptor, words: &[u32]) -> Result<Self, Error> {
        let (slot, actual) = (Slot::Health, words.len() as u64);
        let expected = descriptor.slot_elements(slot)?;
        if expected != actual {
            return Err(Error::LengthMismatch { slot, expected, actual });
        }
        Ok(Self { shape: descriptor.shape(), words: words.to_vec() })
    }

    /// Channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.shape.channels as usize
    }

    /// Steps of a channel in all sequences, `B·T`.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.shape.batch * self.shape.time
    }

    fn line(&self, line: usize, channel: usize) -> u32 {
        assert!(channel < self.channels(), "channel {channel} of {}", self.channels());
        self.words[line * self.channels() + channel]
    }

    fn count(&self, line: usize, channel: usize) -> u64 {
        u64::from(self.line(line, channel)) | u64::from(self.line(line + 1, channel)) << 32
    }

    /// Steps at which a channel set.
    ///
    /// # Panics
    /// As all of these: if there is no such channel.
    #[must_use]
    pub fn sets(&self, channel: usize) -> u64 {
        self.count(0, channel)
    }

    /// Sets to the other side than the set before.
    #[must_use]
    pub fn flips(&self, channel: usize) -> u64 {
        self.count(2, channel)
    }

    /// Runs of steps that hold.
    #[must_use]
    pub fn holds(&self, channel: usize) -> u64 {
        self.count(4, channel)
    }

    /// Share of the steps that set; 0 without steps.
    #[must_use]
    pub fn set_rate(&self, channel: usize) -> f64 {
        ratio(self.sets(channel), self.steps())
    }

    /// Flips a step; 0 without steps.
    #[must_use]
    pub fn flip_rate(&self, channel: usize) -> f64 {
        ratio(self.flips(channel), self.steps())
    }

    /// Mean length of a hold in steps; 0 if no step holds.
    #[must_use]
    pub fn mean_hold(&self, channel: usize) -> f64 {
        ratio(self.steps() - self.sets(channel), self.holds(channel))
    }

    /// Steps of the longest hold.
    #[must_use]
    pub fn longest_hold(&self, channel: usize) -> u64 {
        self.line(6, channel).into()
    }

    /// The first step at which any sequence set, in the order in which steps are taken; `None` if none ever did.
    #[must_use]
    pub fn first_set(&self, channel: usize) -> Option<u64> {
        Some(self.line(7, channel)).filter(|&step| step != SavedLayout::NEVER).map(u64::from)
    }

    /// Sequences that never set.
    #[must_use]
    pub fn silent_sequences(&self, channel: usize) -> u64 {
        self.line(8, channel).into()
    }

    /// Steps with a NaN among their inputs; `None` if it was counted from what is saved, which does not tell.
    #[must_use]
    pub fn nan_inputs(&self, channel: usize) -> Option<u64> {
        Some(self.count(9, channel)).filter(|&count| count != u64::MAX)
    }

    /// What is wrong with a channel; empty if nothing is, or if there are no steps.
    #[must_use]
    pub fn signs(&self, channel: usize) -> Vec<HealthSign> {
        let (sets, silent) = (self.sets(channel), self.silent_sequences(channel));
        if self.steps() == 0 {
            return Vec::new();
        }
        let signs = [
            (HealthSign::NanInputs, self.nan_inputs(channel).is_some_and(|count| count > 0)),
            (HealthSign::NeverSets, sets == 0),
            (HealthSign::RarelySets, sets > 0 && ratio(silent, self.shape.batch) >= Self::MANY_SILENT),
            (HealthSign::NeverHolds, sets == self.steps()),
            (HealthSign::RarelyHolds, sets < self.steps() && self.set_rate(channel) >= Self::MANY_SETS),
            // Some sequence set three times, so that the side of the second is seen.
            (HealthSign::NeverFlips, self.flips(channel) == 0 && sets > 2 * (self.shape.batch - silent)),
        ];
        signs.into_iter().filter(|&(_, shows)| shows).map(|(sign, _)| sign).collect()
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// What can be wrong with a unit, as its [`Health`] shows it. Its [`Display`](fmt::Display) says what it is, [`advice`](Self::advice)
/// what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HealthSign {
    /// Some input is NaN. Such a step holds and has no gradient, so that nothing else may show it.
    NanInputs,
    /// All inputs lie inside the region: the state is `h0` for ever, and a surrogate that is narrow passes no gradient.
    NeverSets,
    /// At least half of the sequences never set ([`Health::MANY_SILENT`]): the region is too large.
    RarelySets,
    /// Every step sets: there is no region, and no memory.
    NeverHolds,
    /// At least half of the steps set ([`Health::MANY_SETS`]): the region is too small.
    RarelyHolds,
    /// It sets again and again, always to the same side: after the first set the state is a constant.
    NeverFlips,
}

impl HealthSign {
    /// What to do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::NanInputs => "find the layer before it that first gives NaN; a kernel cannot repair it",
            Self::NeverSets => {
                "begin with smaller thresholds or larger candidates (normalise them), and train with a surrogate that reaches the \
                 edge: ArcTan or FastSigmoid with a small k, not a narrow Boxcar or Triangle"
            }
            Self::RarelySets => "lower the thresholds, or scale the candidates up, until every sequence sets now and then",
            Self::NeverHolds => "begin with thresholds away from zero: as large as the candidates usually are",
            Self::RarelyHolds => "raise the thresholds: a hold should last about as long as what is to be remembered",
            Self::NeverFlips => {
                "move the bias of the candidates towards the middle of the region; of a first-quadrant unit both thresholds"
            }
        }
    }
}

impl fmt::Display for HealthSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NanInputs => "NaN inputs",
            Self::NeverSets => "never sets: all inputs lie inside the region",
            Self::RarelySets => "rarely sets: the region is too large",
            Self::NeverHolds => "never holds: there is no region",
            Self::RarelyHolds => "rarely holds: the region is too small",
            Self::NeverFlips => "never flips: sets go to one side only",
        })
    }
}
