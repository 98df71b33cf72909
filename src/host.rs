//! Slices in, slices out: a device of its own, for first steps and tests.
//!
//! An engine uses [`Kernels`] with its own device and encoder instead.

#[cfg(not(target_family = "wasm"))]
mod blocking;
mod run;

use std::time::Duration;

use crate::oracle::{Gradients, IncomingGradients, Inputs, Outputs};
use crate::quirks::AdapterFacts;
use crate::{
    Descriptor, Error, GradientSummary, Health, HealthSource, Kernels, Limits, Operand, Packed, Plan, Save, Shape, Slot, Summary,
    Tuning, readback,
};

/// A device with its kernels.
#[derive(Clone, Debug)]
pub struct Gpu {
    info: wgpu::AdapterInfo,
    device: wgpu::Device,
    queue: wgpu::Queue,
    kernels: Kernels,
    tuning: Tuning,
    time_limit: Duration,
}

impl Gpu {
    /// How long [`forward`](Self::forward) waits for the device, unless told otherwise.
    pub const TIME_LIMIT: Duration = Duration::from_secs(60);

    /// A device on the best adapter: discrete before integrated before software.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if there is none, [`Error::Device`] if it gives no device.
    pub async fn new() -> Result<Self, Error> {
        Self::matching("").await
    }

    /// A device on the best adapter whose name, driver or backend contains `text`, in any case.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub async fn matching(text: &str) -> Result<Self, Error> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let mut adapters = adapters(&instance).await;
        let found = adapters.iter().map(|adapter| describe(&adapter.get_info())).collect::<Vec<_>>().join("; ");
        adapters.retain(|adapter| describe(&adapter.get_info()).to_lowercase().contains(&text.to_lowercase()));
        let best = adapters.into_iter().min_by_key(|adapter| AdapterFacts::from(&adapter.get_info()).rank());
        let adapter = best.ok_or(Error::NoAdapter { expected: text.to_owned(), actual: found })?;
        Self::on(&adapter).await
    }

    /// A device on an adapter, with all that its limits allow.
    ///
    /// # Errors
    /// [`Error::Device`] if it gives no device.
    pub async fn on(adapter: &wgpu::Adapter) -> Result<Self, Error> {
        let info = adapter.get_info();
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("bmru"),
            required_limits: adapter.limits(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|error| Error::Device { what: format!("a device on {}", info.name), message: error.to_string() })?;
        let kernels = Kernels::new(&device);
        let tuning = Tuning::for_adapter(&info);
        Ok(Self { info, device, queue, kernels, tuning, time_limit: Self::TIME_LIMIT })
    }

    /// Another time limit.
    #[must_use]
    pub fn with_time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// Another tuning.
    #[must_use]
    pub fn with_tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }

    /// The adapter.
    #[must_use]
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.info
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// The queue.
    #[must_use]
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// The kernels.
    #[must_use]
    pub fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    /// The tuning that plans are made with.
    #[must_use]
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// The limits that plans are made for.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits::from(&self.device.limits())
    }

    /// The plan that [`forward`](Self::forward) runs.
    ///
    /// # Errors
    /// As [`Descriptor::forward`].
    pub fn plan(&self, descriptor: &Descriptor) -> Result<Plan, Error> {
        descriptor.forward(&self.limits(), &self.tuning)
    }

    /// The forward pass: uploads the slices, runs the plan, downloads the results. The same bits as
    /// [`oracle::forward`](crate::oracle::forward), but for states that are sums. Inputs are rounded to the descriptor's [`Element`](crate::Element), outputs are
    /// such.
    ///
    /// ```
    /// # fn main() -> Result<(), bmru::Error> {
    /// use bmru::{Descriptor, Inputs, Shape, Threshold, host::Gpu};
    ///
    /// let scan = Descriptor::bmru(Shape { batch: 1, time: 5, channels: 1 }).threshold(Threshold::PerChannel);
    /// let inputs = Inputs {
    ///     candidate: &[0.5, 2.0, 0.9, -3.0, -0.1],
    ///     threshold: &[1.0],
    ///     amplitude: &[10.0],
    ///     ..Inputs::default()
    /// };
    /// let gpu = match pollster::block_on(Gpu::new()) {
    ///     Err(bmru::Error::NoAdapter { .. }) => return Ok(()),
    ///     gpu => gpu?,
    /// };
    /// let outputs = pollster::block_on(gpu.forward(&scan, &inputs))?;
    /// assert_eq!(outputs.states, [0.0, 10.0, 10.0, -10.0, -10.0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A slice of the wrong length, everything that planning and binding refuse, [`Error::Timeout`], [`Error::OutOfMemory`], or
    /// [`Error::DeviceLost`].
    pub async fn forward(&self, descriptor: &Descriptor, inputs: &Inputs<'_>) -> Result<Outputs, Error> {
        inputs.check_forward(descriptor)?;
        let plan = self.plan(descriptor)?;
        let given = inputs.slots().map(|(slot, slice)| (slot, descriptor.element_of(slot).to_words(slice)));
        let memory = self.run(&plan, &given).await?;
        let saved = self.words(&memory, Slot::Saved).await?;
        let first_set = match first_sets(descriptor) {
            Some(places) => places.filter_map(|at| saved.get(at)).copied().collect(),
            None => self.words(&memory, Slot::FirstSet).await?,
        };
        Ok(Outputs {
            states: match descriptor.view(Operand::States) {
                Some(view) => self.numbers(descriptor, &memory, view.slot).await?,
                None => Vec::new(),
            },
            final_state: match descriptor.view(Operand::FinalState) {
                Some(view) => self.numbers(descriptor, &memory, view.slot).await?,
                None => Vec::new(),
            },
            packed_states: self.words(&memory, Slot::PackedStates).await?,
            first_set,
            saved,
            counts: self.counts(&memory, Slot::Counts).await?,
            final_count: match descriptor.view(Operand::FinalCount) {
                Some(view) => self.counts(&memory, view.slot).await?,
                None => Vec::new(),
            },
        })
    }

    /// Packed states as numbers, the contents of [`Slot::States`]: the same bits as [`Packed::unpack`].
    ///
    /// ```
    /// # fn main() -> Result<(), bmru::Error> {
    /// use bmru::{Descriptor, Inputs, Packed, Shape, States, Threshold, host::Gpu};
    ///
    /// let scan = Descriptor::bmru(Shape { batch: 1, time: 5, channels: 1 }).threshold(Threshold::PerChannel).states(States::Packed);
    /// let inputs = Inputs { candidate: &[0.5, 2.0, 0.9, -3.0, 4.0], threshold: &[1.0], ..Inputs::default() };
    /// let gpu = match pollster::block_on(Gpu::new()) {
    ///     Err(bmru::Error::NoAdapter { .. }) => return Ok(()),
    ///     gpu => gpu?,
    /// };
    /// let written = gpu.forward_blocking(&scan, &inputs)?;
    /// assert_eq!((&written.packed_states[..], &written.first_set[..]), (&[0b10110][..], &[1][..]));
    ///
    /// let (packed_states, first_set) = (&written.packed_states, &written.first_set);
    /// let packed = Packed { packed_states, first_set, amplitude: &[10.0], ..Packed::default() };
    /// assert_eq!(gpu.unpack_blocking(&scan, &packed)?, [0.0, 10.0, 10.0, -10.0, 10.0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub async fn unpack(&self, descriptor: &Descriptor, packed: &Packed<'_>) -> Result<Vec<f32>, Error> {
        packed.check(descriptor)?;
        // The first set steps come alone, whether codes were saved or not.
        let descriptor = &descriptor.clone().save(Save::Nothing);
        let plan = descriptor.unpack(&self.limits(), &self.tuning)?;
        let words = |slot, slice: &[f32]| (slot, descriptor.element_of(slot).to_words(slice));
        let given = [
            (Slot::PackedStates, packed.packed_states.to_vec()),
            (Slot::FirstSet, packed.first_set.to_vec()),
            words(Slot::Amplitude, packed.amplitude),
            words(Slot::InitialState, packed.initial_state),
        ];
        let memory = self.run(&plan, &given).await?;
        self.numbers(descriptor, &memory, Slot::States).await
    }

    /// The backward pass of a descriptor whose forward pass saved `saved`: [`oracle::backward`](crate::oracle::backward) up to
    /// the rounding of `f32`. Outputs that accumulate begin at 0. Where the kernels read the states of the forward pass, it is run
    /// again.
    ///
    /// ```
    /// # fn main() -> Result<(), bmru::Error> {
    /// use bmru::{Descriptor, IncomingGradients, Inputs, Save, Shape, Surrogate, host::Gpu};
    ///
    /// let scan = Descriptor::bmru(Shape { batch: 1, time: 3, channels: 1 })
    ///     .surrogates(Surrogate::Boxcar { half_width: 1.0 }, Surrogate::Zero)
    ///     .save(Save::Codes);
    /// let inputs = Inputs { candidate: &[2.0, 0.5, 0.25], threshold: &[1.5, 1.0, 1.0], amplitude: &[4.0], ..Inputs::default() };
    /// let gpu = match pollster::block_on(Gpu::new()) {
    ///     Err(bmru::Error::NoAdapter { .. }) => return Ok(()),
    ///     gpu => gpu?,
    /// };
    /// let saved = gpu.forward_blocking(&scan, &inputs)?.saved;
    /// let incoming = IncomingGradients { states: &[0.0, 0.0, 1.0], ..IncomingGradients::default() };
    /// let gradients = gpu.backward_blocking(&scan, &inputs, &saved, &incoming)?;
    /// // The last two steps hold what the first set: its amplitude gets all of the gradient.
    /// assert_eq!(gradients.amplitude, [1.0]);
    /// // A threshold a little lower would let the first step set as it does: φ·g·(α − h0) = 0.5·1·4.
    /// assert_eq!(gradients.threshold, [-2.0, -0.0, -0.0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub async fn backward(
        &self,
        descriptor: &Descriptor,
        inputs: &Inputs<'_>,
        saved: &[u32],
        incoming: &IncomingGradients<'_>,
    ) -> Result<Gradients<f32>, Error> {
        inputs.check(descriptor)?;
        incoming.check(descriptor)?;
        let (expected, actual) = (descriptor.saved_layout().words(), saved.len() as u64);
        if expected != actual {
            return Err(Error::LengthMismatch { slot: Slot::Saved, expected, actual });
        }
        let plan = descriptor.backward(&self.limits(), &self.tuning)?;
        let mut given = vec![(Slot::Saved, saved.to_vec())];
        // What a state that is a number was before each step, forward alone knows.
        if plan.slots().iter().any(|&(slot, _)| slot == Slot::States) {
            let states = self.forward(descriptor, inputs).await?.states;
            given.push((Slot::States, descriptor.element_of(Slot::States).to_words(&states)));
        }
        for (slot, slice) in inputs.slots().into_iter().chain(incoming.slots()) {
            given.push((slot, descriptor.element_of(slot).to_words(slice)));
        }
        let memory = self.run(&plan, &given).await?;
        Ok(Gradients {
            candidate: self.numbers(descriptor, &memory, Slot::CandidateGradient).await?,
            threshold: self.numbers(descriptor, &memory, Slot::ThresholdGradient).await?,
            amplitude: self.numbers(descriptor, &memory, Slot::AmplitudeGradient).await?,
            initial_state: self.numbers(descriptor, &memory, Slot::InitialStateGradient).await?,
        })
    }

    /// What each channel did, from what the forward pass of the descriptor saved. The same counts as
    /// [`oracle::health`](crate::oracle::health).
    ///
    /// ```
    /// # fn main() -> Result<(), bmru::Error> {
    /// use bmru::{Descriptor, HealthSign, Inputs, Save, Shape, Threshold, host::Gpu};
    ///
    /// let scan = Descriptor::bmru(Shape { batch: 1, time: 5, channels: 2 }).threshold(Threshold::PerChannel).save(Save::Codes);
    /// let inputs = Inputs {
    ///     candidate: &[0.5, 0.1, 2.0, 0.2, 0.9, -0.3, -3.0, 0.2, -0.1, 0.1],
    ///     threshold: &[1.0, 1.0],
    ///     amplitude: &[10.0, 10.0],
    ///     ..Inputs::default()
    /// };
    /// let gpu = match pollster::block_on(Gpu::new()) {
    ///     Err(bmru::Error::NoAdapter { .. }) => return Ok(()),
    ///     gpu => gpu?,
    /// };
    /// let saved = gpu.forward_blocking(&scan, &inputs)?.saved;
    /// let health = gpu.health_blocking(&scan, &saved)?;
    /// // Channel 0 sets at steps 1 and 3, to + and to −, and holds before, between and behind.
    /// assert_eq!((health.set_rate(0), health.flip_rate(0), health.mean_hold(0)), (0.4, 0.2, 1.0));
    /// assert_eq!((health.longest_hold(0), health.first_set(0), health.signs(0)), (1, Some(1), vec![]));
    /// // The candidates of channel 1 never leave their region.
    /// assert_eq!(health.signs(1), [HealthSign::NeverSets]);
    /// println!("{}: {}", HealthSign::NeverSets, HealthSign::NeverSets.advice());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub async fn health(&self, descriptor: &Descriptor, saved: &[u32]) -> Result<Health, Error> {
        let (expected, actual) = (descriptor.saved_layout().words(), saved.len() as u64);
        if expected != actual {
            return Err(Error::LengthMismatch { slot: Slot::Saved, expected, actual });
        }
        self.run_health(descriptor, HealthSource::Saved, &[(Slot::Saved, saved.to_vec())]).await
    }

    /// What each channel does with these inputs; it counts the NaN among them, too, and nothing need be saved.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub async fn health_of_inputs(&self, descriptor: &Descriptor, inputs: &Inputs<'_>) -> Result<Health, Error> {
        inputs.check(descriptor)?;
        let given = inputs.slots().map(|(slot, slice)| (slot, descriptor.element_of(slot).to_words(slice)));
        self.run_health(descriptor, HealthSource::Inputs, &given).await
    }

    /// What all steps together do to the state: [`Summary`] says what for.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and as [`Descriptor::summarize`].
    pub async fn summarize(&self, descriptor: &Descriptor, inputs: &Inputs<'_>) -> Result<Summary, Error> {
        let plan = descriptor.summarize(&self.limits(), &self.tuning)?;
        for (slot, slice) in inputs.slots().into_iter().filter(|&(slot, _)| plan.uses(slot)) {
            let (expected, actual) = (descriptor.slot_elements(slot)?, slice.len() as u64);
            if expected != actual {
                return Err(Error::LengthMismatch { slot, expected, actual });
            }
        }
        let given = inputs.slots().map(|(slot, slice)| (slot, descriptor.element_of(slot).to_words(slice)));
        let memory = self.run(&plan, &given).await?;
        Summary::from_words(descriptor, &self.words(&memory, Slot::Summary).await?)
    }

    /// The same of a gradient on its way back: [`GradientSummary`] says what for. Of the incoming gradients it
    /// reads those of the states.
    ///
    /// # Errors
    /// As [`backward`](Self::backward), and as [`Descriptor::summarize_gradient`].
    pub async fn summarize_gradient(
        &self,
        descriptor: &Descriptor,
        saved: &[u32],
        incoming: &IncomingGradients<'_>,
    ) -> Result<GradientSummary, Error> {
        let plan = descriptor.summarize_gradient(&self.limits(), &self.tuning)?;
        let wanted = if plan.uses(Slot::Saved) { descriptor.saved_layout().words() } else { 0 };
        let states = if plan.uses(Slot::StatesGradient) { descriptor.slot_elements(Slot::StatesGradient)? } else { 0 };
        let lengths = [(Slot::Saved, wanted, saved.len()), (Slot::StatesGradient, states, incoming.states.len())];
        for (slot, expected, actual) in lengths.map(|(slot, expected, actual)| (slot, expected, actual as u64)) {
            if expected != actual && expected > 0 {
                return Err(Error::LengthMismatch { slot, expected, actual });
            }
        }
        let element = descriptor.element_of(Slot::StatesGradient);
        let given = [(Slot::Saved, saved.to_vec()), (Slot::StatesGradient, element.to_words(incoming.states))];
        let memory = self.run(&plan, &given).await?;
        GradientSummary::from_words(descriptor, &self.words(&memory, Slot::GradientSummary).await?)
    }

    /// Copies a buffer of words to the host, when everything submitted before is done.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Device`] if the buffer cannot be copied or mapped, [`Error::OutOfMemory`], or
    /// [`Error::DeviceLost`].
    pub async fn download(&self, buffer: &wgpu::Buffer) -> Result<Vec<u32>, Error> {
        let words = readback::download(&self.device, &self.queue, &[buffer], self.time_limit).await?;
        Ok(words.into_iter().flatten().collect())
    }

    /// Waits for everything that was submitted, no longer than the time limit.
    ///
    /// # Errors
    /// [`Error::Timeout`], or [`Error::DeviceLost`].
    #[cfg(not(target_family = "wasm"))]
    pub fn wait(&self) -> Result<(), Error> {
        readback::wait(&self.device, self.time_limit)
    }
}

/// Where the first set steps of packed states lie in what is saved, if they do.
fn first_sets(descriptor: &Descriptor) -> Option<impl Iterator<Item = usize>> {
    let Shape { batch, channels, .. } = descriptor.shape();
    let view = descriptor.view(Operand::FirstSet).filter(|view| view.slot == Slot::Saved)?;
    let at = move |b, d| (view.offset + b * view.strides.batch + d) as usize;
    Some((0..batch).flat_map(move |b| (0..channels).map(move |d| at(b, d))))
}

#[cfg(not(target_family = "wasm"))]
async fn adapters(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    instance.enumerate_adapters(wgpu::Backends::all()).await
}

/// A browser gives one adapter at most, and wants to hear what for.
#[cfg(target_family = "wasm")]
async fn adapters(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    let power_preference = wgpu::PowerPreference::HighPerformance;
    let options = wgpu::RequestAdapterOptions { power_preference, ..Default::default() };
    instance.request_adapter(&options).await.into_iter().collect()
}

/// Name, backend and driver of an adapter in one line.
#[must_use]
pub fn describe(info: &wgpu::AdapterInfo) -> String {
    let backend = format!("{:?}", info.backend);
    let known = [backend.as_str(), info.driver.trim(), info.driver_info.trim()];
    let known: Vec<&str> = known.into_iter().filter(|part| !part.is_empty()).collect();
    format!("{} ({})", info.name, known.join(", "))
}
