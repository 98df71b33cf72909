//! What a scan carries from step to step: two bits where the state is one of two, or a number.

use crate::fill::FillOptions;
use crate::{Amplitude, Counts, Descriptor, Error, InitialCount, Operand, Save, Sequences, Shape, Slot, Strides, Unit, View};

/// The element of a scan: what a stretch of time does to the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Carry {
    /// Hold, or set to one of two states: two bits, 32 steps of them in two words.
    #[default]
    Codes,
    /// Hold, or set to a payload of 32 bits.
    Fill,
    /// The same, and the steps since.
    Age,
    /// Add a multiple of the amplitude: an integer.
    Count,
    /// Scale and add: a power of `ε` and a sum.
    Decay,
    /// Add amplitudes, each its own: a sum.
    Sum,
}

impl Carry {
    /// Where a row has borders, a bistable state is one of three: the initial one comes again.
    pub fn of(unit: Unit, amplitude: Amplitude, sequences: Sequences) -> Self {
        match (unit, amplitude) {
            (Unit::Cumulative, Amplitude::PerChannel) => Self::Count,
            (Unit::Cumulative, Amplitude::PerElement) => Self::Sum,
            (Unit::Relaxed, _) => Self::Decay,
            (Unit::ForwardFill, _) | (_, Amplitude::PerElement) => Self::Fill,
            _ if sequences.has_borders() => Self::Fill,
            (Unit::Bistable | Unit::FirstQuadrant, Amplitude::PerChannel) => Self::Codes,
        }
    }

    /// Whether it is a number, in elements of its own, and not a bit of a word.
    pub fn is_number(self) -> bool {
        self != Self::Codes
    }

    /// Words of an element.
    pub fn words(self) -> u64 {
        match self {
            Self::Codes | Self::Count | Self::Sum => 1,
            Self::Fill | Self::Age | Self::Decay => 2,
        }
    }

    /// Words that backward needs of 32 steps: where they set, and for codes the sign before each.
    pub fn code_lines(self) -> u64 {
        match self {
            Self::Codes => 2,
            Self::Fill | Self::Age | Self::Decay => 1,
            Self::Count | Self::Sum => 0,
        }
    }

    /// Whether backward reads the states of the forward pass.
    pub fn rereads_states(self) -> bool {
        matches!(self, Self::Fill | Self::Decay)
    }

    /// Whether an integer is carried, and can be read.
    pub fn counts(self) -> bool {
        matches!(self, Self::Count | Self::Age)
    }

    /// Whether amplitudes are part of an element.
    pub fn has_amplitudes(self) -> bool {
        matches!(self, Self::Fill | Self::Decay | Self::Sum)
    }

    /// Whether forward computes with floats.
    pub fn computes(self) -> bool {
        matches!(self, Self::Count | Self::Decay | Self::Sum)
    }
}

/// The options of units whose carry is a number.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CarryOptions {
    amplitude: Amplitude,
    amplitude_view: Option<View>,
    epsilon: f32,
    initial_count: InitialCount,
    counts: Counts,
    pub fill: FillOptions,
}

impl Descriptor {
    /// The cumulative unit (CMRU, arXiv 2605.11855): `h_t = h_{t−1} + α·S(c_t)` if `|c_t| > |r_t|`, else `h_{t−1}`.
    ///
    /// The state is `h0 + α·n` with an integer `n`, which is carried, is exact, and can be read: [`counts`](Self::counts). Where
    /// `n = 0` a state has the bits of `h0`; elsewhere it is rounded once or twice, the same in every step and for every strategy
    /// of a device, and lies within `2⁻²³·(2|α·n| + |h0|) + 2⁻¹²⁶` of the sum for `|n| ≤ 2²⁴`. To cut time, hand on the count and give
    /// the same `h0`: [`initial_count`](Self::initial_count).
    ///
    /// With [`Amplitude::PerElement`] the state is a sum of floats, `h0` and an `α_t` of either sign for each of `k` steps that set,
    /// and lies within `(e^(k·2⁻²³) − 1)·(|h0| + Σ|α_t|) + k·2⁻¹²⁴` of it: the same bits in every run of a plan on a device, but not
    /// in those of another strategy. There is nothing to count, and to cut time the state is handed on.
    ///
    /// Elements of 16 bits are rounded once more where they are stored, by half a unit in the last place; the count is as exact, and
    /// what is handed on with it.
    #[must_use]
    pub fn cumulative(shape: Shape) -> Self {
        Self::new(Unit::Cumulative, shape)
    }

    /// Between the bistable unit (`ε = 0`) and the cumulative one (`ε = 1`): `h_t = α·S(c_t) + ε·h_{t−1}` if `|c_t| > |r_t|`, else
    /// `h_{t−1}`. Used while training, to go over from the one to the other: `ε` is a parameter of the plan: another is another plan,
    /// but compiles nothing.
    ///
    /// At both ends this is [`bmru`](Self::bmru) or [`cumulative`](Self::cumulative), which are exact, but for sums of amplitudes per
    /// element. Between them states are sums of floats: the same bits in every run of a plan on a device, but not in those of another
    /// strategy. With `a_j` for what each step set, `h0` among them, and `k_j` for how many set behind it, a state lies within
    /// `Σ_j |a_j|·ε^k_j·((1 + 2⁻²³)^(2·k_j + 1 + depth) − 1)` of the sum, where `depth` is [that of the plan](crate::Plan::depth), beside
    /// what a driver flushes: in a tree a power of `ε` below `2⁻¹²⁶` may be 0, whatever it scales.
    ///
    /// Of elements of 16 bits the sum is an `f32` within a plan, too, and rounded once where it is stored, by half a unit in the last
    /// place. A final state is rounded in the same way: a scan that goes on from there is off by so much, and by `ε` of that behind
    /// every step that sets.
    #[must_use]
    pub fn relaxed(shape: Shape, epsilon: f32) -> Self {
        let unit = match epsilon {
            0.0 => Unit::Bistable,
            1.0 => Unit::Cumulative,
            _ => Unit::Relaxed,
        };
        Self::new(unit, shape).epsilon(epsilon)
    }

    /// Amplitudes per channel or per element.
    #[must_use]
    pub fn amplitude(mut self, amplitude: Amplitude) -> Self {
        self.carry_options.amplitude = amplitude;
        self
    }

    /// Places amplitudes per element: any view into [`Slot::Amplitude`] or [`Slot::Candidate`]. An axis with a
    /// stride of 0 has one amplitude for all of it; its gradient is the sum over that axis.
    #[must_use]
    pub fn amplitude_view(mut self, view: View) -> Self {
        self.carry_options.amplitude_view = Some(view);
        self
    }

    /// The `ε` of a relaxed unit, from 0 to 1. Of other units it means nothing. A relaxed unit stays one at both ends, in its own
    /// kernels: [`relaxed`](Self::relaxed) gives the exact ones.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f32) -> Self {
        self.carry_options.epsilon = epsilon;
        self
    }

    /// Whether the count before the first step is given, of a cumulative unit; of a forward fill with a [`limit`](Self::limit) the
    /// steps since `h0` was set.
    #[must_use]
    pub fn initial_count(mut self, initial_count: InitialCount) -> Self {
        self.carry_options.initial_count = initial_count;
        self
    }

    /// Which counts are written, of a cumulative unit; of a forward fill with a [`limit`](Self::limit) those of the steps since the
    /// last value.
    #[must_use]
    pub fn counts(mut self, counts: Counts) -> Self {
        self.carry_options.counts = counts;
        self
    }

    /// The kind of amplitude.
    #[must_use]
    pub fn amplitude_kind(&self) -> Amplitude {
        self.carry_options.amplitude
    }

    /// `ε`, as far as a relaxed unit has one.
    #[must_use]
    pub fn epsilon_value(&self) -> f32 {
        self.carry_options.epsilon
    }

    pub(crate) fn carry(&self) -> Carry {
        if self.is_limited() { Carry::Age } else { Carry::of(self.unit(), self.carry_options.amplitude, self.sequences) }
    }

    /// Whether the amplitudes, one for each channel, are saved for the backward pass: those of other carries it reads again.
    pub(crate) fn saves_amplitude(&self) -> bool {
        self.carry_options.amplitude == Amplitude::PerChannel && self.carry().code_lines() > 0
    }

    /// Where an operand of these options lies.
    pub(crate) fn carry_view(&self, operand: Operand) -> Option<View> {
        let Shape { channels, .. } = self.shape();
        let row = |slot, batch| View { slot, offset: 0, strides: Strides { batch, time: 0, channel: 1 } };
        let contiguous = |slot| View { slot, offset: 0, strides: Strides::rows(self.memory_layout(), self.shape(), channels) };
        let CarryOptions { amplitude, amplitude_view, initial_count, counts, .. } = self.carry_options;
        let counted = self.carry().counts();
        match operand {
            Operand::Amplitude if !self.unit().is_gated() => None,
            Operand::Amplitude if amplitude == Amplitude::PerChannel => Some(row(Slot::Amplitude, 0)),
            Operand::Amplitude => Some(amplitude_view.unwrap_or_else(|| contiguous(Slot::Amplitude))),
            Operand::Validity if self.is_masked() => {
                let words = self.shape().time.div_ceil(32);
                let strides = Strides { batch: words.saturating_mul(channels), time: channels, channel: 1 };
                Some(View { slot: Slot::Validity, offset: 0, strides })
            }
            Operand::InitialCount => (counted && initial_count == InitialCount::Given).then(|| row(Slot::InitialCount, channels)),
            Operand::Counts => (counted && counts == Counts::All).then(|| contiguous(Slot::Counts)),
            Operand::FinalCount if self.is_in_place() => {
                (counted && counts != Counts::Discarded).then(|| row(Slot::InitialCount, channels))
            }
            Operand::FinalCount => (counted && counts != Counts::Discarded).then(|| row(Slot::FinalCount, channels)),
            Operand::StatesBefore if self.carry().rereads_states() => self.view(Operand::States),
            _ => None,
        }
    }

    /// Whether there are gradients, and amplitudes of this kind.
    pub(crate) fn check_carry(&self) -> Result<(), Error> {
        let CarryOptions { amplitude, amplitude_view, epsilon, initial_count, counts, .. } = self.carry_options;
        let per_element = amplitude == Amplitude::PerElement;
        let incompatible = |expected, actual| Err(Error::Incompatible { expected, actual });
        match self.unit() {
            Unit::ForwardFill if per_element => return incompatible("none", "amplitudes of a forward fill"),
            Unit::ForwardFill if self.asks_to_save() => return incompatible("Save::Nothing", "gradients of a forward fill"),
            Unit::Relaxed if !(0.0..=1.0).contains(&epsilon) => {
                return Err(Error::InvalidEpsilon { expected: "a number from 0 to 1", actual: epsilon });
            }
            _ => self.check_fill(counts != Counts::Discarded, initial_count)?,
        }
        match amplitude_view {
            Some(view) if !per_element => {
                let expected = "none with amplitudes per channel, which are [D]";
                Err(Error::InvalidView { operand: Operand::Amplitude, expected, actual: format!("{view:?}") })
            }
            _ => Ok(()),
        }
    }

    /// Only codes tell when a unit flips.
    pub(crate) fn check_health(&self) -> Result<(), Error> {
        if self.sequences.has_borders() {
            return Err(Error::Incompatible { expected: "rows that are sequences", actual: "the health of rows with borders" });
        }
        if self.carry().is_number() {
            return Err(Error::Incompatible {
                expected: "a state that is one of two",
                actual: "the health of a state that is a number",
            });
        }
        Ok(())
    }

    pub(crate) fn asks_to_save(&self) -> bool {
        self.save_kind() == Save::Codes
    }
}
