//! The descriptor: everything that says *what* is computed, nothing of *how*.

use crate::carry::{Carry, CarryOptions};
use crate::plan::split::Axes;
use crate::shape::Region;
use crate::{
    Amplitude, Boundary, Direction, Element, Error, FinalState, Gradient, Health, HealthSource, Incoming, InitialState, Layout,
    Limits, Operand, Plan, Save, SavedLayout, Sequences, Shape, Slot, States, Strides, SummaryOf, Surrogate, Threshold,
    TimeOrder, Tuning, Unit, View,
};

/// What is computed, and where its tensors lie.
///
/// By default every operand has a slot of its own and is contiguous in the descriptor's [`Layout`], of elements of `f32`.
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
#[derive(Clone, Debug, PartialEq)]
pub struct Descriptor {
    unit: Unit,
    element: Element,
    shape: Shape,
    layout: Layout,
    time_order: TimeOrder,
    boundary: Boundary,
    threshold: Threshold,
    initial_state: InitialState,
    final_state: FinalState,
    save: Save,
    candidate_view: Option<View>,
    threshold_view: Option<View>,
    low_threshold_view: Option<View>,
    states_view: Option<View>,
    pub(crate) states: States,
    surrogates: [Surrogate; 2],
    incoming: Incoming,
    gradients: [Gradient; 4],
    pub(crate) carry_options: CarryOptions,
    pub(crate) sequences: Sequences,
}

/// The outputs of the backward pass, in the order of `Descriptor::gradients`.
const GRADIENTS: [Operand; 4] =
    [Operand::CandidateGradient, Operand::ThresholdGradient, Operand::AmplitudeGradient, Operand::InitialStateGradient];

/// Those that can lie beside each other.
const OUTPUTS: [Operand; 4] =
    [Operand::CandidateGradient, Operand::ThresholdGradient, Operand::LowThresholdGradient, Operand::AmplitudeGradient];

impl Descriptor {
    /// The Bistable Memory Recurrent Unit (arXiv 2601.09495):
    /// `h_t = α·S(c_t)` if `|c_t| > |r_t|`, else `h_{t−1}`.
    #[must_use]
    pub fn bmru(shape: Shape) -> Self {
        Self::new(Unit::Bistable, shape)
    }

    /// The first-quadrant form of the unit (arXiv 2605.15216), a comparator with hysteresis:
    /// `h_t = α` if `c_t > β_hi`, else `0` if `c_t < β_lo`, else `h_{t−1}`.
    ///
    /// Both thresholds lie in [`Slot::Threshold`]: `[B, T, 2·D]`, or `[2·D]` per channel, `β_hi` first.
    #[must_use]
    pub fn first_quadrant(shape: Shape) -> Self {
        Self::new(Unit::FirstQuadrant, shape)
    }

    /// Of any unit, with everything else by default.
    #[must_use]
    pub fn new(unit: Unit, shape: Shape) -> Self {
        Self {
            unit,
            element: Element::default(),
            shape,
            layout: Layout::default(),
            time_order: TimeOrder::default(),
            boundary: Boundary::default(),
            threshold: Threshold::default(),
            initial_state: InitialState::default(),
            final_state: FinalState::default(),
            save: Save::default(),
            candidate_view: None,
            threshold_view: None,
            low_threshold_view: None,
            states_view: None,
            states: States::default(),
            surrogates: [Surrogate::default(); 2],
            incoming: Incoming::default(),
            gradients: [Gradient::default(); 4],
            carry_options: CarryOptions::default(),
            sequences: Sequences::default(),
        }
    }

    /// The type of candidates, thresholds and states.
    #[must_use]
    pub fn element(mut self, element: Element) -> Self {
        self.element = element;
        self
    }

    /// Order of the axes of all operands that have no view of their own.
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// In which order the steps are taken. Of a bidirectional layer, one direction is [`TimeOrder::Descending`].
    #[must_use]
    pub fn time_order(mut self, time_order: TimeOrder) -> Self {
        self.time_order = time_order;
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
    /// row `(b, t)` is `c[b, t, 0..D]` and then `r[b, t, 0..D]`, all in [`Slot::Candidate`]. Of first-quadrant units rows of
    /// `3·D`: `c`, `β_hi`, `β_lo`. Amplitudes per element, if they are asked for before, are one more column, the last.
    #[must_use]
    pub fn side_by_side(self) -> Self {
        let channels = self.shape.channels;
        let two_thresholds = self.unit.has_low_threshold();
        let columns = if two_thresholds { 3 } else { 2 };
        let amplitudes = self.amplitude_kind() == Amplitude::PerElement;
        let row = channels.saturating_mul(columns + u64::from(amplitudes));
        let strides = Strides::rows(self.layout, self.shape, row);
        let column =
            |number: u64| View { slot: Slot::Candidate, offset: strides.channels(channels.saturating_mul(number)), strides };
        let placed = self.threshold(Threshold::PerElement).candidate_view(column(0)).threshold_view(column(1));
        let placed = if amplitudes { placed.amplitude_view(column(columns)) } else { placed };
        if two_thresholds { placed.low_threshold_view(column(2)) } else { placed }
    }

    /// Places the candidates: any view into [`Slot::Candidate`]. Kernels load several channels at once where their stride is 1, and several
    /// steps where that of time is.
    #[must_use]
    pub fn candidate_view(mut self, view: View) -> Self {
        self.candidate_view = Some(view);
        self
    }

    /// Places thresholds per element: any view into [`Slot::Threshold`] or [`Slot::Candidate`]. An axis with a stride of
    /// 0 has one threshold for all of it, whose gradient is the sum over that axis.
    #[must_use]
    pub fn threshold_view(mut self, view: View) -> Self {
        self.threshold_view = Some(view);
        self
    }

    /// Places the low thresholds of first-quadrant units: as [`threshold_view`](Self::threshold_view), which places the high
    /// ones.
    #[must_use]
    pub fn low_threshold_view(mut self, view: View) -> Self {
        self.low_threshold_view = Some(view);
        self
    }

    /// Writes the states over the candidates, wherever those are placed by now: each is read before its place is written, by the
    /// same invocation, so that one buffer less is bound. A pass that saves for gradients is refused: they need the candidates.
    #[must_use]
    pub fn states_in_place(self) -> Self {
        let candidates = self.view(Operand::Candidate);
        Self { states_view: candidates, ..self }
    }

    /// Places the states: any view into [`Slot::States`] in which no element stands twice.
    /// Elements between the rows are not written. Or a view into [`Slot::Candidate`]: that of the candidates, as
    /// [`states_in_place`](Self::states_in_place), or of thresholds or amplitudes per element that lie beside them, or elements that are
    /// none of them.
    #[must_use]
    pub fn states_view(mut self, view: View) -> Self {
        self.states_view = Some(view);
        self
    }

    /// What stands for the derivative of the gate's step function and of the sign in the backward pass. The derivative of the
    /// sign is twice that of its step.
    #[must_use]
    pub fn surrogates(mut self, gate: Surrogate, sign: Surrogate) -> Self {
        self.surrogates = [gate, sign];
        self
    }

    /// Which gradients come into the backward pass.
    #[must_use]
    pub fn incoming(mut self, incoming: Incoming) -> Self {
        self.incoming = incoming;
        self
    }

    /// What the backward pass does with an output: [`Operand::CandidateGradient`], [`Operand::ThresholdGradient`],
    /// [`Operand::AmplitudeGradient`] or [`Operand::InitialStateGradient`]. All overwrite by default. What is done with the
    /// gradient of the thresholds is done with both of a first-quadrant unit. Naming another operand changes nothing.
    #[must_use]
    pub fn gradient(mut self, output: Operand, gradient: Gradient) -> Self {
        if let Some(number) = GRADIENTS.iter().position(|&named| named == output) {
            self.gradients[number] = gradient;
        }
        self
    }

    /// Plans the forward pass: pure, no GPU object is touched.
    ///
    /// # Errors
    /// A shape or view that cannot exist, limits or a tuning that nothing can be planned with, tensors that no buffer
    /// of these limits can hold, or a forced strategy that cannot do this.
    pub fn forward(&self, limits: &Limits, tuning: &Tuning) -> Result<Plan, Error> {
        Plan::new(self, Direction::Forward, limits, tuning)
    }

    /// Plans the backward pass: pure, no GPU object is touched.
    ///
    /// It reads candidates, thresholds, the incoming gradients and what the forward pass saved, not the states. With
    /// `g_t = dh_t + g_{t+1}` where step `t + 1` held, `u = |c| − |r|`, and the surrogates `φ` of the gate and `ψ` of the sign:
    ///
    /// ```text
    /// w  = α·S(c) − h_{t−1}
    /// dc = [g·α·ψ(c) if it set] + sign(c)·φ(u)·g·w        dα  = Σ over set steps of g·S(c)
    /// dr = −sign(r)·φ(u)·g·w                              dh0 = g_1 if step 1 held, else 0
    /// ```
    ///
    /// `dr` of thresholds per channel and `dα` are summed over batch and time, and both over every axis whose stride is 0. Where `c` or `r` is NaN or infinite, `dc` and `dr`
    /// are `+0`. Of first-quadrant units, with `z_hi` and `z_lo` where the thresholds fire:
    ///
    /// ```text
    /// w_hi = g·(α − h_{t−1}), or g·α where z_lo       dβ_hi = −φ(c − β_hi)·w_hi       dc = φ(c − β_hi)·w_hi + φ(β_lo − c)·w_lo
    /// w_lo = g·h_{t−1}, or 0 where z_hi               dβ_lo = −φ(β_lo − c)·w_lo       dα = Σ over z_hi of g
    /// ```
    ///
    /// Of cumulative units every gradient passes every step, `keep = 1`, and `w = α·S(c)`; of relaxed ones `keep = ε` where a step sets,
    /// and `w = α·S(c) − (1 − ε)·h_{t−1}`. Amplitudes per element get `dα = g·S(c)` where they set, else 0. Units whose state is a
    /// number save no amplitudes per element, and no states: a backward pass is given the amplitudes again and, but for the
    /// cumulative unit, in [`Slot::States`] what the forward pass wrote there. Amplitudes per element, candidates and thresholds
    /// then need more buffers than WebGPU promises, unless they lie [`side_by_side`](Self::side_by_side).
    ///
    /// The additions have an order that the shape alone decides: on one device every strategy, tuning and set of
    /// limits gives the same bits, and [`Plan::depth`] is the longest chain of them. Not so of relaxed units, where the scaling
    /// between them is rounded, too, in another order for each strategy.
    ///
    /// Gradients lie as their tensors do: that of a candidate at the same place of [`Slot::CandidateGradient`] as the candidate
    /// in [`Slot::Candidate`], and so on; the incoming gradient of the states as [`Slot::States`].
    ///
    /// # Errors
    /// As [`forward`](Self::forward); also a surrogate without a positive, finite slope, and views in which two gradients
    /// would share a place.
    pub fn backward(&self, limits: &Limits, tuning: &Tuning) -> Result<Plan, Error> {
        Plan::new(self, Direction::Backward, limits, tuning)
    }

    /// Plans the health of every channel: sets, flips, holds and NaN inputs, in one small buffer, [`Slot::Health`]; pure, no GPU
    /// object is touched. [`Health`] reads it and tells what to do.
    ///
    /// From [`HealthSource::Saved`] it reads what the forward pass saved, a quarter of a byte per element; from
    /// [`HealthSource::Inputs`] candidates and thresholds, once. Both give the same counts; only the inputs tell which are NaN.
    /// It counts in integers: the result is bitwise equal to [`oracle::health`](crate::oracle::health) on every adapter and
    /// tuning and under all limits. A [`Strategy`](crate::Strategy) changes nothing.
    ///
    /// # Errors
    /// As [`forward`](Self::forward); also a unit whose state is a number. The records of all sequences of one channel must fit a binding: 32 bytes for each 1,024
    /// steps begun; and 1,024 steps are the least that a dispatch takes, so that a tuning must allow as many elements.
    pub fn health(&self, source: HealthSource, limits: &Limits, tuning: &Tuning) -> Result<Plan, Error> {
        Plan::new(self, Direction::Health(source), limits, tuning)
    }

    /// Plans the pass of this name: what [`forward`](Self::forward), [`backward`](Self::backward) and so on do.
    ///
    /// # Errors
    /// As there.
    pub fn plan(&self, direction: Direction, limits: &Limits, tuning: &Tuning) -> Result<Plan, Error> {
        Plan::new(self, direction, limits, tuning)
    }

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

    /// The type of the elements of a slot: words of 32 bits where it is internal.
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
                axes.map(|(stride, length)| stride == 0 && length > 1)
            }
        }
    }

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
            let Some(mut region) = self.whole(operand)? else { continue };
            if operand != Operand::CandidateGradient {
                let lacks = self.lacks(operand);
                region.extent = core::array::from_fn(|axis| if lacks[axis] { 1 } else { region.extent[axis] });
            }
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
