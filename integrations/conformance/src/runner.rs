//! Runs cases on one device and compares every word of every buffer.

use bmru::host::Gpu;
use bmru::{
    Amplitude, Buffers, Counts, Descriptor, Error, FinalState, InitialCount, InitialState, Operand, Outputs, Plan, Sequences,
    Slot, States, Strides, Tuning, Unit, View, oracle, wgpu,
};

use crate::allowed::{Allowed, allowed_sums, quiet};
use crate::image::{POISON, elements, put};
use crate::{Case, data::Slots};

/// Words behind the end of every buffer that must keep their poison.
pub(crate) const MARGIN: u64 = 64;

/// What came of a case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Words that differ from what the oracle says.
    pub wrong_words: u64,
    /// Bits of those words that differ.
    pub wrong_bits: u64,
    /// The first of them.
    pub first: Option<String>,
    /// The largest error of a state that is a sum, as a share of its bound.
    pub worst: f64,
}

/// A device, with the tuning that its adapter gets.
#[derive(Clone, Debug)]
pub struct Runner {
    gpu: Gpu,
    tuning: Tuning,
}

impl Runner {
    /// A runner on a device.
    #[must_use]
    pub fn on(gpu: Gpu) -> Self {
        let tuning = Tuning::for_adapter(gpu.info());
        Self { gpu, tuning }
    }

    /// The device.
    #[must_use]
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The tuning of its adapter.
    #[must_use]
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// Runs a case, and unpacks what it packs.
    ///
    /// # Errors
    /// What planning, binding or the device refuse: a failure, too.
    pub async fn run_async(&self, case: &Case) -> Result<Outcome, Error> {
        let data = case.data();
        let expected = oracle::forward(&case.descriptor, &data.inputs())?;
        let mut outcome = Outcome::default();
        let memory = Memory::new(self, &case.descriptor, &data)?;
        let pieces = pieces(case);
        let mut depth = 0;
        for (number, piece) in pieces.iter().enumerate() {
            let plan = case.plan(piece, &self.gpu.limits(), &self.tuning)?;
            depth = depth.max(plan.depth());
            outcome.compare_margin(&memory.run(self, &plan, number).await?);
        }
        let sums = allowed_sums(&case.descriptor, &data.inputs(), &case.cuts, depth)?;
        for (slot, wanted) in Memory::expected(&case.descriptor, &expected, pieces.len()) {
            let Some(buffer) = memory.buffer(slot, pieces.len()) else { continue };
            outcome.compare_output(slot, &self.gpu.download(buffer).await?, &wanted, sums.as_ref());
        }
        if let Some(plan) = case.unpacking(&self.gpu.limits(), &self.tuning)? {
            let [states, scratch] = memory.unpack(self, &plan).await?;
            outcome.compare(Slot::States, &states, &unpacked(&case.descriptor, &data)?);
            outcome.compare_margin(&scratch);
        }
        Ok(outcome)
    }
}

impl Outcome {
    /// What lies behind the end of the scratch must be as it was.
    pub(crate) fn compare_margin(&mut self, scratch: &[u32]) {
        self.compare(Slot::Scratch, &scratch[scratch.len() - MARGIN as usize..], &[POISON; MARGIN as usize]);
    }

    /// States and final states where they are sums, and whatever is exact.
    pub(crate) fn compare_output(&mut self, slot: Slot, actual: &[u32], expected: &[u32], sums: Option<&[Allowed; 2]>) {
        match (slot, sums) {
            (Slot::States | Slot::Candidate, Some([states, _])) => self.compare_sums(slot, actual, expected, states),
            (Slot::FinalState | Slot::InitialState, Some([_, final_state])) => {
                self.compare_sums(slot, actual, expected, final_state)
            }
            _ => self.compare(slot, actual, expected),
        }
    }

    /// Bit for bit, but where there are bounds, or a NaN became quiet.
    pub(crate) fn compare_sums(&mut self, slot: Slot, actual: &[u32], expected: &[u32], allowed: &Allowed) {
        let mut held = elements(allowed.element, expected);
        for (place, (held, actual)) in held.iter_mut().zip(elements(allowed.element, actual)).enumerate() {
            if actual == quiet(allowed.element, *held) {
                *held = actual;
            }
            let Some(share) = allowed.share(place, actual).filter(|_| actual != *held) else { continue };
            self.worst = self.worst.max(share);
            if share <= 1.0 {
                *held = actual;
            }
        }
        self.compare(slot, &elements(allowed.element, actual), &held);
    }

    /// Word for word, or element for element.
    pub(crate) fn compare(&mut self, slot: Slot, actual: &[u32], expected: &[u32]) {
        if actual.len() != expected.len() {
            let missing = actual.len().abs_diff(expected.len()) as u64;
            self.wrong_words += missing;
            self.wrong_bits += u64::from(u32::BITS) * missing;
            self.first.get_or_insert(format!("{slot} has {} words, expected {}", actual.len(), expected.len()));
        }
        for (at, (a, e)) in actual.iter().zip(expected).enumerate().filter(|(_, (a, e))| a != e) {
            self.wrong_words += 1;
            self.wrong_bits += u64::from((a ^ e).count_ones());
            self.first.get_or_insert_with(|| format!("{slot}[{at}] is {a:#010x}, expected {e:#010x}"));
        }
    }
}

/// The slot that states are written to.
pub(crate) fn states_slot(descriptor: &Descriptor) -> Slot {
    descriptor.view(Operand::States).map_or(Slot::States, |view| view.slot)
}

/// Rows of initial and final states.
pub(crate) fn state_rows(descriptor: &Descriptor) -> u64 {
    match descriptor.sequences_kind() {
        Sequences::Packed { count } => count,
        _ => descriptor.shape().batch,
    }
}

/// What of a unit is handed on where time is cut.
#[derive(Clone, Copy)]
pub(crate) struct Handed {
    pub state: bool,
    pub count: bool,
}

impl Handed {
    pub(crate) fn of(descriptor: &Descriptor) -> Self {
        let counted = descriptor.unit() == Unit::Cumulative && descriptor.amplitude_kind() == Amplitude::PerChannel;
        let limited = descriptor.unit() == Unit::ForwardFill && descriptor.limit_steps().is_some();
        Self { state: !counted, count: counted || limited }
    }
}

/// The descriptors of the pieces between the cuts: views into the same slots, each with the state of the one before.
pub(crate) fn pieces(case: &Case) -> Vec<Descriptor> {
    if case.cuts.is_empty() {
        return vec![case.descriptor.clone()];
    }
    let whole = &case.descriptor;
    let ends = case.cuts.iter().copied().chain([whole.shape().time]);
    let mut begin = 0;
    let mut pieces = Vec::new();
    for end in ends {
        let shape = bmru::Shape { time: end - begin, ..whole.shape() };
        let moved = |operand| {
            let view: View = whole.view(operand).expect("forward has this operand");
            View { offset: view.offset + begin * view.strides.time, ..view }
        };
        let mut piece = Descriptor::new(whole.unit(), shape)
            .element(whole.element_type())
            .layout(whole.memory_layout())
            .boundary(whole.boundary_rule())
            .threshold(whole.threshold_kind())
            .candidate_view(moved(Operand::Candidate))
            .states_view(moved(Operand::States))
            .amplitude(whole.amplitude_kind())
            .epsilon(whole.epsilon_value())
            .final_state(FinalState::Written);
        let handed = Handed::of(whole);
        let given = whole.has_initial_state() || begin > 0 && handed.state;
        piece = piece.initial_state(if given { InitialState::Given } else { InitialState::Zero });
        if let Some(limit) = whole.limit_steps() {
            piece = piece.limit(limit).beyond(whole.beyond_value());
        }
        if handed.count {
            let counted = begin > 0 || whole.view(Operand::InitialCount).is_some();
            piece = piece.counts(Counts::Final).initial_count(if counted { InitialCount::Given } else { InitialCount::Zero });
        }
        if whole.amplitude_kind() == Amplitude::PerElement {
            piece = piece.amplitude_view(moved(Operand::Amplitude));
        }
        if whole.threshold_kind() == bmru::Threshold::PerElement && whole.view(Operand::Threshold).is_some() {
            piece = piece.threshold_view(moved(Operand::Threshold));
            if whole.view(Operand::LowThreshold).is_some() {
                piece = piece.low_threshold_view(moved(Operand::LowThreshold));
            }
        }
        pieces.push(piece);
        begin = end;
    }
    pieces
}

/// The slots of a case that all its pieces share.
pub(crate) const OWNED: [Slot; 13] = [
    Slot::Candidate,
    Slot::Threshold,
    Slot::Amplitude,
    Slot::InitialState,
    Slot::InitialCount,
    Slot::Validity,
    Slot::CuSeqlens,
    Slot::Resets,
    Slot::States,
    Slot::Saved,
    Slot::Counts,
    Slot::PackedStates,
    Slot::FirstSet,
];

/// What a buffer must hold to which the packed states of a descriptor were unpacked.
pub(crate) fn unpacked(descriptor: &Descriptor, data: &Slots) -> Result<Vec<u32>, Error> {
    let numbers = descriptor.clone().states(States::Numbers);
    Ok(states_image(&numbers, &oracle::forward(&numbers, &data.inputs())?.states))
}

/// The states where their elements lie, and poison everywhere else; nothing but that where none are written as numbers.
fn states_image(descriptor: &Descriptor, states: &[f32]) -> Vec<u32> {
    let (element, shape) = (descriptor.element_type(), descriptor.shape());
    let mut image = vec![POISON; (descriptor.slot_bytes(Slot::States).unwrap_or(0) / 4 + MARGIN) as usize];
    let View { offset, strides: Strides { batch, time, channel }, .. } =
        descriptor.view(Operand::States).expect("forward has states");
    for (b, t) in (0..shape.batch).flat_map(|b| (0..shape.time).map(move |t| (b, t))) {
        for d in 0..shape.channels {
            let at = (offset + b * batch + t * time + d * channel) as usize;
            if let Some(&state) = states.get(at) {
                put(element, &mut image, at, state);
            }
        }
    }
    image
}

/// The buffers of a case. Pieces pass their state between two final states, back and forth.
pub(crate) struct Memory {
    buffers: Vec<(Slot, wgpu::Buffer)>,
    handed: [wgpu::Buffer; 2],
    /// The same of counts.
    counted: [wgpu::Buffer; 2],
}

impl Memory {
    fn new(runner: &Runner, descriptor: &Descriptor, data: &Slots) -> Result<Self, Error> {
        let mut buffers = Vec::new();
        for slot in OWNED {
            let words = descriptor.slot_bytes(slot)? / 4;
            buffers.push((slot, poisoned(runner, words, &data.words(descriptor, slot))));
        }
        let elements = state_rows(descriptor) * descriptor.shape().channels;
        let rows = (elements * descriptor.element_type().bytes()).div_ceil(4);
        let pair = |rows| [poisoned(runner, rows, &[]), poisoned(runner, rows, &[])];
        Ok(Self { buffers, handed: pair(rows), counted: pair(elements) })
    }

    /// Runs a piece; its scratch.
    async fn run(&self, runner: &Runner, plan: &Plan, piece: usize) -> Result<Vec<u32>, Error> {
        let scratch = poisoned(runner, plan.slot_bytes(Slot::Scratch) / 4, &[]);
        let mut buffers = Buffers::new().scratch((&scratch, 0, plan.slot_bytes(Slot::Scratch)));
        for (slot, buffer) in &self.buffers {
            if plan.uses(*slot) {
                buffers = buffers.slot(*slot, buffer);
            }
        }
        if plan.uses(Slot::FinalState) {
            buffers = buffers.final_state(&self.handed[piece % 2]);
        }
        let handed = Handed::of(plan.descriptor());
        if plan.uses(Slot::FinalCount) {
            buffers = buffers.slot(Slot::FinalCount, &self.counted[piece % 2]);
        }
        if piece > 0 && handed.count {
            buffers = buffers.slot(Slot::InitialCount, &self.counted[(piece - 1) % 2]);
        }
        if piece > 0 && handed.state {
            buffers = buffers.initial_state(&self.handed[(piece - 1) % 2]);
        }
        let bound = runner.gpu.kernels().bind(plan, &buffers)?;
        let mut encoder = runner.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        bound.record(&mut encoder);
        runner.gpu.queue().submit([encoder.finish()]);
        runner.gpu.download(&scratch).await
    }

    /// Unpacks what was packed: states, in a buffer of their own, and scratch.
    async fn unpack(&self, runner: &Runner, plan: &Plan) -> Result<[Vec<u32>; 2], Error> {
        let [states, scratch] = [Slot::States, Slot::Scratch].map(|slot| {
            let bytes =
                if slot == Slot::States { plan.descriptor().slot_bytes(slot).unwrap_or(0) } else { plan.slot_bytes(slot) };
            poisoned(runner, bytes / 4, &[])
        });
        let mut buffers = Buffers::new().scratch((&scratch, 0, plan.slot_bytes(Slot::Scratch)));
        for (slot, buffer) in self.buffers.iter().filter(|(slot, _)| plan.uses(*slot)) {
            buffers = buffers.slot(*slot, buffer);
            if *slot == Slot::Saved {
                buffers = buffers.saved_by(buffer, plan.descriptor().saved_layout());
            }
        }
        let bound = runner.gpu.kernels().bind(plan, &buffers.states(&states))?;
        let mut encoder = runner.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        bound.record(&mut encoder);
        runner.gpu.queue().submit([encoder.finish()]);
        Ok([runner.gpu.download(&states).await?, runner.gpu.download(&scratch).await?])
    }

    fn buffer(&self, slot: Slot, pieces: usize) -> Option<&wgpu::Buffer> {
        match slot {
            Slot::FinalState => Some(&self.handed[(pieces - 1) % 2]),
            Slot::FinalCount => Some(&self.counted[(pieces - 1) % 2]),
            _ => self.buffers.iter().find(|&&(held, _)| held == slot).map(|(_, buffer)| buffer),
        }
    }

    /// Every word of the buffers that are written: the oracle's where an element lies, poison everywhere else.
    pub(crate) fn expected(descriptor: &Descriptor, outputs: &Outputs, pieces: usize) -> Vec<(Slot, Vec<u32>)> {
        let element = descriptor.element_type();
        let margin = |elements: usize| vec![POISON; (elements * element.bytes() as usize).div_ceil(4) + MARGIN as usize];
        let states = match states_slot(descriptor) {
            Slot::Candidate => image(0, &descriptor.element_type().to_words(&outputs.states)),
            _ => states_image(descriptor, &outputs.states),
        };
        let shape = descriptor.shape();
        let mut final_state = margin((state_rows(descriptor) * shape.channels) as usize);
        let mut written = vec![(states_slot(descriptor), states)];
        if descriptor.is_in_place() {
            written.push((Slot::FinalState, final_state.clone()));
            // The half word behind an odd number of elements is what was uploaded.
            let elements = final_state.len() - MARGIN as usize;
            final_state[..elements].fill(0);
        }
        if descriptor.has_final_state() || pieces > 1 {
            for (at, &state) in outputs.final_state.iter().enumerate() {
                put(element, &mut final_state, at, state);
            }
        }
        written.push((if descriptor.is_in_place() { Slot::InitialState } else { Slot::FinalState }, final_state));
        let apart = descriptor.view(Operand::FirstSet).is_some_and(|view| view.slot == Slot::FirstSet);
        let first_set = if apart { &outputs.first_set[..] } else { &[] };
        for (slot, words) in
            [(Slot::Saved, &outputs.saved[..]), (Slot::PackedStates, &outputs.packed_states), (Slot::FirstSet, first_set)]
        {
            written.push((slot, [words, &[POISON; MARGIN as usize]].concat()));
        }
        let rows = (state_rows(descriptor) * shape.channels) as usize;
        let final_count =
            if descriptor.is_in_place() && !outputs.final_count.is_empty() { Slot::InitialCount } else { Slot::FinalCount };
        for (slot, counts, length) in
            [(Slot::Counts, &outputs.counts, outputs.counts.len()), (final_count, &outputs.final_count, rows)]
        {
            let mut words = vec![POISON; length + MARGIN as usize];
            words[..counts.len()].copy_from_slice(bytemuck::cast_slice(counts));
            written.push((slot, words));
        }
        written
    }
}

/// A buffer of `words` words and a margin, poisoned where `contents` ends.
pub(crate) fn poisoned(runner: &Runner, words: u64, contents: &[u32]) -> wgpu::Buffer {
    let image = image(words, contents);
    let buffer = runner.gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("conformance"),
        size: image.len() as u64 * 4,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    runner.gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(&image));
    buffer
}

/// What such a buffer holds.
pub(crate) fn image(words: u64, contents: &[u32]) -> Vec<u32> {
    let mut image = vec![POISON; (words.max(contents.len() as u64) + MARGIN) as usize];
    image[..contents.len()].copy_from_slice(contents);
    image
}
