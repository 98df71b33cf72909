//! The descriptor: everything that says *what* is computed, nothing of *how*.

mod checks;
mod options;
mod views;

use crate::carry::CarryOptions;
use crate::{
    Amplitude, Boundary, Direction, Element, Error, FinalState, Gradient, HealthSource, Incoming, InitialState, Layout, Limits,
    Operand, Plan, Save, Sequences, Shape, Slot, States, Strides, Surrogate, Threshold, TimeOrder, Tuning, Unit, View,
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
    /// `3·D`: `c`, `β_hi`, `β_lo`. Amplitudes per element are one more column, the last. Layout and amplitudes are those asked for so
    /// far: another [`layout`](Self::layout) comes before.
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

    /// Writes the states over the candidates, wherever those are placed by now (what places them comes before): each is read before its
    /// place is written, by the same invocation, so that one buffer less is bound. A pass that saves for gradients is refused: they need the candidates.
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
    /// The forward pass must have saved ([`Save::Codes`]). This one reads candidates, thresholds, the incoming gradients and what was
    /// saved, not the states. With `g_t = dh_t + g_{t+1}` where step `t + 1` held, else `dh_t`; `u = |c| − |r|`; `φ` the surrogate of the
    /// gate, and `ψ` twice that of the sign, as the sign is twice its step; and `sign(0) = 0`:
    ///
    /// ```text
    /// w  = α·S(c) − h_{t−1}
    /// dc = [g·α·ψ(c) if it set] + sign(c)·φ(u)·g·w        dα  = Σ over set steps of g·S(c)
    /// dr = −sign(r)·φ(u)·g·w                              dh0 = g_0 if step 0 held, else 0
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
    /// The additions have an order that the shape, and which strides are 0, decide alone: on one device every strategy, tuning and set of
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
    /// object is touched. [`Health`](crate::Health) reads it and tells what to do.
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
}
