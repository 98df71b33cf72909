//! A recording, chunk by chunk, through a stack of four layers: the same bits as in one piece.
//!
//! `cargo run --release --example stream -- [--chunk N] [--adapter SUBSTRING] [FILE.wav]`
//!
//! Ten spoken digits, 8,000 samples a second (`examples/data/README.md` has their source), or a file of yours with one channel of 16 bits.
//! Each layer mixes what comes in with fixed weights, in a kernel of the example's own, and holds it with BMRUs. A layer hands its state
//! on in place: every chunk finds it where the one before left it, in the buffer that all plans are bound to. A chunk is one submit,
//! whatever its length and however many layers there are; nothing waits until the end.
//!
//! Then single samples, as a decoder takes them: what a step of all four layers takes from submit to the end.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bmru::host::{Gpu, describe};
use bmru::wgpu::{self, util::DeviceExt};
use bmru::{Bound, Buffers, Descriptor, FinalState, InitialState, Inputs, Plan, Shape, Slot, Threshold, oracle};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

const LAYERS: usize = 4;
const CHANNELS: usize = 32;
/// Samples of a chunk at most.
const LONGEST: usize = 400;
/// Samples that are taken one by one.
const DECODED: usize = 400;

/// A recording through four layers, in one piece and in chunks.
#[derive(Parser)]
struct Options {
    /// The best adapter whose name, backend or driver contains this, in any case.
    #[arg(long, value_name = "SUBSTRING", default_value = "")]
    adapter: String,
    /// Samples of every chunk, from 1 to 400; as it comes, unless told otherwise.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=LONGEST as i64))]
    chunk: Option<u16>,
    /// A recording with one channel of 16 bits.
    #[arg(value_name = "FILE.wav", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits.wav"))]
    recording: PathBuf,
}

/// What comes in, `K` numbers a step, to candidates: one invocation a channel, one workgroup a step.
const MIX: &str = "
@group(0) @binding(0) var<storage, read> incoming: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> candidates: array<f32>;

@compute @workgroup_size(D)
fn main(@builtin(workgroup_id) step: vec3u, @builtin(local_invocation_index) d: u32) {
    var sum = 0.0;
    for (var k = 0u; k < K; k++) { sum += weights[d * K + k] * incoming[step.x * K + k]; }
    candidates[step.x * D + d] = sum;
}
";

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let (signal, rate) = read(&options.recording)?;
    let gpu = pollster::block_on(Gpu::matching(&options.adapter))?;
    println!("{}", describe(gpu.info()));
    println!("{} samples, {:.1} s, through {LAYERS} layers of {CHANNELS} channels", signal.len(), signal.len() as f64 / rate);

    // In one piece.
    let mut whole = Stack::new(&gpu, signal.len());
    let kept = whole.buffer("whole", signal.len() * CHANNELS);
    whole.run(&signal, &kept, 0)?;
    let expected = Outcome::of(&whole, &kept)?;
    whole.check(&expected.states)?;
    println!("the last layer flips {} times", flips(&expected.states));

    // In chunks.
    let mut chunked = Stack::new(&gpu, LONGEST);
    let kept = chunked.buffer("chunks", signal.len() * CHANNELS);
    let style = ProgressStyle::with_template("[{bar:40}] {pos}/{len} samples, {msg}").expect("a valid template");
    let bar = ProgressBar::new(signal.len() as u64).with_style(style.progress_chars("=> "));
    let mut rng = fastrand::Rng::with_seed(7);
    let (mut done, mut chunks) = (0, 0);
    while done < signal.len() {
        let length = options.chunk.map_or_else(|| rng.usize(1..=LONGEST), usize::from).min(signal.len() - done);
        chunked.run(&signal[done..done + length], &kept, done)?;
        (done, chunks) = (done + length, chunks + 1);
        bar.set_position(done as u64);
        bar.set_message(format!("{chunks} chunks"));
    }
    bar.finish_and_clear();
    let actual = Outcome::of(&chunked, &kept)?;
    if actual.bits() != expected.bits() {
        return Err("the chunks differ from the whole".into());
    }
    println!(
        "{chunks} chunks: the last layer's {} states, and where all layers ended, are the bits of the whole",
        actual.states.len()
    );

    // One by one.
    let mut decoder = Stack::new(&gpu, 1);
    let steps = signal.len().min(DECODED);
    let kept = decoder.buffer("steps", steps * CHANNELS);
    let mut took = Vec::new();
    for (step, sample) in signal.iter().take(steps).enumerate() {
        let start = Instant::now();
        decoder.run(std::slice::from_ref(sample), &kept, step)?;
        decoder.wait()?;
        took.push(start.elapsed());
    }
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 4];
    println!("a step of {LAYERS} layers in one submit: {:?} (quartiles {:?} and {:?})", at(2), at(1), at(3));
    let decoded = Outcome::of(&decoder, &kept)?;
    if decoded.states.iter().map(|state| state.to_bits()).ne(expected.bits().into_iter().take(steps * CHANNELS)) {
        return Err("single steps differ from the whole".into());
    }
    if flips(&decoded.states) == 0 {
        return Err("nothing sets in the first steps: they show nothing".into());
    }
    Ok(())
}

/// Samples from -1 to 1, and how many of them a second has.
fn read(path: &PathBuf) -> Result<(Vec<f32>, f64), Box<dyn Error>> {
    let mut file = hound::WavReader::open(path)?;
    let spec = file.spec();
    if spec.channels != 1 || spec.bits_per_sample != 16 || spec.sample_format != hound::SampleFormat::Int {
        return Err(format!("{}: one channel of 16 bits was expected, not {spec:?}", path.display()).into());
    }
    let samples: Vec<f32> =
        file.samples::<i16>().map(|sample| Ok(f32::from(sample?) / 32768.0)).collect::<Result<_, hound::Error>>()?;
    // A workgroup a step, in one dimension.
    if samples.is_empty() || samples.len() > 65_535 {
        return Err(format!("{}: 1 to 65,535 samples were expected, not {}", path.display(), samples.len()).into());
    }
    Ok((samples, f64::from(spec.sample_rate)))
}

/// What the last layer did, and the states in which all layers ended.
struct Outcome {
    states: Vec<f32>,
    ends: Vec<f32>,
}

impl Outcome {
    fn of(stack: &Stack<'_>, kept: &wgpu::Buffer) -> Result<Self, Box<dyn Error>> {
        let states = stack.download(kept)?;
        let ends = stack.layers.iter().map(|layer| stack.download(&layer.state)).collect::<Result<Vec<_>, _>>()?.concat();
        Ok(Self { states, ends })
    }

    fn bits(&self) -> Vec<u32> {
        self.states.iter().chain(&self.ends).map(|state| state.to_bits()).collect()
    }
}

/// How often a state is another than the one before.
fn flips(states: &[f32]) -> usize {
    states.iter().zip(states.iter().skip(CHANNELS)).filter(|(before, state)| before != state).count()
}

/// A layer: the kernel that mixes, what its units have for good, and the state that they are in.
struct Layer {
    mix: wgpu::ComputePipeline,
    mixed: wgpu::BindGroup,
    thresholds: Vec<f32>,
    threshold: wgpu::Buffer,
    state: wgpu::Buffer,
}

/// Four layers, with buffers for so many steps.
struct Stack<'a> {
    gpu: &'a Gpu,
    signal: wgpu::Buffer,
    candidates: wgpu::Buffer,
    states: wgpu::Buffer,
    amplitude: wgpu::Buffer,
    layers: Vec<Layer>,
    /// The units of all layers, by the number of steps: planned and bound when a length first comes up.
    bound: BTreeMap<usize, Vec<Bound>>,
}

impl<'a> Stack<'a> {
    fn new(gpu: &'a Gpu, steps: usize) -> Self {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut stack = Self {
            gpu,
            signal: buffer(gpu, "signal", steps),
            candidates: buffer(gpu, "candidates", steps * CHANNELS),
            states: buffer(gpu, "states", steps * CHANNELS),
            amplitude: filled(gpu, "amplitude", &[1.0; CHANNELS]),
            layers: Vec::new(),
            bound: BTreeMap::new(),
        };
        for layer in 0..LAYERS {
            let incoming = if layer == 0 { 1 } else { CHANNELS };
            // The first listens at many levels of loudness; the others to some of the states below them.
            let mut weight = || if layer == 0 { 1.0 } else { (rng.f32() - 0.5) * 2.0 / (CHANNELS as f32).sqrt() };
            let weights: Vec<f32> = (0..CHANNELS * incoming).map(|_| weight()).collect();
            let loudest = if layer == 0 { 0.5 } else { 1.0 };
            let thresholds: Vec<f32> = (0..CHANNELS).map(|d| loudest * (d as f32 + 0.5) / CHANNELS as f32).collect();
            let mix = pipeline(gpu, incoming);
            let from = if layer == 0 { &stack.signal } else { &stack.states };
            let weights = filled(gpu, "weights", &weights);
            let mixed = group(gpu, &mix, [from, &weights, &stack.candidates]);
            let threshold = filled(gpu, "threshold", &thresholds);
            stack.layers.push(Layer { mix, mixed, thresholds, threshold, state: buffer(gpu, "state", CHANNELS) });
        }
        stack
    }

    fn buffer(&self, label: &str, floats: usize) -> wgpu::Buffer {
        buffer(self.gpu, label, floats)
    }

    fn descriptor(steps: usize) -> Descriptor {
        Descriptor::bmru(Shape { batch: 1, time: steps as u64, channels: CHANNELS as u64 })
            .threshold(Threshold::PerChannel)
            .initial_state(InitialState::Given)
            .final_state(FinalState::InPlace)
    }

    fn bind(&self, steps: usize) -> Result<Vec<Bound>, bmru::Error> {
        let plan: Plan = Self::descriptor(steps).forward(&self.gpu.limits(), self.gpu.tuning())?;
        // Walks over whole recordings in several parts keep nothing in it; it is as small as a buffer can be.
        let scratch = self.buffer("scratch", (plan.slot_bytes(Slot::Scratch) / 4) as usize);
        let layer = |layer: &Layer| {
            let buffers = Buffers::new()
                .candidate((&self.candidates, 0, plan.slot_bytes(Slot::Candidate)))
                .states((&self.states, 0, plan.slot_bytes(Slot::States)))
                .threshold(&layer.threshold)
                .amplitude(&self.amplitude)
                .initial_state(&layer.state)
                .scratch(&scratch);
            self.gpu.kernels().bind(&plan, &buffers)
        };
        self.layers.iter().map(layer).collect()
    }

    /// Records and submits all layers over some samples; the last layer's states go to `kept`, from step `first` on.
    fn run(&mut self, samples: &[f32], kept: &wgpu::Buffer, first: usize) -> Result<(), Box<dyn Error>> {
        let steps = samples.len();
        if !self.bound.contains_key(&steps) {
            self.bound.insert(steps, self.bind(steps)?);
        }
        let units = &self.bound[&steps];
        self.gpu.queue().write_buffer(&self.signal, 0, bytemuck::cast_slice(samples));
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("chunk") });
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for (layer, units) in self.layers.iter().zip(units) {
                pass.set_pipeline(&layer.mix);
                pass.set_bind_group(0, &layer.mixed, &[]);
                pass.dispatch_workgroups(steps as u32, 1, 1);
                units.record_in(&mut pass);
            }
        }
        let bytes = |steps: usize| (4 * steps * CHANNELS) as u64;
        encoder.copy_buffer_to_buffer(&self.states, 0, kept, bytes(first), bytes(steps));
        self.gpu.queue().submit([encoder.finish()]);
        Ok(())
    }

    fn wait(&self) -> Result<(), wgpu::PollError> {
        let wait = wgpu::PollType::Wait { submission_index: None, timeout: Some(Duration::from_secs(20)) };
        self.gpu.device().poll(wait).map(|_| ())
    }

    fn download(&self, buffer: &wgpu::Buffer) -> Result<Vec<f32>, bmru::Error> {
        Ok(bytemuck::cast_vec(pollster::block_on(self.gpu.download(buffer))?))
    }

    /// The last layer has the oracle's bits. It gets the candidates that the GPU mixed: how that rounds is not the crate's affair.
    fn check(&self, states: &[f32]) -> Result<(), Box<dyn Error>> {
        let candidate = self.download(&self.candidates)?;
        let layer = &self.layers[LAYERS - 1];
        let (amplitude, initial_state) = ([1.0; CHANNELS], [0.0; CHANNELS]);
        let inputs = Inputs {
            candidate: &candidate,
            threshold: &layer.thresholds,
            amplitude: &amplitude,
            initial_state: &initial_state,
            ..Inputs::default()
        };
        let expected = oracle::forward(&Self::descriptor(candidate.len() / CHANNELS), &inputs)?.states;
        if expected.iter().map(|state| state.to_bits()).ne(states.iter().map(|state| state.to_bits())) {
            return Err("the states differ from the oracle's".into());
        }
        Ok(())
    }
}

/// Zeros.
fn buffer(gpu: &Gpu, label: &str, floats: usize) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let size = 4 * floats.max(1) as u64;
    gpu.device().create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
}

fn filled(gpu: &Gpu, label: &str, values: &[f32]) -> wgpu::Buffer {
    let (label, contents) = (Some(label), bytemuck::cast_slice(values));
    gpu.device().create_buffer_init(&wgpu::util::BufferInitDescriptor { label, contents, usage: wgpu::BufferUsages::STORAGE })
}

fn pipeline(gpu: &Gpu, incoming: usize) -> wgpu::ComputePipeline {
    let source = wgpu::ShaderSource::Wgsl(format!("const K = {incoming}u;\nconst D = {CHANNELS}u;\n{MIX}").into());
    let module = gpu.device().create_shader_module(wgpu::ShaderModuleDescriptor { label: Some("mix"), source });
    gpu.device().create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("mix"),
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    })
}

fn group(gpu: &Gpu, pipeline: &wgpu::ComputePipeline, buffers: [&wgpu::Buffer; 3]) -> wgpu::BindGroup {
    let entry = |binding: usize| wgpu::BindGroupEntry { binding: binding as u32, resource: buffers[binding].as_entire_binding() };
    let (layout, entries) = (&pipeline.get_bind_group_layout(0), &[entry(0), entry(1), entry(2)]);
    gpu.device().create_bind_group(&wgpu::BindGroupDescriptor { label: Some("mix"), layout, entries })
}
