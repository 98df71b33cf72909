//! From a variant to WGSL text: a generated header, then the fixed files of `shaders/`.

mod carry;
mod header;
mod stage;

use crate::carry::Carry;
use crate::{Access, Amplitude, Boundary, Element, Operand, Slot, Threshold, Unit};

pub use stage::Stage;
pub(crate) use stage::Use;

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
    /// Backward: whether a factor of 0 is the border of a sequence, in a tree that is not told where borders are.
    pub(crate) meets_borders: bool,
    /// Backward: names of the functions that are the surrogates of gate and sign.
    pub(crate) surrogates: Option<[&'static str; 2]>,
    /// Backward: whether a walk can begin where the part behind it ended.
    pub(crate) resumes: bool,
    /// Operands whose stores add to what is there.
    pub(crate) accumulates: Vec<Operand>,
    pub(crate) vector_width: u32,
    /// Steps of a vector of elements: more than one if there are fewer channels than components.
    pub(crate) fold: u32,
    /// Batch rows of a vector: more than one if a row has fewer elements than a vector components.
    pub(crate) vector_rows: u32,
    /// Whether a component holds two elements of 16 bits, of two channels.
    pub(crate) pairs: bool,
    /// Operands that have one element for all channels.
    pub(crate) splats: Vec<Operand>,
    /// Whether an invocation goes down through memory: on its way through time, and so through each row.
    pub(crate) descends: bool,
    /// Whether there is one vector of steps, backward in all of time, and no loop over it.
    pub(crate) one_vector: bool,
    /// Backward: whether the codes of all of time are one word, and there is no loop over words.
    pub(crate) one_word: bool,
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

    /// Whether an operand has one element for all channels of a vector.
    #[must_use]
    pub fn splats(&self, operand: Operand) -> bool {
        self.splats.contains(&operand)
    }

    /// Components of a vector.
    fn components(&self) -> u32 {
        self.lanes() / if self.pairs { 2 } else { 1 }
    }

    /// Elements of a vector.
    fn lanes(&self) -> u32 {
        self.vector_width * self.fold * self.vector_rows
    }

    /// Elements of this operand in a vector, as it lies in memory.
    #[must_use]
    pub fn lanes_of(&self, operand: Operand) -> u32 {
        self.vector_width * self.fold_of(operand) * self.rows_of(operand)
    }

    /// Elements of this operand in a vector of registers.
    fn held_lanes_of(&self, operand: Operand) -> u32 {
        self.lanes_of(operand) * if self.gathers(operand) { self.vector_rows } else { 1 }
    }

    /// Batch rows that a vector holds, where a row has one element or two.
    #[must_use]
    pub fn vector_rows(&self) -> u32 {
        self.vector_rows
    }

    /// Batch rows of this operand in a vector, as it lies in memory.
    #[must_use]
    pub fn rows_of(&self, operand: Operand) -> u32 {
        if self.is_per_channel(operand) || self.gathers(operand) { 1 } else { self.vector_rows }
    }

    /// Whether the rows of a vector of this operand lie apart, and are taken one by one: what is saved of one does not lie beside the same of
    /// the next.
    #[must_use]
    pub fn gathers(&self, operand: Operand) -> bool {
        let is_saved = |number: u32| self.bindings[number as usize].0 == Slot::Saved;
        self.vector_rows > 1 && !self.is_per_channel(operand) && self.binding_of(operand).is_some_and(is_saved)
    }

    /// Whether an operand has neither rows nor steps.
    fn is_per_channel(&self, operand: Operand) -> bool {
        match operand {
            Operand::Threshold | Operand::LowThreshold => self.gate.is_some_and(|(_, kind)| kind == Threshold::PerChannel),
            Operand::Amplitude => self.amplitude == Amplitude::PerChannel,
            _ => operand == Operand::SavedAmplitude,
        }
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
        let of_steps = [Operand::Candidate, Operand::Threshold, Operand::LowThreshold, Operand::Amplitude, Operand::States];
        let gradients =
            [Operand::StatesGradient, Operand::CandidateGradient, Operand::ThresholdGradient, Operand::LowThresholdGradient];
        let element = (of_steps.contains(&operand) || gradients.contains(&operand)) && !self.is_per_channel(operand);
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
        let fold: &[&str] = match (self.fold, self.vector_rows) {
            _ if !self.stage.can_fold() && !self.stage.has_elements() => &[],
            _ if self.pairs => &[include_str!("../shaders/pairs.wgsl"), MARKS_PAIRS],
            (1, _) => &[include_str!("../shaders/fold_1.wgsl"), MARKS],
            (2, 2) => &[include_str!("../shaders/fold_2_rows.wgsl"), MARKS],
            (2, _) => &[include_str!("../shaders/fold_2.wgsl"), MARKS],
            _ => &[include_str!("../shaders/fold_4.wgsl"), MARKS],
        };
        let sweep: &[&str] = match (self.fold, self.vector_rows) {
            _ if !matches!(self.stage, Stage::AdjointReduce | Stage::Adjoint) => &[],
            (1, _) => &[include_str!("../shaders/sweep_1.wgsl")],
            (2, 2) => &[include_str!("../shaders/sweep_2_rows.wgsl")],
            (2, _) => &[include_str!("../shaders/sweep_2.wgsl")],
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
