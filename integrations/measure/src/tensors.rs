//! The tensors of a group: as many copies as it takes to leave the caches, and what the oracle makes of them.

use bmru::oracle::{self, IncomingGradients};
use bmru::wgpu::Buffer;
use bmru::{Buffers, Direction, Plan, Save, SavedLayout, Slot};
use bmru_conformance::data::{Rate, Slots, Values, generate};
use bmru_conformance::{backward, bounds};

use crate::{Device, Error, Run, Work};

/// What a tensor should hold.
pub enum Expected {
    /// These words.
    Words(Vec<u32>),
    /// Floats that lie no farther from a value than its bound.
    Within {
        /// The values.
        values: Vec<f64>,
        /// A bound for each.
        bounds: Vec<f64>,
    },
}

impl Expected {
    /// These floats, bit for bit.
    #[must_use]
    pub fn of(floats: &[f32]) -> Self {
        Self::Words(floats.iter().map(|float| float.to_bits()).collect())
    }

    fn len(&self) -> usize {
        match self {
            Self::Words(words) => words.len(),
            Self::Within { values, .. } => values.len(),
        }
    }

    fn admits(&self, at: usize, word: u32) -> bool {
        match self {
            Self::Words(words) => word == words[at],
            // NaN lies nowhere.
            Self::Within { values, bounds } => (f64::from(f32::from_bits(word)) - values[at]).abs() <= bounds[at],
        }
    }

    fn objection(&self, what: &str, at: usize, word: u32) -> String {
        match self {
            Self::Words(words) => format!("{what}[{at}] is {word:#010x}, expected {:#010x}", words[at]),
            Self::Within { values, bounds } => {
                format!("{what}[{at}] is {:e}, expected {:e} ± {:e}", f32::from_bits(word), values[at], bounds[at])
            }
        }
    }
}

/// What the plans of a group read and write, here and on the device, and what the oracle makes of it.
pub struct Tensors {
    elements: u64,
    /// The buffers of every copy.
    copies: Vec<Vec<(Slot, Buffer)>>,
    /// Working memory, shared by all copies as it would be by all layers of a model.
    scratch: Option<Buffer>,
    words: Vec<(Slot, Vec<u32>)>,
    saved_layout: Option<SavedLayout>,
    expected: Vec<(Slot, Expected)>,
}

impl Tensors {
    const SEED: u64 = 1;

    /// The tensors of some plans, all of one pass and alike but for what they save. `forward` is one that saves.
    ///
    /// # Errors
    /// If the oracle or the device refuses.
    pub async fn new(device: &Device, plans: &[&Plan], forward: &Plan, rate: Rate, copies: u64) -> Result<Self, Error> {
        let descriptor = plans[0].descriptor().clone().save(Save::Codes);
        let inputs = generate(&descriptor, rate, Values::Plain, Self::SEED);
        let [states, final_state] = match plans[0].direction() {
            Direction::Forward | Direction::Unpack | Direction::Health(_) => [Vec::new(), Vec::new()],
            Direction::Backward => backward::incoming(&descriptor, Self::SEED),
        };
        let incoming = IncomingGradients { states: &states, final_state: &final_state };
        // What the forward plan reads is there for a backward pass, too: without it there is nothing saved.
        let bytes = |slot| {
            let forward = if slot == Slot::States { 0 } else { forward.slot_bytes(slot) };
            plans.iter().map(|plan| plan.slot_bytes(slot)).max().unwrap_or(0).max(forward)
        };
        let used: Vec<(Slot, u64)> = Slot::ALL.iter().map(|&slot| (slot, bytes(slot))).filter(|&(_, bytes)| bytes > 0).collect();
        let scratch = bytes(Slot::Scratch);
        let mut tensors = Self {
            elements: descriptor.shape().elements().unwrap_or(0),
            copies: Vec::new(),
            scratch: (scratch > 0).then(|| device.buffer("scratch", scratch, None)),
            words: Vec::new(),
            saved_layout: forward.saved_layout(),
            expected: Vec::new(),
        };
        for &(slot, _) in &used {
            let floats = if slot == Slot::StatesGradient { incoming.states } else { inputs.slot(slot) };
            if !floats.is_empty() {
                tensors.words.push((slot, floats.iter().map(|float| float.to_bits()).collect()));
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
            Direction::Forward => tensors.expect_states(forward, &inputs)?,
            Direction::Unpack | Direction::Health(_) => {
                unreachable!("no group is of it: nothing here knows what to expect of it")
            }
            Direction::Backward => {
                tensors.save(device, forward).await?;
                tensors.expect_gradients(plans[0], &inputs, &incoming)?;
            }
        }
        Ok(tensors)
    }

    fn expect_states(&mut self, forward: &Plan, inputs: &Slots) -> Result<(), Error> {
        let outputs = oracle::forward(forward.descriptor(), &inputs.inputs())?;
        self.expected = vec![(Slot::States, Expected::of(&outputs.states)), (Slot::Saved, Expected::Words(outputs.saved))];
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

    fn expect_gradients(&mut self, plan: &Plan, inputs: &Slots, incoming: &IncomingGradients<'_>) -> Result<(), Error> {
        let inputs = inputs.inputs();
        let gradients = || oracle::backward(plan.descriptor(), &inputs, incoming);
        let bounds = || bounds(plan.descriptor(), &inputs, incoming, plan.depth());
        // Each takes a second.
        #[cfg(not(target_family = "wasm"))]
        let (gradients, bounds) = std::thread::scope(|scope| {
            let bounds = scope.spawn(bounds);
            (gradients(), bounds.join().expect("no bound panics"))
        });
        #[cfg(target_family = "wasm")]
        let (gradients, bounds) = (gradients(), bounds());
        let (gradients, bounds) = (gradients?, bounds?);
        self.expected = [
            (Slot::CandidateGradient, gradients.candidate, bounds.candidate),
            (Slot::ThresholdGradient, gradients.threshold, bounds.threshold),
            (Slot::AmplitudeGradient, gradients.amplitude, bounds.amplitude),
            (Slot::InitialStateGradient, gradients.initial_state, bounds.initial_state),
        ]
        .map(|(slot, values, bounds)| (slot, Expected::Within { values, bounds }))
        .into();
        Ok(())
    }

    /// `B·T·D`
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.elements
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
        let mut buffers = Buffers::new();
        for &(slot, _) in plan.slots() {
            buffers = match (slot, states, &self.saved_layout) {
                (Slot::Scratch, ..) => buffers.scratch(self.scratch.as_ref().expect("made for all plans")),
                (Slot::States, Some(states), _) => buffers.states(states),
                (Slot::Saved, _, Some(layout)) if !plan.writes(slot) => buffers.saved_by(self.buffer(copy, slot), layout.clone()),
                _ => buffers.slot(slot, self.buffer(copy, slot)),
            };
        }
        let bound = device.gpu().kernels().bind(plan, &buffers)?;
        Ok(Box::new(move |encoder| bound.record(encoder)))
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

/// Refuses a tensor that does not begin with what is expected.
fn refuse_wrong(row: &str, what: &str, expected: &Expected, actual: &[u32]) -> Result<(), Error> {
    let words = expected.len();
    let mut differ = (0..words).filter(|&at| actual.get(at).is_none_or(|&word| !expected.admits(at, word)));
    let Some(at) = differ.next() else { return Ok(()) };
    let first = match actual.get(at) {
        Some(&word) => expected.objection(what, at, word),
        None => format!("{what}[{at}] is missing"),
    };
    Err(Error::Wrong { row: row.to_owned(), what: what.to_owned(), wrong: 1 + differ.count(), words, first })
}

fn find<T>(slots: &[(Slot, T)], slot: Slot) -> &T {
    let found = slots.iter().find(|&&(held, _)| held == slot);
    &found.unwrap_or_else(|| panic!("no {slot} is at hand")).1
}

#[cfg(test)]
mod tests {
    use super::{Expected, refuse_wrong};

    #[test]
    fn a_wrong_word_is_refused() {
        let expected = Expected::Words(vec![1, 2, 3]);
        assert!(refuse_wrong("row", "states", &expected, &[1, 2, 3, 9]).is_ok());
        let message = |actual: &[u32]| refuse_wrong("row", "states", &expected, actual).unwrap_err().to_string();
        assert!(message(&[1, 7, 8]).contains("2 of 3 words of states are wrong, the first: states[1] is 0x00000007"));
        assert!(message(&[1, 2]).contains("states[2] is missing"));
    }

    #[test]
    fn nan_lies_within_no_bound() {
        let expected = Expected::Within { values: vec![1.0; 2], bounds: vec![0.5; 2] };
        assert!(refuse_wrong("row", "dc", &expected, &[1.5f32, 0.5].map(f32::to_bits)).is_ok());
        assert!(refuse_wrong("row", "dc", &expected, &[1.0, f32::NAN].map(f32::to_bits)).is_err());
        assert!(refuse_wrong("row", "dc", &expected, &[1.6f32, 1.0].map(f32::to_bits)).is_err());
    }
}
