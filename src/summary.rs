//! Summaries: what a stretch of time does to the state, or to a gradient on its way back. What several devices or hosts exchange to
//! share one sequence.

mod bytes;

use core::fmt;

use crate::carry::Carry;
use crate::oracle::Inputs;
use crate::{Descriptor, Element, Error, Limits, Operand, Plan, Shape, Slot, Tuning, Unit, oracle};

/// Which way through time is summarised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SummaryOf {
    /// What a stretch does to the state: [`Summary`], in [`Slot::Summary`].
    States,
    /// What it does to the gradient that comes from behind its end: [`GradientSummary`], in [`Slot::GradientSummary`].
    Gradient,
}

/// What a stretch of time does to the state of each channel of each row, whatever that is: one element of the scan. Composing is
/// associative, and has an [`identity`](Self::identity); nothing is read again.
///
/// To share one sequence: each device [summarises](Descriptor::summarize) its stretch, all exchange what came of it
/// ([`to_bytes`](Self::to_bytes)), each composes those before its own with [`then`](Self::then) and finds in [`after`](Self::after) the
/// initial state of a plain forward pass over its stretch. The states have the bits of one pass over all of time where they are
/// copies; sums are summed in another order.
///
/// [`Slot::Summary`] holds words of 32 bits, `[B][words][D]`:
///
/// | unit | words | content |
/// |---|---|---|
/// | `bmru`, `first_quadrant` | 1 | bit 0 if any step sets, bit 1 if the last that does sets to the upper state |
/// | the same with amplitudes per element, `forward_fill` | 2 | 1 if any step sets; the bits that the last one sets, and anything if none does |
/// | `forward_fill` with a limit | 2 | bit 0 as before, above it the steps since, or, if none sets, all steps; the bits |
/// | `cumulative` | 1 | the sets to +, less those to −, an `i32` |
/// | the same with amplitudes per element | 1 | the sum, an `f32` |
/// | `relaxed` | 2 | `ε` to the number of steps that set, an `f32`, its bits XOR those of 1; the sum, an `f32` |
///
/// A stretch in which nothing sets is all zeros, but for a limited fill, whose steps count. Bits of elements of 16 bits lie in the upper half of their word.
///
/// ```
/// use bmru::{Descriptor, FinalState, InitialState, Inputs, Shape, Summary, Threshold, oracle};
///
/// let scan = |time| Descriptor::bmru(Shape { batch: 1, time, channels: 1 }).threshold(Threshold::PerChannel);
/// let inputs = |candidate| Inputs { candidate, threshold: &[1.0], amplitude: &[10.0], initial_state: &[0.5], ..Inputs::default() };
/// let [first, second] = [&[0.5, 2.0, 0.1][..], &[0.2, 0.3]];
/// let before = oracle::summarize(&scan(3), &inputs(first))?;
/// let both = before.then(&oracle::summarize(&scan(2), &inputs(second))?)?;
/// let given = scan(2).initial_state(InitialState::Given);
/// assert_eq!(before.after(&given, &inputs(second))?.states, [10.0]);
/// assert_eq!(both.after(&given, &inputs(second))?.states, [10.0]);
/// # Ok::<(), bmru::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    kind: Kind,
    words: Vec<u32>,
}

/// What a stretch of time does to the gradient that comes from behind its end, on its way to before its beginning. Composing is
/// associative up to rounding, and has an [`identity`](Self::identity).
///
/// Each device [summarises](Descriptor::summarize_gradient) its stretch, composes those behind its own and finds in
/// [`before`](Self::before) the gradient of its final state, for a plain backward pass over its stretch.
///
/// [`Slot::GradientSummary`] holds words of 32 bits, `[B][2][D]`: what leaves the beginning of the stretch of its own gradients, an `f32`;
/// and what of the gradient from behind it passes: 1 or 0, of relaxed units a power of `ε`, an `f32`.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientSummary {
    kind: Kind,
    words: Vec<u32>,
}

/// The states behind a stretch, and the counts of units that count: `[B, D]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HandedOn {
    /// What a pass over the next stretch is given as its initial state; of a cumulative unit that is `h0` again.
    pub states: Vec<f32>,
    /// What it is given as its initial count.
    pub counts: Vec<i32>,
}

/// What summaries must have in common to be composed.
#[derive(Clone, Debug, PartialEq)]
struct Kind {
    of: SummaryOf,
    unit: Unit,
    carry: Carry,
    element: Element,
    /// Of relaxed units.
    epsilon: u32,
    batch: u64,
    channels: u64,
}

impl Kind {
    fn new(of: SummaryOf, descriptor: &Descriptor) -> Result<Self, Error> {
        descriptor.check()?;
        descriptor.check_summary(of)?;
        let (carry, Shape { batch, channels, .. }) = (descriptor.carry(), descriptor.shape());
        let epsilon = if carry == Carry::Decay { descriptor.epsilon_value().to_bits() } else { 0 };
        Ok(Self { of, unit: descriptor.unit(), carry, element: descriptor.element_type(), epsilon, batch, channels })
    }

    /// Words of one row of channels.
    fn lines(&self) -> u64 {
        match self.of {
            SummaryOf::States => self.carry.words(),
            SummaryOf::Gradient => 2,
        }
    }

    fn length(&self) -> usize {
        (self.batch * self.lines() * self.channels) as usize
    }

    fn words(self, words: &[u32]) -> Result<(Self, Vec<u32>), Error> {
        let slot = match self.of {
            SummaryOf::States => Slot::Summary,
            SummaryOf::Gradient => Slot::GradientSummary,
        };
        let (expected, actual) = (self.length() as u64, words.len() as u64);
        if expected != actual {
            return Err(Error::LengthMismatch { slot, expected, actual });
        }
        Ok((self, words.to_vec()))
    }

    /// The place of the first word of a channel, and the distance to its second.
    fn places(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (lines, channels) = (self.lines(), self.channels);
        (0..self.batch).flat_map(move |b| (0..channels).map(move |d| ((b * lines * channels + d) as usize, channels as usize)))
    }

    fn matches(&self, other: &Self) -> Result<(), Error> {
        if self == other {
            return Ok(());
        }
        Err(Error::SummaryMismatch { expected: self.to_string(), actual: other.to_string() })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, unit, carry, element, epsilon, batch, channels } = self;
        write!(f, "a summary of {of:?} of B = {batch}, D = {channels}, {unit:?} by {carry:?}, {element:?}")?;
        if *epsilon != 0 { write!(f, ", ε = {}", f32::from_bits(*epsilon)) } else { Ok(()) }
    }
}

impl Summary {
    /// Version of the bytes of both kinds; it changes whenever their meaning does.
    pub const VERSION: u32 = 1;

    /// The identity: the summary of a stretch without steps.
    ///
    /// # Errors
    /// A descriptor that cannot exist, or rows with borders.
    pub fn identity(descriptor: &Descriptor) -> Result<Self, Error> {
        let kind = Kind::new(SummaryOf::States, descriptor)?;
        Ok(Self { words: vec![0; kind.length()], kind })
    }

    /// Reads the contents of [`Slot::Summary`].
    ///
    /// # Errors
    /// As [`identity`](Self::identity), or a slice of the wrong length.
    pub fn from_words(descriptor: &Descriptor, words: &[u32]) -> Result<Self, Error> {
        let (kind, mut words) = Kind::new(SummaryOf::States, descriptor)?.words(words)?;
        if matches!(kind.carry, Carry::Fill | Carry::Age) {
            // Kernels leave anything there.
            let unset = kind.places().filter(|&(first, _)| words[first] & 1 == 0).collect::<Vec<_>>();
            unset.into_iter().for_each(|(first, distance)| words[first + distance] = 0);
        }
        Ok(Self { kind, words })
    }

    /// The contents of [`Slot::Summary`].
    #[must_use]
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// The summary of this stretch and the later one, taken together.
    ///
    /// # Errors
    /// [`Error::SummaryMismatch`] for one of another unit, element, `ε`, or shape.
    pub fn then(&self, later: &Self) -> Result<Self, Error> {
        self.kind.matches(&later.kind)?;
        let mut words = later.words.clone();
        for (first, distance) in self.kind.places() {
            let second = first + distance;
            let (earlier, later) = (&self.words, &later.words);
            let float = |words: &[u32], place: usize| f32::from_bits(words[place]);
            match self.kind.carry {
                Carry::Codes | Carry::Fill | Carry::Age if later[first] & 1 == 1 => {}
                Carry::Codes => words[first] = earlier[first],
                Carry::Fill => (words[first], words[second]) = (earlier[first], earlier[second]),
                // So many steps older.
                Carry::Age => {
                    words[first] = (earlier[first] & 1) | ((earlier[first] >> 1) + (later[first] >> 1)) << 1;
                    words[second] = earlier[second];
                }
                Carry::Count => words[first] = earlier[first].wrapping_add(later[first]),
                Carry::Sum => words[first] = (float(earlier, first) + float(later, first)).to_bits(),
                Carry::Decay => {
                    let scales = [earlier, later].map(|words| f32::from_bits(words[first] ^ ONE));
                    words[first] = (scales[0] * scales[1]).to_bits() ^ ONE;
                    words[second] = (scales[1] * float(earlier, second) + float(later, second)).to_bits();
                }
            }
        }
        Ok(Self { kind: self.kind.clone(), words })
    }

    /// What is handed on behind the stretch, given what comes before it: initial states and counts, and amplitudes per channel where a
    /// state is made of them. Of the descriptor the shape's time does not matter.
    ///
    /// # Errors
    /// As [`then`](Self::then) for a descriptor of another kind, or a slice of the wrong length.
    pub fn after(&self, descriptor: &Descriptor, before: &Inputs<'_>) -> Result<HandedOn, Error> {
        self.kind.matches(&Kind::new(SummaryOf::States, descriptor)?)?;
        let (element, carry) = (self.kind.element, self.kind.carry);
        let given = |operand, slot, slice: &[f32]| {
            let expected = descriptor.view(operand).map_or(Ok(0), |_| descriptor.slot_elements(slot))?;
            let actual = slice.len() as u64;
            if expected == actual { Ok(expected > 0) } else { Err(Error::LengthMismatch { slot, expected, actual }) }
        };
        let amplitudes = carry == Carry::Codes && given(Operand::Amplitude, Slot::Amplitude, before.amplitude)?;
        let states = given(Operand::InitialState, Slot::InitialState, before.initial_state)?;
        let counts = given(Operand::InitialCount, Slot::InitialCount, bytemuck::cast_slice(before.initial_count))?;
        let gate = oracle::Gate::of(descriptor);
        let channels = self.kind.channels as usize;
        let mut handed = HandedOn::default();
        for (place, (first, distance)) in self.kind.places().enumerate() {
            let [word, second] = [first, first + distance].map(|at| self.words.get(at).copied().unwrap_or(0));
            let state = if states { element.round(before.initial_state[place]) } else { 0.0 };
            let count = if counts { before.initial_count[place] } else { 0 };
            let amplitude = if amplitudes { element.round(before.amplitude[place % channels]) } else { 0.0 };
            let (state, count) = match carry {
                Carry::Codes if word & 1 == 1 => (gate.state(amplitude, word & 2 == 2), 0),
                Carry::Fill if word & 1 == 1 => (element.of_pattern(second), 0),
                Carry::Age if word & 1 == 1 => (element.of_pattern(second), (word >> 1) as i32),
                Carry::Age => (state, count.saturating_add((word >> 1) as i32)),
                Carry::Codes | Carry::Fill => (state, 0),
                Carry::Count => (state, count.wrapping_add(word as i32)),
                Carry::Sum if word << 1 == 0 => (state, 0),
                Carry::Sum => (element.round(state + f32::from_bits(word)), 0),
                Carry::Decay if word == 0 && second << 1 == 0 => (state, 0),
                Carry::Decay => (element.round(f32::from_bits(word ^ ONE) * state + f32::from_bits(second)), 0),
            };
            handed.states.push(state);
            if carry.counts() {
                handed.counts.push(count);
            }
        }
        Ok(handed)
    }

    /// Bytes to send: `"BMRS"`, [`VERSION`](Self::VERSION) as `u32`, then as `u64` the numbers of what is summarised, unit, carry and
    /// element, the bits of `ε`, `B` and `D`; then the words in their order, two bits for each channel where no word has more, four of
    /// them in a byte from the lowest up. All little-endian.
    ///
    /// | | 0 | 1 | 2 | 3 | 4 | 5 |
    /// |---|---|---|---|---|---|---|
    /// | summarised | states | gradient | | | | |
    /// | unit | bistable | first quadrant | cumulative | relaxed | forward fill | |
    /// | carry | one of two states | 32 bits | the same with a limit | count | scaled sum | sum |
    /// | element | `f32` | `f16` | `bf16` | | | |
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.kind.to_bytes(&self.words)
    }

    /// From such bytes.
    ///
    /// # Errors
    /// [`Error::SummaryMismatch`] for bytes of another version, kind or length, and for numbers that stand for nothing.
    pub fn from_bytes(descriptor: &Descriptor, bytes: &[u8]) -> Result<Self, Error> {
        let kind = Kind::new(SummaryOf::States, descriptor)?;
        Ok(Self { words: kind.of_bytes(bytes)?, kind })
    }
}

/// The bits of 1.
const ONE: u32 = 0x3f80_0000;

impl GradientSummary {
    /// Of no steps.
    ///
    /// # Errors
    /// As [`Summary::identity`]; also a unit without gradients.
    pub fn identity(descriptor: &Descriptor) -> Result<Self, Error> {
        let kind = Kind::new(SummaryOf::Gradient, descriptor)?;
        let mut words = vec![0; kind.length()];
        let all = if kind.carry == Carry::Decay { ONE } else { 1 };
        kind.places().for_each(|(first, distance)| words[first + distance] = all);
        Ok(Self { kind, words })
    }

    /// Of the contents of [`Slot::GradientSummary`].
    ///
    /// # Errors
    /// As [`identity`](Self::identity), or a slice of the wrong length.
    pub fn from_words(descriptor: &Descriptor, words: &[u32]) -> Result<Self, Error> {
        let (kind, words) = Kind::new(SummaryOf::Gradient, descriptor)?.words(words)?;
        Ok(Self { kind, words })
    }

    /// The contents of [`Slot::GradientSummary`].
    #[must_use]
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// What passes of a value.
    fn passed(&self, held: u32, value: f32) -> f32 {
        match held {
            0 => 0.0,
            _ if self.kind.carry == Carry::Decay => f32::from_bits(held) * value,
            _ => value,
        }
    }

    /// Of this stretch and the one behind it, which the gradient meets first.
    ///
    /// # Errors
    /// As [`Summary::then`].
    pub fn then(&self, later: &Self) -> Result<Self, Error> {
        self.kind.matches(&later.kind)?;
        let mut words = self.words.clone();
        for (first, distance) in self.kind.places() {
            let (held, beyond) = (first + distance, later.words[first + distance]);
            let leaving = f32::from_bits(self.words[first]);
            words[first] = (leaving + self.passed(self.words[held], f32::from_bits(later.words[first]))).to_bits();
            words[held] = match self.kind.carry {
                Carry::Decay => (f32::from_bits(self.words[held]) * f32::from_bits(beyond)).to_bits(),
                _ => self.words[held] & beyond,
            };
        }
        Ok(Self { kind: self.kind.clone(), words })
    }

    /// The gradient before the stretch, `[B, D]`, given the one behind it, or none.
    ///
    /// # Errors
    /// A slice of the wrong length.
    pub fn before(&self, behind: Option<&[f32]>) -> Result<Vec<f32>, Error> {
        let (expected, slot) = (self.kind.batch * self.kind.channels, Slot::FinalStateGradient);
        if let Some(actual) = behind.map(|behind| behind.len() as u64).filter(|&actual| actual != expected) {
            return Err(Error::LengthMismatch { slot, expected, actual });
        }
        let before = |(place, (first, distance)): (usize, (usize, usize))| {
            let behind = behind.map_or(0.0, |behind| behind[place]);
            f32::from_bits(self.words[first]) + self.passed(self.words[first + distance], behind)
        };
        Ok(self.kind.places().enumerate().map(before).collect())
    }

    /// As [`Summary::to_bytes`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.kind.to_bytes(&self.words)
    }

    /// As [`Summary::from_bytes`].
    ///
    /// # Errors
    /// As there.
    pub fn from_bytes(descriptor: &Descriptor, bytes: &[u8]) -> Result<Self, Error> {
        let kind = Kind::new(SummaryOf::Gradient, descriptor)?;
        Ok(Self { words: kind.of_bytes(bytes)?, kind })
    }
}

impl Descriptor {
    /// Plans the summary of what all steps together do to the state, in [`Slot::Summary`]: [`Summary`] says what for; pure, no GPU object
    /// is touched.
    ///
    /// Where a state is a copy it looks back from the end of each 1,024 steps to the last that sets, so that it reads little of
    /// its inputs, unless nothing sets; sums it must read whole. It reads no initial state. To write the states of the stretch behind it
    /// without reading the inputs again, let the forward pass [pack](crate::States::Packed) them, which needs none either, and
    /// [`unpack`](Self::unpack) with the state that the summaries before it give.
    ///
    /// # Errors
    /// As [`forward`](Self::forward); also rows with borders.
    pub fn summarize(&self, limits: &Limits, tuning: &Tuning) -> Result<Plan, Error> {
        Plan::new(self, crate::Direction::Summary(SummaryOf::States), limits, tuning)
    }

    /// Plans the same of a gradient on its way back, in [`Slot::GradientSummary`]: [`GradientSummary`] says what for. It reads what the
    /// forward pass saved, and the gradients before the first step of each 1,024 that sets; not that of the final state, which
    /// comes from behind.
    ///
    /// # Errors
    /// As [`backward`](Self::backward); also rows with borders.
    pub fn summarize_gradient(&self, limits: &Limits, tuning: &Tuning) -> Result<Plan, Error> {
        Plan::new(self, crate::Direction::Summary(SummaryOf::Gradient), limits, tuning)
    }

    pub(crate) fn check_summary(&self, of: SummaryOf) -> Result<(), Error> {
        if self.sequences_kind().has_borders() {
            return Err(Error::Incompatible { expected: "rows that are sequences", actual: "a summary of rows with borders" });
        }
        if of == SummaryOf::Gradient { self.check_backward() } else { Ok(()) }
    }

    /// Words of a summary.
    pub(crate) fn summary_words(&self, of: SummaryOf) -> u64 {
        let Shape { batch, channels, .. } = self.shape();
        let lines = if of == SummaryOf::States { self.carry().words() } else { 2 };
        batch.saturating_mul(lines).saturating_mul(channels)
    }

    /// Whether a step sets to something of its own.
    pub(crate) fn sums_amplitudes(&self) -> bool {
        self.unit().is_gated() && self.carry().has_amplitudes()
    }
}
