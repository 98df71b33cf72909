//! An application with a device, handlers of its own, and tensors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bmru::host::Gpu;
use bmru::wgpu::{self, BufferUsages};
use bmru::{
    Bound, Buffers, Descriptor, Error, FinalState, InitialState, Kernels, Plan, Save, Shape, Slot, Strategy, Tuning, oracle,
};
use bmru_conformance::data::{self, Rate, Slots, Values};
use bmru_conformance::{BackwardCase, Case, Runner};
use libtest_mimic::Failed;

/// What the application's handlers heard.
#[derive(Default)]
struct Heard {
    errors: AtomicUsize,
    lost: Mutex<Vec<wgpu::DeviceLostReason>>,
}

pub struct Scene {
    pub adapter: wgpu::Adapter,
    /// All adapters.
    pub all: Vec<wgpu::Adapter>,
    pub gpu: Gpu,
    heard: Arc<Heard>,
}

pub fn descriptor() -> Descriptor {
    let shape = Shape { batch: 2, time: 2500, channels: 5 };
    Descriptor::bmru(shape).initial_state(InitialState::Given).final_state(FinalState::Written).save(Save::Codes)
}

/// A scan that takes some time and whose inputs are small: they are read again and again.
pub fn long() -> Descriptor {
    let shape = Shape { batch: 1, time: 1 << 18, channels: 16 };
    let strides = bmru::Strides { batch: 0, time: 0, channel: 1 };
    Descriptor::bmru(shape).threshold(bmru::Threshold::PerChannel).candidate_view(bmru::View {
        slot: Slot::Candidate,
        offset: 0,
        strides,
    })
}

impl Scene {
    pub fn new(adapter: &wgpu::Adapter, all: &[wgpu::Adapter]) -> Result<Self, Failed> {
        let gpu = pollster::block_on(Gpu::on(adapter))?;
        let heard = Arc::<Heard>::default();
        let (errors, lost) = (heard.clone(), heard.clone());
        gpu.device().on_uncaptured_error(Arc::new(move |_| {
            errors.errors.fetch_add(1, Ordering::Relaxed);
        }));
        gpu.device().set_device_lost_callback(move |reason, _| {
            lost.lost.lock().unwrap_or_else(PoisonError::into_inner).push(reason);
        });
        Ok(Self { adapter: adapter.clone(), all: all.to_vec(), gpu, heard })
    }

    /// Another device of the same adapter, of the same application.
    pub fn another(&self) -> Result<Self, Failed> {
        Self::new(&self.adapter, &self.all)
    }

    pub fn kernels(&self) -> &Kernels {
        self.gpu.kernels()
    }

    pub fn encoder(&self) -> wgpu::CommandEncoder {
        self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    pub fn submit(&self, encoder: wgpu::CommandEncoder) {
        self.gpu.queue().submit([encoder.finish()]);
    }

    pub fn buffer(&self, size: u64, usage: BufferUsages) -> wgpu::Buffer {
        self.gpu.device().create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    }

    /// What the caller's error scope hears of what the caller does.
    pub fn mistake(&self, make: impl FnOnce()) -> Result<String, Failed> {
        let scope = self.gpu.device().push_error_scope(wgpu::ErrorFilter::Validation);
        make();
        let error = pollster::block_on(scope.pop()).ok_or("the caller hears nothing of a mistake")?;
        Ok(error.to_string())
    }

    /// What the caller does and, on a device that may be lost meanwhile, expects to go wrong: its own errors stay in its own scope.
    pub fn own<T>(&self, make: impl FnOnce() -> T) -> T {
        let scope = self.gpu.device().push_error_scope(wgpu::ErrorFilter::Validation);
        let made = make();
        drop(scope.pop());
        made
    }

    /// Everything still works, and the application's handlers are still its own.
    pub fn works(&self) -> Result<(), Failed> {
        let runner = Runner::on(self.gpu.clone());
        for strategy in Strategy::ALL {
            let mut case = Case::new(format!("afterwards/{strategy}"), descriptor(), Rate::Once(9));
            (case.strategy, case.values) = (Some(strategy), Values::Edges);
            let outcome = runner.run(&case)?;
            assert!(outcome.wrong_words == 0, "{}: {outcome:?}", case.name);
        }
        let outcome = runner.run_backward(&BackwardCase::new("afterwards/backward", descriptor(), Rate::Once(9)))?;
        assert!(outcome.wrong == 0, "{outcome:?}");
        self.silent();
        // A mistake that no scope holds reaches the application.
        let _ = self.buffer(16, BufferUsages::MAP_READ | BufferUsages::MAP_WRITE | BufferUsages::STORAGE);
        assert_eq!(self.heard.errors.swap(0, Ordering::Relaxed), 1, "the application's handler is gone");
        Ok(())
    }

    /// The application's handlers heard nothing.
    pub fn silent(&self) {
        assert_eq!(self.heard.errors.load(Ordering::Relaxed), 0, "an error reached the application");
        assert!(self.lost().is_empty(), "the device is lost: {:?}", self.lost());
    }

    /// The application heard that its device is lost, once, because it destroyed it, and heard of no error. A new device works.
    pub fn lost_and_replaced(&self) -> Result<(), Failed> {
        // It is lost for good when all that was submitted is done, and heard of when it is polled.
        let _ = self.gpu.device().poll(wgpu::PollType::wait_indefinitely());
        assert_eq!(self.lost(), [wgpu::DeviceLostReason::Destroyed], "what the application hears of its device");
        assert_eq!(self.heard.errors.load(Ordering::Relaxed), 0, "an error reached the application");
        self.another()?.works()
    }

    fn lost(&self) -> Vec<wgpu::DeviceLostReason> {
        self.heard.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A bound plan, its buffers, and what they must hold.
pub struct Run {
    pub plan: Plan,
    pub buffers: Vec<(Slot, wgpu::Buffer)>,
    pub bound: Bound,
    pub expected: Vec<u32>,
}

impl Run {
    pub fn new(scene: &Scene, seed: u64) -> Result<Self, Error> {
        let data = data::generate(&descriptor(), Rate::Once(9), Values::Edges, seed);
        let plan = plan(scene)?;
        let buffers = scene.own(|| uploaded(scene, &plan, &data));
        let bound = scene.kernels().bind(&plan, &given(&buffers))?;
        let states = oracle::forward(&descriptor(), &data.inputs())?.states;
        Ok(Self { plan, buffers, bound, expected: states.iter().map(|state| state.to_bits()).collect() })
    }

    pub fn buffer(&self, slot: Slot) -> &wgpu::Buffer {
        &self.buffers.iter().find(|(held, _)| *held == slot).expect("the plan names it").1
    }

    pub fn given(&self) -> Buffers<'_> {
        given(&self.buffers)
    }

    /// Whether the states are the oracle's.
    pub fn right(&self, scene: &Scene) -> Result<bool, Error> {
        Ok(pollster::block_on(scene.gpu.download(self.buffer(Slot::States)))? == self.expected)
    }

    /// Records it once more and looks.
    pub fn works(&self, scene: &Scene) -> Result<(), Failed> {
        let mut encoder = scene.encoder();
        encoder.clear_buffer(self.buffer(Slot::States), 0, None);
        self.bound.record(&mut encoder);
        scene.submit(encoder);
        if self.right(scene)? { Ok(()) } else { Err("wrong states".into()) }
    }
}

/// With tiles, so that there are several dispatches and scratch.
pub fn plan(scene: &Scene) -> Result<Plan, Error> {
    let tuning = Tuning { tile_steps: 64, ..scene.gpu.tuning().clone() }.with_strategy(Strategy::Tiles);
    descriptor().forward(&scene.gpu.limits(), &tuning)
}

pub fn given(buffers: &[(Slot, wgpu::Buffer)]) -> Buffers<'_> {
    buffers.iter().fold(Buffers::new(), |given, (slot, buffer)| given.slot(*slot, buffer))
}

pub fn uploaded(scene: &Scene, plan: &Plan, data: &Slots) -> Vec<(Slot, wgpu::Buffer)> {
    let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
    let upload = |&(slot, size): &(Slot, u64)| {
        let buffer = scene.buffer(size, usage);
        scene.gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(data.slot(slot)));
        (slot, buffer)
    };
    plan.slots().iter().map(upload).collect()
}
