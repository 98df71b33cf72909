//! Cases of the backward pass: one descriptor with its data, and many plans that must all give the same bits.

use bmru::oracle::{self, Gradients, IncomingGradients};
use bmru::{
    Access, Buffers, Descriptor, Error, Gradient, Limits, Operand, Plan, Save, Sequences, Shape, Slot, Strategy, Tuning, Unit,
    View, wgpu,
};

use crate::bound::{bounds, rounding};
use crate::case::{name_seed, walked};
use crate::data::{Rate, Slots, Values, generate, poison_slack_of_gradient};
use crate::image::{self, POISON, put};
use crate::runner::{MARGIN, poisoned};
use crate::{Profile, Runner};

/// What the accumulating outputs hold before.
pub const BEFORE: f32 = 3.0;

/// One way to compute a case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// The strategy that writes what is saved.
    pub forward: Strategy,
    /// The strategy of the backward pass.
    pub backward: Strategy,
    /// Limits of the backward plan.
    pub profile: Profile,
    /// The widest vectors.
    pub vector_width: u32,
    /// Invocations of a workgroup.
    pub workgroup_size: u32,
    /// How buffers are declared.
    pub access: Access,
}

/// A case of the backward pass.
#[derive(Clone, Debug, PartialEq)]
pub struct BackwardCase {
    /// Names the case; reruns it alone.
    pub name: String,
    /// What is computed.
    pub descriptor: Descriptor,
    /// How often candidates leave their region.
    pub rate: Rate,
    /// Which values the inputs have.
    pub values: Values,
    /// Seed of the data.
    pub seed: u64,
    /// The plans.
    pub choices: Vec<Choice>,
}

/// The outputs, by name.
pub const OUTPUTS: [&str; 4] = ["candidate", "threshold", "amplitude", "initial state"];

/// What came of a case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackwardOutcome {
    /// The largest error of each output, as a share of its bound; infinite if one is not a number.
    pub worst: [f64; 4],
    /// Gradients beyond their bound, bits that differ between plans, and words that should not have been touched.
    pub wrong: u64,
    /// The first of them.
    pub first: Option<String>,
}

/// Incoming gradients: a tenth of them 0, the others of magnitudes from 2⁻⁴ to 2⁴.
#[must_use]
pub fn incoming(descriptor: &Descriptor, seed: u64) -> [Vec<f32>; 2] {
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x9e37_79b9);
    let mut incoming = [Slot::StatesGradient, Slot::FinalStateGradient].map(|slot| {
        let length = descriptor.slot_elements(slot).expect("a descriptor that can exist");
        let mut value = || {
            let magnitude = (rng.f32() * 8.0 - 4.0).exp2();
            let value = [magnitude, -magnitude, 0.0][if rng.u8(..10) == 0 { 2 } else { usize::from(rng.bool()) }];
            descriptor.element_type().round(value)
        };
        (0..length).map(|_| value()).collect::<Vec<f32>>()
    });
    poison_slack_of_gradient(descriptor, seed, &mut incoming[0]);
    incoming
}

impl BackwardCase {
    /// A case of plain numbers with all strategies under the device's limits.
    #[must_use]
    pub fn new(name: impl Into<String>, descriptor: Descriptor, rate: Rate) -> Self {
        let case = crate::Case::new(name, descriptor.save(Save::Codes), rate);
        let choice = |backward, forward, vector_width| Choice {
            forward,
            backward,
            profile: Profile::Device,
            vector_width,
            workgroup_size: 8,
            access: Access::Declared,
        };
        let choices = vec![
            choice(Strategy::Serial, Strategy::Tiles, 4),
            choice(Strategy::Tiles, Strategy::Serial, 4),
            choice(Strategy::Tiles, Strategy::Tiles, 1),
        ];
        let crate::Case { name, descriptor, rate, values, seed, .. } = case;
        Self { name, descriptor, rate, values, seed, choices }
    }
}

impl Choice {
    /// The plans of both passes for a device.
    ///
    /// # Errors
    /// As [`Descriptor::backward`].
    pub fn plans(&self, descriptor: &Descriptor, device: &Limits, tuning: &Tuning) -> Result<[Plan; 2], Error> {
        // Not of all of the descriptor: what is a parameter compiles nothing.
        let hash = name_seed(&format!("{:?} {:?} {self:?}", descriptor.shape(), descriptor.unit()));
        let tuning = &walked(tuning, hash);
        let tuning = |strategy| Tuning {
            max_vector_width: self.vector_width,
            workgroup_size: self.workgroup_size,
            ..tuning.clone().with_strategy(strategy)
        };
        let forward = descriptor.forward(device, &tuning(self.forward))?;
        let limits: Limits = self.profile.limits(device);
        let backward = Tuning { access: self.access, ..tuning(self.backward) };
        let backward = descriptor.backward(&limits, &in_parts(&backward, hash))?;
        Ok([forward, backward])
    }
}

/// The tuning with walks back over parts of stretches, in half of all cases.
fn in_parts(tuning: &Tuning, hash: u64) -> Tuning {
    let (serial_rows, min_tile_steps) = match (hash >> 40) % 6 {
        0 => (u64::MAX, 32),
        1 => (u64::MAX, 128),
        2 => (u64::MAX, 512),
        _ => (tuning.serial_rows, tuning.min_tile_steps),
    };
    Tuning { serial_rows, min_tile_steps, ..tuning.clone() }
}

/// All slots, each with the words that the plans need there and what is uploaded.
pub(crate) fn memory(
    descriptor: &Descriptor,
    plans: &[Plan; 2],
    data: &Slots,
    incoming: &IncomingGradients<'_>,
) -> Vec<(Slot, u64, Vec<u32>)> {
    let uploaded = |&slot: &Slot| {
        let words = plans.iter().map(|plan| plan.slot_bytes(slot) / 4).max().unwrap_or(0);
        (slot, words, contents(descriptor, data, incoming, slot))
    };
    Slot::ALL.iter().map(uploaded).collect()
}

/// What is uploaded to a slot.
pub(crate) fn contents(descriptor: &Descriptor, data: &Slots, incoming: &IncomingGradients<'_>, slot: Slot) -> Vec<u32> {
    let element = descriptor.element_of(slot);
    let mut image = match slot {
        Slot::StatesGradient => element.to_words(incoming.states),
        Slot::FinalStateGradient => element.to_words(incoming.final_state),
        slot => data.words(descriptor, slot),
    };
    for at in accumulating(descriptor, slot) {
        image.resize(image.len().max(at + 1), POISON);
        put(element, &mut image, at, BEFORE);
    }
    image
}

impl Runner {
    /// Runs a case of the backward pass.
    ///
    /// # Errors
    /// What planning, binding or the device refuse: a failure, too.
    pub async fn run_backward_async(&self, case: &BackwardCase) -> Result<BackwardOutcome, Error> {
        let data = generate(&case.descriptor, case.rate, case.values, case.seed);
        let [states, final_state] = incoming(&case.descriptor, case.seed);
        let incoming = IncomingGradients { states: &states, final_state: &final_state };
        let expected = oracle::backward(&case.descriptor, &data.inputs(), &incoming)?;
        let mut outcome = BackwardOutcome::default();
        let mut before: Option<[Vec<u32>; 4]> = None;
        for choice in &case.choices {
            let (depth, actual) = self.gradients_async(&case.descriptor, choice, &data, &incoming).await?;
            // Where steps that set scale a gradient, the order of its additions is that of the tree.
            let ordered = case.descriptor.unit() != Unit::Relaxed;
            match before.as_ref().filter(|_| ordered) {
                // The bounds hold for all plans if they hold for one and the bits are the same.
                None => {
                    let bounds = bounds(&case.descriptor, &data.inputs(), &incoming, depth)?;
                    outcome.compare(&case.descriptor, &actual, &expected, &bounds);
                    before = Some(actual);
                }
                Some(before) => {
                    for (output, (actual, before)) in OUTPUTS.iter().zip(actual.iter().zip(before)) {
                        for (at, (a, b)) in actual.iter().zip(before).enumerate().filter(|(_, (a, b))| a != b) {
                            outcome.wrong += 1;
                            outcome.first.get_or_insert_with(|| {
                                format!("gradient of {output}[{at}] is {a:#010x} with {choice:?}, {b:#010x} with the first plan")
                            });
                        }
                    }
                }
            }
        }
        Ok(outcome)
    }

    /// The gradients of one plan, whole buffers with what must not be touched, and the depth of the plan.
    ///
    /// # Errors
    /// What planning, binding or the device refuse.
    pub async fn gradients_async(
        &self,
        descriptor: &Descriptor,
        choice: &Choice,
        data: &Slots,
        incoming: &IncomingGradients<'_>,
    ) -> Result<(u64, [Vec<u32>; 4]), Error> {
        let gpu = self.gpu();
        let plans = choice.plans(descriptor, &gpu.limits(), self.tuning())?;
        let [forward, backward] = &plans;
        let mut owned: Vec<(Slot, wgpu::Buffer)> = Vec::new();
        for (slot, words, contents) in memory(descriptor, &plans, data, incoming) {
            owned.push((slot, poisoned(self, words, &contents)));
        }
        let buffer = |slot| &owned.iter().find(|(held, _)| *held == slot).expect("every slot has a buffer").1;
        let given = |plan: &Plan| {
            let used = Slot::ALL.iter().filter(|&&slot| plan.uses(slot));
            let buffers = used.fold(Buffers::new(), |buffers, &slot| buffers.slot(slot, buffer(slot)));
            match forward.saved_layout() {
                Some(layout) => buffers.saved_by(buffer(Slot::Saved), layout),
                None => buffers,
            }
        };
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        gpu.kernels().bind(forward, &given(forward))?.record(&mut encoder);
        gpu.kernels().bind(backward, &given(backward))?.record(&mut encoder);
        gpu.queue().submit([encoder.finish()]);
        let download = |slot| gpu.download(buffer(slot));
        let outputs = [
            download(Slot::CandidateGradient).await?,
            download(Slot::ThresholdGradient).await?,
            download(Slot::AmplitudeGradient).await?,
            download(Slot::InitialStateGradient).await?,
        ];
        let scratch = download(Slot::Scratch).await?;
        let margin = &scratch[scratch.len() - MARGIN as usize..];
        if margin.iter().any(|&word| word != POISON) {
            let message = "it wrote behind the end of its scratch".to_owned();
            return Err(Error::Device { what: "a kernel".to_owned(), message });
        }
        Ok((backward.depth(), outputs))
    }
}

/// In the order of the outputs.
pub(crate) const SLOTS: [Slot; 4] =
    [Slot::CandidateGradient, Slot::ThresholdGradient, Slot::AmplitudeGradient, Slot::InitialStateGradient];

/// Each output with the number of its slot.
const OPERANDS: [(Operand, usize); 5] = [
    (Operand::CandidateGradient, 0),
    (Operand::ThresholdGradient, 1),
    (Operand::LowThresholdGradient, 1),
    (Operand::AmplitudeGradient, 2),
    (Operand::InitialStateGradient, 3),
];

/// The elements of a slot that are added to.
fn accumulating(descriptor: &Descriptor, slot: Slot) -> Vec<usize> {
    let accumulates = |operand| descriptor.gradient_of(operand) == Gradient::Accumulate;
    let views = OPERANDS.iter().filter(|(operand, _)| accumulates(*operand)).filter_map(|(operand, _)| descriptor.view(*operand));
    views.filter(|view| view.slot == slot).flat_map(|view| elements(descriptor, view)).map(|(at, _)| at).collect()
}

/// The elements of a view, with their indices. A stride of 0 is an axis that the output lacks.
fn elements(descriptor: &Descriptor, view: View) -> impl Iterator<Item = (usize, [u64; 3])> + use<> {
    let Shape { batch, time, channels } = descriptor.shape();
    let has = |stride: u64, length: u64| if stride > 0 { length } else { 1 };
    let rows = match descriptor.sequences_kind() {
        Sequences::Packed { count } if view.slot == Slot::InitialStateGradient => count,
        _ => has(view.strides.batch, batch),
    };
    let (steps, channels) = (has(view.strides.time, time), has(view.strides.channel, channels));
    // What lacks an axis has no elements, either, where another of its axes is empty or that one is.
    let rows = if descriptor.slot_elements(view.slot) == Ok(0) { 0 } else { rows };
    let triples = (0..rows).flat_map(move |b| (0..steps).flat_map(move |t| (0..channels).map(move |d| [b, t, d])));
    triples.map(move |[b, t, d]| {
        ((view.offset + b * view.strides.batch + t * view.strides.time + d * view.strides.channel) as usize, [b, t, d])
    })
}

/// An element of an output, and what it must be.
pub(crate) struct Wanted {
    /// Number of the output.
    pub output: usize,
    /// Batch, time, channel.
    pub index: [u64; 3],
    /// Number of its slot in [`SLOTS`].
    pub place: usize,
    /// Index into that.
    pub at: usize,
    /// What it must be.
    pub value: f64,
    /// How far from that it may be.
    pub allowed: f64,
}

/// All elements of all outputs.
pub(crate) fn wanted(descriptor: &Descriptor, expected: &Gradients<f64>, bounds: &Gradients<f64>) -> Vec<Wanted> {
    let slots = [
        (&expected.candidate, &bounds.candidate),
        (&expected.threshold, &bounds.threshold),
        (&expected.amplitude, &bounds.amplitude),
        (&expected.initial_state, &bounds.initial_state),
    ];
    let mut all = Vec::new();
    for (operand, output) in OPERANDS {
        let Some(view) = descriptor.view(operand) else { continue };
        let place = SLOTS.iter().position(|&slot| slot == view.slot).expect("a slot of gradients");
        let ((wanted, bound), element) = (slots[place], descriptor.element_of(view.slot));
        let accumulated = descriptor.gradient_of(operand) == Gradient::Accumulate;
        for (at, index) in elements(descriptor, view) {
            let before = if accumulated { f64::from(BEFORE) } else { 0.0 };
            // One more addition, if it accumulates.
            let added = if accumulated { f64::from(f32::EPSILON) * (before + wanted[at].abs() + bound[at]) } else { 0.0 };
            let value = before + wanted[at];
            let allowed = bound[at] + added + rounding(element, value.abs() + bound[at]);
            all.push(Wanted { output, index, place, at, value, allowed });
        }
    }
    all
}

impl BackwardOutcome {
    pub(crate) fn compare(
        &mut self,
        descriptor: &Descriptor,
        actual: &[Vec<u32>; 4],
        expected: &Gradients<f64>,
        bounds: &Gradients<f64>,
    ) {
        let types = SLOTS.map(|slot| descriptor.element_of(slot));
        let actual: [Vec<u32>; 4] = std::array::from_fn(|place| image::elements(types[place], &actual[place]));
        // What is left of a buffer when all its elements were looked at must be as it was.
        let mut rest = actual.clone();
        for Wanted { output, index: [b, t, d], place, at, value: wanted, allowed } in wanted(descriptor, expected, bounds) {
            let value = f64::from(types[place].decode(actual[place][at]));
            rest[place][at] = image::poison(types[place], at);
            let error = (value - wanted).abs();
            let share = if error == 0.0 || allowed == f64::INFINITY { 0.0 } else { error / allowed };
            let share = if share.is_nan() { f64::INFINITY } else { share };
            self.worst[output] = self.worst[output].max(share);
            if share > 1.0 {
                self.wrong += 1;
                self.first.get_or_insert_with(|| {
                    let output = OUTPUTS[output];
                    format!("gradient of {output} at ({b}, {t}, {d}) is {value:e}, expected {wanted:e} ± {allowed:e}")
                });
            }
        }
        for (place, words) in rest.iter().enumerate() {
            let element = types[place];
            let untouched = |(at, &bits): (usize, &u32)| bits == image::poison(element, at) || bits == element.encode(BEFORE);
            if let Some(at) = words.iter().enumerate().position(|word| !untouched(word)) {
                self.wrong += 1;
                let output = OUTPUTS[place];
                self.first
                    .get_or_insert_with(|| format!("word {at} of the gradient of {output} was written, but no element is there"));
            }
        }
    }
}
