//! Memory that is gone. A process of its own, whose addresses are limited, has the device.

use std::process::{Command, ExitCode};

use bmru::host::Gpu;
use bmru::wgpu::{self, BufferUsages};
use bmru::{Descriptor, Error, Inputs, Shape, Slot, Strides, Threshold, View, oracle};
use bmru_conformance::adapters;
use bmru_conformance::data::{self, Rate, Values};
use libtest_mimic::Failed;

use crate::scene::Scene;

/// Holds the name of the adapter in the process that has little memory.
pub const CHILD: &str = "BMRU_FAULTS_CHILD";

/// Addresses of that process, in KiB: room for drivers and their threads, and not for ever more buffers.
const ADDRESSES: u32 = 6 << 20;

const PIECE: u64 = 256 << 20;

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

/// A scan whose states are wide and whose inputs are not: the host needs no memory for it.
fn wide(gpu: &Gpu) -> Descriptor {
    let channels = 64;
    let time = PIECE.min(gpu.limits().max_buffer_size) / (4 * channels);
    let strides = Strides { batch: 0, time: 0, channel: 1 };
    Descriptor::bmru(Shape { batch: 1, time, channels }).threshold(Threshold::PerChannel).candidate_view(View {
        slot: Slot::Candidate,
        offset: 0,
        strides,
    })
}

/// Buffers until there is no memory for one more; fewer, if the device never says so.
fn fill(gpu: &Gpu) -> (Vec<wgpu::Buffer>, bool) {
    let mut held = Vec::new();
    for _ in 0..40 {
        let scope = gpu.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let descriptor = wgpu::BufferDescriptor {
            label: Some("the application's"),
            size: PIECE.min(gpu.limits().max_buffer_size),
            usage: BufferUsages::STORAGE,
            mapped_at_creation: false,
        };
        let buffer = gpu.device().create_buffer(&descriptor);
        if pollster::block_on(scope.pop()).is_some() {
            return (held, true);
        }
        held.push(buffer);
    }
    (held, false)
}

fn run(scene: &Scene) -> Result<(), Failed> {
    let gpu = &scene.gpu;
    scene.works()?;
    let wide = wide(gpu);
    let (ones, twos) = (vec![1.0; 64], vec![2.0; 64]);
    let inputs = Inputs { candidate: &twos, threshold: &ones, amplitude: &ones, ..Inputs::default() };
    let (held, full) = fill(gpu);
    println!("{} buffers of {} MiB, then {}", held.len(), PIECE >> 20, if full { "an error" } else { "no error" });
    let error = gpu.forward_blocking(&wide, &inputs).map(|outputs| assert!(outputs.states.iter().all(|&state| state == 1.0)));
    println!("{error:?}");
    drop(held);
    if !full {
        // By OpenGL nobody says that a buffer has no memory; wgpu 30 does not ask. What cannot be mapped in the end loses the device.
        assert!(matches!(error, Ok(()) | Err(Error::DeviceLost { .. })), "{error:?}");
        return scene.another()?.works();
    }
    assert!(matches!(error, Err(Error::OutOfMemory { .. })), "{error:?}");
    gpu.wait()?;
    let small = Descriptor::bmru(Shape { batch: 2, time: 300, channels: 4 });
    let data = data::generate(&small, Rate::Half, Values::Edges, 1);
    let states = gpu.forward_blocking(&small, &data.inputs())?.states;
    let bits = |states: &[f32]| states.iter().map(|state| state.to_bits()).collect::<Vec<_>>();
    assert!(bits(&states) == bits(&oracle::forward(&small, &data.inputs())?.states));
    scene.works()
}
