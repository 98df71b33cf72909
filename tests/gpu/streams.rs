//! Several plans on one encoder.

use bmru::{Buffers, Descriptor, Inputs, Shape, Slot, Strategy, Tuning, oracle, wgpu};
use bmru_conformance::Runner;
use bmru_conformance::data::{self, Rate, Values};
use libtest_mimic::Failed;

/// The states of one layer are the candidates of the next, and both use the same scratch.
pub fn layers(runner: &Runner) -> Result<(), Failed> {
    let gpu = runner.gpu();
    let descriptor = Descriptor::bmru(Shape { batch: 2, time: 5000, channels: 3 });
    let tuning = Tuning { tile_steps: 32, ..runner.tuning().clone() }.with_strategy(Strategy::Tiles);
    let plan = descriptor.forward(&gpu.limits(), &tuning)?;
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
    let buffer = |slot, contents: &[f32]| {
        let size = plan.slot_bytes(slot);
        let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
        gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(contents));
        buffer
    };
    let data = data::generate(&descriptor, Rate::Once(30), Values::Plain, 5);
    // The second layer's thresholds lie around the amplitudes of the first, so that some of its states set.
    let second_threshold: Vec<f32> = data.threshold.iter().map(|r| 1.5 * r).collect();
    let candidate = buffer(Slot::Candidate, &data.candidate);
    let thresholds = [buffer(Slot::Threshold, &data.threshold), buffer(Slot::Threshold, &second_threshold)];
    let amplitude = buffer(Slot::Amplitude, &data.amplitude);
    let scratch = buffer(Slot::Scratch, &[]);
    let states = [buffer(Slot::States, &[]), buffer(Slot::States, &[])];

    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    for layer in 0..2 {
        let buffers = Buffers::new()
            .candidate(if layer == 0 { &candidate } else { &states[0] })
            .threshold(&thresholds[layer])
            .amplitude(&amplitude)
            .states(&states[layer])
            .scratch(&scratch);
        gpu.kernels().bind(&plan, &buffers)?.record(&mut encoder);
    }
    gpu.queue().submit([encoder.finish()]);

    let first = oracle::forward(&descriptor, &data.inputs())?;
    let second = Inputs { candidate: &first.states, threshold: &second_threshold, ..data.inputs() };
    let expected: Vec<u32> = oracle::forward(&descriptor, &second)?.states.iter().map(|state| state.to_bits()).collect();
    assert!(expected.iter().any(|&bits| bits != 0), "the second layer sets somewhere");
    assert!(pollster::block_on(gpu.download(&states[1]))? == expected);
    Ok(())
}
