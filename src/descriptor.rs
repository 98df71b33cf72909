//! The descriptor: everything that says *what* is computed, nothing of *how*.

use crate::shape::Region;
use crate::{
    Boundary, Error, FinalState, InitialState, Layout, Limits, Operand, Plan, Save, SavedLayout, Shape, Slot, Strides, Threshold,
    Tuning, View,
};

/// What is computed, and where its tensors lie.
///
/// By default every operand has a slot of its own and is contiguous in the descriptor's [`Layout`]. All elements are `f32`.
///
/// ```
/// use bmru::{Boundary, Descriptor, FinalState, Layout, Shape, Threshold};
///
/// let scan = Descriptor::bmru(Shape { batch: 8, time: 4096, channels: 256 })
///     .layout(Layout::TimeBatchChannel)
///     .threshold(Threshold::PerChannel)
///     .boundary(Boundary::Set)
///     .final_state(FinalState::Written);
/// let plan = scan.forward(&bmru::Limits::default(), &bmru::Tuning::default())?;
/// println!("{plan}");
/// # Ok::<(), bmru::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Descriptor {
    shape: Shape,
    layout: Layout,
    boundary: Boundary,
    threshold: Threshold,
    initial_state: InitialState,
    final_state: FinalState,
    save: Save,
    candidate_view: Option<View>,
    threshold_view: Option<View>,
    states_view: Option<View>,
}

impl Descriptor {
    /// The Bistable Memory Recurrent Unit (arXiv 2601.09495):
    /// `h_t = α·S(c_t)` if `|c_t| > |r_t|`, else `h_{t−1}`.
    #[must_use]
    pub fn bmru(shape: Shape) -> Self {
        Self {
            shape,
            layout: Layout::default(),
            boundary: Boundary::default(),
            threshold: Threshold::default(),
            initial_state: InitialState::default(),
            final_state: FinalState::default(),
            save: Save::default(),
            candidate_view: None,
            threshold_view: None,
            states_view: None,
        }
    }

    /// Order of the axes of all operands that have no view of their own.
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// What happens exactly on the edge of the region.
    #[must_use]
    pub fn boundary(mut self, boundary: Boundary) -> Self {
        self.boundary = boundary;
        self
    }

    /// Thresholds per element or per channel.
    #[must_use]
    pub fn threshold(mut self, threshold: Threshold) -> Self {
        self.threshold = threshold;
        self
    }

    /// Whether `h0` is given or zero.
    #[must_use]
    pub fn initial_state(mut self, initial_state: InitialState) -> Self {
        self.initial_state = initial_state;
        self
    }

    /// Whether the state after the last step is written on its own.
    #[must_use]
    pub fn final_state(mut self, final_state: FinalState) -> Self {
        self.final_state = final_state;
        self
    }

    /// Whether forward saves what backward needs.
    #[must_use]
    pub fn save(mut self, save: Save) -> Self {
        self.save = save;
        self
    }

    /// Candidate and threshold side by side in rows of `2·D`, as one fused projection leaves them:
    /// row `(b, t)` is `c[b, t, 0..D]` and then `r[b, t, 0..D]`, all in [`Slot::Candidate`].
    #[must_use]
    pub fn side_by_side(self) -> Self {
        let channels = self.shape.channels;
        let strides = Strides::rows(self.layout, self.shape, channels.saturating_mul(2));
        self.threshold(Threshold::PerElement)
            .candidate_view(View { slot: Slot::Candidate, offset: 0, strides })
            .threshold_view(View { slot: Slot::Candidate, offset: channels, strides })
    }

    /// Places the candidates: any view into [`Slot::Candidate`] whose channel stride is 1.
    #[must_use]
    pub fn candidate_view(mut self, view: View) -> Self {
        self.candidate_view = Some(view);
        self
    }

    /// Places thresholds per element: any view into [`Slot::Threshold`] or [`Slot::Candidate`] whose channel stride is 1.
    #[must_use]
    pub fn threshold_view(mut self, view: View) -> Self {
        self.threshold_view = Some(view);
        self
    }

    /// Places the states: any view into [`Slot::States`] whose channel stride is 1 and in which no element stands twice.
    /// Elements between the rows are not written.
    #[must_use]
    pub fn states_view(mut self, view: View) -> Self {
        self.states_view = Some(view);
        self
    }

    /// Plans the forward pass: pure, no GPU object is touched.
    ///
    /// # Errors
    /// A shape or view that cannot exist, limits or a tuning that nothing can be planned with, tensors that no buffer
    /// of these limits can hold, or a forced strategy that cannot do this.
    pub fn forward(&self, limits: &Limits, tuning: &Tuning) -> Result<Plan, Error> {
        Plan::forward(self, limits, tuning)
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
        self.final_state == FinalState::Written
    }

    /// Whether the backward pass's codes are saved.
    #[must_use]
    pub fn saves(&self) -> bool {
        self.save == Save::Codes
    }

    /// Layout of [`Slot::Saved`], whether this descriptor saves or not.
    #[must_use]
    pub fn saved_layout(&self) -> SavedLayout {
        SavedLayout::new(self)
    }

    /// Where an operand of the caller lies. `None` for operands that are internal or that this descriptor does not have.
    #[must_use]
    pub fn view(&self, operand: Operand) -> Option<View> {
        let Shape { channels, .. } = self.shape;
        let own = |slot, batch, time| View { slot, offset: 0, strides: Strides { batch, time, channel: 1 } };
        let contiguous = |slot| View { slot, offset: 0, strides: Strides::rows(self.layout, self.shape, channels) };
        match operand {
            Operand::Candidate => Some(self.candidate_view.unwrap_or_else(|| contiguous(Slot::Candidate))),
            Operand::Threshold => Some(match self.threshold {
                Threshold::PerElement => self.threshold_view.unwrap_or_else(|| contiguous(Slot::Threshold)),
                Threshold::PerChannel => own(Slot::Threshold, 0, 0),
            }),
            Operand::Amplitude => Some(own(Slot::Amplitude, 0, 0)),
            Operand::InitialState => self.has_initial_state().then(|| own(Slot::InitialState, channels, 0)),
            Operand::States => Some(self.states_view.unwrap_or_else(|| contiguous(Slot::States))),
            Operand::FinalState => self.has_final_state().then(|| own(Slot::FinalState, channels, 0)),
            _ => None,
        }
    }

    /// Whether any operand of this descriptor lies in `slot`, empty or not. Working memory depends on the plan.
    #[must_use]
    pub fn uses(&self, slot: Slot) -> bool {
        slot == Slot::Saved && self.saves()
            || Operand::ALL.iter().any(|&operand| self.view(operand).is_some_and(|view| view.slot == slot))
    }

    /// Elements from the first to the last that the descriptor's operands use in `slot`; 0 if it uses none.
    ///
    /// For [`Slot::Saved`] these are the words of the saved layout. [`Slot::Scratch`] depends on the plan and is 0 here.
    ///
    /// # Errors
    /// A shape or view that cannot exist.
    pub fn slot_elements(&self, slot: Slot) -> Result<u64, Error> {
        self.check()?;
        if slot == Slot::Saved {
            return Ok(if self.saves() { self.saved_layout().words() } else { 0 });
        }
        let mut end = 0;
        for operand in Operand::ALL {
            if let Some(region) = self.whole(operand)?.filter(|region| region.slot == slot && region.len > 0) {
                end = end.max(region.end());
            }
        }
        Ok(end)
    }

    /// The whole of an operand as one region.
    pub(crate) fn whole(&self, operand: Operand) -> Result<Option<Region>, Error> {
        let Shape { batch, time, channels } = self.shape;
        let extent = match operand {
            Operand::Candidate | Operand::States => [batch, time, channels],
            Operand::Threshold if self.threshold == Threshold::PerElement => [batch, time, channels],
            Operand::Threshold | Operand::Amplitude => [1, 1, channels],
            _ => [batch, 1, channels],
        };
        let Some(view) = self.view(operand) else { return Ok(None) };
        view.region([0; 3], extent).map(Some).ok_or(Error::Overflow { operand })
    }

    /// Checks shape and views.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.shape.check()?;
        let invalid = |operand, expected, actual: String| Err(Error::InvalidView { operand, expected, actual });
        if let (Threshold::PerChannel, Some(view)) = (self.threshold, self.threshold_view) {
            return invalid(Operand::Threshold, "none with thresholds per channel, which are [D]", format!("{view:?}"));
        }
        for (operand, slots, expected) in [
            (Operand::Candidate, &[Slot::Candidate][..], "a view into candidate"),
            (Operand::Threshold, &[Slot::Threshold, Slot::Candidate][..], "a view into threshold or candidate"),
            (Operand::States, &[Slot::States][..], "a view into states"),
        ] {
            let Some(view) = self.view(operand) else { continue };
            if !slots.contains(&view.slot) {
                return invalid(operand, expected, format!("a view into {}", view.slot));
            }
            if view.strides.channel != 1 {
                return invalid(operand, "a channel stride of 1", view.strides.channel.to_string());
            }
            let Some(region) = self.whole(operand)? else { continue };
            if operand == Operand::States && region.overlaps_itself() {
                return invalid(operand, "strides that give every element a place of its own", format!("{:?}", view.strides));
            }
        }
        Ok(())
    }
}
