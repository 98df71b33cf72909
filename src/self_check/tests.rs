//! The self-check on every adapter; with shaders that are wrong; and on devices that do not answer.

use std::time::{Duration, Instant};

use bmru_conformance::adapters;

use super::cases;
use crate::{Error, Kernels, Limits, Tuning};

struct Gpu {
    name: String,
    device: wgpu::Device,
    queue: wgpu::Queue,
    tuning: Tuning,
}

impl Gpu {
    /// A device on each adapter, with no more than the WebGPU default limits where the adapter has them.
    fn all() -> Vec<Self> {
        let adapters = adapters::all();
        let names: Vec<String> = adapters.iter().map(|adapter| adapters::name(&adapter.get_info())).collect();
        let missing = adapters::missing(&std::env::var("BMRU_ADAPTERS").unwrap_or_default(), &names);
        assert!(!names.is_empty() && missing.is_empty(), "missing: {missing:?}; found: {names:?}");
        adapters.iter().map(Self::on).collect()
    }

    fn on(adapter: &wgpu::Adapter) -> Self {
        Self::with(adapter, wgpu::Limits::default())
    }

    fn with(adapter: &wgpu::Adapter, limits: wgpu::Limits) -> Self {
        let required_limits = limits.or_worse_values_from(&adapter.limits());
        let descriptor = wgpu::DeviceDescriptor { required_limits, ..Default::default() };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).expect("a device");
        let info = adapter.get_info();
        Self { name: adapters::name(&info), device, queue, tuning: Tuning::for_adapter(&info) }
    }

    fn check(&self, kernels: &Kernels, tuning: &Tuning) -> Result<(), Error> {
        pollster::block_on(kernels.self_check(&self.queue, tuning, Duration::from_secs(60)))
    }

    /// Kernels with changed texts, and how many of them changed.
    fn planted(&self, change: &dyn Fn(&str) -> String) -> (Kernels, usize) {
        let kernels = Kernels::new(&self.device);
        let mut changed = 0;
        for case in cases::all() {
            for plan in case.plans(&Limits::from(&self.device.limits()), &self.tuning).expect("plans") {
                for variant in plan.variants() {
                    let text = variant.wgsl();
                    let wrong = change(&text);
                    // A dozen are found as well as all, and compile sooner.
                    if wrong != text && changed < 12 {
                        changed += 1;
                        kernels.shared.plant(variant, wrong).unwrap_or_else(|error| panic!("{error}"));
                    }
                }
            }
        }
        (kernels, changed)
    }
}

/// What drivers and compilers have got wrong, or might: a line of the text, and what it does then. Each must be found.
const WRONG: [(&str, &str, &str); 16] = [
    ("nothing runs", "if item < params.items {", "if item < params.items && item > 0x7fffffffu {"),
    ("the last invocation is lost", "if item < params.items {", "if item + 1u < params.items {"),
    ("NaN sets", " & is_number(c)", ""),
    ("the edge sets", "Vector(select(ONE, 0u, BOUNDARY_SETS))", "Vector(0u)"),
    (
        "denormals are zero",
        "let c = magnitude(candidate);",
        "let c = select(Vector(0u), magnitude(candidate), magnitude(candidate) >= Vector(0x00800000u));",
    ),
    (
        "-0 is lost",
        "load_amplitude(amplitude_at(0u, 0u, at.tile.d + offset));",
        "load_amplitude(amplitude_at(0u, 0u, at.tile.d + offset)); walk.amplitude = select(walk.amplitude, Vector(0u), walk.amplitude == Vector(SIGN_BIT));",
    ),
    (
        "a NaN is quieted",
        "load_amplitude(amplitude_at(0u, 0u, tile.d));",
        "load_amplitude(amplitude_at(0u, 0u, tile.d)) | Vector(0x00400000u);",
    ),
    ("a loop ends early", "while step < end {", "while step < min(end, 60u) {"),
    ("an addition carries nothing", "return (a + p + plus) ^ a ^ p;", "return (a ^ p ^ plus) ^ a ^ p;"),
    ("a shift by 31", "plus = after >> Vector(31u);", "plus = after >> Vector(30u);"),
    (
        "a tree forgets",
        "let tile_of_whole = params.time_origin / params.tile_steps + tile.index;",
        "let tile_of_whole = (params.time_origin / params.tile_steps + tile.index) % 32u;",
    ),
    ("a slope is off by 2^-12", "return height / (1.0 + x * x);", "return height / (1.0 + x * x) * 1.000244140625;"),
    (
        "a division is rough",
        "let y = 1.0 / (1.0 + min(abs(u) * scale, Floats(LARGEST)));",
        "let y = 0.9999 / (1.0 + min(abs(u) * scale, Floats(LARGEST)));",
    ),
    (
        "an exponential is rough",
        "let e = exp(-min(abs(u) * scale, Floats(128.0)));",
        "let e = exp(-min(abs(u) * scale, Floats(128.0))) * 1.001;",
    ),
    ("a gradient passes a set", "return select(gradient, Floats(0.0), sets);", "return gradient;"),
    (
        "a sum loses its blocks",
        "walk.registers.amplitude_sum += walk.registers.amplitude_block;",
        "walk.registers.amplitude_sum = walk.registers.amplitude_block;",
    ),
];

#[test]
fn every_adapter_computes_what_it_should() {
    for gpu in Gpu::all() {
        let start = Instant::now();
        let kernels = Kernels::new(&gpu.device);
        gpu.check(&kernels, &gpu.tuning).unwrap_or_else(|error| panic!("{}: {error}", gpu.name));
        println!("{}: {} pipelines, {:?}", gpu.name, kernels.pipeline_count(), start.elapsed());
        // They stay for the caller, and a second check makes none.
        let made = kernels.pipeline_count();
        gpu.check(&kernels, &gpu.tuning).unwrap_or_else(|error| panic!("{}, again: {error}", gpu.name));
        assert!(made > 10 && kernels.pipeline_count() == made, "{}: {made} pipelines", gpu.name);
        for tuning in [Tuning::software(), Tuning::mesa_22(), Tuning::mesa_25(), Tuning::integrated(), Tuning::discrete()] {
            gpu.check(&kernels, &tuning).unwrap_or_else(|error| panic!("{}, {tuning:?}: {error}", gpu.name));
        }
    }
}

#[test]
fn what_a_device_cannot_do_is_left_out() {
    for adapter in adapters::all() {
        for (storage_buffers, some) in [(4, true), (1, false)] {
            let limits = wgpu::Limits { max_storage_buffers_per_shader_stage: storage_buffers, ..wgpu::Limits::default() };
            let gpu = Gpu::with(&adapter, limits);
            let kernels = Kernels::new(&gpu.device);
            let ended = gpu.check(&kernels, &gpu.tuning);
            let expected = if some { ended == Ok(()) } else { matches!(ended, Err(Error::StrategyUnavailable { .. })) };
            assert!(expected && some == (kernels.pipeline_count() > 0), "{}, {storage_buffers}: {ended:?}", gpu.name);
        }
        // Everything writable, parameters, too.
        let gpu = Gpu::on(&adapter);
        let tuning = Tuning { access: crate::Access::AllReadWrite, ..gpu.tuning.clone() };
        gpu.check(&Kernels::new(&gpu.device), &tuning).unwrap_or_else(|error| panic!("{}: {error}", gpu.name));
        // A tuning that is none is told.
        let tuning = Tuning { workgroup_size: 0, ..tuning };
        let ended = gpu.check(&Kernels::new(&gpu.device), &tuning);
        assert!(matches!(ended, Err(Error::InvalidSetting { field: "workgroup_size", .. })), "{}: {ended:?}", gpu.name);
    }
}

#[test]
fn a_shader_that_is_wrong_is_found() {
    for gpu in Gpu::all() {
        for (what, from, to) in WRONG {
            let (kernels, changed) = gpu.planted(&|text| text.replace(from, to));
            assert!(changed > 0, "{what}: no text has {from:?}");
            let found = gpu.check(&kernels, &gpu.tuning);
            let Err(Error::WrongResult { case, slot, index, expected, actual }) = found else {
                panic!("{}: {what}: {found:?}", gpu.name);
            };
            assert_ne!(expected, actual);
            println!("{}: {what}: {case}, {slot}[{index}] is {actual:#010x}, expected {expected:#010x}", gpu.name);
        }
    }
}

#[test]
fn a_device_that_does_not_end_is_a_timeout() {
    // Long enough for every driver, and short enough for one that ends loops after 65,535 turns.
    let spin = "    var x = item;\n    for (var k = 0u; k < 20000u; k++) { x = x * 5u + 1u; x ^= x >> 7u; }\n    if x == 0x12345679u { return; }\n";
    for gpu in Gpu::all() {
        let entry = "    if item < params.items {";
        let (kernels, changed) = gpu.planted(&|text| text.replace(entry, &format!("{spin}{entry}")));
        assert!(changed > 0);
        let limit = Duration::from_nanos(1);
        let start = Instant::now();
        let ended = pollster::block_on(kernels.self_check(&gpu.queue, &gpu.tuning, limit));
        // By OpenGL, some drivers have done the work when it is submitted.
        let in_time = ended == Ok(()) && gpu.name.ends_with("@gl");
        assert!(in_time || ended == Err(Error::Timeout { expected: limit }), "{}: {ended:?}", gpu.name);
        assert!(start.elapsed() < Duration::from_secs(30), "{}: {:?}", gpu.name, start.elapsed());
        let _ = gpu.device.poll(wgpu::PollType::wait_indefinitely());
    }
}

#[test]
fn a_device_that_is_lost_is_an_error() {
    for gpu in Gpu::all() {
        let kernels = Kernels::new(&gpu.device);
        gpu.device.destroy();
        let ended = gpu.check(&kernels, &gpu.tuning);
        assert!(matches!(ended, Err(Error::DeviceLost { .. })), "{}: {ended:?}", gpu.name);
        println!("{}: {}", gpu.name, ended.expect_err("it is lost"));
    }
}

#[test]
fn what_is_compared_is_in_the_data() {
    // A gradient that is to be exact is a float, and the data have what their names say.
    let mut kinds = [false; 3];
    for case in cases::all() {
        let inputs = case.data.inputs();
        let outputs = crate::oracle::forward(&case.descriptor, &inputs).expect("a descriptor that can exist");
        assert!(outputs.states.iter().any(|state| state.to_bits() != outputs.states[0].to_bits()), "{}: one state", case.name);
        let mut nan = inputs.candidate.iter().chain(inputs.amplitude).filter(|value| value.is_nan());
        kinds[0] |= nan.next().is_some();
        kinds[1] |= inputs.candidate.iter().any(|value| value.is_subnormal());
        kinds[2] |= inputs.amplitude.iter().any(|value| value.to_bits() == 0x8000_0000);
        let Some(cases::Agreement::Exact) = case.agreement else { continue };
        let (states, final_state) = (&case.data.states_gradient, &case.data.final_state_gradient);
        let incoming = crate::oracle::IncomingGradients { states, final_state };
        let gradients = crate::oracle::backward(&case.descriptor, &inputs, &incoming).expect("gradients");
        for gradient in gradients.candidate.iter().chain(&gradients.threshold).chain(&gradients.amplitude) {
            assert!(gradient.abs() < 1_048_576.0 && (gradient * 16.0).fract() == 0.0, "{}: {gradient}", case.name);
        }
    }
    assert_eq!(kinds, [true; 3]);
}

#[test]
fn the_future_can_be_sent() {
    fn sent(_: impl Send) {}
    let check = |kernels: &Kernels, queue: &wgpu::Queue, tuning: &Tuning| {
        sent(kernels.self_check(queue, tuning, Duration::from_secs(1)));
    };
    let _ = check;
}
