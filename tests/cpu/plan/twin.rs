//! A twin of each stage on the CPU, which runs a plan on buffers of its own: what comes out must be the oracle's bits.
//!
//! It says nothing of the WGSL text, but much of parts, views, scratch and hand-overs, and it sees what a GPU hides: a read of
//! what nothing has written, an access outside a binding, and two invocations of a dispatch that meet in one element.

use std::collections::BTreeMap;
use std::ops::Range;

use bmru::oracle::forward;
use bmru::{
    Amplitude, Boundary, Descriptor, Direction, Element, Inputs, Limits, Operand, Plan, Save, Sequences, Shape, Slot, Stage,
    States, Strategy, Strides, Threshold, Traffic, Tuning, Unit, View,
};
use proptest::prelude::any;

use super::checks::ensure;
use super::numbers::Number;
use super::reach::{Launched, Places};
use super::{Met, count, for_all, numbers, random};

const NEVER: u32 = u32::MAX;
/// The same between two parts of time, where the highest bit is the sign.
const NOT_YET: u32 = u32::MAX >> 1;
/// What scratch and outputs hold before anything is written: neither a code nor a float of the data.
pub const POISON: u32 = 0xdead_beef;

/// The bits of the elements of each slot.
pub type Memory = BTreeMap<Slot, Vec<u32>>;

/// A dispatch in progress: one lane of one invocation at a time.
pub struct Machine<'a, 'm> {
    pub launched: Launched<'a>,
    memory: &'m mut Memory,
    /// Who touched an element in this dispatch, and whether it was written.
    touched: BTreeMap<(Slot, u64), (u64, bool)>,
    item: u64,
    pub lane: u64,
    pub moved: Traffic,
    /// The first thing that went wrong.
    fault: Option<String>,
}

impl Machine<'_, '_> {
    fn at(&mut self, operand: Operand, [b, t, d]: [u64; 3], writes: bool) -> Option<(Slot, usize)> {
        let place = self.launched.places.get(operand)?;
        let binding = self.launched.dispatch.bindings()[place.binding];
        let bytes = self.launched.bytes(operand);
        let lane = if self.launched.width_of(operand) > 1 { self.lane } else { 0 };
        let byte = self.launched.address(operand, b, t, d) + bytes * lane;
        if byte < binding.offset || byte + bytes > binding.offset + binding.size {
            self.fault.get_or_insert_with(|| format!("{operand} ({b}, {t}, {d}) is byte {byte}, outside {binding:?}"));
            return None;
        }
        self.touch(binding.slot, byte / 4, writes, || format!("{operand} ({b}, {t}, {d})"));
        // What all lanes share is loaded once.
        let shared = self.launched.variant.splats(operand) && self.lane > 0;
        match (writes, shared) {
            (true, _) => self.moved.written += bytes,
            (false, false) => self.moved.read += bytes,
            (false, true) => {}
        }
        Some((binding.slot, (byte / bytes) as usize))
    }

    /// Every word has one writer, and then no other reader.
    fn touch(&mut self, slot: Slot, word: u64, writes: bool, what: impl Fn() -> String) {
        let (owner, written) = *self.touched.get(&(slot, word)).unwrap_or(&(self.item, false));
        if owner != self.item && (writes || written) {
            let item = self.item;
            self.fault.get_or_insert_with(|| format!("invocations {owner} and {item} meet in {}", what()));
        }
        self.touched.insert((slot, word), (self.item, written || writes));
    }

    /// What a register holds: forward the pattern of an element, backward a number.
    pub fn load(&mut self, operand: Operand, b: u64, t: u64, d: u64) -> u32 {
        let Some((slot, at)) = self.at(operand, [b, t, d], false) else { return 0 };
        let (bits, half) = (self.memory[&slot][at], self.launched.bytes(operand) == 2);
        let element = self.launched.plan.descriptor().element_type();
        let pattern = if half { bits << 16 } else { bits };
        match (self.launched.plan.direction(), operand) {
            _ if element == Element::F32 => bits,
            (Direction::Forward | Direction::Unpack, Operand::Amplitude) if !half => element.pattern(f32::from_bits(bits)),
            (Direction::Backward, Operand::Amplitude) if !half => element.round(f32::from_bits(bits)).to_bits(),
            (Direction::Backward, Operand::SavedAmplitude | Operand::SavedInitialState) => self.number(pattern).to_bits(),
            (Direction::Backward, _) if half => self.number(pattern).to_bits(),
            _ => pattern,
        }
    }

    /// The number that the pattern of an element stands for.
    pub fn number(&self, pattern: u32) -> f32 {
        match self.launched.plan.descriptor().element_type() {
            Element::F32 => f32::from_bits(pattern),
            half => half.decode(pattern >> 16),
        }
    }

    /// The bits of an element, of what a register holds.
    fn narrowed(&self, value: u32) -> u32 {
        let element = self.launched.plan.descriptor().element_type();
        if self.launched.plan.direction() == Direction::Backward { element.encode(f32::from_bits(value)) } else { value >> 16 }
    }

    /// All invocations that pack.
    fn pack(&mut self) {
        let params = *self.launched.params();
        let [source, target] = [Operand::Source, Operand::Target].map(|operand| self.launched.places.get(operand));
        let (_, target) = (source.expect("it packs something"), target.expect("somewhere"));
        let binding = self.launched.dispatch.bindings()[target.binding];
        let accumulates = self.launched.variant.wgsl().contains("widen(before)");
        let mut wanted: BTreeMap<u64, [u64; 3]> = BTreeMap::new();
        for (b, t) in (0..u64::from(params.batch)).flat_map(|b| (0..u64::from(params.steps)).map(move |t| (b, t))) {
            for d in 0..u64::from(params.channels) {
                wanted.insert(self.launched.address(Operand::Target, b, t, d) / 2, [b, t, d]);
            }
        }
        for pair in u64::from(params.time_origin)..params.time_total.into() {
            self.item = (pair - u64::from(params.time_origin)) % u64::from(params.items);
            let word = binding.offset / 4 + pair;
            self.touch(binding.slot, word, true, || format!("word {word}"));
            self.moved.read += 4;
            self.moved.written += 4;
            for at in [2 * word, 2 * word + 1] {
                let Some(&[b, t, d]) = wanted.get(&at) else { continue };
                let mut value = self.load(Operand::Source, b, t, d);
                let before = self.memory[&binding.slot][at as usize];
                if accumulates {
                    value = (self.number(before << 16) + f32::from_bits(value)).to_bits();
                }
                let narrowed = self.narrowed(value);
                self.memory.get_mut(&binding.slot).expect("the slot has a buffer")[at as usize] = narrowed;
            }
        }
    }

    /// A load of what is in a register: it does not count.
    pub fn again(&mut self, operand: Operand, b: u64, t: u64, d: u64) -> u32 {
        let moved = self.moved;
        let value = self.load(operand, b, t, d);
        self.moved = moved;
        value
    }

    pub fn store(&mut self, operand: Operand, b: u64, t: u64, d: u64, value: u32) {
        let accumulates = self.launched.places.get(operand).is_some_and(|place| place.accumulates);
        let before = if accumulates { self.load(operand, b, t, d) } else { 0 };
        if let Some((slot, at)) = self.at(operand, [b, t, d], true) {
            let sum = (f32::from_bits(before) + f32::from_bits(value)).to_bits();
            let value = if accumulates { sum } else { value };
            let bits = if self.launched.bytes(operand) == 2 { self.narrowed(value) } else { value };
            self.memory.get_mut(&slot).expect("the slot has a buffer")[at] = bits;
        }
    }

    /// Runs all invocations, in one order or the other: it must not matter.
    fn run(&mut self, backwards: bool) {
        let params = *self.launched.params();
        let (bands, nodes) = (u64::from(params.bands), u64::from(params.nodes));
        let items = self.launched.items();
        if self.launched.stage() == Stage::Pack {
            return self.pack();
        }
        for item in 0..items {
            self.item = if backwards { items - 1 - item } else { item };
            let (row, place) = (self.item / bands, self.item % bands);
            for (d, lane) in self.launched.band(place) {
                self.lane = lane;
                match self.launched.stage() {
                    Stage::Borders => self.borders(row / nodes, row % nodes),
                    Stage::Serial if self.launched.asks_for_empty() => self.hand_on_empty(row, d),
                    Stage::Serial => self.serial_rows(row / nodes, row % nodes, d),
                    Stage::TileProbe => self.tile_probe(row / nodes, row % nodes, d),
                    Stage::TileReduce => self.tile_reduce(row / nodes, row % nodes, d),
                    Stage::TreeReduce => self.tree_reduce(row / nodes, row % nodes, d),
                    Stage::TreeScan => self.tree_scan(row / nodes, row % nodes, d),
                    Stage::CarryReduce => self.carry_reduce(row / nodes, row % nodes, d),
                    Stage::CarryScan => self.carry_scan(row / nodes, row % nodes, d),
                    Stage::TileApply => self.tile_apply(row / nodes, row % nodes, d),
                    Stage::FirstSet => self.first_set(row, d),
                    Stage::SumReduce => self.sum_reduce(row / nodes, row % nodes, d),
                    Stage::HandOver => self.hand_over(row, d),
                    Stage::HealthSum => self.health_sum(row, d),
                    Stage::Unpack => self.unpack(row / nodes, row % nodes, d),
                    Stage::HealthReduce | Stage::HealthClassify | Stage::HealthJoin => self.health(row / nodes, row % nodes, d),
                    Stage::Adjoint => self.adjoint_rows(row / nodes, row % nodes, d),
                    _ => self.adjoint(row / nodes, row % nodes, d),
                }
            }
        }
    }

    /// Whether tiles look through the aggregates before them.
    fn looks_back(&self) -> bool {
        matches!(self.launched.stage(), Stage::Serial | Stage::TileApply)
            && self.launched.places.get(Operand::Aggregates).is_some()
    }

    fn saves(&self) -> bool {
        self.launched.plan.descriptor().saves()
    }

    /// Whether a walk leaves a word for 32 steps.
    fn takes_words(&self) -> bool {
        self.saves() || self.launched.plan.descriptor().states_kind() != States::Numbers
    }

    /// The thresholds of a row from step `begin` on, where there are some for a channel.
    pub fn thresholds(&mut self, b: u64, begin: u64, d: u64) -> Option<[u32; 2]> {
        let per_channel = self.launched.plan.descriptor().threshold_kind() == Threshold::PerChannel;
        (per_channel && self.launched.params().steps > 0).then(|| self.load_thresholds(b, begin, d))
    }

    /// The high one, and the low one or 0.
    pub fn load_thresholds(&mut self, b: u64, t: u64, d: u64) -> [u32; 2] {
        [Operand::Threshold, Operand::LowThreshold].map(|operand| self.load(operand, b, t, d))
    }

    /// Whether a step sets, and whether to the upper state.
    pub fn gate(&mut self, b: u64, t: u64, d: u64, thresholds: Option<[u32; 2]>) -> (bool, bool) {
        let c = self.load(Operand::Candidate, b, t, d);
        let thresholds = thresholds.unwrap_or_else(|| self.load_thresholds(b, t, d));
        self.action(c, thresholds)
    }

    /// Whether a mask sets a step; `sets` where there is none. Its word is in a register behind the step that enters it.
    pub fn masked(&mut self, sets: bool, [b, t, d]: [u64; 3], enters: bool) -> bool {
        if self.launched.plan.descriptor().view(Operand::Validity).is_none() {
            return sets;
        }
        let step = u64::from(self.launched.params().time_origin % 32) + t;
        let load = if enters { Self::load } else { Self::again };
        load(self, Operand::Validity, b, step / 32, d) >> (step % 32) & 1 == 1
    }

    pub fn action(&self, c: u32, [high, low]: [u32; 2]) -> (bool, bool) {
        let backward = self.launched.plan.direction() == Direction::Backward;
        let number = |register| if backward { f32::from_bits(register) } else { self.number(register) };
        let [c, high, low] = [c, high, low].map(number);
        let descriptor = self.launched.plan.descriptor();
        let (unit, sets_on_edge) = (descriptor.unit(), descriptor.boundary_rule() == Boundary::Set);
        let fires = |above: f32, below: f32| if sets_on_edge { above >= below } else { above > below };
        match unit {
            Unit::FirstQuadrant => (fires(c, high) || fires(low, c), fires(c, high)),
            Unit::ForwardFill => (!c.is_nan(), true),
            _ => (fires(c.abs(), high.abs()), c >= 0.0),
        }
    }

    /// The state that a step sets.
    pub fn state_of(&self, amplitude: u32, upper: bool) -> u32 {
        match (self.launched.plan.descriptor().unit(), upper) {
            (_, true) => amplitude,
            (Unit::FirstQuadrant, false) => 0,
            (_, false) => amplitude ^ 1 << 31,
        }
    }

    /// The rows that an invocation of this number takes.
    pub fn rows_of(&self, group: u64) -> Range<u64> {
        let rows = u64::from(self.launched.params().rows) * u64::from(self.launched.variant.vector_rows());
        group * rows..self.launched.batch().min((group + 1) * rows)
    }

    fn serial_rows(&mut self, group: u64, index: u64, d: u64) {
        let rows = self.rows_of(group);
        let amplitude = if self.of_channel() { self.load(Operand::Amplitude, 0, 0, d) } else { 0 };
        let begin = self.tile(index).0;
        let threshold = self.thresholds(rows.start, begin, d);
        for b in rows {
            self.serial(b, index, d, amplitude, threshold);
        }
    }

    fn serial(&mut self, b: u64, index: u64, d: u64, amplitude: u32, threshold: Option<[u32; 2]>) {
        let params = *self.launched.params();
        let origin = u64::from(params.time_origin);
        let (begin, end) = self.tile(index);
        let tree = self.looks_back() || self.launched.places.get(Operand::Parent).is_some();
        let of_whole = u64::from(params.time_origin / params.tile_steps) + index;
        let first_bit = (origin + begin) % 32;
        let row = self.row_of(b, begin / 32, first_bit);
        let numbers = self.is_number();
        let mut number = Number::begin(self, [b, d], row, amplitude, tree.then_some(of_whole));
        let initial = row.map_or(0, |row| self.again(Operand::InitialState, row, 0, d));
        let mut state = initial;
        if self.saves() && (!tree || of_whole == 0) {
            if !self.is_packed() {
                self.store(Operand::SavedInitialState, b, 0, d, state);
            }
            if b == 0 {
                self.store(Operand::SavedAmplitude, 0, 0, d, amplitude);
            }
        }
        let mut first_set = NEVER;
        let mut plus = false;
        if numbers {
            state = number.bits;
        } else if tree {
            let set;
            (set, plus) = self.before(b, of_whole, d);
            state = if set { self.state_of(amplitude, plus) } else { state };
        } else if self.takes_words() && origin > 0 {
            let rested = self.load(Operand::FirstSet, b, 0, d);
            first_set = if rested & NOT_YET == NOT_YET { NEVER } else { rested & NOT_YET };
            plus = rested >> 31 == 1;
        }
        let (mut z, mut signs, mut packed) = (0, 0, 0);
        for t in begin..end {
            let (time, word) = (origin + t, (origin + t) / 32 - origin / 32);
            if self.saves() && (time % 32 == 0 || t == begin) {
                let begun = time % 32 > 0;
                z = if begun { self.load(Operand::Codes, b, 0, d) } else { 0 };
                signs = if begun && !numbers { self.load(Operand::Codes, b, 1, d) } else { 0 };
            }
            if time % 32 == 0 || t == begin {
                packed = if time % 32 > 0 { self.load(Operand::PackedStates, b, 0, d) } else { 0 };
            }
            let (sets, positive) = self.gate(b, t, d, threshold);
            let payload = self.payload(b, t, d, amplitude);
            // A word of them is loaded once.
            let entered = time % 32 == 0 || t == begin;
            let sets = self.masked(sets, [b, t, d], entered);
            let borders = if entered { self.borders_of(b, word, time % 32) } else { self.borders_again(b, word, time % 32) };
            let sets = sets && borders.inside;
            if borders.begins {
                let row = self.row_of(b, word, time % 32);
                number = Number::start(self, row, d, payload);
                if let Some(row) = row.filter(|_| self.saves() && self.is_packed()) {
                    let initial = self.again(Operand::InitialState, row, 0, d);
                    self.store(Operand::SavedInitialState, row, 0, d, initial);
                }
            }
            z |= u32::from(sets) << (time % 32);
            signs |= u32::from(plus) << (time % 32);
            if sets {
                plus = positive;
                state = self.state_of(payload, positive);
                first_set = first_set.min(time as u32);
            }
            if numbers {
                number.step(self, payload, sets.then_some(positive));
                state = number.bits;
                self.store(Operand::Counts, b, t, d, if borders.inside { number.count as u32 } else { 0 });
            }
            self.store(Operand::States, b, t, d, if borders.inside { state } else { 0 });
            if borders.ends {
                let row = self.row_of(b, word, time % 32).expect("it ends there");
                self.store(Operand::FinalState, row, 0, d, state);
                self.store(Operand::FinalCount, row, 0, d, number.count as u32);
            }
            packed |= u32::from(plus) << (time % 32);
            if time % 32 == 31 || t + 1 == end {
                self.store(Operand::PackedStates, b, word, d, packed);
            }
            if self.saves() && (time % 32 == 31 || t + 1 == end) {
                let lines = if numbers { 1 } else { 2 };
                self.store(Operand::Codes, b, lines * word, d, z);
                if !numbers {
                    self.store(Operand::Codes, b, 2 * word + 1, d, signs);
                }
            }
        }
        if !self.is_packed() && (!tree || origin + end == u64::from(params.time_total)) {
            self.store(Operand::FinalCount, b, 0, d, number.count as u32);
            self.store(Operand::FinalState, b, 0, d, state);
        }
        if tree && !numbers {
            self.store(Operand::FirstOfTile, b, index, d, first_set);
        }
        if !tree && origin + end < u64::from(params.time_total) {
            number.rest(self, b, d);
        }
        if self.takes_words() && !tree && !numbers {
            let is_last = origin + end == u64::from(params.time_total);
            let word = if is_last { first_set } else { first_set & NOT_YET | u32::from(plus) << 31 };
            self.store(Operand::FirstSet, b, 0, d, word);
        }
    }

    fn tile_probe(&mut self, b: u64, index: u64, d: u64) {
        let (begin, end) = self.tile(index);
        let threshold = self.thresholds(b, begin, d);
        if self.is_number() {
            return self.probe_number(b, index, d, threshold);
        }
        let mut tile = 0;
        for t in (begin..end).rev() {
            let (sets, positive) = self.gate(b, t, d, threshold);
            if sets {
                tile = 1 | u32::from(positive) << 1;
                break;
            }
        }
        self.store(Operand::Aggregates, b, index, d, tile);
    }

    pub fn tile(&self, index: u64) -> (u64, u64) {
        let params = self.launched.params();
        let begin = index * u64::from(params.tile_steps);
        (begin, (begin + u64::from(params.tile_steps)).min(params.steps.into()))
    }

    fn tile_reduce(&mut self, b: u64, index: u64, d: u64) {
        let (begin, end) = self.tile(index);
        let threshold = self.thresholds(b, begin, d);
        let mut tile = 0;
        for word in begin / 32..end.div_ceil(32) {
            let (mut z, mut p) = (0, 0);
            for t in 32 * word..end.min(32 * word + 32) {
                let (sets, positive) = self.gate(b, t, d, threshold);
                z |= u32::from(sets) << (t % 32);
                p |= u32::from(sets && positive) << (t % 32);
                tile = if sets { 1 | u32::from(positive) << 1 } else { tile };
            }
            self.store(Operand::Codes, b, 2 * word, d, z);
            self.store(Operand::Codes, b, 2 * word + 1, d, p);
        }
        self.store(Operand::Aggregates, b, index, d, tile);
    }

    fn tree_reduce(&mut self, b: u64, index: u64, d: u64) {
        let (mut z, mut p, mut node) = (0, 0, 0);
        for child in 32 * index..u64::from(self.launched.params().steps).min(32 * index + 32) {
            let code = self.load(Operand::Children, b, child, d);
            z |= (code & 1) << (child % 32);
            p |= (code >> 1) << (child % 32);
            node = if code & 1 == 1 { code } else { node };
        }
        self.store(Operand::Words, b, 2 * index, d, z);
        self.store(Operand::Words, b, 2 * index + 1, d, p);
        self.store(Operand::Aggregates, b, index, d, node);
    }

    /// Whether anything has set before a child, and whether to +.
    fn before(&mut self, b: u64, child: u64, d: u64) -> (bool, bool) {
        if self.looks_back() {
            let codes = (0..child).rev().map(|earlier| self.load(Operand::Aggregates, b, earlier, d));
            let nearest = codes.into_iter().find(|code| code & 1 == 1).unwrap_or(0);
            return (nearest & 1 == 1, nearest >> 1 == 1);
        }
        let [set, plus] = [0, 1].map(|word| self.load(Operand::Parent, b, 2 * (child / 32) + word, d));
        (set >> (child % 32) & 1 == 1, plus >> (child % 32) & 1 == 1)
    }

    fn tree_scan(&mut self, b: u64, index: u64, d: u64) {
        let (mut set, mut plus) = self.before(b, index, d);
        let [z, p] = [0, 1].map(|word| self.load(Operand::Words, b, 2 * index + word, d));
        let (mut set_before, mut plus_before) = (0, 0);
        for child in 0..32 {
            set_before |= u32::from(set) << child;
            plus_before |= u32::from(plus) << child;
            if z >> child & 1 == 1 {
                (set, plus) = (true, p >> child & 1 == 1);
            }
        }
        self.store(Operand::Words, b, 2 * index, d, set_before);
        self.store(Operand::Words, b, 2 * index + 1, d, plus_before);
    }

    fn tile_apply(&mut self, b: u64, index: u64, d: u64) {
        let params = *self.launched.params();
        let (begin, end) = self.tile(index);
        let amplitude = self.load(Operand::Amplitude, 0, 0, d);
        let initial_state = self.load(Operand::InitialState, b, 0, d);
        let of_whole = u64::from(params.time_origin / params.tile_steps) + index;
        let (mut set, mut plus) = self.before(b, of_whole, d);
        let (mut state, mut first_set) = (0, NEVER);
        for word in begin / 32..end.div_ceil(32) {
            let z = self.load(Operand::Codes, b, 2 * word, d);
            let p = self.load(Operand::Codes, b, 2 * word + 1, d);
            let (mut signs, mut packed) = (0, 0);
            for t in 32 * word..end.min(32 * word + 32) {
                signs |= u32::from(plus) << (t % 32);
                if z >> (t % 32) & 1 == 1 {
                    (set, plus) = (true, p >> (t % 32) & 1 == 1);
                    first_set = first_set.min(params.time_origin + t as u32);
                }
                packed |= u32::from(plus) << (t % 32);
                state = if set { self.state_of(amplitude, plus) } else { initial_state };
                self.store(Operand::States, b, t, d, state);
            }
            if self.saves() {
                self.store(Operand::Codes, b, 2 * word + 1, d, signs);
            }
            self.store(Operand::PackedStates, b, word, d, packed);
        }
        self.store(Operand::FirstOfTile, b, index, d, first_set);
        if u64::from(params.time_origin) + end == u64::from(params.time_total) {
            self.store(Operand::FinalState, b, 0, d, state);
        }
        if self.saves() && of_whole == 0 {
            self.store(Operand::SavedInitialState, b, 0, d, initial_state);
            if b == 0 {
                self.store(Operand::SavedAmplitude, 0, 0, d, amplitude);
            }
        }
    }

    fn first_set(&mut self, b: u64, d: u64) {
        let (mut low, mut high) = (0, u64::from(self.launched.params().nodes));
        if self.launched.places.get(Operand::Parent).is_none() {
            while low + 1 < high && self.load(Operand::FirstOfTile, b, low, d) == NEVER {
                low += 1;
            }
            high = low + 1;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let set_before = self.load(Operand::Parent, b, 2 * (middle / 32), d) >> (middle % 32) & 1 == 1;
            if set_before { high = middle } else { low = middle }
        }
        let first_set = self.load(Operand::FirstOfTile, b, low, d);
        self.store(Operand::FirstSet, b, 0, d, first_set);
    }
}

/// Floats that set rarely or often, to each sign, by NaN and on the edge; the same for the same seed.
pub fn data(length: usize, seed: u64, rate: u64) -> Vec<f32> {
    const SPECIAL: [u32; 8] = [0x7fc0_0001, 0xffa1_2345, 0x7f80_0000, 0xff80_0000, 0, 0x8000_0000, 1, 0xbf80_0000];
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut element = || match next() % rate {
        0 => f32::from_bits(SPECIAL[(next() % 8) as usize]),
        1 => 2.0 + (next() % 100) as f32,
        2 => -2.0 - (next() % 100) as f32,
        _ => 0.25,
    };
    (0..length).map(|_| element()).collect()
}

/// A dispatch that moves other bytes than the plan says, if there is one.
pub type Miscounted = Option<String>;

/// Runs all dispatches.
pub fn run(plan: &Plan, memory: &mut Memory, backwards: bool) -> Result<Miscounted, String> {
    let mut miscounted = None;
    let places: Vec<Places> = plan.variants().iter().map(Places::of).collect();
    for (number, dispatch) in plan.dispatches().iter().enumerate() {
        let variant = dispatch.variant();
        let launched = Launched { plan, dispatch, variant: &plan.variants()[variant], places: &places[variant] };
        let stage = launched.stage();
        let launched_back = places[variant].get(Operand::Aggregates).is_some();
        let (touched, moved) = (BTreeMap::new(), Traffic::default());
        let mut machine = Machine { launched, memory, touched, item: 0, lane: 0, moved, fault: None };
        machine.run(backwards);
        let Machine { moved, fault, .. } = machine;
        ensure!(fault.is_none(), "dispatch {number} ({stage}): {fault:?}\n{dispatch:?}");
        // Searches stop early.
        let less = matches!(stage, Stage::FirstSet | Stage::TileProbe | Stage::AdjointReduce);
        let less = less || matches!(stage, Stage::Serial | Stage::TileApply) && launched_back;
        // A part of what is packed can lie elsewhere.
        let less = less || stage == Stage::Pack;
        // How many sequences begin and end where is not known of borders, nor how they are found.
        let bordered = places[variant].get(Operand::Borders).is_some() || places[variant].get(Operand::CuSeqlens).is_some();
        let fewer = bordered && matches!(plan.descriptor().sequences_kind(), Sequences::Packed { .. });
        let less = less || bordered;
        let Traffic { read, written } = dispatch.traffic();
        let differs = moved.written > written || moved.written < written && !fewer;
        if differs || moved.read > read || (moved.read < read && !less) {
            miscounted.get_or_insert_with(|| format!("dispatch {number} ({stage}) moved {moved:?}\n{dispatch:?}"));
        }
    }
    Ok(miscounted)
}

/// High thresholds lie above zero, so that most low ones lie below them.
pub fn raise(descriptor: &Descriptor, slices: &mut [(Slot, Vec<f32>)]) {
    let Shape { batch, time, channels } = descriptor.shape();
    let View { slot, offset, strides } = descriptor.view(Operand::Threshold).expect("this unit has thresholds");
    let (_, values) = slices.iter_mut().find(|(held, _)| *held == slot).expect("the slot is an input");
    for (b, t, d) in (0..batch).flat_map(|b| (0..time).flat_map(move |t| (0..channels).map(move |d| (b, t, d)))) {
        let at = (offset + b * strides.batch + t * strides.time + d * strides.channel) as usize;
        values[at] = values[at].abs();
    }
}

/// Borders of sequences, as data: at words and tiles and between them, none, in every step, before the first and behind the last.
pub fn borders(descriptor: &Descriptor, seed: u64) -> [Vec<u32>; 2] {
    let time = descriptor.shape().time;
    let mut state = seed ^ 0xb0de;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let length = |slot| descriptor.slot_elements(slot).expect("the plan exists") as usize;
    let mut cuts: Vec<u32> = (0..length(Slot::CuSeqlens))
        .map(|_| {
            let granule = [1, 1, 32, 256][(next() % 4) as usize];
            (next() % (time + 20) / granule * granule) as u32
        })
        .collect();
    cuts.sort_unstable();
    if let Some(first) = cuts.first_mut().filter(|_| seed.is_multiple_of(2)) {
        *first = 0;
    }
    let resets = (0..length(Slot::Resets))
        .map(|_| match seed % 4 {
            0 => next() as u32,
            1 => 1 << (next() % 32),
            2 => u32::MAX,
            _ => 0,
        })
        .collect();
    [cuts, resets]
}

/// What lies in steps that belong to no packed sequence is NaN, where it belongs to one step alone.
pub fn poison_slack(descriptor: &Descriptor, cuts: &[u32], operands: &[Operand], mut poison: impl FnMut(Slot, usize)) {
    let Shape { time, channels, .. } = descriptor.shape();
    let Sequences::Packed { .. } = descriptor.sequences_kind() else { return };
    let outside = |t: u64| !cuts.windows(2).any(|pair| u64::from(pair[0]) <= t && t < u64::from(pair[1]));
    for view in operands.iter().filter_map(|&operand| descriptor.view(operand)).filter(|view| view.strides.time > 0) {
        for (t, d) in (0..time).filter(|&t| outside(t)).flat_map(|t| (0..channels).map(move |d| (t, d))) {
            poison(view.slot, (view.offset + t * view.strides.time + d * view.strides.channel) as usize);
        }
    }
}

/// What is read of steps.
pub const OF_STEPS: [Operand; 4] = [Operand::Candidate, Operand::Threshold, Operand::LowThreshold, Operand::Amplitude];

/// Runs a plan; the outputs are the oracle's.
pub fn agree(plan: &Plan, seed: u64) -> Result<Miscounted, String> {
    let descriptor = plan.descriptor();
    let length = |slot| descriptor.slot_elements(slot).expect("the plan exists") as usize;
    let rate = [3, 8, 200][(seed % 3) as usize];
    let slices: Vec<(Slot, Vec<f32>)> = [Slot::Candidate, Slot::Threshold, Slot::Amplitude, Slot::InitialState]
        .into_iter()
        .enumerate()
        .map(|(number, slot)| {
            let mut values = data(length(slot), seed ^ (number as u64) << 60, rate);
            if slot == Slot::Threshold {
                // Most thresholds are 1, so that candidates decide.
                values.iter_mut().for_each(|value| *value = if value.abs() > 3.0 { *value } else { -1.0 });
            }
            (slot, values)
        })
        .collect();
    let mut slices = slices;
    if descriptor.unit() == Unit::FirstQuadrant {
        raise(descriptor, &mut slices);
    }
    let [cu_seqlens, resets] = borders(descriptor, seed);
    poison_slack(descriptor, &cu_seqlens, &OF_STEPS, |slot, at| {
        let (_, values) = slices.iter_mut().find(|(held, _)| *held == slot).expect("the slot is an input");
        values[at] = f32::NAN;
    });
    let validity: Vec<u32> =
        (0..length(Slot::Validity)).map(|word| (word as u32 + 1).wrapping_mul(0x9e37_79b9) & 0x7103_1881).collect();
    let initial_count: Vec<i32> = (0..length(Slot::InitialCount)).map(|row| 5 - row as i32).collect();
    let inputs = Inputs {
        candidate: &slices[0].1,
        threshold: &slices[1].1,
        amplitude: &slices[2].1,
        initial_state: &slices[3].1,
        initial_count: &initial_count,
        validity: &validity,
        cu_seqlens: &cu_seqlens,
        resets: &resets,
    };
    let expected = forward(descriptor, &inputs).map_err(|error| error.to_string())?;

    let in_bits = |slot, values: &[f32]| {
        let element = descriptor.element_of(slot);
        values.iter().map(|&value| element.encode(value)).collect::<Vec<u32>>()
    };
    let mut memory: Memory = slices.iter().map(|(slot, values)| (*slot, in_bits(*slot, values))).collect();
    memory.insert(Slot::Validity, validity.clone());
    memory.insert(Slot::CuSeqlens, cu_seqlens.clone());
    memory.insert(Slot::Resets, resets.clone());
    memory.insert(Slot::InitialCount, initial_count.iter().map(|&count| count as u32).collect());
    for slot in [Slot::States, Slot::FinalState, Slot::PackedStates, Slot::FirstSet] {
        memory.insert(slot, vec![POISON; length(slot)]);
    }
    for slot in [Slot::Saved, Slot::Scratch, Slot::Counts, Slot::FinalCount] {
        memory.insert(slot, vec![POISON; (plan.slot_bytes(slot) / 4) as usize]);
    }
    let miscounted = run(plan, &mut memory, seed.is_multiple_of(2))?;
    // Gaps between rows keep the poison; the oracle has zeros there.
    let touched: Vec<bool> = memory[&Slot::States].iter().map(|&word| word != POISON).collect();
    let states: Vec<u32> = memory[&Slot::States].iter().map(|&word| if word == POISON { 0 } else { word }).collect();
    let Shape { batch, time, channels } = descriptor.shape();
    let written = if descriptor.states_kind() == States::Packed { 0 } else { batch * time * channels };
    ensure!(touched.iter().filter(|&&touched| touched).count() as u64 == written, "states are missing, or too many");
    ensure!(written == 0 || numbers::near(plan, &states, &expected.states), "states of\n{plan}");
    ensure!(memory[&Slot::PackedStates] == expected.packed_states, "packed states of\n{plan}");
    let apart = !memory[&Slot::FirstSet].is_empty();
    ensure!(!apart || memory[&Slot::FirstSet] == expected.first_set, "first set steps of\n{plan}");
    // In place they lie where the initial ones were.
    let place = |operand, otherwise| descriptor.view(operand).map_or(otherwise, |view| view.slot);
    let final_state = place(Operand::FinalState, Slot::FinalState);
    ensure!(numbers::near(plan, &memory[&final_state], &expected.final_state), "final states of\n{plan}");
    let final_count = place(Operand::FinalCount, Slot::FinalCount);
    for (slot, counts) in [(Slot::Counts, &expected.counts), (final_count, &expected.final_count)] {
        ensure!(memory[&slot].iter().map(|&word| word as i32).eq(counts.iter().copied()), "{slot} of\n{plan}");
    }
    ensure!(memory[&Slot::Saved] == expected.saved, "saved words of\n{plan}");
    Ok(miscounted)
}

#[test]
fn twins_of_random_plans_agree_with_the_oracle() {
    let met = Met::default();
    for_all(2000, (random::arguments(random::small_shape()), any::<u64>()), |((descriptor, limits, tuning), seed)| {
        let Ok(plan) = descriptor.forward(&limits, &tuning) else {
            count(&met.refused, true);
            return Ok(());
        };
        met.met(&plan);
        agree(&plan, seed).map(drop)
    });
    met.assert_at_least(200);
}

/// Walks over pairs of 16-bit elements, and thresholds and amplitudes that all channels share.
#[test]
fn twins_of_whole_vectors_agree_with_the_oracle() {
    let met = Met::default();
    let arguments = (random::arguments(random::wide_shape()), any::<u64>());
    for_all(1000, arguments, |((mut descriptor, limits, tuning), seed)| {
        let Shape { batch, time, .. } = descriptor.shape();
        if seed % 3 == 0 {
            let strides = if seed % 2 == 0 { [time, 1] } else { [1, batch] };
            let view = |slot, offset| View { slot, offset, strides: Strides { batch: strides[0], time: strides[1], channel: 0 } };
            if descriptor.threshold_kind() == Threshold::PerElement && descriptor.unit() != Unit::ForwardFill {
                descriptor = descriptor.threshold_view(view(Slot::Threshold, 0));
            }
            if descriptor.view(Operand::LowThreshold).is_some() && descriptor.threshold_kind() == Threshold::PerElement {
                descriptor = descriptor.low_threshold_view(view(Slot::Threshold, batch * time));
            }
            if descriptor.amplitude_kind() == Amplitude::PerElement {
                descriptor = descriptor.amplitude_view(view(Slot::Amplitude, 0));
            }
        }
        let strategy = if seed % 5 == 0 { tuning.strategy } else { Some(Strategy::Serial) };
        let Ok(plan) = descriptor.forward(&limits, &Tuning { max_vector_width: 4, strategy, ..tuning }) else {
            count(&met.refused, true);
            return Ok(());
        };
        met.met(&plan);
        agree(&plan, seed).map(drop)
    });
    println!("pairs: {}, splats: {}", met.pairs.get(), met.splats.get());
    assert!(met.pairs.get() >= 50 && met.splats.get() >= 50, "{} with pairs, {} with splats", met.pairs.get(), met.splats.get());
}

/// Walks over vectors of several batch rows, and of one.
#[test]
fn twins_of_short_rows_agree_with_the_oracle() {
    let met = Met::default();
    let arguments = (random::arguments(random::short_rows()), any::<u64>());
    for_all(2000, arguments, |((descriptor, limits, tuning), seed)| {
        let strategy = Some(Strategy::Serial);
        let Ok(plan) = descriptor.forward(&limits, &Tuning { max_vector_width: 4, strategy, ..tuning }) else {
            count(&met.refused, true);
            return Ok(());
        };
        met.met(&plan);
        agree(&plan, seed).map(drop)
    });
    println!("rows: {}", met.rows.get());
    assert!(met.rows.get() >= 25, "{} with several rows in a vector", met.rows.get());
}

/// Levels of the tree: 1 above 2 tiles, 2 above 33, 3 above 1,025; the last node of each begins, is full, or has one child.
#[test]
fn twins_agree_on_every_level_of_the_tree() {
    for strategy in [Strategy::Tiles, Strategy::Probe] {
        let tuning = Tuning { tile_steps: 32, ..Tuning::software().with_strategy(strategy) };
        for tiles in [1, 2, 31, 32, 33, 64, 1023, 1024, 1025, 1057] {
            for time in [32 * tiles - 31, 32 * tiles - 1, 32 * tiles] {
                for seed in 0..3 {
                    // Saved, packed, and both.
                    let descriptor = Descriptor::bmru(Shape { batch: 1, time, channels: 2 });
                    let descriptor = descriptor
                        .save(if seed == 1 { Save::Nothing } else { Save::Codes })
                        .states([States::Numbers, States::Packed, States::Both][seed as usize]);
                    let plan = descriptor.forward(&Limits::default(), &tuning).expect("it fits");
                    agree(&plan, seed + time).unwrap_or_else(|error| panic!("{strategy}, T = {time}: {error}"));
                }
            }
        }
    }
}
