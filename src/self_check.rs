//! Whether this device, with this driver, computes what it should: a few small cases against the oracle.
//!
//! [`cases`] has them; each is a forward and mostly a backward pass over data that a wrong driver is likely to get wrong.

mod cases;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::kernels::guarded;
use crate::oracle::{self, IncomingGradients};
use crate::{Buffers, Error, Kernels, Limits, Plan, Slot, Tuning, readback};
use cases::{Agreement, Case};

/// What an output holds before the kernels run: as a float, as an index and as a code it is nonsense.
const POISON: u32 = 0xdead_beef;

impl Kernels {
    /// How long [`self_check`](Self::self_check) should wait for one case on most devices.
    pub const SELF_CHECK_TIME_LIMIT: Duration = Duration::from_secs(10);

    /// Runs a few small cases of all strategies, forward and backward, and compares them with the [`oracle`](crate::oracle): forward
    /// bit for bit, backward exactly where nothing is rounded and within a bound elsewhere. For an engine that starts up on a
    /// driver that it does not know.
    ///
    /// The only call outside of the module `host` that submits: to `queue`, which must be the device's. Natively it waits after each case, no
    /// longer than `time_limit`, for all that was submitted before, too; in a browser it never blocks, and the browser ends what
    /// runs too long. Buffers are freed at the end; the pipelines stay, for plans of the same `tuning`. It makes some forty of
    /// them, which takes 0.1 to 1.1 seconds on CPU drivers, and moves less than a megabyte.
    ///
    /// ```no_run
    /// # async fn engine(adapter: &wgpu::Adapter, device: &wgpu::Device, queue: &wgpu::Queue) -> Result<(), bmru::Error> {
    /// use bmru::{Error, Kernels, Tuning};
    ///
    /// let kernels = Kernels::new(device);
    /// match kernels.self_check(queue, &Tuning::for_adapter(&adapter.get_info()), Kernels::SELF_CHECK_TIME_LIMIT).await {
    ///     Err(wrong @ Error::WrongResult { .. }) => eprintln!("{wrong}; the CPU will do it"),
    ///     other => other?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongResult`] if the device computes wrongly; [`Error::Timeout`]; [`Error::Device`] if it refuses something, or if the
    /// queue is not its own; [`Error::DeviceLost`]; [`Error::OutOfMemory`]; and what planning with `tuning` refuses. Cases that need more bindings than the device has are
    /// left out; [`Error::StrategyUnavailable`] if that is all of them.
    pub async fn self_check(&self, queue: &wgpu::Queue, tuning: &Tuning, time_limit: Duration) -> Result<(), Error> {
        #[cfg(not(target_family = "wasm"))]
        readback::check_queue(&self.shared.device, queue, time_limit)?;
        let mut refused = Ok(());
        let mut any = false;
        for case in cases::all() {
            match case.plans(&self.shared.limits, tuning) {
                Ok(plans) => {
                    any = true;
                    self.check_case(queue, time_limit, &case, plans).await?;
                }
                // A device with few bindings has fewer strategies.
                Err(unavailable @ Error::StrategyUnavailable { .. }) => refused = Err(unavailable),
                Err(other) => return Err(other),
            }
        }
        if any { Ok(()) } else { refused }
    }

    async fn check_case(&self, queue: &wgpu::Queue, time_limit: Duration, case: &Case, plans: Vec<Plan>) -> Result<(), Error> {
        for plan in &plans {
            self.prepare(plan).await?;
        }
        let device = &self.shared.device;
        let what = format!("{}/self-check", self.shared.label);
        let ((memory, recorded), checked) = guarded(device, what.clone(), || {
            let memory = self.memory(queue, case, &plans);
            let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(&what) });
            let recorded = plans.iter().try_for_each(|plan| {
                let used = memory.iter().filter(|(slot, _)| plan.uses(*slot) && *slot != Slot::Saved);
                let mut buffers = used.fold(Buffers::new(), |buffers, (slot, buffer)| buffers.slot(*slot, buffer));
                if let Some((_, saved)) = memory.iter().find(|(slot, _)| *slot == Slot::Saved && plan.uses(*slot)) {
                    buffers = buffers.saved_by(saved, case.descriptor.saved_layout());
                }
                self.bind(plan, &buffers).map(|bound| bound.record(&mut encoder))
            });
            if recorded.is_ok() {
                queue.submit([encoder.finish()]);
            }
            (memory, recorded)
        });
        checked.await?;
        recorded?;
        let written = |slot: Slot| slot != Slot::Scratch && plans.iter().any(|plan| plan.writes(slot));
        let (slots, buffers): (Vec<Slot>, Vec<&wgpu::Buffer>) =
            memory.iter().filter(|(slot, _)| written(*slot)).map(|(slot, buffer)| (*slot, buffer)).unzip();
        let words = readback::download(device, queue, &buffers, time_limit).await?;
        memory.iter().for_each(|(_, buffer)| buffer.destroy());
        case.compare(&slots.into_iter().zip(words).collect::<Vec<_>>())
    }

    /// A buffer for each slot, with the inputs of the case or poison.
    fn memory(&self, queue: &wgpu::Queue, case: &Case, plans: &[Plan]) -> Vec<(Slot, wgpu::Buffer)> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let mut memory = Vec::new();
        for &slot in Slot::ALL {
            let size = plans.iter().map(|plan| plan.slot_bytes(slot)).max().unwrap_or(0);
            if size == 0 {
                continue;
            }
            let label = format!("{}/self-check/{slot}", self.shared.label);
            let descriptor = wgpu::BufferDescriptor { label: Some(&label), size, usage, mapped_at_creation: false };
            let buffer = self.shared.device.create_buffer(&descriptor);
            let mut image = vec![POISON; size as usize / 4];
            for (word, input) in image.iter_mut().zip(case.input(slot)) {
                *word = input.to_bits();
            }
            queue.write_buffer(&buffer, 0, bytemuck::cast_slice(&image));
            memory.push((slot, buffer));
        }
        memory
    }
}

impl Case {
    /// Forward, and backward if the case has it.
    fn plans(&self, limits: &Limits, tuning: &Tuning) -> Result<Vec<Plan>, Error> {
        // Tiles of a word or two, so that small cases have trees.
        let tuning = Tuning { tile_steps: self.tile_steps, ..tuning.clone() }.with_strategy(self.strategy);
        let mut plans = vec![self.descriptor.forward(limits, &tuning)?];
        if self.agreement.is_some() {
            plans.push(self.descriptor.backward(limits, &tuning)?);
        }
        Ok(plans)
    }

    fn compare(&self, outputs: &[(Slot, Vec<u32>)]) -> Result<(), Error> {
        let inputs = self.data.inputs();
        let forward = oracle::forward(&self.descriptor, &inputs)?;
        let bits = |floats: &[f32]| floats.iter().map(|float| float.to_bits()).collect();
        let expected: [(Slot, Vec<u32>); 3] =
            [(Slot::States, bits(&forward.states)), (Slot::FinalState, bits(&forward.final_state)), (Slot::Saved, forward.saved)];
        for (slot, expected) in &expected {
            self.agree(outputs, *slot, expected, |expected| *expected, |actual, expected| actual == *expected)?;
        }
        let Some(agreement) = self.agreement else { return Ok(()) };
        let incoming = IncomingGradients { states: &self.data.states_gradient, final_state: &self.data.final_state_gradient };
        let gradients = oracle::backward(&self.descriptor, &inputs, &incoming)?;
        for (slot, expected) in [
            (Slot::CandidateGradient, &gradients.candidate),
            (Slot::ThresholdGradient, &gradients.threshold),
            (Slot::AmplitudeGradient, &gradients.amplitude),
            (Slot::InitialStateGradient, &gradients.initial_state),
        ] {
            let holds = |actual, expected: &f64| agreement.holds(f32::from_bits(actual), *expected);
            self.agree(outputs, slot, expected, |expected| (*expected as f32).to_bits(), holds)?;
        }
        Ok(())
    }

    fn agree<T>(
        &self,
        outputs: &[(Slot, Vec<u32>)],
        slot: Slot,
        expected: &[T],
        bits: impl Fn(&T) -> u32,
        holds: impl Fn(u32, &T) -> bool,
    ) -> Result<(), Error> {
        let Some((_, words)) = outputs.iter().find(|(written, _)| *written == slot) else { return Ok(()) };
        match words.iter().zip(expected).enumerate().find(|(_, (actual, expected))| !holds(**actual, expected)) {
            None => Ok(()),
            Some((at, (&actual, expected))) => {
                let index = at as u64;
                Err(Error::WrongResult { case: self.name, slot, index, expected: bits(expected), actual })
            }
        }
    }
}

impl Agreement {
    /// Whether a gradient is the oracle's.
    fn holds(self, actual: f32, expected: f64) -> bool {
        let allowed = match self {
            Self::Exact => 0.0,
            Self::Within { units } => f64::from(units) * f64::from(f32::EPSILON) * expected.abs(),
        };
        (f64::from(actual) - expected).abs() <= allowed
    }
}
