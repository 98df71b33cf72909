//! A recipe: all that pipelines depend on. Compiling them is what takes time, so that many cases share one.

use bmru::{
    Access, Amplitude, Boundary, Counts, Descriptor, Element, FinalState, Gradient, HealthSource, Incoming, InitialCount,
    InitialState, Layout, Operand, Save, Shape, Strategy, Surrogate, Threshold, TimeOrder, Unit, Validity,
};
use proptest::prelude::{Just, Strategy as Random, any, prop_oneof};
use proptest::sample::select;

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
}

/// What of a tuning pipelines depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct How {
    pub strategy: Option<Strategy>,
    pub max_vector_width: u32,
    pub max_band: u32,
    pub workgroup_size: u32,
    pub access: Access,
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
}

fn pick<T: Clone + core::fmt::Debug + 'static>(choices: &[T]) -> impl Random<Value = T> + use<T> {
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

pub(crate) fn recipe() -> impl Random<Value = Recipe> {
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
            }
            .possible()
        },
    )
}

impl Recipe {
    /// Without what cannot be had together.
    fn possible(mut self) -> Self {
        let is_number =
            self.amplitude == Amplitude::PerElement || matches!(self.unit, Unit::Cumulative | Unit::Relaxed | Unit::ForwardFill);
        self.behind = match self.behind {
            Behind::Backward if self.unit == Unit::ForwardFill => Behind::Nothing,
            Behind::Health(_) if is_number => Behind::Nothing,
            behind => behind,
        };
        if matches!(self.behind, Behind::Backward | Behind::Health(HealthSource::Saved)) {
            self.save = Save::Codes;
        }
        if self.unit == Unit::ForwardFill {
            self.save = Save::Nothing;
        }
        if self.placement == Placement::Broadcast && self.behind == Behind::Backward {
            // Gradients would share places.
            self.placement = Placement::SideBySide;
        }
        if self.amplitude == Amplitude::PerElement && self.behind == Behind::Backward {
            // Else there are more buffers than WebGPU promises.
            self.placement = Placement::SideBySide;
        }
        if matches!(self.placement, Placement::SideBySide | Placement::Behind) {
            self.threshold = Threshold::PerElement;
        }
        self
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
            .save(self.save)
            .incoming(self.incoming)
            .surrogates(gate, sign);
        for (output, gradient) in OUTPUTS.into_iter().zip(self.gradients) {
            descriptor = descriptor.gradient(output, gradient);
        }
        match self.unit {
            Unit::Cumulative => descriptor.counts(self.counts).initial_count(self.initial_count),
            Unit::Relaxed => descriptor.epsilon(epsilon),
            Unit::ForwardFill => descriptor.validity(self.validity),
            _ => descriptor,
        }
    }
}
