//! A kernel that is not the library's: its pipeline, parameters and grid.

use bmru::wgpu;
use bmru::wgpu::util::{BufferInitDescriptor, DeviceExt};

use crate::{Device, Run};

pub struct Kernel {
    device: wgpu::Device,
    pipeline: wgpu::ComputePipeline,
    params: wgpu::Buffer,
    grid: [u32; 2],
}

impl Kernel {
    /// The parameters are a uniform buffer, behind all other bindings.
    pub fn new(device: &Device, label: &str, wgsl: String, params: [u32; 4], grid: [u32; 2]) -> Self {
        let device = device.gpu().device().clone();
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(wgsl.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let params = device.create_buffer_init(&BufferInitDescriptor {
            label: Some(label),
            contents: bytemuck::cast_slice(&params),
            usage: wgpu::BufferUsages::UNIFORM,
        });
        Self { device, pipeline, params, grid }
    }

    /// A run on these buffers, bound in order.
    pub fn bind<'a>(&'a self, buffers: impl Iterator<Item = wgpu::BindingResource<'a>>) -> Run {
        let resources = buffers.chain([self.params.as_entire_binding()]);
        let entries: Vec<wgpu::BindGroupEntry<'_>> =
            (0..).zip(resources).map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }).collect();
        let bind_group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let (pipeline, [width, height]) = (self.pipeline.clone(), self.grid);
        Box::new(move |encoder| {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            pass.dispatch_workgroups(width, height, 1);
        })
    }
}
