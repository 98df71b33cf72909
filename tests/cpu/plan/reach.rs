//! What the shaders can index, read off their text: which binding an operand lies in from the generated header, how far its
//! indices go from the fixed parts.

use std::collections::BTreeMap;

use bmru::{Amplitude, Dispatch, Operand, Params, Plan, Sequences, Slot, Stage, States, Threshold, Unit, Variant, ViewParams};

/// Where the header of a variant puts an operand, and what it does with it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Number of the view.
    pub view: usize,
    /// Number of the binding.
    pub binding: usize,
    pub stores: bool,
    /// Stores add to what is there.
    pub accumulates: bool,
}

/// The places of all operands of a variant.
#[derive(Debug)]
pub struct Places(BTreeMap<Operand, Place>);

impl Places {
    pub fn of(variant: &Variant) -> Self {
        let text = variant.wgsl();
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("fn ") || line.starts_with('@')).collect();
        let line = |start: &str| lines.iter().copied().find(|line| line.starts_with(start));
        let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<usize>();
        let place = |operand: Operand| {
            let at = line(&format!("fn {operand}_at("))?;
            let view = number(at.split_once("params.views[")?.1).ok()?;
            // Packing reaches whole words.
            let words = variant.stage() == Stage::Pack && operand == Operand::Target;
            let named = if words { "pair".to_owned() } else { operand.to_string() };
            let store = line(&format!("fn store_{named}("));
            let access = line(&format!("fn load_{named}(")).or(store)?;
            let slot = access.split_once("_slot[")?.0.rsplit([' ', '(']).next()?;
            let declared = lines.iter().find(|line| line.contains(&format!("> {slot}_slot:")))?;
            let binding = number(declared.split_once("@binding(")?.1).ok()?;
            let accumulates = store.is_some_and(|store| store.contains(" + bitcast<Floats>(value)"));
            Some((operand, Place { view, binding, stores: store.is_some(), accumulates }))
        };
        Self(variant.operands().map(|operand| place(operand).expect("the header has every operand")).collect())
    }

    /// The place of an operand, if the variant has it.
    pub fn get(&self, operand: Operand) -> Option<Place> {
        self.0.get(&operand).copied()
    }

    pub fn operands(&self) -> impl Iterator<Item = Operand> + '_ {
        self.0.keys().copied()
    }
}

/// A dispatch with all that tells what it touches.
pub struct Launched<'a> {
    pub plan: &'a Plan,
    pub dispatch: &'a Dispatch,
    pub variant: &'a Variant,
    pub places: &'a Places,
}

/// Everything that an invocation of a dispatch can index in an operand: `b`, `t` and vectors of channels below these bounds.
pub type Bounds = [u64; 3];

impl<'a> Launched<'a> {
    pub fn stage(&self) -> Stage {
        self.variant.stage()
    }

    pub fn params(&self) -> &'a Params {
        self.dispatch.params()
    }

    /// Batch rows of the part.
    pub fn batch(&self) -> u64 {
        u64::from(self.params().batch) * u64::from(self.variant.vector_rows())
    }

    /// Elements of a vector.
    pub fn width(&self) -> u64 {
        self.variant.vector_width().into()
    }

    /// Elements of a vector of an operand: of what has no channels no vectors are made.
    pub fn width_of(&self, operand: Operand) -> u64 {
        let Place { binding, .. } = self.places.get(operand).expect("the variant has the operand");
        let scalar = matches!(self.dispatch.bindings()[binding].slot, Slot::CuSeqlens | Slot::Resets);
        if scalar || self.variant.splats(operand) { 1 } else { self.width() }
    }

    /// Whether it walks back over parts of stretches.
    fn is_of_parts(&self) -> bool {
        self.places.get(Operand::Within).is_some()
    }

    /// Whether it is told of borders of sequences within rows.
    pub fn is_bordered(&self) -> bool {
        self.places.get(Operand::Borders).is_some()
    }

    /// Packed sequences of a dispatch that walks over all of them.
    pub fn packed(&self) -> Option<u64> {
        match self.plan.descriptor().sequences_kind() {
            Sequences::Packed { count } if self.is_bordered() => Some(count),
            _ => None,
        }
    }

    /// Whether it asks which packed sequences have no steps.
    pub fn asks_for_empty(&self) -> bool {
        self.stage() != Stage::Borders && self.places.get(Operand::CuSeqlens).is_some()
    }

    /// Words of the borders of 32 steps: bits in each lane of a vector, and the sequence of each step.
    fn border_words(&self, lanes: u64) -> u64 {
        let packed = matches!(self.plan.descriptor().sequences_kind(), Sequences::Packed { .. });
        if packed { 3 * lanes + 32 } else { lanes }
    }

    /// Bytes of an element of an operand.
    pub fn bytes(&self, operand: Operand) -> u64 {
        let Place { binding, .. } = self.places.get(operand).expect("the variant has the operand");
        self.plan.descriptor().element_of(self.dispatch.bindings()[binding].slot).bytes()
    }

    /// Whether indices of an operand count halves of vectors.
    pub fn halved(&self, operand: Operand) -> bool {
        self.variant.pairs() && self.bytes(operand) == 4
    }

    /// First byte of vector `(b, t, d)` within its slot.
    pub fn address(&self, operand: Operand, b: u64, t: u64, d: u64) -> u64 {
        let Place { view, binding, .. } = self.places.get(operand).expect("the variant has the operand");
        let ViewParams { offset, batch, time, channel } = self.dispatch.params().views[view];
        // A vector can hold several steps, and several rows.
        let [rows, fold] = [self.variant.rows_of(operand), self.variant.fold_of(operand)].map(u64::from);
        let within = b % rows * fold + t % fold;
        // Modulo 2^32, as the shader counts.
        let [b, t, d] = [b / rows, t / fold, d].map(|index| index as u32);
        let sum = [(b, batch), (t, time), (d, channel)].map(|(index, stride)| index.wrapping_mul(stride));
        let index = u64::from(sum.into_iter().fold(offset, u32::wrapping_add));
        // Where components hold pairs of elements, words lie in two vectors.
        let vector = self.bytes(operand) * self.width_of(operand) / if self.halved(operand) { 2 } else { 1 };
        self.dispatch.bindings()[binding].offset + vector * (rows * fold * index + within)
    }

    /// First byte of an element of a row without steps within its slot.
    pub fn element_address(&self, operand: Operand, b: u64, channel: u64) -> u64 {
        let width = self.width_of(operand);
        self.address(operand, b, 0, channel / width) + channel % width * self.bytes(operand)
    }

    /// The vectors and lanes that invocation `place` of a row takes.
    pub fn band(&self, place: u64) -> impl Iterator<Item = (u64, u64)> + use<> {
        let params = self.params();
        let [channels, lanes, band] = [params.channels, self.variant.workgroup_size(), self.variant.band()].map(u64::from);
        let place = if self.variant.descends() { u64::from(params.bands) - 1 - place } else { place };
        let (group, lane) = (place / lanes, place % lanes);
        let vectors = (0..band).map(move |number| group * lanes * band + number * lanes + lane);
        let width = self.width();
        vectors.filter(move |&vector| vector < channels).flat_map(move |vector| (0..width).map(move |lane| (vector, lane)))
    }

    fn amplitude_per_element(&self) -> bool {
        self.plan.descriptor().amplitude_kind() == Amplitude::PerElement
    }

    /// Words of an element where the carry is a number.
    fn element_words(&self) -> u64 {
        match self.plan.descriptor().unit() {
            Unit::Cumulative => 1,
            Unit::Relaxed | Unit::ForwardFill => 2,
            // Where a row has borders a bistable state is one of three.
            _ => 2 * u64::from(self.amplitude_per_element() || self.plan.descriptor().sequences_kind() != Sequences::Rows),
        }
    }

    /// Whether a walk leaves a word for 32 steps.
    fn takes_words(&self) -> bool {
        self.plan.descriptor().saves() || self.plan.descriptor().states_kind() != States::Numbers
    }

    /// Words of the codes of 32 steps.
    fn code_lines(&self) -> u64 {
        if self.element_words() == 0 { 2 } else { 1 }
    }

    /// Steps that the tiles of the dispatch reach together.
    fn end(&self) -> u64 {
        let params = self.params();
        u64::from(params.steps).min(u64::from(params.nodes) * u64::from(params.tile_steps))
    }

    /// Words of 32 steps that the codes of the part have.
    pub fn words(&self) -> u64 {
        let params = self.params();
        match self.stage() {
            Stage::Serial if params.steps == 0 => 0,
            Stage::Serial | Stage::Adjoint | Stage::Unpack => {
                (u64::from(params.time_origin % 32) + u64::from(params.steps)).div_ceil(32)
            }
            _ => self.end().div_ceil(32),
        }
    }

    pub fn bounds(&self, operand: Operand) -> Bounds {
        let params = self.params();
        let per_channel = self.plan.descriptor().threshold_kind() == Threshold::PerChannel;
        let [steps, channels, nodes] = [params.steps, params.channels, params.nodes].map(u64::from);
        let batch = self.batch();
        let (tile_steps, origin) = (u64::from(params.tile_steps), u64::from(params.time_origin));
        let last = nodes.saturating_sub(1);
        let (count, bordered) = (self.packed(), self.is_bordered());
        let of_sequences = matches!(
            operand,
            Operand::InitialState
                | Operand::InitialCount
                | Operand::FinalState
                | Operand::FinalCount
                | Operand::SavedInitialState
        );
        let of_sequences_back = matches!(operand, Operand::FinalStateGradient | Operand::InitialStateGradient);
        if let Some(count) = count.filter(|_| of_sequences || of_sequences_back) {
            return [count, 1, channels];
        }
        let time = match (self.stage(), operand) {
            (Stage::Borders, Operand::Borders) => return [batch, nodes, self.border_words(tile_steps)],
            (Stage::Borders, Operand::CuSeqlens) => return [1, steps + 1, 1],
            (Stage::Borders, Operand::Resets) => return [batch, u64::from(params.time_total).div_ceil(32), 1],
            (_, Operand::CuSeqlens) => return [batch, 2, 1],
            (_, Operand::Borders) => return [batch, self.words(), self.border_words(self.width()) / self.width()],
            (Stage::HandOver, Operand::FinalStateGradient) => 1,
            (Stage::Serial, Operand::Registers) if bordered && self.plan.descriptor().limit_steps().is_some() => 2,
            (Stage::Adjoint, Operand::Registers) if bordered => 16,
            (_, Operand::Amplitude) if self.amplitude_per_element() => self.end(),
            (_, Operand::Amplitude | Operand::SavedAmplitude) => return [1, 1, channels],
            (Stage::HealthReduce | Stage::HealthClassify | Stage::HealthJoin, Operand::Records) => 8 * nodes,
            // Two words for 32 steps, and the signs behind them.
            (Stage::HealthReduce, Operand::Codes) => {
                let words = 2 * self.words();
                if origin + steps < u64::from(params.time_total) { words + 2 } else { words }
            }
            (Stage::HealthClassify, Operand::Candidate) => self.end(),
            (Stage::HealthClassify, Operand::Threshold | Operand::LowThreshold) if !per_channel => self.end(),
            (Stage::HealthJoin, Operand::Children) => 8 * steps.min(32 * nodes),
            (Stage::HealthSum, Operand::Children) => return [1, tile_steps * steps.min(32 * nodes), channels],
            (Stage::HealthSum, Operand::Totals) => return [1, 11 * nodes, channels],
            (_, Operand::PackedStates) => self.words(),
            (_, Operand::FirstOfTile) => nodes,
            (_, Operand::InitialCount | Operand::FinalCount) => 1,
            (_, Operand::Validity) => (origin % 32 + self.end()).div_ceil(32),
            (Stage::Serial, Operand::Counts) => steps,
            (Stage::Serial, Operand::Registers) => 1,
            // One fewer where nothing lies before.
            (_, Operand::StatesBefore) => self.end() - u64::from(origin == 0),
            (_, Operand::AmplitudeGradient) => self.end(),
            (_, Operand::InitialState | Operand::FinalState | Operand::FirstSet | Operand::SavedInitialState) => 1,
            (Stage::Adjoint, Operand::InitialStateGradient) => u64::from(origin == 0),
            (Stage::HandOver, Operand::Source | Operand::Target) => 1,
            (Stage::Pack, Operand::Source | Operand::Target) => steps,
            (Stage::Serial, Operand::Threshold | Operand::LowThreshold) if per_channel => {
                if steps > 0 {
                    last * tile_steps + 1
                } else {
                    0
                }
            }
            (Stage::Serial, Operand::Parent) if self.element_words() > 0 => {
                self.element_words() * (origin / tile_steps + last + 1)
            }
            (Stage::Serial, Operand::Parent) => 2 * ((origin / tile_steps + last) / 32) + 2,
            (Stage::Serial | Stage::TileApply, Operand::Aggregates) => origin / tile_steps + last,
            (Stage::Serial, Operand::Candidate | Operand::Threshold | Operand::LowThreshold | Operand::States) => steps,
            (_, Operand::Threshold | Operand::LowThreshold) if per_channel => last * tile_steps + 1,
            (_, Operand::LowThreshold) => self.end(),
            (Stage::TileProbe, Operand::Candidate | Operand::Threshold) => self.end(),
            (Stage::TileReduce | Stage::TileApply, Operand::Candidate | Operand::Threshold | Operand::States) => self.end(),
            (Stage::Unpack, Operand::States) => self.end(),
            (Stage::Serial | Stage::Adjoint, Operand::Codes) => self.code_lines() * self.words(),
            (Stage::TileReduce | Stage::TileApply, Operand::Codes) => 2 * self.words(),
            // They need only where steps set, not the signs.
            (Stage::AdjointReduce, Operand::Codes) if self.code_lines() == 1 => self.words(),
            (Stage::AdjointReduce, Operand::Codes) => 2 * self.words() - 1,
            (Stage::TileProbe | Stage::CarryReduce, Operand::Aggregates) => self.element_words().max(1) * nodes,
            (Stage::CarryReduce | Stage::CarryScan, Operand::Children) => self.element_words() * steps.min(32 * nodes),
            (Stage::CarryScan, Operand::Parent) => self.element_words() * nodes,
            (Stage::TileReduce | Stage::TreeReduce, Operand::Aggregates) => nodes,
            (Stage::TreeReduce, Operand::Children) => steps.min(32 * nodes),
            (Stage::TreeReduce | Stage::TreeScan, Operand::Words) => 2 * nodes,
            (Stage::TreeScan, Operand::Parent) => 2 * (last / 32) + 2,
            (Stage::TileApply, Operand::Parent) => 2 * ((u64::from(params.time_origin) / tile_steps + last) / 32) + 2,
            (Stage::FirstSet, Operand::Parent) if nodes < 2 => 0,
            (Stage::FirstSet, Operand::Parent) => 2 * (last / 32) + 1,
            (Stage::AdjointReduce | Stage::AdjointTreeReduce, Operand::Stretches) => 2 * nodes,
            (Stage::AdjointTreeReduce | Stage::AdjointTreeScan, Operand::Children) => 2 * steps.min(32 * nodes),
            (Stage::AdjointTreeScan, Operand::ChildrenBeyond) => steps.min(32 * nodes),
            (Stage::AdjointTreeScan, Operand::Beyond) => nodes,
            (Stage::Adjoint, Operand::Beyond) => last * tile_steps / 1024 + 1,
            (Stage::Adjoint, Operand::Within) => 2 * nodes,
            (Stage::AdjointReduce, Operand::StatesGradient) => self.end(),
            (Stage::Adjoint, Operand::Registers) => {
                if self.plan.descriptor().unit() == Unit::Relaxed {
                    13
                } else if self.plan.descriptor().unit() == Unit::FirstQuadrant {
                    14
                } else {
                    12
                }
            }
            // The terms of the 1,024 steps that begin in this part, or of the blocks.
            (
                Stage::Adjoint,
                Operand::AmplitudeTerms | Operand::ThresholdTerms | Operand::LowThresholdTerms | Operand::InitialStateTerms,
            ) if self.is_of_parts() => self.words(),
            (
                Stage::Adjoint,
                Operand::AmplitudeTerms | Operand::ThresholdTerms | Operand::LowThresholdTerms | Operand::InitialStateTerms,
            ) => match (origin + self.end() - 1) / 1024 * 1024 {
                begin if begin < origin => 0,
                begin => begin / 1024 - origin / 1024 + 1,
            },
            (Stage::Adjoint, Operand::Candidate | Operand::Threshold | Operand::StatesGradient) => self.end(),
            (Stage::Adjoint, Operand::CandidateGradient | Operand::ThresholdGradient | Operand::LowThresholdGradient) => {
                self.end()
            }
            (Stage::SumReduce, Operand::Terms) => steps.min(32 * nodes),
            (Stage::SumReduce, Operand::Sum) => nodes,
            (stage, operand) => unreachable!("{stage} has no {operand}"),
        };
        [batch, time, channels]
    }

    /// The longest run of an invocation, counted in the loops of the text.
    pub fn iterations(&self) -> u64 {
        let params = self.params();
        let [steps, nodes, tile_steps] = [params.steps, params.nodes, params.tile_steps].map(u64::from);
        let tile = steps.min(tile_steps);
        let rows = u64::from(params.rows);
        let fold = u64::from(self.variant.fold());
        let by_words = self.takes_words() || self.is_bordered();
        // Of a tile, or of the part, which can begin within one.
        let words = if nodes > 1 { tile.div_ceil(32) } else { self.words() };
        match self.stage() {
            Stage::Serial if self.asks_for_empty() => self.variant.band().into(),
            Stage::Serial if self.variant.fold() > 1 => {
                rows * (2 + tile / u64::from(self.variant.fold()) + if by_words { words } else { 0 })
            }
            Stage::Serial if rows > 1 => rows * (1 + steps + if by_words { self.words() } else { 1 }),
            Stage::Serial if !by_words => tile + tile.min(1),
            Stage::Serial if nodes == 1 => steps + self.words(),
            Stage::Serial => tile + tile.div_ceil(32),
            Stage::TileProbe => tile / fold,
            Stage::TileApply if self.plan.descriptor().states_kind() == States::Packed => tile.div_ceil(32),
            Stage::Unpack if nodes == 1 => steps + self.words(),
            Stage::TileReduce | Stage::TileApply | Stage::Unpack => tile + tile.div_ceil(32),
            Stage::TreeReduce | Stage::CarryReduce | Stage::CarryScan => steps.min(32),
            Stage::Pack => u64::from((params.time_total - params.time_origin).div_ceil(params.items)),
            Stage::TreeScan => 0,
            Stage::FirstSet => {
                let (mut interval, mut bisections) = (nodes, 0);
                while interval > 1 {
                    // The worse half.
                    interval -= interval / 2;
                    bisections += 1;
                }
                bisections
            }
            // A part can begin and end within a word.
            Stage::Adjoint if nodes == 1 => rows * (1 + steps / fold + self.words()),
            Stage::Adjoint => tile / fold + tile.div_ceil(32),
            // Words, then blocks and their steps.
            Stage::AdjointReduce => {
                let longest = steps.min(1024);
                longest / fold + 2 * longest.div_ceil(32)
            }
            Stage::AdjointTreeReduce | Stage::AdjointTreeScan | Stage::SumReduce => steps.min(32),
            Stage::HandOver => 0,
            // Steps, and the search of a sequence for each and those beside them; words of bits for each lane.
            Stage::Borders => {
                let searches = if self.places.get(Operand::CuSeqlens).is_some() { steps.div_ceil(32) } else { 0 };
                32 + 34 * (steps + 1).ilog2() as u64 * searches.min(1) + self.border_words(tile_steps).min(3 * tile_steps)
            }
            // Words, and a run of 31 steps in each.
            Stage::HealthReduce => 32 * tile.div_ceil(32),
            Stage::HealthClassify => tile + 32 * tile.div_ceil(32),
            Stage::HealthJoin | Stage::HealthSum => steps.min(32),
            stage => unreachable!("{stage} is new"),
        }
    }

    /// Invocations that do not return at once.
    pub fn items(&self) -> u64 {
        let params = self.params();
        let rows = u64::from(params.batch.div_ceil(params.rows)) * u64::from(params.bands);
        match self.stage() {
            Stage::FirstSet | Stage::HandOver => rows,
            Stage::HealthSum => u64::from(params.nodes) * u64::from(params.channels),
            // Words.
            Stage::Pack => u64::from(params.time_total - params.time_origin).min(params.items.into()),
            _ => rows * u64::from(params.nodes),
        }
    }
}
