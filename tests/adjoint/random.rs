//! Random cases, the same for everyone.

use bmru::{Boundary, Incoming, InitialState};

use crate::case::{Case, Options, Thresholds};

/// How often candidates leave their region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    Never,
    Rare,
    Half,
    Always,
}

pub const RATES: [Rate; 4] = [Rate::Never, Rate::Rare, Rate::Half, Rate::Always];

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, count: u64) -> u64 {
        self.next() % count
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// From 0 to 1.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32
    }

    pub fn signed(&mut self, magnitude: f32) -> f32 {
        if self.one_in(2) { -magnitude } else { magnitude }
    }

    /// Of a magnitude from `least` to `most`.
    pub fn between(&mut self, least: f32, most: f32) -> f32 {
        let magnitude = least + (most - least) * self.unit();
        self.signed(magnitude)
    }

    /// 0, or of a magnitude from 2⁻⁴ to 2⁴.
    pub fn gradient(&mut self) -> f32 {
        let magnitude = if self.one_in(10) { 0.0 } else { (self.unit() * 8.0 - 4.0).exp2() };
        self.signed(magnitude)
    }

    pub fn leaves(&mut self, rate: Rate) -> bool {
        match rate {
            Rate::Never => false,
            Rate::Rare => self.one_in(20),
            Rate::Half => self.one_in(2),
            Rate::Always => true,
        }
    }
}

/// Where candidates and thresholds lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Grain {
    /// Sixteenths, so that zeros and `|c| = |r|` are frequent, and one unit beside the edge.
    Sixteenths,
    /// Anywhere, with NaN and infinities among them.
    Anywhere,
}

impl Case {
    /// A case of the given size whose values do not repeat.
    pub fn random(options: Options, [batch, time, channels]: [usize; 3], rate: Rate, grain: Grain, rng: &mut Rng) -> Self {
        let (elements, rows) = (batch * time * channels, batch * channels);
        let given = |present: bool, count| if present { count } else { 0 };
        let thresholds = if options.thresholds == Thresholds::PerChannel { channels } else { elements };
        let has_h0 = options.initial_state == InitialState::Given;
        let mut case = Self {
            options,
            batch,
            time,
            channels,
            c: vec![0.0; elements],
            r: (0..thresholds).map(|_| threshold(options.boundary, rate, grain, rng)).collect(),
            alpha: (0..channels).map(|_| rng.between(0.25, 3.25)).collect(),
            h0: Vec::new(),
            dh: (0..given(options.incoming != Incoming::FinalState, elements)).map(|_| rng.gradient()).collect(),
            dh_final: (0..given(options.incoming != Incoming::States, rows)).map(|_| rng.gradient()).collect(),
        };
        // Now and then a state that the unit could have set itself, or none.
        let h0 = |row| match rng.below(6) {
            0 => case.alpha[row % channels],
            1 => rng.signed(0.0),
            _ => rng.between(0.0, 4.0),
        };
        case.h0 = (0..given(has_h0, rows)).map(h0).collect();
        for (b, d) in case.lanes() {
            for t in 0..time {
                let (at, place) = (case.element(b, t, d), case.threshold(b, t, d));
                case.c[at] = candidate(case.r[place], options.boundary, rng.leaves(rate), grain, rng);
                if grain == Grain::Anywhere && rng.one_in(40) {
                    case.c[at] = rng.pick(&[0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
                }
            }
        }
        case
    }
}

fn threshold(boundary: Boundary, rate: Rate, grain: Grain, rng: &mut Rng) -> f32 {
    if grain == Grain::Anywhere {
        let magnitude = if rng.one_in(40) { rng.pick(&[0.0, f32::INFINITY, f32::NAN]) } else { 0.5 + rng.unit() };
        return rng.signed(magnitude);
    }
    // Under Set nothing holds at a threshold of 0.
    let least = u64::from(boundary == Boundary::Set && rate != Rate::Always);
    let sixteenths = if rng.one_in(4) { least } else { least + rng.below(24) };
    rng.signed(sixteenths as f32 / 16.0)
}

fn candidate(r: f32, boundary: Boundary, leaves: bool, grain: Grain, rng: &mut Rng) -> f32 {
    let magnitude = match (grain, leaves) {
        (Grain::Anywhere, true) => r.abs() * (1.1 + 0.9 * rng.unit()),
        (Grain::Anywhere, false) => r.abs() * (0.1 + 0.8 * rng.unit()),
        (Grain::Sixteenths, true) if rng.one_in(8) => f32::from_bits(r.abs().to_bits() + 1),
        (Grain::Sixteenths, false) if rng.one_in(8) && r != 0.0 => f32::from_bits(r.abs().to_bits() - 1),
        (Grain::Sixteenths, leaves) => {
            // The edge belongs to one or the other.
            let on_edge = leaves == (boundary == Boundary::Set);
            let (edge, least) = ((r.abs() * 16.0) as u64, u64::from(!on_edge));
            let away = if rng.one_in(4) { least } else { least + rng.below(24) };
            (if leaves { edge + away } else { edge.saturating_sub(away) }) as f32 / 16.0
        }
    };
    rng.signed(magnitude)
}
