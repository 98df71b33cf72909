//! Several plans on one encoder.

use std::ops::Range;

use bmru::{
    Amplitude, Buffers, Descriptor, FinalState, Incoming, IncomingGradients, InitialState, Inputs, Layout, Save, Shape, Slot,
    Strategy, Strides, Tuning, View, oracle, wgpu,
};
use bmru_conformance::Runner;
use bmru_conformance::data::{self, Rate, Slots, Values};
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

/// Heads of `[B, T, H, D]`, with a threshold `[B, T, H]` for all channels of a head and an amplitude `[H]`: a plan for each on the same
/// tensors, both ways.
pub fn heads(runner: &Runner) -> Result<(), Failed> {
    const HEADS: u64 = 3;
    let gpu = runner.gpu();
    let shape = Shape { batch: 2, time: 1100, channels: 8 };
    let Shape { batch, time, channels } = shape;
    let (row, rows) = (HEADS * channels, batch * time);
    let head = |head: u64| {
        let of_row = |slot| {
            let strides = Strides { batch: time * row, time: row, channel: 1 };
            View { slot, offset: head * channels, strides }
        };
        let of_head = |slot, [batch, time]: [u64; 2]| View { slot, offset: head, strides: Strides { batch, time, channel: 0 } };
        Descriptor::bmru(shape)
            .amplitude(Amplitude::PerElement)
            .candidate_view(of_row(Slot::Candidate))
            .states_view(of_row(Slot::States))
            .threshold_view(of_head(Slot::Threshold, [time * HEADS, HEADS]))
            .amplitude_view(of_head(Slot::Amplitude, [0, 0]))
            .save(Save::Codes)
    };
    let mut rng = fastrand::Rng::with_seed(3);
    let mut numbers =
        |count: u64, low: f32, high: f32| -> Vec<f32> { (0..count).map(|_| low + (high - low) * rng.f32()).collect() };
    let (candidate, threshold) = (numbers(rows * row, -2.0, 2.0), numbers(rows * HEADS, 1.5, 2.0));
    let (amplitude, incoming) = (numbers(HEADS, 0.5, 2.0), numbers(rows * row, -1.0, 1.0));

    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
    let buffer = |bytes: u64, contents: &[f32]| {
        let size = bytes.max(4);
        let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
        gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(contents));
        buffer
    };
    let filled = |contents: &[f32]| buffer(4 * contents.len() as u64, contents);
    let [c, r, alpha, dh] = [&candidate, &threshold, &amplitude, &incoming].map(|contents| filled(contents));
    let [states, dc] = [(); 2].map(|()| buffer(4 * rows * row, &[]));
    let (dr, dalpha) = (buffer(4 * rows * HEADS, &[]), buffer(4 * HEADS, &[]));
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    for descriptor in (0..HEADS).map(head) {
        let (forward, backward) = (gpu.plan(&descriptor)?, descriptor.backward(&gpu.limits(), gpu.tuning())?);
        let saved = buffer(forward.slot_bytes(Slot::Saved), &[]);
        let scratch = buffer(forward.slot_bytes(Slot::Scratch).max(backward.slot_bytes(Slot::Scratch)), &[]);
        let inputs = || Buffers::new().candidate(&c).threshold(&r).amplitude(&alpha).scratch(&scratch);
        gpu.kernels().bind(&forward, &inputs().states(&states).saved(&saved))?.record(&mut encoder);
        let gradients = inputs()
            .saved_by(&saved, forward.saved_layout().expect("it saves"))
            .states(&states)
            .states_gradient(&dh)
            .candidate_gradient(&dc)
            .threshold_gradient(&dr)
            .amplitude_gradient(&dalpha);
        gpu.kernels().bind(&backward, &gradients)?.record(&mut encoder);
    }
    gpu.queue().submit([encoder.finish()]);
    let download = |buffer| -> Result<Vec<u32>, bmru::Error> { pollster::block_on(gpu.download(buffer)) };
    let (states, actual) = (download(&states)?, [download(&dc)?, download(&dr)?, download(&dalpha)?]);

    // All heads as one, with a threshold and an amplitude for each channel.
    let of_heads = |few: &[f32]| few.iter().flat_map(|&value| vec![value; channels as usize]).collect::<Vec<f32>>();
    let (thresholds, amplitudes) = (of_heads(&threshold), of_heads(&amplitude));
    let whole = Descriptor::bmru(Shape { channels: row, ..shape });
    let inputs = Inputs { candidate: &candidate, threshold: &thresholds, amplitude: &amplitudes, ..Inputs::default() };
    let expected: Vec<u32> = oracle::forward(&whole, &inputs)?.states.iter().map(|state| state.to_bits()).collect();
    assert!(states == expected, "the states of one plan for all heads");
    let incoming = IncomingGradients { states: &incoming, ..IncomingGradients::default() };
    let gradients = oracle::backward(&whole, &inputs, &incoming)?;
    let depth = head(0).backward(&gpu.limits(), gpu.tuning())?.depth();
    let bounds = bmru_conformance::bounds(&whole, &inputs, &incoming, depth)?;
    let sums = |each: &[f64]| each.chunks(channels as usize).map(|head| head.iter().sum()).collect::<Vec<f64>>();
    // A sum of so many more rounds as often again.
    let of_sums = |bounds: &[f64], gradients: &[f64]| {
        let magnitudes = sums(&gradients.iter().map(|gradient| gradient.abs()).collect::<Vec<_>>());
        let bounds = sums(bounds).into_iter().zip(magnitudes);
        bounds.map(|(bound, sum)| bound + channels as f64 * f64::from(f32::EPSILON) * sum).collect::<Vec<_>>()
    };
    for (what, actual, wanted, bounds) in [
        ("candidate", &actual[0], gradients.candidate.clone(), bounds.candidate.clone()),
        ("threshold", &actual[1], sums(&gradients.threshold), of_sums(&bounds.threshold, &gradients.threshold)),
        ("amplitude", &actual[2], sums(&gradients.amplitude), of_sums(&bounds.amplitude, &gradients.amplitude)),
    ] {
        assert!(wanted.iter().all(|&gradient| gradient.is_finite()) && wanted.iter().any(|&gradient| gradient != 0.0), "{what}");
        for (at, ((&actual, wanted), bound)) in actual.iter().zip(&wanted).zip(&bounds).enumerate() {
            let actual = f64::from(f32::from_bits(actual));
            assert!((actual - wanted).abs() <= *bound, "{what}[{at}] is {actual:e}, not {wanted:e} ± {bound:e}");
        }
    }
    Ok(())
}

/// The inputs of a chunk that begins in this state.
fn of_chunk<'a>(data: &'a Slots, piece: Range<usize>, initial_state: &'a [f32]) -> Inputs<'a> {
    let (candidate, threshold) = (&data.candidate[piece.clone()], &data.threshold[piece]);
    Inputs { candidate, threshold, amplitude: &data.amplitude, initial_state, ..Inputs::default() }
}

/// The gradient goes back through the borders of chunks: what leaves the beginning of one comes in at the end of the one before. Cut
/// anywhere, gradients stay within the bound of the whole; each border is one addition more.
pub fn gradients(runner: &Runner) -> Result<(), Failed> {
    let gpu = runner.gpu();
    let (batch, time, channels) = (2, 2500, 5);
    let of = |time| {
        let descriptor = Descriptor::bmru(Shape { batch, time, channels }).layout(Layout::TimeBatchChannel);
        descriptor.initial_state(InitialState::Given).final_state(FinalState::Written).incoming(Incoming::Both).save(Save::Codes)
    };
    let whole = of(time);
    let data = data::generate(&whole, Rate::Once(40), Values::Plain, 11);
    let [states, final_state] = bmru_conformance::backward::incoming(&whole, 11);
    let incoming = IncomingGradients { states: &states, final_state: &final_state };
    let wanted = oracle::backward(&whole, &data.inputs(), &incoming)?;

    let mut rng = fastrand::Rng::with_seed(11);
    let mut cuts: Vec<u64> = (0..20).map(|_| rng.u64(1..time)).chain([0, 1, 2, time - 1, time]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let steps: Vec<(u64, u64)> = cuts.windows(2).map(|ends| (ends[0], ends[1])).collect();
    // With time outermost a chunk is one piece of every tensor.
    let row = batch * channels;
    let piece = |&(begin, end): &(u64, u64)| (begin * row) as usize..(end * row) as usize;
    let (mut handed, mut saved, mut depth) = (vec![data.initial_state.clone()], Vec::new(), 0);
    for chunk in &steps {
        let outputs = gpu.forward_blocking(&of(chunk.1 - chunk.0), &of_chunk(&data, piece(chunk), &handed[handed.len() - 1]))?;
        handed.push(outputs.final_state);
        saved.push(outputs.saved);
        depth += 1 + of(chunk.1 - chunk.0).backward(&gpu.limits(), runner.tuning())?.depth();
    }
    let (mut candidate, mut threshold) = (vec![0.0; states.len()], vec![0.0; states.len()]);
    let (mut amplitude, mut beyond) = (vec![0f64; channels as usize], final_state.clone());
    for (number, chunk) in steps.iter().enumerate().rev() {
        let incoming = IncomingGradients { states: &states[piece(chunk)], final_state: &beyond };
        let gradients = gpu.backward_blocking(
            &of(chunk.1 - chunk.0),
            &of_chunk(&data, piece(chunk), &handed[number]),
            &saved[number],
            &incoming,
        )?;
        candidate[piece(chunk)].copy_from_slice(&gradients.candidate);
        threshold[piece(chunk)].copy_from_slice(&gradients.threshold);
        amplitude.iter_mut().zip(gradients.amplitude).for_each(|(sum, chunk)| *sum += f64::from(chunk));
        beyond = gradients.initial_state;
    }
    let bounds = bmru_conformance::bounds(&whole, &data.inputs(), &incoming, depth)?;
    let numbers = |floats: Vec<f32>| floats.into_iter().map(f64::from).collect::<Vec<_>>();
    for (what, actual, wanted, bounds) in [
        ("candidate", numbers(candidate), wanted.candidate, bounds.candidate),
        ("threshold", numbers(threshold), wanted.threshold, bounds.threshold),
        ("amplitude", amplitude, wanted.amplitude, bounds.amplitude),
        ("initial state", numbers(beyond), wanted.initial_state, bounds.initial_state),
    ] {
        assert!(wanted.iter().any(|&gradient| gradient != 0.0), "{what} has gradients");
        for (at, ((actual, wanted), bound)) in actual.iter().zip(&wanted).zip(&bounds).enumerate() {
            assert!((actual - wanted).abs() <= *bound, "{what}[{at}] is {actual:e}, not {wanted:e} ± {bound:e}");
        }
    }
    Ok(())
}

/// Single steps, the state in place and one submit for all of them: the bits of the whole.
pub fn decodes(runner: &Runner) -> Result<(), Failed> {
    let gpu = runner.gpu();
    let (batch, time, channels) = (3, 300, 5);
    let whole =
        Descriptor::bmru(Shape { batch, time, channels }).layout(Layout::TimeBatchChannel).initial_state(InitialState::Given);
    let data = data::generate(&whole, Rate::Once(7), Values::Edges, 12);
    let expected = oracle::forward(&whole.clone().final_state(FinalState::Written), &data.inputs())?;

    let row = 4 * batch * channels;
    // Offsets of a binding are aligned.
    let stride = row.next_multiple_of(gpu.limits().min_storage_buffer_offset_alignment.into());
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
    let buffer =
        |size| gpu.device().create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
    let spread = |contents: &[f32]| {
        let buffer = buffer(stride * time);
        for (t, row) in (0..).zip(contents.chunks(row as usize / 4)) {
            gpu.queue().write_buffer(&buffer, t * stride, bytemuck::cast_slice(row));
        }
        buffer
    };
    let (candidate, threshold, states) = (spread(&data.candidate), spread(&data.threshold), buffer(stride * time));
    let (amplitude, state) = (buffer(4 * channels), buffer(row));
    gpu.queue().write_buffer(&amplitude, 0, bytemuck::cast_slice(&data.amplitude));
    gpu.queue().write_buffer(&state, 0, bytemuck::cast_slice(&data.initial_state));

    let step = Descriptor::bmru(Shape { time: 1, ..whole.shape() }).layout(Layout::TimeBatchChannel);
    let plan =
        step.initial_state(InitialState::Given).final_state(FinalState::InPlace).forward(&gpu.limits(), runner.tuning())?;
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    for t in 0..time {
        let buffers = Buffers::new()
            .candidate((&candidate, t * stride, row))
            .threshold((&threshold, t * stride, row))
            .states((&states, t * stride, row))
            .amplitude(&amplitude)
            .initial_state(&state);
        gpu.kernels().bind(&plan, &buffers)?.record(&mut encoder);
    }
    gpu.queue().submit([encoder.finish()]);
    let bits = |states: &[f32]| states.iter().map(|state| state.to_bits()).collect::<Vec<_>>();
    let actual = pollster::block_on(gpu.download(&states))?;
    let actual: Vec<u32> = actual.chunks(stride as usize / 4).flat_map(|chunk| chunk[..row as usize / 4].to_vec()).collect();
    assert!(actual == bits(&expected.states));
    assert!(pollster::block_on(gpu.download(&state))? == bits(&expected.final_state));
    Ok(())
}
