//! What no descriptor can be.

use super::Descriptor;
use crate::carry::Carry;
use crate::shape::Region;
use crate::{Error, Operand, Slot, States, Surrogate, Threshold};

/// Those that can lie beside each other.
const OUTPUTS: [Operand; 4] =
    [Operand::CandidateGradient, Operand::ThresholdGradient, Operand::LowThresholdGradient, Operand::AmplitudeGradient];

impl Descriptor {
    /// Checks what only the backward pass needs.
    pub(crate) fn check_backward(&self) -> Result<(), Error> {
        if !self.unit.is_gated() {
            return Err(Error::Incompatible { expected: "a forward pass", actual: "gradients of a forward fill" });
        }
        if self.view(Operand::States).is_some_and(|states| states.slot == Slot::Candidate) {
            return Err(Error::Incompatible { expected: "a forward pass", actual: "gradients of states over the candidates" });
        }
        for slope in self.surrogates.into_iter().filter_map(Surrogate::slope) {
            if !(slope > 0.0 && slope.is_finite() && slope.recip().is_finite()) {
                return Err(Error::InvalidSurrogate { expected: "a positive, finite slope or width", actual: slope });
            }
        }
        let mut placed: Vec<(Operand, Region)> = Vec::new();
        for operand in OUTPUTS {
            let Some(region) = self.whole(operand)? else { continue };
            let shared = placed.iter().any(|(_, other)| other.slot == region.slot && other.shares_elements(&region));
            if region.overlaps_itself() || shared {
                let expected = "strides and offsets that give every gradient a place of its own";
                return Err(Error::InvalidView { operand, expected, actual: format!("{region:?}") });
            }
            placed.push((operand, region));
        }
        Ok(())
    }

    /// What is overwritten must be there, and wanted by nobody afterwards.
    fn check_in_place(&self) -> Result<(), Error> {
        let actual = "a final state in place of the initial one";
        let counts = self.view(Operand::FinalCount).is_some();
        let expected = match () {
            () if !self.is_in_place() => return Ok(()),
            () if !self.has_initial_state() => "an initial state that is given",
            () if self.carry() == Carry::Count => "a unit that hands its state on, and not the count of its sets",
            () if counts && self.view(Operand::InitialCount).is_none() => "an initial count that is given",
            () if self.states_kind() != States::Numbers => {
                "states that are numbers: packed ones are unpacked with the initial state"
            }
            () => return Ok(()),
        };
        Err(Error::Incompatible { expected, actual })
    }

    /// Where states are written beside or over inputs, nothing may be read behind that.
    fn check_states_in_place(&self) -> Result<(), Error> {
        let Some(states) = self.whole(Operand::States)?.filter(|states| states.slot == Slot::Candidate) else { return Ok(()) };
        let actual = "states over the candidates";
        if self.asks_to_save() {
            return Err(Error::Incompatible { expected: "Save::Nothing: gradients need the candidates", actual });
        }
        if self.states_kind() != States::Numbers {
            return Err(Error::Incompatible { expected: "states that are numbers", actual });
        }
        for operand in [Operand::Candidate, Operand::Threshold, Operand::LowThreshold, Operand::Amplitude] {
            let Some(input) = self.whole(operand)?.filter(|input| input.slot == Slot::Candidate) else { continue };
            if input != states && input.shares_elements(&states) {
                let expected = "the place of one input, element for element, or none of any";
                return Err(Error::InvalidView { operand: Operand::States, expected, actual: format!("{states:?}") });
            }
        }
        Ok(())
    }

    /// Checks shape and views.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.shape.check()?;
        self.check_carry()?;
        self.check_sequences()?;
        self.check_packed()?;
        self.check_in_place()?;
        let invalid = |operand, expected, actual: String| Err(Error::InvalidView { operand, expected, actual });
        let thresholds = [(Operand::Threshold, self.threshold_view), (Operand::LowThreshold, self.low_threshold_view)];
        for (operand, view) in thresholds.into_iter().filter_map(|(operand, view)| Some((operand, view?))) {
            if operand == Operand::LowThreshold && !self.unit.has_low_threshold() {
                return invalid(operand, "none: this unit has one threshold", format!("{view:?}"));
            }
            if self.threshold == Threshold::PerChannel {
                return invalid(operand, "none with thresholds per channel, which are [D]", format!("{view:?}"));
            }
        }
        for (operand, slots, expected) in [
            (Operand::Candidate, &[Slot::Candidate][..], "a view into candidate"),
            (Operand::Threshold, &[Slot::Threshold, Slot::Candidate][..], "a view into threshold or candidate"),
            (Operand::LowThreshold, &[Slot::Threshold, Slot::Candidate][..], "a view into threshold or candidate"),
            (Operand::Amplitude, &[Slot::Amplitude, Slot::Candidate][..], "a view into amplitude or candidate"),
            (Operand::States, &[Slot::States, Slot::Candidate][..], "a view into states or candidate"),
        ] {
            let Some(view) = self.view(operand) else { continue };
            if !slots.contains(&view.slot) {
                return invalid(operand, expected, format!("a view into {}", view.slot));
            }
            let Some(region) = self.whole(operand)? else { continue };
            if operand == Operand::States && region.overlaps_itself() {
                return invalid(operand, "strides that give every element a place of its own", format!("{:?}", view.strides));
            }
        }
        self.check_states_in_place()
    }
}
