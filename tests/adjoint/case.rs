//! Cases in logical order, `[b][t][d]`, and the way from there into slots and back, in index arithmetic of its own.

use bmru::oracle;
use bmru::{
    Boundary, Descriptor, Gradients, Incoming, IncomingGradients, InitialState, Inputs, Layout, Shape, Surrogate, Threshold,
};

/// How thresholds come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Thresholds {
    PerElement,
    PerChannel,
    /// Per element, side by side with the candidates.
    Beside,
}

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub layout: Layout,
    pub thresholds: Thresholds,
    pub boundary: Boundary,
    pub initial_state: InitialState,
    pub incoming: Incoming,
    pub surrogates: [Surrogate; 2],
}

pub const LAYOUTS: [Layout; 2] = [Layout::BatchTimeChannel, Layout::TimeBatchChannel];
pub const THRESHOLDS: [Thresholds; 3] = [Thresholds::PerElement, Thresholds::PerChannel, Thresholds::Beside];
pub const BOUNDARIES: [Boundary; 2] = [Boundary::Hold, Boundary::Set];
pub const INITIAL_STATES: [InitialState; 2] = [InitialState::Given, InitialState::Zero];
pub const INCOMING: [Incoming; 3] = [Incoming::Both, Incoming::States, Incoming::FinalState];

/// One backward pass. What a descriptor does not read is empty.
#[derive(Clone, Debug)]
pub struct Case {
    pub options: Options,
    pub batch: usize,
    pub time: usize,
    pub channels: usize,
    /// `[b][t][d]`
    pub c: Vec<f32>,
    /// `[b][t][d]`, or `[d]`
    pub r: Vec<f32>,
    /// `[d]`
    pub alpha: Vec<f32>,
    /// `[b][d]`
    pub h0: Vec<f32>,
    /// `[b][t][d]`
    pub dh: Vec<f32>,
    /// `[b][d]`
    pub dh_final: Vec<f32>,
}

/// What is held against the checks: the oracle, or an implementation with a mistake. Gradients are in logical order; those
/// beside the candidates' are with the thresholds'.
pub type Candidate<'a> = &'a dyn Fn(&Case) -> Gradients<f64>;

/// A check, and what it found first.
pub type Check = fn(Candidate<'_>) -> Result<(), String>;

impl Case {
    pub fn element(&self, b: usize, t: usize, d: usize) -> usize {
        (b * self.time + t) * self.channels + d
    }

    pub fn row(&self, b: usize, d: usize) -> usize {
        b * self.channels + d
    }

    /// Where the threshold of an element, and its gradient, are.
    pub fn threshold(&self, b: usize, t: usize, d: usize) -> usize {
        if self.options.thresholds == Thresholds::PerChannel { d } else { self.element(b, t, d) }
    }

    pub fn h0(&self, b: usize, d: usize) -> f32 {
        self.h0.get(self.row(b, d)).copied().unwrap_or(0.0)
    }

    pub fn dh(&self, b: usize, t: usize, d: usize) -> f32 {
        self.dh.get(self.element(b, t, d)).copied().unwrap_or(0.0)
    }

    pub fn dh_final(&self, b: usize, d: usize) -> f32 {
        self.dh_final.get(self.row(b, d)).copied().unwrap_or(0.0)
    }

    /// By comparison, as the paper has it. NaN holds.
    pub fn sets(&self, b: usize, t: usize, d: usize) -> bool {
        let (c, r) = (self.c[self.element(b, t, d)].abs(), self.r[self.threshold(b, t, d)].abs());
        match self.options.boundary {
            Boundary::Hold => c > r,
            Boundary::Set => c >= r,
        }
    }

    /// Rows of the batch and channels: what is independent of each other but for the sums.
    pub fn lanes(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (batch, channels) = (self.batch, self.channels);
        (0..batch).flat_map(move |b| (0..channels).map(move |d| (b, d)))
    }

    pub fn descriptor(&self) -> Descriptor {
        let Options { layout, thresholds, boundary, initial_state, incoming, surrogates: [gate, sign] } = self.options;
        let shape = Shape { batch: self.batch as u64, time: self.time as u64, channels: self.channels as u64 };
        let descriptor = Descriptor::bmru(shape)
            .layout(layout)
            .boundary(boundary)
            .initial_state(initial_state)
            .incoming(incoming)
            .surrogates(gate, sign);
        match thresholds {
            Thresholds::PerElement => descriptor,
            Thresholds::PerChannel => descriptor.threshold(Threshold::PerChannel),
            Thresholds::Beside => descriptor.side_by_side(),
        }
    }

    /// For each element in logical order, its place among rows of `width` numbers, the first of them at `offset`.
    fn places(&self, width: usize, offset: usize) -> Vec<usize> {
        let mut places = Vec::with_capacity(self.batch * self.time * self.channels);
        for b in 0..self.batch {
            for t in 0..self.time {
                let row = match self.options.layout {
                    Layout::BatchTimeChannel => b * self.time + t,
                    Layout::TimeBatchChannel => t * self.batch + b,
                    Layout::BatchChannelTime => unreachable!("channels of a row lie side by side here"),
                };
                places.extend((0..self.channels).map(|d| row * width + offset + d));
            }
        }
        places
    }

    /// Places of candidates and thresholds in their slots.
    fn pair(&self) -> [Vec<usize>; 2] {
        let channels = self.channels;
        match self.options.thresholds {
            Thresholds::PerElement => [self.places(channels, 0), self.places(channels, 0)],
            Thresholds::PerChannel => [self.places(channels, 0), (0..channels).collect()],
            Thresholds::Beside => [self.places(2 * channels, 0), self.places(2 * channels, channels)],
        }
    }

    pub fn slots(&self) -> Slots {
        let [candidates, thresholds] = self.pair();
        let beside = self.options.thresholds == Thresholds::Beside;
        // What is placed nowhere would show as a NaN.
        let mut candidate = vec![f32::NAN; self.c.len() * if beside { 2 } else { 1 }];
        scatter(&mut candidate, &candidates, &self.c);
        let mut threshold = vec![f32::NAN; if beside { 0 } else { self.r.len() }];
        scatter(if beside { &mut candidate } else { &mut threshold }, &thresholds, &self.r);
        let mut states = vec![f32::NAN; self.dh.len()];
        if !self.dh.is_empty() {
            scatter(&mut states, &self.places(self.channels, 0), &self.dh);
        }
        let (amplitude, initial_state, final_state) = (self.alpha.clone(), self.h0.clone(), self.dh_final.clone());
        Slots { candidate, threshold, amplitude, initial_state, states, final_state }
    }

    /// From slots to logical order.
    pub fn logical(&self, slots: &Gradients<f64>) -> Gradients<f64> {
        let [candidates, thresholds] = self.pair();
        let gather = |slot: &[f64], places: &[usize]| places.iter().map(|&place| slot[place]).collect();
        let beside = self.options.thresholds == Thresholds::Beside;
        assert_eq!(slots.candidate.len(), self.c.len() + if beside { self.r.len() } else { 0 });
        assert_eq!(slots.threshold.len(), if beside { 0 } else { self.r.len() });
        Gradients {
            candidate: gather(&slots.candidate, &candidates),
            threshold: gather(if beside { &slots.candidate } else { &slots.threshold }, &thresholds),
            amplitude: slots.amplitude.clone(),
            initial_state: slots.initial_state.clone(),
        }
    }
}

fn scatter(slot: &mut [f32], places: &[usize], values: &[f32]) {
    assert_eq!(places.len(), values.len());
    for (&place, &value) in places.iter().zip(values) {
        slot[place] = value;
    }
}

/// A case as the library takes it.
pub struct Slots {
    candidate: Vec<f32>,
    threshold: Vec<f32>,
    amplitude: Vec<f32>,
    initial_state: Vec<f32>,
    states: Vec<f32>,
    final_state: Vec<f32>,
}

impl Slots {
    pub fn inputs(&self) -> Inputs<'_> {
        let Self { candidate, threshold, amplitude, initial_state, .. } = self;
        Inputs { candidate, threshold, amplitude, initial_state, ..Inputs::default() }
    }

    pub fn incoming(&self) -> IncomingGradients<'_> {
        IncomingGradients { states: &self.states, final_state: &self.final_state }
    }
}

/// The oracle, as a candidate.
pub fn of_oracle(case: &Case) -> Gradients<f64> {
    let slots = case.slots();
    let gradients = oracle::backward(&case.descriptor(), &slots.inputs(), &slots.incoming()).expect("the slices fit");
    case.logical(&gradients)
}

/// The gradients by name.
pub fn named<T>(gradients: &Gradients<T>) -> [(&'static str, &[T]); 4] {
    let Gradients { candidate, threshold, amplitude, initial_state } = gradients;
    [("dc", candidate), ("dr", threshold), ("dα", amplitude), ("dh0", initial_state)]
}
