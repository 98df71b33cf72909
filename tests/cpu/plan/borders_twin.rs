//! The twins of what finds the borders of sequences, and of what walks read of them: the sequence of each step by a plain search, where
//! the shader bisects.

use bmru::{Descriptor, FinalState, InitialState, Limits, Operand, Sequences, Shape, Stage, Strategy, TimeOrder, Tuning};

use super::checks::check;
use super::numbers::Number;
use super::twin::{Machine, agree};

const NO_SEQUENCE: u32 = u32::MAX;

/// What a step is to the sequences of its row.
#[derive(Clone, Copy, Default)]
pub struct Step {
    /// The state before it is an initial one.
    pub begins: bool,
    /// It is the last of a packed sequence.
    pub ends: bool,
    /// It belongs to one.
    pub inside: bool,
}

impl Machine<'_, '_> {
    /// 32 steps of a row, in the order in which they are taken.
    pub fn borders(&mut self, b: u64, word: u64) {
        let params = *self.launched.params();
        let [total, lanes, count] = [params.time_total, params.tile_steps, params.steps].map(u64::from);
        let first = u64::from(params.time_origin) + 32 * word;
        let steps = (total - first).min(32);
        let descends = self.launched.plan.descriptor().order_of_time() == TimeOrder::Descending;
        let time = |step: u64| if descends { total - 1 - step } else { step };
        let mut bits = [0; 3];
        if self.launched.plan.descriptor().sequences_kind() == Sequences::Resets {
            for k in 0..steps {
                let t = time(first + k);
                bits[0] |= (self.load(Operand::Resets, b, t / 32, 0) >> (t % 32) & 1) << k;
            }
            return self.store_lanes(b, word, 0, lanes, bits[0]);
        }
        // A search of its own, so that it moves something else.
        let borders: Vec<u64> = (0..=count).map(|n| self.again(Operand::CuSeqlens, 0, n, 0).into()).collect();
        let sequence = |t: u64| (0..count).find(|&n| borders[n as usize] <= t && t < borders[n as usize + 1]);
        for k in 0..steps {
            let step = first + k;
            let here = sequence(time(step));
            let differs = |other: u64| sequence(time(other)) != here;
            let (begins, ends) = (step == 0 || differs(step - 1), step + 1 == total || differs(step + 1));
            bits[0] |= u32::from(begins) << k;
            bits[1] |= u32::from(ends && here.is_some()) << k;
            bits[2] |= u32::from(here.is_some()) << k;
            self.store(Operand::Borders, b, word, 3 * lanes + k, here.map_or(NO_SEQUENCE, |n| n as u32));
        }
        for (line, bits) in (0..).zip(bits) {
            self.store_lanes(b, word, line, lanes, bits);
        }
    }

    fn store_lanes(&mut self, b: u64, word: u64, line: u64, lanes: u64, bits: u32) {
        for lane in 0..lanes {
            self.store(Operand::Borders, b, word, line * lanes + lane, bits);
        }
    }

    pub fn is_packed(&self) -> bool {
        self.launched.packed().is_some()
    }

    /// What a walk is told of a step; the word is counted from that in which the part begins.
    pub fn borders_of(&mut self, b: u64, word: u64, bit: u64) -> Step {
        if !self.launched.is_bordered() {
            return Step { begins: false, ends: false, inside: true };
        }
        let mut bit_of = |line| self.load(Operand::Borders, b, word, line) >> bit & 1 == 1;
        let begins = bit_of(0);
        if self.launched.packed().is_none() {
            return Step { begins, ends: false, inside: true };
        }
        let mut bit_of = |line| self.load(Operand::Borders, b, word, line) >> bit & 1 == 1;
        Step { begins, ends: bit_of(1), inside: bit_of(2) }
    }

    /// The same, where it is in a register.
    pub fn borders_again(&mut self, b: u64, word: u64, bit: u64) -> Step {
        let moved = self.moved;
        let step = self.borders_of(b, word, bit);
        self.moved = moved;
        step
    }

    /// The row of the initial and the final state of a step.
    pub fn row_of(&mut self, b: u64, word: u64, bit: u64) -> Option<u64> {
        if self.launched.packed().is_none() {
            return Some(b);
        }
        let (lane, width) = (self.lane, self.launched.width());
        self.lane = bit % width;
        let row = self.load(Operand::Borders, b, word, 3 + bit / width);
        self.lane = lane;
        (row != NO_SEQUENCE).then_some(row.into())
    }

    /// Whether packed sequence `n` of the part has no steps.
    pub fn is_empty(&mut self, n: u64) -> bool {
        let total = self.launched.params().time_total;
        let moved = self.moved;
        let [begin, end] = [0, 1].map(|border| self.load(Operand::CuSeqlens, n, border, 0).min(total));
        // A vector asks once.
        self.moved = if self.lane == 0 { self.moved } else { moved };
        end <= begin
    }

    pub fn hand_on_empty(&mut self, n: u64, d: u64) {
        if !self.is_empty(n) {
            return;
        }
        let amplitude = self.load(Operand::Amplitude, 0, 0, d);
        let number = Number::start(self, Some(n), d, amplitude);
        self.store(Operand::FinalState, n, 0, d, number.bits);
        self.store(Operand::FinalCount, n, 0, d, number.count as u32);
        let initial = self.again(Operand::InitialState, n, 0, d);
        self.store(Operand::SavedInitialState, n, 0, d, initial);
        if self.launched.params().time_total == 0 && n == 0 {
            self.store(Operand::SavedAmplitude, 0, 0, d, amplitude);
        }
    }

    /// The gradients that come into a step on its way through a stretch.
    pub fn incoming_of(&mut self, b: u64, step: u64, d: u64) -> f32 {
        let of_state = f32::from_bits(self.load(Operand::StatesGradient, b, step, d));
        let Step { ends, inside, .. } = self.borders_of(b, step / 32, step % 32);
        let mut incoming = if inside { of_state } else { 0.0 };
        if let Some(row) = if ends && self.is_packed() { self.row_of(b, step / 32, step % 32) } else { None } {
            incoming += f32::from_bits(self.load(Operand::FinalStateGradient, row, 0, d));
        }
        incoming
    }
}

/// Borders that are found in parts of time, by walks that rest and tiles that do not, in both orders of time.
#[test]
fn twins_agree_on_borders_in_parts() {
    // 25 words are found at a time, of 29 in each row.
    let limits = Limits { max_compute_workgroups_per_dimension: 5, ..Limits::default() };
    for (batch, sequences) in [(1, Sequences::Packed { count: 9 }), (2, Sequences::Resets)] {
        for (order, strategy) in [
            (TimeOrder::Ascending, Strategy::Serial),
            (TimeOrder::Descending, Strategy::Tiles),
            (TimeOrder::Descending, Strategy::Serial),
            (TimeOrder::Ascending, Strategy::Tiles),
        ] {
            let tuning = Tuning { tile_steps: 32, workgroup_size: 1, ..Tuning::software() }.with_strategy(strategy);
            let descriptor = Descriptor::bmru(Shape { batch, time: 900, channels: 1 })
                .sequences(sequences)
                .time_order(order)
                .initial_state(InitialState::Given)
                .final_state(FinalState::Written);
            let plan = descriptor.forward(&limits, &tuning).expect("it fits");
            check(&plan, &tuning).unwrap_or_else(|error| panic!("{error}"));
            let found = plan.dispatches().iter().filter(|dispatch| plan.stage(dispatch) == Stage::Borders);
            assert!(found.count() > 1, "borders in one part: {plan}");
            for seed in 0..8 {
                let agreed = agree(&plan, seed).and_then(|miscounted| miscounted.map_or(Ok(()), Err));
                agreed.unwrap_or_else(|error| panic!("{sequences:?}, {order:?}, seed {seed}: {error}"));
            }
        }
    }
}
