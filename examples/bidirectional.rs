//! A bidirectional layer: two plans on one encoder, and one tensor of states `[B, T, 2·D]` in which each row holds what was and
//! then what will be.
//!
//! Rare events, `+` or `−`, are buried in noise that the thresholds reject. Ascending time remembers the last event at every
//! step, descending time knows the next one.

use std::error::Error;

use bmru::host::{Gpu, describe};
use bmru::wgpu::{self, BufferUsages, util::DeviceExt};
use bmru::{Buffers, Descriptor, Inputs, Layout, Shape, Slot, Strides, Threshold, TimeOrder, View, oracle};

const SHAPE: Shape = Shape { batch: 3, time: 2000, channels: 24 };

fn main() -> Result<(), Box<dyn Error>> {
    let gpu = pollster::block_on(Gpu::new())?;
    println!("{}", describe(gpu.info()));
    let Shape { time, channels, .. } = SHAPE;

    // The halves of each row: the same scan but for the order of time and the place of its states.
    let half = |time_order, first_channel| {
        let strides = Strides::rows(Layout::BatchTimeChannel, SHAPE, 2 * channels);
        Descriptor::bmru(SHAPE).threshold(Threshold::PerChannel).time_order(time_order).states_view(View {
            slot: Slot::States,
            offset: first_channel,
            strides,
        })
    };
    let halves = [half(TimeOrder::Ascending, 0), half(TimeOrder::Descending, channels)];

    let candidates = events();
    let (thresholds, amplitudes) = (vec![0.8f32; channels as usize], vec![1.0f32; channels as usize]);
    let filled = |label, values: &[f32]| {
        let (label, contents) = (Some(label), bytemuck::cast_slice(values));
        gpu.device().create_buffer_init(&wgpu::util::BufferInitDescriptor { label, contents, usage: BufferUsages::STORAGE })
    };
    let (c, r, alpha) = (filled("candidate", &candidates), filled("threshold", &thresholds), filled("amplitude", &amplitudes));
    let rows = SHAPE.batch * time;
    let states = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("states"),
        size: rows * 2 * channels * 4,
        usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });

    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    for descriptor in &halves {
        let plan = gpu.plan(descriptor)?;
        println!("{plan}");
        let scratch = gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("scratch"),
            size: plan.slot_bytes(Slot::Scratch).max(4),
            usage: BufferUsages::STORAGE,
            mapped_at_creation: false,
        });
        let buffers = Buffers::new().candidate(&c).threshold(&r).amplitude(&alpha).states(&states).scratch(&scratch);
        gpu.kernels().bind(&plan, &buffers)?.record(&mut encoder);
    }
    gpu.queue().submit([encoder.finish()]);
    let states: Vec<f32> = pollster::block_on(gpu.download(&states))?.into_iter().map(f32::from_bits).collect();

    let inputs = Inputs { candidate: &candidates, threshold: &thresholds, amplitude: &amplitudes, ..Inputs::default() };
    for (number, descriptor) in halves.iter().enumerate() {
        let expected = oracle::forward(descriptor, &inputs)?.states;
        for row in 0..rows as usize {
            let half = row * 2 * channels as usize + number * channels as usize;
            let end = half + channels as usize;
            let same = states[half..end].iter().zip(&expected[half..end]).all(|(h, e)| h.to_bits() == e.to_bits());
            if !same {
                return Err(format!("row {row} differs from the oracle's, {:?}", descriptor.order_of_time()).into());
            }
        }
    }
    println!("all {} states have the oracle's bits; the first channel, 70 steps:", states.len());

    let sign = |value: f32| {
        if value > 0.0 {
            '+'
        } else if value < 0.0 {
            '−'
        } else {
            '·'
        }
    };
    let line = |value: &dyn Fn(usize) -> f32| -> String { (0..70).map(|t| sign(value(t))).collect() };
    let event = |t: usize| Some(candidates[t * channels as usize]).filter(|c| c.abs() > 0.8).unwrap_or(0.0);
    println!("  event  {}", line(&event));
    println!("  last   {}", line(&|t| states[t * 2 * channels as usize]));
    println!("  next   {}", line(&|t| states[(t * 2 + 1) * channels as usize]));
    Ok(())
}

/// Noise below 0.6, and one step in twenty an event of ±1.
fn events() -> Vec<f32> {
    let mut rng = fastrand::Rng::with_seed(2);
    let mut candidate = || match rng.u32(0..20) {
        0 => [1.0, -1.0][rng.usize(0..2)],
        _ => rng.f32() * 1.2 - 0.6,
    };
    (0..SHAPE.batch * SHAPE.time * SHAPE.channels).map(|_| candidate()).collect()
}
