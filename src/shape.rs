//! Shapes, layouts and views: which element of which buffer an index `(b, t, d)` means.

use core::fmt;

use crate::Error;

/// The longest axis: indices and step counts are `i32` somewhere on every backend.
pub const MAX_AXIS: u64 = (1 << 31) - 1;

/// The three axes of a sequence tensor, in elements. Any of them may be 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Independent sequences, `B`.
    pub batch: u64,
    /// Time steps, `T`.
    pub time: u64,
    /// Channels, `D`: each is a recurrent unit of its own.
    pub channels: u64,
}

impl Shape {
    /// `B·T·D`, or `None` beyond 2^64.
    #[must_use]
    pub fn elements(&self) -> Option<u64> {
        self.batch.checked_mul(self.time)?.checked_mul(self.channels)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        for (axis, actual) in [("batch", self.batch), ("time", self.time), ("channels", self.channels)] {
            if actual > MAX_AXIS {
                return Err(Error::AxisTooLong { axis, expected: MAX_AXIS, actual });
            }
        }
        Ok(())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "B = {}, T = {}, D = {}", self.batch, self.time, self.channels)
    }
}

/// Order of the axes in memory, slowest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `[B, T, D]`, what most frameworks call batch first.
    #[default]
    BatchTimeChannel,
    /// `[T, B, D]`, time first.
    TimeBatchChannel,
    /// `[B, D, T]`, time contiguous, as convolutions leave it.
    BatchChannelTime,
}

/// Distance between neighbours along each axis, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Strides {
    /// From `(b, t, d)` to `(b + 1, t, d)`.
    pub batch: u64,
    /// From `(b, t, d)` to `(b, t + 1, d)`.
    pub time: u64,
    /// From `(b, t, d)` to `(b, t, d + 1)`.
    pub channel: u64,
}

impl Strides {
    /// Contiguous rows of `row ≥ D` elements in the given order; of [`Layout::BatchChannelTime`] so many rows of `T` elements in each
    /// batch.
    #[must_use]
    pub fn rows(layout: Layout, shape: Shape, row: u64) -> Self {
        let batch = shape.time.saturating_mul(row);
        match layout {
            Layout::BatchTimeChannel => Self { batch, time: row, channel: 1 },
            Layout::TimeBatchChannel => Self { batch: row, time: shape.batch.saturating_mul(row), channel: 1 },
            Layout::BatchChannelTime => Self { batch, time: 1, channel: shape.time },
        }
    }

    /// Elements of so many channels, from the first on.
    pub(crate) fn channels(self, count: u64) -> u64 {
        self.channel.saturating_mul(count)
    }
}

/// An enum whose variants have a name in snake case, and a list of all of them.
macro_rules! named {
    ($(#[$meta:meta])* $enum:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $enum { $($(#[$doc])* $variant,)* }

        impl $enum {
            /// All of them, in the order in which bindings are numbered.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $name,)* })
            }
        }
    };
}

named! {
    /// One buffer binding that the caller fills. See [`Operand`] for what lives in it.
    Slot {
        /// Candidates, and whatever else a descriptor places beside them.
        Candidate = "candidate",
        /// Thresholds; of first-quadrant units the high and the low ones.
        Threshold = "threshold",
        /// Which candidates of a forward fill are values: a bit each.
        Validity = "validity",
        /// Amplitudes, `[D]`, or per element as the candidates.
        Amplitude = "amplitude",
        /// The state before the first step, `[B, D]`; of `N` packed sequences `[N, D]`, as all that is told of `[B, D]` here.
        InitialState = "initial_state",
        /// The count before the first step, `[B, D]`, of `i32`.
        InitialCount = "initial_count",
        /// Where packed sequences begin and end, `[N + 1]`, of `u32`.
        CuSeqlens = "cu_seqlens",
        /// Before which steps the state becomes the initial one again: a bit each, of `u32`.
        Resets = "resets",
        /// The states after each step.
        States = "states",
        /// The state after the last step, `[B, D]`.
        FinalState = "final_state",
        /// A bit for the state after each step; see [`Packed`](crate::Packed).
        PackedStates = "packed_states",
        /// The first step that set, `[B, D]`, of packed states whose codes are not saved.
        FirstSet = "first_set",
        /// The counts after each step, of `i32`.
        Counts = "counts",
        /// The count after the last step, `[B, D]`, of `i32`.
        FinalCount = "final_count",
        /// Backward: the incoming gradient of the states.
        StatesGradient = "states_gradient",
        /// Backward: the incoming gradient of the final state, `[B, D]`.
        FinalStateGradient = "final_state_gradient",
        /// Backward: the gradient of the candidates, and of whatever lies beside them.
        CandidateGradient = "candidate_gradient",
        /// Backward: the gradient of the thresholds.
        ThresholdGradient = "threshold_gradient",
        /// Backward: the gradient of the amplitudes, `[D]`, or per element as the amplitudes.
        AmplitudeGradient = "amplitude_gradient",
        /// Backward: the gradient of the initial state, `[B, D]`.
        InitialStateGradient = "initial_state_gradient",
        /// What a backward pass needs of the forward pass; see [`SavedLayout`](crate::SavedLayout).
        Saved = "saved",
        /// Working memory of one run: undefined before and after.
        Scratch = "scratch",
        /// Health: what each channel did, a line of `[D]` words for each field; see [`Health`](crate::Health).
        Health = "health",
        /// What a stretch of time does to the state; see [`Summary`](crate::Summary).
        Summary = "summary",
        /// Backward: what it does to a gradient; see [`GradientSummary`](crate::GradientSummary).
        GradientSummary = "gradient_summary",
    }
}

named! {
    /// A tensor that a kernel reads or writes: a view into a [`Slot`].
    ///
    /// Its name in snake case is the prefix of the functions through which shaders reach it
    /// (`load_candidate`, `store_states`, …).
    Operand {
        /// `c[b, t, d]`, the pre-activation.
        Candidate = "candidate",
        /// `r[b, t, d]` or `r[d]`: the threshold before its absolute value; of first-quadrant units `β_hi`.
        Threshold = "threshold",
        /// `β_lo[b, t, d]` or `β_lo[d]` of first-quadrant units.
        LowThreshold = "low_threshold",
        /// The validity of 32 steps of a channel in a word.
        Validity = "validity",
        /// `α[d]` or `α[b, t, d]`.
        Amplitude = "amplitude",
        /// `h0[b, d]`.
        InitialState = "initial_state",
        /// `n0[b, d]` of cumulative units; of forward fills with a limit the steps since `h0` was set.
        InitialCount = "initial_count",
        /// The borders of packed sequences.
        CuSeqlens = "cu_seqlens",
        /// The reset bits of 32 steps of a row in a word.
        Resets = "resets",
        /// `h[b, t, d]`.
        States = "states",
        /// `h_T[b, d]`.
        FinalState = "final_state",
        /// The states after 32 steps of a channel in a word.
        PackedStates = "packed_states",
        /// `n[b, t, d]` of cumulative units; of forward fills with a limit the steps since the last value.
        Counts = "counts",
        /// `n_T[b, d]` of the same.
        FinalCount = "final_count",
        /// Backward: `h_{t−1}`, where codes do not tell it.
        StatesBefore = "states_before",
        /// `dh[b, t, d]`.
        StatesGradient = "states_gradient",
        /// `dhT[b, d]`.
        FinalStateGradient = "final_state_gradient",
        /// `dc[b, t, d]`.
        CandidateGradient = "candidate_gradient",
        /// `dr[b, t, d]` or `dr[d]`; of first-quadrant units `dβ_hi`.
        ThresholdGradient = "threshold_gradient",
        /// `dβ_lo[b, t, d]` or `dβ_lo[d]` of first-quadrant units.
        LowThresholdGradient = "low_threshold_gradient",
        /// `dα[d]` or `dα[b, t, d]`.
        AmplitudeGradient = "amplitude_gradient",
        /// `dh0[b, d]`.
        InitialStateGradient = "initial_state_gradient",
        /// Two words for 32 steps of one channel: where it sets, and the sign.
        Codes = "codes",
        /// Index of the first step that set, `[b, d]`.
        FirstSet = "first_set",
        /// The same within each tile.
        FirstOfTile = "first_of_tile",
        /// The copy of `h0` that is saved for the backward pass.
        SavedInitialState = "saved_initial_state",
        /// The copy of `α` that is saved for the backward pass.
        SavedAmplitude = "saved_amplitude",
        /// What each tile, or each node of a level of the tree, does to the state: one element of the scan.
        Aggregates = "aggregates",
        /// The aggregates, or the stretches, of the level below.
        Children = "children",
        /// Two words for the 32 children of a node of the tree.
        Words = "words",
        /// The words, or the elements, of the level above.
        Parent = "parent",
        /// Backward: what stretches of time pass on, two words each: a gradient, and whether all steps hold.
        Stretches = "stretches",
        /// Backward: what the steps behind a part of a stretch pass on to it, up to the end of the stretch: two words as there.
        Within = "within",
        /// Backward: the gradient that flows into a stretch from beyond its end.
        Beyond = "beyond",
        /// Backward: the same for the level below.
        ChildrenBeyond = "children_beyond",
        /// What a walk keeps between two parts of time; forward sums of elements of 16 bits.
        Registers = "registers",
        /// Backward: terms of the amplitudes' gradient, one for 1,024 steps of a row, or for 32.
        AmplitudeTerms = "amplitude_terms",
        /// Backward: terms of the gradient of thresholds per channel.
        ThresholdTerms = "threshold_terms",
        /// Backward: terms of the gradient of low thresholds per channel.
        LowThresholdTerms = "low_threshold_terms",
        /// Backward: terms of the initial state's gradient, where a row is reset.
        InitialStateTerms = "initial_state_terms",
        /// Terms of a sum.
        Terms = "terms",
        /// Sums of 32 terms.
        Sum = "sum",
        /// What walks are told of 32 steps: where sequences begin; of packed ones also where they end, which steps belong to any, and to
        /// which.
        Borders = "borders",
        /// What is copied.
        Source = "source",
        /// Where it goes.
        Target = "target",
        /// Health: what 1,024 steps of a sequence did, or a node of the tree above them: 8 words.
        Records = "records",
        /// Health: what several sequences did: 11 words, the lines of [`Slot::Health`] at last.
        Totals = "totals",
    }
}

impl Operand {
    /// Whether it may have one element for all channels, which is loaded once for a vector of them.
    pub(crate) fn can_splat(self) -> bool {
        matches!(self, Self::Candidate | Self::Threshold | Self::LowThreshold | Self::Amplitude)
    }
}

impl Slot {
    /// Whether it has words without channels, of which no vector is made.
    pub(crate) fn is_scalar(self) -> bool {
        matches!(self, Self::CuSeqlens | Self::Resets)
    }
}

/// Where the elements of an operand lie: element `(b, t, d)` is
/// `offset + b·strides.batch + t·strides.time + d·strides.channel` of its slot, counted in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// The slot.
    pub slot: Slot,
    /// Index of element `(0, 0, 0)`.
    pub offset: u64,
    /// Distances between neighbours.
    pub strides: Strides,
}

impl View {
    /// The box of this view that begins at `origin` and reaches `extent` elements along each axis (batch, time, channels).
    /// `None` where a count of bytes would leave 63 bits. An empty box is a region of length 0.
    pub(crate) fn region(&self, origin: [u64; 3], extent: [u64; 3]) -> Option<Region> {
        let strides = [self.strides.batch, self.strides.time, self.strides.channel];
        let mut start = self.offset;
        let mut last = 0u64;
        for axis in 0..3 {
            start = start.checked_add(origin[axis].checked_mul(strides[axis])?)?;
            last = last.checked_add(extent[axis].saturating_sub(1).checked_mul(strides[axis])?)?;
        }
        let len = if extent.contains(&0) { 0 } else { last.checked_add(1)? };
        (start.checked_add(len)? < 1 << 61).then_some(Region { slot: self.slot, start, len, strides, extent, descends: false })
    }
}

/// A box of a view, as one dispatch sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub slot: Slot,
    /// Index of the first element within the slot.
    pub start: u64,
    /// Elements from the first to the last, gaps included; 0 if the box is empty.
    pub len: u64,
    pub strides: [u64; 3],
    pub extent: [u64; 3],
    /// Whether steps are counted from its last time down.
    pub descends: bool,
}

impl Region {
    pub fn end(&self) -> u64 {
        self.start + self.len
    }

    /// Whether an element of this box can be one of another. Exact for rows side by side, which have the same strides and lie
    /// less than a row apart; else only boxes of which one ends before the other begins are known to be disjoint.
    pub fn shares_elements(&self, other: &Self) -> bool {
        if self.len == 0 || other.len == 0 || self.end() <= other.start || other.end() <= self.start {
            return false;
        }
        if self.strides != other.strides || self.extent != other.extent {
            return true;
        }
        let pair = (self.start.abs_diff(other.start), 2);
        Self::axes_overlap(self.strides.into_iter().zip(self.extent).chain([pair]))
    }

    /// Whether two index triples can mean the same element. Sufficient, not exact: along the axes sorted by stride, each
    /// stride must step over everything that the shorter ones reach.
    pub fn overlaps_itself(&self) -> bool {
        if self.len == 0 {
            return false;
        }
        Self::axes_overlap(self.strides.into_iter().zip(self.extent))
    }

    fn axes_overlap(axes: impl Iterator<Item = (u64, u64)>) -> bool {
        let mut axes: Vec<(u64, u64)> = axes.filter(|&(_, extent)| extent > 1).collect();
        axes.sort_unstable();
        let mut reach = 0u64;
        axes.into_iter().any(|(stride, extent)| {
            let overlaps = stride <= reach;
            reach = reach.saturating_add((extent - 1).saturating_mul(stride));
            overlaps
        })
    }
}
