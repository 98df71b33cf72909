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

/// Order of the axes in memory, slowest first. Channels are contiguous in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `[B, T, D]`, what most frameworks call batch first.
    #[default]
    BatchTimeChannel,
    /// `[T, B, D]`, time first.
    TimeBatchChannel,
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
    /// Contiguous rows of `row ≥ D` elements in the given order.
    #[must_use]
    pub fn rows(layout: Layout, shape: Shape, row: u64) -> Self {
        let (batch, time) = match layout {
            Layout::BatchTimeChannel => (shape.time.saturating_mul(row), row),
            Layout::TimeBatchChannel => (row, shape.batch.saturating_mul(row)),
        };
        Self { batch, time, channel: 1 }
    }
}

/// One buffer binding that the caller fills. See [`Operand`] for what lives in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Slot {
    /// Candidates, and whatever else a descriptor places beside them.
    Candidate,
    /// Thresholds.
    Threshold,
    /// Amplitudes, `[D]`.
    Amplitude,
    /// The state before the first step, `[B, D]`.
    InitialState,
    /// The states after each step.
    States,
    /// The state after the last step, `[B, D]`.
    FinalState,
    /// What a backward pass needs of the forward pass; see [`SavedLayout`](crate::SavedLayout).
    Saved,
    /// Working memory of one run: undefined before and after.
    Scratch,
}

impl Slot {
    /// Every slot, in the order in which bindings are numbered.
    pub(crate) const ALL: [Self; 8] = [
        Self::Candidate,
        Self::Threshold,
        Self::Amplitude,
        Self::InitialState,
        Self::States,
        Self::FinalState,
        Self::Saved,
        Self::Scratch,
    ];
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Candidate => "candidate",
            Self::Threshold => "threshold",
            Self::Amplitude => "amplitude",
            Self::InitialState => "initial_state",
            Self::States => "states",
            Self::FinalState => "final_state",
            Self::Saved => "saved",
            Self::Scratch => "scratch",
        })
    }
}

/// A tensor that a kernel reads or writes: a view into a [`Slot`].
///
/// Its name in snake case is the prefix of the functions through which shaders reach it
/// (`load_candidate`, `store_states`, …).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operand {
    /// `c[b, t, d]`, the pre-activation.
    Candidate,
    /// `r[b, t, d]` or `r[d]`: the threshold before its absolute value.
    Threshold,
    /// `α[d]`.
    Amplitude,
    /// `h0[b, d]`.
    InitialState,
    /// `h[b, t, d]`.
    States,
    /// `h_T[b, d]`.
    FinalState,
    /// Two words for 32 steps of one channel: where it sets, and the sign.
    Codes,
    /// Index of the first step that set, `[b, d]`.
    FirstSet,
    /// The copy of `h0` that is saved for the backward pass.
    SavedInitialState,
    /// The copy of `α` that is saved for the backward pass.
    SavedAmplitude,
    /// What each tile, or each node of a level of the tree, does to the state: one code.
    Aggregates,
    /// The aggregates of the level below.
    Children,
    /// Two words for the 32 children of a node of the tree.
    Words,
    /// The words of the level above.
    Parent,
}

impl Operand {
    /// Every operand, in the order in which bindings are numbered.
    pub(crate) const ALL: [Self; 14] = [
        Self::Candidate,
        Self::Threshold,
        Self::Amplitude,
        Self::InitialState,
        Self::States,
        Self::FinalState,
        Self::Codes,
        Self::FirstSet,
        Self::SavedInitialState,
        Self::SavedAmplitude,
        Self::Aggregates,
        Self::Children,
        Self::Words,
        Self::Parent,
    ];
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Candidate => "candidate",
            Self::Threshold => "threshold",
            Self::Amplitude => "amplitude",
            Self::InitialState => "initial_state",
            Self::States => "states",
            Self::FinalState => "final_state",
            Self::Codes => "codes",
            Self::FirstSet => "first_set",
            Self::SavedInitialState => "saved_initial_state",
            Self::SavedAmplitude => "saved_amplitude",
            Self::Aggregates => "aggregates",
            Self::Children => "children",
            Self::Words => "words",
            Self::Parent => "parent",
        })
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
    /// `None` where an index leaves 63 bits. An empty box is a region of length 0.
    pub(crate) fn region(&self, origin: [u64; 3], extent: [u64; 3]) -> Option<Region> {
        let strides = [self.strides.batch, self.strides.time, self.strides.channel];
        let mut start = self.offset;
        let mut last = 0u64;
        for axis in 0..3 {
            start = start.checked_add(origin[axis].checked_mul(strides[axis])?)?;
            last = last.checked_add(extent[axis].saturating_sub(1).checked_mul(strides[axis])?)?;
        }
        let len = if extent.contains(&0) { 0 } else { last.checked_add(1)? };
        (start.checked_add(len)? < 1 << 63).then_some(Region { slot: self.slot, start, len, strides, extent })
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
}

impl Region {
    pub fn end(&self) -> u64 {
        self.start + self.len
    }

    /// Whether two index triples can mean the same element. Sufficient, not exact: along the axes sorted by stride, each
    /// stride must step over everything that the shorter ones reach.
    pub fn overlaps_itself(&self) -> bool {
        if self.len == 0 {
            return false;
        }
        let mut axes: Vec<(u64, u64)> =
            self.strides.into_iter().zip(self.extent).filter(|&(_, extent)| extent > 1).collect();
        axes.sort_unstable();
        let mut reach = 0u64;
        axes.into_iter().any(|(stride, extent)| {
            let overlaps = stride <= reach;
            reach = reach.saturating_add((extent - 1).saturating_mul(stride));
            overlaps
        })
    }
}
