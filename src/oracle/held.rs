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
    /// Of a cumulative unit: sets to +, less those to −. Of a forward fill with a limit: steps since the last value.
    count: i32,
    limit: i32,
    /// What follows a value that is held no longer.
    beyond: f32,
    /// Of a relaxed unit, or a cumulative one with amplitudes per element: the sum, once anything has set.
    sum: Option<f64>,
}

impl Held {
    pub fn new(descriptor: &Descriptor, initial: f32, count: i32) -> Self {
        let limit = descriptor.limit_count();
        let beyond = descriptor.element_type().of_pattern(descriptor.beyond_pattern());
        let carry = descriptor.carry();
        let epsilon = if carry == Carry::Sum { 1.0 } else { descriptor.epsilon_value().into() };
        Self { carry, epsilon, initial, state: initial, count, limit, beyond, sum: None }
    }

    /// A step that does not set.
    pub fn hold(&mut self) {
        if self.carry == Carry::Age {
            self.count = self.count.saturating_add(1);
        }
    }

    /// A step that sets.
    pub fn set(&mut self, state: f32, upper: bool) {
        match self.carry {
            Carry::Codes | Carry::Fill => self.state = state,
            Carry::Age => (self.state, self.count) = (state, 0),
            Carry::Count => self.count = self.count.wrapping_add(if upper { 1 } else { -1 }),
            Carry::Decay | Carry::Sum => {
                self.sum = Some(f64::from(state) + self.epsilon * self.sum.unwrap_or(self.initial.into()));
            }
        }
    }

    /// The state, rounded once; what was never set has its bits.
    pub fn value(&self, amplitude: f32) -> f32 {
        match (self.carry, self.sum) {
            (Carry::Count, _) if self.count != 0 => self.exact(amplitude) as f32,
            (Carry::Decay | Carry::Sum, Some(sum)) => sum as f32,
            (Carry::Age, _) if self.count > self.limit => self.beyond,
            _ => self.state,
        }
    }

    pub fn exact(&self, amplitude: f32) -> f64 {
        match (self.carry, self.sum) {
            (Carry::Count, _) if self.count != 0 => f64::from(self.initial) + f64::from(amplitude) * f64::from(self.count),
            (Carry::Decay | Carry::Sum, Some(sum)) => sum,
            _ => self.state.into(),
        }
    }

    pub fn count(&self) -> i32 {
        self.count
    }

    /// What stays of the state before a step that sets.
    pub fn kept(&self) -> f64 {
        match self.carry {
            Carry::Codes | Carry::Fill | Carry::Age => 0.0,
            Carry::Count => 1.0,
            Carry::Decay | Carry::Sum => self.epsilon,
        }
    }
}
