//! Groups: what is measured together, and the rows of one.

use std::cell::OnceCell;

use bmru::{Descriptor, Direction, Element, InitialState, Layout, Operand, Plan, Save, Shape, Slot, Threshold};
use bmru_conformance::data::Rate;

use crate::stream::{self, Lanes, Stream, Streamed};
use crate::tensors::Sample;
use crate::{Device, Error, Measured, Subject, Tensors, Work, naive, prefix_sum, shapes};

/// How often a unit sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SetRate {
    /// At one step in 20.
    #[default]
    Usual,
    /// At every other.
    Often,
    /// At one step in 1,000.
    Seldom,
}

impl SetRate {
    /// As a share of all steps.
    #[must_use]
    pub fn share(self) -> f64 {
        match self {
            Self::Usual => 0.05,
            Self::Often => 0.5,
            Self::Seldom => 0.001,
        }
    }

    fn rate(self) -> Rate {
        match self {
            Self::Usual => Rate::Once(20),
            Self::Often => Rate::Half,
            Self::Seldom => Rate::Once(1000),
        }
    }
}

/// What is measured together: rows on the same tensors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group {
    /// The unit and its elements.
    pub subject: Subject,
    /// The pass.
    pub direction: Direction,
    /// The shape. A single step has an initial state: it is a step of something.
    pub shape: Shape,
    /// How many thresholds there are.
    pub threshold: Threshold,
    /// How often the candidates leave their region.
    pub set_rate: SetRate,
}

impl Group {
    /// Of this shape and pass, with thresholds per element, at the usual rate of sets.
    #[must_use]
    pub fn usual(subject: Subject, direction: Direction, shape: Shape) -> Self {
        Self { subject, direction, shape, threshold: Threshold::PerElement, set_rate: SetRate::Usual }
    }

    /// `forward/BxTxD/element`; the unit, its elements and the rate of sets follow if they are not the usual ones.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = format!("{}/{}/{}", self.pass(), shapes::name(self.shape), self.kind());
        let Subject { unit, element } = self.subject;
        if unit != Measured::Bmru {
            name += &format!("/{unit}");
        }
        if element != Element::F32 {
            name += &format!("/{}", self.subject.element_name());
        }
        if self.set_rate != SetRate::Usual {
            name += &format!("/{}%", 100.0 * self.set_rate.share());
        }
        name
    }

    /// `forward` or `backward`
    #[must_use]
    pub fn pass(&self) -> &'static str {
        match self.direction {
            Direction::Forward => "forward",
            Direction::Backward => "backward",
            Direction::Unpack => "unpacking",
            Direction::Health(_) => "health",
            Direction::Summary(_) => "summary",
        }
    }

    /// `element` or `channel`
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.threshold {
            Threshold::PerElement => "element",
            Threshold::PerChannel => "channel",
        }
    }

    /// What the library computes.
    #[must_use]
    pub fn descriptor(&self, save: Save) -> Descriptor {
        let initial = if self.shape.time == 1 { InitialState::Given } else { InitialState::Zero };
        self.subject.descriptor(self.shape, self.threshold).initial_state(initial).save(save)
    }

    /// Bytes of a tensor with something for every element, in whole words.
    #[must_use]
    pub fn tensor_bytes(&self) -> u64 {
        (self.shape.elements().unwrap_or(0) * self.subject.element.bytes()).next_multiple_of(4)
    }

    /// Whether anyone would train on the shape: nobody does on a step of one sequence.
    #[must_use]
    pub fn is_trained(&self) -> bool {
        self.shape.batch * self.shape.time > 1
    }

    /// What the library saves in each of its rows.
    #[must_use]
    pub fn saves(&self) -> &'static [Save] {
        match self.direction {
            Direction::Forward if !self.is_trained() || !self.is_saved() => &[Save::Nothing],
            Direction::Forward => &[Save::Nothing, Save::Codes],
            Direction::Backward | Direction::Health(_) => &[Save::Codes],
            Direction::Unpack | Direction::Summary(_) => &[Save::Nothing],
        }
    }

    /// Whether forward leaves anything to backward but its states: of a count it does not, nor of what has no gradients.
    fn is_saved(&self) -> bool {
        self.subject.has_gradients() && self.descriptor(Save::Codes).saves()
    }

    /// What a forward pass saves of which there is a backward pass.
    fn forward_saves(&self) -> Save {
        if self.is_saved() { Save::Codes } else { Save::Nothing }
    }

    /// The name of the row that saves this, or saved it.
    #[must_use]
    pub fn row_name(&self, save: Save) -> String {
        match (self.direction, save) {
            (Direction::Forward, Save::Codes) => format!("{}/saves", self.name()),
            _ => self.name(),
        }
    }

    /// The names of all rows.
    #[must_use]
    pub fn row_names(&self) -> Vec<String> {
        self.saves().iter().map(|&save| self.row_name(save)).collect()
    }

    /// The plan of a row.
    ///
    /// # Errors
    /// What planning refuses.
    pub fn plan(&self, device: &Device, save: Save) -> Result<Plan, Error> {
        let (descriptor, gpu) = (self.descriptor(save), device.gpu());
        Ok(descriptor.plan(self.direction, &gpu.limits(), gpu.tuning())?)
    }
}

/// A group on a device. Tensors are made when they are first needed: a filter makes only what it lets through.
pub struct Prepared<'a> {
    group: Group,
    device: &'a Device,
    plans: Vec<(Save, Plan)>,
    forward: Plan,
    copies: u64,
    tensors: OnceCell<Tensors>,
}

impl<'a> Prepared<'a> {
    /// Plans a group.
    ///
    /// # Errors
    /// What planning refuses.
    pub fn new(device: &'a Device, group: Group) -> Result<Self, Error> {
        let plan = |&save: &Save| Ok::<_, Error>((save, group.plan(device, save)?));
        Self::of(device, group, group.saves().iter().map(plan).collect::<Result<_, _>>()?)
    }

    /// A group by these plans, one or more for each of its rows.
    ///
    /// # Errors
    /// What planning refuses.
    pub fn of(device: &'a Device, group: Group, plans: Vec<(Save, Plan)>) -> Result<Self, Error> {
        let forward = group.descriptor(group.forward_saves()).forward(&device.gpu().limits(), device.gpu().tuning())?;
        let largest = plans.iter().map(|(_, plan)| ideal_bytes(plan)).max().unwrap_or(0);
        // The rows that walk over least, a copy and a scan of words, walk over two tensors.
        let copies = device.copies(2 * group.tensor_bytes(), largest);
        Ok(Self { group, device, plans, forward, copies, tensors: OnceCell::new() })
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// The library's rows: what is saved, and the plan.
    #[must_use]
    pub fn plans(&self) -> &[(Save, Plan)] {
        &self.plans
    }

    /// Bytes that the rows that walk over least walk over.
    #[must_use]
    pub fn working_set(&self) -> u64 {
        2 * self.copies * self.group.tensor_bytes()
    }

    /// The tensors.
    ///
    /// # Errors
    /// If the oracle or the device refuses.
    pub async fn tensors(&self) -> Result<&Tensors, Error> {
        if let Some(tensors) = self.tensors.get() {
            return Ok(tensors);
        }
        let plans: Vec<&Plan> = self.plans.iter().map(|(_, plan)| plan).collect();
        let shape = self.group.shape;
        let sequences = if self.group.subject.unit.repeats() { Sample::sequences(shape) } else { shape.batch.max(1) };
        let few = Group { shape: Shape { batch: sequences, ..self.group.shape }, ..self.group };
        let sample = Sample {
            descriptor: few.descriptor(self.plans[0].0),
            forward: few.descriptor(self.group.forward_saves()),
            times: (self.group.shape.batch / sequences).max(1),
        };
        let tensors = Tensors::new(self.device, &plans, &self.forward, &sample, self.group.set_rate.rate(), self.copies).await?;
        Ok(self.tensors.get_or_init(|| tensors))
    }

    /// The library, checked: states and codes are the oracle's bit for bit, and gradients within their bounds.
    ///
    /// # Errors
    /// [`Error::Wrong`] if they are not.
    pub async fn library_async(&self, plan: &Plan, row: &str) -> Result<Work, Error> {
        let tensors = self.tensors().await?;
        let work = tensors.work(|copy| tensors.bind(self.device, plan, copy, None))?;
        let written = plan.slots().iter().filter(|&&(slot, _)| plan.writes(slot) && slot != Slot::Scratch);
        let written: Vec<_> = written.map(|&(slot, _)| (slot, tensors.expected(slot))).collect();
        tensors.check(self.device, row, &work, &written).await?;
        Ok(work)
    }

    /// The fastest streaming kernel of the same traffic, checked.
    ///
    /// # Errors
    /// If it is wrong, or the device does not end.
    pub async fn stream_async(&self) -> Result<Stream, Error> {
        let [read, written] = self.streamed();
        let row = format!("{}/stream", self.group.name());
        Stream::fastest(self.device, self.tensors().await?, [&read, &written], self.lanes(), &row).await
    }

    /// A copy of a tensor that is read to one that is written, with the bytes of a run.
    ///
    /// # Errors
    /// If there are no tensors.
    pub async fn copy_async(&self) -> Result<(Work, u64), Error> {
        stream::copy(self.tensors().await?, Slot::Candidate, self.streamed()[1][0].slot)
    }

    /// The naive loop, checked; nothing where it cannot run.
    ///
    /// # Errors
    /// If it is wrong.
    pub async fn naive(&self) -> Result<Option<Work>, Error> {
        if self.group.direction == Direction::Backward || self.group.subject != Subject::default() {
            return Ok(None);
        }
        let tensors = self.tensors().await?;
        let Some(work) = naive::naive(self.device, tensors, &self.group.descriptor(Save::Nothing))? else { return Ok(None) };
        let row = format!("{}/naive", self.group.name());
        tensors.check(self.device, &row, &work, &[(Slot::States, tensors.expected(Slot::States))]).await?;
        Ok(Some(work))
    }

    /// lampshade's scan, checked, with the bytes of a run; nothing where it cannot run.
    ///
    /// # Errors
    /// If lampshade refuses, or it is wrong.
    pub async fn prefix_sum(&self) -> Result<Option<(Work, u64)>, Error> {
        if self.group.subject != Subject::default() {
            return Ok(None);
        }
        let tensors = self.tensors().await?;
        let row = format!("{}/lampshade", self.group.name());
        let work = prefix_sum::prefix_sum(self.device, tensors, self.streamed()[1][0].slot, &row).await?;
        Ok(work.map(|work| (work, 8 * tensors.elements())))
    }

    /// Where time is contiguous, each invocation of the library has a row of its own, and so has a ceiling.
    fn lanes(&self) -> Lanes {
        let descriptor = self.plans[0].1.descriptor();
        match descriptor.memory_layout() {
            Layout::BatchChannelTime => Lanes::Rows(descriptor.shape().time * descriptor.element_type().bytes() / 4),
            _ => Lanes::Together,
        }
    }

    /// Words of a row of the tensor in a slot, if another as long lies between it and the next, and streams can tell.
    fn row_apart(&self, slot: Slot) -> u64 {
        let descriptor = self.plans[0].1.descriptor();
        let Shape { channels, .. } = descriptor.shape();
        let view = Operand::ALL.iter().filter_map(|&operand| descriptor.view(operand)).find(|view| view.slot == slot);
        let row = channels * descriptor.element_of(slot).bytes() / 4;
        let apart = view.is_some_and(|view| (view.strides.time, view.strides.channel) == (2 * channels, 1));
        if apart && row.is_power_of_two() { row } else { 0 }
    }

    /// The tensors with something for every element, side by side in one slot or each in its own: what is read, and what is
    /// written. All others are small beside them.
    fn streamed(&self) -> [Vec<Streamed>; 2] {
        let plan = &self.plans[0].1;
        let of_tensor = self.group.tensor_bytes().max(1);
        let large = tensors(plan).filter(|&(slot, bytes)| slot != Slot::Saved && bytes >= of_tensor);
        let large = large.map(|(slot, bytes)| {
            let (tensors, row) = (bytes / of_tensor, self.row_apart(slot));
            Streamed { slot, tensors, apart: if tensors == 1 { row } else { 0 } }
        });
        let (read, written) = large.partition(|&Streamed { slot, .. }| !plan.writes(slot));
        [read, written]
    }
}

/// Bytes of all tensors that a plan reads or writes, each once; what lies between rows is none of theirs.
#[must_use]
pub fn ideal_bytes(plan: &Plan) -> u64 {
    tensors(plan).map(|(_, bytes)| bytes).sum()
}

fn tensors(plan: &Plan) -> impl Iterator<Item = (Slot, u64)> + '_ {
    let descriptor = plan.descriptor();
    let whole = (descriptor.shape().elements().unwrap_or(0) * descriptor.element_type().bytes()).max(1);
    let used = move |&(slot, bytes): &(Slot, u64)| match slot {
        Slot::Candidate | Slot::Threshold | Slot::States => (slot, without_gaps(bytes, whole)),
        Slot::StatesGradient | Slot::CandidateGradient | Slot::ThresholdGradient => (slot, without_gaps(bytes, whole)),
        _ => (slot, bytes),
    };
    plan.slots().iter().filter(|&&(slot, _)| slot != Slot::Scratch).map(used)
}

/// Bytes of whole tensors, if there are some. Rows are no more than twice as wide as they must be.
fn without_gaps(bytes: u64, whole: u64) -> u64 {
    if bytes < whole { bytes } else { bytes - bytes % whole }
}
