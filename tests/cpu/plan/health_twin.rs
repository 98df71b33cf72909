//! Twins of the stages of health: steps one by one where the shaders take words of them.

use bmru::{
    Descriptor, Direction, HealthSource, Inputs, Limits, Operand, Plan, Sequences, Shape, Slot, Stage, Threshold, Tuning, Unit,
    oracle,
};
use proptest::prelude::any;

use super::checks::{check, ensure, is_pure, planned};
use super::twin::{Machine, Memory, Miscounted, POISON, data, raise, run};
use super::{Met, count, for_all, random};

const SOURCES: [HealthSource; 2] = [HealthSource::Saved, HealthSource::Inputs];
const NEVER: u32 = u32::MAX;
/// NaN inputs that nobody looked for.
const UNKNOWN: u32 = u32::MAX;

/// What `shaders/health.wgsl` calls a record, in its order.
#[derive(Clone, Copy, Default)]
struct Record {
    sets: u32,
    flips: u32,
    holds: u32,
    longest: u32,
    leading: u32,
    trailing: u32,
    /// The sides of the first and the last set whose side is known.
    sides: Option<(bool, bool)>,
    nans: u32,
}

impl Record {
    /// Takes up a step: whether it sets, and to which side, if that is known.
    fn step(&mut self, sets: bool, side: Option<bool>) {
        if !sets {
            self.holds += u32::from(self.trailing == 0);
            self.trailing += 1;
            self.longest = self.longest.max(self.trailing);
            self.leading += u32::from(self.sets == 0);
            return;
        }
        self.sets += 1;
        self.trailing = 0;
        if let Some(side) = side {
            self.flips += u32::from(self.sides.is_some_and(|(_, last)| last != side));
            self.sides = Some((self.sides.map_or(side, |(first, _)| first), side));
        }
    }

    fn join(self, next: Self) -> Self {
        let flips = matches!((self.sides, next.sides), (Some((_, last)), Some((first, _))) if last != first);
        Self {
            sets: self.sets + next.sets,
            flips: self.flips + next.flips + u32::from(flips),
            holds: self.holds + next.holds - u32::from(self.trailing > 0 && next.leading > 0),
            longest: self.longest.max(next.longest).max(self.trailing + next.leading),
            leading: if self.sets == 0 { self.leading + next.leading } else { self.leading },
            trailing: if next.sets == 0 { self.trailing + next.trailing } else { next.trailing },
            sides: match (self.sides, next.sides) {
                (Some((first, _)), Some((_, last))) => Some((first, last)),
                (sides, None) | (None, sides) => sides,
            },
            nans: if self.nans == UNKNOWN { UNKNOWN } else { self.nans + next.nans },
        }
    }

    fn words(self) -> [u32; 8] {
        let signs = self.sides.map_or(0, |(first, last)| 1 | u32::from(first) << 1 | u32::from(last) << 2);
        [self.sets, self.flips, self.holds, self.longest, self.leading, self.trailing, signs, self.nans]
    }

    fn of_words([sets, flips, holds, longest, leading, trailing, signs, nans]: [u32; 8]) -> Self {
        let sides = (signs & 1 == 1).then_some((signs >> 1 & 1 == 1, signs >> 2 & 1 == 1));
        Self { sets, flips, holds, longest, leading, trailing, sides, nans }
    }
}

impl Machine<'_, '_> {
    pub fn health(&mut self, b: u64, index: u64, d: u64) {
        let record = match self.launched.stage() {
            Stage::HealthReduce => self.health_reduce(b, index, d),
            Stage::HealthClassify => self.health_classify(b, index, d),
            _ => self.health_join(b, index, d),
        };
        for (field, word) in (0..).zip(record.words()) {
            self.store(Operand::Records, b, 8 * index + field, d, word);
        }
    }

    fn health_reduce(&mut self, b: u64, index: u64, d: u64) -> Record {
        let params = *self.launched.params();
        let left = u64::from(params.time_total - params.time_origin);
        let (begin, end) = self.tile(index);
        let mut record = Record { nans: UNKNOWN, ..Record::default() };
        let mut signs = self.load(Operand::Codes, b, 2 * (begin / 32) + 1, d);
        for word in begin / 32..end.div_ceil(32) {
            let z = self.load(Operand::Codes, b, 2 * word, d);
            let next = if 32 * (word + 1) < left { self.load(Operand::Codes, b, 2 * word + 3, d) } else { 0 };
            for step in 32 * word..end.min(32 * (word + 1)) {
                let after = (u64::from(next) << 32 | u64::from(signs)) >> (step % 32 + 1) & 1 == 1;
                record.step(z >> (step % 32) & 1 == 1, (step + 1 < left).then_some(after));
            }
            signs = next;
        }
        record
    }

    fn health_classify(&mut self, b: u64, index: u64, d: u64) -> Record {
        let params = *self.launched.params();
        let left = u64::from(params.time_total - params.time_origin);
        let (begin, end) = self.tile(index);
        let of_channel = self.thresholds(b, begin, d);
        let mut record = Record::default();
        for step in begin..end {
            let candidate = self.load(Operand::Candidate, b, step, d);
            let thresholds = of_channel.unwrap_or_else(|| self.load_thresholds(b, step, d));
            let nan = |pattern| self.number(pattern).is_nan();
            let nans = record.nans + u32::from(nan(candidate) || thresholds.into_iter().any(nan));
            let (sets, upper) = self.action(candidate, thresholds);
            record.step(sets, (step + 1 < left).then_some(upper));
            record.nans = nans;
        }
        record
    }

    fn health_join(&mut self, b: u64, index: u64, d: u64) -> Record {
        let end = u64::from(self.launched.params().steps).min(32 * index + 32);
        let mut load = |child| {
            let words = core::array::from_fn(|field| self.load(Operand::Children, b, 8 * child + field as u64, d));
            Record::of_words(words)
        };
        let first = load(32 * index);
        (32 * index + 1..end).fold(first, |record, child| record.join(load(child)))
    }

    pub fn health_sum(&mut self, node: u64, d: u64) {
        let params = *self.launched.params();
        let (mut sets, mut flips, mut holds, mut nans) = (0u64, 0u64, 0u64, 0u64);
        let (mut longest, mut first_set, mut silent) = (0, NEVER, params.time_total);
        for child in 32 * node..u64::from(params.steps).min(32 * node + 32) {
            let at = u64::from(params.tile_steps) * child;
            let mut word = |field| self.load(Operand::Children, 0, at + field, d);
            let found = if params.tile_steps == 8 {
                let (sets, leading) = (word(0), word(4));
                let first = if sets == 0 { NEVER } else { leading };
                let counts = [sets, word(1), word(2), word(7)].map(u64::from);
                let nans = if counts[3] == u64::from(UNKNOWN) { u64::MAX } else { counts[3] };
                ([counts[0], counts[1], counts[2], nans], [word(3), first, u32::from(sets == 0)])
            } else {
                let counts = [0, 2, 4, 9].map(|field| u64::from(word(field)) | u64::from(word(field + 1)) << 32);
                (counts, [word(6), word(7), word(8)])
            };
            sets += found.0[0];
            flips += found.0[1];
            holds += found.0[2];
            nans = if nans == u64::MAX || found.0[3] == u64::MAX { u64::MAX } else { nans + found.0[3] };
            longest = longest.max(found.1[0]);
            first_set = first_set.min(found.1[1]);
            silent += found.1[2];
        }
        let halves = |count: u64| [count as u32, (count >> 32) as u32];
        let words = [&halves(sets)[..], &halves(flips), &halves(holds), &[longest, first_set, silent], &halves(nans)].concat();
        for (field, word) in (0..).zip(words) {
            self.store(Operand::Totals, 0, 11 * node + field, d, word);
        }
    }
}

/// Runs a plan; the counts are the oracle's.
pub fn agree(plan: &Plan, seed: u64, source: HealthSource) -> Result<Miscounted, String> {
    let descriptor = plan.descriptor();
    let length = |slot| descriptor.slot_elements(slot).expect("the plan exists") as usize;
    let rate = [3, 8, 200, 5000][(seed % 4) as usize];
    let mut slices: Vec<(Slot, Vec<f32>)> = Vec::new();
    for (number, slot) in (0u64..).zip([Slot::Candidate, Slot::Threshold, Slot::Amplitude, Slot::InitialState]) {
        let mut values = data(length(slot), seed ^ number << 60, rate);
        if slot == Slot::Threshold {
            values.iter_mut().for_each(|value| *value = if value.abs() > 3.0 { *value } else { -1.0 });
        }
        slices.push((slot, values));
    }
    if descriptor.unit() == Unit::FirstQuadrant {
        raise(descriptor, &mut slices);
    }
    let inputs = Inputs {
        candidate: &slices[0].1,
        threshold: &slices[1].1,
        amplitude: &slices[2].1,
        initial_state: &slices[3].1,
        ..Inputs::default()
    };
    let expected = oracle::health(descriptor, source, &inputs).map_err(|error| error.to_string())?;
    let saving = descriptor.clone().save(bmru::Save::Codes);
    let saved = oracle::forward(&saving, &inputs).map_err(|error| error.to_string())?.saved;

    let in_bits = |slot, values: &[f32]| {
        let element = descriptor.element_of(slot);
        values.iter().map(|&value| element.encode(value)).collect::<Vec<u32>>()
    };
    let mut memory: Memory = slices.iter().map(|(slot, values)| (*slot, in_bits(*slot, values))).collect();
    memory.insert(Slot::Saved, saved);
    for slot in [Slot::Health, Slot::Scratch] {
        memory.insert(slot, vec![POISON; (plan.slot_bytes(slot) / 4) as usize]);
    }
    let miscounted = run(plan, &mut memory, seed.is_multiple_of(2))?;
    ensure!(memory[&Slot::Health] == expected, "{:x?}, expected {expected:x?}\n{plan}", memory[&Slot::Health]);
    Ok(miscounted)
}

#[test]
fn plans_of_health_keep_all_limits_and_twins_count_as_the_oracle() {
    for source in SOURCES {
        let direction = Direction::Health(source);
        let (split, planned_at_all) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
        let met = Met::default();
        let test = |(descriptor, limits, tuning): (Descriptor, Limits, Tuning)| {
            // Rows with borders have none.
            let descriptor = descriptor.sequences(Sequences::Rows);
            let Ok(plan) = planned(&descriptor, direction, &limits, &tuning) else {
                count(&met.refused, true);
                return Ok(());
            };
            count(&planned_at_all, true);
            count(&split, plan.variants().len() < plan.dispatches().len());
            check(&plan, &tuning)?;
            if plan.dispatches().len() < 2000 {
                is_pure(&plan, &descriptor, &limits, &tuning)?;
            }
            Ok(())
        };
        // Half of the units have a state that is a number, and no health.
        for_all(1500, random::arguments(random::shape()), test);
        for_all(2000, (random::arguments(random::small_shape()), any::<u64>()), |((descriptor, limits, tuning), seed)| {
            test((descriptor.clone(), limits.clone(), tuning.clone()))?;
            let descriptor = descriptor.sequences(Sequences::Rows);
            let Ok(plan) = planned(&descriptor, direction, &limits, &tuning) else { return Ok(()) };
            agree(&plan, seed, source)?.map_or(Ok(()), Err)
        });
        println!("{source:?}: {} plans, {} split, {} refused", planned_at_all.get(), split.get(), met.refused.get());
        assert!(planned_at_all.get() > 500 && split.get() > 100, "too few");
    }
}

/// Stretches around one, two, and one and two levels of the tree, in parts of time or not; and sequences around a level of sums.
#[test]
fn twins_of_health_agree_on_every_level() {
    let times = [0, 1, 2, 31, 32, 33, 1023, 1024, 1025, 2048, 2049, 32_767, 32_768, 32_769, 66_000];
    let shapes = times.into_iter().map(|time| (1, time)).chain([0, 2, 31, 32, 33, 1024, 1025, 1100].map(|batch| (batch, 5)));
    for (batch, time) in shapes.chain([(33, 0), (3, 1100)]) {
        for (source, elements) in SOURCES.into_iter().flat_map(|source| [1 << 26, 2048].map(|elements| (source, elements))) {
            let tuning = Tuning { max_dispatch_elements: elements, ..Tuning::software() };
            let descriptor = Descriptor::bmru(Shape { batch, time, channels: 2 }).threshold(Threshold::PerChannel);
            let plan = descriptor.health(source, &Limits::default(), &tuning).expect("it fits");
            check(&plan, &tuning).unwrap_or_else(|error| panic!("{error}"));
            for seed in 0..4 {
                let agreed = agree(&plan, seed, source).and_then(|miscounted| miscounted.map_or(Ok(()), Err));
                agreed.unwrap_or_else(|error| panic!("B = {batch}, T = {time}, seed {seed}: {error}"));
            }
        }
    }
}
