//! The library on checked results.

use bmru::oracle::{self, IncomingGradients};
use bmru::wgpu::Buffer;
use bmru::{Buffers, Direction, Plan, Save, SavedLayout, Slot};
use bmru_conformance::data::{Rate, Slots, Values, generate};
use bmru_conformance::{backward, bounds};

use super::device::{Device, Expected, Work};

/// What the plans of a group read, here and on the device, and what the oracle makes of it.
pub struct Tensors {
    read: Vec<(Slot, Buffer)>,
    words: Vec<(Slot, Vec<u32>)>,
    saved_layout: Option<SavedLayout>,
    expected: Vec<(Slot, Expected)>,
}

impl Tensors {
    const INPUTS: [Slot; 3] = [Slot::Candidate, Slot::Threshold, Slot::Amplitude];
    /// One step in so many sets: 5 %.
    const RATE: Rate = Rate::Once(20);
    const SEED: u64 = 1;

    /// The tensors of a plan, and of all others of its pass that differ in what they save.
    pub fn new(device: &Device, plan: &Plan) -> Self {
        let descriptor = plan.descriptor().clone().save(Save::Codes);
        let inputs = generate(&descriptor, Self::RATE, Values::Plain, Self::SEED);
        let mut tensors = Self { read: Vec::new(), words: Vec::new(), saved_layout: None, expected: Vec::new() };
        for slot in Self::INPUTS {
            tensors.upload(device, slot, inputs.slot(slot));
        }
        // The plan that saves.
        let forward = device.gpu().plan(&descriptor).unwrap_or_else(|error| panic!("{error}"));
        match plan.direction() {
            Direction::Forward => tensors.expect_states(&forward, &inputs),
            Direction::Backward => tensors.expect_gradients(device, plan, &forward, &inputs),
        }
        tensors
    }

    fn expect_states(&mut self, plan: &Plan, inputs: &Slots) {
        let outputs = oracle::forward(plan.descriptor(), &inputs.inputs()).unwrap_or_else(|error| panic!("{error}"));
        self.expected = vec![(Slot::States, Expected::of(&outputs.states)), (Slot::Saved, Expected::Words(outputs.saved))];
    }

    /// What is saved comes from the library. It is not looked at: were it wrong, so would be the gradients.
    fn expect_gradients(&mut self, device: &Device, plan: &Plan, forward: &Plan, inputs: &Slots) {
        let (work, outputs) = self.bind(device, forward, "saved");
        device.time(1, &work);
        self.read.extend(outputs.into_iter().filter(|&(slot, _)| slot == Slot::Saved));
        self.saved_layout = forward.saved_layout();

        let [states, final_state] = backward::incoming(plan.descriptor(), Self::SEED);
        self.upload(device, Slot::StatesGradient, &states);
        let (inputs, incoming) = (inputs.inputs(), IncomingGradients { states: &states, final_state: &final_state });
        // Each takes a second.
        let (gradients, bounds) = std::thread::scope(|scope| {
            let bounds = scope.spawn(|| bounds(plan.descriptor(), &inputs, &incoming, plan.depth()));
            (oracle::backward(plan.descriptor(), &inputs, &incoming), bounds.join().expect("no bound panics"))
        });
        let (gradients, bounds) =
            (gradients.unwrap_or_else(|error| panic!("{error}")), bounds.unwrap_or_else(|error| panic!("{error}")));
        self.expected = [
            (Slot::CandidateGradient, gradients.candidate, bounds.candidate),
            (Slot::ThresholdGradient, gradients.threshold, bounds.threshold),
            (Slot::AmplitudeGradient, gradients.amplitude, bounds.amplitude),
        ]
        .map(|(slot, values, bounds)| (slot, Expected::Within { values, bounds }))
        .into();
    }

    fn upload(&mut self, device: &Device, slot: Slot, contents: &[f32]) {
        let words: Vec<u32> = contents.iter().map(|float| float.to_bits()).collect();
        self.read.push((slot, device.buffer(&slot.to_string(), 4 * words.len() as u64, &words)));
        self.words.push((slot, words));
    }

    /// The buffer of a slot that is read.
    pub fn buffer(&self, slot: Slot) -> &Buffer {
        find(&self.read, slot)
    }

    /// Its words, as they are here.
    pub fn words(&self, slot: Slot) -> &[u32] {
        find::<Vec<u32>>(&self.words, slot)
    }

    /// A plan on these tensors, and what it writes, poisoned.
    fn bind(&self, device: &Device, plan: &Plan, row: &str) -> (Work, Vec<(Slot, Buffer)>) {
        let written = plan.slots().iter().filter(|&&(slot, _)| plan.writes(slot));
        let outputs: Vec<_> = written.map(|&(slot, bytes)| (slot, device.buffer(&slot.to_string(), bytes, &[]))).collect();
        let mut buffers = outputs.iter().fold(Buffers::new(), |buffers, (slot, buffer)| buffers.slot(*slot, buffer));
        for &(slot, _) in plan.slots().iter().filter(|&&(slot, _)| !plan.writes(slot)) {
            buffers = match (slot, &self.saved_layout) {
                (Slot::Saved, Some(layout)) => buffers.saved_by(self.buffer(slot), layout.clone()),
                _ => buffers.slot(slot, self.buffer(slot)),
            };
        }
        let bound = device.gpu().kernels().bind(plan, &buffers).unwrap_or_else(|error| panic!("{row}: {error}"));
        (Box::new(move |encoder| bound.record(encoder)), outputs)
    }
}

fn find<T>(slots: &[(Slot, T)], slot: Slot) -> &T {
    let found = slots.iter().find(|&&(held, _)| held == slot);
    &found.unwrap_or_else(|| panic!("no {slot} is at hand")).1
}

/// A plan on the tensors of its group, run once on poisoned outputs.
///
/// # Panics
/// If states or codes are not the oracle's bit for bit, or gradients not within their bounds.
pub fn checked(device: &Device, tensors: &Tensors, plan: &Plan, row: &str) -> Work {
    println!("{row}: {plan}\n  ideal: {} bytes", ideal_bytes(plan));
    let (work, outputs) = tensors.bind(device, plan, row);
    device.time(1, &work);
    for (slot, buffer) in outputs.iter().filter(|&&(slot, _)| slot != Slot::Scratch) {
        device.refuse_wrong(row, buffer, &slot.to_string(), find(&tensors.expected, *slot));
    }
    work
}

/// Bytes of all tensors that a plan reads or writes, each once.
pub fn ideal_bytes(plan: &Plan) -> u64 {
    tensors(plan).map(|(_, bytes)| bytes).sum()
}

/// The tensors with a word for every element: what is read, and what is written. All others are small beside them.
pub fn streamed(plan: &Plan) -> (Vec<Slot>, Vec<Slot>) {
    let elements = plan.descriptor().shape().elements().expect("a plan has a shape that can exist");
    let large = tensors(plan).filter(|&(_, bytes)| bytes == 4 * elements);
    large.map(|(slot, _)| slot).partition(|&slot| !plan.writes(slot))
}

fn tensors(plan: &Plan) -> impl Iterator<Item = (Slot, u64)> + '_ {
    plan.slots().iter().copied().filter(|&(slot, _)| slot != Slot::Scratch)
}
