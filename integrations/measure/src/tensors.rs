//! The tensors of a group: as many copies as it takes to leave the caches, and what the oracle makes of them.

use bmru::oracle::{self, IncomingGradients};
use bmru::wgpu::{Buffer, ComputePassDescriptor};
use bmru::{
    Amplitude, Bound, Buffers, Descriptor, Direction, Element, Operand, Outputs, Plan, SavedLayout, Sequences, Shape, Slot,
    Threshold,
};
use bmru_conformance::data::{Rate, Slots, Values, generate};
use bmru_conformance::{Allowed, allowed, backward, bounds, rounding};

use crate::device::POISON;
use crate::{Device, Error, Run, Work};

/// What a tensor should hold.
pub enum Expected {
    /// These words.
    Words(Vec<u32>),
    /// Elements that lie no farther from a value than its bound.
    Within {
        /// Their type.
        element: Element,
        /// The values.
        values: Vec<f64>,
        /// A bound for each.
        bounds: Vec<f64>,
    },
}

impl Expected {
    /// These elements, bit for bit.
    #[must_use]
    pub fn of(element: Element, numbers: &[f32]) -> Self {
        let mut words = element.to_words(numbers);
        // Nothing is written behind the last one.
        if let Some(last) = words.last_mut().filter(|_| element != Element::F32 && numbers.len() % 2 == 1) {
            *last |= POISON & 0xffff_0000;
        }
        Self::Words(words)
    }

    /// What is written around is as it was.
    fn poison(&mut self, gaps: impl Iterator<Item = usize>, of: Element) {
        let each = 4 / of.bytes() as usize;
        for at in gaps {
            let shift = 32 / each * (at % each);
            let bits = POISON >> shift & (u32::MAX >> (32 - 32 / each));
            match self {
                Self::Words(words) => {
                    let mask = (u32::MAX >> (32 - 32 / each)) << shift;
                    words[at / each] = words[at / each] & !mask | bits << shift;
                }
                Self::Within { values, bounds, .. } => (values[at], bounds[at]) = (of.decode(bits).into(), 0.0),
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Words(words) => words.len(),
            Self::Within { values, .. } => values.len(),
        }
    }

    /// What is wrong in this place, if anything.
    fn objection(&self, what: &str, at: usize, actual: &[u32]) -> Option<String> {
        let missing = || Some(format!("{what}[{at}] is missing"));
        match self {
            Self::Words(words) => match actual.get(at) {
                None => missing(),
                Some(&word) if word == words[at] => None,
                Some(word) => Some(format!("{what}[{at}] is {word:#010x}, expected {:#010x}", words[at])),
            },
            Self::Within { element, values, bounds } => {
                let each = 4 / element.bytes() as usize;
                let Some(&word) = actual.get(at / each) else { return missing() };
                let bits = if each == 1 { word } else { word >> (16 * (at % 2)) & 0xffff };
                let number = f64::from(element.decode(bits));
                // NaN lies nowhere.
                let near = (number - values[at]).abs() <= bounds[at];
                (!near).then(|| format!("{what}[{at}] is {number:e}, expected {:e} ± {:e}", values[at], bounds[at]))
            }
        }
    }
}

/// What the plans of a group read and write, here and on the device, and what the oracle makes of it.
pub struct Tensors {
    elements: u64,
    element: Element,
    /// The buffers of every copy.
    copies: Vec<Vec<(Slot, Buffer)>>,
    /// Working memory, shared by all copies as it would be by all layers of a model.
    scratch: Option<Buffer>,
    words: Vec<(Slot, Vec<u32>)>,
    saved_layout: Option<SavedLayout>,
    expected: Vec<(Slot, Expected)>,
}

/// The sequences that the oracle looks at. Where there are many more elements, all are these again and again: what depends on the number
/// of a sequence is for the conformance matrix to see, not for a measurement.
pub struct Sample {
    /// What the plans compute, of these sequences.
    pub descriptor: Descriptor,
    /// The same of the forward pass that saves.
    pub forward: Descriptor,
    /// How often they come.
    pub times: u64,
}

impl Sample {
    /// Elements that the oracle takes a second for.
    const ELEMENTS: u64 = 1 << 22;

    /// How many sequences of a shape the oracle looks at.
    #[must_use]
    pub fn sequences(shape: Shape) -> u64 {
        let Shape { batch, time, channels } = shape;
        let row = time * channels;
        // Words are whole.
        let few = if row.is_multiple_of(2) { Self::ELEMENTS / row.max(1) } else { batch };
        (1..=few.clamp(1, batch.max(1))).rev().find(|few| batch.is_multiple_of(*few)).unwrap_or(1)
    }

    /// Elements of a slot, of so many, that no operand is in. What is repeated has none.
    fn gaps(&self, slot: Slot, length: usize) -> impl Iterator<Item = usize> + use<> {
        const OPERANDS: [Operand; 6] = [
            Operand::States,
            Operand::CandidateGradient,
            Operand::ThresholdGradient,
            Operand::LowThresholdGradient,
            Operand::AmplitudeGradient,
            Operand::InitialStateGradient,
        ];
        let Shape { batch, time, channels } = self.descriptor.shape();
        let mut used = vec![self.times > 1; length];
        let views = OPERANDS.iter().filter_map(|&operand| self.descriptor.view(operand)).filter(|view| view.slot == slot);
        for view in views.filter(|_| self.times == 1) {
            for (b, t) in (0..batch).flat_map(|b| (0..time).map(move |t| (b, t))) {
                let row = view.offset + b * view.strides.batch + t * view.strides.time;
                (0..channels).for_each(|d| used[(row + d * view.strides.channel) as usize] = true);
            }
        }
        used.into_iter().enumerate().filter(|&(_, used)| !used).map(|(at, _)| at)
    }

    /// A tensor of all sequences, of `whole` in all, given that of the sample: what belongs to no sequence first, then the sequences.
    fn repeated<T: Copy>(&self, few: Vec<T>, whole: u64) -> Vec<T> {
        let (length, times) = (few.len() as u64, self.times);
        if length == whole || times == 1 {
            return few;
        }
        // length = head + rows, whole = head + times · rows
        let rows = (whole - length) / (times - 1);
        let (head, rows) = few.split_at((length - rows) as usize);
        let mut all = Vec::with_capacity(whole as usize);
        all.extend_from_slice(head);
        (0..times).for_each(|_| all.extend_from_slice(rows));
        all
    }
}

impl Tensors {
    const SEED: u64 = 1;

    /// The tensors of some plans, all of one pass and alike but for what they save. `forward` is one that saves.
    ///
    /// # Errors
    /// If the oracle or the device refuses.
    pub async fn new(
        device: &Device,
        plans: &[&Plan],
        forward: &Plan,
        sample: &Sample,
        rate: Rate,
        copies: u64,
    ) -> Result<Self, Error> {
        let descriptor = &sample.descriptor;
        let mut inputs = generate(descriptor, rate, Values::Plain, Self::SEED);
        if descriptor.sequences_kind() == Sequences::Resets {
            seldom(&mut inputs.resets);
        }
        let [states, final_state] = match plans[0].direction() {
            Direction::Backward => backward::incoming(descriptor, Self::SEED),
            _ => [Vec::new(), Vec::new()],
        };
        let incoming = IncomingGradients { states: &states, final_state: &final_state };
        // What the forward plan reads is there for a backward pass, too: without it there is nothing saved. Its states are only
        // where backward reads them again.
        let bytes = |slot| {
            let forward = if slot == Slot::States { 0 } else { forward.slot_bytes(slot) };
            plans.iter().map(|plan| plan.slot_bytes(slot)).max().unwrap_or(0).max(forward)
        };
        let used: Vec<(Slot, u64)> = Slot::ALL.iter().map(|&slot| (slot, bytes(slot))).filter(|&(_, bytes)| bytes > 0).collect();
        let scratch = bytes(Slot::Scratch);
        let mut tensors = Self {
            elements: plans[0].descriptor().shape().elements().unwrap_or(0),
            element: descriptor.element_type(),
            copies: Vec::new(),
            scratch: (scratch > 0).then(|| device.buffer("scratch", scratch, None)),
            words: Vec::new(),
            saved_layout: forward.saved_layout(),
            expected: Vec::new(),
        };
        let outputs = match plans[0].direction() {
            Direction::Backward if !plans[0].uses(Slot::States) => Outputs::default(),
            _ => oracle::forward(&sample.forward, &inputs.inputs())?,
        };
        for &(slot, bytes) in &used {
            let words = match slot {
                Slot::StatesGradient => tensors.element.to_words(incoming.states),
                Slot::States if plans[0].direction() == Direction::Backward => tensors.element.to_words(&outputs.states),
                slot => inputs.words(descriptor, slot),
            };
            if !words.is_empty() {
                tensors.words.push((slot, sample.repeated(words, bytes / 4)));
            }
        }
        for _ in 0..copies {
            let contents = |slot| tensors.words.iter().find(|&&(held, _)| held == slot).map(|(_, words)| &words[..]);
            let buffer = |&(slot, bytes): &(Slot, u64)| (slot, device.buffer(&slot.to_string(), bytes, contents(slot)));
            let copy: Vec<(Slot, Buffer)> = used.iter().filter(|&&(slot, _)| slot != Slot::Scratch).map(buffer).collect();
            tensors.copies.push(copy);
            device.settle().await?;
        }
        match plans[0].direction() {
            Direction::Forward => tensors.expect_states(plans, sample, &inputs, outputs)?,
            Direction::Unpack | Direction::Health(_) | Direction::Summary(_) => {
                unreachable!("no group is of it: nothing here knows what to expect of it")
            }
            Direction::Backward => {
                tensors.save(device, forward).await?;
                tensors.expect_gradients(plans[0], sample, &inputs, &incoming)?;
            }
        }
        Ok(tensors)
    }

    /// States are copies, bit for bit, or sums within their bounds.
    fn expect_states(&mut self, plans: &[&Plan], sample: &Sample, inputs: &Slots, outputs: Outputs) -> Result<(), Error> {
        let depth = plans.iter().map(|plan| plan.depth()).max().unwrap_or(0);
        let [Allowed { element, wanted, bounds }, _] = allowed(&sample.descriptor, &inputs.inputs(), &[], depth)?;
        let elements = plans[0].slot_bytes(Slot::States) / self.element.bytes();
        let gaps = sample.gaps(Slot::States, outputs.states.len());
        let mut states = if bounds.iter().all(|&bound| bound == 0.0) {
            Expected::of(self.element, &sample.repeated(outputs.states, elements))
        } else {
            Expected::Within { element, values: sample.repeated(wanted, elements), bounds: sample.repeated(bounds, elements) }
        };
        states.poison(gaps, self.element);
        let saved = self.saved_layout.as_ref().map_or(0, SavedLayout::words);
        let saved = if outputs.saved.is_empty() { Vec::new() } else { sample.repeated(outputs.saved, saved) };
        self.expected = vec![(Slot::States, states), (Slot::Saved, Expected::Words(saved))];
        Ok(())
    }

    /// What is saved comes from the library. It is not looked at: were it wrong, so would be the gradients.
    async fn save(&self, device: &Device, forward: &Plan) -> Result<(), Error> {
        let states = device.buffer("states", forward.slot_bytes(Slot::States), None);
        let runs = (0..self.copies.len()).map(|copy| self.bind(device, forward, copy, Some(&states)));
        let work = Work::new(runs.collect::<Result<_, _>>()?);
        device.time_async(work.copies(), &work).await?;
        Ok(())
    }

    fn expect_gradients(
        &mut self,
        plan: &Plan,
        sample: &Sample,
        inputs: &Slots,
        incoming: &IncomingGradients<'_>,
    ) -> Result<(), Error> {
        let inputs = inputs.inputs();
        let gradients = || oracle::backward(&sample.descriptor, &inputs, incoming);
        let bounds = || bounds(&sample.descriptor, &inputs, incoming, plan.depth());
        // Each takes a second.
        #[cfg(not(target_family = "wasm"))]
        let (gradients, bounds) = std::thread::scope(|scope| {
            let bounds = scope.spawn(bounds);
            (gradients(), bounds.join().expect("no bound panics"))
        });
        #[cfg(target_family = "wasm")]
        let (gradients, bounds) = (gradients(), bounds());
        let (gradients, bounds) = (gradients?, bounds?);
        let per_channel = |slot| match slot {
            Slot::AmplitudeGradient => sample.descriptor.amplitude_kind() == Amplitude::PerChannel,
            _ => sample.descriptor.threshold_kind() == Threshold::PerChannel,
        };
        let summed: Vec<Slot> =
            [Slot::AmplitudeGradient, Slot::ThresholdGradient].into_iter().filter(|&slot| per_channel(slot)).collect();
        self.expected = [
            (Slot::CandidateGradient, gradients.candidate, bounds.candidate),
            (Slot::ThresholdGradient, gradients.threshold, bounds.threshold),
            (Slot::AmplitudeGradient, gradients.amplitude, bounds.amplitude),
            (Slot::InitialStateGradient, gradients.initial_state, bounds.initial_state),
        ]
        .map(|(slot, values, bounds)| {
            let element = plan.descriptor().element_of(slot);
            let whole = plan.slot_bytes(slot) / element.bytes();
            let (mut values, mut bounds) = if values.is_empty() {
                (values, bounds)
            } else {
                (sample.repeated(values, whole), sample.repeated(bounds, whole))
            };
            if summed.contains(&slot) {
                // Over all sequences.
                values.iter_mut().chain(&mut bounds).for_each(|number| *number *= sample.times as f64);
            }
            for (bound, value) in bounds.iter_mut().zip(&values) {
                *bound += rounding(element, value.abs() + *bound);
            }
            let gaps = sample.gaps(slot, values.len());
            let mut expected = Expected::Within { element, values, bounds };
            expected.poison(gaps, element);
            (slot, expected)
        })
        .into();
        Ok(())
    }

    /// `B·T·D`
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.elements
    }

    /// Words of a tensor with something for every element.
    #[must_use]
    pub fn tensor_words(&self) -> u64 {
        (self.elements * self.element.bytes()).div_ceil(4)
    }

    /// How many copies there are.
    #[must_use]
    pub fn copies(&self) -> u64 {
        self.copies.len() as u64
    }

    /// The buffer of a slot in one of the copies.
    #[must_use]
    pub fn buffer(&self, copy: usize, slot: Slot) -> &Buffer {
        find(&self.copies[copy], slot)
    }

    /// The words of a slot that is read, as they are here.
    #[must_use]
    pub fn words(&self, slot: Slot) -> &[u32] {
        find::<Vec<u32>>(&self.words, slot)
    }

    /// What the oracle expects in a slot.
    #[must_use]
    pub fn expected(&self, slot: Slot) -> &Expected {
        find(&self.expected, slot)
    }

    /// A run for every copy.
    ///
    /// # Errors
    /// Those of `run`.
    pub fn work(&self, run: impl Fn(usize) -> Result<Run, Error>) -> Result<Work, Error> {
        Ok(Work::new((0..self.copies.len()).map(run).collect::<Result<_, _>>()?))
    }

    /// A plan on one of the copies.
    ///
    /// # Errors
    /// What binding refuses.
    pub fn bind(&self, device: &Device, plan: &Plan, copy: usize, states: Option<&Buffer>) -> Result<Run, Error> {
        let bound = self.bound(device, plan, copy, states)?;
        Ok(Box::new(move |encoder| bound.record(encoder)))
    }

    /// One dispatch of a plan on every copy, alone.
    ///
    /// # Errors
    /// What binding refuses.
    pub fn dispatch(&self, device: &Device, plan: &Plan, number: usize) -> Result<Work, Error> {
        self.work(|copy| {
            let bound = self.bound(device, plan, copy, None)?;
            Ok(Box::new(move |encoder| {
                bound.dispatches()[number].record_in(&mut encoder.begin_compute_pass(&ComputePassDescriptor::default()));
            }))
        })
    }

    fn bound(&self, device: &Device, plan: &Plan, copy: usize, states: Option<&Buffer>) -> Result<Bound, Error> {
        let mut buffers = Buffers::new();
        for &(slot, _) in plan.slots() {
            buffers = match (slot, states, &self.saved_layout) {
                (Slot::Scratch, ..) => buffers.scratch(self.scratch.as_ref().expect("made for all plans")),
                (Slot::States, Some(states), _) => buffers.states(states),
                (Slot::Saved, _, Some(layout)) if !plan.writes(slot) => buffers.saved_by(self.buffer(copy, slot), layout.clone()),
                _ => buffers.slot(slot, self.buffer(copy, slot)),
            };
        }
        Ok(device.gpu().kernels().bind(plan, &buffers)?)
    }

    /// Poisons some slots of every copy, runs the work once on each, and looks at what it wrote.
    ///
    /// # Errors
    /// [`Error::Wrong`] unless every word is as expected.
    pub async fn check(&self, device: &Device, row: &str, work: &Work, written: &[(Slot, &Expected)]) -> Result<(), Error> {
        for copy in 0..self.copies.len() {
            for &(slot, _) in written {
                device.poison(self.buffer(copy, slot));
            }
            device.settle().await?;
        }
        device.time_async(work.copies(), work).await?;
        for copy in 0..self.copies.len() {
            for &(slot, expected) in written {
                let actual = device.download(self.buffer(copy, slot)).await?;
                refuse_wrong(row, &slot.to_string(), expected, &actual)?;
            }
        }
        Ok(())
    }
}

/// A reset in 512 steps, at another place of its word each.
fn seldom(resets: &mut [u32]) {
    for (at, word) in resets.iter_mut().enumerate() {
        *word = if at % 16 == 5 { 1 << (11 * at / 16 % 32) } else { 0 };
    }
}

/// Refuses a tensor that does not begin with what is expected.
fn refuse_wrong(row: &str, what: &str, expected: &Expected, actual: &[u32]) -> Result<(), Error> {
    let words = expected.len();
    let mut differ = (0..words).filter_map(|at| expected.objection(what, at, actual));
    let Some(first) = differ.next() else { return Ok(()) };
    Err(Error::Wrong { row: row.to_owned(), what: what.to_owned(), wrong: 1 + differ.count(), words, first })
}

fn find<T>(slots: &[(Slot, T)], slot: Slot) -> &T {
    let found = slots.iter().find(|&&(held, _)| held == slot);
    &found.unwrap_or_else(|| panic!("no {slot} is at hand")).1
}

#[cfg(test)]
mod tests {
    use bmru::{Element, Shape};

    use super::{Expected, Sample, refuse_wrong};

    #[test]
    fn a_wrong_word_is_refused() {
        let expected = Expected::Words(vec![1, 2, 3]);
        assert!(refuse_wrong("row", "states", &expected, &[1, 2, 3, 9]).is_ok());
        let message = |actual: &[u32]| refuse_wrong("row", "states", &expected, actual).unwrap_err().to_string();
        assert!(message(&[1, 7, 8]).contains("2 of 3 words of states are wrong, the first: states[1] is 0x00000007"));
        assert!(message(&[1, 2]).contains("states[2] is missing"));
    }

    #[test]
    fn sequences_are_repeated_and_what_belongs_to_none_is_not() {
        let descriptor = bmru::Descriptor::new(bmru::Unit::Bistable, Shape { batch: 2, time: 3, channels: 2 });
        let sample = Sample { descriptor: descriptor.clone(), forward: descriptor, times: 3 };
        assert_eq!(sample.repeated(vec![1, 2, 3, 4], 12), [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]);
        assert_eq!(sample.repeated(vec![1, 2], 2), [1, 2]);
        assert_eq!(sample.repeated(vec![9, 1, 2], 7), [9, 1, 2, 1, 2, 1, 2]);
        assert_eq!(Sample::sequences(Shape { batch: 1 << 10, time: 1 << 10, channels: 1 << 8 }), 1 << 4);
        assert_eq!(Sample::sequences(Shape { batch: 3, time: 1000, channels: 37 }), 3);
        assert_eq!(Sample::sequences(Shape { batch: 1, time: 1 << 28, channels: 1 }), 1);
    }

    #[test]
    fn what_lies_between_rows_stays_as_it_was() {
        let shape = Shape { batch: 1, time: 2, channels: 2 };
        let subject = crate::Subject { unit: crate::Measured::BmruStrided, element: Element::F16 };
        let descriptor = subject.descriptor(shape, bmru::Threshold::PerElement);
        let sample = Sample { descriptor: descriptor.clone(), forward: descriptor, times: 1 };
        // Two rows of two, and two between them.
        let gaps = || sample.gaps(bmru::Slot::States, 6);
        assert!(gaps().eq([2, 3]));
        let mut words = Expected::of(Element::F16, &[1.0; 6]);
        words.poison(gaps(), Element::F16);
        let Expected::Words(words) = words else { panic!("they are words") };
        assert_eq!(words, [0x3c00_3c00, super::POISON, 0x3c00_3c00]);
        let mut within = Expected::Within { element: Element::F16, values: vec![1.0; 6], bounds: vec![0.5; 6] };
        within.poison(gaps(), Element::F16);
        assert!(refuse_wrong("row", "dc", &within, &words).is_ok());
        assert!(refuse_wrong("row", "dc", &within, &[words[0], words[1] ^ 1, words[2]]).is_err());
    }

    #[test]
    fn nan_lies_within_no_bound() {
        let expected = Expected::Within { element: Element::F32, values: vec![1.0; 2], bounds: vec![0.5; 2] };
        assert!(refuse_wrong("row", "dc", &expected, &[1.5f32, 0.5].map(f32::to_bits)).is_ok());
        assert!(refuse_wrong("row", "dc", &expected, &[1.0, f32::NAN].map(f32::to_bits)).is_err());
        assert!(refuse_wrong("row", "dc", &expected, &[1.6f32, 1.0].map(f32::to_bits)).is_err());
    }

    #[test]
    fn halves_are_looked_at_one_by_one() {
        let words = Element::F16.to_words(&[1.0, 2.0, 3.0]);
        let within =
            |bound| Expected::Within { element: Element::F16, values: vec![1.0, 2.0, 3.25], bounds: vec![0.0, 0.0, bound] };
        assert!(refuse_wrong("row", "dc", &within(0.25), &words).is_ok());
        let message = refuse_wrong("row", "dc", &within(0.125), &words).unwrap_err().to_string();
        assert!(message.contains("1 of 3 words of dc are wrong, the first: dc[2] is 3e0, expected 3.25e0"), "{message}");
        // Behind the last one lies what was there.
        let exact = Expected::of(Element::F16, &[1.0, 2.0, 3.0]);
        assert!(refuse_wrong("row", "h", &exact, &words).is_err());
        assert!(refuse_wrong("row", "h", &exact, &[words[0], words[1] | 0xdead_0000]).is_ok());
    }
}
