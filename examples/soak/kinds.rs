//! What is run: options drawn once, shapes and data for each case.

use bmru::{
    Access, Amplitude, Boundary, Counts, Descriptor, Element, Error, FinalState, HealthSource, Incoming, InitialCount,
    InitialState, Layout, Save, Shape, Slot, States, Strategy, Surrogate, Threshold, TimeOrder, Unit, Validity,
};
use bmru_conformance::data::{Rate, Values};
use bmru_conformance::{AnyCase, BackwardCase, Case, HealthCase, Profile, Runner, SURROGATES};

/// Elements of a tensor at most: software adapters and the loop in double precision take some ten milliseconds for them.
const ELEMENTS: u64 = 40_000;

/// Around vectors, words, tiles and the levels of trees.
const LENGTHS: [u64; 14] = [0, 1, 2, 31, 32, 33, 64, 65, 1023, 1024, 1025, 2049, 32_768, 32_769];

const RATES: [Rate; 6] = [Rate::Half, Rate::Once(10), Rate::Once(300), Rate::Once(5000), Rate::Never, Rate::Always];

#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Backward,
    Health(HealthSource),
}

/// All options but shape and data.
pub struct Kind {
    direction: Direction,
    unit: Unit,
    epsilon: f32,
    amplitude: Amplitude,
    element: Element,
    layout: Layout,
    order: TimeOrder,
    boundary: Boundary,
    threshold: Threshold,
    initial: InitialState,
    last: FinalState,
    states: States,
    limited: bool,
    save: Save,
    counts: Counts,
    beside: bool,
    surrogates: [Surrogate; 2],
    incoming: Incoming,
    strategy: Strategy,
    access: Access,
    profile: Profile,
    tile_steps: u32,
    values: usize,
}

fn one<T: Copy>(rng: &mut fastrand::Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())]
}

impl Kind {
    /// Units and directions take turns, all else is drawn.
    pub fn random(number: usize, rng: &mut fastrand::Rng) -> Self {
        let units = [
            (Unit::Bistable, 0.0),
            (Unit::FirstQuadrant, 0.0),
            (Unit::Cumulative, 0.0),
            (Unit::Relaxed, 0.75),
            (Unit::ForwardFill, 0.0),
        ];
        let source = one(rng, &[HealthSource::Saved, HealthSource::Inputs]);
        let directions = [Direction::Forward, Direction::Backward, Direction::Health(source)];
        let (unit, epsilon) = units[number % units.len()];
        let wide = |unit| !matches!(unit, Unit::Bistable | Unit::FirstQuadrant);
        let direction = match directions[number / units.len() % directions.len()] {
            Direction::Health(_) if wide(unit) => Direction::Forward,
            Direction::Backward if unit == Unit::ForwardFill => Direction::Forward,
            direction => direction,
        };
        let per_element = unit != Unit::ForwardFill && !matches!(direction, Direction::Health(_)) && rng.u8(..4) == 0;
        let amplitude = if per_element { Amplitude::PerElement } else { Amplitude::PerChannel };
        Self {
            direction,
            unit,
            epsilon,
            amplitude,
            element: one(rng, &Element::ALL),
            layout: one(rng, &[Layout::BatchTimeChannel, Layout::TimeBatchChannel]),
            order: one(rng, &[TimeOrder::Ascending, TimeOrder::Descending]),
            boundary: one(rng, &[Boundary::Hold, Boundary::Set]),
            threshold: one(rng, &[Threshold::PerElement, Threshold::PerChannel]),
            initial: one(rng, &[InitialState::Given, InitialState::Zero]),
            last: one(rng, &[FinalState::Written, FinalState::Discarded, FinalState::InPlace]),
            states: one(rng, &[States::Numbers, States::Numbers, States::Packed, States::Both]),
            limited: rng.bool(),
            save: one(rng, &[Save::Nothing, Save::Codes]),
            counts: one(rng, &[Counts::Discarded, Counts::Final, Counts::All]),
            // Amplitudes per element leave no buffer for thresholds of their own.
            beside: unit != Unit::ForwardFill && (per_element || rng.u8(..3) == 0),
            surrogates: [one(rng, &SURROGATES), one(rng, &SURROGATES)],
            incoming: one(rng, &[Incoming::States, Incoming::FinalState, Incoming::Both]),
            strategy: one(rng, &Strategy::ALL),
            access: Access::Declared,
            profile: one(rng, &[Profile::Device, Profile::Device, Profile::WebGpu, Profile::Small { kibibytes: 160 }]),
            tile_steps: one(rng, &[32, 64, 1024]),
            values: rng.usize(..2),
        }
    }

    fn descriptor(&self, shape: Shape) -> Descriptor {
        let descriptor = Descriptor::new(self.unit, shape)
            .element(self.element)
            .layout(self.layout)
            .time_order(self.order)
            .boundary(self.boundary)
            .threshold(self.threshold)
            .initial_state(self.initial)
            .final_state(self.last)
            .amplitude(self.amplitude)
            .epsilon(self.epsilon)
            .surrogates(self.surrogates[0], self.surrogates[1])
            .incoming(self.incoming);
        let forward = matches!(self.direction, Direction::Forward);
        let descriptor = match self.unit {
            Unit::ForwardFill => {
                let mask = if self.save == Save::Codes { Validity::Mask } else { Validity::NotNan };
                let descriptor = descriptor.validity(mask);
                if self.limited { descriptor.limit(3).counts(self.counts) } else { descriptor }
            }
            Unit::Cumulative if forward => {
                // Counts that come in have no state before them.
                let counted = if self.initial == InitialState::Zero { InitialCount::Given } else { InitialCount::Zero };
                descriptor.counts(self.counts).initial_count(counted)
            }
            _ if forward => descriptor.save(self.save),
            _ => descriptor.save(Save::Codes),
        };
        let of_bits = matches!(self.unit, Unit::Bistable | Unit::FirstQuadrant) && self.amplitude == Amplitude::PerChannel;
        let descriptor = if forward && of_bits { descriptor.states(self.states) } else { descriptor };
        if self.beside { descriptor.side_by_side() } else { descriptor }
    }

    /// A case of this kind, of a random shape.
    pub fn job(&self, number: u64, rng: &mut fastrand::Rng) -> Job {
        let shape = shape(rng);
        let Shape { batch, time, channels } = shape;
        let (descriptor, rate) = (self.descriptor(shape), one(rng, &RATES));
        let name = format!("{number}/{:?}/{batch}x{time}x{channels}/{}", self.unit, self.strategy);
        match self.direction {
            Direction::Forward => {
                let mut case = Case::new(name, descriptor, rate);
                case.values = [Values::Plain, Values::Edges][self.values];
                case.strategy = Some(self.strategy);
                case.profile = self.profile;
                case.tile_steps = Some(self.tile_steps);
                case.access = self.access;
                Job(AnyCase::Forward(case))
            }
            Direction::Backward => {
                let mut case = BackwardCase::new(format!("backward {name}"), descriptor, rate);
                case.values = [Values::Plain, Values::Inputs][self.values];
                Job(AnyCase::Backward(case))
            }
            Direction::Health(source) => Job(AnyCase::Health(HealthCase {
                name: format!("health {name}"),
                descriptor,
                source,
                rate,
                values: [Values::Plain, Values::Edges][self.values],
                profile: self.profile,
                access: self.access,
                max_dispatch_elements: 1 << 26,
            })),
        }
    }
}

/// Few elements, along any of the axes.
fn shape(rng: &mut fastrand::Rng) -> Shape {
    let length = |rng: &mut fastrand::Rng, most: u64| match rng.u8(..3) {
        0 => one(rng, &LENGTHS[..LENGTHS.partition_point(|&length| length <= most)]),
        // As many short ones as long ones.
        _ => (rng.f64() * (most as f64 + 1.0).ln()).exp() as u64,
    };
    let time = length(rng, ELEMENTS);
    let channels = length(rng, (ELEMENTS / time.max(1)).clamp(1, 600));
    let batch = length(rng, (ELEMENTS / (time * channels).max(1)).clamp(1, 600));
    Shape { batch, time, channels }
}

/// A case, and what the loop over it asks.
pub struct Job(pub AnyCase);

impl Job {
    /// The same case with other data; health has the same.
    pub fn other_data(&mut self, seed: u64) {
        match &mut self.0 {
            AnyCase::Forward(case) => case.seed = seed,
            AnyCase::Backward(case) => case.seed = seed,
            // Its data follow from its name.
            AnyCase::Health(_) => {}
        }
    }

    /// Forward, backward, health.
    pub fn direction(&self) -> usize {
        match &self.0 {
            AnyCase::Forward(_) => 0,
            AnyCase::Backward(_) => 1,
            AnyCase::Health(_) => 2,
        }
    }

    fn descriptor(&self) -> &Descriptor {
        match &self.0 {
            AnyCase::Forward(case) => &case.descriptor,
            AnyCase::Backward(case) => &case.descriptor,
            AnyCase::Health(case) => &case.descriptor,
        }
    }

    /// Why it cannot be planned.
    pub fn refusal(&self, runner: &Runner) -> Option<Error> {
        self.0.plans(&runner.gpu().limits(), runner.tuning()).err()
    }

    /// All its tensors: what it needs of the device, and as much of the host for each copy.
    pub fn bytes(&self) -> u64 {
        let bytes = |&slot: &Slot| self.descriptor().slot_bytes(slot).unwrap_or(0);
        Slot::ALL.iter().map(bytes).sum()
    }
}
