//! The twins of the stages of carries that are numbers.

use bmru::{Amplitude, Element, Operand, Plan, Sequences, Unit};

use super::twin::Machine;

/// An element of the scan, as its words.
type Words = [u32; 2];

/// What is carried: bits, those and how long ago, an integer, a power and a sum, or a sum alone.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Fill,
    Age,
    Count,
    Decay,
    Sum,
}

/// The state of a walk.
pub struct Number {
    pub bits: u32,
    pub count: i32,
    initial: u32,
    /// The last value, whether it still holds or not.
    held: u32,
    /// Of what is a sum: an `f32`, whatever the elements are.
    sum: f32,
}

impl Number {
    /// What a sequence begins in, or a step that belongs to none.
    pub fn start(machine: &mut Machine<'_, '_>, row: Option<u64>, d: u64, amplitude: u32) -> Self {
        let initial = row.map_or(0, |row| machine.load(Operand::InitialState, row, 0, d));
        let mut number = Self { bits: initial, count: 0, initial, held: initial, sum: machine.number(initial) };
        if !machine.is_number() {
            return number;
        }
        number.count = row.map_or(0, |row| machine.load(Operand::InitialCount, row, 0, d) as i32);
        number.settle(machine, amplitude);
        number
    }

    /// The same where nothing was before: the state of a count and of an age follows from it.
    fn settle(&mut self, machine: &Machine<'_, '_>, amplitude: u32) {
        match machine.kind() {
            Kind::Count => self.bits = self.counted(machine, amplitude),
            Kind::Age => self.grow_older(machine, 0),
            _ => {}
        }
        self.round(machine);
    }

    /// Of a walk over a row `b`, of which the first step belongs to the sequence `row`.
    pub fn begin(machine: &mut Machine<'_, '_>, [b, d]: [u64; 2], row: Option<u64>, amplitude: u32, tile: Option<u64>) -> Self {
        let mut number = Self::start(machine, row, d, amplitude);
        if !machine.is_number() {
            return number;
        }
        let before = tile.map_or([0; 2], |tile| machine.element(Operand::Parent, b, tile, d));
        match machine.kind() {
            Kind::Count if !machine.rests_all() => {
                number.count += before[0] as i32;
                number.bits = number.counted(machine, amplitude);
            }
            Kind::Fill if before[0] == 1 => number.bits = before[1],
            Kind::Age if !machine.rests_all() => {
                if before[0] & 1 == 1 {
                    (number.held, number.count) = (before[1], 0);
                }
                number.grow_older(machine, before[0] >> 1);
            }
            Kind::Sum if f32::from_bits(before[0]) != 0.0 => number.sum += f32::from_bits(before[0]),
            Kind::Decay if before != [0; 2] => {
                let [scale, sum] = floats(before);
                number.sum = scale * number.sum + sum;
            }
            // Between parts of time what is rounded for the caller rests as it is, and whatever it is where a sequence can begin.
            kind if machine.launched.is_bordered() && machine.launched.params().time_origin > 0 && tile.is_none() => {
                let rested = machine.load(Operand::Registers, b, 0, d);
                match kind {
                    Kind::Fill => number.bits = rested,
                    Kind::Age => {
                        (number.held, number.count) = (rested, machine.load(Operand::Registers, b, 1, d) as i32);
                    }
                    Kind::Count => number.count = rested as i32,
                    Kind::Sum | Kind::Decay => number.sum = f32::from_bits(rested),
                }
                number.settle(machine, amplitude);
            }
            Kind::Sum | Kind::Decay if machine.rests_sums() && machine.launched.params().time_origin > 0 && tile.is_none() => {
                number.sum = f32::from_bits(machine.load(Operand::Registers, b, 0, d));
            }
            _ => {}
        }
        number.round(machine);
        number
    }

    pub fn step(&mut self, machine: &Machine<'_, '_>, payload: u32, sets: Option<bool>) {
        let Some(positive) = sets else {
            if machine.kind() == Kind::Age {
                self.grow_older(machine, 1);
            }
            return;
        };
        let set_state = machine.state_of(payload, positive);
        match machine.kind() {
            Kind::Fill => self.bits = set_state,
            Kind::Age => {
                (self.held, self.count) = (set_state, 0);
                self.grow_older(machine, 0);
            }
            Kind::Count => {
                self.count += if positive { 1 } else { -1 };
                self.bits = self.counted(machine, payload);
            }
            Kind::Sum => self.sum += machine.number(set_state),
            Kind::Decay => self.sum = machine.number(set_state) + machine.epsilon() * self.sum,
        }
        self.round(machine);
    }

    /// What is left for the next part of time.
    pub fn rest(&self, machine: &mut Machine<'_, '_>, b: u64, d: u64) {
        let rests = match machine.kind() {
            Kind::Sum | Kind::Decay => self.sum.to_bits(),
            Kind::Count => self.count as u32,
            Kind::Fill => self.bits,
            Kind::Age => self.held,
        };
        if machine.rests_sums() || machine.launched.is_bordered() {
            machine.store(Operand::Registers, b, 0, d, rests);
        }
        if machine.launched.is_bordered() && machine.kind() == Kind::Age {
            machine.store(Operand::Registers, b, 1, d, self.count as u32);
        }
    }

    fn round(&mut self, machine: &Machine<'_, '_>) {
        if matches!(machine.kind(), Kind::Sum | Kind::Decay) {
            self.bits = machine.pattern(self.sum);
        }
    }

    fn grow_older(&mut self, machine: &Machine<'_, '_>, steps: u32) {
        let params = machine.launched.params();
        self.count = self.count.saturating_add_unsigned(steps);
        self.bits = if self.count > params.limit { params.beyond } else { self.held };
    }

    fn counted(&self, machine: &Machine<'_, '_>, amplitude: u32) -> u32 {
        let [initial, amplitude] = [self.initial, amplitude].map(|pattern| machine.number(pattern));
        if self.count == 0 { self.initial } else { machine.pattern(initial + amplitude * self.count as f32) }
    }
}

/// The factor is kept as its difference to that of the identity.
fn floats([scale, sum]: Words) -> [f32; 2] {
    [f32::from_bits(scale ^ 1f32.to_bits()), f32::from_bits(sum)]
}

impl Machine<'_, '_> {
    fn kind(&self) -> Kind {
        let descriptor = self.launched.plan.descriptor();
        match descriptor.unit() {
            Unit::Cumulative if !self.of_channel() => Kind::Sum,
            Unit::Cumulative => Kind::Count,
            Unit::Relaxed => Kind::Decay,
            Unit::ForwardFill if descriptor.limit_steps().is_some() => Kind::Age,
            _ => Kind::Fill,
        }
    }

    pub fn is_number(&self) -> bool {
        let bordered = self.launched.plan.descriptor().sequences_kind() != Sequences::Rows;
        !self.of_channel()
            || bordered
            || matches!(self.launched.plan.descriptor().unit(), Unit::Cumulative | Unit::Relaxed | Unit::ForwardFill)
    }

    /// Whether there is one amplitude for each channel.
    pub fn of_channel(&self) -> bool {
        self.launched.plan.descriptor().amplitude_kind() == Amplitude::PerChannel
    }

    /// Whether sums are rounded only where they are stored for the caller.
    fn rests_sums(&self) -> bool {
        let half = self.launched.plan.descriptor().element_type() != Element::F32;
        half && matches!(self.kind(), Kind::Sum | Kind::Decay)
    }

    /// Whether all that is carried rests in scratch between parts of time.
    fn rests_all(&self) -> bool {
        self.launched.is_bordered()
            && self.launched.params().time_origin > 0
            && self.launched.places.get(Operand::Parent).is_none()
    }

    /// What a register holds of a number.
    fn pattern(&self, number: f32) -> u32 {
        self.launched.plan.descriptor().element_type().pattern(number)
    }

    fn words(&self) -> u64 {
        if matches!(self.kind(), Kind::Count | Kind::Sum) { 1 } else { 2 }
    }

    pub fn epsilon(&self) -> f32 {
        self.launched.params().epsilon
    }

    /// What a step sets to, but for the sign.
    pub fn payload(&mut self, b: u64, t: u64, d: u64, amplitude: u32) -> u32 {
        match self.launched.plan.descriptor().unit() {
            // It was loaded before.
            Unit::ForwardFill => self.again(Operand::Candidate, b, t, d),
            _ if self.of_channel() => amplitude,
            _ => self.load(Operand::Amplitude, b, t, d),
        }
    }

    fn element(&mut self, operand: Operand, b: u64, index: u64, d: u64) -> Words {
        let words = self.words();
        let first = self.load(operand, b, words * index, d);
        [first, if words > 1 { self.load(operand, b, words * index + 1, d) } else { 0 }]
    }

    fn store_element(&mut self, operand: Operand, b: u64, index: u64, d: u64, element: Words) {
        let words = self.words();
        for (word, value) in (0..words).zip(element) {
            self.store(operand, b, words * index + word, d, value);
        }
    }

    fn combine(&self, earlier: Words, later: Words) -> Words {
        match self.kind() {
            Kind::Fill if later[0] == 1 => later,
            Kind::Fill => earlier,
            Kind::Age if later[0] & 1 == 1 => later,
            Kind::Age => [earlier[0] + later[0], earlier[1]],
            Kind::Count => [earlier[0].wrapping_add(later[0]), 0],
            Kind::Sum => [(f32::from_bits(earlier[0]) + f32::from_bits(later[0])).to_bits(), 0],
            Kind::Decay => {
                let ([a, s], [b, t]) = (floats(earlier), floats(later));
                [(a * b).to_bits() ^ 1f32.to_bits(), (b * s + t).to_bits()]
            }
        }
    }

    pub fn probe_number(&mut self, b: u64, index: u64, d: u64, threshold: Option<[u32; 2]>) {
        let (begin, end) = self.tile(index);
        let needs_amplitude = matches!(self.kind(), Kind::Fill | Kind::Decay) && self.of_channel();
        let amplitude = if needs_amplitude { self.load(Operand::Amplitude, 0, 0, d) } else { 0 };
        let mut tile = [0; 2];
        // A sum goes up through its steps, all others down.
        let ascends = matches!(self.kind(), Kind::Count | Kind::Sum | Kind::Decay);
        for back in 0..end - begin {
            let t = if ascends { begin + back } else { end - 1 - back };
            let (sets, positive) = self.gate(b, t, d, threshold);
            let entered = back == 0 || t % 32 == 31;
            let borders = if entered { self.borders_of(b, t / 32, t % 32) } else { self.borders_again(b, t / 32, t % 32) };
            let sets = self.masked(sets, [b, t, d], entered) && borders.inside;
            let payload = self.payload(b, t, d, amplitude);
            let element = match self.kind() {
                // One step more.
                Kind::Age if !sets => [2, 0],
                _ if !sets => [0; 2],
                Kind::Fill | Kind::Age => [1, self.state_of(payload, positive)],
                Kind::Count => [if positive { 1 } else { u32::MAX }, 0],
                Kind::Sum => [self.number(self.state_of(payload, positive)).to_bits(), 0],
                Kind::Decay => {
                    let set_state = self.number(self.state_of(payload, positive)).to_bits();
                    [self.epsilon().to_bits() ^ 1f32.to_bits(), set_state]
                }
            };
            tile = if ascends { self.combine(tile, element) } else { self.combine(element, tile) };
            if matches!(self.kind(), Kind::Fill | Kind::Age) && sets {
                break;
            }
            if borders.begins {
                let row = self.row_of(b, t / 32, t % 32);
                let initial = row.map_or(0, |row| self.load(Operand::InitialState, row, 0, d));
                tile = self.combine([1, initial], tile);
                break;
            }
        }
        self.store_element(Operand::Aggregates, b, index, d, tile);
    }

    fn children_of(&self, index: u64) -> std::ops::Range<u64> {
        32 * index..(32 * index + 32).min(self.launched.params().steps.into())
    }

    pub fn carry_reduce(&mut self, b: u64, index: u64, d: u64) {
        let mut node = [0; 2];
        for child in self.children_of(index) {
            let child = self.element(Operand::Children, b, child, d);
            node = self.combine(node, child);
        }
        self.store_element(Operand::Aggregates, b, index, d, node);
    }

    pub fn carry_scan(&mut self, b: u64, index: u64, d: u64) {
        let mut before = self.element(Operand::Parent, b, index, d);
        for child in self.children_of(index) {
            let element = self.element(Operand::Children, b, child, d);
            self.store_element(Operand::Children, b, child, d, before);
            before = self.combine(before, element);
        }
    }
}

/// Whether the bits of states are those of the oracle, or of sums nearly. How nearly is the conformance suite's matter.
pub fn near(plan: &Plan, actual: &[u32], expected: &[f32]) -> bool {
    let element = plan.descriptor().element_type();
    let rounds = matches!(plan.descriptor().unit(), Unit::Cumulative | Unit::Relaxed);
    let (tolerance, largest) = match element {
        Element::F32 => (1e-4, f32::INFINITY),
        // What is larger can be infinite.
        Element::F16 => (1e-2, 65_000.0),
        Element::Bf16 => (1e-2, f32::INFINITY),
    };
    // A high power of ε is 0, and nothing is promised of 0 times an infinity.
    let scales = plan.descriptor().unit() == Unit::Relaxed;
    let close = |a: f32, e: f32| {
        if scales && a.is_nan() && e.is_infinite() {
            return true;
        }
        let [a, e] = [a, e].map(|x| x.clamp(-largest, largest));
        (a - e).abs() <= tolerance * (1.0 + e.abs()) || a.is_nan() && e.is_nan() || a == e
    };
    actual.len() == expected.len()
        && actual
            .iter()
            .zip(expected)
            .all(|(&bits, &value)| bits == element.encode(value) || rounds && close(element.decode(bits), value))
}
