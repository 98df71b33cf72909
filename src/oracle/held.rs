//! The state of one channel of a row.

use crate::Descriptor;
use crate::carry::Carry;

/// What is held from step to step.
pub(super) struct Held {
    carry: Carry,
    epsilon: f64,
    initial: f32,
    /// What was set last, bit for bit.
    state: f32,
    /// Of a cumulative unit: sets to +, less those to −.
    count: i32,
    /// Of a relaxed unit: the sum, once anything has set.
    sum: Option<f64>,
}

impl Held {
    pub fn new(descriptor: &Descriptor, initial: f32, count: i32) -> Self {
        Self { carry: descriptor.carry(), epsilon: descriptor.epsilon_value().into(), initial, state: initial, count, sum: None }
    }

    /// A step that sets.
    pub fn set(&mut self, state: f32, upper: bool) {
        match self.carry {
            Carry::Codes | Carry::Fill => self.state = state,
            Carry::Count => self.count = self.count.wrapping_add(if upper { 1 } else { -1 }),
            Carry::Decay => {
                self.sum = Some(f64::from(state) + self.epsilon * self.sum.unwrap_or(self.initial.into()));
            }
        }
    }

    /// The state, rounded once; what was never set has its bits.
    pub fn value(&self, amplitude: f32) -> f32 {
        match (self.carry, self.sum) {
            (Carry::Count, _) if self.count != 0 => self.exact(amplitude) as f32,
            (Carry::Decay, Some(sum)) => sum as f32,
            _ => self.state,
        }
    }

    pub fn exact(&self, amplitude: f32) -> f64 {
        match (self.carry, self.sum) {
            (Carry::Count, _) if self.count != 0 => f64::from(self.initial) + f64::from(amplitude) * f64::from(self.count),
            (Carry::Decay, Some(sum)) => sum,
            _ => self.state.into(),
        }
    }

    pub fn count(&self) -> i32 {
        self.count
    }

    /// What stays of the state before a step that sets.
    pub fn kept(&self) -> f64 {
        match self.carry {
            Carry::Codes | Carry::Fill => 0.0,
            Carry::Count => 1.0,
            Carry::Decay => self.epsilon,
        }
    }
}
