//! Sums that are scaled on the way: the states of relaxed units, and their gradients. How far they may lie off is derived.
//!
//! Let `e` be the `ε` of the unit and `u = 2⁻²³` what one operation may be off by, since WGSL gives either neighbour of the exact
//! result. A state is `Σ_j a_j·e^(k_j)` over the steps that set and `h0`, where `k_j` is how many set behind step `j`.
//!
//! **Rounded, by the loop.** A step that sets multiplies what came before, and adds: `r = 2` roundings of everything before, and
//! one of what it sets. A product with a power of two, 1 among them, is exact: then `r = 1`. Fusing leaves one out.
//!
//! **Rounded, by a tree.** The power of `k` steps is a product of `k` equal factors, `k − 1` roundings in a tree of any form. A
//! stretch in which `k ≥ 1` steps set does to everything before it one product with that power, and one addition: `(k − 1) + 1 + 1
//! ≤ r·k` roundings, no more than the loop. One in which none sets multiplies by 1 and adds 0. What a tree adds is that such an addition
//! rounds the later stretch, too: once at each level at which that is joined to what came before, and once where a tile
//! scales the state before all of time and adds: the `depth` of the plan, 0 without a tree. Elements of tiles must be summed from
//! their beginnings for that: from the end, each step that sets would round the sum of all behind it anew.
//!
//! ```text
//! |h − h*| ≤ Σ_j |a_j|·e^(k_j)·((1 + u)^(r·k_j + 1 + depth) − 1) + |h0|·e^k·((1 + u)^(r·k) − 1) + flushed + lost
//! ```
//!
//! **Flushed.** A driver may make 0 of an operand or a result below `η = 2⁻¹²⁶`. The operations of a step that sets, and of each
//! join behind it, have two operands and two results that may be: `4·η·(1 + depth)`, scaled by what follows; and `η·Σ`
//! if `e` itself is such an operand.
//!
//! **Lost.** A power of `e` below `η` may be 0, and with it all that it scales: of `2¹²⁸`, held until `147` steps of `e = ½` have set, `2⁻¹⁹`
//! should be left. Only so many factors, `U`, are so small, and what is lost of a term is no more than what should be left of it:
//! `Σ |a_j|·e^(k_j)` over those with `k_j ≥ U`, which is `e^U` of the sum before the last `U` steps that set. A driver that keeps such
//! powers rounds them to multiples of `2⁻¹⁴⁹`: each product of a power may be off by one, scaled by the factors that come to it, and so the power
//! by `δ = min(η, depth·2⁻¹⁴⁹/(1 − e))`. It scales a sum `U` steps back, or farther; a later power as small leaves nothing of that
//! error, so that one counts for each level: `depth·δ·max Σ` over all sums that lie that far back. Without a tree there are no powers, and nothing is lost.
//!
//! Gradients go the other way: a step that sets multiplies, `r = 1` or 0, and the additions, which happen at other steps too, are
//! counted by the depth of the backward plan. All else is the same.

use bmru::Descriptor;

/// What one operation may be off by: `2⁻²³`, and `2⁻⁵²` of the oracle's.
const UNIT: f64 = f32::EPSILON as f64 + f64::EPSILON;
/// The least number that no driver flushes.
const LEAST: f64 = f32::MIN_POSITIVE as f64;

/// The sum of one channel: the magnitudes of its terms, and how far it may lie off by being scaled.
#[derive(Clone)]
pub(crate) struct Scaled {
    factor: f64,
    /// Of everything before a step that sets, by that step.
    roundings: i32,
    depth: u64,
    terms: f64,
    rounded: f64,
    flushed: f64,
    /// A power of so many factors may be less than any number that no driver flushes.
    underflows: Option<usize>,
    /// Before the first step that sets, the second and so on: the sum, and the largest up to there.
    before: Vec<[f64; 2]>,
}

impl Scaled {
    /// A state, of a plan of this depth.
    pub fn state(descriptor: &Descriptor, depth: u64, initial: f64) -> Self {
        Self { terms: initial, ..Self::new(descriptor.epsilon_value(), depth, 2) }
    }

    /// A gradient, of a plan of this depth.
    pub fn gradient(descriptor: &Descriptor, depth: u64, of_final_state: f64) -> Self {
        Self { terms: of_final_state, ..Self::new(descriptor.epsilon_value(), depth, 1) }
    }

    fn new(factor: f32, depth: u64, roundings: i32) -> Self {
        let exact = factor == 0.0 || factor.is_normal() && factor.to_bits() << 9 == 0;
        let factor = f64::from(factor);
        let shrinks = -(factor * (1.0 - UNIT)).ln();
        let underflows = (factor > 0.0 && factor < 1.0).then(|| ((-LEAST.ln() / shrinks) as usize).max(1));
        let roundings = if exact { roundings - 1 } else { roundings };
        Self { factor, roundings, depth, terms: 0.0, rounded: 0.0, flushed: 0.0, underflows, before: Vec::new() }
    }

    /// A step that sets to an amplitude.
    pub fn set(&mut self, amplitude: f64) {
        self.scale();
        self.terms += amplitude;
        self.rounded += amplitude * (power(1 + self.depth) - 1.0);
    }

    /// A step that sets scales what came before.
    pub fn scale(&mut self) {
        let sum = self.terms + self.rounded;
        let peak = self.before.last().map_or(0.0, |&[_, peak]| peak);
        self.before.push([sum, sum.max(peak)]);
        let grown = (1.0 + UNIT).powi(self.roundings);
        let of_factor = if self.factor < LEAST { self.factor * self.terms } else { 0.0 };
        self.flushed = self.factor * grown * self.flushed + 4.0 * LEAST * (1 + self.depth) as f64 + of_factor;
        self.rounded = self.factor * (grown * (self.rounded + self.terms) - self.terms);
        self.terms *= self.factor;
    }

    /// A term is added.
    pub fn add(&mut self, magnitude: f64) {
        self.terms += magnitude;
    }

    /// The sum of the magnitudes of all terms.
    pub fn terms(&self) -> f64 {
        self.terms
    }

    /// The largest that any sum of terms may have been.
    pub fn largest(&self) -> f64 {
        self.before.last().map_or(0.0, |&[_, peak]| peak).max(self.terms + self.rounded)
    }

    /// How far it may lie off; not at all while nothing has scaled it.
    pub fn error(&self) -> f64 {
        self.rounded + self.flushed + self.underflows.map_or(0.0, |steps| self.lost(steps))
    }

    /// What powers of so many factors may lose.
    fn lost(&self, steps: usize) -> f64 {
        let Some(at) = self.before.len().checked_sub(steps).filter(|_| self.depth > 0) else { return 0.0 };
        let [sum, peak] = self.before[at];
        let depth = self.depth as f64;
        let of_power = LEAST.min(depth * LEAST * f64::from(f32::EPSILON) / (1.0 - self.factor));
        self.factor.powi(steps as i32) * sum + depth * of_power * peak
    }

    /// How far a state may lie from the oracle's, which is rounded, too.
    pub fn state_error(&self, rounded: f64) -> f64 {
        let half_unit = (f64::from(f32::EPSILON) / 2.0 * rounded.abs()).max(LEAST * f64::from(f32::EPSILON) / 2.0);
        if self.before.is_empty() { 0.0 } else { self.error() + half_unit }
    }
}

/// `(1 + u)^count`
fn power(count: u64) -> f64 {
    (1.0 + UNIT).powi(count as i32)
}

/// The depth of the deepest tree that any plan of so many steps has: above tiles of 32.
pub(crate) fn deepest(time: u64) -> u64 {
    let (mut nodes, mut depth) = (time.div_ceil(32), 1);
    while nodes > 1 {
        nodes = nodes.div_ceil(32);
        depth += 1;
    }
    depth
}
