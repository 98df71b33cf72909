//! Where the operands of a descriptor lie, and how long its slots are.

use super::Descriptor;
use crate::plan::split::Axes;
use crate::shape::Region;
use crate::{
    Amplitude, Direction, Element, Error, Gradient, Health, Incoming, Operand, Shape, Slot, Strides, SummaryOf, Threshold, View,
};

/// Operands that can have one element for all of an axis.
const LACKING: [Operand; 6] = [
    Operand::Threshold,
    Operand::LowThreshold,
    Operand::Amplitude,
    Operand::ThresholdGradient,
    Operand::LowThresholdGradient,
    Operand::AmplitudeGradient,
];

impl View {
    /// An axis with a stride of 0 has one element, even where there are no steps or rows; without channels there is nothing at all.
    fn without_lacking(&self, extent: [u64; 3]) -> [u64; 3] {
        let strides = [self.strides.batch, self.strides.time, self.strides.channel];
        core::array::from_fn(|axis| if strides[axis] == 0 && extent[2] > 0 { 1 } else { extent[axis] })
    }
}

impl Descriptor {
    /// The type of the elements of a slot: that of the descriptor for what comes from or goes to the network, and words of 32 bits, told
    /// as [`Element::F32`], for integers, bits, amplitudes and sums per channel, and what is internal.
    #[must_use]
    pub fn element_of(&self, slot: Slot) -> Element {
        match slot {
            Slot::Amplitude | Slot::AmplitudeGradient if self.amplitude_kind() == Amplitude::PerChannel => Element::F32,
            Slot::Saved | Slot::Scratch | Slot::Health => Element::F32,
            Slot::Summary | Slot::GradientSummary => Element::F32,
            Slot::CuSeqlens | Slot::Resets | Slot::Validity | Slot::InitialCount | Slot::Counts | Slot::FinalCount => {
                Element::F32
            }
            Slot::PackedStates | Slot::FirstSet => Element::F32,
            Slot::ThresholdGradient if self.threshold == Threshold::PerChannel => Element::F32,
            _ => self.element,
        }
    }

    /// Bytes that the descriptor's operands use in a slot, in whole words; as [`slot_elements`](Self::slot_elements).
    ///
    /// # Errors
    /// A shape or view that cannot exist.
    pub fn slot_bytes(&self, slot: Slot) -> Result<u64, Error> {
        let bytes = self.slot_elements(slot)?.saturating_mul(self.element_of(slot).bytes());
        Ok(bytes.checked_next_multiple_of(4).unwrap_or(u64::MAX))
    }

    /// Where an operand of the caller lies. `None` for operands that are internal or that this descriptor does not have.
    #[must_use]
    pub fn view(&self, operand: Operand) -> Option<View> {
        let Shape { channels, .. } = self.shape;
        let own = |slot, batch, time| View { slot, offset: 0, strides: Strides { batch, time, channel: 1 } };
        let contiguous = |slot| View { slot, offset: 0, strides: Strides::rows(self.layout, self.shape, channels) };
        // Two thresholds of a row lie side by side.
        let thresholds = if self.unit.has_low_threshold() { channels.saturating_mul(2) } else { channels };
        let threshold = |first| match self.threshold {
            Threshold::PerElement => {
                let strides = Strides::rows(self.layout, self.shape, thresholds);
                View { slot: Slot::Threshold, offset: strides.channels(first), strides }
            }
            Threshold::PerChannel => View { offset: first, ..own(Slot::Threshold, 0, 0) },
        };
        match operand {
            Operand::Candidate => Some(self.candidate_view.unwrap_or_else(|| contiguous(Slot::Candidate))),
            Operand::Threshold if !self.unit.is_gated() => None,
            Operand::Threshold => Some(self.threshold_view.unwrap_or_else(|| threshold(0))),
            Operand::LowThreshold if !self.unit.has_low_threshold() => None,
            Operand::LowThreshold => Some(self.low_threshold_view.unwrap_or_else(|| threshold(channels))),
            Operand::InitialState => self.has_initial_state().then(|| own(Slot::InitialState, channels, 0)),
            Operand::States => Some(self.states_view.unwrap_or_else(|| contiguous(Slot::States))),
            Operand::FinalState if self.is_in_place() => Some(own(Slot::InitialState, channels, 0)),
            Operand::FinalState => self.has_final_state().then(|| own(Slot::FinalState, channels, 0)),
            Operand::PackedStates | Operand::FirstSet => self.packed_view(operand),
            Operand::CuSeqlens | Operand::Resets => self.sequences_view(operand),
            Operand::StatesGradient if self.incoming == Incoming::FinalState => None,
            Operand::StatesGradient => self.view(Operand::States).map(gradient_view),
            Operand::FinalStateGradient if self.incoming == Incoming::States => None,
            Operand::FinalStateGradient => Some(own(Slot::FinalStateGradient, channels, 0)),
            Operand::Amplitude
            | Operand::Validity
            | Operand::InitialCount
            | Operand::Counts
            | Operand::FinalCount
            | Operand::StatesBefore => self.carry_view(operand),
            output if self.gradient_of(output) == Gradient::Omit => None,
            Operand::CandidateGradient => self.view(Operand::Candidate).map(gradient_view),
            Operand::ThresholdGradient => self.view(Operand::Threshold).map(gradient_view),
            Operand::LowThresholdGradient => self.view(Operand::LowThreshold).map(gradient_view),
            Operand::AmplitudeGradient => self.view(Operand::Amplitude).map(gradient_view),
            Operand::InitialStateGradient => Some(own(Slot::InitialStateGradient, channels, 0)),
            _ => None,
        }
    }

    /// Where an operand lies that a pass uses: backward reads amplitudes only where none are saved, forward neither amplitudes
    /// nor initial states where it makes no number of them.
    pub(crate) fn view_in(&self, direction: Direction, operand: Operand) -> Option<View> {
        let used = match (direction, operand) {
            (Direction::Backward, Operand::Amplitude) => !self.saves_amplitude(),
            (Direction::Forward, Operand::States) => self.writes_states(),
            (Direction::Summary(_), Operand::Amplitude) => self.sums_amplitudes(),
            (Direction::Forward, Operand::Amplitude | Operand::InitialState) => self.resolves() || self.saves(),
            _ => true,
        };
        self.view(operand).filter(|_| used)
    }

    /// Elements from the first to the last that the descriptor's operands use in `slot`; 0 if it uses none.
    ///
    /// For [`Slot::Saved`] these are the words of the saved layout, for [`Slot::Health`] those of [`Health`]. [`Slot::Scratch`] depends on the plan and is 0 here.
    ///
    /// # Errors
    /// A shape or view that cannot exist.
    pub fn slot_elements(&self, slot: Slot) -> Result<u64, Error> {
        self.check()?;
        if slot == Slot::Saved {
            return Ok(if self.saves() { self.saved_layout().words() } else { 0 });
        }
        match slot {
            Slot::Health => return Ok(self.shape.channels * Health::LINES),
            Slot::Summary => return Ok(self.summary_words(SummaryOf::States)),
            Slot::GradientSummary => return Ok(self.summary_words(SummaryOf::Gradient)),
            _ => {}
        }
        let mut end = 0;
        for &operand in Operand::ALL {
            if let Some(region) = self.whole(operand)?.filter(|region| region.slot == slot && region.len > 0) {
                end = end.max(region.end());
            }
        }
        Ok(end)
    }

    /// The whole of an operand as one region.
    pub(crate) fn whole(&self, operand: Operand) -> Result<Option<Region>, Error> {
        let Shape { batch, time, channels } = self.shape;
        let extent = match self.axes(operand) {
            Axes::Element | Axes::Previous => [batch, time, channels],
            Axes::Channel => [1, 1, channels],
            Axes::Tile { steps, words } => [batch, words * time.div_ceil(steps), channels],
            Axes::Sequence { count } => [count, 1, channels],
            Axes::Words { length } => [batch, length, 1],
            _ => [batch, 1, channels],
        };
        let Some(view) = self.view(operand) else { return Ok(None) };
        let extent = if LACKING.contains(&operand) { view.without_lacking(extent) } else { extent };
        view.region([0; 3], extent).map(Some).ok_or(Error::Overflow { operand })
    }

    /// The axes of an operand of the caller.
    pub(crate) fn axes(&self, operand: Operand) -> Axes {
        let per_channel = self.threshold == Threshold::PerChannel;
        match operand {
            Operand::Threshold | Operand::ThresholdGradient if per_channel => Axes::Channel,
            Operand::LowThreshold | Operand::LowThresholdGradient if per_channel => Axes::Channel,
            Operand::Threshold | Operand::ThresholdGradient => Axes::Element,
            Operand::LowThreshold | Operand::LowThresholdGradient => Axes::Element,
            Operand::Candidate | Operand::CandidateGradient | Operand::States | Operand::StatesGradient => Axes::Element,
            Operand::Amplitude | Operand::AmplitudeGradient if self.amplitude_kind() == Amplitude::PerChannel => Axes::Channel,
            Operand::Amplitude | Operand::AmplitudeGradient | Operand::Counts => Axes::Element,
            Operand::StatesBefore => Axes::Previous,
            Operand::Validity | Operand::PackedStates => Axes::Tile { steps: 32, words: 1 },
            Operand::CuSeqlens => Axes::Words { length: self.state_rows().saturating_add(1) },
            Operand::Resets => Axes::Words { length: self.shape.time.div_ceil(32) },
            _ => self.state_axes(),
        }
    }

    /// Which of batch, time and channels an output of the backward pass lacks, where a step of a row has a term: its sum over them is
    /// what is stored.
    pub(crate) fn lacks(&self, output: Operand) -> [bool; 3] {
        let Shape { batch, time, channels } = self.shape;
        match (self.view(output), self.axes(output)) {
            (None, _) => [false; 3],
            (_, Axes::Channel) => [true, true, false],
            (Some(View { strides, .. }), _) => {
                let axes = [(strides.batch, batch), (strides.time, time), (strides.channel, channels)];
                axes.map(|(stride, length)| stride == 0 && length != 1)
            }
        }
    }
}

/// The view of a gradient: as that of its tensor, in the slot for gradients.
fn gradient_view(view: View) -> View {
    let slot = match view.slot {
        Slot::Candidate => Slot::CandidateGradient,
        Slot::Threshold => Slot::ThresholdGradient,
        Slot::Amplitude => Slot::AmplitudeGradient,
        _ => Slot::StatesGradient,
    };
    View { slot, ..view }
}
