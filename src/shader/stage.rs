//! The kernels of the pipeline: what each is made of and what of a variant its text depends on.

use core::fmt;

use super::carry;
use crate::Operand;
use crate::carry::Carry;

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
    pub(super) fn loads(self) -> bool {
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
                let incoming = [StatesGradient, FinalStateGradient, Within, Beyond].map(|operand| (operand, Use::Load));
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
    pub(super) fn adds(self) -> bool {
        (Self::AdjointReduce..=Self::HandOver).contains(&self)
    }

    /// Whether a vector of this stage can hold several steps.
    pub(crate) fn can_fold(self) -> bool {
        matches!(self, Self::Serial | Self::TileProbe | Self::AdjointReduce | Self::Adjoint)
    }

    /// Whether the stage walks over steps that may belong to several sequences.
    pub(super) fn has_sequences(self) -> bool {
        matches!(self, Self::Serial | Self::TileProbe | Self::AdjointReduce | Self::Adjoint)
    }

    /// Whether the stage can ask which packed sequences have no steps.
    pub(super) fn asks_for_empty(self) -> bool {
        matches!(self, Self::Serial | Self::HandOver)
    }

    /// Whether an invocation takes one channel and no vector of them.
    pub(crate) fn of_single_channels(self) -> bool {
        self == Self::FirstSet || self >= Self::HealthReduce
    }

    /// Whether the stage combines elements of the scan.
    pub(super) fn has_elements(self) -> bool {
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
            Self::Adjoint => &["load_channel", "begin", "enter_word", "advance", "leave_block", "finish"],
            _ => &[],
        }
    }

    /// Whether an invocation takes steps one by one.
    pub(crate) fn takes_steps(self) -> bool {
        let of_tiles = matches!(self, Self::TileProbe | Self::TileReduce | Self::TileApply | Self::Unpack | Self::AdjointReduce);
        of_tiles || !self.of_vectors().is_empty()
    }

    /// The fixed files of the stage, in order; those of the unit come before them.
    pub(super) fn parts(self) -> &'static [&'static str] {
        const PARAMS: &str = include_str!("../../shaders/params.wgsl");
        const GATE: &str = include_str!("../../shaders/gate.wgsl");
        const THRESHOLDS: &str = include_str!("../../shaders/thresholds.wgsl");
        const CARRY: &str = include_str!("../../shaders/carry.wgsl");
        const VALIDITY: &str = include_str!("../../shaders/validity.wgsl");
        const INPUTS: &str = include_str!("../../shaders/inputs.wgsl");
        const WORD: &str = include_str!("../../shaders/state_word.wgsl");
        const CHILD: &str = include_str!("../../shaders/child_element.wgsl");
        const PARENT: &str = carry::PARENT;
        const BACK: &str = include_str!("../../shaders/look_back.wgsl");
        const AGGREGATE: &str = include_str!("../../shaders/aggregate_element.wgsl");
        const HEALTH: &str = include_str!("../../shaders/health.wgsl");
        match self {
            Self::Serial => &[PARAMS, GATE, THRESHOLDS, VALIDITY, INPUTS, CARRY, include_str!("../../shaders/serial.wgsl")],
            Self::TileProbe => {
                &[PARAMS, GATE, THRESHOLDS, VALIDITY, INPUTS, CARRY, AGGREGATE, include_str!("../../shaders/probe.wgsl")]
            }
            Self::CarryReduce => &[PARAMS, GATE, CARRY, CHILD, AGGREGATE, include_str!("../../shaders/carry_reduce.wgsl")],
            Self::CarryScan => &[PARAMS, GATE, CARRY, CHILD, PARENT, include_str!("../../shaders/carry_scan.wgsl")],
            Self::TileReduce => &[PARAMS, GATE, THRESHOLDS, CARRY, include_str!("../../shaders/tile_reduce.wgsl")],
            Self::TreeReduce => &[PARAMS, CARRY, include_str!("../../shaders/tree_reduce.wgsl")],
            Self::TreeScan => &[PARAMS, CARRY, include_str!("../../shaders/tree_scan.wgsl")],
            Self::TileApply => &[PARAMS, CARRY, BACK, WORD, include_str!("../../shaders/tile_apply.wgsl")],
            Self::FirstSet => &[PARAMS, CARRY, include_str!("../../shaders/first_set.wgsl")],
            Self::AdjointReduce => &[PARAMS],
            Self::AdjointTreeReduce => &[PARAMS, include_str!("../../shaders/adjoint_tree_reduce.wgsl")],
            Self::AdjointTreeScan => &[PARAMS, include_str!("../../shaders/adjoint_tree_scan.wgsl")],
            Self::Adjoint => &[
                PARAMS,
                GATE,
                THRESHOLDS,
                CARRY,
                include_str!("../../shaders/surrogate.wgsl"),
                include_str!("../../shaders/adjoint.wgsl"),
            ],
            Self::SumReduce => &[PARAMS, include_str!("../../shaders/sum_reduce.wgsl")],
            Self::HandOver => &[PARAMS, include_str!("../../shaders/hand_over.wgsl")],
            Self::Pack => &[PARAMS, include_str!("../../shaders/pack.wgsl")],
            Self::Unpack => &[PARAMS, CARRY, WORD, include_str!("../../shaders/unpack.wgsl")],
            Self::HealthReduce => &[PARAMS, CARRY, HEALTH, include_str!("../../shaders/health_reduce.wgsl")],
            Self::HealthClassify => {
                &[PARAMS, GATE, THRESHOLDS, CARRY, HEALTH, include_str!("../../shaders/health_classify.wgsl")]
            }
            Self::HealthJoin => &[PARAMS, CARRY, HEALTH, include_str!("../../shaders/health_join.wgsl")],
            Self::HealthSum => &[PARAMS, include_str!("../../shaders/health_sum.wgsl")],
            Self::Borders => &[PARAMS, include_str!("../../shaders/borders.wgsl")],
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
