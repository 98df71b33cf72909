//! The memory recurrent units and the options of their recurrence.

/// What happens where the candidate lies exactly on the edge of the bistable region, `|c| = |r|`.
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
    /// `r[b, t, d]`: the region moves with the input, `β_t = |W_β x_t + b_β|`.
    #[default]
    PerElement,
    /// `r[d]`: a fixed region for each channel.
    PerChannel,
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
