//! The table of quirks: which adapters have which, and that the page shows it.

use bmru::quirks::{ALL, AdapterFacts, AdapterKind, Effect};
use bmru::{Descriptor, Limits, Plan, Shape, Tuning};

const LLVMPIPE: &str = "llvmpipe (LLVM 15.0.6, 256 bits)";

fn facts(name: &'static str, backend: &'static str, driver_info: &'static str, said_kind: AdapterKind) -> AdapterFacts<'static> {
    AdapterFacts { name, backend, driver_info, said_kind }
}

/// As they report themselves, best first.
fn adapters() -> [(AdapterFacts<'static>, &'static [&'static str]); 9] {
    use AdapterKind::*;
    [
        (facts("NVIDIA H100", "vulkan", "550.54", Discrete), &["registers by occupancy"]),
        (facts("AMD Radeon RX 7900 XTX", "dx12", "", Discrete), &[]),
        (facts("Apple M2", "metal", "", Integrated), &[]),
        (facts("virtio", "vulkan", "Mesa 22.3.6", Unknown), &[]),
        (facts("", "webgpu", "", Unknown), &["no name"]),
        (facts(LLVMPIPE, "vulkan", "Mesa 22.3.6 (LLVM 15.0.6)", Software), &["long sweeps", "loops that end"]),
        (facts(LLVMPIPE, "vulkan", "Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6)", Software), &["short walks back"]),
        (facts("SwiftShader Device (Subzero)", "vulkan", "", Software), &["slow streams"]),
        (
            facts(LLVMPIPE, "gl", "4.5 (Core Profile) Mesa 22.3.6", Unknown),
            &["hidden software", "long sweeps", "loops that end", "OpenGL last"],
        ),
    ]
}

#[test]
fn adapters_have_their_quirks() {
    for (facts, expected) in adapters() {
        let found: Vec<&str> = facts.quirks().map(|quirk| quirk.name).filter(|&name| name != "signed addresses").collect();
        assert_eq!(found, expected, "{facts:?}");
        assert!(facts.quirks().any(|quirk| quirk.name == "signed addresses"), "{facts:?}");
    }
    // Every quirk comes up, and none is there twice.
    for quirk in ALL {
        assert!(adapters().iter().any(|(facts, _)| (quirk.matches)(facts)), "{} is never seen", quirk.name);
        assert_eq!(ALL.iter().filter(|other| other.name == quirk.name).count(), 1, "{}", quirk.name);
    }
}

#[test]
fn kind_and_tuning_follow() {
    let tuning = |index: usize| adapters()[index].0.tuning();
    assert_eq!([0, 1, 2, 3].map(tuning), [Tuning::nvidia(), Tuning::discrete(), Tuning::integrated(), Tuning::integrated()]);
    assert_eq!(tuning(4), Tuning::browser());
    assert_eq!([5, 6, 7, 8].map(tuning), [Tuning::mesa_22(), Tuning::mesa_25(), Tuning::software(), Tuning::mesa_22()]);
    assert_eq!(adapters()[8].0.kind(), AdapterKind::Software);
    // By OpenGL a later Mesa is a CPU driver, too.
    assert_eq!(facts(LLVMPIPE, "gl", "4.5 (Core Profile) Mesa 25.0.7", AdapterKind::Unknown).tuning(), Tuning::mesa_25());
    assert_eq!(facts("llvmpipe", "vulkan", "", AdapterKind::Software).tuning(), Tuning::software());
}

#[test]
fn the_best_adapter_comes_first() {
    let ranks = adapters().map(|(facts, _)| facts.rank());
    assert!(ranks.is_sorted());
    assert!(ranks[5] == ranks[6] && ranks[6] < ranks[7] && ranks[7] < ranks[8]);
    // A GPU by OpenGL is behind a CPU by Vulkan.
    assert!(facts("GeForce", "gl", "", AdapterKind::Discrete).rank() > ranks[7]);
}

#[test]
fn what_holds_everywhere_is_in_every_plan() {
    let limits = Limits { max_buffer_size: u64::MAX, max_storage_buffer_binding_size: u64::MAX, ..Limits::default() };
    for quirk in ALL {
        match quirk.effect {
            Effect::Iterations(most) => assert_eq!(Plan::MAX_ITERATIONS, most / 2),
            Effect::BindingBytes(most) => {
                // 16 GiB of candidates.
                let descriptor = Descriptor::bmru(Shape { batch: 1, time: 1 << 22, channels: 1024 });
                let plan = descriptor.forward(&limits, &Tuning::discrete()).expect("a plan");
                let bound = plan.dispatches().iter().flat_map(|dispatch| dispatch.bindings()).map(|binding| binding.size);
                assert!(bound.clone().max() <= Some(most) && bound.max() > Some(most / 4), "{plan}");
            }
            _ => {}
        }
    }
}

#[test]
fn the_page_shows_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/quirks.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let table = page.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let shown: Vec<&str> = table.take_while(|line| line.starts_with("| ")).collect();
    let expected: Vec<String> = ALL.iter().map(ToString::to_string).collect();
    assert!(shown == expected, "docs/quirks.md should have\n{}", expected.join("\n"));
}
