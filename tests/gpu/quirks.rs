//! Whether the table of quirks is true of this adapter.

use bmru::quirks::{AdapterFacts, Effect};
use bmru::wgpu::{self, BufferUsages as Usages};
use bmru_conformance::Runner;
use libtest_mimic::Failed;

/// Counts its own iterations. How many there shall be is not known when it is compiled.
const LOOP: &str = "
@group(0) @binding(0) var<storage, read_write> word: array<u32>;

@compute @workgroup_size(1)
fn main() {
    let wanted = word[0];
    var counted = 0u;
    var x = wanted;
    for (var k = 0u; k < wanted; k++) {
        counted++;
        x = x * 5u + 1u;
    }
    word[0] = counted;
    word[1] = x;
}
";

/// An adapter ends its loops where the table says that it does, and nowhere else.
pub fn loops(runner: &Runner) -> Result<(), Failed> {
    let stated = AdapterFacts::from(runner.gpu().info()).quirks().find_map(|quirk| match quirk.effect {
        Effect::Iterations(most) => Some(most),
        _ => None,
    });
    const WANTED: u64 = 200_000;
    let counted = u64::from(counted(runner, WANTED as u32)?);
    // Some drivers count an iteration more or less.
    let expected = stated.unwrap_or(WANTED);
    assert!(counted.abs_diff(expected) <= 2, "{counted} of {WANTED} iterations, the table says {expected}");
    Ok(())
}

fn counted(runner: &Runner, wanted: u32) -> Result<u32, Failed> {
    let gpu = runner.gpu();
    let device = gpu.device();
    let usage = Usages::STORAGE | Usages::COPY_SRC | Usages::COPY_DST;
    let word = device.create_buffer(&wgpu::BufferDescriptor { label: None, size: 8, usage, mapped_at_creation: false });
    gpu.queue().write_buffer(&word, 0, &wanted.to_ne_bytes());
    let source = wgpu::ShaderSource::Wgsl(LOOP.into());
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    let entries = [wgpu::BindGroupEntry { binding: 0, resource: word.as_entire_binding() }];
    let layout = &pipeline.get_bind_group_layout(0);
    let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &bind_group, &[]);
        pass.dispatch_workgroups(1, 1, 1);
    }
    gpu.queue().submit([encoder.finish()]);
    Ok(pollster::block_on(gpu.download(&word))?[0])
}
