//! Packed states: a bit for each state that is one of two.

use crate::oracle::{Gate, index};
use crate::{
    Descriptor, Direction, Error, Layout, Limits, Operand, Plan, SavedLayout, Shape, Slot, States, Strides, Tuning, View,
};

/// The packed states that a forward pass wrote, and what their bits stand for: the contents of the slots that unpacking reads.
/// Slots that the descriptor does not use are empty.
///
/// | slot | shape | content |
/// |---|---|---|
/// | [`Slot::PackedStates`] | `u32[B][⌈T/32⌉][D]`, or `[⌈T/32⌉][B][D]` if time comes first in the [`Layout`](crate::Layout) | bit `k` of word `w`, from the lowest up, is 1 where the state after step `32·w + k` is the upper one, `α`; 0 where it is the lower one, `−α` or 0, or still `h0`. Bits past `T` are 0. |
/// | [`Slot::FirstSet`] | `u32[B][D]` | index of the first step that set, [`SavedLayout::NEVER`] if none did: after every step below it the state is `h0` |
///
/// Steps are counted in the order in which they are taken: of [`TimeOrder::Descending`](crate::TimeOrder::Descending) step 0 is `t = T − 1`.
/// With `h0` in the lower state (of first-quadrant units 0, which it is by default) the bits alone tell all states.
///
/// Where codes are saved, too, the first set steps are those of [`SavedLayout::first_set`], `NEVER` and all, and are not written twice:
/// [`Descriptor::view`] tells where [`Operand::FirstSet`] lies. The saved signs are others: those *before* each step.
///
/// ```
/// use bmru::{Descriptor, Inputs, Packed, Shape, States, Threshold, oracle};
///
/// let scan = Descriptor::bmru(Shape { batch: 1, time: 5, channels: 1 }).threshold(Threshold::PerChannel).states(States::Packed);
/// let inputs = Inputs { candidate: &[0.5, 2.0, 0.9, -3.0, 4.0], threshold: &[1.0], ..Inputs::default() };
/// let written = oracle::forward(&scan, &inputs)?;
/// assert_eq!((&written.packed_states[..], &written.first_set[..]), (&[0b10110][..], &[1][..]));
///
/// let (packed_states, first_set) = (&written.packed_states, &written.first_set);
/// let packed = Packed { packed_states, first_set, amplitude: &[10.0], ..Packed::default() };
/// assert_eq!(packed.unpack(&scan)?, [0.0, 10.0, 10.0, -10.0, 10.0]);
/// # Ok::<(), bmru::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Packed<'a> {
    /// [`Slot::PackedStates`]
    pub packed_states: &'a [u32],
    /// The first set steps, `[B, D]`, wherever the forward pass wrote them.
    pub first_set: &'a [u32],
    /// [`Slot::Amplitude`]
    pub amplitude: &'a [f32],
    /// [`Slot::InitialState`]
    pub initial_state: &'a [f32],
}

impl Packed<'_> {
    /// The contents of [`Slot::States`] as the forward pass would have written them as numbers, bit for bit. Elements that belong to
    /// no element of the view are 0. [`Descriptor::unpack`] does the same on a device.
    ///
    /// # Errors
    /// A descriptor that cannot exist or does not pack its states, or a slice of the wrong length.
    pub fn unpack(&self, descriptor: &Descriptor) -> Result<Vec<f32>, Error> {
        self.check(descriptor)?;
        let (Shape { batch, time, channels }, element) = (descriptor.shape(), descriptor.element_type());
        let (gate, view) = (Gate::of(descriptor), |operand| descriptor.view(operand));
        let place = |operand, b, t, d| view(operand).map(|view: View| index(view, b, t, d));
        let mut states = vec![0.0; descriptor.slot_elements(Slot::States)? as usize];
        for (b, d) in (0..batch).flat_map(|b| (0..channels).map(move |d| (b, d))) {
            let amplitude = place(Operand::Amplitude, b, 0, d).map_or(0.0, |at| element.round(self.amplitude[at]));
            let initial_state = place(Operand::InitialState, b, 0, d).map_or(0.0, |at| element.round(self.initial_state[at]));
            let first_set = self.first_set[(b * channels + d) as usize];
            for step in 0..time {
                let word = place(Operand::PackedStates, b, step / 32, d).map_or(0, |at| self.packed_states[at]);
                let set_state = gate.state(amplitude, word >> (step % 32) & 1 == 1);
                let state = if step < u64::from(first_set) { initial_state } else { set_state };
                if let Some(at) = place(Operand::States, b, descriptor.order_of_time().time(step, time), d) {
                    states[at] = state;
                }
            }
        }
        Ok(states)
    }

    /// Checks the descriptor, and the lengths of all slices.
    pub(crate) fn check(&self, descriptor: &Descriptor) -> Result<(), Error> {
        descriptor.check()?;
        descriptor.check_unpack()?;
        let first_sets = descriptor.rows();
        for (slot, expected, actual) in [
            (Slot::PackedStates, descriptor.slot_elements(Slot::PackedStates)?, self.packed_states.len()),
            (Slot::FirstSet, first_sets, self.first_set.len()),
            (Slot::Amplitude, descriptor.slot_elements(Slot::Amplitude)?, self.amplitude.len()),
            (Slot::InitialState, descriptor.slot_elements(Slot::InitialState)?, self.initial_state.len()),
        ] {
            let actual = actual as u64;
            if expected != actual {
                return Err(Error::LengthMismatch { slot, expected, actual });
            }
        }
        Ok(())
    }
}

impl Descriptor {
    /// How the states are written.
    #[must_use]
    pub fn states(mut self, states: States) -> Self {
        self.states = states;
        self
    }

    /// How the states are written.
    #[must_use]
    pub fn states_kind(&self) -> States {
        self.states
    }

    /// Plans the unpacking of what a forward pass of this descriptor packed, to [`Slot::States`] wherever its view lies: the bits that
    /// the forward pass would have written as numbers; pure, no GPU object is touched.
    ///
    /// It reads an eighth of a byte per element, and amplitudes, initial states and first set steps once for each tile. The last are
    /// where the forward pass wrote them: in [`Slot::Saved`] if it saved codes. A [`Strategy`](crate::Strategy) changes nothing.
    /// [`Packed::unpack`] does the same on the host.
    ///
    /// # Errors
    /// As [`forward`](Self::forward); also a descriptor that writes its states as numbers alone.
    pub fn unpack(&self, limits: &Limits, tuning: &Tuning) -> Result<Plan, Error> {
        Plan::new(self, Direction::Unpack, limits, tuning)
    }

    /// Whether states are written as bits.
    pub(crate) fn packs(&self) -> bool {
        self.states != States::Numbers
    }

    /// Whether states are written as numbers.
    pub(crate) fn writes_states(&self) -> bool {
        self.states != States::Packed
    }

    /// Whether any state is made of its bit, its amplitude and the initial state.
    pub(crate) fn resolves(&self) -> bool {
        self.writes_states() || self.has_final_state()
    }

    /// Whether a walk leaves words, one for 32 steps.
    pub(crate) fn takes_words(&self) -> bool {
        self.saves() || self.packs()
    }

    /// Whether the step is written at which each channel first set.
    pub(crate) fn marks_first_set(&self) -> bool {
        self.takes_words() && !self.carry().is_number()
    }

    /// Rows of one channel.
    fn rows(&self) -> u64 {
        self.shape().batch.saturating_mul(self.shape().channels)
    }

    /// Where the words and the first set steps of packed states lie.
    pub(crate) fn packed_view(&self, operand: Operand) -> Option<View> {
        let Shape { time, channels, .. } = self.shape();
        let words = Shape { time: time.div_ceil(SavedLayout::STEPS_PER_WORD), ..self.shape() };
        let lies = |slot, strides| Some(View { slot, offset: 0, strides });
        match operand {
            _ if !self.packs() => None,
            Operand::FirstSet if self.saves() => Some(self.saved_layout().first_set()),
            Operand::FirstSet => lies(Slot::FirstSet, Strides { batch: channels, time: 0, channel: 1 }),
            // Channels are contiguous in words, whatever they are elsewhere.
            _ => match self.memory_layout() {
                Layout::TimeBatchChannel => lies(Slot::PackedStates, Strides::rows(Layout::TimeBatchChannel, words, channels)),
                _ => lies(Slot::PackedStates, Strides::rows(Layout::BatchTimeChannel, words, channels)),
            },
        }
    }

    /// A bit tells one of two states.
    pub(crate) fn check_packed(&self) -> Result<(), Error> {
        if self.packs() && self.carry().is_number() {
            let (expected, actual) = ("a state that is one of two", "packed states of a state that is a number");
            return Err(Error::Incompatible { expected, actual });
        }
        Ok(())
    }

    /// Nothing is unpacked that was not packed.
    pub(crate) fn check_unpack(&self) -> Result<(), Error> {
        if !self.packs() {
            return Err(Error::Incompatible { expected: "packed states", actual: "unpacking of states that are numbers" });
        }
        Ok(())
    }
}
