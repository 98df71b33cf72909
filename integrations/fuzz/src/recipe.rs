//! A recipe: all that pipelines depend on. Compiling them is what takes time, so that many cases share one.

use bmru::{
    Access, Amplitude, Boundary, Counts, Descriptor, Element, FinalState, Gradient, HealthSource, Incoming, InitialCount,
    InitialState, Layout, Operand, Save, Shape, States, Strategy, SummaryOf, Surrogate, Threshold, TimeOrder, Unit, Validity,
};
use proptest::prelude::{Just, Strategy as Random, any, prop_oneof};
use proptest::sample::select;

use crate::additions::{Borders, Over, additions};
use crate::differential::Draw;

/// Where operands lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Contiguous, each in a slot of its own.
    Plain,
    /// Rows of wider tensors.
    Rows,
    /// Candidates and thresholds in one row.
    SideBySide,
    /// Thresholds behind all candidates, in one slot.
    Behind,
    /// Inputs that repeat along an axis.
    Broadcast,
    /// Axes from the one that lies closest together to the slowest: 0 batch, 1 time, 2 channels; and the stride of the first.
    Strided([usize; 3], u64),
}

/// Channels, as far as vectors and bands depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lanes {
    One,
    Two,
    Odd,
    Quads,
    Many,
}

/// What runs behind the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    Nothing,
    Backward,
    Health(HealthSource),
    Unpack,
    Summary(SummaryOf),
}

/// What of a tuning pipelines depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct How {
    pub strategy: Option<Strategy>,
    pub max_vector_width: u32,
    pub max_band: u32,
    pub workgroup_size: u32,
    pub access: Access,
    /// Steps that are loaded at once; a case draws them where there are none.
    pub steps_ahead: Option<u32>,
}

/// The kind of a surrogate; its slope is the case's.
pub(crate) type Kind = fn(f32) -> Surrogate;

const KINDS: [(&str, Kind); 6] = [
    ("zero", |_| Surrogate::Zero),
    ("arctan", |k| Surrogate::ArcTan { k }),
    ("fast sigmoid", |k| Surrogate::FastSigmoid { k }),
    ("sigmoid", |k| Surrogate::Sigmoid { k }),
    ("triangle", |half_width| Surrogate::Triangle { half_width }),
    ("boxcar", |half_width| Surrogate::Boxcar { half_width }),
];

/// All that pipelines depend on.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub unit: Unit,
    pub amplitude: Amplitude,
    pub element: Element,
    pub layout: Layout,
    pub time_order: TimeOrder,
    pub boundary: Boundary,
    pub threshold: Threshold,
    pub initial_state: InitialState,
    pub final_state: FinalState,
    pub save: Save,
    pub validity: Validity,
    pub counts: Counts,
    pub initial_count: InitialCount,
    pub incoming: Incoming,
    /// Numbers of [`KINDS`].
    pub surrogates: [usize; 2],
    pub gradients: [Gradient; 4],
    pub placement: Placement,
    pub lanes: Lanes,
    pub behind: Behind,
    /// Of the forward pass, and of two passes behind it.
    pub how: [How; 3],
    pub borders: Borders,
    pub states: States,
    pub over: Over,
    /// Of a forward fill.
    pub limited: bool,
    /// Whether what repeats along an axis is one for all channels, too.
    pub one_for_channels: bool,
    /// Whether it has gradients.
    pub sums_over_axes: bool,
}

pub(crate) fn pick<T: Clone + core::fmt::Debug + 'static>(choices: &[T]) -> impl Random<Value = T> + use<T> {
    select(choices.to_vec())
}

fn how() -> impl Random<Value = How> {
    let strategies = [None, Some(Strategy::Serial), Some(Strategy::Tiles), Some(Strategy::Tiles), Some(Strategy::Probe)];
    let access = prop_oneof![3 => Just(Access::Declared), 1 => Just(Access::AllReadWrite)];
    (pick(&strategies), pick(&[1u32, 2, 4, 4]), pick(&[1u32, 1, 2, 4]), pick(&[8u32, 1, 3, 32]), access).prop_map(
        |(strategy, max_vector_width, max_band, workgroup_size, access)| How {
            strategy,
            max_vector_width,
            max_band,
            workgroup_size,
            access,
            steps_ahead: None,
        },
    )
}

/// Units with their kinds of amplitudes and elements.
fn unit() -> impl Random<Value = (Unit, Amplitude, Element)> {
    let per_channel = Just(Amplitude::PerChannel);
    let either = || pick(&[Amplitude::PerChannel, Amplitude::PerElement]);
    let of_codes = (pick(&[Unit::Bistable, Unit::FirstQuadrant]), per_channel, pick(&Element::ALL));
    let of_numbers = prop_oneof![
        2 => (pick(&[Unit::Bistable, Unit::FirstQuadrant]), Just(Amplitude::PerElement)),
        2 => (Just(Unit::Relaxed), either()),
        2 => (pick(&[Unit::Cumulative, Unit::ForwardFill]), Just(Amplitude::PerChannel)),
    ];
    prop_oneof![3 => of_codes, 2 => of_numbers.prop_map(|(unit, amplitude)| (unit, amplitude, Element::F32))]
}

/// The recipes that a name draws from.
pub(crate) fn recipe(draw: Draw) -> impl Random<Value = Recipe> {
    match draw {
        Draw::First => first().prop_map(Recipe::possible).boxed(),
        Draw::Second => (first(), additions()).prop_map(|(recipe, additions)| additions.to(recipe).possible()).boxed(),
    }
}

fn first() -> impl Random<Value = Recipe> {
    let options = (
        unit(),
        pick(&[Layout::BatchTimeChannel, Layout::TimeBatchChannel]),
        pick(&[TimeOrder::Ascending, TimeOrder::Descending]),
        pick(&[Boundary::Hold, Boundary::Set]),
        pick(&[Threshold::PerElement, Threshold::PerElement, Threshold::PerChannel]),
        pick(&[InitialState::Zero, InitialState::Given]),
        pick(&[FinalState::Discarded, FinalState::Written]),
        any::<bool>(),
    );
    let numbers = (
        pick(&[Validity::NotNan, Validity::Mask]),
        pick(&[Counts::Discarded, Counts::Final, Counts::All]),
        pick(&[InitialCount::Zero, InitialCount::Given]),
    );
    let gradient = || pick(&[Gradient::Overwrite, Gradient::Overwrite, Gradient::Accumulate, Gradient::Omit]);
    let backward = (
        pick(&[Incoming::States, Incoming::FinalState, Incoming::Both]),
        [0..KINDS.len(), 0..KINDS.len()],
        [gradient(), gradient(), gradient(), gradient()],
    );
    let placement = pick(&[Placement::Plain, Placement::Rows, Placement::SideBySide, Placement::Behind, Placement::Broadcast]);
    let lanes = pick(&[Lanes::One, Lanes::Two, Lanes::Odd, Lanes::Odd, Lanes::Quads, Lanes::Quads, Lanes::Many]);
    let behind = prop_oneof![
        2 => Just(Behind::Nothing),
        4 => Just(Behind::Backward),
        1 => pick(&[HealthSource::Saved, HealthSource::Inputs]).prop_map(Behind::Health),
    ];
    (options, numbers, backward, (placement, lanes, behind), [how(), how(), how()]).prop_map(
        |(options, numbers, backward, (placement, lanes, behind), how)| {
            let ((unit, amplitude, element), layout, time_order, boundary, threshold, initial_state, final_state, saves) =
                options;
            let ((validity, counts, initial_count), (incoming, surrogates, gradients)) = (numbers, backward);
            let save = if saves { Save::Codes } else { Save::Nothing };
            Recipe {
                unit,
                amplitude,
                element,
                layout,
                time_order,
                boundary,
                threshold,
                initial_state,
                final_state,
                save,
                validity,
                counts,
                initial_count,
                incoming,
                surrogates,
                gradients,
                placement,
                lanes,
                behind,
                how,
                borders: Borders::Rows,
                states: States::Numbers,
                over: Over::Apart,
                limited: false,
                one_for_channels: false,
                sums_over_axes: false,
            }
        },
    )
}

impl Recipe {
    /// Without what cannot be had together, as `docs/combinations.md` says: whatever else planning refuses has failed.
    fn possible(mut self) -> Self {
        let fills = self.unit == Unit::ForwardFill;
        self.limited &= fills;
        let is_number =
            self.amplitude == Amplitude::PerElement || matches!(self.unit, Unit::Cumulative | Unit::Relaxed | Unit::ForwardFill);
        self = self.without_what_borders_refuse(is_number).without_what_one_place_refuses();
        self.behind = match self.behind {
            Behind::Backward | Behind::Summary(SummaryOf::Gradient) if fills => Behind::Nothing,
            Behind::Health(_) if is_number => Behind::Nothing,
            Behind::Unpack if self.states == States::Numbers => Behind::Nothing,
            // What is packed is unpacked, unless something else is done with it.
            Behind::Nothing if self.states != States::Numbers => Behind::Unpack,
            behind => behind,
        };
        let has_gradients = self.has_gradients();
        if has_gradients || self.behind == Behind::Health(HealthSource::Saved) {
            self.save = Save::Codes;
        }
        if fills {
            self.save = Save::Nothing;
        }
        // Of two thresholds in one slot, gradients would share places.
        let sums = self.sums_over_axes && self.unit != Unit::FirstQuadrant;
        if self.placement == Placement::Broadcast && has_gradients && !sums {
            self.placement = Placement::SideBySide;
        }
        if self.amplitude == Amplitude::PerElement && self.behind == Behind::Backward {
            // Else there are more buffers than WebGPU promises.
            self.placement = Placement::SideBySide;
        }
        if matches!(self.placement, Placement::SideBySide | Placement::Behind) {
            self.threshold = Threshold::PerElement;
        }
        self.without_shared_words()
    }

    /// Borders bring the initial state again: a bit tells no longer which state it is.
    fn without_what_borders_refuse(mut self, is_number: bool) -> Self {
        let borders = self.borders != Borders::Rows;
        if borders || is_number {
            self.states = States::Numbers;
        }
        if borders {
            self.behind = match self.behind {
                Behind::Health(_) | Behind::Summary(_) | Behind::Unpack => Behind::Backward,
                behind => behind,
            };
            if self.final_state == FinalState::InPlace {
                self.final_state = FinalState::Written;
            }
        }
        self
    }

    /// What is written over something else is read by nobody behind that, and a walk needs no tiles.
    fn without_what_one_place_refuses(mut self) -> Self {
        let counted = self.unit == Unit::Cumulative && self.amplitude == Amplitude::PerChannel;
        if self.final_state == FinalState::InPlace && (counted || self.states != States::Numbers) {
            self.final_state = FinalState::Written;
        }
        if self.final_state == FinalState::InPlace {
            (self.initial_state, self.initial_count) = (InitialState::Given, InitialCount::Given);
        }
        if self.states != States::Numbers {
            self.over = Over::Apart;
        }
        if self.over != Over::Apart {
            (self.behind, self.save) = (Behind::Nothing, Save::Nothing);
        }
        let sums = matches!(self.unit, Unit::Cumulative | Unit::Relaxed) || self.limited;
        if self.final_state == FinalState::InPlace || self.borders != Borders::Rows && sums {
            self.how[0].strategy = self.how[0].strategy.map(|_| Strategy::Serial);
        }
        self
    }

    /// A word of final states of two packed sequences would have two writers.
    fn without_shared_words(mut self) -> Self {
        let whole = matches!(self.lanes, Lanes::Two | Lanes::Quads)
            && matches!(self.placement, Placement::Plain | Placement::SideBySide)
            && self.layout != Layout::BatchChannelTime
            && self.over == Over::Apart
            && self.how[0].max_vector_width > 1;
        if self.borders == Borders::Packed && self.element != Element::F32 && !whole {
            self.final_state = FinalState::Discarded;
        }
        self
    }

    pub fn has_gradients(&self) -> bool {
        matches!(self.behind, Behind::Backward | Behind::Summary(SummaryOf::Gradient))
    }

    /// What the recipe says of a shape; views are the case's.
    pub fn descriptor(&self, shape: Shape, epsilon: f32, slopes: [f32; 2]) -> Descriptor {
        const OUTPUTS: [Operand; 4] =
            [Operand::CandidateGradient, Operand::ThresholdGradient, Operand::AmplitudeGradient, Operand::InitialStateGradient];
        let [gate, sign] = [0, 1].map(|place| KINDS[self.surrogates[place]].1(slopes[place]));
        let mut descriptor = Descriptor::new(self.unit, shape)
            .element(self.element)
            .amplitude(self.amplitude)
            .layout(self.layout)
            .time_order(self.time_order)
            .boundary(self.boundary)
            .threshold(self.threshold)
            .initial_state(self.initial_state)
            .final_state(self.final_state)
            .states(self.states)
            .save(self.save)
            .incoming(self.incoming)
            .surrogates(gate, sign);
        for (output, gradient) in OUTPUTS.into_iter().zip(self.gradients) {
            descriptor = descriptor.gradient(output, gradient);
        }
        match self.unit {
            Unit::Cumulative if self.amplitude == Amplitude::PerChannel => {
                descriptor.counts(self.counts).initial_count(self.initial_count)
            }
            Unit::Relaxed => descriptor.epsilon(epsilon),
            Unit::ForwardFill if self.limited => {
                descriptor.validity(self.validity).limit(0).counts(self.counts).initial_count(self.initial_count)
            }
            Unit::ForwardFill => descriptor.validity(self.validity),
            _ => descriptor,
        }
    }
}
