//! The twins of the stages of the backward pass, in single precision: every plan must give the bits of every other, and the
//! oracle's numbers where nothing is rounded.

use std::collections::BTreeMap;

use bmru::oracle::{self, forward};
use bmru::{
    Amplitude, Boundary, Descriptor, Direction, Element, Gradient, IncomingGradients, Inputs, Limits, Operand, Plan, Save, Shape,
    Slot, Stage, Strategy, Surrogate, Threshold, Tuning, Unit, View,
};
use proptest::prelude::any;

use super::checks::{self, ensure, planned};
use super::twin::{Machine, Memory, Miscounted, OF_STEPS, POISON, borders, data, poison_slack, raise, run};
use super::{Met, count, for_all, random};

/// What flows in from beyond the block up to the end of its 32^2, ..., 32^7 steps, and from beyond the stretch.
type Carries = [f32; 7];

fn carried(carries: Carries) -> f32 {
    let (&beyond, rest) = carries.split_last().expect("seven of them");
    rest.iter().rev().fold(beyond, |sum, carry| carry + sum)
}

fn leave_block(old: Carries, gradient: f32, held: f32, time: u64) -> Carries {
    let mut carries = old.map(|carry| passed(carry, held));
    carries[0] += gradient;
    for level in 0..5 {
        if time.is_multiple_of(1024 << (5 * level)) {
            carries[level + 1] += std::mem::take(&mut carries[level]);
        }
    }
    carries
}

/// What is held altogether passes as it is, and of what is dropped nothing does.
fn passed(value: f32, held: f32) -> f32 {
    if held == 0.0 { 0.0 } else { held * value }
}

impl Machine<'_, '_> {
    fn scales(&self) -> bool {
        self.launched.plan.descriptor().unit() == Unit::Relaxed
    }

    fn code_lines(&self) -> u64 {
        if self.is_number() { 1 } else { 2 }
    }

    /// How much of a stretch's word is held: a flag, or a factor.
    fn held_of(&self, word: u32) -> f32 {
        if self.scales() { f32::from_bits(word) } else { word as f32 }
    }

    fn word_of(&self, held: f32) -> u32 {
        if self.scales() { held.to_bits() } else { held as u32 }
    }

    fn load_float(&mut self, operand: Operand, b: u64, t: u64, d: u64) -> f32 {
        f32::from_bits(self.load(operand, b, t, d))
    }

    fn store_float(&mut self, operand: Operand, b: u64, t: u64, d: u64, value: f32) {
        self.store(operand, b, t, d, value.to_bits());
    }

    pub fn hand_over(&mut self, b: u64, d: u64) {
        let mut row = self.load(Operand::Source, b, 0, d);
        if self.launched.asks_for_empty() && self.is_empty(b) {
            row = self.load(Operand::FinalStateGradient, b, 0, d);
        }
        self.store(Operand::Target, b, 0, d, row);
    }

    pub fn sum_reduce(&mut self, b: u64, node: u64, d: u64) {
        let end = (32 * node + 32).min(self.launched.params().steps.into());
        let mut sum = 0.0;
        for term in 32 * node..end {
            sum += self.load_float(Operand::Terms, b, term, d);
        }
        self.store_float(Operand::Sum, b, node, d, sum);
    }

    /// The stages over stretches and nodes.
    pub fn adjoint(&mut self, b: u64, index: u64, d: u64) {
        match self.launched.stage() {
            Stage::AdjointReduce => self.adjoint_reduce(b, index, d),
            Stage::AdjointTreeReduce => self.adjoint_tree_reduce(b, index, d),
            Stage::AdjointTreeScan => self.adjoint_tree_scan(b, index, d),
            stage => unreachable!("{stage} is new"),
        }
    }

    fn adjoint_reduce(&mut self, b: u64, index: u64, d: u64) {
        if self.scales() {
            return self.reduce_scaled(b, index, d);
        }
        // From behind the part of a stretch, if it is one, to the end of the stretch.
        let params = self.launched.params();
        let (begin, _) = self.tile(index);
        let end = (begin / 1024 * 1024 + 1024).min(params.steps.into());
        let begin = (begin + u64::from(params.time_origin)).min(end);
        let mut first_set = end;
        for word in (begin..end).step_by(32).map(|step| step / 32) {
            let z = self.load(Operand::Codes, b, self.code_lines() * word, d);
            let begins: u32 = (0..32).map(|bit| u32::from(self.borders_again(b, word, bit).begins) << bit).sum();
            let z = z | begins;
            if z != 0 {
                first_set = first_set.min(32 * word + u64::from(z.trailing_zeros()));
            }
        }
        let mut leaving = 0.0;
        let mut step = first_set;
        while step > begin {
            let block_begin = begin.max((step - 1) / 32 * 32);
            let mut gradient = 0.0;
            while step > block_begin {
                step -= 1;
                gradient += self.incoming_of(b, step, d);
            }
            leaving += gradient;
        }
        self.store_float(Operand::Stretches, b, 2 * index, d, leaving);
        self.store(Operand::Stretches, b, 2 * index + 1, d, u32::from(first_set == end));
    }

    fn reduce_scaled(&mut self, b: u64, index: u64, d: u64) {
        let (begin, end) = self.tile(index);
        let (mut leaving, mut held) = (0.0, 1.0);
        for word in (begin / 32..end.div_ceil(32)).rev() {
            let z = self.load(Operand::Codes, b, word, d);
            let (mut gradient, mut block_held) = (0.0, 1.0);
            for step in (begin.max(32 * word)..end.min(32 * word + 32)).rev() {
                gradient += self.incoming_of(b, step, d);
                if z >> (step % 32) & 1 == 1 {
                    gradient *= self.epsilon();
                    block_held *= self.epsilon();
                }
                if self.borders_again(b, word, step % 32).begins {
                    (gradient, block_held) = (0.0, 0.0);
                }
            }
            let passes = if self.launched.is_bordered() { passed(leaving, block_held) } else { leaving * block_held };
            leaving = gradient + passes;
            held *= block_held;
        }
        self.store_float(Operand::Stretches, b, 2 * index, d, leaving);
        self.store_float(Operand::Stretches, b, 2 * index + 1, d, held);
    }

    /// The children of a node, far to near: what each passes on, and whether it holds.
    fn children(&self, index: u64) -> impl Iterator<Item = u64> + use<> {
        (32 * index..(32 * index + 32).min(self.launched.params().steps.into())).rev()
    }

    fn child(&mut self, b: u64, child: u64, d: u64) -> (f32, f32) {
        let leaving = self.load_float(Operand::Children, b, 2 * child, d);
        let held = self.load(Operand::Children, b, 2 * child + 1, d);
        (leaving, self.held_of(held))
    }

    fn adjoint_tree_reduce(&mut self, b: u64, index: u64, d: u64) {
        let (mut leaving, mut held) = (0.0, 1.0);
        for child in self.children(index) {
            let (child_leaving, child_held) = self.child(b, child, d);
            leaving = child_leaving + passed(leaving, child_held);
            held *= child_held;
        }
        self.store_float(Operand::Stretches, b, 2 * index, d, leaving);
        self.store(Operand::Stretches, b, 2 * index + 1, d, self.word_of(held));
    }

    fn adjoint_tree_scan(&mut self, b: u64, index: u64, d: u64) {
        let mut beyond = 0.0 + self.load_float(Operand::Beyond, b, index, d);
        let mut within = 0.0;
        for child in self.children(index) {
            self.store_float(Operand::ChildrenBeyond, b, child, d, within + beyond);
            let (leaving, held) = self.child(b, child, d);
            within = leaving + passed(within, held);
            beyond = passed(beyond, held);
        }
    }

    pub fn adjoint_rows(&mut self, group: u64, index: u64, d: u64) {
        let rows = self.rows_of(group);
        let counts = self.launched.plan.descriptor().unit() == Unit::Cumulative;
        let from = if counts { Operand::Amplitude } else { Operand::SavedAmplitude };
        // What rows have in common.
        let amplitude = if self.of_channel() { self.load(from, 0, 0, d) } else { 0 };
        let per_channel = self.thresholds(rows.start, self.tile(index).0, d);
        for b in rows {
            self.walk(b, index, d, (amplitude, per_channel));
        }
    }

    fn walk(&mut self, b: u64, index: u64, d: u64, (amplitude, per_channel): (u32, Option<[u32; 2]>)) {
        let params = *self.launched.params();
        let [origin, total] = [params.time_origin, params.time_total].map(u64::from);
        let (begin, end) = self.tile(index);
        let (begin, end) = (origin + begin, origin + end);
        let counts = self.launched.plan.descriptor().unit() == Unit::Cumulative;
        let (scales, of_channel) = (self.scales(), self.of_channel());
        // Before the only step lies the initial state, and one word of codes tells the first set.
        let time = self.launched.plan.descriptor().shape().time;
        let resumes = self.launched.places.get(Operand::Registers).is_some();
        let (one_step, one_word) = (time == 1, time <= 32 && !resumes);
        let initial_state = self.load(Operand::SavedInitialState, b, 0, d);
        let mut first_set = if one_word { u64::MAX } else { u64::from(self.load(Operand::FirstSet, b, 0, d)) };
        let beyond = self.load_float(Operand::Beyond, b, index * u64::from(params.tile_steps) / 1024, d);
        let parts = self.launched.places.get(Operand::Within).is_some();
        // The gradient, seven carries, and of both sums that of the block and that of 1,024 steps.
        let mut registers = [0.0; 16];
        registers[7] = 0.0 + beyond;
        if parts {
            registers[1] = self.load_float(Operand::Within, b, 2 * index, d);
            let held = self.load(Operand::Within, b, 2 * index + 1, d);
            registers[7] = passed(registers[7], held as f32);
        }
        registers[12] = f32::from(u8::from(scales));
        if resumes && end < total {
            let load = |number| if self.keeps(number) { self.load_float(Operand::Registers, b, number as u64, d) } else { 0.0 };
            registers = std::array::from_fn(load);
        }
        // What of the carry passes the steps of the block behind the step at hand, where steps scale it.
        let mut held = if scales { registers[12] } else { 1.0 };
        let mut gradient = registers[0];
        let mut carries: Carries = std::array::from_fn(|number| registers[1 + number]);
        // Of amplitudes, thresholds and low thresholds.
        // And where a row is reset, what comes to its initial state.
        let [mut blocks, mut sums] = [0, 1].map(|place| [8, 10, 12, 14].map(|pair| registers[pair + place]));
        if scales {
            (blocks[2], sums[2]) = (0.0, 0.0);
        }

        for word in (begin / 32..end.div_ceil(32)).rev() {
            let codes = self.code_lines() * (word - origin / 32);
            let z = self.load(Operand::Codes, b, codes, d);
            if one_word && z != 0 {
                first_set = z.trailing_zeros().into();
            }
            let signs = if self.is_number() || one_step { 0 } else { self.load(Operand::Codes, b, codes + 1, d) };
            let block_end = end.min(32 * word + 32);
            let walked = z.checked_shr((block_end - 32 * word) as u32).unwrap_or(0);
            let word_of_part = word - origin / 32;
            self.borders_of(b, word_of_part, 0);
            let begins: u32 = (0..32).map(|bit| u32::from(self.borders_again(b, word_of_part, bit).begins) << bit).sum();
            let cuts = z | if scales { 0 } else { begins };
            let walked = walked | begins.checked_shr((block_end - 32 * word) as u32).unwrap_or(0);
            let mut carry = if walked == 0 || scales { carried(carries) } else { 0.0 };
            for time in (begin.max(32 * word)..block_end).rev() {
                let t = time - origin;
                let candidate = self.load(Operand::Candidate, b, t, d);
                let [threshold, low] = per_channel.unwrap_or_else(|| self.load_thresholds(b, t, d));
                let incoming = self.load_float(Operand::StatesGradient, b, t, d);
                let ends = z >> (time % 32) & 1 == 1;
                let sets = if counts { self.action(candidate, [threshold, low]).0 } else { ends };
                let amplitude = if of_channel { amplitude } else { self.load(Operand::Amplitude, b, t, d) };
                let borders = self.borders_again(b, word_of_part, time % 32);
                let row = if borders.begins || borders.ends { self.row_of(b, word_of_part, time % 32) } else { None };
                let before = match () {
                    () if counts => 0,
                    () if borders.begins => row.map_or(0, |row| self.load(Operand::SavedInitialState, row, 0, d)),
                    () if self.is_number() && time == 0 => initial_state,
                    () if self.is_number() => self.load(Operand::StatesBefore, b, t - u64::from(origin == 0), d),
                    () if time <= first_set => initial_state,
                    () => self.state_of(amplitude, signs >> (time % 32) & 1 == 1),
                };
                let mut sum = gradient + if borders.inside { incoming } else { 0.0 };
                if borders.ends {
                    let row = row.expect("it ends there");
                    sum += self.load_float(Operand::FinalStateGradient, row, 0, d);
                }
                let passes = if self.launched.is_bordered() { passed(carry, held) } else { carry * held };
                let g = sum + if scales { passes } else { carry };
                (gradient, carry) = match () {
                    () if ends && scales => (self.epsilon() * sum, carry),
                    () if ends => (0.0, 0.0),
                    () => (sum, carry),
                };
                held = if ends && scales { self.epsilon() * held } else { held };
                if borders.begins {
                    let leaving = match () {
                        () if ends && scales => self.epsilon() * g,
                        () if ends => 0.0,
                        () => g,
                    };
                    match row {
                        _ if !self.is_packed() => blocks[3] += leaving,
                        Some(row) => self.store_float(Operand::InitialStateGradient, row, 0, d, leaving),
                        None => {}
                    }
                    (gradient, carry) = (0.0, if scales { carry } else { 0.0 });
                    held = 0.0;
                }
                let element = self.gate_adjoint([candidate, threshold, low, amplitude, before].map(f32::from_bits), g, sets);
                let element = if borders.inside { element } else { [0.0; 4] };
                self.store_float(Operand::CandidateGradient, b, t, d, element[0]);
                self.store_float(Operand::ThresholdGradient, b, t, d, element[1]);
                self.store_float(Operand::LowThresholdGradient, b, t, d, element[2]);
                self.store_float(Operand::AmplitudeGradient, b, t, d, element[3]);
                blocks[0] += element[3];
                for (block, terms) in [(1, Operand::ThresholdTerms), (2, Operand::LowThresholdTerms)] {
                    blocks[block] += if self.launched.places.get(terms).is_some() { element[block] } else { 0.0 };
                }
                if time == 0 && !self.is_packed() {
                    let bordered = self.launched.is_bordered();
                    let leaving = match () {
                        () if borders.begins => 0.0,
                        () if scales && bordered => gradient + passed(carry, held),
                        () if scales => gradient + carry * held,
                        () if ends => 0.0,
                        () => g,
                    };
                    if bordered {
                        blocks[3] += leaving;
                    } else {
                        self.store_float(Operand::InitialStateGradient, b, 0, d, leaving);
                    }
                }
            }
            let time = begin.max(32 * word);
            if time % 32 == 0 {
                let block_held = if scales { held } else { f32::from(u8::from(cuts == 0)) };
                carries = leave_block(carries, std::mem::take(&mut gradient), block_held, time);
                held = 1.0;
                for (sum, block) in sums.iter_mut().zip(&mut blocks) {
                    *sum += std::mem::take(block);
                }
            }
            let term_steps = if parts { 32 } else { 1024 };
            if time % term_steps == 0 {
                let mut term = time / term_steps - origin / term_steps;
                if parts {
                    // Far to near within their stretch.
                    let (first, blocks) = (term / 32 * 32, u64::from(params.steps).div_ceil(32));
                    term = first + (blocks - first).min(32) - 1 - term % 32;
                }
                let terms =
                    [Operand::AmplitudeTerms, Operand::ThresholdTerms, Operand::LowThresholdTerms, Operand::InitialStateTerms];
                for (operand, sum) in terms.into_iter().zip(&mut sums) {
                    self.store_float(operand, b, term, d, std::mem::take(sum));
                }
            }
        }
        if resumes {
            let of_sums = blocks.into_iter().zip(sums).flat_map(|(block, sum)| [block, sum]);
            let mut registers: Vec<f32> = [gradient].into_iter().chain(carries).chain(of_sums).collect();
            if scales {
                registers[12] = held;
            }
            for (number, register) in registers.into_iter().enumerate() {
                if self.keeps(number) {
                    self.store_float(Operand::Registers, b, number as u64, d, register);
                }
            }
        }
    }

    /// Whether a walk keeps the register of this number.
    fn keeps(&self, number: usize) -> bool {
        let unit = self.launched.plan.descriptor().unit();
        match number {
            0..12 => true,
            12 => matches!(unit, Unit::Relaxed | Unit::FirstQuadrant),
            13 => unit == Unit::FirstQuadrant,
            _ => self.launched.is_bordered(),
        }
    }

    /// Gradients of candidate, thresholds and amplitude of one step. A slope less makes no difference to a plan, so that two
    /// surrogates are enough.
    fn gate_adjoint(&self, [c, r, low, amplitude, before]: [f32; 5], g: f32, sets: bool) -> [f32; 4] {
        let descriptor = self.launched.plan.descriptor();
        let slope = |surrogate, u: f32| match surrogate {
            Surrogate::Boxcar { half_width } => {
                if u.abs() < half_width {
                    0.5 / half_width
                } else {
                    0.0
                }
            }
            _ => 1.0 / (1.0 + u * u),
        };
        let [gate, sign] = descriptor.surrogate_pair();
        if descriptor.unit() == Unit::FirstQuadrant {
            let fires = |a: f32, b: f32| a > b || (a == b && descriptor.boundary_rule() == Boundary::Set);
            let (high, below) = (fires(c, r), fires(low, c));
            let by = |u: f32, w: f32| if u.is_finite() { slope(gate, u) * (g * w) } else { 0.0 };
            let by_high = by(c - r, amplitude - if below { 0.0 } else { before });
            let by_low = by(low - c, if high { 0.0 } else { before });
            let flipped = |value: f32, u: f32| if u.is_finite() { -value } else { 0.0 };
            let gradient = if high { g } else { 0.0 };
            return [by_high + by_low, flipped(by_high, c - r), flipped(by_low, low - c), gradient];
        }
        let plus = c > 0.0 || (c == 0.0 && descriptor.boundary_rule() == Boundary::Set);
        let of_amplitude = if !sets {
            0.0
        } else if plus {
            g
        } else {
            -g
        };
        if !c.is_finite() || !r.is_finite() {
            return [0.0, 0.0, 0.0, of_amplitude];
        }
        let signed = |x: f32, value: f32| {
            if x > 0.0 {
                value
            } else if x < 0.0 {
                -value
            } else {
                0.0
            }
        };
        let lost = if self.scales() { (1.0 - self.epsilon()) * before } else { before };
        let w = if plus { amplitude } else { -amplitude } - lost;
        let through_gate = slope(gate, c.abs() - r.abs()) * (g * w);
        let through_sign = if sets { g * amplitude * (2.0 * slope(sign, c)) } else { 0.0 };
        [signed(c, through_gate) + through_sign, signed(-r, through_gate), 0.0, of_amplitude]
    }
}

const OUTPUTS: [Operand; 5] = [
    Operand::CandidateGradient,
    Operand::ThresholdGradient,
    Operand::LowThresholdGradient,
    Operand::AmplitudeGradient,
    Operand::InitialStateGradient,
];

/// In the order of the oracle's gradients.
const SLOTS: [Slot; 4] = [Slot::CandidateGradient, Slot::ThresholdGradient, Slot::AmplitudeGradient, Slot::InitialStateGradient];

/// The inputs of a descriptor. `exact`: whole numbers so small that no sum is rounded.
struct Given {
    slices: BTreeMap<Slot, Vec<f32>>,
    cu_seqlens: Vec<u32>,
    resets: Vec<u32>,
    exact: bool,
}

impl Given {
    fn new(descriptor: &Descriptor, seed: u64, exact: bool) -> Self {
        let mut slices = Vec::new();
        let slots = [
            Slot::Candidate,
            Slot::Threshold,
            Slot::Amplitude,
            Slot::InitialState,
            Slot::InitialCount,
            Slot::StatesGradient,
            Slot::FinalStateGradient,
        ];
        for (number, slot) in slots.into_iter().enumerate() {
            let length = descriptor.slot_elements(slot).expect("the plan exists") as usize;
            let rate = [3, 8, 200][(seed % 3) as usize];
            let mut values = data(length, seed ^ (number as u64) << 60, rate);
            let decides = matches!(slot, Slot::Candidate | Slot::Threshold);
            for (index, value) in values.iter_mut().enumerate() {
                *value = match slot {
                    Slot::Candidate => *value,
                    // Most thresholds are 1, so that candidates decide.
                    Slot::Threshold => {
                        if value.abs() > 3.0 {
                            *value
                        } else {
                            -1.0
                        }
                    }
                    _ if exact => [1.0, -2.0, 3.0, -1.0][(index + seed as usize) % 4],
                    _ => (index as f32 * 0.7 + seed as f32 % 17.0).sin() * 3.0,
                };
                // Incoming gradients are rare, so that sums stay small; candidates are small, so that differences are exact.
                if exact && slot == Slot::StatesGradient && (index as u64).wrapping_mul(0x9e37_79b9) >> 7 & 15 != 0 {
                    *value = 0.0;
                }
                if exact && decides && value.is_finite() {
                    *value = (*value * 4.0).trunc() / 4.0;
                }
            }
            slices.push((slot, values));
        }
        if descriptor.unit() == Unit::FirstQuadrant {
            raise(descriptor, &mut slices);
        }
        let mut slices: BTreeMap<Slot, Vec<f32>> = slices.into_iter().collect();
        if descriptor.amplitude_kind() == Amplitude::PerElement {
            // Wherever they lie, they are as plain as those of channels.
            let slot = descriptor.view(Operand::Amplitude).expect("they are asked for").slot;
            let values = slices.get_mut(&slot).expect("the slot is an input");
            for (number, at) in elements(descriptor, Operand::Amplitude).enumerate() {
                values[at] = [1.0, -2.0, 3.0, -1.0][number % 4];
            }
        }
        let [cu_seqlens, resets] = borders(descriptor, seed);
        let poisoned = [&OF_STEPS[..], &[Operand::StatesGradient]].concat();
        poison_slack(descriptor, &cu_seqlens, &poisoned, |slot, at| {
            slices.get_mut(&slot).expect("the slot is an input")[at] = f32::NAN;
        });
        Self { slices, cu_seqlens, resets, exact }
    }

    fn inputs(&self) -> Inputs<'_> {
        let slot = |slot| &self.slices[&slot][..];
        Inputs {
            candidate: slot(Slot::Candidate),
            threshold: slot(Slot::Threshold),
            amplitude: slot(Slot::Amplitude),
            initial_state: slot(Slot::InitialState),
            initial_count: bytemuck::cast_slice(slot(Slot::InitialCount)),
            cu_seqlens: &self.cu_seqlens,
            resets: &self.resets,
            ..Inputs::default()
        }
    }

    fn incoming(&self) -> IncomingGradients<'_> {
        let slot = |slot| &self.slices[&slot][..];
        IncomingGradients { states: slot(Slot::StatesGradient), final_state: slot(Slot::FinalStateGradient) }
    }
}

fn elements(descriptor: &Descriptor, operand: Operand) -> impl Iterator<Item = usize> + use<> {
    let Shape { batch, time, channels } = descriptor.shape();
    let per_channel = descriptor.threshold_kind() == Threshold::PerChannel;
    let [batch, time] = match operand {
        Operand::AmplitudeGradient if descriptor.amplitude_kind() == Amplitude::PerChannel => [1, 1],
        Operand::ThresholdGradient | Operand::LowThresholdGradient if per_channel => [1, 1],
        Operand::InitialStateGradient => [checks::state_rows(descriptor), 1],
        _ => [batch, time],
    };
    let view = descriptor.view(operand);
    let bounds = view.map_or([batch, time, channels], |view| checks::without_lacking(view, [batch, time, channels]));
    let lacks = matches!(operand, Operand::AmplitudeGradient | Operand::ThresholdGradient | Operand::LowThresholdGradient);
    let [batch, time, channels] = if lacks { bounds } else { [batch, time, channels] };
    let at = |View { offset, strides, .. }: View, b, t, d| {
        (offset + b * strides.batch + t * strides.time + d * strides.channel) as usize
    };
    let rows = (0..batch).flat_map(move |b| (0..time).map(move |t| (b, t)));
    rows.flat_map(move |(b, t)| (0..channels).filter_map(move |d| view.map(|view| at(view, b, t, d))))
}

/// The outputs of a plan, in the order of their slots, over buffers that hold 3 where a gradient is added to.
fn outputs(
    plan: &Plan,
    given: &Given,
    [saved, states]: &[Vec<u32>; 2],
    backwards: bool,
) -> Result<(Vec<Vec<u32>>, Miscounted), String> {
    let descriptor = plan.descriptor();
    let in_bits = |slot, values: &[f32]| {
        let element = descriptor.element_of(slot);
        values.iter().map(|&value| element.encode(value)).collect::<Vec<u32>>()
    };
    let mut memory: Memory = given.slices.iter().map(|(slot, values)| (*slot, in_bits(*slot, values))).collect();
    memory.insert(Slot::CuSeqlens, given.cu_seqlens.clone());
    memory.insert(Slot::Resets, given.resets.clone());
    memory.insert(Slot::Saved, saved.clone());
    memory.insert(Slot::States, states.clone());
    memory.insert(Slot::Scratch, vec![POISON; (plan.slot_bytes(Slot::Scratch) / 4) as usize]);
    for slot in SLOTS {
        memory.insert(slot, vec![POISON; descriptor.slot_elements(slot).expect("the plan exists") as usize]);
    }
    for operand in OUTPUTS {
        if descriptor.gradient_of(operand) == Gradient::Accumulate {
            let slot = descriptor.view(operand).expect("it is written").slot;
            let three = descriptor.element_of(slot).encode(3.0);
            elements(descriptor, operand).for_each(|element| memory.get_mut(&slot).expect("a slot")[element] = three);
        }
    }
    let miscounted = run(plan, &mut memory, backwards)?;
    Ok((SLOTS.iter().map(|slot| memory.remove(slot).expect("a slot")).collect(), miscounted))
}

/// Of scaled gradients additions have no fixed order; and states of 16 bits, which are read again, are rounded.
fn near(element: Element, actual: f32, expected: f64) -> bool {
    let tolerance = if element == Element::F32 { 1e-3 } else { 0.25 };
    let expected = if element == Element::F32 { expected } else { element.round(expected as f32).into() };
    let actual = f64::from(actual);
    (actual - expected).abs() <= tolerance * (1.0 + expected.abs()) || actual.is_nan() && expected.is_nan() || actual == expected
}

/// Runs a plan; the outputs are the oracle's, or those of a walk over everything.
pub fn agree(plan: &Plan, seed: u64, exact: bool) -> Result<Miscounted, String> {
    let descriptor = plan.descriptor();
    let given = Given::new(descriptor, seed, exact);
    let outputs_of_forward =
        forward(&descriptor.clone().save(Save::Codes), &given.inputs()).map_err(|error| error.to_string())?;
    let states = outputs_of_forward.states.iter().map(|&state| descriptor.element_of(Slot::States).encode(state)).collect();
    let saved = [outputs_of_forward.saved, states];
    let rounds = descriptor.unit() == Unit::Relaxed;
    let (actual, miscounted) = outputs(plan, &given, &saved, seed.is_multiple_of(2))?;
    if !given.exact {
        // One walk over everything.
        let tuning = Tuning { max_vector_width: 1, ..Tuning::discrete().with_strategy(Strategy::Serial) };
        let limits = Limits { max_storage_buffers_per_shader_stage: 16, ..Limits::default() };
        let one = descriptor.backward(&limits, &tuning).map_err(|error| error.to_string())?;
        let (expected, _) = outputs(&one, &given, &saved, false)?;
        for (slot, (actual, expected)) in SLOTS.iter().zip(actual.iter().zip(&expected)) {
            let differs = actual.iter().zip(expected).position(|(&actual, &expected)| {
                let of_slot = descriptor.element_of(*slot);
                let [a, e] = [actual, expected].map(|bits| of_slot.decode(bits));
                actual != expected && !(rounds && near(descriptor.element_type(), a, e.into()))
            });
            ensure!(differs.is_none(), "{slot} is another at {differs:?} of\n{plan}");
        }
        return Ok(miscounted);
    }
    let gradients = oracle::backward(descriptor, &given.inputs(), &given.incoming()).map_err(|error| error.to_string())?;
    let expected = [gradients.candidate, gradients.threshold, gradients.amplitude, gradients.initial_state];
    let mut untouched: Vec<Vec<bool>> = actual.iter().map(|words| vec![true; words.len()]).collect();
    for operand in OUTPUTS {
        let Some(view) = descriptor.view(operand) else { continue };
        let slot = SLOTS.iter().position(|&slot| slot == view.slot).expect("a slot of gradients");
        let before = if descriptor.gradient_of(operand) == Gradient::Accumulate { 3.0 } else { 0.0 };
        for element in elements(descriptor, operand) {
            let of_slot = descriptor.element_of(SLOTS[slot]);
            let value = of_slot.decode(actual[slot][element]);
            // In f32 it is exact.
            let exact = expected[slot][element] + before;
            let expected = of_slot.round(exact as f32);
            ensure!(
                value == expected || rounds && near(descriptor.element_type(), value, exact),
                "{operand} {element} is {value}, not {expected}, of\n{plan}"
            );
            untouched[slot][element] = false;
        }
    }
    for (words, untouched) in actual.iter().zip(&untouched) {
        let written = words.iter().zip(untouched).any(|(&word, &untouched)| untouched && word != POISON);
        ensure!(!written, "something is written between the rows");
    }
    Ok(miscounted)
}

#[test]
fn twins_of_random_plans_agree_with_the_oracle() {
    let met = Met::default();
    let random = (random::arguments(random::small_shape()), any::<u64>(), any::<bool>());
    for_all(1000, random, |((descriptor, limits, tuning), seed, exact)| {
        let surrogate = Surrogate::Boxcar { half_width: 1.0 };
        let descriptor = if exact { descriptor.surrogates(surrogate, surrogate) } else { descriptor };
        let Ok(plan) = planned(&descriptor, Direction::Backward, &limits, &tuning) else {
            count(&met.refused, true);
            return Ok(());
        };
        met.met(&plan);
        agree(&plan, seed, exact).map(drop)
    });
    met.assert_at_least(100);
}

/// Walks over vectors of several batch rows, and of one.
#[test]
fn twins_of_short_rows_agree_with_the_oracle() {
    let met = Met::default();
    let arguments = (random::arguments(random::short_rows()), any::<u64>());
    for_all(2000, arguments, |((descriptor, limits, tuning), seed)| {
        let tuning = Tuning { max_vector_width: 4, strategy: Some(Strategy::Serial), ..tuning };
        let Ok(plan) = planned(&descriptor, Direction::Backward, &limits, &tuning) else {
            count(&met.refused, true);
            return Ok(());
        };
        met.met(&plan);
        agree(&plan, seed, false).map(drop)
    });
    println!("rows: {}", met.rows.get());
    assert!(met.rows.get() >= 50, "{} with several rows in a vector", met.rows.get());
}

/// Stretches around one, two, and one and two levels of the tree, or parts of them; and parts of time of every length around a stretch.
#[test]
fn twins_agree_on_every_level_of_the_tree() {
    let tiles = |steps, elements| (Strategy::Tiles, steps, elements);
    for (strategy, min_tile_steps, elements) in [
        tiles(1024, 1 << 26),
        tiles(1024, 2048),
        tiles(512, 1 << 26),
        tiles(128, 2048),
        tiles(32, 1 << 26),
        (Strategy::Serial, 1024, 5000),
        (Strategy::Serial, 1024, 34),
    ] {
        let tuning = Tuning {
            max_dispatch_elements: elements,
            min_tile_steps,
            serial_rows: 1 << 16,
            ..Tuning::software().with_strategy(strategy)
        };
        for time in [1, 1023, 1024, 1025, 2048, 2049, 32_767, 32_768, 32_769, 66_000] {
            if time / elements > 1000 {
                continue;
            }
            for exact in [true, false] {
                let surrogate = Surrogate::Boxcar { half_width: 1.0 };
                let descriptor = Descriptor::bmru(Shape { batch: 1, time, channels: 1 })
                    .surrogates(surrogate, surrogate)
                    .threshold(Threshold::PerChannel);
                let plan = descriptor.backward(&Limits::default(), &tuning).expect("it fits");
                // 200 steps a set at most: longer stretches than a tile hold.
                agree(&plan, 2 + time, exact).unwrap_or_else(|error| panic!("T = {time}: {error}"));
            }
        }
    }
}
