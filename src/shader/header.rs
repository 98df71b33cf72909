//! The header of a shader: all that differs between variants.
//!
//! Constants, binding declarations, and for every operand of the stage the functions through which the fixed text reaches it. An
//! operand that a variant does not have loads zeros and stores nothing, so that the fixed text knows no variants.

use core::fmt::{self, Write};

use super::carry::ADVANCE;
use super::{BindingAccess, Stage, Use, Variant};
use crate::carry::Carry;
use crate::{Access, Amplitude, Boundary, Element, Operand, Slot, Threshold, Unit};

impl Variant {
    pub(super) fn header(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(4096);
        let w = &mut text;
        let version = env!("CARGO_PKG_VERSION");
        writeln!(w, "// bmru {version}: {}. Constants, bindings and operands of this variant.\n", self.stage)?;
        self.types(w)?;
        self.constants(w)?;
        if self.stage.adds() {
            self.backward(w)?;
        }
        writeln!(w)?;
        self.declarations(w)?;
        for (operand, usage) in self.stage.operands() {
            self.accessors(w, operand, usage)?;
        }
        self.bands(w)?;
        Ok(text)
    }

    fn types(&self, w: &mut String) -> fmt::Result {
        let vector = |scalar: &str, width: u32| if width == 1 { scalar.to_owned() } else { format!("vec{width}<{scalar}>") };
        for (alias, scalar) in [("Vector", "u32"), ("Signed", "i32"), ("Mask", "bool"), ("Floats", "f32")] {
            if scalar != "f32" || self.has_floats() || self.calculates() {
                writeln!(w, "alias {alias} = {};", vector(scalar, self.components()))?;
            }
        }
        if self.fold * self.vector_rows > 1 {
            // What belongs to a channel is the same in all its steps and rows.
            let (unfolded, last) = if self.vector_width == 1 { ("Vector(x)", "x.w") } else { ("x.xyxy", "x.zw") };
            writeln!(w, "alias Channels = {};", vector("u32", self.vector_width))?;
            writeln!(w, "fn unfold(x: Channels) -> Vector {{ return {unfolded}; }}")?;
            writeln!(w, "fn fold(x: Vector) -> Channels {{ return {last}; }}")?;
        }
        if self.fold > 1 && self.vector_rows > 1 {
            // And what belongs to a row in both its steps.
            writeln!(w, "alias Rows = vec2<u32>;")?;
            writeln!(w, "fn unfold_rows(x: Rows) -> Vector {{ return x.xxyy; }}")?;
            writeln!(w, "fn fold_rows(x: Vector) -> Rows {{ return x.yw; }}")?;
        }
        let (name, function) = match self.stage {
            Stage::TileProbe => ("smallest", "min"),
            Stage::AdjointReduce => ("largest", "max"),
            _ => return Ok(()),
        };
        let folded = match self.vector_width * self.fold {
            1 => "x".to_owned(),
            2 => format!("{function}(x.x, x.y)"),
            _ => format!("{function}({function}(x.x, x.y), {function}(x.z, x.w))"),
        };
        writeln!(w, "fn {name}(x: Vector) -> u32 {{ return {folded}; }}")
    }

    fn constants(&self, w: &mut String) -> fmt::Result {
        writeln!(w, "const WORKGROUP_SIZE: u32 = {}u;", self.workgroup_size)?;
        writeln!(w, "const BAND: u32 = {}u;", self.band)?;
        writeln!(w, "const STEPS_AHEAD: u32 = {}u;", self.steps_ahead)?;
        writeln!(w, "const ONE_VECTOR: bool = {};", self.one_vector)?;
        writeln!(w, "const DESCENDS: bool = {};", self.descends)?;
        writeln!(w, "const VIEWS: u32 = {}u;", self.operands.len())?;
        let each = |half: u32| if self.pairs { half << 16 | half } else { half };
        let [one, sign_bit, sign_shift] = if self.pairs { [each(1), each(1 << 15), 15] } else { [1, 1 << 31, 31] };
        writeln!(w, "const ONE: u32 = {one:#x}u;")?;
        writeln!(w, "const SIGN_BIT: u32 = {sign_bit:#x}u;")?;
        writeln!(w, "const SIGN_SHIFT: u32 = {sign_shift}u;")?;
        let infinity = if self.calculates() { Element::F32 } else { self.element }.infinity();
        writeln!(w, "const INFINITY: u32 = {:#x}u;", if self.pairs { each(infinity >> 16) } else { infinity })?;
        if let Some((boundary, threshold)) = self.gate {
            writeln!(w, "const BOUNDARY_SETS: bool = {};", boundary == Boundary::Set)?;
            writeln!(w, "const THRESHOLD_PER_CHANNEL: bool = {};", threshold == Threshold::PerChannel)?;
        }
        writeln!(w, "const LOWER_IS_ZERO: bool = {};", self.unit == Unit::FirstQuadrant)?;
        writeln!(w, "const TWO_THRESHOLDS: bool = {};", self.unit.has_low_threshold())?;
        writeln!(w, "const CARRIES_CANDIDATE: bool = {};", !self.unit.is_gated())?;
        writeln!(w, "const MASKED: bool = {};", self.is_masked())?;
        writeln!(w, "const AMPLITUDE_PER_ELEMENT: bool = {};", self.amplitude == Amplitude::PerElement)?;
        writeln!(w, "const AMPLITUDE_SAVED: bool = {};", self.binding_of(Operand::SavedAmplitude).is_some())?;
        writeln!(w, "const ELEMENT_WORDS: u32 = {}u;", self.carry.words())?;
        writeln!(w, "const CODE_LINES: u32 = {}u;", self.carry.code_lines())?;
        writeln!(w, "const SCALES: bool = {};", self.carry == Carry::Decay)?;
        let has = |operand| self.binding_of(operand).is_some();
        writeln!(w, "const SAVES: bool = {};", self.saves)?;
        writeln!(w, "const PACKS: bool = {};", self.packs)?;
        writeln!(w, "const TAKES_WORDS: bool = {};", self.saves || self.packs)?;
        writeln!(w, "const WRITES_STATES: bool = {};", has(Operand::States))?;
        writeln!(w, "const RESOLVES: bool = {};", has(Operand::States) || has(Operand::FinalState))?;
        let looks_back = matches!(self.stage, Stage::Serial | Stage::TileApply) && has(Operand::Aggregates);
        writeln!(w, "const LOOKS_BACK: bool = {looks_back};")?;
        writeln!(w, "const TREE: bool = {};", looks_back || has(Operand::Parent))?;
        self.sequences(w)
    }

    /// What is known of the borders of sequences.
    fn sequences(&self, w: &mut String) -> fmt::Result {
        let has = |operand| self.binding_of(operand).is_some();
        let told = has(Operand::Borders) && (self.stage != Stage::Borders || has(Operand::CuSeqlens));
        writeln!(w, "const BORDERED: bool = {};", has(Operand::Borders) || self.meets_borders)?;
        writeln!(w, "const PACKED_SEQUENCES: bool = {};", told && self.packed_sequences)?;
        writeln!(w, "const EMPTIES: bool = {};", self.stage.asks_for_empty() && has(Operand::CuSeqlens))?;
        let lanes = self.lanes();
        writeln!(w, "const LANES: u32 = {lanes}u;")?;
        let lane = if lanes == 1 { "x" } else { "x[index]" };
        writeln!(w, "fn lane(x: Vector, index: u32) -> u32 {{ return {lane}; }}")
    }

    fn declarations(&self, w: &mut String) -> fmt::Result {
        for (number, (slot, access)) in self.bindings.iter().enumerate() {
            let access = match access {
                BindingAccess::Read => "read",
                BindingAccess::ReadWrite => "read_write",
            };
            // Only operands of one kind share a slot where steps or rows are folded.
            let inside = self.operands.iter().filter(|&&(_, binding)| binding as usize == number);
            let lanes = inside.map(|&(operand, _)| self.lanes_of(operand)).min().unwrap_or(1);
            let splat = self.operands.iter().any(|&(operand, binding)| binding as usize == number && self.splats(operand));
            let element = match (self.element_of(*slot).bytes(), lanes) {
                _ if slot.is_scalar() || splat => "u32",
                _ if self.pairs => "Vector",
                (2, 4) => "vec2<u32>",
                (2, _) => "u32",
                (_, lanes) if lanes == self.lanes() => "Vector",
                (_, lanes) if lanes == self.vector_width => "Channels",
                _ => "Rows",
            };
            writeln!(w, "@group(0) @binding({number}) var<storage, {access}> {slot}_slot: array<{element}>;")?;
        }
        let space = match self.access {
            Access::Declared => "uniform",
            Access::AllReadWrite => "storage, read_write",
        };
        writeln!(w, "@group(0) @binding({}) var<{space}> params: Params;", self.params_binding())
    }

    /// For each function of one vector, the same for a band. Written out, not a loop: not every compiler unrolls one, and what
    /// is indexed by a variable lies in memory.
    fn bands(&self, w: &mut String) -> fmt::Result {
        let functions = self.walk();
        if functions.is_empty() {
            return Ok(());
        }
        writeln!(w, "\nalias Band = array<Walk, BAND>;")?;
        for name in functions {
            writeln!(w, "fn {name}_band(band: ptr<function, Band>, at: At) {{")?;
            for (number, offset) in self.places() {
                let call = match *name {
                    ADVANCE => format!("{name}((*band)[{number}], load_inputs(at, {offset}u), at, {offset}u)"),
                    _ if *name == functions[0] => format!("{name}(at, {offset}u)"),
                    _ => format!("{name}((*band)[{number}], at, {offset}u)"),
                };
                self.inside(w, offset, &format!("(*band)[{number}] = {call};"))?;
            }
            writeln!(w, "}}")?;
        }
        self.ahead(w)
    }

    /// Several steps of a band. What they read is loaded before the first of them stores, because no compiler takes a load
    /// past a store that may be to the same place. Some take it down to where it is used, for the sake of registers, and then wait for
    /// one after the other: the first step depends on all.
    fn ahead(&self, w: &mut String) -> fmt::Result {
        writeln!(w, "fn {ADVANCE}_ahead_band(band: ptr<function, Band>, at: At) -> At {{")?;
        // A walk back stands behind its next step, another at it.
        let begin = if self.walks_back() { "next_step(at)" } else { "at" };
        writeln!(w, "    let at_0 = {begin};")?;
        for step in 1..self.steps_ahead {
            writeln!(w, "    let at_{step} = next_step(at_{});", step - 1)?;
        }
        for step in 0..self.steps_ahead {
            for (number, offset) in self.places() {
                writeln!(w, "    var inputs_{step}_{number}: Inputs;")?;
                self.inside(w, offset, &format!("inputs_{step}_{number} = load_inputs(at_{step}, {offset}u);"))?;
            }
        }
        let first = if self.waits() {
            let loaded = (0..self.steps_ahead)
                .flat_map(|step| self.places().map(move |(number, _)| format!("word_of_inputs(inputs_{step}_{number})")));
            writeln!(w, "    let loaded = {};", loaded.collect::<Vec<_>>().join(" ^ "))?;
            writeln!(w, "    let first = after(loaded, at_0);")?;
            "first"
        } else {
            "at_0"
        };
        for step in 0..self.steps_ahead {
            let at = if step == 0 { first.to_owned() } else { format!("at_{step}") };
            for (number, offset) in self.places() {
                let call = format!("{ADVANCE}((*band)[{number}], inputs_{step}_{number}, {at}, {offset}u)");
                self.inside(w, offset, &format!("(*band)[{number}] = {call};"))?;
            }
        }
        let last = format!("at_{}", self.steps_ahead - 1);
        let end = if self.walks_back() { last } else { format!("next_step({last})") };
        writeln!(w, "    return {end};\n}}")
    }

    /// Whether the first of several steps waits for what all of them load.
    fn waits(&self) -> bool {
        self.stage == Stage::Adjoint && self.steps_ahead > 1
    }

    /// The vectors of a band, in the order of memory: their numbers and offsets.
    fn places(&self) -> impl Iterator<Item = (u32, u32)> {
        let number = |place| if self.descends { self.band - 1 - place } else { place };
        (0..self.band).map(move |place| (number(place), number(place) * self.workgroup_size))
    }

    /// A statement on a vector of the band, if the band reaches beyond the last channel only where there is one.
    fn inside(&self, w: &mut String, offset: u32, statement: &str) -> fmt::Result {
        if self.ragged {
            writeln!(w, "    if at.tile.d + {offset}u < params.channels {{ {statement} }}")
        } else {
            writeln!(w, "    {statement}")
        }
    }

    /// What the stages of the backward pass need.
    fn backward(&self, w: &mut String) -> fmt::Result {
        writeln!(w, "const RESUMES: bool = {};", self.resumes)?;
        let has = |operand| self.binding_of(operand).is_some();
        writeln!(w, "const THRESHOLD_SUMMED: bool = {};", has(Operand::ThresholdTerms))?;
        writeln!(w, "const LOW_THRESHOLD_SUMMED: bool = {};", has(Operand::LowThresholdTerms))?;
        if self.stage == Stage::Adjoint {
            let parts = has(Operand::Within);
            writeln!(w, "const PARTS_OF_STRETCHES: bool = {parts};")?;
            writeln!(w, "const ONE_WORD: bool = {};", self.one_word)?;
            writeln!(w, "const TERM_STEPS: u32 = {}u;", if parts { 32 } else { 1024 })?;
        }
        if let Some([gate, sign]) = self.surrogates {
            writeln!(
                w,
                "fn gate_surrogate(u: Floats) -> Floats {{ return {gate}(u, params.surrogates.x, params.surrogates.y); }}"
            )?;
            writeln!(
                w,
                "fn sign_surrogate(u: Floats) -> Floats {{ return {sign}(u, params.surrogates.z, params.surrogates.w); }}"
            )?;
        }
        Ok(())
    }

    /// `X_at` is the index of element `(b, t, d)`, `X_step` the distance to the next step.
    fn accessors(&self, w: &mut String, operand: Operand, usage: Use) -> fmt::Result {
        let place = self.operands.iter().position(|&(present, _)| present == operand);
        writeln!(w)?;
        if operand.can_splat() {
            let beside = if self.splats(operand) { "at" } else { "at + offset" };
            writeln!(w, "fn {operand}_beside(at: u32, offset: u32) -> u32 {{ return {beside}; }}")?;
        }
        let Some(view) = place else {
            writeln!(w, "fn {operand}_at(b: u32, t: u32, d: u32) -> u32 {{ return 0u; }}")?;
            writeln!(w, "fn {operand}_step() -> u32 {{ return 0u; }}")?;
            if usage.loads() {
                writeln!(w, "fn load_{operand}(at: u32) -> Vector {{ return Vector(0u); }}")?;
            }
            if usage.stores() {
                writeln!(w, "fn store_{operand}(at: u32, value: Vector) {{}}")?;
            }
            return Ok(());
        };
        let (slot, _) = self.bindings[self.operands[view].1 as usize];
        let row = if self.gathers(operand) { format!("{}u * b", self.vector_rows) } else { "b".to_owned() };
        writeln!(w, "fn {operand}_at(b: u32, t: u32, d: u32) -> u32 {{ return view_at(params.views[{view}], {row}, t, d); }}")?;
        writeln!(w, "fn {operand}_step() -> u32 {{ return params.views[{view}].time; }}")?;
        if self.stage == Stage::Pack && operand == Operand::Target {
            return self.whole_words(w, view, slot);
        }
        if usage.loads() {
            writeln!(w, "fn load_{operand}(at: u32) -> Vector {{ return {}; }}", self.loaded(operand, view, slot))?;
        }
        if usage.stores() && self.accumulates.contains(&operand) {
            let sum = format!("bitcast<Floats>({}) + bitcast<Floats>(value)", self.loaded(operand, view, slot));
            let stored = self.stored(operand, slot, &format!("bitcast<Vector>({sum})"));
            writeln!(w, "fn store_{operand}(at: u32, value: Vector) {{ {slot}_slot[at] = {stored}; }}")?;
        } else if usage.stores() && self.in_two(operand, slot) {
            let stores = format!("{slot}_slot[at] = first_of(value); {slot}_slot[at + 1u] = second_of(value);");
            writeln!(w, "fn store_{operand}(at: u32, value: Vector) {{ {stores} }}")?;
        } else if usage.stores() && self.gathers(operand) {
            let components = if self.vector_width == 1 { ["x", "y", "z", "w"] } else { ["xy", "zw", "", ""] };
            let rows = self.rows_apart(view, slot).zip(components);
            let stores: String = rows.map(|(place, components)| format!(" {place} = rows.{components};")).collect();
            let stored = self.stored(operand, slot, "value");
            writeln!(w, "fn store_{operand}(at: u32, value: Vector) {{ let rows = {stored};{stores} }}")?;
        } else if usage.stores() {
            let stored = self.stored(operand, slot, "value");
            writeln!(w, "fn store_{operand}(at: u32, value: Vector) {{ {slot}_slot[at] = {stored}; }}")?;
        }
        Ok(())
    }

    /// Whether registers hold something else of an operand than memory: numbers and not patterns.
    fn converts(&self, operand: Operand, slot: Slot) -> bool {
        let halves = self.element_of(slot).bytes() == 2;
        let saved = matches!(operand, Operand::SavedAmplitude | Operand::SavedInitialState);
        // States that are numbers are made of amplitudes.
        let forward = self.has_floats() && (operand == Operand::SavedAmplitude || (operand == Operand::Amplitude && halves));
        self.element != Element::F32 && (self.stage.adds() && (saved || halves) || forward)
    }

    /// A vector of an operand, as registers hold it.
    fn loaded(&self, operand: Operand, view: usize, slot: Slot) -> String {
        if self.pairs {
            return self.loaded_pairs(operand, slot);
        }
        let mut loaded = match (self.element_of(slot).bytes(), self.lanes_of(operand)) {
            _ if slot.is_scalar() => return format!("Vector({slot}_slot[at])"),
            (2, _) if self.splats(operand) => format!("Vector(unpack_one({slot}_slot[at / 2u], at))"),
            _ if self.splats(operand) => format!("Vector({slot}_slot[at])"),
            _ if self.gathers(operand) => {
                let rows: Vec<String> = self.rows_apart(view, slot).collect();
                format!("{}({})", if self.fold > 1 { "Rows" } else { "Vector" }, rows.join(", "))
            }
            (2, 1) => format!("unpack_one({slot}_slot[at / 2u], at)"),
            (2, 2) => format!("unpack_two({slot}_slot[at])"),
            (2, _) => format!("unpack_four({slot}_slot[at])"),
            _ => format!("{slot}_slot[at]"),
        };
        if let Some(folded) = self.folded(operand) {
            loaded = format!("un{folded}({loaded})");
        }
        if self.converts(operand, slot) {
            loaded = format!("widen({loaded})");
        } else if operand == Operand::Amplitude && self.element != Element::F32 && self.element_of(slot) == Element::F32 {
            let pattern = format!("narrow({loaded})");
            loaded = if self.widens() { format!("widen({pattern})") } else { pattern };
        }
        loaded
    }

    /// Where the rows of a vector lie that are apart in memory.
    fn rows_apart(&self, view: usize, slot: Slot) -> impl Iterator<Item = String> {
        (0..self.vector_rows).map(move |row| format!("{slot}_slot[at + {row}u * params.views[{view}].batch]"))
    }

    /// What makes fewer elements of a vector, if an operand has fewer.
    fn folded(&self, operand: Operand) -> Option<&'static str> {
        match self.held_lanes_of(operand) {
            lanes if lanes == self.lanes() => None,
            lanes if lanes == self.vector_width => Some("fold"),
            _ => Some("fold_rows"),
        }
    }

    /// The same where a component holds two elements: what has a word for each takes two vectors, but for bits, which stay words.
    fn loaded_pairs(&self, operand: Operand, slot: Slot) -> String {
        match operand {
            _ if self.splats(operand) => format!("Vector(twice(unpack_one({slot}_slot[at / 2u], at)))"),
            _ if !self.in_two(operand, slot) => format!("{slot}_slot[at]"),
            Operand::Amplitude => format!("paired(narrow({slot}_slot[at]), narrow({slot}_slot[at + 1u]))"),
            _ => format!("paired({slot}_slot[at], {slot}_slot[at + 1u])"),
        }
    }

    /// Whether an operand has a word for each element of a component that holds two: amplitudes, what is saved, and states that rest
    /// in scratch, where the part of time behind may have no pairs.
    fn in_two(&self, operand: Operand, slot: Slot) -> bool {
        use Operand::*;
        let elements = [Amplitude, SavedAmplitude, SavedInitialState, InitialState, FinalState];
        self.pairs && self.element_of(slot).bytes() == 4 && elements.contains(&operand)
    }

    /// What memory holds of a vector of an operand.
    fn stored(&self, operand: Operand, slot: Slot, value: &str) -> String {
        let value = if self.converts(operand, slot) { format!("rounded({value})") } else { value.to_owned() };
        let value = match self.folded(operand) {
            Some(folded) => format!("{folded}({value})"),
            None => value,
        };
        if self.pairs {
            return value;
        }
        match (self.element_of(slot).bytes(), self.lanes_of(operand)) {
            (2, 2) => format!("pack_two({value})"),
            (2, _) => format!("pack_four({value})"),
            _ => value,
        }
    }

    /// Access to whole words, and what fills the half of one.
    fn whole_words(&self, w: &mut String, view: usize, slot: Slot) -> fmt::Result {
        writeln!(w, "const TARGET: u32 = {view}u;")?;
        writeln!(w, "fn load_pair(pair: u32) -> u32 {{ return {slot}_slot[pair]; }}")?;
        writeln!(w, "fn store_pair(pair: u32, word: u32) {{ {slot}_slot[pair] = word; }}")?;
        let packed = match (self.narrows, self.accumulates.is_empty()) {
            (false, _) => "source",
            (true, true) => "narrow(source)",
            (true, false) => "narrow(bitcast<u32>(bitcast<f32>(widen(before)) + bitcast<f32>(source)))",
        };
        writeln!(w, "fn packed(source: u32, before: u32) -> u32 {{ return {packed}; }}")
    }
}
