//! The library on checked results.

use bmru::{Buffers, Descriptor, Outputs, Slot, oracle, wgpu};
use bmru_conformance::data::{Rate, Slots, Values, generate};

use super::device::{Device, Work};

const INPUTS: [Slot; 3] = [Slot::Candidate, Slot::Threshold, Slot::Amplitude];
const OUTPUTS: [Slot; 2] = [Slot::States, Slot::Saved];

/// The inputs of a group, here and on the device, and what the oracle makes of them.
pub struct Tensors {
    inputs: Slots,
    expected: Outputs,
    buffers: Vec<(Slot, wgpu::Buffer)>,
}

impl Tensors {
    /// One step in so many sets: 5 %.
    const RATE: Rate = Rate::Once(20);

    /// The inputs of a descriptor.
    pub fn new(device: &Device, descriptor: &Descriptor) -> Self {
        let inputs = generate(descriptor, Self::RATE, Values::Plain, 1);
        let expected = oracle::forward(descriptor, &inputs.inputs()).unwrap_or_else(|error| panic!("{error}"));
        let buffer = |slot: Slot| {
            let contents = bytemuck::cast_slice(inputs.slot(slot));
            (slot, device.buffer(&slot.to_string(), slot_bytes(descriptor, slot), contents))
        };
        let buffers = INPUTS.map(buffer).into();
        Self { inputs, expected, buffers }
    }

    /// The inputs as they are here.
    pub fn inputs(&self) -> &Slots {
        &self.inputs
    }

    /// What the oracle makes of them.
    pub fn expected(&self) -> &Outputs {
        &self.expected
    }

    /// The buffer of a slot.
    pub fn buffer(&self, slot: Slot) -> &wgpu::Buffer {
        let found = self.buffers.iter().find(|&&(held, _)| held == slot);
        &found.unwrap_or_else(|| panic!("{slot} is not an input")).1
    }
}

/// The plan of a descriptor on the tensors of its group, run once on poisoned outputs.
///
/// # Panics
/// If the states, or what is saved, are not the oracle's bit for bit.
pub fn checked(device: &Device, tensors: &Tensors, descriptor: &Descriptor, row: &str) -> Work {
    let gpu = device.gpu();
    let plan = gpu.plan(descriptor).unwrap_or_else(|error| panic!("{row}: {error}"));
    println!("{row}: {plan}\n  ideal: {} bytes", ideal_bytes(descriptor));

    let mut outputs = Vec::new();
    let mut buffers = Buffers::new();
    for &(slot, bytes) in plan.slots() {
        if plan.writes(slot) {
            outputs.push((slot, device.buffer(&slot.to_string(), bytes, &[])));
        } else {
            buffers = buffers.slot(slot, tensors.buffer(slot));
        }
    }
    for (slot, buffer) in &outputs {
        buffers = buffers.slot(*slot, buffer);
    }
    let bound = gpu.kernels().bind(&plan, &buffers).unwrap_or_else(|error| panic!("{row}: {error}"));
    let work: Work = Box::new(move |encoder| bound.record(encoder));
    device.time(1, &work);

    for (slot, buffer) in &outputs {
        match slot {
            Slot::States => device.refuse_wrong(row, buffer, "states", tensors.expected().states.iter().map(|x| x.to_bits())),
            Slot::Saved => device.refuse_wrong(row, buffer, "saved", tensors.expected().saved.iter().copied()),
            _ => {}
        }
    }
    work
}

/// Bytes of all tensors that a descriptor reads or writes, each once.
pub fn ideal_bytes(descriptor: &Descriptor) -> u64 {
    INPUTS.into_iter().chain(OUTPUTS).map(|slot| slot_bytes(descriptor, slot)).sum()
}

fn slot_bytes(descriptor: &Descriptor, slot: Slot) -> u64 {
    4 * descriptor.slot_elements(slot).unwrap_or_else(|error| panic!("{error}"))
}
