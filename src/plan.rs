//! Planning: from a descriptor to the dispatches that compute it. Pure; no GPU object is touched.

mod adjoint;
mod borders;
mod build;
mod halves;
mod health;
mod serial;
pub(crate) mod split;
mod sums;
mod tiles;
mod unpack;
mod vectors;

use core::fmt;

use crate::carry::Carry;
use crate::shader::BindingAccess;
use crate::{
    Descriptor, Error, HealthSource, Limits, Operand, Params, SavedLayout, Shape, Slot, Stage, SummaryOf, Tuning, Variant, quirks,
};

/// How the scan is spread over a device. Every strategy gives the same bits, but of states that are sums of floats and of gradients of
/// relaxed units, whose bounds hold for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// One dispatch: an invocation walks over all steps of its channels. Moves the fewest bytes; needs many rows `B·D`.
    Serial,
    /// Tiles of time, their carries scanned by a tree with 32 children a node: up-sweep, down-sweep, apply; of few tiles each looks
    /// back through those before it ([`Tuning::look_back_tiles`](crate::Tuning::look_back_tiles)). The codes of all steps pass through
    /// memory; only the look back depends on the data.
    Tiles,
    /// Tiles of time whose carries are found by looking back from their ends, scanned in the same way, and then a serial walk
    /// over each. Moves fewer bytes than [`Tiles`](Self::Tiles) where sets are frequent, and inputs twice, 20 bytes per element and
    /// the look back, where nothing sets. Backward it is the same as `Tiles`.
    Probe,
}

impl Strategy {
    /// All strategies.
    pub const ALL: [Self; 3] = [Self::Serial, Self::Tiles, Self::Probe];
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Serial => "serial",
            Self::Tiles => "tiles",
            Self::Probe => "probe",
        })
    }
}

/// The pass that a plan computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Inputs to states.
    Forward,
    /// Gradients of the states to gradients of the inputs.
    Backward,
    /// Packed states to numbers.
    Unpack,
    /// Inputs, or what the forward pass saved of them, to what each channel did.
    Health(HealthSource),
    /// Inputs to what all steps together do to the state, or incoming gradients to what they do to one from behind.
    Summary(SummaryOf),
}

impl Direction {
    /// The operands of the caller.
    pub(crate) fn operands(self) -> &'static [Operand] {
        use Operand::*;
        match self {
            Self::Forward => &[
                Candidate,
                Threshold,
                LowThreshold,
                Validity,
                Amplitude,
                InitialState,
                InitialCount,
                CuSeqlens,
                Resets,
                States,
                FinalState,
                PackedStates,
                FirstSet,
                Counts,
                FinalCount,
            ],
            Self::Backward => &[
                Candidate,
                Threshold,
                LowThreshold,
                Amplitude,
                CuSeqlens,
                Resets,
                StatesBefore,
                StatesGradient,
                FinalStateGradient,
                CandidateGradient,
                ThresholdGradient,
                LowThresholdGradient,
                AmplitudeGradient,
                InitialStateGradient,
            ],
            Self::Unpack => &[PackedStates, FirstSet, Amplitude, InitialState, States],
            Self::Health(HealthSource::Saved) => &[],
            Self::Health(HealthSource::Inputs) => &[Candidate, Threshold, LowThreshold],
            Self::Summary(SummaryOf::States) => &[Candidate, Threshold, LowThreshold, Validity, Amplitude],
            Self::Summary(SummaryOf::Gradient) => &[StatesGradient],
        }
    }

    /// Whether a pass of a descriptor reads or writes what is saved.
    pub(crate) fn uses_saved(self, descriptor: &Descriptor) -> bool {
        match self {
            // What saves has the first set steps there.
            Self::Forward | Self::Unpack => descriptor.saves(),
            Self::Backward => descriptor.saves() || descriptor.carry().code_lines() > 0,
            Self::Health(source) => source == HealthSource::Saved,
            Self::Summary(of) => of == SummaryOf::Gradient && descriptor.carry().code_lines() > 0,
        }
    }
}

/// A storage binding of a dispatch: a range of the slot that the caller fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The slot.
    pub slot: Slot,
    /// How the shader declares it.
    pub access: BindingAccess,
    /// First byte, counted from the beginning of the slot; aligned as the limits say.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
}

/// Bytes that pass between kernels and memory, each load and store counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes loaded.
    pub read: u64,
    /// Bytes stored.
    pub written: u64,
}

/// One launch of a stage over a part of the work.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    pub(crate) variant: usize,
    pub(crate) params: Params,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) grid: [u32; 3],
    pub(crate) invocations: u64,
    pub(crate) iterations: u64,
    pub(crate) traffic: Traffic,
}

impl Dispatch {
    /// Index into [`Plan::variants`].
    #[must_use]
    pub fn variant(&self) -> usize {
        self.variant
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The storage bindings, numbered from 0.
    #[must_use]
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// Workgroups along each dimension.
    #[must_use]
    pub fn grid(&self) -> [u32; 3] {
        self.grid
    }

    /// Invocations that have work; those past them return at once.
    #[must_use]
    pub fn invocations(&self) -> u64 {
        self.invocations
    }

    /// The most iterations that one invocation runs, all its loops together: below 32,768, because some drivers end
    /// what runs longer without a word.
    #[must_use]
    pub fn iterations(&self) -> u64 {
        self.iterations
    }

    /// Bytes moved.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }
}

/// What a descriptor needs on a device: shaders, dispatches in order, and the sizes of all slots.
///
/// A plan is valid on every device whose limits are at least those that it was made for. It names no GPU object:
/// any WebGPU host can run it from [`variants`](Self::variants) and [`dispatches`](Self::dispatches) alone.
/// Later dispatches read what earlier ones wrote, so a barrier belongs between them, as WebGPU places it by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    descriptor: Descriptor,
    direction: Direction,
    limits: Limits,
    strategy: Strategy,
    slots: Vec<(Slot, u64)>,
    variants: Vec<Variant>,
    dispatches: Vec<Dispatch>,
}

impl Plan {
    /// Iterations of all loops of an invocation: llvmpipe of Mesa 22.3 ends them after 65,535, so half of that.
    pub const MAX_ITERATIONS: u64 = quirks::ITERATIONS / 2;

    /// Dispatches of a plan at most: 128 MiB of parameters.
    pub const MAX_DISPATCHES: u64 = 1 << 18;

    pub(crate) fn new(descriptor: &Descriptor, direction: Direction, limits: &Limits, tuning: &Tuning) -> Result<Self, Error> {
        descriptor.check()?;
        match direction {
            Direction::Forward => {}
            Direction::Backward => descriptor.check_backward()?,
            Direction::Unpack => descriptor.check_unpack()?,
            Direction::Health(_) => descriptor.check_health()?,
            Direction::Summary(of) => descriptor.check_summary(of)?,
        }
        limits.check()?;
        tuning.check(limits)?;
        let check = |slot, actual: u64| {
            let expected = limits.max_buffer_size;
            if actual > expected { Err(Error::BufferTooLarge { slot, expected, actual }) } else { Ok(()) }
        };
        for slot in Slot::ALL.iter().copied().filter(|&slot| uses(descriptor, direction, slot)) {
            check(slot, descriptor.slot_bytes(slot)?)?;
        }
        if uses(descriptor, direction, Slot::Saved) {
            check(Slot::Saved, descriptor.saved_layout().bytes())?;
        }
        let in_place = direction == Direction::Forward && descriptor.is_in_place();
        let untold =
            direction == Direction::Forward && descriptor.sequences_kind().has_borders() && descriptor.carry() != Carry::Fill;
        let walks = in_place || untold;
        let free = tuning.strategy.is_none() && matches!(direction, Direction::Forward | Direction::Backward);
        let of_steps = free && vectors::can_hold_steps(descriptor);
        let tuning = &if of_steps { tuning.of_steps(direction) } else { tuning.clone() };
        let build = |strategy| match strategy {
            Strategy::Tiles | Strategy::Probe if in_place => Err(Error::Incompatible {
                expected: "a final state in a buffer of its own",
                actual: "tiles, which all read the initial state that one of them would write over",
            }),
            Strategy::Tiles | Strategy::Probe if untold => Err(Error::Incompatible {
                expected: "a walk over all of time",
                actual: "tiles of rows with borders, of a state that is a sum or has an age",
            }),
            _ => build::build(descriptor, direction, limits, tuning, strategy),
        };
        let (strategy, built) = match tuning.strategy {
            Some(strategy) => {
                let unavailable = |reason| Error::StrategyUnavailable { strategy, reason: Box::new(reason) };
                (strategy, build(strategy).map_err(unavailable)?)
            }
            None if walks => (Strategy::Serial, build(Strategy::Serial)?),
            None => automatic(tuning.choose(descriptor.shape()), build)?,
        };
        let plan = Self {
            descriptor: descriptor.clone(),
            direction,
            limits: limits.clone(),
            strategy,
            slots: built.slots,
            variants: built.variants,
            dispatches: built.dispatches,
        };
        check(Slot::Scratch, plan.slot_bytes(Slot::Scratch))?;
        log::debug!("{plan}");
        Ok(plan)
    }

    /// The pass.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The descriptor that this plan computes.
    #[must_use]
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The limits that it was made for.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The strategy in use.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// The slots that the caller fills, each with the bytes that are needed. A slot that nothing is read from or
    /// written to, because its tensor is empty, is not among them.
    #[must_use]
    pub fn slots(&self) -> &[(Slot, u64)] {
        &self.slots
    }

    /// Bytes needed in a slot; 0 if the plan does not use it.
    #[must_use]
    pub fn slot_bytes(&self, slot: Slot) -> u64 {
        self.slots.iter().find(|&&(used, _)| used == slot).map_or(0, |&(_, bytes)| bytes)
    }

    /// The different pipelines of the plan.
    #[must_use]
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// The dispatches, in the order in which they must run.
    #[must_use]
    pub fn dispatches(&self) -> &[Dispatch] {
        &self.dispatches
    }

    /// The stage of a dispatch of this plan.
    #[must_use]
    pub fn stage(&self, dispatch: &Dispatch) -> Stage {
        self.variants[dispatch.variant].stage()
    }

    /// Layout of [`Slot::Saved`], if the plan writes or reads it.
    #[must_use]
    pub fn saved_layout(&self) -> Option<SavedLayout> {
        self.uses(Slot::Saved).then(|| self.descriptor.saved_layout())
    }

    /// Whether any operand lies in `slot`, empty or not. Working memory may always be given.
    #[must_use]
    pub fn uses(&self, slot: Slot) -> bool {
        slot == Slot::Scratch || uses(&self.descriptor, self.direction, slot)
    }

    /// The longest chain of additions within one gradient of a state, or within one sum over the axes that a gradient lacks, counted from
    /// its terms. Accumulating adds one more. Forward the additions of a tree that a state of a relaxed unit goes through, beside those of
    /// its steps; 0 for other units, whose bounds do not depend on it, for unpacking and for health.
    ///
    /// It grows with the logarithm of the number of steps, and of rows for the sums over them.
    #[must_use]
    pub fn depth(&self) -> u64 {
        let time = self.descriptor.shape().time;
        match self.direction {
            Direction::Forward if self.descriptor.carry() == Carry::Decay => {
                let probe = self.dispatches.iter().find(|dispatch| self.stage(dispatch) == Stage::TileProbe);
                probe.map_or(0, |probe| tiles::depth(time, probe.params().tile_steps.into()))
            }
            Direction::Forward | Direction::Unpack | Direction::Health(_) | Direction::Summary(SummaryOf::States) => 0,
            Direction::Backward | Direction::Summary(SummaryOf::Gradient) => adjoint::depth(&self.descriptor),
        }
    }

    /// Whether any dispatch stores to a slot.
    #[must_use]
    pub fn writes(&self, slot: Slot) -> bool {
        self.variants.iter().any(|variant| variant.stores_to(slot))
    }

    /// Bytes moved by all dispatches.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.dispatches.iter().fold(Traffic::default(), |sum, dispatch| Traffic {
            read: sum.read + dispatch.traffic.read,
            written: sum.written + dispatch.traffic.written,
        })
    }

    /// The most iterations that any invocation of any dispatch runs.
    #[must_use]
    pub fn iterations(&self) -> u64 {
        self.dispatches.iter().map(Dispatch::iterations).max().unwrap_or(0)
    }
}

/// The preferred strategy, or one that fits: limits can be too small for the scratch of tiles, where serial needs next to none, or
/// for the bindings of a stage.
fn automatic<B>(preferred: Strategy, build: impl Fn(Strategy) -> Result<B, Error>) -> Result<(Strategy, B), Error> {
    let mut refusal = None;
    for strategy in [preferred, Strategy::Serial, Strategy::Tiles] {
        match build(strategy) {
            Err(error @ (Error::CannotSplit { .. } | Error::TooManyBindings { .. })) => {
                // Serial needs the least, so that its reason is the one to tell.
                if strategy == Strategy::Serial {
                    refusal = Some(error);
                }
            }
            built => return Ok((strategy, built?)),
        }
    }
    Err(refusal.expect("serial was tried"))
}

fn uses(descriptor: &Descriptor, direction: Direction, slot: Slot) -> bool {
    let lies_here = |&operand: &Operand| descriptor.view_in(direction, operand).is_some_and(|view| view.slot == slot);
    let saved = slot == Slot::Saved && direction.uses_saved(descriptor);
    let whole = match direction {
        Direction::Health(_) => slot == Slot::Health,
        Direction::Summary(SummaryOf::States) => slot == Slot::Summary,
        Direction::Summary(SummaryOf::Gradient) => slot == Slot::GradientSummary,
        _ => false,
    };
    saved || whole || direction.operands().iter().any(lies_here)
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape { batch, time, channels } = self.descriptor.shape();
        let direction = match self.direction {
            Direction::Forward => "forward",
            Direction::Backward => "backward",
            Direction::Unpack => "unpacking",
            Direction::Health(HealthSource::Saved) => "health, from what was saved,",
            Direction::Health(HealthSource::Inputs) => "health, from the inputs,",
            Direction::Summary(SummaryOf::States) => "summary",
            Direction::Summary(SummaryOf::Gradient) => "summary of gradients",
        };
        let count = self.dispatches.len();
        let dispatches = if count == 1 { "dispatch" } else { "dispatches" };
        writeln!(f, "{direction} {}, {}, {count} {dispatches}", self.descriptor.shape(), self.strategy)?;
        // Launches of one stage over consecutive parts share a line.
        let mut rest = &self.dispatches[..];
        while let Some(first) = rest.first() {
            let stage = self.stage(first);
            let run = rest.iter().take_while(|dispatch| self.stage(dispatch) == stage).count();
            let invocations: u64 = rest[..run].iter().map(|dispatch| dispatch.invocations).sum();
            let variant = &self.variants[first.variant];
            let [x, y, _] = first.grid;
            writeln!(
                f,
                "  {stage}: {run} × grid {x} × {y} of {} invocations, {} channels each; {invocations} have work, of at most {} iterations",
                variant.workgroup_size(),
                variant.vector_width() * variant.band(),
                rest[..run].iter().map(Dispatch::iterations).max().unwrap_or(0),
            )?;
            rest = &rest[run..];
        }
        let slots: Vec<String> = self.slots.iter().map(|(slot, bytes)| format!("{slot} {bytes}")).collect();
        writeln!(f, "  bytes: {}", slots.join(", "))?;
        let elements = (batch as f64 * time as f64 * channels as f64).max(1.0);
        let Traffic { read, written } = self.traffic();
        write!(f, "  per element: {:.2} bytes read, {:.2} written", read as f64 / elements, written as f64 / elements)
    }
}
