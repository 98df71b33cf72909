//! The visitor's GPU.

use std::sync::{Arc, Mutex, PoisonError};

use bmru::host::Gpu;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Extent, Suite, Trace};

/// What the device said that nobody waited for: validation errors, and that it was lost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Complaints(Arc<Mutex<Vec<String>>>);

impl Complaints {
    /// So many are kept: one bad case can cause hundreds.
    const MOST: usize = 20;

    fn add(&self, complaint: String) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if list.len() < Self::MOST {
            list.push(complaint);
        }
    }

    /// What was said since this was last asked.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A device on the visitor's GPU, with the kernels.
#[wasm_bindgen]
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) gpu: Gpu,
    pub(crate) complaints: Complaints,
    /// What the browser calls the adapter, where wgpu has no name.
    pub(crate) name: String,
}

#[wasm_bindgen]
impl Engine {
    /// Asks for an adapter and a device. `name` stands in where the browser gives wgpu none.
    ///
    /// # Errors
    /// If there is no adapter, or it gives no device.
    pub async fn open(name: String) -> Result<Engine, JsError> {
        let gpu = Gpu::new().await?;
        let complaints = Complaints::default();
        let heard = complaints.clone();
        gpu.device().on_uncaptured_error(Arc::new(move |error: bmru::wgpu::Error| heard.add(error.to_string())));
        let heard = complaints.clone();
        gpu.device().set_device_lost_callback(move |_, message| heard.add(format!("the GPU device was lost: {message}")));
        let known = gpu.info().name.trim();
        let name = if known.is_empty() { name } else { known.to_owned() };
        Ok(Self { gpu, complaints, name })
    }

    /// The adapter's name.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// Whether the adapter is a program that runs on the CPU.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn software(&self) -> bool {
        self.gpu.info().device_type == bmru::wgpu::DeviceType::Cpu
    }

    /// What the device said that nobody waited for, since this was last asked.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.take()
    }

    /// A signal on the device.
    ///
    /// # Errors
    /// What planning, binding or the device refuse.
    pub async fn trace(&self, candidate: Vec<f32>) -> Result<Trace, JsError> {
        Ok(Trace::new(&self.gpu, candidate).await?)
    }

    /// So much of the conformance suite, and after it so much of the roofline; only steps whose name contains `only`.
    #[must_use]
    pub fn suite(&self, conformance: Extent, roofline: Extent, only: &str) -> Suite {
        Suite::new(self.clone(), conformance, roofline, only)
    }
}
