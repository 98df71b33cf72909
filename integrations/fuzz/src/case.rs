//! A case of a recipe: shape, views, limits, sizes and data, none of which compiles anything new (but for the few variants that
//! a cut through time or a long row of channels brings).

use bmru::oracle::IncomingGradients;
use bmru::{Access, Descriptor, Direction, Element, Error, Limits, Plan, Sequences, Shape, Slot, SummaryOf, Tuning, Unit};
use bmru_conformance::data::{Rate, Slots, Values, generate};
use proptest::prelude::{Just, Strategy as Random, any, prop_oneof};
use proptest::sample::select;

use crate::additions::{Borders, Of, of_case};
use crate::differential::Draw;
use crate::placing::{Places, gaps};
use crate::recipe::{Behind, How, Lanes, Recipe};

/// What the inputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// Plain numbers.
    Plain,
    /// NaN, infinities and zeros among candidates and thresholds.
    Special,
    /// Magnitudes from 2^-20 to 2^20, of gradients, too.
    Wide,
    /// All that arithmetic gets wrong, and what lies on an edge or beside it.
    Edges,
    /// Any bits.
    Bits,
}

/// Limits and what of a tuning compiles nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    binding: Option<u64>,
    workgroups: Option<u32>,
    tile_words: u32,
    min_steps: u32,
    min_workgroups: u32,
    serial_rows: u64,
    max_dispatch_elements: u64,
    max_shared_elements: u64,
}

/// A case of a recipe.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub shape: [u64; 3],
    places: Places,
    epsilon: f32,
    slopes: [f32; 2],
    rate: Rate,
    pub data: Data,
    seed: u64,
    sizes: [Sizes; 3],
    more: Of,
}

fn shape(lanes: Lanes) -> impl Random<Value = [u64; 3]> {
    const EDGES: [u64; 13] = [1, 2, 31, 32, 33, 63, 64, 65, 96, 1023, 1024, 1025, 2049];
    let batch = prop_oneof![8 => 1..=4u64, 3 => 1..=9u64, 1 => 10..=70u64, 1 => Just(0)];
    let time = prop_oneof![
        2 => Just(0u64),
        20 => 1..=70u64,
        10 => select(&EDGES[..]),
        6 => 70..=1200u64,
        2 => 1200..=4200u64,
        1 => 4200..=40_000u64,
    ];
    let channels = match lanes {
        Lanes::One => Just(1u64).boxed(),
        Lanes::Two => Just(2).boxed(),
        Lanes::Odd => (1..=6u64).prop_map(|half| 2 * half + 1).boxed(),
        Lanes::Quads => (1..=9u64).prop_map(|quads| 4 * quads).boxed(),
        Lanes::Many => prop_oneof![65..=140u64, Just(0)].boxed(),
    };
    (batch, time, channels).prop_map(|(batch, time, channels)| {
        // Thousands a minute: small, but a tree of some levels now and then.
        let most = if time > 1200 { time } else { 1500 };
        let time = time.min(most / channels.max(1));
        [batch.min((most / (time * channels).max(1)).max(1)), time, channels]
    })
}

fn sizes() -> impl Random<Value = Sizes> {
    let binding = prop_oneof![3 => Just(None), 1 => (512..=4096u64).prop_map(Some), 2 => (4096..=65_536u64).prop_map(Some)];
    let workgroups = prop_oneof![2 => Just(None), 1 => (2..=40u32).prop_map(Some)];
    let tile_words = prop_oneof![3 => 1..=4u32, 1 => 5..=40u32];
    let steps = prop_oneof![2 => Just(1u32), 1 => 1..=300u32];
    let rows = prop_oneof![1 => 0..=8u64, 1 => Just(1024u64)];
    let elements = || prop_oneof![3 => Just(1u64 << 26), 1 => 40..=4000u64];
    (binding, workgroups, tile_words, (steps, 0..=6u32), rows, elements(), elements()).prop_map(
        |(
            binding,
            workgroups,
            tile_words,
            (min_steps, min_workgroups),
            serial_rows,
            max_dispatch_elements,
            max_shared_elements,
        )| {
            Sizes {
                binding,
                workgroups,
                tile_words,
                min_steps,
                min_workgroups,
                serial_rows,
                max_dispatch_elements,
                max_shared_elements,
            }
        },
    )
}

fn data(behind: Behind) -> impl Random<Value = Data> {
    // Bounds hold for numbers.
    let choices: &[Data] = match behind {
        Behind::Backward | Behind::Summary(SummaryOf::Gradient) => &[Data::Plain, Data::Special, Data::Wide],
        _ => &[Data::Plain, Data::Special, Data::Wide, Data::Edges, Data::Edges, Data::Bits],
    };
    select(choices.to_vec())
}

/// The cases of a recipe.
pub(crate) fn case(recipe: &Recipe, draw: Draw) -> impl Random<Value = Case> + use<> {
    let first = first(recipe);
    match draw {
        Draw::First => first.boxed(),
        Draw::Second => (first, of_case()).prop_map(|(case, more)| Case { more, ..case }).boxed(),
    }
}

fn first(recipe: &Recipe) -> impl Random<Value = Case> + use<> {
    let rate = prop_oneof![
        3 => (2..=60u64).prop_map(Rate::Once),
        2 => (60..=5000u64).prop_map(Rate::Once),
        1 => Just(Rate::Half),
        1 => Just(Rate::Never),
        1 => Just(Rate::Always),
    ];
    let slope = || (-6.0..=6.0f32).prop_map(f32::exp2);
    let epsilon = prop_oneof![1 => select(vec![0.0f32, 0.5, 1.0]), 1 => 0.0..=1.0f32];
    let numbers = (epsilon, [slope(), slope()], rate, data(recipe.behind), any::<u64>());
    let views = ([gaps(), gaps(), gaps(), gaps(), gaps()], 0..8u8);
    (shape(recipe.lanes), views, numbers, [sizes(), sizes(), sizes()]).prop_map(
        |(shape, (gaps, repeats), (epsilon, slopes, rate, data, seed), sizes)| {
            let places = Places { gaps, repeats };
            Case { shape, places, epsilon, slopes, rate, data, seed, sizes, more: Of::NOTHING }
        },
    )
}

impl Case {
    pub fn descriptor(&self, recipe: &Recipe) -> Descriptor {
        let [batch, time, channels] = self.shape;
        let (shape, sequences) = match recipe.borders {
            Borders::Rows => (Shape { batch, time, channels }, Sequences::Rows),
            Borders::Resets => (Shape { batch, time, channels }, Sequences::Resets),
            // All rows in one.
            Borders::Packed => {
                (Shape { batch: 1, time: batch * time, channels }, Sequences::Packed { count: self.more.sequences })
            }
        };
        let plain = recipe.descriptor(shape, self.epsilon, self.slopes).sequences(sequences);
        let plain = if recipe.limited { plain.limit(self.more.limit).beyond(self.more.beyond) } else { plain };
        self.places.place(recipe, plain)
    }

    /// The forward plan and those behind it, and how many of them had to be loosened.
    ///
    /// # Errors
    /// As [`Descriptor::forward`].
    pub fn plans(
        &self,
        recipe: &Recipe,
        descriptor: &Descriptor,
        device: &Limits,
        least_workgroup: u32,
    ) -> Result<(Plan, Vec<Plan>, u64), Error> {
        let mut loosened = 0;
        let mut plan = |direction, number: usize| {
            let mut how = recipe.how[number];
            if how.access == Access::AllReadWrite {
                how.workgroup_size = how.workgroup_size.max(least_workgroup);
            }
            let (plan, tight) = self.sizes[number].plan(descriptor, direction, &how, device)?;
            loosened += u64::from(!tight);
            Ok::<_, Error>(plan)
        };
        let forward = plan(Direction::Forward, 0)?;
        let behind = match recipe.behind {
            Behind::Nothing => Vec::new(),
            Behind::Backward => vec![plan(Direction::Backward, 1)?, plan(Direction::Backward, 2)?],
            Behind::Health(source) => vec![plan(Direction::Health(source), 1)?],
            Behind::Unpack => vec![plan(Direction::Unpack, 1)?],
            Behind::Summary(of) => vec![plan(Direction::Summary(of), 1)?],
        };
        Ok((forward, behind, loosened))
    }

    /// The inputs.
    pub fn inputs(&self, descriptor: &Descriptor) -> Slots {
        let values = match self.data {
            Data::Plain | Data::Wide => Values::Plain,
            Data::Special => Values::Inputs,
            Data::Edges | Data::Bits => Values::Edges,
        };
        let mut slots = generate(descriptor, self.rate, values, self.seed);
        let mut rng = fastrand::Rng::with_seed(self.seed ^ 0x5bd1_e995);
        let element = descriptor.element_type();
        let sums = matches!(descriptor.unit(), Unit::Cumulative | Unit::Relaxed);
        let mut change = |slot: Slot, values: &mut Vec<f32>| {
            for value in values {
                if rng.bool() {
                    continue;
                }
                *value = match self.data {
                    Data::Wide => descriptor.element_of(slot).round(wide(&mut rng, element)),
                    Data::Bits if sums && slot == Slot::Amplitude => *value,
                    Data::Bits if slot == Slot::Amplitude => f32::from_bits(rng.u32(..)),
                    Data::Bits => element.decode(rng.u32(..) & ((1u64 << (8 * element.bytes())) - 1) as u32),
                    _ => *value,
                };
            }
        };
        change(Slot::Candidate, &mut slots.candidate);
        change(Slot::Threshold, &mut slots.threshold);
        change(Slot::Amplitude, &mut slots.amplitude);
        change(Slot::InitialState, &mut slots.initial_state);
        slots
    }

    /// The incoming gradients: a tenth of them 0.
    pub fn gradients(&self, descriptor: &Descriptor) -> [Vec<f32>; 2] {
        let [mut states, mut final_state] = bmru_conformance::backward::incoming(descriptor, self.seed);
        if self.data == Data::Wide {
            let (mut rng, element) = (fastrand::Rng::with_seed(self.seed ^ 0x27d4_eb2f), descriptor.element_type());
            for value in states.iter_mut().chain(&mut final_state).filter(|value| **value != 0.0 && !value.is_nan()) {
                *value = element.round(wide(&mut rng, element));
            }
        }
        [states, final_state]
    }
}

/// The same as slices.
pub(crate) fn incoming([states, final_state]: &[Vec<f32>; 2]) -> IncomingGradients<'_> {
    IncomingGradients { states, final_state }
}

/// Of any magnitude for which bounds are promised, as far as elements have them.
fn wide(rng: &mut fastrand::Rng, element: Element) -> f32 {
    let most = if element == Element::F16 { 14.0 } else { 20.0 };
    let magnitude = ((2.0 * rng.f32() - 1.0) * most).exp2();
    if rng.bool() { magnitude } else { -magnitude }
}

impl Sizes {
    fn limits(&self, device: &Limits) -> Limits {
        let tight = |limit: u64, device: u64| limit.min(device);
        Limits {
            max_storage_buffer_binding_size: self
                .binding
                .map_or(device.max_storage_buffer_binding_size, |bytes| tight(bytes, device.max_storage_buffer_binding_size)),
            max_compute_workgroups_per_dimension: self.workgroups.unwrap_or(device.max_compute_workgroups_per_dimension),
            ..device.clone()
        }
    }

    /// A plan, and whether it keeps to these sizes.
    fn plan(&self, descriptor: &Descriptor, direction: Direction, how: &How, device: &Limits) -> Result<(Plan, bool), Error> {
        let loose = Tuning {
            max_vector_width: how.max_vector_width,
            min_workgroups: self.min_workgroups,
            workgroup_size: how.workgroup_size,
            min_steps: self.min_steps,
            tile_steps: 32 * self.tile_words,
            min_tile_steps: 1,
            serial_rows: self.serial_rows,
            // Nothing but the rows decides, and the rest is of what is drawn, so that seeds of failures stay.
            serial_workgroups: u64::MAX,
            steps_ahead: how.steps_ahead.unwrap_or([1, 8, 2, 3][self.tile_words as usize % 4]),
            look_back_tiles: [0, 64][how.max_band as usize % 2],
            access: how.access,
            ..Tuning::software()
        }
        .with_band(how.max_band);
        let tight = Tuning {
            strategy: how.strategy,
            max_shared_elements: self.max_shared_elements,
            max_dispatch_elements: self.max_dispatch_elements,
            ..loose.clone()
        };
        let plan = |limits: &Limits, tuning: &Tuning| descriptor.plan(direction, limits, tuning);
        match plan(&self.limits(device), &tight) {
            // What is too tight for the smallest part of this strategy.
            Err(Error::StrategyUnavailable { .. } | Error::CannotSplit { .. }) => Ok((plan(device, &loose)?, false)),
            planned => Ok((planned?, true)),
        }
    }
}

/// Whether a refusal is one that a case may meet: more buffers than the device binds at once.
pub(crate) fn is_expected(error: &Error) -> bool {
    match error {
        Error::StrategyUnavailable { reason, .. } => is_expected(reason),
        error => matches!(error, Error::TooManyBindings { .. }),
    }
}
