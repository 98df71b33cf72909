//! A trial: one descriptor with its data, and plans of any limits and tuning, all in one submit. What a fuzzer runs.

use bmru::oracle::{self, IncomingGradients};
use bmru::{Buffers, Descriptor, Direction, Error, Operand, Plan, Slot, SummaryOf, Unit, wgpu};

use crate::allowed::allowed_sums;
use crate::backward::{self, SLOTS};
use crate::bounds;
use crate::data::Slots;
use crate::runner::{Memory, image, poisoned, states_slot, unpacked};
use crate::{BackwardOutcome, Outcome, Runner};

/// What is computed, from what, and by which plans.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// What is computed.
    pub descriptor: &'a Descriptor,
    /// The inputs.
    pub data: &'a Slots,
    /// The incoming gradients; of no meaning where nothing runs backward.
    pub incoming: IncomingGradients<'a>,
    /// The forward pass, which runs first.
    pub forward: &'a Plan,
    /// Any number of plans behind it, each with outputs of its own: backward, of health, unpacking, of summaries.
    pub behind: &'a [Plan],
}

/// What came of a trial.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrialOutcome {
    /// Of the forward pass, of health, of what was unpacked, and of summaries.
    pub exact: Outcome,
    /// Of the backward passes.
    pub backward: BackwardOutcome,
}

impl TrialOutcome {
    /// The first of what is wrong, if anything is.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.exact.first.as_deref().or(self.backward.first.as_deref())
    }
}

/// The slots of which each plan behind the forward pass has its own.
fn is_output(plan: &Plan, slot: Slot) -> bool {
    match plan.direction() {
        Direction::Unpack => slot == Slot::States,
        Direction::Health(_) => slot == Slot::Health,
        Direction::Summary(SummaryOf::States) => slot == Slot::Summary,
        Direction::Summary(SummaryOf::Gradient) => slot == Slot::GradientSummary,
        _ => SLOTS.contains(&slot),
    }
}

/// Words of whole buffers, in the order in which they were asked for.
struct Downloaded(std::vec::IntoIter<Vec<u32>>);

impl Downloaded {
    fn next(&mut self) -> Vec<u32> {
        self.0.next().expect("as many as were asked for")
    }
}

/// The buffers of a trial.
struct Held {
    shared: Vec<(Slot, wgpu::Buffer)>,
    /// Of each plan behind the forward pass.
    outputs: Vec<Vec<(Slot, wgpu::Buffer)>>,
}

impl Held {
    fn new(runner: &Runner, trial: &Trial<'_>) -> Self {
        let Trial { descriptor, data, incoming, forward, behind } = *trial;
        let plans = || std::iter::once(forward).chain(behind);
        let made =
            |slot: Slot, words: u64| (slot, poisoned(runner, words, &backward::contents(descriptor, data, &incoming, slot)));
        let words = |slot| plans().map(|plan| plan.slot_bytes(slot) / 4).max().unwrap_or(0);
        let uses = |plan: &Plan, slot| plan.uses(slot) && (plan.direction() == Direction::Forward || !is_output(plan, slot));
        let shared = Slot::ALL.iter().filter(|&&slot| plans().any(|plan| uses(plan, slot)));
        let of = |plan: &Plan| {
            let outputs = Slot::ALL.iter().filter(|&&slot| is_output(plan, slot) && plan.uses(slot));
            outputs.map(|&slot| made(slot, plan.slot_bytes(slot) / 4)).collect()
        };
        Self { shared: shared.map(|&slot| made(slot, words(slot))).collect(), outputs: behind.iter().map(of).collect() }
    }

    fn find(held: &[(Slot, wgpu::Buffer)], slot: Slot) -> Option<&wgpu::Buffer> {
        held.iter().find(|(named, _)| *named == slot).map(|(_, buffer)| buffer)
    }

    fn given<'a>(&'a self, trial: &Trial<'_>, plan: &Plan, own: &'a [(Slot, wgpu::Buffer)]) -> Buffers<'a> {
        let buffer = |slot| Self::find(own, slot).or_else(|| Self::find(&self.shared, slot)).expect("every slot has a buffer");
        let used = Slot::ALL.iter().filter(|&&slot| plan.uses(slot));
        let buffers = used.fold(Buffers::new(), |buffers, &slot| buffers.slot(slot, buffer(slot)));
        match (plan.saved_layout(), trial.forward.saved_layout()) {
            (Some(_), Some(layout)) => buffers.saved_by(buffer(Slot::Saved), layout),
            _ => buffers,
        }
    }
}

impl Runner {
    /// Runs a trial and compares every word that it can have written.
    ///
    /// # Errors
    /// What binding or the device refuse: a failure, too.
    pub async fn run_trial_async(&self, trial: &Trial<'_>) -> Result<TrialOutcome, Error> {
        let (held, written) = (Held::new(self, trial), written(trial.forward));
        let gpu = self.gpu();
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        gpu.kernels().bind(trial.forward, &held.given(trial, trial.forward, &[]))?.record(&mut encoder);
        for (plan, own) in trial.behind.iter().zip(&held.outputs) {
            gpu.kernels().bind(plan, &held.given(trial, plan, own))?.record(&mut encoder);
        }
        let shared = written.iter().chain([&Slot::Scratch]).filter_map(|&slot| Held::find(&held.shared, slot));
        let wanted: Vec<&wgpu::Buffer> = shared.chain(held.outputs.iter().flatten().map(|(_, buffer)| buffer)).collect();
        let mut downloaded = self.collect(encoder, &wanted).await?;

        let mut outcome = TrialOutcome::default();
        outcome.compare_forward(trial, &written, &mut downloaded)?;
        outcome.exact.compare_margin(&downloaded.next());
        outcome.compare_behind(trial, &held, &mut downloaded)?;
        Ok(outcome)
    }

    /// Submits, and downloads buffers in one piece: waiting costs more than copying.
    async fn collect(&self, mut encoder: wgpu::CommandEncoder, buffers: &[&wgpu::Buffer]) -> Result<Downloaded, Error> {
        let gpu = self.gpu();
        let size = buffers.iter().map(|buffer| buffer.size()).sum();
        let all = gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("trial"),
            size,
            usage: wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut offset = 0;
        for buffer in buffers {
            encoder.copy_buffer_to_buffer(buffer, 0, &all, offset, buffer.size());
            offset += buffer.size();
        }
        gpu.queue().submit([encoder.finish()]);
        let words = gpu.download(&all).await?;
        let mut rest = &words[..];
        let split = |buffer: &&wgpu::Buffer| {
            let (own, others) = rest.split_at(buffer.size() as usize / 4);
            rest = others;
            own.to_vec()
        };
        Ok(Downloaded(buffers.iter().map(split).collect::<Vec<_>>().into_iter()))
    }

    /// [`run_trial_async`](Self::run_trial_async).
    ///
    /// # Errors
    /// As there.
    #[cfg(not(target_family = "wasm"))]
    pub fn run_trial(&self, trial: &Trial<'_>) -> Result<TrialOutcome, Error> {
        pollster::block_on(self.run_trial_async(trial))
    }
}

/// The slots that a forward plan writes, but for scratch.
fn written(forward: &Plan) -> Vec<Slot> {
    const OUTPUTS: [Slot; 7] =
        [Slot::States, Slot::FinalState, Slot::PackedStates, Slot::FirstSet, Slot::Saved, Slot::Counts, Slot::FinalCount];
    let descriptor = forward.descriptor();
    let over = [states_slot(descriptor)].into_iter().filter(|&slot| slot == Slot::Candidate);
    let in_place = [Slot::InitialState, Slot::InitialCount].into_iter().filter(|&slot| {
        let counts = descriptor.view(Operand::FinalCount).is_some();
        descriptor.is_in_place() && (slot == Slot::InitialState || counts)
    });
    OUTPUTS.into_iter().chain(over).chain(in_place).filter(|&slot| forward.slot_bytes(slot) > 0).collect()
}

impl TrialOutcome {
    fn compare_forward(&mut self, trial: &Trial<'_>, written: &[Slot], downloaded: &mut Downloaded) -> Result<(), Error> {
        let inputs = trial.data.inputs();
        let expected = oracle::forward(trial.descriptor, &inputs)?;
        let sums = allowed_sums(trial.descriptor, &inputs, &[], trial.forward.depth())?;
        let expected = Memory::expected(trial.descriptor, &expected, 1);
        for &slot in written {
            let (_, wanted) = expected.iter().find(|(named, _)| *named == slot).expect("every output is expected");
            self.exact.compare_output(slot, &downloaded.next(), wanted, sums.as_ref());
        }
        Ok(())
    }

    fn compare_behind(&mut self, trial: &Trial<'_>, held: &Held, downloaded: &mut Downloaded) -> Result<(), Error> {
        let mut before: Option<[Vec<u32>; 4]> = None;
        for (plan, own) in trial.behind.iter().zip(&held.outputs) {
            let mut own: Vec<(Slot, Vec<u32>)> = own.iter().map(|&(slot, _)| (slot, downloaded.next())).collect();
            let mut take = |slot| {
                let found = own.iter().position(|(named, _)| *named == slot);
                found.map_or_else(|| image(0, &[]), |at| own.swap_remove(at).1)
            };
            match plan.direction() {
                Direction::Health(source) => {
                    let counts = oracle::health(trial.descriptor, source, &trial.data.inputs())?;
                    self.exact.compare(Slot::Health, &take(Slot::Health), &image(0, &counts));
                }
                Direction::Unpack => {
                    self.exact.compare(Slot::States, &take(Slot::States), &unpacked(trial.descriptor, trial.data)?);
                }
                Direction::Summary(of) => {
                    let actual = take(if of == SummaryOf::States { Slot::Summary } else { Slot::GradientSummary });
                    self.exact.compare_summary(trial.descriptor, &trial.data.inputs(), &trial.incoming, plan, &actual)?;
                }
                _ => self.compare_backward(trial, plan, SLOTS.map(take), &mut before)?,
            }
        }
        Ok(())
    }

    fn compare_backward(
        &mut self,
        trial: &Trial<'_>,
        plan: &Plan,
        actual: [Vec<u32>; 4],
        before: &mut Option<[Vec<u32>; 4]>,
    ) -> Result<(), Error> {
        let Trial { descriptor, data, incoming, .. } = trial;
        // Where steps that set scale a gradient, the order of its additions is that of the tree.
        let ordered = descriptor.unit() != Unit::Relaxed;
        match before {
            Some(before) if ordered => self.backward.compare_bits(&actual, before, plan),
            _ => {
                let expected = oracle::backward(descriptor, &data.inputs(), incoming)?;
                let bounds = bounds(descriptor, &data.inputs(), incoming, plan.depth())?;
                self.backward.compare(descriptor, &actual, &expected, &bounds);
                *before = Some(actual);
            }
        }
        Ok(())
    }
}

impl BackwardOutcome {
    /// Where the order of additions is that of the descriptor, every plan has the same bits.
    fn compare_bits(&mut self, actual: &[Vec<u32>; 4], before: &[Vec<u32>; 4], plan: &Plan) {
        for (output, (actual, before)) in backward::OUTPUTS.iter().zip(actual.iter().zip(before)) {
            for (at, (a, b)) in actual.iter().zip(before).enumerate().filter(|(_, (a, b))| a != b) {
                self.wrong += 1;
                let strategy = plan.strategy();
                self.first.get_or_insert_with(|| {
                    format!("gradient of {output}[{at}] is {a:#010x} with {strategy}, {b:#010x} with the first plan")
                });
            }
        }
    }
}
