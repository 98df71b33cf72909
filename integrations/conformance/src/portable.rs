//! Cases for hosts that know nothing of this library: buffers with their contents, the launches of plans over them, and what
//! the buffers must hold then. No device is touched.

use bmru::oracle::{self, IncomingGradients};
use bmru::{Element, Error, HealthSource, Limits, Plan, Slot, Tuning, Unit};

use crate::allowed::{Allowed, allowed, are_sums};
use crate::backward::{SLOTS, incoming, memory, wanted};
use crate::data::generate;
use crate::image::{POISON, elements, poison};
use crate::runner::{Handed, MARGIN, Memory, OWNED, image, pieces, state_rows, unpacked};
use crate::{BackwardCase, Case, HealthCase, bounds};

/// A case.
#[derive(Clone, Debug, PartialEq)]
pub struct Portable {
    /// Its name in the matrix.
    pub name: String,
    /// Runs, each on buffers of its own.
    pub runs: Vec<Run>,
}

/// Plans over buffers.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The buffers.
    pub buffers: Vec<Buffer>,
    /// What is launched, in this order.
    pub launches: Vec<Launch>,
    /// What must be so at the end.
    pub checks: Vec<Check>,
}

/// A buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// What lies in it.
    pub label: String,
    /// Every word of it before the run.
    pub words: Vec<u32>,
}

/// A plan with its buffers.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The plan.
    pub plan: Plan,
    /// The number of the buffer for each slot.
    pub slots: Vec<(Slot, usize)>,
}

/// What a buffer must hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// These words, all of them.
    Exact {
        /// Number of the buffer.
        buffer: usize,
        /// The words.
        words: Vec<u32>,
    },
    /// From this word on what it held before the run.
    Untouched {
        /// Number of the buffer.
        buffer: usize,
        /// The first word.
        from: usize,
    },
    /// Numbers close to these.
    Within {
        /// Number of the buffer.
        buffer: usize,
        /// What lies in it.
        element: Element,
        /// For each element what it must be.
        wanted: Vec<f64>,
        /// For each element how far from that it may be, anywhere if it is infinite; below 0 where no element lies, so that it must be as before the run.
        allowed: Vec<f64>,
    },
    /// The same words as the buffer of this number in the first run.
    AsFirst {
        /// Number of the buffer.
        buffer: usize,
    },
}

impl Run {
    fn buffer(&mut self, label: impl ToString, words: u64, contents: &[u32]) -> usize {
        self.buffers.push(Buffer { label: label.to_string(), words: image(words, contents) });
        self.buffers.len() - 1
    }

    /// Working memory of a plan, behind which nothing may be written.
    fn scratch(&mut self, plan: &Plan) -> usize {
        let buffer = self.buffer(Slot::Scratch, plan.slot_bytes(Slot::Scratch) / 4, &[]);
        self.checks.push(Check::Untouched { buffer, from: self.buffers[buffer].words.len() - MARGIN as usize });
        buffer
    }
}

impl Case {
    /// The case as any host can run it that has these limits.
    ///
    /// # Errors
    /// As [`bmru::Descriptor::forward`].
    pub fn portable(&self, limits: &Limits, tuning: &Tuning) -> Result<Portable, Error> {
        let data = self.data();
        let expected = oracle::forward(&self.descriptor, &data.inputs())?;
        let mut run = Run { buffers: Vec::new(), launches: Vec::new(), checks: Vec::new() };
        let mut owned = Vec::new();
        for slot in OWNED {
            let words = self.descriptor.slot_bytes(slot)? / 4;
            owned.push((slot, run.buffer(slot, words, &data.words(&self.descriptor, slot))));
        }
        // Batch rows, or packed sequences.
        let channels = state_rows(&self.descriptor) * self.descriptor.shape().channels;
        let rows = (channels * self.descriptor.element_type().bytes()).div_ceil(4);
        let handed = [0, 1].map(|_| run.buffer(Slot::FinalState, rows, &[]));
        let counted = [0, 1].map(|_| run.buffer(Slot::FinalCount, channels, &[]));
        let hands = Handed::of(&self.descriptor);
        let pieces = pieces(self);
        let mut depth = 0;
        for (number, piece) in pieces.iter().enumerate() {
            let plan = self.plan(piece, limits, tuning)?;
            depth = depth.max(plan.depth());
            let mut slots = vec![(Slot::Scratch, run.scratch(&plan))];
            slots.extend([(Slot::FinalState, handed[number % 2]), (Slot::FinalCount, counted[number % 2])]);
            // Pieces pass their state between two buffers, back and forth.
            if number > 0 && hands.count {
                slots.push((Slot::InitialCount, counted[(number - 1) % 2]));
            }
            if number > 0 && hands.state {
                slots.push((Slot::InitialState, handed[(number - 1) % 2]));
            }
            slots.extend(&owned);
            run.launches.push(Launch { plan, slots });
        }
        if let Some(plan) = self.unpacking(limits, tuning)? {
            let words = unpacked(&self.descriptor, &data)?;
            let buffer = run.buffer("unpacked_states", words.len() as u64 - MARGIN, &[]);
            let mut slots = vec![(Slot::Scratch, run.scratch(&plan)), (Slot::States, buffer)];
            slots.extend(owned.iter().filter(|&&(slot, _)| slot != Slot::States));
            run.launches.push(Launch { plan, slots });
            run.checks.push(Check::Exact { buffer, words });
        }
        let sums = are_sums(&self.descriptor);
        let of_sums = allowed(&self.descriptor, &data.inputs(), &self.cuts, depth)?;
        for (slot, words) in Memory::expected(&self.descriptor, &expected, pieces.len()) {
            let last = (pieces.len() - 1) % 2;
            let last = [(Slot::FinalState, handed[last]), (Slot::FinalCount, counted[last])];
            let buffer = owned.iter().chain(&last).find(|(held, _)| *held == slot).expect("every output has a buffer").1;
            let Allowed { element, wanted, bounds } = match slot {
                Slot::States | Slot::Candidate if sums => &of_sums[0],
                Slot::FinalState | Slot::InitialState if sums => &of_sums[1],
                _ => {
                    run.checks.push(Check::Exact { buffer, words });
                    continue;
                }
            };
            // Where no element lies it is as before the run.
            let held = elements(*element, &words);
            let allowed = held.iter().enumerate().map(|(at, &bits)| match bounds.get(at) {
                None => -1.0,
                Some(_) if bits == poison(*element, at) && bits != element.encode(wanted[at] as f32) => -1.0,
                Some(bound) if bound.is_nan() => f64::INFINITY,
                Some(&bound) => bound,
            });
            let allowed = allowed.collect();
            let wanted = held.iter().enumerate().map(|(at, &bits)| match wanted.get(at) {
                Some(&number) => number,
                None => element.decode(bits).into(),
            });
            run.checks.push(Check::Within { buffer, element: *element, wanted: wanted.collect(), allowed });
        }
        Ok(Portable { name: self.name.clone(), runs: vec![run] })
    }
}

impl BackwardCase {
    /// The case as any host can run it that has these limits: a run for each choice, the first of which is held against the
    /// bounds, and the others against the first.
    ///
    /// # Errors
    /// As [`bmru::Descriptor::backward`].
    pub fn portable(&self, limits: &Limits, tuning: &Tuning) -> Result<Portable, Error> {
        let data = generate(&self.descriptor, self.rate, self.values, self.seed);
        let [states, final_state] = incoming(&self.descriptor, self.seed);
        let incoming = IncomingGradients { states: &states, final_state: &final_state };
        let mut runs = Vec::new();
        for (number, choice) in self.choices.iter().enumerate() {
            let plans = choice.plans(&self.descriptor, limits, tuning)?;
            let depth = plans[1].depth();
            let mut run = Run { buffers: Vec::new(), launches: Vec::new(), checks: Vec::new() };
            let mut slots = Vec::new();
            for (slot, words, contents) in memory(&self.descriptor, &plans, &data, &incoming) {
                slots.push((slot, run.buffer(slot, words, &contents)));
            }
            run.launches = plans.into_iter().map(|plan| Launch { plan, slots: slots.clone() }).collect();
            let place = |slot| slots.iter().find(|(held, _)| *held == slot).expect("every slot has a buffer").1;
            let outputs = SLOTS.map(place);
            // Where steps that set scale a gradient, the order of its additions is that of the tree.
            if number == 0 || self.descriptor.unit() == Unit::Relaxed {
                let bounds = bounds(&self.descriptor, &data.inputs(), &incoming, depth)?;
                let expected = oracle::backward(&self.descriptor, &data.inputs(), &incoming)?;
                let types = SLOTS.map(|slot| self.descriptor.element_of(slot));
                let mut numbers: [(Vec<f64>, Vec<f64>); 4] = std::array::from_fn(|place| {
                    let count = elements(types[place], &run.buffers[outputs[place]].words).len();
                    (vec![0.0; count], vec![-1.0; count])
                });
                for element in wanted(&self.descriptor, &expected, &bounds) {
                    numbers[element.place].0[element.at] = element.value;
                    numbers[element.place].1[element.at] = element.allowed;
                }
                for ((buffer, element), (wanted, allowed)) in outputs.into_iter().zip(types).zip(numbers) {
                    run.checks.push(Check::Within { buffer, element, wanted, allowed });
                }
            } else {
                run.checks.extend(outputs.map(|buffer| Check::AsFirst { buffer }));
            }
            let scratch = place(Slot::Scratch);
            run.checks.push(Check::Untouched { buffer: scratch, from: run.buffers[scratch].words.len() - MARGIN as usize });
            runs.push(run);
        }
        Ok(Portable { name: self.name.clone(), runs })
    }
}

impl HealthCase {
    /// The case as any host can run it that has these limits.
    ///
    /// # Errors
    /// As [`bmru::Descriptor::health`].
    pub fn portable(&self, limits: &Limits, tuning: &Tuning) -> Result<Portable, Error> {
        let data = self.data();
        let expected = oracle::health(&self.descriptor, self.source, &data.inputs())?;
        let [forward, health] = self.plans(limits, tuning)?;
        let mut run = Run { buffers: Vec::new(), launches: Vec::new(), checks: Vec::new() };
        let mut slots = Vec::new();
        for &slot in Slot::ALL {
            let words = forward.slot_bytes(slot).max(health.slot_bytes(slot)) / 4;
            let contents = self.descriptor.element_of(slot).to_words(data.slot(slot));
            slots.push((slot, run.buffer(slot, words, &contents)));
        }
        let place = |slot| slots.iter().find(|(held, _)| *held == slot).expect("every slot has a buffer").1;
        let (records, scratch) = (place(Slot::Health), place(Slot::Scratch));
        let mut words = image(0, &expected);
        words.resize(run.buffers[records].words.len(), POISON);
        run.checks.push(Check::Exact { buffer: records, words });
        run.checks.push(Check::Untouched { buffer: scratch, from: run.buffers[scratch].words.len() - MARGIN as usize });
        let plans = if self.source == HealthSource::Saved { vec![forward, health] } else { vec![health] };
        run.launches = plans.into_iter().map(|plan| Launch { plan, slots: slots.clone() }).collect();
        Ok(Portable { name: self.name.clone(), runs: vec![run] })
    }
}
