//! Limits and tunings: where they come from, and what is decided by them.

use bmru::{Descriptor, Direction, Layout, Limits, Save, Sequences, Shape, Stage, Strategy, Tuning};

fn presets() -> [Tuning; 6] {
    [Tuning::software(), Tuning::mesa_22(), Tuning::mesa_25(), Tuning::integrated(), Tuning::discrete(), Tuning::default()]
}

#[test]
fn every_preset_plans_under_the_default_limits() {
    for tuning in presets() {
        for (batch, time, channels) in [(0, 0, 0), (1, 1, 1), (8, 4096, 256), (1, 1 << 20, 2), (64, 1, 3)] {
            let descriptor = Descriptor::bmru(Shape { batch, time, channels }).save(Save::Codes);
            for plan in [descriptor.forward(&Limits::default(), &tuning), descriptor.backward(&Limits::default(), &tuning)] {
                let plan = plan.unwrap_or_else(|error| panic!("{tuning:?}: {error}"));
                assert!(plan.variants().iter().all(|variant| variant.workgroup_size() == tuning.workgroup_size));
                // A browser has 1 MiB of parameters at hand, not 64.
                assert!(plan.dispatches().len() < 64, "{plan}");
            }
        }
    }
}

#[test]
fn serial_where_rows_or_short_times_keep_the_adapter_busy() {
    for tuning in presets() {
        let (rows, steps) = (tuning.serial_rows, u64::from(tuning.min_tile_steps));
        let limits = Limits { max_buffer_size: 1 << 40, max_storage_buffer_binding_size: 1 << 31, ..Limits::default() };
        for (batch, time, channels, expected) in [
            (1, steps + 1, rows - 1, tuning.few_rows),
            (1, steps + 1, rows, Strategy::Serial),
            (rows / 2, steps + 1, 2, Strategy::Serial),
            (rows / 2 - 1, steps + 1, 2, tuning.few_rows),
            (1, steps, 1, Strategy::Serial),
            (1, steps + 1, 1, tuning.few_rows),
        ] {
            let descriptor = Descriptor::bmru(Shape { batch, time, channels });
            let plan = descriptor.forward(&limits, &tuning).expect("it fits");
            assert_eq!((plan.strategy(), plan.direction()), (expected, Direction::Forward), "{plan}");
            // Who asks for one gets it.
            for strategy in Strategy::ALL {
                let plan = descriptor.forward(&limits, &tuning.clone().with_strategy(strategy)).expect("it fits");
                assert_eq!(plan.strategy(), strategy, "{plan}");
            }
        }
    }
}

/// Four of them, each with the channels of one sequence, or with those of two that fill half of it.
#[test]
fn serial_where_workgroups_keep_the_cores_busy() {
    for (tuning, batch, channels, expected) in [
        (Tuning::software(), 4, 64, Strategy::Serial),
        (Tuning::software(), 3, 64, Strategy::Probe),
        (Tuning::software(), 8, 16, Strategy::Serial),
        (Tuning::software(), 7, 16, Strategy::Probe),
        (Tuning::software(), 64, 8, Strategy::Probe),
        (Tuning::mesa_22(), 4, 37, Strategy::Serial),
        (Tuning::nvidia(), 64, 512, Strategy::Tiles),
    ] {
        let descriptor = Descriptor::bmru(Shape { batch, time: 4096, channels });
        let limits = Limits { max_storage_buffer_binding_size: 1 << 30, max_buffer_size: 1 << 30, ..Limits::default() };
        let plan = descriptor.forward(&limits, &tuning).expect("it fits");
        assert_eq!(plan.strategy(), expected, "{plan}");
    }
}

/// So many parts of stretches that there are as many rows of them as keep the adapter busy, but none shorter than a tile.
#[test]
fn walks_back_go_over_parts_of_stretches_where_rows_are_few() {
    let limits = Limits { max_buffer_size: 1 << 40, max_storage_buffer_binding_size: 1 << 31, ..Limits::default() };
    for (tuning, [batch, time, channels], expected) in [
        (Tuning::nvidia(), [64, 784, 64], 128),
        (Tuning::nvidia(), [64, 96, 64], 96),
        (Tuning::nvidia(), [16, 16_384, 128], 512),
        (Tuning::nvidia(), [16, 65_536, 128], 1024),
        (Tuning::software(), [1, 16_384, 128], 1024),
    ] {
        let descriptor = Descriptor::bmru(Shape { batch, time, channels });
        for (descriptor, expected) in [
            (descriptor.clone(), expected),
            // What passes a part is a factor there, or ends within.
            (Descriptor::relaxed(descriptor.shape(), 0.5), time.min(1024)),
            (descriptor.sequences(Sequences::Resets), time.min(1024)),
        ] {
            let plan = descriptor.backward(&limits, &tuning).expect("it fits");
            let walk = plan.dispatches().iter().find(|dispatch| plan.stage(dispatch) == Stage::Adjoint).expect("it walks");
            assert_eq!(u64::from(walk.params().tile_steps), expected, "{plan}");
        }
    }
}

#[test]
fn a_probe_where_a_gpu_has_vectors_of_steps() {
    let shape = |channels| Shape { batch: 2, time: 4096, channels };
    let (limits, tuning) = (Limits::default(), Tuning::nvidia());
    for (descriptor, expected) in [
        (Descriptor::bmru(shape(8)), Strategy::Tiles),
        (Descriptor::bmru(shape(8)).layout(Layout::BatchChannelTime), Strategy::Probe),
        (Descriptor::bmru(shape(2)), Strategy::Probe),
        (Descriptor::bmru(Shape { time: 4095, ..shape(2) }), Strategy::Tiles),
        // A number has a vector for each step.
        (Descriptor::cumulative(shape(2)), Strategy::Tiles),
    ] {
        let plan = descriptor.forward(&limits, &tuning).expect("it fits");
        assert_eq!(plan.strategy(), expected, "{plan}");
        let folded = plan.variants().iter().any(|variant| variant.fold() > 1);
        assert_eq!(folded, expected == Strategy::Probe, "{plan}");
    }
}

/// A quarter as many walks as where channels lie side by side, so that caches keep the lines that each of them reads alone.
#[test]
fn fewer_walks_where_time_is_contiguous_on_a_gpu() {
    let limits = Limits { max_buffer_size: 1 << 40, max_storage_buffer_binding_size: 1 << 31, ..Limits::default() };
    for (tuning, layout, [batch, time, channels], expected) in [
        (Tuning::nvidia(), Layout::BatchChannelTime, [32, 2048, 128], [(Strategy::Probe, 544), (Strategy::Tiles, 512)]),
        (Tuning::nvidia(), Layout::BatchChannelTime, [64, 4096, 256], [(Strategy::Serial, 4096), (Strategy::Serial, 4096)]),
        (Tuning::nvidia(), Layout::BatchChannelTime, [1, 32_768, 8], [(Strategy::Probe, 96), (Strategy::Tiles, 128)]),
        (Tuning::nvidia(), Layout::BatchTimeChannel, [32, 2048, 128], [(Strategy::Tiles, 128), (Strategy::Tiles, 128)]),
        (Tuning::software(), Layout::BatchChannelTime, [2, 8192, 8], [(Strategy::Probe, 1056), (Strategy::Probe, 1024)]),
    ] {
        let descriptor = Descriptor::bmru(Shape { batch, time, channels }).layout(layout);
        let plans = [descriptor.forward(&limits, &tuning), descriptor.backward(&limits, &tuning)];
        for (plan, (strategy, steps)) in plans.into_iter().zip(expected) {
            let plan = plan.expect("it fits");
            let walks =
                |dispatch: &&bmru::Dispatch| matches!(plan.stage(dispatch), Stage::Adjoint | Stage::Serial | Stage::TileApply);
            let walk = plan.dispatches().iter().find(walks).expect("it walks");
            assert_eq!((plan.strategy(), walk.params().tile_steps), (strategy, steps), "{plan}");
        }
    }
}

#[cfg(feature = "wgpu")]
mod of_wgpu {
    use bmru::{Access, Descriptor, Error, Limits, Shape, Strategy, Tuning, wgpu};

    #[test]
    fn the_default_is_what_every_webgpu_device_has() {
        assert_eq!(Limits::from(&wgpu::Limits::default()), Limits::default());
    }

    /// Different numbers everywhere, so that a swapped field shows.
    #[test]
    fn each_limit_comes_from_its_own_field() {
        let device = wgpu::Limits {
            max_buffer_size: 1001,
            max_storage_buffer_binding_size: 1002,
            max_storage_buffers_per_shader_stage: 1003,
            max_compute_invocations_per_workgroup: 1004,
            max_compute_workgroup_size_x: 1005,
            max_compute_workgroup_size_y: 1,
            max_compute_workgroups_per_dimension: 1006,
            min_storage_buffer_offset_alignment: 1007,
            min_uniform_buffer_offset_alignment: 1008,
            ..wgpu::Limits::default()
        };
        let limits = Limits {
            max_buffer_size: 1001,
            max_storage_buffer_binding_size: 1002,
            max_storage_buffers_per_shader_stage: 1003,
            max_compute_invocations_per_workgroup: 1004,
            max_compute_workgroups_per_dimension: 1006,
            min_storage_buffer_offset_alignment: 1007,
            min_uniform_buffer_offset_alignment: 1008,
        };
        assert_eq!(Limits::from(&device), limits);
        // A workgroup lies along its first dimension.
        let narrow = wgpu::Limits { max_compute_workgroup_size_x: 99, ..device };
        assert_eq!(Limits::from(&narrow), Limits { max_compute_invocations_per_workgroup: 99, ..limits });
    }

    #[test]
    fn devices_below_webgpu_do_what_they_can() {
        let descriptor = Descriptor::bmru(Shape { batch: 2, time: 100, channels: 4 });
        // Candidates, thresholds, amplitudes and states are four.
        let downlevel = Limits::from(&wgpu::Limits::downlevel_defaults());
        assert!(descriptor.forward(&downlevel, &Tuning::integrated()).is_ok());
        let tuning = Tuning { access: Access::AllReadWrite, ..Tuning::integrated() };
        let serial = descriptor.forward(&downlevel, &tuning.clone().with_strategy(Strategy::Serial));
        let Err(Error::StrategyUnavailable { reason, .. }) = serial else { panic!("{serial:?}") };
        assert!(matches!(*reason, Error::TooManyBindings { expected: 4, actual: 5, .. }), "{reason}");
        // No stage of the tiles binds so many.
        assert_eq!(descriptor.forward(&downlevel, &tuning).map(|plan| plan.strategy()), Ok(Strategy::Tiles));
        // WebGL has no compute shaders.
        let webgl = Limits::from(&wgpu::Limits::downlevel_webgl2_defaults());
        assert!(matches!(descriptor.forward(&webgl, &Tuning::integrated()), Err(Error::InvalidSetting { actual: 0, .. })));
    }

    #[test]
    fn adapters_have_their_tuning() {
        let tuning = |device_type, name: &str, driver: &str| {
            let info = wgpu::AdapterInfo::new(device_type, wgpu::Backend::Vulkan);
            Tuning::for_adapter(&wgpu::AdapterInfo { name: name.to_owned(), driver_info: driver.to_owned(), ..info })
        };
        for (device_type, name, driver, expected) in [
            (wgpu::DeviceType::Cpu, "any", "Mesa 22.3.6", Tuning::software()),
            (wgpu::DeviceType::DiscreteGpu, "any", "Mesa 22.3.6", Tuning::discrete()),
            (wgpu::DeviceType::DiscreteGpu, "NVIDIA GeForce RTX 4090", "550.54", Tuning::nvidia()),
            (wgpu::DeviceType::IntegratedGpu, "any", "Mesa 22.3.6", Tuning::integrated()),
            (wgpu::DeviceType::VirtualGpu, "any", "Mesa 22.3.6", Tuning::integrated()),
            (wgpu::DeviceType::Other, "any", "Mesa 22.3.6", Tuning::integrated()),
            // As OpenGL and Vulkan report the same driver.
            (wgpu::DeviceType::Other, "llvmpipe (LLVM 15.0.6, 256 bits)", "4.5 (Core Profile) Mesa 22.3.6", Tuning::mesa_22()),
            (wgpu::DeviceType::Cpu, "llvmpipe (LLVM 15.0.6, 256 bits)", "Mesa 22.3.6 (LLVM 15.0.6)", Tuning::mesa_22()),
            (wgpu::DeviceType::Cpu, "llvmpipe (LLVM 15.0.6, 256 bits)", "Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6)", Tuning::mesa_25()),
            (wgpu::DeviceType::Cpu, "llvmpipe", "", Tuning::software()),
        ] {
            assert_eq!(tuning(device_type, name, driver), expected, "{device_type:?}, {name}, {driver}");
        }
        // Browsers tell no more than whether it is the CPU.
        let browser = |device_type| Tuning::for_adapter(&wgpu::AdapterInfo::new(device_type, wgpu::Backend::BrowserWebGpu));
        assert_eq!(browser(wgpu::DeviceType::Other), Tuning::browser());
        assert_eq!(browser(wgpu::DeviceType::Cpu), Tuning::software());
    }
}

/// Walks back take one vector at a time there, or a whole row of two; walks forward four, and with another tuning walks back do, too.
#[test]
fn bands_of_walks_back_are_their_own() {
    let band = |tuning: &Tuning, channels: u64, direction: Direction| {
        let descriptor = Descriptor::bmru(Shape { batch: 64, time: 64, channels }).save(Save::Codes);
        let plan = match direction {
            Direction::Backward => descriptor.backward(&Limits::default(), tuning),
            _ => descriptor.forward(&Limits::default(), tuning),
        };
        let walks = |stage| matches!(stage, Stage::Serial | Stage::Adjoint);
        plan.expect("a plan").variants().iter().find(|variant| walks(variant.stage())).expect("a walk").band()
    };
    for (tuning, back) in [(Tuning::mesa_25(), [1, 2, 1, 1]), (Tuning::software(), [1, 2, 4, 4])] {
        assert_eq!([32, 64, 128, 1024].map(|channels| band(&tuning, channels, Direction::Forward)), [1, 2, 4, 4]);
        assert_eq!([32, 64, 128, 1024].map(|channels| band(&tuning, channels, Direction::Backward)), back);
    }
}
