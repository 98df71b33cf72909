//! The files of a carry: its element, its state in a walk, and what passes its steps on the way back.

use super::{Stage, Variant};
use crate::Element;
use crate::carry::Carry;

pub(super) const PARENT: &str = include_str!("../../shaders/parent_element.wgsl");
/// The function of a walk that takes a step, given what is read of it.
pub(super) const ADVANCE: &str = "advance";
const DROP: &str = include_str!("../../shaders/keep_drop.wgsl");
const SCALE: &str = include_str!("../../shaders/keep_scale.wgsl");
const WALK_DROP: &str = include_str!("../../shaders/walk_drop.wgsl");
const WALK_SCALE: &str = include_str!("../../shaders/walk_scale.wgsl");
const BEFORE_CODES: &str = include_str!("../../shaders/before_codes.wgsl");
const BEFORE_STATES: &str = include_str!("../../shaders/before_states.wgsl");
const BEFORE_COUNT: &str = include_str!("../../shaders/before_count.wgsl");

impl Variant {
    /// Those that this stage needs.
    pub(super) fn carry_parts(&self) -> Vec<&'static str> {
        const CARRY: &str = include_str!("../../shaders/carry.wgsl");
        const PROBE: &str = include_str!("../../shaders/tile_probe.wgsl");
        const PROBE_SUM: &str = include_str!("../../shaders/tile_probe_sum.wgsl");
        const REDUCE: &str = include_str!("../../shaders/adjoint_reduce.wgsl");
        const REDUCE_SCALE: &str = include_str!("../../shaders/adjoint_reduce_scale.wgsl");
        match (self.stage, self.carry) {
            (Stage::Serial, Carry::Codes) => vec![include_str!("../../shaders/look_back.wgsl"), self.state()],
            (Stage::Serial, _) => [self.numbers(), &[self.element(), PARENT, self.state()]].concat(),
            (Stage::TileProbe, _) => {
                [self.numbers(), &[self.element(), if self.walks_back() { PROBE } else { PROBE_SUM }]].concat()
            }
            (Stage::CarryReduce | Stage::CarryScan, _) => [self.numbers(), &[self.element()]].concat(),
            (Stage::AdjointReduce, Carry::Decay) => vec![SCALE, CARRY, REDUCE_SCALE],
            (Stage::AdjointReduce, _) => vec![REDUCE],
            (Stage::AdjointTreeReduce | Stage::AdjointTreeScan, Carry::Decay) => vec![SCALE],
            (Stage::AdjointTreeReduce | Stage::AdjointTreeScan, _) => vec![DROP],
            (Stage::Adjoint, Carry::Codes) => vec![DROP, WALK_DROP, BEFORE_CODES],
            (Stage::Adjoint, Carry::Fill) => vec![DROP, WALK_DROP, BEFORE_STATES],
            (Stage::Adjoint, Carry::Count | Carry::Sum) => vec![DROP, WALK_DROP, BEFORE_COUNT],
            (Stage::Adjoint, Carry::Decay) => vec![SCALE, WALK_SCALE, BEFORE_STATES],
            _ => Vec::new(),
        }
    }

    /// The functions of the stage's walk that handle one vector, and exist for a band of them, too; none if it has no walk that is
    /// written so.
    pub(super) fn walk(&self) -> &'static [&'static str] {
        match (self.stage, self.carry) {
            (Stage::AdjointReduce, Carry::Decay) => &[],
            (Stage::TileProbe | Stage::TileReduce | Stage::AdjointReduce, _) => &[ADVANCE],
            (stage, _) => stage.of_vectors(),
        }
    }

    /// Whether that walk goes from the last step to the first.
    pub(super) fn walks_back(&self) -> bool {
        match self.stage {
            Stage::Adjoint | Stage::AdjointReduce => true,
            Stage::TileProbe => !matches!(self.carry, Carry::Count | Carry::Sum | Carry::Decay),
            _ => false,
        }
    }

    /// Whether the text has floats.
    pub(super) fn has_floats(&self) -> bool {
        match self.carry {
            _ if self.stage.adds() => true,
            Carry::Count => self.stage == Stage::Serial,
            carry => carry.computes() && self.stage.has_elements(),
        }
    }

    /// Whether numbers are made of what registers hold.
    pub(super) fn widens(&self) -> bool {
        self.calculates() || self.has_floats()
    }

    /// Forward: what makes numbers of patterns, and patterns of numbers.
    fn numbers(&self) -> &'static [&'static str] {
        match self.element {
            _ if !self.has_floats() => &[],
            Element::F32 => &[include_str!("../../shaders/number_f32.wgsl")],
            Element::F16 | Element::Bf16 => &[include_str!("../../shaders/number_half.wgsl")],
        }
    }

    fn element(&self) -> &'static str {
        match self.carry {
            Carry::Codes => include_str!("../../shaders/element_codes.wgsl"),
            Carry::Fill => include_str!("../../shaders/element_fill.wgsl"),
            Carry::Age => include_str!("../../shaders/element_age.wgsl"),
            Carry::Count => include_str!("../../shaders/element_count.wgsl"),
            Carry::Decay => include_str!("../../shaders/element_decay.wgsl"),
            Carry::Sum => include_str!("../../shaders/element_sum.wgsl"),
        }
    }

    fn state(&self) -> &'static str {
        match self.carry {
            Carry::Codes => include_str!("../../shaders/state_codes.wgsl"),
            Carry::Decay | Carry::Sum if self.element != Element::F32 => include_str!("../../shaders/state_rounded.wgsl"),
            Carry::Fill | Carry::Decay | Carry::Sum => include_str!("../../shaders/state_number.wgsl"),
            Carry::Age => include_str!("../../shaders/state_age.wgsl"),
            Carry::Count => include_str!("../../shaders/state_count.wgsl"),
        }
    }
}
