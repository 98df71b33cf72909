//! Pipelines on the caller's device, made once for each variant.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::{Access, BindingAccess, Error, Limits, Plan, Variant};

/// The pipelines of one device. Clones share them.
///
/// Needs no device feature and no limit above the WebGPU defaults. Never submits, never waits, installs no handler; only
/// [`self_check`](Self::self_check) submits and waits.
///
/// ```no_run
/// # fn example(device: &wgpu::Device, plan: &bmru::Plan, c: &wgpu::Buffer, r: &wgpu::Buffer, alpha: &wgpu::Buffer,
/// #            h: &wgpu::Buffer, encoder: &mut wgpu::CommandEncoder) -> Result<(), bmru::Error> {
/// use bmru::{Buffers, Kernels};
///
/// let kernels = Kernels::new(device);
/// let run = kernels.bind(plan, &Buffers::new().candidate(c).threshold(r).amplitude(alpha).states(h))?;
/// run.record(encoder);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Kernels {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub device: wgpu::Device,
    pub limits: Limits,
    pub label: String,
    pipelines: Mutex<HashMap<Variant, Pipeline>>,
}

/// A pipeline with the layout of its only bind group.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

impl Kernels {
    /// Kernels on `device`. Compiles nothing yet.
    #[must_use]
    pub fn new(device: &wgpu::Device) -> Self {
        Self::labelled(device, "bmru")
    }

    /// The same, with a prefix for the labels of all objects that are made.
    #[must_use]
    pub fn labelled(device: &wgpu::Device, label: &str) -> Self {
        let limits = Limits::from(&device.limits());
        let shared = Shared { device: device.clone(), limits, label: label.to_owned(), pipelines: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Number of pipelines made so far.
    #[must_use]
    pub fn pipeline_count(&self) -> usize {
        self.shared.cached().len()
    }

    /// Makes the pipelines of a plan ahead of [`bind`](Self::bind), which otherwise makes them when it first needs them.
    ///
    /// In a browser, where errors of the device arrive later, this is the place to learn of them.
    ///
    /// # Errors
    /// [`Error::LimitMismatch`] if the plan was made for looser limits than the device's, [`Error::Device`] or
    /// [`Error::OutOfMemory`] if the device refuses a pipeline, [`Error::DeviceLost`].
    pub async fn prepare(&self, plan: &Plan) -> Result<(), Error> {
        plan.limits().check_within(&self.shared.limits)?;
        for variant in plan.variants() {
            if self.shared.cached().contains_key(variant) {
                continue;
            }
            let (pipeline, checked) = self.shared.create(variant, variant.wgsl());
            checked.await?;
            self.shared.cached().insert(variant.clone(), pipeline);
        }
        Ok(())
    }
}

impl Shared {
    fn cached(&self) -> std::sync::MutexGuard<'_, HashMap<Variant, Pipeline>> {
        // A map of finished pipelines is whole whatever happened to the thread that held it.
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pipeline of a variant, made now if it is not there.
    pub fn pipeline(&self, variant: &Variant) -> Result<Pipeline, Error> {
        if let Some(pipeline) = self.cached().get(variant) {
            return Ok(pipeline.clone());
        }
        let (pipeline, checked) = self.create(variant, variant.wgsl());
        ready_or_later(checked)?;
        self.cached().insert(variant.clone(), pipeline.clone());
        Ok(pipeline)
    }

    /// Makes what is not right in place of a variant, for those who must find it.
    #[cfg(test)]
    pub fn plant(&self, variant: &Variant, text: String) -> Result<(), Error> {
        let (pipeline, checked) = self.create(variant, text);
        ready_or_later(checked)?;
        self.cached().insert(variant.clone(), pipeline);
        Ok(())
    }

    fn create(&self, variant: &Variant, text: String) -> (Pipeline, Checked) {
        let label = format!("{}/{}", self.label, variant.stage());
        guarded(&self.device, format!("pipeline {label}"), || {
            let layout = self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(&label),
                entries: &layout_entries(variant),
            });
            let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(&label),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(&label),
                source: wgpu::ShaderSource::Wgsl(text.into()),
            });
            let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(&label),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some(Variant::ENTRY_POINT),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            });
            log::debug!("made pipeline {label}");
            Pipeline { pipeline, layout }
        })
    }
}

fn layout_entries(variant: &Variant) -> Vec<wgpu::BindGroupLayoutEntry> {
    let storage = |read_only| wgpu::BufferBindingType::Storage { read_only };
    let params = match variant.access() {
        Access::Declared => wgpu::BufferBindingType::Uniform,
        Access::AllReadWrite => storage(false),
    };
    let types = variant.storage_bindings().iter().map(|&(_, access)| storage(access == BindingAccess::Read)).chain([params]);
    let entry = |(binding, ty)| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    (0..).zip(types).map(entry).collect()
}

/// What error scopes caught. `Send` where wgpu's futures are.
#[cfg(not(target_family = "wasm"))]
pub(crate) type Checked = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
/// What error scopes caught.
#[cfg(target_family = "wasm")]
pub(crate) type Checked = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

/// Runs `make` with error scopes around it. The future tells what they caught, or that the device is lost; natively it is ready at
/// once.
pub(crate) fn guarded<T>(device: &wgpu::Device, what: String, make: impl FnOnce() -> T) -> (T, Checked) {
    let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let made = make();
    let caught = [validation.pop(), memory.pop(), internal.pop()];
    let refusal = refusal(device);
    let checked = async move {
        let lost = refusal.await.is_none();
        for error in caught {
            match error.await {
                None => {}
                Some(wgpu::Error::OutOfMemory { .. }) => return Err(Error::OutOfMemory { what }),
                // What is lost in the middle of something leaves objects that are refused.
                Some(_) if lost => return Err(Error::DeviceLost { what }),
                Some(error) => return Err(Error::Device { what, message: error.to_string() }),
            }
        }
        if lost { Err(Error::DeviceLost { what }) } else { Ok(()) }
    };
    (made, Box::pin(checked))
}

/// What a device says to a buffer without a use, which every device refuses but one that is lost. That one takes everything, makes
/// nothing and leaves error scopes empty; it tells the application's callback alone, which is not ours to replace.
fn refusal(device: &wgpu::Device) -> impl Future<Output = Option<wgpu::Error>> + use<> {
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let (label, usage) = (Some("bmru/refused"), wgpu::BufferUsages::empty());
    drop(device.create_buffer(&wgpu::BufferDescriptor { label, size: 4, usage, mapped_at_creation: false }));
    scope.pop()
}

/// The result of a check that is ready at once, as all are natively. In a browser it comes later, and what it finds then
/// shows in [`Kernels::prepare`].
pub(crate) fn ready_or_later(mut checked: Checked) -> Result<(), Error> {
    match checked.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Ok(()),
    }
}
