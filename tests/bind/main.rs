//! What binding refuses, on a device without a driver: wgpu's own validation is there, a GPU is not.

use bmru::wgpu::{self, BufferUsages};
use bmru::{
    Access, Boundary, Buffers, Descriptor, Error, FinalState, HealthSource, Incoming, InitialState, Kernels, Layout, Limits,
    Plan, Save, Shape, Slot, Strategy, Threshold, Tuning,
};

const SHAPE: Shape = Shape { batch: 2, time: 100, channels: 8 };

/// A device, and its queue, without which wgpu makes no encoder.
struct Gpu {
    device: wgpu::Device,
    _queue: wgpu::Queue,
}

impl std::ops::Deref for Gpu {
    type Target = wgpu::Device;

    fn deref(&self) -> &wgpu::Device {
        &self.device
    }
}

fn device() -> Gpu {
    let [device, _] = two_devices();
    device
}

/// Two devices of one instance.
fn two_devices() -> [Gpu; 2] {
    let backend_options = wgpu::BackendOptions { noop: wgpu::NoopBackendOptions::enabled(), ..wgpu::BackendOptions::default() };
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::NOOP,
        backend_options,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()));
    let adapter = adapter.expect("the adapter without a driver is always there");
    [(); 2].map(|()| {
        let requested = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default()));
        let (device, _queue) = requested.expect("it gives devices");
        Gpu { device, _queue }
    })
}

fn plan(descriptor: Descriptor) -> Plan {
    descriptor.forward(&Limits::default(), &Tuning::default().with_strategy(Strategy::Serial)).expect("a small plan")
}

fn all() -> Descriptor {
    Descriptor::bmru(SHAPE).initial_state(InitialState::Given).final_state(FinalState::Written).save(Save::Codes)
}

fn buffer(device: &wgpu::Device, size: u64, usage: BufferUsages) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
}

/// A buffer of the right size for every slot of a plan.
fn own(device: &wgpu::Device, plan: &Plan) -> Vec<(Slot, wgpu::Buffer)> {
    plan.slots().iter().map(|&(slot, bytes)| (slot, buffer(device, bytes, BufferUsages::STORAGE))).collect()
}

fn given(own: &[(Slot, wgpu::Buffer)]) -> Buffers<'_> {
    own.iter().fold(Buffers::new(), |buffers, (slot, buffer)| buffers.slot(*slot, buffer))
}

/// Binds a whole set of buffers with one slot replaced.
fn bind_with(plan: &Plan, slot: Slot, size: u64, usage: BufferUsages, range: Option<(u64, u64)>) -> Result<(), Error> {
    let device = device();
    let own = own(&device, plan);
    let replaced = buffer(&device, size, usage);
    let buffers = match range {
        Some((offset, size)) => given(&own).slot(slot, (&replaced, offset, size)),
        None => given(&own).slot(slot, &replaced),
    };
    Kernels::new(&device).bind(plan, &buffers).map(|_| ())
}

#[test]
fn everything_right_binds_and_records() {
    for strategy in Strategy::ALL {
        for access in [Access::Declared, Access::AllReadWrite] {
            let descriptor = if access == Access::AllReadWrite { all().side_by_side() } else { all() };
            let tuning = Tuning { access, tile_steps: 32, ..Tuning::default() }.with_strategy(strategy);
            let plan = descriptor.forward(&Limits::default(), &tuning).expect("a small plan");
            let device = device();
            let own = own(&device, &plan);
            let bound = Kernels::labelled(&device, "engine").bind(&plan, &given(&own)).expect("everything is right");
            let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            bound.record(&mut encoder);
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                bound.record_in(&mut pass);
                for dispatch in bound.dispatches() {
                    assert!(dispatch.label().starts_with("engine/"), "{}", dispatch.label());
                    dispatch.record_in(&mut pass);
                }
            }
            let _ = encoder.finish();
            assert_eq!(bound.dispatches().len(), plan.dispatches().len());
        }
    }
}

/// The short way to fill a slot fills that slot, and keeps the others.
#[test]
fn each_name_fills_its_slot() {
    let device = device();
    let own = buffer(&device, 64, BufferUsages::STORAGE);
    macro_rules! names {
        ($($name:ident: $slot:ident),* $(,)?) => {
            [$((Slot::$slot, Buffers::new().slot(Slot::Scratch, (&own, 4, 8)).$name(&own))),*]
        };
    }
    let filled = names![
        candidate: Candidate,
        threshold: Threshold,
        amplitude: Amplitude,
        initial_state: InitialState,
        validity: Validity,
        initial_count: InitialCount,
        cu_seqlens: CuSeqlens,
        resets: Resets,
        states: States,
        final_state: FinalState,
        packed_states: PackedStates,
        first_set: FirstSet,
        counts: Counts,
        final_count: FinalCount,
        saved: Saved,
        states_gradient: StatesGradient,
        final_state_gradient: FinalStateGradient,
        candidate_gradient: CandidateGradient,
        threshold_gradient: ThresholdGradient,
        amplitude_gradient: AmplitudeGradient,
        initial_state_gradient: InitialStateGradient,
        health: Health,
        summary: Summary,
        gradient_summary: GradientSummary,
    ];
    for (slot, buffers) in filled {
        let expected = Buffers::new().slot(Slot::Scratch, (&own, 4, 8)).slot(slot, &own);
        assert_eq!(format!("{buffers:?}"), format!("{expected:?}"), "{slot}");
    }
    let again = Buffers::new().slot(Slot::Scratch, (&own, 4, 8)).scratch(&own);
    assert_eq!(format!("{again:?}"), format!("{:?}", Buffers::new().slot(Slot::Scratch, &own)), "the second replaces the first");
}

#[test]
fn a_missing_buffer() {
    let plan = plan(all());
    let device = device();
    let own = own(&device, &plan);
    for &(slot, expected) in plan.slots() {
        let rest: Vec<_> = own.iter().filter(|(held, _)| *held != slot).cloned().collect();
        let error = Kernels::new(&device).bind(&plan, &given(&rest)).map(|_| ());
        assert_eq!(error, Err(Error::MissingBuffer { slot, expected }));
    }
}

#[test]
fn a_surplus_buffer() {
    let plan = plan(Descriptor::bmru(SHAPE));
    let error = bind_with(&plan, Slot::FinalState, 64, BufferUsages::STORAGE, None);
    let expected = "candidate, threshold, amplitude, states".to_owned();
    assert_eq!(error, Err(Error::SurplusBuffer { slot: Slot::FinalState, expected }));
    // The scratch that this plan does not need is no mistake.
    assert_eq!(bind_with(&plan, Slot::Scratch, 64, BufferUsages::STORAGE, None), Ok(()));
}

#[test]
fn a_short_buffer_and_a_short_range() {
    let plan = plan(all());
    for &(slot, expected) in plan.slots() {
        let short = Err(Error::RangeTooShort { slot, expected, actual: expected - 4 });
        assert_eq!(bind_with(&plan, slot, expected - 4, BufferUsages::STORAGE, None), short);
        assert_eq!(bind_with(&plan, slot, expected + 256, BufferUsages::STORAGE, Some((256, expected - 4))), short);
        assert_eq!(bind_with(&plan, slot, expected + 512, BufferUsages::STORAGE, Some((256, expected + 8))), Ok(()));
    }
}

#[test]
fn a_range_outside_its_buffer() {
    let plan = plan(all());
    let size = plan.slot_bytes(Slot::States);
    for offset in [256, size, u64::MAX - 255] {
        let error = bind_with(&plan, Slot::States, size, BufferUsages::STORAGE, Some((offset, size)));
        let wanted = Error::RangeOutOfBounds { slot: Slot::States, expected: size, actual_offset: offset, actual_size: size };
        assert_eq!(error, Err(wanted));
    }
}

#[test]
fn a_misaligned_offset() {
    let plan = plan(all());
    for &(slot, bytes) in plan.slots() {
        let error = bind_with(&plan, slot, bytes + 512, BufferUsages::STORAGE, Some((128, bytes)));
        assert_eq!(error, Err(Error::MisalignedOffset { slot, expected: 256, actual: 128 }));
    }
}

#[test]
fn a_missing_usage() {
    let plan = plan(all());
    for &(slot, bytes) in plan.slots() {
        let error = bind_with(&plan, slot, bytes, BufferUsages::COPY_DST | BufferUsages::UNIFORM, None);
        let actual = format!("{:?}", BufferUsages::COPY_DST | BufferUsages::UNIFORM);
        assert_eq!(error, Err(Error::MissingUsage { slot, expected: "STORAGE", actual }));
    }
}

#[test]
fn overlapping_ranges() {
    let plan = plan(all());
    let device = device();
    let own = own(&device, &plan);
    let large = buffer(&device, 1 << 20, BufferUsages::STORAGE);
    let kernels = Kernels::new(&device);
    let bytes = plan.slot_bytes(Slot::Candidate);
    let bind = |slot, candidate: u64, other: u64| {
        let buffers = given(&own).candidate((&large, candidate, bytes)).slot(slot, (&large, other, plan.slot_bytes(slot)));
        kernels.bind(&plan, &buffers).map(|_| ())
    };
    let overlap = Err(Error::OverlappingRanges { written: Slot::States, other: Slot::Candidate });
    assert_eq!(bind(Slot::States, 0, 0), overlap);
    // The last 256 bytes of the one are the first of the other.
    let edge = bytes.next_multiple_of(256) - 256;
    assert_eq!(bind(Slot::States, 0, edge), overlap);
    assert_eq!(bind(Slot::States, edge, 0), overlap);
    // Two that are only read may share.
    assert_eq!(bind(Slot::Threshold, 0, 0), Ok(()));
    // Disjoint, but one buffer both read-only and writable in one dispatch.
    let mixed = Err(Error::MixedAccess { written: Slot::States, other: Slot::Candidate });
    assert_eq!(bind(Slot::States, 0, bytes.next_multiple_of(256)), mixed);
}

#[test]
fn ranges_of_one_buffer_all_read_write() {
    let tuning = Tuning { access: Access::AllReadWrite, ..Tuning::default() };
    let plan = all().side_by_side().forward(&Limits::default(), &tuning).expect("a small plan");
    let device = device();
    let large = buffer(&device, 1 << 20, BufferUsages::STORAGE);
    let mut offset = 0;
    let mut buffers = Buffers::new();
    for &(slot, bytes) in plan.slots() {
        buffers = buffers.slot(slot, (&large, offset, bytes));
        offset = (offset + bytes).next_multiple_of(256);
    }
    let bound = Kernels::new(&device).bind(&plan, &buffers).expect("disjoint ranges");
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    bound.record(&mut encoder);
    let _ = encoder.finish();
    assert!(pollster::block_on(scope.pop()).is_none());
}

#[test]
fn limits_of_another_device() {
    let device = device();
    let limits = Limits { max_storage_buffer_binding_size: 1 << 40, max_buffer_size: 1 << 40, ..Limits::default() };
    let plan = all().forward(&limits, &Tuning::default()).expect("a small plan");
    let own = own(&device, &plan);
    let expected = device.limits().max_buffer_size;
    let error = Err(Error::LimitMismatch { field: "max_buffer_size", expected, actual: 1 << 40 });
    let kernels = Kernels::new(&device);
    assert_eq!(kernels.bind(&plan, &given(&own)).map(|_| ()), error);
    assert_eq!(pollster::block_on(kernels.prepare(&plan)), error);

    let limits = Limits { min_storage_buffer_offset_alignment: 4, ..Limits::default() };
    let plan = all().forward(&limits, &Tuning::default()).expect("a small plan");
    let field = "min_storage_buffer_offset_alignment";
    let error = Err(Error::LimitMismatch { field, expected: 256, actual: 4 });
    assert_eq!(kernels.bind(&plan, &given(&own)).map(|_| ()), error);
}

#[test]
fn buffers_of_another_device() {
    let plan = plan(all());
    let [here, there] = two_devices();
    let own = own(&there, &plan);
    let error = Kernels::new(&here).bind(&plan, &given(&own)).map(|_| ());
    assert!(matches!(error, Err(Error::Device { .. })), "{error:?}");
}

#[test]
fn empty_tensors_need_no_buffers_and_may_have_some() {
    // Without steps the state is still handed on.
    let shape = Shape { time: 0, ..SHAPE };
    let no_steps = plan(Descriptor::bmru(shape).initial_state(InitialState::Given).final_state(FinalState::Written));
    let used: Vec<Slot> = no_steps.slots().iter().map(|&(slot, _)| slot).collect();
    assert_eq!(used, [Slot::Amplitude, Slot::InitialState, Slot::FinalState]);
    assert_eq!(bind_with(&no_steps, Slot::Candidate, 0, BufferUsages::STORAGE, None), Ok(()));

    let no_rows = plan(Descriptor::bmru(Shape { batch: 0, ..SHAPE }).save(Save::Codes));
    assert!(no_rows.slots().is_empty() && no_rows.dispatches().is_empty());
    let device = device();
    let bound = Kernels::new(&device).bind(&no_rows, &Buffers::new()).expect("there is nothing to bind");
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    bound.record(&mut encoder);
}

#[test]
fn a_saved_buffer_of_another_forward_pass() {
    let device = device();
    let backward = all().backward(&Limits::default(), &Tuning::default()).expect("a small plan");
    let own = own(&device, &backward);
    let saved = &own.iter().find(|(slot, _)| *slot == Slot::Saved).expect("backward reads it").1;
    let kernels = Kernels::new(&device);
    let bind = |layout| kernels.bind(&backward, &given(&own).saved_by(saved, layout)).map(|_| ());
    assert_eq!(bind(plan(all()).saved_layout().expect("forward writes it")), Ok(()));
    // Whatever does not change the layout may differ.
    assert_eq!(bind(plan(all().side_by_side().layout(Layout::TimeBatchChannel)).saved_layout().expect("it saves")), Ok(()));

    let others = [
        all().boundary(Boundary::Set),
        all().threshold(Threshold::PerChannel),
        Descriptor::bmru(Shape { batch: 4, time: 50, ..SHAPE }).save(Save::Codes),
        Descriptor::bmru(Shape { time: 99, ..SHAPE }).save(Save::Codes),
    ];
    for other in others {
        let layout = plan(other).saved_layout().expect("it saves");
        assert_ne!(layout.fingerprint(), all().saved_layout().fingerprint());
        let error = bind(layout);
        assert!(matches!(error, Err(Error::SavedMismatch { .. })), "{error:?}");
    }
    let error = kernels.bind(&backward, &given(&own)).map(|_| ());
    assert!(matches!(error, Err(Error::SavedMismatch { .. })), "{error:?}");
}

/// Without steps nothing that was saved is read, whoever wrote it.
#[test]
fn nothing_saved_is_read_of_no_steps() {
    let scan = Descriptor::bmru(Shape { time: 0, ..SHAPE });
    let plan = scan.backward(&Limits::default(), &Tuning::default()).expect("a small plan");
    assert!(plan.saved_layout().is_some() && plan.slots().iter().all(|&(slot, _)| slot != Slot::Saved), "{plan}");
    let device = device();
    let own = own(&device, &plan);
    assert!(Kernels::new(&device).bind(&plan, &given(&own)).is_ok());
}

/// Health of what is saved insists on its layout, too; health of inputs reads nothing saved.
#[test]
fn health_of_another_forward_pass() {
    let device = device();
    let kernels = Kernels::new(&device);
    let plan = |source| all().health(source, &Limits::default(), &Tuning::default()).expect("a small plan");
    let counts = plan(HealthSource::Saved);
    let own_buffers = own(&device, &counts);
    let used: Vec<Slot> = own_buffers.iter().map(|(slot, _)| *slot).collect();
    assert_eq!(used, [Slot::Saved, Slot::Scratch, Slot::Health]);
    let saved = &own_buffers[0].1;
    let bind = |layout| kernels.bind(&counts, &given(&own_buffers).saved_by(saved, layout)).map(|_| ());
    assert_eq!(bind(all().saved_layout()), Ok(()));
    let error = bind(all().boundary(Boundary::Set).saved_layout());
    assert!(matches!(error, Err(Error::SavedMismatch { .. })), "{error:?}");

    let counts = plan(HealthSource::Inputs);
    let own_buffers = own(&device, &counts);
    let used: Vec<Slot> = own_buffers.iter().map(|(slot, _)| *slot).collect();
    assert_eq!(used, [Slot::Candidate, Slot::Threshold, Slot::Scratch, Slot::Health]);
    kernels.bind(&counts, &given(&own_buffers)).expect("everything is right");
    let error = kernels.bind(&counts, &given(&own_buffers).saved(saved)).map(|_| ());
    assert!(matches!(error, Err(Error::SurplusBuffer { slot: Slot::Saved, .. })), "{error:?}");
}

#[test]
fn backward_binds_at_most_seven_storage_buffers() {
    for strategy in Strategy::ALL {
        let descriptor = Descriptor::bmru(Shape { batch: 2, time: 40_000, channels: 4 })
            .initial_state(InitialState::Given)
            .incoming(Incoming::Both);
        let limits = Limits { max_storage_buffers_per_shader_stage: 7, ..Limits::default() };
        let tuning = Tuning::default().with_strategy(strategy);
        let plan = descriptor.backward(&limits, &tuning).expect("seven suffice");
        assert_eq!(plan.variants().iter().map(|variant| variant.storage_bindings().len()).max(), Some(7));
        let device = device();
        let own = own(&device, &plan);
        let saved = &own.iter().find(|(slot, _)| *slot == Slot::Saved).expect("backward reads it").1;
        let buffers = given(&own).saved_by(saved, descriptor.saved_layout());
        Kernels::new(&device).bind(&plan, &buffers).expect("everything is right");
    }
}

#[test]
fn pipelines_are_made_once() {
    let device = device();
    let kernels = Kernels::new(&device);
    let tuning = Tuning { tile_steps: 32, ..Tuning::default() };
    let bind = |kernels: &Kernels, time, channels| {
        let shape = Shape { batch: 3, time, channels };
        let plan = Descriptor::bmru(shape).forward(&Limits::default(), &tuning).expect("a small plan");
        let own = own(&device, &plan);
        kernels.bind(&plan, &given(&own)).expect("everything is right");
        plan
    };
    assert_eq!(kernels.pipeline_count(), 0);
    let plan = bind(&kernels, 5000, 4);
    let count = kernels.pipeline_count();
    assert_eq!(count, plan.variants().len());
    // Other lengths compile nothing, and a clone shares what is there.
    for time in 5001..5101 {
        bind(&kernels.clone(), time, 4 + 4 * (time % 3));
    }
    assert_eq!(kernels.pipeline_count(), count);
    pollster::block_on(kernels.prepare(&plan)).expect("all are there");
    assert_eq!(kernels.pipeline_count(), count);
}

#[test]
fn handles_cross_threads() {
    fn crosses<T: Clone + Send + Sync + 'static>() {}
    crosses::<Kernels>();
    crosses::<bmru::Bound>();
    crosses::<Plan>();
    crosses::<Error>();

    let device = device();
    let kernels = Kernels::new(&device);
    std::thread::scope(|scope| {
        for channels in 1..5 {
            let (kernels, device) = (kernels.clone(), device.device.clone());
            scope.spawn(move || {
                let plan = plan(Descriptor::bmru(Shape { channels, ..SHAPE }));
                let own = own(&device, &plan);
                let bound = kernels.bind(&plan, &given(&own)).expect("everything is right");
                let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
                bound.record(&mut encoder);
                let _ = encoder.finish();
            });
        }
    });
}

#[test]
fn the_handler_of_the_application_stays() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let [device, there] = two_devices();
    let heard = Arc::new(AtomicUsize::new(0));
    let counter = heard.clone();
    device.on_uncaptured_error(Arc::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    // What binding refuses stays inside binding.
    let plan = plan(all());
    let foreign = own(&there, &plan);
    let refused = Kernels::new(&device).bind(&plan, &given(&foreign));
    assert!(refused.is_err());
    assert_eq!(heard.load(Ordering::Relaxed), 0);
    // The application's own mistake reaches the application.
    let _ = buffer(&device, 16, BufferUsages::MAP_READ | BufferUsages::MAP_WRITE | BufferUsages::STORAGE);
    assert_eq!(heard.load(Ordering::Relaxed), 1);
}
