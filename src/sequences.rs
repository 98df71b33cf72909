//! Sequences: where they begin and end within the rows of time.

use crate::oracle::Inputs;
use crate::plan::split::Axes;
use crate::{Descriptor, Error, FinalState, Operand, Slot, States, Strides, TimeOrder, View};

/// How the steps of a row belong to sequences, each of which begins in an initial state.
///
/// With `prev(t)` in place of `h_{t−1}` the recurrence is that of the unit, whichever it is; backward, with `keep_t` the part of the state
/// before step `t` that is left behind it (of bistable units 1 where a step holds and 0 where it sets):
///
/// ```text
/// prev(t) = h0[n]  if t is the first step of sequence n, or is reset        h_{t−1}  otherwise
/// g_t     = dh_t + ( dhT[n] if t is the last step of sequence n    0 if t + 1 is reset    keep_{t+1}·g_{t+1} otherwise )
/// dh0[n]  = Σ keep_t·g_t over all t with prev(t) = h0[n]                    no steps: hT[n] = h0[n], dh0[n] = dhT[n]
/// ```
///
/// In the order of time that the descriptor has: descending, a sequence begins in its last step, and a reset acts before its step as it is
/// taken. Borders are the same for all channels.
///
/// Forward, every sequence has the bits that it has alone: of states that are sums, as far as the oracle's bits are promised at all.
/// Backward, gradients are within their bound, and are added in an order that the descriptor and the places of the borders fix: every plan gives
/// the same bits (not so of relaxed units), but a sequence need not have those that it has alone. What each unit combines with stands in `docs/combinations.md`.
///
/// ```
/// # fn main() -> Result<(), bmru::Error> {
/// use bmru::{Descriptor, FinalState, InitialState, Inputs, Sequences, Shape, Threshold, oracle};
///
/// // Two steps, none, and three, in a row of six.
/// let scan = Descriptor::bmru(Shape { batch: 1, time: 6, channels: 1 })
///     .threshold(Threshold::PerChannel)
///     .sequences(Sequences::Packed { count: 3 })
///     .initial_state(InitialState::Given)
///     .final_state(FinalState::Written);
/// let inputs = Inputs {
///     candidate: &[0.5, 2.0, 0.5, -3.0, 0.5, f32::NAN],
///     threshold: &[1.0],
///     amplitude: &[10.0],
///     initial_state: &[7.0, 8.0, 9.0],
///     cu_seqlens: &[0, 2, 2, 5],
///     ..Inputs::default()
/// };
/// let outputs = oracle::forward(&scan, &inputs)?;
/// assert_eq!(outputs.states, [7.0, 10.0, 9.0, -10.0, -10.0, 0.0]);
/// assert_eq!(outputs.final_state, [10.0, 8.0, -10.0]);
///
/// // The same row, reset before its steps 2 and 4.
/// let scan = scan.sequences(Sequences::Resets);
/// let inputs = Inputs { initial_state: &[7.0], cu_seqlens: &[], resets: &[0b01_0100], ..inputs };
/// assert_eq!(oracle::forward(&scan, &inputs)?.states, [7.0, 10.0, 7.0, -10.0, 7.0, 7.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Planning refuses with [`Error::Incompatible`] packed sequences in another number of batch rows than 1, packed states
/// ([`States::Packed`], [`States::Both`]), [`FinalState::InPlace`], health, and final states of packed sequences of 16-bit elements in rows of an
/// odd number of channels; tiles of units whose state is a sum or has an age; and with [`Error::AxisTooLong`] more sequences than
/// [`MAX_AXIS`](crate::MAX_AXIS) − 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sequences {
    /// Each batch row is one.
    #[default]
    Rows,
    /// So many of any length lie one behind the other in the only batch row, as most frameworks pack them: sequence `n` is the steps from
    /// `cu_seqlens[n]` to `cu_seqlens[n + 1]`, of `u32` in [`Slot::CuSeqlens`], which is read on the GPU. Each has a row of its own in
    /// `[N, D]` of initial states, final states and their gradients. One of length 0 hands on its initial state.
    ///
    /// Borders beyond the last step count as that step. Steps outside all sequences are slack: whatever lies there is not
    /// read into anything, and states, counts and gradients are written as 0. Borders must not go down;
    /// [`Error::InvalidBorders`] comes from [`check_cu_seqlens`] for those that do. A shader that meets such borders
    /// stays within its buffers, and what it writes means nothing.
    Packed {
        /// The number of sequences, `N`.
        count: u64,
    },
    /// Each batch row is one, but before each step whose bit is set in [`Slot::Resets`] the state becomes the initial state again, before
    /// in the order in which steps are taken. The bits are `u32[B][⌈T/32⌉]`: that of time `t` is bit `t mod 32` of word `⌊t/32⌋`,
    /// whichever way time is taken.
    Resets,
}

/// Checks on the host that the borders of packed sequences do not go down. Optional: shaders read the borders and need no check.
///
/// # Errors
/// [`Error::InvalidBorders`], which names the first border that does.
pub fn check_cu_seqlens(cu_seqlens: &[u32]) -> Result<(), Error> {
    match cu_seqlens.windows(2).position(|pair| pair[1] < pair[0]) {
        Some(place) => {
            Err(Error::InvalidBorders { place: place + 1, expected: cu_seqlens[place], actual: cu_seqlens[place + 1] })
        }
        None => Ok(()),
    }
}

impl Sequences {
    /// Whether a row can have borders within it.
    pub(crate) fn has_borders(self) -> bool {
        self != Self::Rows
    }

    /// The number of packed sequences.
    pub(crate) fn packed(self) -> Option<u64> {
        match self {
            Self::Packed { count } => Some(count),
            _ => None,
        }
    }

    /// A number for each, for fingerprints.
    pub(crate) fn fingerprint(self) -> Option<[u64; 2]> {
        match self {
            Self::Rows => None,
            Self::Packed { count } => Some([1, count]),
            Self::Resets => Some([2, 0]),
        }
    }
}

impl Descriptor {
    /// Whether rows are sequences, hold several of them, or are reset within.
    ///
    /// A bistable or first-quadrant unit with borders within its rows saves no signs and reads its states again in the backward pass, as one
    /// with amplitudes per element does: 4 bytes more per element there, an eighth of a byte less that is saved.
    #[must_use]
    pub fn sequences(mut self, sequences: Sequences) -> Self {
        self.sequences = sequences;
        self
    }

    /// How steps belong to sequences.
    #[must_use]
    pub fn sequences_kind(&self) -> Sequences {
        self.sequences
    }

    /// Rows of initial and final states: batch rows, or packed sequences.
    pub(crate) fn state_rows(&self) -> u64 {
        self.sequences.packed().unwrap_or(self.shape().batch)
    }

    /// The axes of what each sequence has one row of.
    pub(crate) fn state_axes(&self) -> Axes {
        self.sequences.packed().map_or(Axes::Row, |count| Axes::Sequence { count })
    }

    /// Where borders lie.
    pub(crate) fn sequences_view(&self, operand: Operand) -> Option<View> {
        let lies = |slot, batch| Some(View { slot, offset: 0, strides: Strides { batch, time: 1, channel: 1 } });
        match (operand, self.sequences) {
            (Operand::CuSeqlens, Sequences::Packed { .. }) => lies(Slot::CuSeqlens, 0),
            (Operand::Resets, Sequences::Resets) => lies(Slot::Resets, self.shape().time.div_ceil(32)),
            _ => None,
        }
    }

    /// Whether borders combine with the other options.
    pub(crate) fn check_sequences(&self) -> Result<(), Error> {
        if !self.sequences.has_borders() {
            return Ok(());
        }
        let batch = self.shape().batch;
        if let Sequences::Packed { count } = self.sequences {
            if count >= crate::MAX_AXIS {
                return Err(Error::AxisTooLong { axis: "sequences", expected: crate::MAX_AXIS - 1, actual: count });
            }
            if batch != 1 {
                return Err(Error::Incompatible { expected: "one batch row", actual: "packed sequences in several batch rows" });
            }
        }
        let (expected, actual) = match () {
            () if self.states_kind() != States::Numbers => ("states that are numbers", "packed states of sequences with borders"),
            () if self.final_state_kind() == FinalState::InPlace => {
                ("a final state in a buffer of its own", "a final state in place, of sequences with borders")
            }
            () => return Ok(()),
        };
        Err(Error::Incompatible { expected, actual })
    }
}

/// What the steps of a row are to sequences: the plain way in which the [oracle](crate::oracle) knows it. Steps are counted in the order in
/// which they are taken.
#[derive(Clone, Debug)]
pub struct Borders<'a> {
    sequences: Sequences,
    time: u64,
    descends: bool,
    /// Of packed sequences: that of each time.
    packed: Vec<Option<u64>>,
    resets: &'a [u32],
}

impl<'a> Borders<'a> {
    /// Of a descriptor and its inputs, of which it reads borders alone.
    #[must_use]
    pub fn new(descriptor: &Descriptor, inputs: &Inputs<'a>) -> Self {
        let (sequences, time) = (descriptor.sequences, descriptor.shape().time);
        let mut packed = Vec::new();
        if sequences.packed().is_some() {
            packed.resize(time as usize, None);
            let border = |border: u32| u64::from(border).min(time) as usize;
            for (n, pair) in inputs.cu_seqlens.windows(2).enumerate() {
                let (begin, end) = (border(pair[0]), border(pair[1]));
                packed[begin..end.max(begin)].fill(Some(n as u64));
            }
        }
        let descends = descriptor.order_of_time() == TimeOrder::Descending;
        Self { sequences, time, descends, packed, resets: inputs.resets }
    }

    fn time(&self, step: u64) -> u64 {
        if self.descends { self.time - 1 - step } else { step }
    }

    /// The sequence of a step: the row of its initial and final state. None of slack.
    #[must_use]
    pub fn sequence(&self, b: u64, step: u64) -> Option<u64> {
        match self.sequences {
            Sequences::Rows | Sequences::Resets => Some(b),
            Sequences::Packed { .. } => self.packed[self.time(step) as usize],
        }
    }

    /// Whether the state before a step is an initial one: it is the first of its row or sequence, or is reset.
    #[must_use]
    pub fn begins(&self, b: u64, step: u64) -> bool {
        let t = self.time(step);
        match self.sequences {
            _ if step == 0 => true,
            Sequences::Rows => false,
            Sequences::Packed { .. } => self.sequence(b, step) != self.sequence(b, step - 1),
            Sequences::Resets => self.resets[(b * self.time.div_ceil(32) + t / 32) as usize] >> (t % 32) & 1 == 1,
        }
    }

    /// Whether the state after a step is the final state of its sequence.
    #[must_use]
    pub fn ends(&self, b: u64, step: u64) -> bool {
        let last = step + 1 == self.time;
        match self.sequences {
            Sequences::Rows | Sequences::Resets => last,
            Sequences::Packed { .. } => self.sequence(b, step).is_some() && (last || self.begins(b, step + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;

    #[test]
    fn borders_that_go_down_are_named() {
        assert_eq!(check_cu_seqlens(&[]), Ok(()));
        assert_eq!(check_cu_seqlens(&[0, 0, 3, 3, 9]), Ok(()));
        assert_eq!(check_cu_seqlens(&[2, 5, 4, 9]), Err(Error::InvalidBorders { place: 2, expected: 5, actual: 4 }));
    }

    #[test]
    fn steps_know_their_sequence() {
        let shape = Shape { batch: 1, time: 7, channels: 1 };
        let packed = Descriptor::bmru(shape).sequences(Sequences::Packed { count: 3 });
        let inputs = Inputs { cu_seqlens: &[1, 3, 3, 9], ..Inputs::default() };
        let borders = Borders::new(&packed, &inputs);
        let of = |found: &dyn Fn(u64) -> bool| (0..7).map(found).collect::<Vec<_>>();
        let sequences: Vec<_> = (0..7).map(|step| borders.sequence(0, step)).collect();
        assert_eq!(sequences, [None, Some(0), Some(0), Some(2), Some(2), Some(2), Some(2)]);
        assert_eq!(of(&|step| borders.begins(0, step)), [true, true, false, true, false, false, false]);
        assert_eq!(of(&|step| borders.ends(0, step)), [false, false, true, false, false, false, true]);
        let borders = Borders::new(&packed.time_order(TimeOrder::Descending), &inputs);
        assert_eq!(of(&|step| borders.begins(0, step)), [true, false, false, false, true, false, true]);
        assert_eq!(of(&|step| borders.ends(0, step)), [false, false, false, true, false, true, false]);
    }
}
