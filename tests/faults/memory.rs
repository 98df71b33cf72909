//! Memory that is gone. A process of its own, whose addresses are limited, has the device.

use std::process::{Command, ExitCode};

use bmru::host::Gpu;
use bmru::wgpu::{self, BufferUsages};
use bmru::{Descriptor, Error, Inputs, Shape, Slot, Strides, Threshold, View};
use bmru_conformance::adapters;
use libtest_mimic::Failed;

use crate::scene::Scene;

/// Holds the name of the adapter in the process that has little memory.
pub const CHILD: &str = "BMRU_FAULTS_CHILD";

/// Addresses of that process, in KiB: room for drivers and their threads, and not for ever more buffers.
const ADDRESSES: u32 = 6 << 20;

pub fn exhausted(scene: &Scene) -> Result<(), Failed> {
    let executable = std::env::current_exe()?;
    let limited = format!("ulimit -v {ADDRESSES} && exec \"$0\"");
    let name = adapters::name(scene.gpu.info());
    let output = Command::new("sh").args(["-c", &limited]).arg(executable).env(CHILD, &name).output()?;
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{told}");
    if output.status.success() { scene.works() } else { Err(format!("{}: {told}", output.status).into()) }
}

pub fn child(name: &str) -> ExitCode {
    let found = adapters::all();
    let adapter = found.iter().find(|adapter| adapters::name(&adapter.get_info()) == name).expect("the adapter is gone");
    let scene = Scene::new(adapter, &found).unwrap_or_else(|failed| panic!("{failed:?}"));
    let result = run(&scene);
    drop(scene);
    drop(found);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

/// Buffers until there is no memory for one more; fewer, if the device never says so.
fn fill(gpu: &Gpu, size: u64) -> (Vec<wgpu::Buffer>, bool) {
    let mut held = Vec::new();
    let usage = BufferUsages::STORAGE;
    let descriptor = wgpu::BufferDescriptor { label: Some("the application's"), size, usage, mapped_at_creation: false };
    while (held.len() as u64) < (10 << 30) / size {
        let scope = gpu.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = gpu.device().create_buffer(&descriptor);
        if pollster::block_on(scope.pop()).is_some() {
            return (held, true);
        }
        held.push(buffer);
    }
    (held, false)
}

fn run(scene: &Scene) -> Result<(), Failed> {
    scene.works()?;
    if !tensors(scene)? {
        // By OpenGL nobody says that a buffer has no memory: wgpu 30 does not ask.
        return scene.another()?.works();
    }
    scene.gpu.wait()?;
    scene.works()?;
    uploads(scene)?;
    // wgpu gives up a device that has no memory for an upload.
    let ended = scene.gpu.wait();
    assert!(matches!(ended, Err(Error::DeviceLost { .. })), "{ended:?}");
    scene.another()?.works()
}

/// None for states, whose scan has small inputs: the host needs no memory for them. Whether the device says that it is full.
fn tensors(scene: &Scene) -> Result<bool, Failed> {
    let (gpu, channels) = (&scene.gpu, 64);
    let size = (256 << 20).min(gpu.limits().max_buffer_size);
    let strides = Strides { batch: 0, time: 0, channel: 1 };
    let scan = Descriptor::bmru(Shape { batch: 1, time: size / (4 * channels), channels })
        .threshold(Threshold::PerChannel)
        .candidate_view(View { slot: Slot::Candidate, offset: 0, strides });
    let (ones, twos) = (vec![1.0; 64], vec![2.0; 64]);
    let inputs = Inputs { candidate: &twos, threshold: &ones, amplitude: &ones, ..Inputs::default() };
    let (held, full) = fill(gpu, size);
    let ended = gpu.forward_blocking(&scan, &inputs).map(|outputs| outputs.states.iter().all(|&state| state == 1.0));
    println!("{} buffers of {} MiB, full: {full}; {ended:?}", held.len(), size >> 20);
    match ended {
        Err(Error::OutOfMemory { .. }) if full => {}
        // What cannot be mapped in the end loses the device.
        Ok(true) | Err(Error::DeviceLost { .. }) if !full => {}
        _ => return Err(format!("{ended:?}").into()),
    }
    Ok(full)
}

/// None for what uploads pass through. The inputs lie far apart: their buffer is wide, and all others are small.
fn uploads(scene: &Scene) -> Result<(), Failed> {
    let gpu = &scene.gpu;
    let (size, time, channels) = (64u64 << 20, 16, 4);
    let strides = Strides { batch: 0, time: size / (4 * time), channel: 1 };
    let scan = Descriptor::bmru(Shape { batch: 1, time, channels }).threshold(Threshold::PerChannel).candidate_view(View {
        slot: Slot::Candidate,
        offset: 0,
        strides,
    });
    let candidate = vec![2.0; scan.slot_elements(Slot::Candidate)? as usize];
    let ones = [1.0; 4];
    let inputs = Inputs { candidate: &candidate, threshold: &ones, amplitude: &ones, ..Inputs::default() };
    // Of device memory it depends on the driver how much is left where the last buffer was refused, and when what was dropped is given back:
    // so the host holds all addresses, and gives them back until there are enough for the words and the buffer.
    let mut held = addresses();
    held.truncate(held.len() - 3);
    let ended = loop {
        let ended = gpu.forward_blocking(&scan, &inputs).map(|_| ());
        println!("{} MiB held; {ended:?}", held.len() * (BLOCK >> 20));
        match &ended {
            Err(Error::OutOfMemory { what }) if what != "a run" => drop(held.pop()),
            _ => break ended,
        }
    };
    assert_eq!(ended, Err(Error::OutOfMemory { what: "a run".to_owned() }));
    Ok(())
}

/// Larger than what an allocator keeps when it is given back, and less than an upload needs.
const BLOCK: usize = 33 << 20;

/// All addresses but a few MiB, for what is small.
fn addresses() -> Vec<Vec<u8>> {
    let take = |size| {
        let mut block = Vec::new();
        block.try_reserve_exact(size).is_ok().then_some(block)
    };
    let few = (0..8).map(|_| take(1 << 20)).collect::<Vec<_>>();
    let held = std::iter::from_fn(|| take(BLOCK)).collect::<Vec<_>>();
    // What is left is less than a block.
    let rest = std::iter::from_fn(|| take(1 << 20)).collect::<Vec<_>>();
    drop(few);
    std::mem::forget(rest);
    held
}
