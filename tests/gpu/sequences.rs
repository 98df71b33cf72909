//! Sequences against themselves: what is packed is each sequence alone, what descends is flipped, and what means nothing stays in bounds.

use bmru::oracle::{self, Gradients};
use bmru::{
    Amplitude, Buffers, Counts, Descriptor, Direction, FinalState, Incoming, IncomingGradients, InitialCount, InitialState,
    Inputs, Save, Sequences, Shape, Slot, Strategy, Threshold, TimeOrder, Tuning, Unit, wgpu,
};
use bmru_conformance::Runner;
use bmru_conformance::data::Slots;
use libtest_mimic::Failed;

use crate::host::{Host, Uploads};

const CHANNELS: u64 = 4;

/// A name, a descriptor of a shape, and whether there is a backward pass.
type Named = (&'static str, fn(Shape) -> Descriptor, bool);

const UNITS: [Named; 6] = [
    ("bistable", |shape| Descriptor::bmru(shape).threshold(Threshold::PerChannel), true),
    ("first quadrant", |shape| Descriptor::first_quadrant(shape).threshold(Threshold::PerChannel), true),
    ("bistable per element", |shape| Descriptor::bmru(shape).amplitude(Amplitude::PerElement).side_by_side(), true),
    ("cumulative", counted, true),
    ("forward fill", Descriptor::forward_fill, false),
    ("forward fill with a limit", limited, false),
];

fn counted(shape: Shape) -> Descriptor {
    Descriptor::cumulative(shape).threshold(Threshold::PerChannel).counts(Counts::Final).initial_count(InitialCount::Given)
}

fn limited(shape: Shape) -> Descriptor {
    Descriptor::forward_fill(shape).limit(2).counts(Counts::Final).initial_count(InitialCount::Given)
}

/// One with everything in it.
fn whole(unit: fn(Shape) -> Descriptor, has_backward: bool, shape: Shape) -> Descriptor {
    let descriptor = unit(shape).initial_state(InitialState::Given).final_state(FinalState::Written).incoming(Incoming::Both);
    if has_backward { descriptor.save(Save::Codes) } else { descriptor }
}

/// The slots of a row in which sequences are packed.
#[derive(Clone)]
struct Data {
    slots: Slots,
    of_states: Vec<f32>,
    of_final_state: Vec<f32>,
}

impl Data {
    /// Values of few bits, so that every sum of them is exact.
    fn new(descriptor: &Descriptor, cu_seqlens: Vec<u32>, seed: u64) -> Result<Self, Failed> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let filled = descriptor.unit() == Unit::ForwardFill;
        let mut any = |slot, span: f32| {
            let length = descriptor.slot_elements(slot).map_err(|error| error.to_string())?;
            Ok::<_, String>(
                (0..length).map(|_| (rng.f32() * span - span / 2.0) * 16.0).map(|value| value.round() / 16.0).collect(),
            )
        };
        let mut slots = Slots {
            candidate: any(Slot::Candidate, 6.0)?,
            threshold: any(Slot::Threshold, 4.0)?,
            amplitude: any(Slot::Amplitude, 4.0)?,
            initial_state: any(Slot::InitialState, 4.0)?,
            initial_count: any(Slot::InitialCount, 4.0)?.iter().map(|count: &f32| *count as i32).collect(),
            cu_seqlens,
            ..Slots::default()
        };
        let [of_states, of_final_state] = [any(Slot::StatesGradient, 2.0)?, any(Slot::FinalStateGradient, 2.0)?];
        for value in slots.candidate.iter_mut().filter(|_| filled && rng.bool()) {
            *value = f32::NAN;
        }
        Ok(Self { slots, of_states, of_final_state })
    }

    fn incoming(&self) -> IncomingGradients<'_> {
        IncomingGradients { states: &self.of_states, final_state: &self.of_final_state }
    }

    /// Slots that have a row for each of so many steps, thresholds and amplitudes only where they do.
    fn of_steps(&mut self, time: u64) -> impl Iterator<Item = &mut Vec<f32>> {
        let of_steps = move |values: &&mut Vec<f32>| values.len() as u64 >= time * CHANNELS;
        [&mut self.slots.candidate, &mut self.slots.threshold, &mut self.slots.amplitude, &mut self.of_states]
            .into_iter()
            .filter(of_steps)
    }

    /// One sequence alone, of one row in each slot.
    fn piece(&self, [begin, end]: [u64; 2], n: u64, time: u64) -> Self {
        let mut piece = self.clone();
        for values in piece.of_steps(time) {
            let row = values.len() / time as usize;
            *values = values[begin as usize * row..end as usize * row].to_vec();
        }
        let row = (n * CHANNELS) as usize..((n + 1) * CHANNELS) as usize;
        piece.slots.initial_state = self.slots.initial_state[row.clone()].to_vec();
        piece.of_final_state = self.of_final_state[row.clone()].to_vec();
        piece.slots.initial_count =
            if self.slots.initial_count.is_empty() { Vec::new() } else { self.slots.initial_count[row].to_vec() };
        piece.slots.cu_seqlens.clear();
        piece
    }

    /// The other way through time: the last sequence is the first.
    fn flipped(&self, time: u64) -> Self {
        let mut flipped = self.clone();
        for values in flipped.of_steps(time) {
            *values = reversed(values, time);
        }
        let count = (self.slots.initial_state.len() as u64) / CHANNELS;
        flipped.slots.initial_state = reversed(&self.slots.initial_state, count);
        flipped.of_final_state = reversed(&self.of_final_state, count);
        flipped.slots.initial_count = reversed(&self.slots.initial_count, count);
        flipped.slots.cu_seqlens =
            self.slots.cu_seqlens.iter().rev().map(|&border| time.saturating_sub(border.into()) as u32).collect();
        flipped
    }
}

/// So many rows, the last first.
fn reversed<T: Copy>(values: &[T], rows: u64) -> Vec<T> {
    let row = values.len().checked_div(rows as usize).unwrap_or(0).max(1);
    values.chunks(row).rev().flatten().copied().collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Steps of each packed sequence.
fn steps_of(cu_seqlens: &[u32], time: u64) -> Vec<[u64; 2]> {
    cu_seqlens.windows(2).map(|pair| [pair[0], pair[1]].map(|border| u64::from(border).min(time))).collect()
}

fn tunings(runner: &Runner, descriptor: &Descriptor) -> Vec<Tuning> {
    let limited = descriptor.limit_steps().is_some();
    let tiles = matches!(descriptor.unit(), Unit::Bistable | Unit::FirstQuadrant | Unit::ForwardFill) && !limited;
    let strategies = [Strategy::Serial, Strategy::Tiles];
    let strategies = strategies.into_iter().take(if tiles { 2 } else { 1 });
    strategies.map(|strategy| Tuning { tile_steps: 64, ..runner.tuning().clone() }.with_strategy(strategy)).collect()
}

fn expect(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what().into()) }
}

fn near(actual: &[f32], expected: &[f32], what: &str) -> Result<(), Failed> {
    expect(actual.len() == expected.len(), || what.to_owned())?;
    let close = |(a, e): (&f32, &f32)| (a - e).abs() <= 1e-4 * (1.0 + e.abs());
    let far = actual.iter().zip(expected).position(|pair| !close(pair));
    expect(far.is_none(), || format!("{what}: {far:?} is {:?}, not {:?}", far.map(|at| actual[at]), far.map(|at| expected[at])))
}

/// The forward pass gives the bits of each sequence alone, the backward pass its gradients; and of slack, full of NaN, zeros.
pub fn packed(runner: &Runner) -> Result<(), Failed> {
    let borders: [(u64, &[u32]); 4] =
        [(70, &[0, 31, 31, 32, 70]), (200, &[3, 40, 64, 64, 129, 190]), (1100, &[0, 1, 1030, 2000]), (33, &[50, 60])];
    for (name, unit, has_backward) in UNITS {
        for (time, cu_seqlens) in borders {
            let count = cu_seqlens.len() as u64 - 1;
            let of_rows = whole(unit, has_backward, Shape { batch: 1, time, channels: CHANNELS });
            let packed = of_rows.clone().sequences(Sequences::Packed { count });
            let mut data = Data::new(&packed, cu_seqlens.to_vec(), time)?;
            let steps = steps_of(cu_seqlens, time);
            for values in data.of_steps(time) {
                let row = values.len() / time as usize;
                let inside = |t: usize| steps.iter().any(|&[begin, end]| (begin..end).contains(&(t as u64)));
                let slack = (0..time as usize).filter(|&t| !inside(t)).flat_map(|t| t * row..(t + 1) * row);
                slack.for_each(|at| values[at] = f32::NAN);
            }
            for tuning in tunings(runner, &packed) {
                let gpu = runner.gpu().clone().with_tuning(tuning);
                let what = format!("{name}, {cu_seqlens:?} of {time}, {:?}", gpu.tuning().strategy);
                let outputs = gpu.forward_blocking(&packed, &data.slots.inputs())?;
                let backward = || gpu.backward_blocking(&packed, &data.slots.inputs(), &outputs.saved, &data.incoming());
                let gradients: Option<Gradients<f32>> = has_backward.then(backward).transpose()?;
                let row = CHANNELS as usize;
                let mut written = vec![0f32; outputs.states.len()];
                for (n, &[begin, end]) in steps.iter().enumerate() {
                    let alone = whole(unit, has_backward, Shape { batch: 1, time: end - begin, channels: CHANNELS });
                    let piece = data.piece([begin, end], n as u64, time);
                    let single = gpu.forward_blocking(&alone, &piece.slots.inputs())?;
                    let [begin, end] = [begin, end].map(|t| t as usize * row);
                    written[begin..end].copy_from_slice(&single.states);
                    let of_row = n * row..(n + 1) * row;
                    let final_state = bits(&outputs.final_state[of_row.clone()]);
                    expect(final_state == bits(&single.final_state), || format!("{what}: final state of {n}"))?;
                    let counts = outputs.final_count.get(of_row.clone()).unwrap_or_default();
                    expect(counts == single.final_count, || format!("{what}: final count of {n}"))?;
                    let Some(gradients) = &gradients else { continue };
                    let single = gpu.backward_blocking(&alone, &piece.slots.inputs(), &single.saved, &piece.incoming())?;
                    let width = gradients.candidate.len() / time as usize;
                    let [begin, end] = [begin, end].map(|at| at / row * width);
                    near(&gradients.candidate[begin..end], &single.candidate, &format!("{what}: dc of {n}"))?;
                    near(&gradients.initial_state[of_row], &single.initial_state, &format!("{what}: dh0 of {n}"))?;
                }
                // What nobody wrote is slack.
                expect(bits(&outputs.states) == bits(&written), || format!("{what}: states"))?;
                let Some(gradients) = gradients else { continue };
                let finite = [&gradients.candidate, &gradients.amplitude, &gradients.threshold, &gradients.initial_state];
                expect(finite.into_iter().flatten().all(|value| value.is_finite()), || format!("{what}: NaN out of slack"))?;
            }
        }
    }
    Ok(())
}

/// Thousands of sequences, most of them of no step or of one.
pub fn many(runner: &Runner) -> Result<(), Failed> {
    for (name, unit, has_backward) in UNITS {
        for (count, longest) in [(5000u64, 2), (3000, 1), (4000, 5)] {
            let mut rng = fastrand::Rng::with_seed(count);
            let mut border = rng.u32(..3);
            let mut cu_seqlens = vec![border];
            for _ in 0..count {
                border += rng.u32(..longest);
                cu_seqlens.push(border);
            }
            let time = u64::from(border) + 3;
            let packed =
                whole(unit, has_backward, Shape { batch: 1, time, channels: CHANNELS }).sequences(Sequences::Packed { count });
            let data = Data::new(&packed, cu_seqlens, count)?;
            let expected = oracle::forward(&packed, &data.slots.inputs())?;
            for tuning in tunings(runner, &packed) {
                let gpu = runner.gpu().clone().with_tuning(tuning);
                let what = format!("{name}, {count} sequences of less than {longest}, {:?}", gpu.tuning().strategy);
                let outputs = gpu.forward_blocking(&packed, &data.slots.inputs())?;
                expect(bits(&outputs.states) == bits(&expected.states), || format!("{what}: states"))?;
                expect(bits(&outputs.final_state) == bits(&expected.final_state), || format!("{what}: final states"))?;
                expect(outputs.final_count == expected.final_count, || format!("{what}: final counts"))?;
                expect(outputs.saved == expected.saved, || format!("{what}: saved"))?;
                if has_backward {
                    let gradients = gpu.backward_blocking(&packed, &data.slots.inputs(), &outputs.saved, &data.incoming())?;
                    let expected = oracle::backward(&packed, &data.slots.inputs(), &data.incoming())?;
                    let single = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<f32>>();
                    near(&gradients.candidate, &single(&expected.candidate), &format!("{what}: dc"))?;
                    near(&gradients.initial_state, &single(&expected.initial_state), &format!("{what}: dh0"))?;
                }
            }
        }
    }
    Ok(())
}

/// A border at each bit of a word, and of the word behind it.
pub fn every_bit(runner: &Runner) -> Result<(), Failed> {
    let (unit, time) = (UNITS[0].1, 97);
    let packed = whole(unit, true, Shape { batch: 1, time, channels: CHANNELS }).sequences(Sequences::Packed { count: 2 });
    let resets = whole(unit, true, Shape { batch: 1, time, channels: CHANNELS }).sequences(Sequences::Resets);
    for border in 0..=65u32 {
        let data = Data::new(&packed, vec![0, border, time as u32], border.into())?;
        let expected = oracle::forward(&packed, &data.slots.inputs())?;
        let row = CHANNELS as usize;
        let mut bits_of_row = [0u32; 4];
        bits_of_row[border as usize / 32] |= 1 << (border % 32);
        let inputs = Inputs {
            cu_seqlens: &[],
            resets: &bits_of_row,
            initial_state: &data.slots.initial_state[..row],
            ..data.slots.inputs()
        };
        let expected_reset = oracle::forward(&resets, &inputs)?;
        for tuning in tunings(runner, &packed) {
            // Parts of time that end within words, too.
            let short = Tuning { max_dispatch_elements: 4 * 50, ..tuning.clone() };
            for gpu in [tuning, short].map(|tuning| runner.gpu().clone().with_tuning(tuning)) {
                let outputs = gpu.forward_blocking(&packed, &data.slots.inputs())?;
                expect(bits(&outputs.states) == bits(&expected.states), || format!("border at {border}: states"))?;
                expect(bits(&outputs.final_state) == bits(&expected.final_state), || {
                    format!("border at {border}: final states")
                })?;
                let outputs = gpu.forward_blocking(&resets, &inputs)?;
                expect(bits(&outputs.states) == bits(&expected_reset.states), || format!("reset before {border}"))?;
            }
        }
    }
    Ok(())
}

/// Descending time is flipping what goes in, the forward pass, and flipping what comes out, bit for bit: of rows and of packed sequences.
pub fn reverse(runner: &Runner) -> Result<(), Failed> {
    let (time, cu_seqlens) = (150, [2, 33, 33, 34, 96, 140]);
    let count = cu_seqlens.len() as u64 - 1;
    for (name, unit, has_backward) in UNITS {
        for sequences in [Sequences::Rows, Sequences::Packed { count }] {
            let ascending = whole(unit, has_backward, Shape { batch: 1, time, channels: CHANNELS }).sequences(sequences);
            let descending = ascending.clone().time_order(TimeOrder::Descending);
            let borders = if sequences == Sequences::Rows { Vec::new() } else { cu_seqlens.to_vec() };
            let data = Data::new(&ascending, borders, 3)?;
            let flipped = data.flipped(time);
            for tuning in tunings(runner, &ascending) {
                let gpu = runner.gpu().clone().with_tuning(tuning);
                let what = format!("{name}, {sequences:?}, {:?}", gpu.tuning().strategy);
                let actual = gpu.forward_blocking(&descending, &data.slots.inputs())?;
                let expected = gpu.forward_blocking(&ascending, &flipped.slots.inputs())?;
                let rows = data.slots.initial_state.len() as u64 / CHANNELS;
                expect(bits(&actual.states) == bits(&reversed(&expected.states, time)), || format!("{what}: states"))?;
                let final_state = reversed(&expected.final_state, rows);
                expect(bits(&actual.final_state) == bits(&final_state), || format!("{what}: final states"))?;
                expect(actual.final_count == reversed(&expected.final_count, rows), || format!("{what}: final counts"))?;
                if has_backward {
                    let actual = gpu.backward_blocking(&descending, &data.slots.inputs(), &actual.saved, &data.incoming())?;
                    let expected =
                        gpu.backward_blocking(&ascending, &flipped.slots.inputs(), &expected.saved, &flipped.incoming())?;
                    let candidate = reversed(&expected.candidate, time);
                    expect(bits(&actual.candidate) == bits(&candidate), || format!("{what}: dc"))?;
                    let initial_state = reversed(&expected.initial_state, rows);
                    expect(bits(&actual.initial_state) == bits(&initial_state), || format!("{what}: dh0"))?;
                }
            }
        }
    }
    Ok(())
}

/// Words before and behind what a plan binds.
const MARGIN: usize = 64;
const POISON: u32 = 0xdead_beef;

/// Borders that go down mean nothing, but nothing is written outside the buffers, and all of it comes to an end.
pub fn going_down(runner: &Runner) -> Result<(), Failed> {
    let gpu = runner.gpu();
    for cu_seqlens in [vec![70, 0, 70, 0], vec![u32::MAX, 5, 3, 0], vec![0, u32::MAX, 1, u32::MAX], vec![9, 8, 7, 6]] {
        expect(bmru::check_cu_seqlens(&cu_seqlens).is_err(), || "borders that go up".to_owned())?;
        for (name, unit, has_backward) in UNITS {
            let packed = whole(unit, has_backward, Shape { batch: 1, time: 70, channels: CHANNELS })
                .sequences(Sequences::Packed { count: 3 });
            let data = Data::new(&packed, cu_seqlens.clone(), 1)?;
            for tuning in tunings(runner, &packed) {
                let mut plans = vec![packed.forward(&gpu.limits(), &tuning)?];
                if has_backward {
                    plans.push(packed.backward(&gpu.limits(), &tuning)?);
                }
                for plan in plans {
                    stays_inside(runner, &plan, &data, &format!("{name}, {cu_seqlens:?}, {:?}", tuning.strategy))?;
                }
            }
        }
    }
    Ok(())
}

fn stays_inside(runner: &Runner, plan: &bmru::Plan, data: &Data, what: &str) -> Result<(), Failed> {
    let gpu = runner.gpu();
    let mut buffers = Vec::new();
    for &(slot, bytes) in plan.slots() {
        let words = bytes as usize / 4;
        let contents: &[u32] = match slot {
            Slot::Candidate => bytemuck::cast_slice(&data.slots.candidate),
            Slot::Threshold => bytemuck::cast_slice(&data.slots.threshold),
            Slot::Amplitude => bytemuck::cast_slice(&data.slots.amplitude),
            Slot::InitialState => bytemuck::cast_slice(&data.slots.initial_state),
            Slot::InitialCount => bytemuck::cast_slice(&data.slots.initial_count),
            Slot::CuSeqlens => &data.slots.cu_seqlens,
            _ => &[],
        };
        let mut image = vec![POISON; words + 2 * MARGIN];
        image[MARGIN..MARGIN + contents.len()].copy_from_slice(contents);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let size = 4 * image.len() as u64;
        let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
        gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(&image));
        buffers.push((slot, buffer, words));
    }
    let mut bound = Buffers::new();
    for (slot, buffer, words) in &buffers {
        let range = (buffer, 4 * MARGIN as u64, 4 * *words as u64);
        bound = match slot {
            Slot::Saved => bound.saved_by(range, plan.descriptor().saved_layout()),
            slot => bound.slot(*slot, range),
        };
    }
    let bound = gpu.kernels().bind(plan, &bound)?;
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    bound.record(&mut encoder);
    gpu.queue().submit([encoder.finish()]);
    for (slot, buffer, words) in &buffers {
        let image = pollster::block_on(gpu.download(buffer))?;
        let margins = image[..MARGIN].iter().chain(&image[MARGIN + words..]);
        expect(margins.into_iter().all(|&word| word == POISON), || format!("{what}: {slot} is written outside"))?;
    }
    Ok(())
}

/// Faults in the text that tells of sequences, and what they stand for.
const FAULTS: [(&str, &str); 6] = [
    // The border belongs to the sequence before.
    ("<= time {", "< time {"),
    // The state goes on from one sequence to the next.
    ("return ((borders.starts >> bit) & 1u) != 0u;", "return false;"),
    // Nothing is handed on.
    ("return ((borders.ends >> bit) & 1u) != 0u;", "return false;"),
    // Slack is as good as any step.
    ("return Vector(0u - ((borders.inside >> bit) & 1u));", "return Vector(0xffffffffu);"),
    // All of them begin in the same state.
    ("return lane(load_borders(borders.at + 3u + bit / LANES), bit % LANES);", "return 0u;"),
    // Those without steps hand on nothing.
    ("return end <= begin;", "return false;"),
];

/// Each of them shows in the states, the final states, or the gradients.
pub fn faults_are_seen(runner: &Runner) -> Result<(), Failed> {
    let (time, cu_seqlens) = (200, vec![3, 40, 64, 64, 129, 190]);
    let packed = whole(UNITS[0].1, true, Shape { batch: 1, time, channels: CHANNELS })
        .sequences(Sequences::Packed { count: cu_seqlens.len() as u64 - 1 });
    let mut data = bmru_conformance::data::generate(
        &packed,
        bmru_conformance::data::Rate::Once(5),
        bmru_conformance::data::Values::Plain,
        4,
    );
    data.cu_seqlens = cu_seqlens;
    let uploads = Uploads::new(&packed, data, bmru_conformance::backward::incoming(&packed, 4))?;
    let run = |host: &Host<'_>| {
        let mut found = Vec::new();
        for direction in [Direction::Forward, Direction::Backward] {
            let plan = match direction {
                Direction::Forward => packed.forward(&host.limits(), host.runner.tuning())?,
                _ => packed.backward(&host.limits(), host.runner.tuning())?,
            };
            let ran = host.run(&plan, &uploads.given(direction))?;
            for slot in [Slot::States, Slot::FinalState, Slot::Saved, Slot::CandidateGradient, Slot::InitialStateGradient] {
                found.push(if plan.writes(slot) { host.download(&ran, slot)? } else { Vec::new() });
            }
        }
        Ok::<_, Failed>(found)
    };
    let right = run(&Host::new(runner, None))?;
    for (text, fault) in FAULTS {
        let wrong = run(&Host::changing(runner, move |variant| variant.wgsl().replace(text, fault)))?;
        expect(wrong != right, || format!("{fault} in place of {text} is not seen"))?;
    }
    Ok(())
}
