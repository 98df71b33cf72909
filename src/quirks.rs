//! What drivers get wrong, do not say, or want differently: one table, keyed on what an adapter says of itself.
//!
//! `docs/quirks.md` shows it. With what is done about them, no quirk breaks a promise.

use core::fmt;

use crate::Tuning;

/// What an adapter says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdapterFacts<'a> {
    /// Its name.
    pub name: &'a str,
    /// The interface below, in lower case, as wgpu names it: `vulkan`, `metal`, `dx12`, `gl`, `webgpu`.
    pub backend: &'a str,
    /// The driver's version.
    pub driver_info: &'a str,
    /// What it says it is; [`kind`](Self::kind) knows better.
    pub said_kind: AdapterKind,
}

/// What kind of hardware an adapter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdapterKind {
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU that shares the host's memory.
    Integrated,
    /// It does not say.
    Unknown,
    /// A driver on the host's processor.
    Software,
}

/// Something that an adapter needs.
#[derive(Clone, Copy, Debug)]
pub struct Quirk {
    /// A name for it.
    pub name: &'static str,
    /// Which adapters, in words.
    pub adapters: &'static str,
    /// Which adapters.
    pub matches: fn(&AdapterFacts<'_>) -> bool,
    /// What is done.
    pub effect: Effect,
    /// Why.
    pub reason: &'static str,
}

/// What is done about a quirk.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Effect {
    /// The adapter is of this kind, whatever it says.
    Kind(AdapterKind),
    /// It gets a tuning of its own, not that of its kind.
    Tuning(&'static str, fn() -> Tuning),
    /// Its invocations run so many iterations, all loops together. Plans for any adapter stay below half of it.
    Iterations(u64),
    /// It addresses so many bytes of a binding. Plans for any adapter bind no more.
    BindingBytes(u64),
    /// Where one must be chosen, all others come first.
    BehindAll,
    /// Where one must be chosen, others of its kind come first.
    BehindItsKind,
}

/// Iterations of one invocation after which some drivers end its loops.
pub(crate) const ITERATIONS: u64 = 65_535;
/// Bytes of a binding that every driver can address.
pub(crate) const BINDING_BYTES: u64 = 1 << 31;

/// All quirks. Of several that set the same, the first counts.
pub const ALL: &[Quirk] = &[
    Quirk {
        name: "hidden software",
        adapters: "llvmpipe by OpenGL",
        matches: |facts| is_llvmpipe(facts) && facts.said_kind != AdapterKind::Software,
        effect: Effect::Kind(AdapterKind::Software),
        reason: "OpenGL has no word for what an adapter is, so that it is of no known kind.",
    },
    Quirk {
        name: "long sweeps",
        adapters: "llvmpipe up to Mesa 22",
        matches: |facts| is_llvmpipe(facts) && mesa(facts).is_some_and(|major| major <= 22),
        effect: Effect::Tuning("mesa_22", Tuning::mesa_22),
        reason: "Memory must be swept over in one piece: bands of 8 vectors reach .89 of the ceiling on (4, 4096, 256), those of other \
                 CPU drivers .46.",
    },
    Quirk {
        name: "short walks back",
        adapters: "llvmpipe from Mesa 23 on",
        matches: |facts| is_llvmpipe(facts) && mesa(facts).is_some_and(|major| major > 22),
        effect: Effect::Tuning("mesa_25", Tuning::mesa_25),
        reason: "Walks back of one vector reach .68 of the ceiling on (4, 4096, 256), and of four .55, but .47 and .71 where two are a \
                 whole row; on SwiftShader .36 and .40.",
    },
    Quirk {
        name: "registers by occupancy",
        adapters: "GPUs of NVIDIA",
        matches: |facts| {
            facts.backend != "webgpu" && ["NVIDIA", "GeForce", "Quadro", "Tesla"].iter().any(|name| facts.name.contains(name))
        },
        effect: Effect::Tuning("nvidia", Tuning::nvidia),
        reason: "The compiler gives an invocation as many registers as let a multiprocessor run its most warps: 32 of them, and 64 where a \
                 workgroup is one warp. Walks that load ahead are up to 2.5 times as fast with 64.",
    },
    Quirk {
        name: "no name",
        adapters: "GPUs by a browser",
        matches: |facts| facts.backend == "webgpu" && facts.said_kind == AdapterKind::Unknown,
        effect: Effect::Tuning("browser", Tuning::browser),
        reason: "Browsers do not tell what GPU they run on.",
    },
    Quirk {
        name: "loops that end",
        adapters: "llvmpipe up to Mesa 22",
        matches: |facts| is_llvmpipe(facts) && mesa(facts).is_some_and(|major| major <= 22),
        effect: Effect::Iterations(ITERATIONS),
        reason: "It ends the loops of an invocation after 65,535 iterations, all of them counted together, without a word.",
    },
    Quirk {
        name: "signed addresses",
        adapters: "all",
        matches: |_| true,
        effect: Effect::BindingBytes(BINDING_BYTES),
        reason: "Several drivers compute byte addresses as i32, and do not say so.",
    },
    Quirk {
        name: "OpenGL last",
        adapters: "all by OpenGL",
        matches: |facts| facts.backend == "gl",
        effect: Effect::BehindAll,
        reason: "What OpenGL offers is mostly there by Vulkan, too, with tighter limits by OpenGL, and it does not say what it runs on.",
    },
    Quirk {
        name: "slow streams",
        adapters: "SwiftShader",
        matches: |facts| facts.name.contains("SwiftShader"),
        effect: Effect::BehindItsKind,
        reason: "It streams 3 to 4 times slower than llvmpipe.",
    },
];

fn is_llvmpipe(facts: &AdapterFacts<'_>) -> bool {
    facts.name.contains("llvmpipe")
}

/// The major version of Mesa: "Mesa 22.3.6 (LLVM 15.0.6)", by OpenGL "4.5 (Core Profile) Mesa 22.3.6".
fn mesa(facts: &AdapterFacts<'_>) -> Option<u32> {
    facts.driver_info.split("Mesa ").nth(1)?.split('.').next()?.parse().ok()
}

impl AdapterFacts<'_> {
    /// The quirks of this adapter.
    pub fn quirks(&self) -> impl Iterator<Item = &'static Quirk> {
        ALL.iter().filter(|quirk| (quirk.matches)(self))
    }

    /// What the adapter is.
    #[must_use]
    pub fn kind(&self) -> AdapterKind {
        let known = |quirk: &Quirk| if let Effect::Kind(kind) = quirk.effect { Some(kind) } else { None };
        self.quirks().find_map(known).unwrap_or(self.said_kind)
    }

    /// The tuning for the adapter: its own, or that of its kind.
    #[must_use]
    pub fn tuning(&self) -> Tuning {
        let own = |quirk: &Quirk| if let Effect::Tuning(_, tuning) = quirk.effect { Some(tuning()) } else { None };
        self.quirks().find_map(own).unwrap_or_else(|| match self.kind() {
            AdapterKind::Software => Tuning::software(),
            AdapterKind::Discrete => Tuning::discrete(),
            AdapterKind::Integrated | AdapterKind::Unknown => Tuning::integrated(),
        })
    }

    /// Where one of several adapters must be chosen: the least.
    #[must_use]
    pub fn rank(&self) -> impl Ord + use<> {
        let behind_all = self.quirks().any(|quirk| matches!(quirk.effect, Effect::BehindAll));
        let behind_its_kind = self.quirks().any(|quirk| matches!(quirk.effect, Effect::BehindItsKind));
        (behind_all, self.kind(), behind_its_kind)
    }
}

#[cfg(feature = "wgpu")]
impl<'a> From<&'a wgpu::AdapterInfo> for AdapterFacts<'a> {
    fn from(info: &'a wgpu::AdapterInfo) -> Self {
        let said_kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::Cpu => AdapterKind::Software,
            wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => AdapterKind::Unknown,
        };
        Self { name: &info.name, backend: info.backend.to_str(), driver_info: &info.driver_info, said_kind }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "taken as {kind:?}"),
            Self::Tuning(name, _) => write!(f, "`Tuning::{name}`"),
            Self::Iterations(most) => write!(f, "at most {} iterations of an invocation, on every adapter", most / 2),
            Self::BindingBytes(most) => write!(f, "at most {most} bytes of a binding"),
            Self::BehindAll => f.write_str("chosen behind all others"),
            Self::BehindItsKind => f.write_str("chosen behind others of its kind"),
        }
    }
}

impl fmt::Display for Quirk {
    /// A line of a Markdown table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} | {} | {} |", self.name, self.adapters, self.effect, self.reason)
    }
}
