//! A host that runs cases with one shader file exchanged. It has plans and no `Kernels`, so that the library needs no door for it.

use std::collections::HashMap;
use std::time::Duration;

use bmru::host::Gpu;
use bmru::wgpu::{self, BufferUsages as Usages};
use bmru::{Access, BindingAccess, Dispatch, Element, Error, Plan, Variant};
use bmru_conformance::portable::{Check, Launch, Run};
use bmru_conformance::{Portable, quiet};
use pollster::block_on;
use thiserror::Error;

use crate::code::code;

/// What stands in place of the text of a file.
#[derive(Clone, Debug)]
pub struct Change {
    /// The text of the file.
    pub from: String,
    /// What replaces it.
    pub to: String,
}

/// How a case failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// It is no valid shader.
    #[error("{0}")]
    Refused(String),
    /// It computes something else.
    #[error("{0}")]
    Wrong(String),
    /// It did not end in time.
    #[error("it did not end in time")]
    Hung,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Timeout { .. } => Self::Hung,
            other => Self::Wrong(other.to_string()),
        }
    }
}

#[derive(Clone)]
struct Pipeline {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

/// A device, and the pipelines that it has.
pub struct Device {
    gpu: Gpu,
    change: Option<Change>,
    /// The text of each variant, and its code.
    known: HashMap<Variant, (String, u64)>,
    unchanged: HashMap<Variant, Pipeline>,
    /// Of each variant whose code the change makes another, the text.
    changes: HashMap<Variant, Option<String>>,
    changed: HashMap<Variant, Pipeline>,
}

impl Device {
    /// A device on an adapter. What runs longer than `time_limit` has hung.
    ///
    /// # Errors
    /// If the adapter gives no device.
    pub fn new(adapter: &wgpu::Adapter, time_limit: Duration) -> Result<Self, Error> {
        let gpu = block_on(Gpu::on(adapter))?.with_time_limit(time_limit);
        let (known, unchanged, changes, changed) = Default::default();
        Ok(Self { gpu, change: None, known, unchanged, changes, changed })
    }

    /// The device.
    #[must_use]
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Exchanges a file from now on; nothing: none.
    pub fn exchange(&mut self, change: Option<Change>) {
        self.change = change;
        self.changes.clear();
        self.changed.clear();
    }

    /// Whether the change makes the code of a variant another.
    ///
    /// # Errors
    /// If it is no shader then.
    pub fn changes(&mut self, variant: &Variant) -> Result<bool, Failure> {
        Ok(self.text_changed(variant)?.is_some())
    }

    fn text_changed(&mut self, variant: &Variant) -> Result<Option<&str>, Failure> {
        if !self.changes.contains_key(variant) {
            let unchanged = || {
                let text = variant.wgsl();
                let code = code(&text).expect("the shaders of the library are valid");
                (text, code)
            };
            let (text, known) = self.known.entry(variant.clone()).or_insert_with(unchanged);
            let changed = self.change.as_ref().filter(|change| text.contains(&change.from));
            let changed = match changed.map(|change| text.replacen(&change.from, &change.to, 1)) {
                Some(text) if code(&text).map_err(Failure::Refused)? != *known => Some(text),
                _ => None,
            };
            self.changes.insert(variant.clone(), changed);
        }
        Ok(self.changes[variant].as_deref())
    }

    /// Runs a case, up to what fails first.
    ///
    /// # Errors
    /// How it failed.
    pub fn run(&mut self, case: &Portable) -> Result<(), Failure> {
        let mut first = HashMap::new();
        for run in &case.runs {
            let buffers: Vec<wgpu::Buffer> = run.buffers.iter().map(|buffer| self.storage(&buffer.words)).collect();
            for launch in &run.launches {
                self.launch(launch, &buffers)?;
            }
            for check in &run.checks {
                let number = match check {
                    Check::Exact { buffer, .. }
                    | Check::Untouched { buffer, .. }
                    | Check::Within { buffer, .. }
                    | Check::AsFirst { buffer } => *buffer,
                };
                let words = block_on(self.gpu.download(&buffers[number]))?;
                if let Some(at) = wrong(run, check, &words, first.get(&number)) {
                    let label = &run.buffers[number].label;
                    return Err(Failure::Wrong(format!("{label}[{at}]")));
                }
                // Later runs are held against the first.
                first.entry(number).or_insert(words);
            }
        }
        Ok(())
    }

    fn launch(&mut self, Launch { plan, slots }: &Launch, buffers: &[wgpu::Buffer]) -> Result<(), Failure> {
        let mut dispatches = Vec::new();
        for dispatch in plan.dispatches() {
            dispatches.push((self.pipeline(&plan.variants()[dispatch.variant()])?, dispatch));
        }
        let device = self.gpu.device();
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for (pipeline, dispatch) in dispatches {
                let bound = |slot| &buffers[slots.iter().find(|(held, _)| *held == slot).expect("every slot has a buffer").1];
                let group = self.bind_group(&pipeline.layout, plan, dispatch, bound);
                pass.set_pipeline(&pipeline.pipeline);
                pass.set_bind_group(0, &group, &[]);
                let [x, y, z] = dispatch.grid();
                pass.dispatch_workgroups(x, y, z);
            }
        }
        self.gpu.queue().submit([encoder.finish()]);
        block_on(scope.pop()).map_or(Ok(()), |error| Err(Failure::Wrong(error.to_string())))
    }

    fn bind_group<'a>(
        &self,
        layout: &wgpu::BindGroupLayout,
        plan: &Plan,
        dispatch: &Dispatch,
        bound: impl Fn(bmru::Slot) -> &'a wgpu::Buffer,
    ) -> wgpu::BindGroup {
        let params = {
            let usage = match plan.variants()[dispatch.variant()].access() {
                Access::Declared => Usages::UNIFORM,
                Access::AllReadWrite => Usages::STORAGE,
            };
            self.buffer(bytemuck::bytes_of(dispatch.params()), usage)
        };
        let part = |binding: &bmru::Binding| {
            let (offset, size) = (binding.offset, wgpu::BufferSize::new(binding.size));
            wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: bound(binding.slot), offset, size })
        };
        let resources = dispatch.bindings().iter().map(part).chain([params.as_entire_binding()]);
        let entries: Vec<_> =
            (0..).zip(resources).map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }).collect();
        self.gpu.device().create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries })
    }

    fn storage(&self, words: &[u32]) -> wgpu::Buffer {
        self.buffer(bytemuck::cast_slice(words), Usages::STORAGE | Usages::COPY_SRC)
    }

    fn buffer(&self, contents: &[u8], usage: Usages) -> wgpu::Buffer {
        let (size, usage) = (contents.len() as u64, usage | Usages::COPY_DST);
        let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        let buffer = self.gpu.device().create_buffer(&descriptor);
        self.gpu.queue().write_buffer(&buffer, 0, contents);
        buffer
    }

    /// The pipeline of a variant, with the change if that makes its code another.
    fn pipeline(&mut self, variant: &Variant) -> Result<Pipeline, Failure> {
        let text = self.text_changed(variant)?.map(str::to_owned);
        let (made, text) = match text {
            Some(text) => (&mut self.changed, text),
            None => (&mut self.unchanged, self.known[variant].0.clone()),
        };
        if let Some(pipeline) = made.get(variant) {
            return Ok(pipeline.clone());
        }
        let pipeline = create(self.gpu.device(), variant, text)?;
        made.insert(variant.clone(), pipeline.clone());
        Ok(pipeline)
    }
}

fn create(device: &wgpu::Device, variant: &Variant, text: String) -> Result<Pipeline, Failure> {
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let entries = layout_entries(variant);
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let source = wgpu::ShaderSource::Wgsl(text.into());
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some(Variant::ENTRY_POINT),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    match block_on(scope.pop()) {
        None => Ok(Pipeline { pipeline, layout }),
        Some(error) => Err(Failure::Refused(error.to_string())),
    }
}

/// Declared and not found out from the text: a mutant may leave a binding unused.
fn layout_entries(variant: &Variant) -> Vec<wgpu::BindGroupLayoutEntry> {
    let storage = |read_only| wgpu::BufferBindingType::Storage { read_only };
    let params = match variant.access() {
        Access::Declared => wgpu::BufferBindingType::Uniform,
        Access::AllReadWrite => storage(false),
    };
    let slots = variant.storage_bindings().iter().map(|&(_, access)| storage(access == BindingAccess::Read));
    let entry = |(binding, ty)| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    (0..).zip(slots.chain([params])).map(entry).collect()
}

/// The first element of a buffer that is not as it must be.
fn wrong(run: &Run, check: &Check, words: &[u32], first: Option<&Vec<u32>>) -> Option<usize> {
    let differs =
        |a: &[u32], b: &[u32]| (a != b).then(|| a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len())));
    match check {
        Check::Exact { words: expected, .. } => differs(words, expected),
        Check::Untouched { buffer, from } => differs(&words[*from..], &run.buffers[*buffer].words[*from..]).map(|at| from + at),
        Check::AsFirst { .. } => differs(words, first.expect("the first run has looked at it")),
        Check::Within { buffer, element, wanted, allowed } => {
            let before = &run.buffers[*buffer].words;
            (0..wanted.len()).find(|&at| {
                let bits = element_bits(*element, words, at);
                if allowed[at] < 0.0 {
                    return bits != element_bits(*element, before, at);
                }
                let (value, wanted) = (f64::from(element.decode(bits)), wanted[at]);
                // What is held has what a NaN carries, but perhaps as a quiet one.
                let same = || allowed[at] != 0.0 || quiet(*element, bits) == quiet(*element, element.encode(wanted as f32));
                let near = match (value.is_nan(), wanted.is_nan()) {
                    (false, false) => value == wanted || (value - wanted).abs() <= allowed[at],
                    (true, true) => same(),
                    _ => false,
                };
                !near && allowed[at] != f64::INFINITY
            })
        }
    }
}

fn element_bits(element: Element, words: &[u32], at: usize) -> u32 {
    match element {
        Element::F32 => words[at],
        Element::F16 | Element::Bf16 => words[at / 2] >> (16 * (at % 2)) & 0xffff,
    }
}
