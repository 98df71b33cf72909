//! The memory recurrent units and the options of their recurrence.

/// How the state follows from the inputs. Steps count from 0; `h0` is the state before the first of them, `h_T` that after the last.
///
/// Three kinds of states differ in what is promised and what is saved: *one of two* (bistable and first-quadrant, amplitudes per channel, in
/// rows without borders); *copies* of what set last (the same with amplitudes per element or borders, and forward fills); and *sums*
/// (cumulative and relaxed). The last two are called numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// The Bistable Memory Recurrent Unit (arXiv 2601.09495): `h_t = α·S(c_t)` if `|c_t| > |r_t|`, else `h_{t−1}`.
    #[default]
    Bistable,
    /// The first-quadrant form of it, a comparator with hysteresis (arXiv 2605.15216): `h_t = α` if `c_t > β_hi`, else `0` if
    /// `c_t < β_lo`, else `h_{t−1}`. Where both fire, because `β_lo` lies above `β_hi`, the high one wins.
    FirstQuadrant,
    /// The cumulative form (CMRU, arXiv 2605.11855): `h_t = h_{t−1} + α·S(c_t)` if `|c_t| > |r_t|`, else `h_{t−1}`. What is carried
    /// is the integer `n` of `h_t = h0 + α·n`, which is exact; with amplitudes per element a sum.
    Cumulative,
    /// Between the bistable and the cumulative unit: `h_t = α·S(c_t) + ε·h_{t−1}` if `|c_t| > |r_t|`, else `h_{t−1}`, with `ε` from
    /// 0 to 1, a parameter of the plan. [`Descriptor::relaxed`](crate::Descriptor::relaxed) takes the exact units at its ends.
    Relaxed,
    /// Forward fill: `h_t = c_t` where that is a value, else `h_{t−1}`, for bits of any meaning; on request no longer than so many
    /// steps. Without thresholds, amplitudes and gradients.
    ForwardFill,
}

impl Unit {
    /// Whether it has a low threshold beside the high one.
    pub(crate) fn has_low_threshold(self) -> bool {
        self == Self::FirstQuadrant
    }

    /// Whether it sets by a gate, with thresholds and amplitudes.
    pub(crate) fn is_gated(self) -> bool {
        self != Self::ForwardFill
    }
}

/// What happens where the candidate lies exactly on an edge of the region: `|c| = |r|`, or `c = β_hi` or `c = β_lo`.
///
/// A model trained elsewhere must give the same bits here, so this follows the step function of its framework.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Boundary {
    /// `H(0) = 0`: on the edge the unit holds.
    #[default]
    Hold,
    /// `H(0) = 1`: on the edge the unit sets, and `S(±0) = +1`.
    Set,
}

/// How many thresholds there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Threshold {
    /// `r[b, t, d]`: the region moves with the input, `β_t = |W_β x_t + b_β|`. First-quadrant: rows of `2·D`, `β_hi` and then
    /// `β_lo`.
    #[default]
    PerElement,
    /// `r[d]`: a fixed region for each channel. First-quadrant: `[2·D]`, `β_hi` and then `β_lo`.
    PerChannel,
}

/// How many amplitudes there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Amplitude {
    /// `α[d]`.
    #[default]
    PerChannel,
    /// `α[b, t, d]`: the state is that of the last step that set, `h_t = α_t·S(c_t)`, a number and no longer one of two. Of
    /// bistable and first-quadrant units; of cumulative and relaxed ones a sum of such numbers.
    PerElement,
}

/// Which candidates of a forward fill are values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Validity {
    /// Those that are no NaN as an `f32`.
    #[default]
    NotNan,
    /// Those whose bit in [`Slot::Validity`](crate::Slot::Validity) is 1: words of 32 bits, `[B][⌈T/32⌉][D]` whatever the layout of the
    /// candidates; bit `k` is the `k`-th step of the word in the order in which steps are taken. Bits past `T` mean nothing.
    Mask,
}

/// What a forward fill gives where its limit has ended a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Beyond {
    /// The quiet NaN of the elements: its sign 0, and of its fraction only the highest bit 1.
    #[default]
    Nan,
    /// The element with these bits; [`Element::encode`](crate::Element::encode) makes them from a number.
    Bits(u32),
}

/// Whether the count before the first step is given: `n` of a cumulative unit; of a forward fill with a limit the steps since `h0`
/// was set.
///
/// A cumulative scan that goes on where another ended is given the same `h0` and the final count of the one before: then every
/// count, and so every state, has the bits that one scan over both would give. A forward fill is given the final state and the
/// final count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InitialCount {
    /// `n = 0`: it begins in `h0`; a forward fill counts that as set just before the first step.
    #[default]
    Zero,
    /// `n0[b, d]`, an `i32`, is read from [`Slot::InitialCount`](crate::Slot::InitialCount); it begins in `h0 + α·n0`, or in `h0` of so
    /// many steps before.
    Given,
}

/// Which counts are written, each an `i32`: of a cumulative unit they wrap as such; of a forward fill with a limit, whose counts are
/// those of the steps since the last value, they end at `2³¹ − 1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Counts {
    /// None.
    #[default]
    Discarded,
    /// `n_T[b, d]`, to [`Slot::FinalCount`](crate::Slot::FinalCount).
    Final,
    /// That, and `n[b, t, d]` to [`Slot::Counts`](crate::Slot::Counts), contiguous in the descriptor's layout.
    All,
}

/// In which order the steps are taken.
///
/// What is told of steps elsewhere (the first, the last, step `k` of a word, the state before) is meant in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimeOrder {
    /// From `t = 0` up.
    #[default]
    Ascending,
    /// From `t = T − 1` down: `h_t` follows from `h_{t+1}`, the initial state enters before `t = T − 1`, and the final state leaves
    /// after `t = 0`.
    Descending,
}

impl TimeOrder {
    /// The time of a step, of so many.
    pub(crate) fn time(self, step: u64, steps: u64) -> u64 {
        match self {
            Self::Ascending => step,
            Self::Descending => steps - 1 - step,
        }
    }
}

/// Where the state before the first step comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InitialState {
    /// `h0 = +0`.
    #[default]
    Zero,
    /// `h0[b, d]` is read from [`Slot::InitialState`](crate::Slot::InitialState).
    Given,
}

/// Whether the state after the last step is written on its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FinalState {
    /// It is not.
    #[default]
    Discarded,
    /// `h_T[b, d]` is written to [`Slot::FinalState`](crate::Slot::FinalState).
    Written,
    /// `h_T[b, d]` is written over `h0[b, d]`, which must be given, in [`Slot::InitialState`](crate::Slot::InitialState), and the final
    /// count, if it is asked for, over the initial one: what is decoded step by step needs no second buffer and no change of bindings.
    /// The plan walks serially: of tiles, all read what one would write.
    InPlace,
}

/// How the forward pass writes the states after each step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum States {
    /// As numbers, to [`Slot::States`](crate::Slot::States).
    #[default]
    Numbers,
    /// As bits, to [`Slot::PackedStates`](crate::Slot::PackedStates), with the first set step of each channel of a row, and no numbers.
    /// Of units whose state is one of two. [`Packed`](crate::Packed) says how they lie, and unpacks them.
    Packed,
    /// As both.
    Both,
}

/// Whether the forward pass saves what a backward pass needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Save {
    /// Inference: nothing is saved.
    #[default]
    Nothing,
    /// Two bits per element and `O(B·D)` words go to [`Slot::Saved`](crate::Slot::Saved), laid out as
    /// [`SavedLayout`](crate::SavedLayout) says.
    Codes,
}

/// What stands for the derivative of the step function in the backward pass. Each has mass 1 but `FastSigmoid` (2/k).
///
/// `u` is how far the argument of a step is beyond it: `|c| − |r|` for the gate and `c` for the sign; of first-quadrant units, which have
/// no sign, `c − β_hi` and `β_lo − c`. The kind selects a pipeline; slope and width are parameters: other ones are another plan, but
/// compile nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Surrogate {
    /// No gradient.
    Zero,
    /// `(k/2) / (1 + (πku/2)²)`
    ArcTan {
        /// Slope.
        k: f32,
    },
    /// `1 / (1 + k|u|)²`
    FastSigmoid {
        /// Slope.
        k: f32,
    },
    /// `k·σ(ku)·(1 − σ(ku))`
    Sigmoid {
        /// Slope.
        k: f32,
    },
    /// `max(0, 1 − |u|/half_width) / half_width`
    Triangle {
        /// Half of the width of its base.
        half_width: f32,
    },
    /// `1 / (2·half_width)` if `|u| < half_width`, else 0
    Boxcar {
        /// Half of its width.
        half_width: f32,
    },
}

impl Default for Surrogate {
    /// The arctangent of slope 2, the default of snnTorch and SpikingJelly.
    fn default() -> Self {
        Self::ArcTan { k: 2.0 }
    }
}

impl Surrogate {
    /// `φ(u)` in double precision.
    #[must_use]
    pub fn derivative(self, u: f64) -> f64 {
        match self {
            Self::Zero => 0.0,
            Self::ArcTan { k } => {
                let x = std::f64::consts::PI * f64::from(k) * u / 2.0;
                f64::from(k) / 2.0 / (1.0 + x * x)
            }
            Self::FastSigmoid { k } => (1.0 + f64::from(k) * u.abs()).powi(-2),
            Self::Sigmoid { k } => {
                let e = (-f64::from(k) * u.abs()).exp();
                f64::from(k) * e / ((1.0 + e) * (1.0 + e))
            }
            Self::Triangle { half_width } => (1.0 - u.abs() / f64::from(half_width)).max(0.0) / f64::from(half_width),
            Self::Boxcar { half_width } if u.abs() < f64::from(half_width) => 0.5 / f64::from(half_width),
            Self::Boxcar { .. } => 0.0,
        }
    }

    /// Name of its function in `shaders/surrogate.wgsl`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::ArcTan { .. } => "arc_tan",
            Self::FastSigmoid { .. } => "fast_sigmoid",
            Self::Sigmoid { .. } => "sigmoid",
            Self::Triangle { .. } => "triangle",
            Self::Boxcar { .. } => "boxcar",
        }
    }

    /// Height and scale, as the function takes them.
    pub(crate) fn params(self) -> [f32; 2] {
        match self {
            Self::Zero => [0.0, 0.0],
            Self::ArcTan { k } => [k / 2.0, (std::f64::consts::FRAC_PI_2 * f64::from(k)) as f32],
            Self::FastSigmoid { k } => [1.0, k],
            Self::Sigmoid { k } => [k, k],
            Self::Triangle { half_width } => [1.0 / half_width; 2],
            Self::Boxcar { half_width } => [0.5 / half_width, half_width],
        }
    }

    /// Slope or half width, if it has one.
    pub(crate) fn slope(self) -> Option<f32> {
        match self {
            Self::Zero => None,
            Self::ArcTan { k } | Self::FastSigmoid { k } | Self::Sigmoid { k } => Some(k),
            Self::Triangle { half_width } | Self::Boxcar { half_width } => Some(half_width),
        }
    }
}

/// Which gradients come into the backward pass. One that does not is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Incoming {
    /// That of every state, from [`Slot::StatesGradient`](crate::Slot::StatesGradient).
    #[default]
    States,
    /// That of the final state, from [`Slot::FinalStateGradient`](crate::Slot::FinalStateGradient).
    FinalState,
    /// Both.
    Both,
}

/// What the backward pass does with one of its outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Gradient {
    /// It is written over what was there.
    #[default]
    Overwrite,
    /// It is added to what is there.
    Accumulate,
    /// It is not computed.
    Omit,
}
