//! The twin of unpacking: steps one by one where the shader takes words of them.

use bmru::{Descriptor, Direction, Inputs, Limits, Operand, Packed, Plan, Shape, Slot, States, Threshold, Tuning, Unit, oracle};
use proptest::prelude::any;

use super::checks::{check, ensure, is_pure, planned};
use super::twin::{Machine, Memory, Miscounted, POISON, data, raise, run};
use super::{Met, count, for_all, random};

impl Machine<'_, '_> {
    pub fn unpack(&mut self, b: u64, index: u64, d: u64) {
        let origin = u64::from(self.launched.params().time_origin);
        let amplitude = self.load(Operand::Amplitude, 0, 0, d);
        let initial_state = self.load(Operand::InitialState, b, 0, d);
        let first_set = self.load(Operand::FirstSet, b, 0, d);
        let (begin, end) = self.tile(index);
        let mut word = 0;
        for t in begin..end {
            let time = origin + t;
            if time % 32 == 0 || t == begin {
                word = self.load(Operand::PackedStates, b, time / 32 - origin / 32, d);
            }
            let set_state = self.state_of(amplitude, word >> (time % 32) & 1 == 1);
            let state = if time < u64::from(first_set) { initial_state } else { set_state };
            self.store(Operand::States, b, t, d, state);
        }
    }
}

/// Runs a plan on what the oracle packs; the states are those that it writes as numbers, and so are those of the host.
pub fn agree(plan: &Plan, seed: u64) -> Result<Miscounted, String> {
    let descriptor = plan.descriptor();
    let length = |slot| descriptor.slot_elements(slot).expect("the plan exists") as usize;
    let rate = [3, 8, 200][(seed % 3) as usize];
    let mut slices: Vec<(Slot, Vec<f32>)> = Vec::new();
    for (number, slot) in (0u64..).zip([Slot::Candidate, Slot::Threshold, Slot::Amplitude, Slot::InitialState]) {
        slices.push((slot, data(length(slot), seed ^ number << 61, rate)));
    }
    for value in &mut slices[1].1 {
        *value = if value.abs() > 3.0 { *value } else { -1.0 };
    }
    if descriptor.unit() == Unit::FirstQuadrant {
        raise(descriptor, &mut slices);
    }
    let [candidate, threshold, amplitude, initial_state] = [0, 1, 2, 3].map(|number: usize| &slices[number].1[..]);
    let inputs = Inputs { candidate, threshold, amplitude, initial_state, ..Inputs::default() };
    let bits = oracle::forward(descriptor, &inputs).map_err(|error| error.to_string())?;
    let numbers = oracle::forward(&descriptor.clone().states(States::Numbers), &inputs).map_err(|error| error.to_string())?;

    let in_bits = |slot, values: &[f32]| {
        let element = descriptor.element_of(slot);
        values.iter().map(|&value| element.encode(value)).collect::<Vec<u32>>()
    };
    let mut memory: Memory = slices.iter().map(|(slot, values)| (*slot, in_bits(*slot, values))).collect();
    memory.insert(Slot::PackedStates, bits.packed_states.clone());
    memory.insert(Slot::FirstSet, bits.first_set.clone());
    memory.insert(Slot::Saved, bits.saved.clone());
    memory.insert(Slot::States, vec![POISON; length(Slot::States)]);
    memory.insert(Slot::Scratch, vec![POISON; (plan.slot_bytes(Slot::Scratch) / 4) as usize]);
    let miscounted = run(plan, &mut memory, seed.is_multiple_of(2))?;
    let written = memory[&Slot::States].iter().filter(|&&word| word != POISON).count() as u64;
    ensure!(Some(written) == descriptor.shape().elements(), "{written} states of\n{plan}");
    let states: Vec<u32> = memory[&Slot::States].iter().map(|&word| if word == POISON { 0 } else { word }).collect();
    ensure!(states == in_bits(Slot::States, &numbers.states), "states of\n{plan}");

    let packed = Packed { packed_states: &bits.packed_states, first_set: &bits.first_set, amplitude, initial_state };
    let unpacked = packed.unpack(descriptor).map_err(|error| error.to_string())?;
    let same = unpacked.iter().map(|state| state.to_bits()).eq(numbers.states.iter().map(|state| state.to_bits()));
    ensure!(same, "states of the host of\n{plan}");
    Ok(miscounted)
}

#[test]
fn plans_of_unpacking_keep_all_limits_and_twins_agree_with_the_oracle() {
    let (split, planned_at_all) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let met = Met::default();
    let test = |(descriptor, limits, tuning): (Descriptor, Limits, Tuning)| {
        let Ok(plan) = planned(&descriptor, Direction::Unpack, &limits, &tuning) else {
            count(&met.refused, true);
            return Ok(());
        };
        count(&planned_at_all, true);
        count(&split, plan.variants().len() < plan.dispatches().len());
        check(&plan, &tuning)?;
        if plan.dispatches().len() < 2000 { is_pure(&plan, &descriptor, &limits, &tuning) } else { Ok(()) }
    };
    // Most units have a state that is a number, or write it as one.
    for_all(1500, random::arguments(random::shape()), test);
    for_all(3000, (random::arguments(random::small_shape()), any::<u64>()), |((descriptor, limits, tuning), seed)| {
        test((descriptor.clone(), limits.clone(), tuning.clone()))?;
        let Ok(plan) = planned(&descriptor, Direction::Unpack, &limits, &tuning) else { return Ok(()) };
        agree(&plan, seed)?.map_or(Ok(()), Err)
    });
    println!("{} plans, {} split, {} refused", planned_at_all.get(), split.get(), met.refused.get());
    assert!(planned_at_all.get() > 500 && split.get() > 100, "too few");
}

/// Words and tiles begin and end around these steps, in parts of time or not.
#[test]
fn twins_of_unpacking_agree_around_words_and_tiles() {
    for time in [0, 1, 31, 32, 33, 63, 64, 65, 1023, 1024, 1025, 4129] {
        for (states, elements) in
            [States::Packed, States::Both].into_iter().flat_map(|states| [1 << 26, 300, 50].map(|few| (states, few)))
        {
            let tuning = Tuning { max_dispatch_elements: elements, tile_steps: 64, ..Tuning::software() };
            let shape = Shape { batch: 2, time, channels: 3 };
            let descriptor = Descriptor::bmru(shape).threshold(Threshold::PerChannel).states(states);
            let plan = descriptor.unpack(&Limits::default(), &tuning).expect("it fits");
            check(&plan, &tuning).unwrap_or_else(|error| panic!("{error}"));
            for seed in 0..6 {
                let agreed = agree(&plan, seed).and_then(|miscounted| miscounted.map_or(Ok(()), Err));
                agreed.unwrap_or_else(|error| panic!("T = {time}, seed {seed}: {error}"));
            }
        }
    }
}
