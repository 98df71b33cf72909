//! From a variant to WGSL text: a generated header, then the fixed files of `shaders/`.

mod carry;
mod header;

use core::fmt;

use crate::carry::Carry;
use crate::{Access, Amplitude, Boundary, Element, Operand, Slot, Threshold, Unit};

/// A kernel of the pipeline: one file of `shaders/`, with one entry point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// Looks back from the end of a tile for its aggregate: the element of its steps together.
    TileProbe,
    /// Reads candidates and thresholds of a tile and writes its codes and its aggregate.
    TileReduce,
    /// Up-sweep: packs 32 aggregates into the words of their parent node, and those into its aggregate.
    TreeReduce,
    /// Down-sweep: turns the words of a node into what its children find before them.
    TreeScan,
    /// Up-sweep of carries that are numbers: the elements of 32 children become that of their node.
    CarryReduce,
    /// Down-sweep of the same: each child finds the element of everything before it.
    CarryScan,
    /// Resolves the codes of a tile with its carry and writes states.
    TileApply,
    /// Reads candidates and thresholds and writes states; an invocation walks over all steps of its channels, or of a tile.
    Serial,
    /// Finds the step at which each channel first set.
    FirstSet,
    /// Backward: reduces 1,024 steps to what they pass on towards the beginning.
    AdjointReduce,
    /// Backward, up-sweep: joins 32 stretches.
    AdjointTreeReduce,
    /// Backward, down-sweep: turns what comes to a node from beyond into what comes to its children.
    AdjointTreeScan,
    /// Backward: walks over a stretch of time from its end to its beginning and writes gradients.
    Adjoint,
    /// Backward: sums 32 terms of a gradient that is summed over batch and time.
    SumReduce,
    /// Backward: copies rows between what the caller binds and scratch.
    HandOver,
    /// Puts elements of 16 bits from scratch into the words that they share.
    Pack,
    /// Reads packed states and writes them as numbers.
    Unpack,
    /// Health: reads what the forward pass saved of 1,024 steps, and writes their record.
    HealthReduce,
    /// Health: the same from the inputs.
    HealthClassify,
    /// Health: joins the records of 32 stretches of a sequence.
    HealthJoin,
    /// Health: sums the totals of 32 sequences.
    HealthSum,
    /// Turns the borders of packed sequences, or reset bits, into what walks are told of 32 steps.
    Borders,
}

/// What a stage does with an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Use {
    Load,
    Store,
    LoadStore,
}

impl Use {
    fn loads(self) -> bool {
        self != Self::Store
    }

    pub(crate) fn stores(self) -> bool {
        self != Self::Load
    }
}

impl Stage {
    /// All stages, in the order of the pipeline.
    pub const ALL: [Self; 22] = [
        Self::TileProbe,
        Self::TileReduce,
        Self::TreeReduce,
        Self::TreeScan,
        Self::CarryReduce,
        Self::CarryScan,
        Self::TileApply,
        Self::Serial,
        Self::FirstSet,
        Self::AdjointReduce,
        Self::AdjointTreeReduce,
        Self::AdjointTreeScan,
        Self::Adjoint,
        Self::SumReduce,
        Self::HandOver,
        Self::Pack,
        Self::Unpack,
        Self::HealthReduce,
        Self::HealthClassify,
        Self::HealthJoin,
        Self::HealthSum,
        Self::Borders,
    ];

    /// Name of the stage: its file without the ending.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Serial => "serial",
            Self::TileProbe => "tile_probe",
            Self::TileReduce => "tile_reduce",
            Self::TreeReduce => "tree_reduce",
            Self::TreeScan => "tree_scan",
            Self::CarryReduce => "carry_reduce",
            Self::CarryScan => "carry_scan",
            Self::TileApply => "tile_apply",
            Self::FirstSet => "first_set",
            Self::AdjointReduce => "adjoint_reduce",
            Self::AdjointTreeReduce => "adjoint_tree_reduce",
            Self::AdjointTreeScan => "adjoint_tree_scan",
            Self::Adjoint => "adjoint",
            Self::SumReduce => "sum_reduce",
            Self::HandOver => "hand_over",
            Self::Pack => "pack",
            Self::Unpack => "unpack",
            Self::HealthReduce => "health_reduce",
            Self::HealthClassify => "health_classify",
            Self::HealthJoin => "health_join",
            Self::HealthSum => "health_sum",
            Self::Borders => "borders",
        }
    }

    /// The operands that the stage's text names.
    pub(crate) fn operands(self) -> Vec<(Operand, Use)> {
        use Operand::*;
        let rows = [
            (Amplitude, Use::Load),
            (InitialState, Use::Load),
            (States, Use::Store),
            (FinalState, Use::Store),
            (FirstOfTile, Use::Store),
            (SavedInitialState, Use::Store),
            (SavedAmplitude, Use::Store),
        ];
        let gate = [(Candidate, Use::Load), (Threshold, Use::Load), (LowThreshold, Use::Load)];
        let masked = [(Validity, Use::Load)];
        let bordered = [(Borders, Use::Load)];
        let mut operands = match self {
            Self::Serial => {
                let rests = [Codes, PackedStates, FirstSet, Registers].map(|operand| (operand, Use::LoadStore));
                let carries = [&rests[..], &[(Parent, Use::Load), (Aggregates, Use::Load)]].concat();
                let counts = [(InitialCount, Use::Load), (Counts, Use::Store), (FinalCount, Use::Store)];
                [&gate[..], &masked, &rows, &carries, &counts, &bordered, &[(CuSeqlens, Use::Load)]].concat()
            }
            Self::TileProbe => {
                let carried = [(Amplitude, Use::Load), (InitialState, Use::Load), (Aggregates, Use::Store)];
                [&gate[..], &masked, &carried, &bordered].concat()
            }
            Self::TileReduce => [&gate[..], &[(Codes, Use::Store), (Aggregates, Use::Store)]].concat(),
            Self::TreeReduce => vec![(Children, Use::Load), (Words, Use::Store), (Aggregates, Use::Store)],
            Self::TreeScan => vec![(Words, Use::LoadStore), (Parent, Use::Load)],
            Self::CarryReduce => vec![(Children, Use::Load), (Aggregates, Use::Store)],
            Self::CarryScan => vec![(Children, Use::LoadStore), (Parent, Use::Load)],
            Self::TileApply => {
                let before = [(Parent, Use::Load), (Aggregates, Use::Load)];
                [&rows[..], &[(Codes, Use::LoadStore), (PackedStates, Use::Store)], &before].concat()
            }
            Self::FirstSet => vec![(FirstOfTile, Use::Load), (FirstSet, Use::Store), (Parent, Use::Load)],
            Self::AdjointReduce => {
                let incoming = [StatesGradient, FinalStateGradient, Codes].map(|operand| (operand, Use::Load));
                [&incoming[..], &bordered, &[(Stretches, Use::Store)]].concat()
            }
            Self::AdjointTreeReduce => vec![(Children, Use::Load), (Stretches, Use::Store)],
            Self::AdjointTreeScan => vec![(Children, Use::Load), (Beyond, Use::Load), (ChildrenBeyond, Use::Store)],
            Self::Adjoint => {
                let saved = [Codes, FirstSet, SavedInitialState, SavedAmplitude].map(|operand| (operand, Use::Load));
                let again = [(Amplitude, Use::Load), (StatesBefore, Use::Load)];
                let incoming = [StatesGradient, FinalStateGradient, Beyond].map(|operand| (operand, Use::Load));
                let incoming = [&incoming[..], &bordered, &[(Registers, Use::LoadStore)]].concat();
                let of_step = [CandidateGradient, ThresholdGradient, LowThresholdGradient, AmplitudeGradient];
                let gradients = [&of_step[..], &[InitialStateGradient]].concat();
                let terms = [AmplitudeTerms, ThresholdTerms, LowThresholdTerms, InitialStateTerms];
                let outputs =
                    [&gradients[..], &terms].concat().into_iter().map(|operand| (operand, Use::Store)).collect::<Vec<_>>();
                [&gate[..], &saved, &again, &incoming, &outputs].concat()
            }
            Self::SumReduce => vec![(Terms, Use::Load), (Sum, Use::Store)],
            Self::HandOver => {
                let of_empty = [CuSeqlens, FinalStateGradient].map(|operand| (operand, Use::Load));
                [&of_empty[..], &[(Source, Use::Load), (Target, Use::Store)]].concat()
            }
            Self::Pack => vec![(Source, Use::Load), (Target, Use::LoadStore)],
            Self::Unpack => {
                let read = [PackedStates, FirstSet, Amplitude, InitialState].map(|operand| (operand, Use::Load));
                [&read[..], &[(States, Use::Store)]].concat()
            }
            Self::HealthReduce => vec![(Codes, Use::Load), (Records, Use::Store)],
            Self::HealthClassify => [&gate[..], &[(Records, Use::Store)]].concat(),
            Self::HealthJoin => vec![(Children, Use::Load), (Records, Use::Store)],
            Self::HealthSum => vec![(Children, Use::Load), (Totals, Use::Store)],
            Self::Borders => vec![(CuSeqlens, Use::Load), (Resets, Use::Load), (Borders, Use::Store)],
        };
        operands.sort_unstable_by_key(|&(operand, _)| operand);
        operands
    }

    /// Whether the stage evaluates the gate.
    pub(crate) fn gates(self) -> bool {
        matches!(self, Self::Serial | Self::TileProbe | Self::TileReduce | Self::Adjoint | Self::HealthClassify)
    }

    /// Whether the stage's text depends on the unit: on when it sets, or on what its codes mean.
    pub(crate) fn is_of_unit(self) -> bool {
        self.gates() || matches!(self, Self::TileApply | Self::Unpack)
    }

    /// Whether the stage has floats to add.
    fn adds(self) -> bool {
        (Self::AdjointReduce..=Self::HandOver).contains(&self)
    }

    /// Whether a vector of this stage can hold several steps.
    pub(crate) fn can_fold(self) -> bool {
        matches!(self, Self::Serial | Self::TileProbe | Self::AdjointReduce | Self::Adjoint)
    }

    /// Whether the stage walks over steps that may belong to several sequences.
    fn has_sequences(self) -> bool {
        matches!(self, Self::Serial | Self::TileProbe | Self::AdjointReduce | Self::Adjoint)
    }

    /// Whether the stage can ask which packed sequences have no steps.
    fn asks_for_empty(self) -> bool {
        matches!(self, Self::Serial | Self::HandOver)
    }

    /// Whether an invocation takes one channel and no vector of them.
    pub(crate) fn of_single_channels(self) -> bool {
        self == Self::FirstSet || self >= Self::HealthReduce
    }

    /// Whether the stage combines elements of the scan.
    fn has_elements(self) -> bool {
        matches!(self, Self::Serial | Self::TileProbe | Self::CarryReduce | Self::CarryScan)
    }

    /// What of a carry the stage's text depends on: the tree of the adjoint only on whether steps that set scale.
    pub(crate) fn carry_of(self, carry: Carry) -> Carry {
        match self {
            Self::AdjointTreeReduce | Self::AdjointTreeScan if carry == Carry::Decay => carry,
            Self::AdjointReduce if carry.code_lines() > 0 => carry,
            Self::Adjoint => carry,
            _ if self.has_elements() => carry,
            _ => Carry::default(),
        }
    }

    /// Whether the stage's text depends on where amplitudes come from.
    pub(crate) fn has_amplitudes(self) -> bool {
        matches!(self, Self::Serial | Self::TileProbe | Self::Adjoint)
    }

    /// The functions of the stage that handle one vector, and exist for a band of them, too. Stages without any take bands of one.
    pub(crate) fn of_vectors(self) -> &'static [&'static str] {
        match self {
            Self::Serial => &["load_channel", "begin", "enter_word", "advance", "leave_word", "finish"],
            Self::Adjoint => &["begin", "enter_word", "advance", "leave_block", "finish"],
            _ => &[],
        }
    }

    /// Whether an invocation takes steps one by one.
    pub(crate) fn takes_steps(self) -> bool {
        let of_tiles = matches!(self, Self::TileProbe | Self::TileReduce | Self::TileApply | Self::Unpack | Self::AdjointReduce);
        of_tiles || !self.of_vectors().is_empty()
    }

    /// The fixed files of the stage, in order; those of the unit come before them.
    fn parts(self) -> &'static [&'static str] {
        const PARAMS: &str = include_str!("../shaders/params.wgsl");
        const GATE: &str = include_str!("../shaders/gate.wgsl");
        const THRESHOLDS: &str = include_str!("../shaders/thresholds.wgsl");
        const CARRY: &str = include_str!("../shaders/carry.wgsl");
        const VALIDITY: &str = include_str!("../shaders/validity.wgsl");
        const WORD: &str = include_str!("../shaders/state_word.wgsl");
        const CHILD: &str = include_str!("../shaders/child_element.wgsl");
        const PARENT: &str = carry::PARENT;
        const BACK: &str = include_str!("../shaders/look_back.wgsl");
        const AGGREGATE: &str = include_str!("../shaders/aggregate_element.wgsl");
        const HEALTH: &str = include_str!("../shaders/health.wgsl");
        match self {
            Self::Serial => &[PARAMS, GATE, THRESHOLDS, VALIDITY, CARRY, include_str!("../shaders/serial.wgsl")],
            Self::TileProbe => &[PARAMS, GATE, THRESHOLDS, VALIDITY, CARRY, AGGREGATE, include_str!("../shaders/probe.wgsl")],
            Self::CarryReduce => &[PARAMS, GATE, CARRY, CHILD, AGGREGATE, include_str!("../shaders/carry_reduce.wgsl")],
            Self::CarryScan => &[PARAMS, GATE, CARRY, CHILD, PARENT, include_str!("../shaders/carry_scan.wgsl")],
            Self::TileReduce => &[PARAMS, GATE, THRESHOLDS, CARRY, include_str!("../shaders/tile_reduce.wgsl")],
            Self::TreeReduce => &[PARAMS, CARRY, include_str!("../shaders/tree_reduce.wgsl")],
            Self::TreeScan => &[PARAMS, CARRY, include_str!("../shaders/tree_scan.wgsl")],
            Self::TileApply => &[PARAMS, CARRY, BACK, WORD, include_str!("../shaders/tile_apply.wgsl")],
            Self::FirstSet => &[PARAMS, CARRY, include_str!("../shaders/first_set.wgsl")],
            Self::AdjointReduce => &[PARAMS],
            Self::AdjointTreeReduce => &[PARAMS, include_str!("../shaders/adjoint_tree_reduce.wgsl")],
            Self::AdjointTreeScan => &[PARAMS, include_str!("../shaders/adjoint_tree_scan.wgsl")],
            Self::Adjoint => &[
                PARAMS,
                GATE,
                THRESHOLDS,
                CARRY,
                include_str!("../shaders/surrogate.wgsl"),
                include_str!("../shaders/adjoint.wgsl"),
            ],
            Self::SumReduce => &[PARAMS, include_str!("../shaders/sum_reduce.wgsl")],
            Self::HandOver => &[PARAMS, include_str!("../shaders/hand_over.wgsl")],
            Self::Pack => &[PARAMS, include_str!("../shaders/pack.wgsl")],
            Self::Unpack => &[PARAMS, CARRY, WORD, include_str!("../shaders/unpack.wgsl")],
            Self::HealthReduce => &[PARAMS, CARRY, HEALTH, include_str!("../shaders/health_reduce.wgsl")],
            Self::HealthClassify => &[PARAMS, GATE, THRESHOLDS, CARRY, HEALTH, include_str!("../shaders/health_classify.wgsl")],
            Self::HealthJoin => &[PARAMS, CARRY, HEALTH, include_str!("../shaders/health_join.wgsl")],
            Self::HealthSum => &[PARAMS, include_str!("../shaders/health_sum.wgsl")],
            Self::Borders => &[PARAMS, include_str!("../shaders/borders.wgsl")],
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a storage binding is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindingAccess {
    /// `var<storage, read>`
    Read,
    /// `var<storage, read_write>`
    ReadWrite,
}

/// One pipeline: everything that its WGSL text depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    pub(crate) stage: Stage,
    /// The storage bindings, numbered from 0. The parameters follow.
    pub(crate) bindings: Vec<(Slot, BindingAccess)>,
    /// The operands that are there, each with the binding that it lies in, in the order of the views of the parameters.
    pub(crate) operands: Vec<(Operand, u32)>,
    /// The default for stages that do not depend on it.
    pub(crate) unit: Unit,
    /// What of the carry the stage depends on.
    pub(crate) carry: Carry,
    /// Where it has amplitudes.
    pub(crate) amplitude: Amplitude,
    pub(crate) gate: Option<(Boundary, Threshold)>,
    /// The type of elements in the slots of the caller; the default where none of them is bound.
    pub(crate) element: Element,
    /// Whether what is packed are numbers, not yet rounded.
    pub(crate) narrows: bool,
    pub(crate) saves: bool,
    /// Whether states are written as bits.
    pub(crate) packs: bool,
    /// Whether a row holds packed sequences.
    pub(crate) packed_sequences: bool,
    /// Backward: names of the functions that are the surrogates of gate and sign.
    pub(crate) surrogates: Option<[&'static str; 2]>,
    /// Backward: whether a walk can begin where the part behind it ended.
    pub(crate) resumes: bool,
    /// Operands whose stores add to what is there.
    pub(crate) accumulates: Vec<Operand>,
    pub(crate) vector_width: u32,
    /// Steps of a vector of elements: more than one if there are fewer channels than components.
    pub(crate) fold: u32,
    /// Whether a component holds two elements of 16 bits, of two channels.
    pub(crate) pairs: bool,
    /// Whether an invocation goes down through memory: on its way through time, and so through each row.
    pub(crate) descends: bool,
    /// Whether there is one step, and no loop over it.
    pub(crate) one_step: bool,
    /// Vectors that one invocation takes.
    pub(crate) band: u32,
    /// Vectors of steps that it loads before it takes the first of them.
    pub(crate) steps_ahead: u32,
    /// Whether some bands reach beyond the last channel.
    pub(crate) ragged: bool,
    pub(crate) workgroup_size: u32,
    pub(crate) access: Access,
}

impl Variant {
    /// Name of the entry point.
    pub const ENTRY_POINT: &'static str = "main";

    /// The stage.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The storage bindings of group 0, numbered from 0.
    #[must_use]
    pub fn storage_bindings(&self) -> &[(Slot, BindingAccess)] {
        &self.bindings
    }

    /// Number of the parameters' binding in group 0.
    #[must_use]
    pub fn params_binding(&self) -> u32 {
        self.bindings.len() as u32
    }

    /// Whether the parameters are a storage buffer (`read_write`) and not a uniform buffer.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// The operands that lie in the bindings, in the order of [`Params::views`](crate::Params::views).
    pub fn operands(&self) -> impl Iterator<Item = Operand> + '_ {
        self.operands.iter().map(|&(operand, _)| operand)
    }

    /// The binding that an operand lies in.
    #[must_use]
    pub fn binding_of(&self, operand: Operand) -> Option<u32> {
        self.operands.iter().find(|&&(present, _)| present == operand).map(|&(_, binding)| binding)
    }

    /// The type of the elements of a slot.
    #[must_use]
    pub fn element_of(&self, slot: Slot) -> Element {
        match slot {
            Slot::Amplitude | Slot::AmplitudeGradient if self.amplitude == Amplitude::PerChannel => Element::F32,
            Slot::Saved | Slot::Scratch | Slot::Health => Element::F32,
            Slot::Validity | Slot::InitialCount | Slot::Counts | Slot::FinalCount => Element::F32,
            Slot::CuSeqlens | Slot::Resets | Slot::Summary | Slot::GradientSummary => Element::F32,
            Slot::PackedStates | Slot::FirstSet => Element::F32,
            _ => self.element,
        }
    }

    /// Whether registers hold numbers, and not patterns of elements.
    pub(crate) fn calculates(&self) -> bool {
        self.stage.adds() || (self.narrows && !self.accumulates.is_empty())
    }

    /// Channels of a vector: twice its components where those hold [`pairs`](Self::pairs).
    #[must_use]
    pub fn vector_width(&self) -> u32 {
        self.vector_width
    }

    /// Whether a component of a vector of elements holds two of them, of 16 bits each. What has a word for each channel is then
    /// addressed by halves of a vector.
    #[must_use]
    pub fn pairs(&self) -> bool {
        self.pairs
    }

    /// Components of a vector.
    fn components(&self) -> u32 {
        self.vector_width * self.fold / if self.pairs { 2 } else { 1 }
    }

    /// Steps that a vector holds in operands with time, where they are folded: of few channels a vector holds several steps.
    /// [`vector_width`](Self::vector_width) is that of operands without.
    #[must_use]
    pub fn fold(&self) -> u32 {
        self.fold
    }

    /// Steps of this operand in a vector.
    #[must_use]
    pub fn fold_of(&self, operand: Operand) -> u32 {
        let per_channel = matches!(operand, Operand::Threshold | Operand::LowThreshold)
            && self.gate.is_some_and(|(_, kind)| kind == Threshold::PerChannel);
        if operand == Operand::Amplitude {
            return if self.amplitude == Amplitude::PerElement { self.fold } else { 1 };
        }
        let of_steps = [Operand::Candidate, Operand::Threshold, Operand::LowThreshold, Operand::States];
        let gradients =
            [Operand::StatesGradient, Operand::CandidateGradient, Operand::ThresholdGradient, Operand::LowThresholdGradient];
        let element = (of_steps.contains(&operand) || gradients.contains(&operand)) && !per_channel;
        if element { self.fold } else { 1 }
    }

    /// Whether an invocation goes down through memory, within rows, too.
    #[must_use]
    pub fn descends(&self) -> bool {
        self.descends
    }

    /// Vectors of channels that one invocation takes: its band.
    #[must_use]
    pub fn band(&self) -> u32 {
        self.band
    }

    /// Invocations of a workgroup, all along its first dimension.
    #[must_use]
    pub fn workgroup_size(&self) -> u32 {
        self.workgroup_size
    }

    /// Whether the shader stores to a slot.
    pub(crate) fn stores_to(&self, slot: Slot) -> bool {
        let stored = self.stage.operands().into_iter().filter(|(_, usage)| usage.stores());
        stored.into_iter().any(|(stored, _)| {
            let binding = self.operands.iter().find(|&&(operand, _)| operand == stored);
            binding.is_some_and(|&(_, number)| self.bindings[number as usize].0 == slot)
        })
    }

    /// Whether bits say which candidates are values.
    fn is_masked(&self) -> bool {
        self.binding_of(Operand::Validity).is_some()
    }

    /// The files that tell of sequences.
    fn sequence_parts(&self) -> Vec<&'static str> {
        const SEQUENCE: &str = include_str!("../shaders/sequence.wgsl");
        const ROWS: &str = include_str!("../shaders/sequence_rows.wgsl");
        const BORDERS: &str = include_str!("../shaders/sequence_borders.wgsl");
        let has_borders = self.binding_of(Operand::Borders).is_some();
        let mut parts = Vec::new();
        if self.stage.has_sequences() {
            parts.extend([SEQUENCE, if has_borders { BORDERS } else { ROWS }]);
        }
        if self.stage.asks_for_empty() {
            parts.push(include_str!("../shaders/sequence_empty.wgsl"));
        }
        match self.stage {
            Stage::AdjointReduce | Stage::Adjoint => parts.push(include_str!("../shaders/sequence_incoming.wgsl")),
            Stage::Borders => parts.push(SEQUENCE),
            _ => {}
        }
        parts
    }

    /// The complete text of the shader.
    #[must_use]
    pub fn wgsl(&self) -> String {
        let mut text = self.header().expect("writing to a string succeeds");
        const MARKS: &str = include_str!("../shaders/marks.wgsl");
        const MARKS_PAIRS: &str = include_str!("../shaders/marks_pairs.wgsl");
        let fold: &[&str] = match self.fold {
            _ if !self.stage.can_fold() && !self.stage.has_elements() => &[],
            _ if self.pairs => &[include_str!("../shaders/pairs.wgsl"), MARKS_PAIRS],
            1 => &[include_str!("../shaders/fold_1.wgsl"), MARKS],
            2 => &[include_str!("../shaders/fold_2.wgsl"), MARKS],
            _ => &[include_str!("../shaders/fold_4.wgsl"), MARKS],
        };
        let sweep: &[&str] = match self.fold {
            _ if !matches!(self.stage, Stage::AdjointReduce | Stage::Adjoint) => &[],
            1 => &[include_str!("../shaders/sweep_1.wgsl")],
            2 => &[include_str!("../shaders/sweep_2.wgsl")],
            _ => &[include_str!("../shaders/sweep_4.wgsl")],
        };
        let unit: &[&str] = match (self.stage, self.unit) {
            (Stage::Adjoint, Unit::FirstQuadrant) => {
                &[include_str!("../shaders/first_quadrant.wgsl"), include_str!("../shaders/first_quadrant_adjoint.wgsl")]
            }
            (Stage::Adjoint, _) => &[include_str!("../shaders/bistable.wgsl"), include_str!("../shaders/bistable_adjoint.wgsl")],
            (stage, _) if !stage.gates() => &[],
            (_, Unit::FirstQuadrant) => &[include_str!("../shaders/first_quadrant.wgsl")],
            (_, Unit::ForwardFill) if self.is_masked() => &[include_str!("../shaders/valid_mask.wgsl")],
            (_, Unit::ForwardFill) => &[include_str!("../shaders/valid_value.wgsl")],
            // They differ in what they set to, not in when.
            (_, Unit::Bistable | Unit::Cumulative | Unit::Relaxed) => &[include_str!("../shaders/bistable.wgsl")],
        };
        const ENTRY: &str = include_str!("../shaders/entry.wgsl");
        let element = self.element.parts(self.widens());
        let carry = self.carry_parts();
        let sequence = self.sequence_parts();
        let parts = element.iter().chain(fold).chain(unit).chain(&sequence).chain(&carry).chain(sweep).chain(self.stage.parts());
        for part in parts.chain(&[ENTRY]) {
            text.push('\n');
            text.push_str(part);
        }
        text
    }
}
