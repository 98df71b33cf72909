//! What a descriptor says of itself.

use super::{Descriptor, GRADIENTS};
use crate::{
    Boundary, Element, FinalState, Gradient, InitialState, Layout, Operand, Save, SavedLayout, Shape, Surrogate, Threshold,
    TimeOrder, Unit,
};

impl Descriptor {
    /// The unit.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// The type of candidates, thresholds and states.
    #[must_use]
    pub fn element_type(&self) -> Element {
        self.element
    }

    /// The shape.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The order of the axes.
    #[must_use]
    pub fn memory_layout(&self) -> Layout {
        self.layout
    }

    /// The order of the steps.
    #[must_use]
    pub fn order_of_time(&self) -> TimeOrder {
        self.time_order
    }

    /// The boundary rule.
    #[must_use]
    pub fn boundary_rule(&self) -> Boundary {
        self.boundary
    }

    /// The kind of threshold.
    #[must_use]
    pub fn threshold_kind(&self) -> Threshold {
        self.threshold
    }

    /// Whether `h0` is read.
    #[must_use]
    pub fn has_initial_state(&self) -> bool {
        self.initial_state == InitialState::Given
    }

    /// Whether `h_T` is written.
    #[must_use]
    pub fn has_final_state(&self) -> bool {
        self.final_state != FinalState::Discarded
    }

    pub(crate) fn final_state_kind(&self) -> FinalState {
        self.final_state
    }

    /// Whether it is written over `h0`.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.final_state == FinalState::InPlace
    }

    /// Whether the backward pass's codes are saved; never of cumulative units, which need none.
    #[must_use]
    pub fn saves(&self) -> bool {
        self.save == Save::Codes && self.carry().code_lines() > 0
    }

    pub(crate) fn save_kind(&self) -> Save {
        self.save
    }

    /// The surrogates of gate and sign.
    #[must_use]
    pub fn surrogate_pair(&self) -> [Surrogate; 2] {
        self.surrogates
    }

    /// What the backward pass does with an output; omitted if the descriptor has no such output.
    #[must_use]
    pub fn gradient_of(&self, output: Operand) -> Gradient {
        let governing = if output == Operand::LowThresholdGradient { Operand::ThresholdGradient } else { output };
        match GRADIENTS.iter().position(|&named| named == governing) {
            _ if output == Operand::LowThresholdGradient && !self.unit.has_low_threshold() => Gradient::Omit,
            Some(3) if !self.has_initial_state() => Gradient::Omit,
            _ if !self.unit.is_gated() => Gradient::Omit,
            Some(number) => self.gradients[number],
            None => Gradient::Omit,
        }
    }

    /// Layout of [`Slot::Saved`](crate::Slot::Saved), whether this descriptor saves or not.
    #[must_use]
    pub fn saved_layout(&self) -> SavedLayout {
        SavedLayout::new(self)
    }
}
