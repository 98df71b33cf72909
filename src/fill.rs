//! Forward fill: which candidates are values, and how long they are held.

use crate::carry::Carry;
use crate::{Beyond, Descriptor, Element, Error, InitialCount, Shape, Unit, Validity};

/// The options of a forward fill.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct FillOptions {
    validity: Validity,
    limit: Option<u32>,
    beyond: Beyond,
}

impl Descriptor {
    /// Forward fill, exact: `h_t = v_t` where that is a value, else `h_{t−1}`, with `v` in [`Slot::Candidate`](crate::Slot::Candidate);
    /// before the first value it is `h0`, or `+0`. It copies bits of any meaning, 32 or 16 of them. Which of them are values is one
    /// of two [`Validity`]. Where a gate decides, that is [`first_quadrant`](Self::first_quadrant) with
    /// [`Amplitude::PerElement`](crate::Amplitude::PerElement) and low thresholds of −∞: it holds the bits of `v_t`, its amplitude, where
    /// `c_t > β_t`, and has gradients. How long a value is held can have a
    /// [`limit`](Self::limit). There are no gradients.
    #[must_use]
    pub fn forward_fill(shape: Shape) -> Self {
        Self::new(Unit::ForwardFill, shape)
    }

    /// Which candidates are values, of a forward fill.
    #[must_use]
    pub fn validity(mut self, validity: Validity) -> Self {
        self.carry_options.fill.validity = validity;
        self
    }

    /// A forward fill holds a value for so many steps after its own, and no longer: from then until the next value it gives
    /// [`beyond`](Self::beyond). With 0 nothing is held, and from `2³¹ − 1` on everything is.
    ///
    /// The initial state counts as set just before the first step, or so many steps before that as
    /// [`initial_count`](Self::initial_count) gives. To cut time, hand on the final state and the final count, which is that of
    /// the steps since the last value: then every output has the bits that one scan over both would give. Counts end at
    /// `2³¹ − 1`, so that one of a stream that runs for ever is right, too. To begin without any value, give that as the initial
    /// count: from the first step on it is `beyond`.
    ///
    /// Limit and `beyond` are parameters of the plan, and others compile nothing.
    ///
    /// ```
    /// use bmru::{Descriptor, Inputs, Shape, oracle};
    ///
    /// let fill = Descriptor::forward_fill(Shape { batch: 1, time: 6, channels: 1 }).limit(2);
    /// let inputs = Inputs { candidate: &[f32::NAN, 7.0, f32::NAN, f32::NAN, f32::NAN, 8.0], ..Inputs::default() };
    /// let states = oracle::forward(&fill, &inputs)?.states;
    /// assert_eq!((&states[..4], states[4].is_nan(), states[5]), (&[0.0, 7.0, 7.0, 7.0][..], true, 8.0));
    /// # Ok::<(), bmru::Error>(())
    /// ```
    #[must_use]
    pub fn limit(mut self, steps: u32) -> Self {
        self.carry_options.fill.limit = Some(steps);
        self
    }

    /// What a forward fill gives where its [`limit`](Self::limit) has ended a value.
    #[must_use]
    pub fn beyond(mut self, beyond: Beyond) -> Self {
        self.carry_options.fill.beyond = beyond;
        self
    }

    /// Which candidates are values.
    #[must_use]
    pub fn validity_kind(&self) -> Validity {
        self.carry_options.fill.validity
    }

    /// For how many steps a value is held, if there is a limit.
    #[must_use]
    pub fn limit_steps(&self) -> Option<u32> {
        self.carry_options.fill.limit
    }

    /// What follows a value that is held no longer.
    #[must_use]
    pub fn beyond_value(&self) -> Beyond {
        self.carry_options.fill.beyond
    }

    pub(crate) fn is_masked(&self) -> bool {
        self.unit() == Unit::ForwardFill && self.validity_kind() == Validity::Mask
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.unit() == Unit::ForwardFill && self.limit_steps().is_some()
    }

    /// The limit as counts are: signed.
    pub(crate) fn limit_count(&self) -> i32 {
        self.limit_steps().map_or(0, |steps| i32::try_from(steps).unwrap_or(i32::MAX))
    }

    /// The pattern of what follows a value that is held no longer.
    pub(crate) fn beyond_pattern(&self) -> u32 {
        let element = self.element_type();
        match self.beyond_value() {
            // Rounding keeps the highest bits of a NaN.
            Beyond::Nan => element.pattern(f32::from_bits(0x7fc0_0000)),
            Beyond::Bits(bits) if element == Element::F32 => bits,
            Beyond::Bits(bits) => bits << 16,
        }
    }

    /// Whether the options of a fill are those of one.
    pub(crate) fn check_fill(&self, counted: bool, initial_count: InitialCount) -> Result<(), Error> {
        let incompatible = |expected, actual| Err(Error::Incompatible { expected, actual });
        let FillOptions { validity, limit, .. } = self.carry_options.fill;
        let is_fill = self.unit() == Unit::ForwardFill;
        let (counts, is_sum) = (self.carry().counts(), self.carry() == Carry::Sum);
        match () {
            () if validity == Validity::Mask && !is_fill => incompatible("a forward fill", "a mask of values"),
            () if limit.is_some() && !is_fill => incompatible("a forward fill", "a limit"),
            () if is_sum && (counted || initial_count == InitialCount::Given) => {
                incompatible("amplitudes per channel", "counts of amplitudes per element")
            }
            () if initial_count == InitialCount::Given && !counts => incompatible(COUNTED, "an initial count"),
            () if counted && !counts => incompatible(COUNTED, "counts"),
            () => Ok(()),
        }
    }
}

const COUNTED: &str = "a cumulative unit, or a forward fill with a limit";
