//! A case: a descriptor, its data, and the plan that shall compute it.

use bmru::{Access, Descriptor, Element, Error, Limits, Plan, States, Strategy, Tuning};

use crate::Scope;
use crate::data::{Rate, Slots, Values, generate};

/// The limits that a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Those of the device.
    Device,
    /// Those that every WebGPU device has.
    WebGpu,
    /// Bindings of so many KiB and a grid of 3 × 3 workgroups, so that small tensors are split.
    Small {
        /// Length of a binding.
        kibibytes: u32,
    },
    /// The device's bindings, but a grid of so many workgroups along each dimension.
    Grid {
        /// Workgroups along a dimension.
        workgroups: u32,
    },
}

impl Profile {
    /// The limits, given those of the device.
    #[must_use]
    pub fn limits(self, device: &Limits) -> Limits {
        match self {
            Self::Device => device.clone(),
            Self::WebGpu => Limits {
                // A device in the WebGPU sense has these; OpenGL may have less.
                max_buffer_size: device.max_buffer_size.min(Limits::default().max_buffer_size),
                max_storage_buffer_binding_size: device
                    .max_storage_buffer_binding_size
                    .min(Limits::default().max_storage_buffer_binding_size),
                ..Limits::default()
            },
            Self::Small { kibibytes } => Limits {
                max_storage_buffer_binding_size: u64::from(kibibytes) << 10,
                max_compute_workgroups_per_dimension: 3,
                ..Limits::default()
            },
            Self::Grid { workgroups } => Limits { max_compute_workgroups_per_dimension: workgroups, ..device.clone() },
        }
    }
}

/// The seed follows from the name, so that a case has the same data wherever it stands in the list.
pub(crate) fn name_seed(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Whether a quick run leaves a case out: it has one in so many of `f32`, and one in so many of 16 bits, as the hash of the name says.
pub(crate) fn is_left_out(scope: Scope, element: Element, hash: u64, [singles, halves]: [u64; 2]) -> bool {
    let one_in = if element == Element::F32 { singles } else { halves };
    scope == Scope::Quick && !(hash >> 20).is_multiple_of(one_in)
}

/// The tuning with walks of one kind: mostly those of the adapter, else of other steps loaded at once, with a tree above tiles or
/// without. It follows from a hash of the case's name, so that all kinds come up, and a case has the same one wherever it
/// stands in the list.
pub(crate) fn walked(tuning: &Tuning, hash: u64) -> Tuning {
    let (steps_ahead, look_back_tiles) = match (hash >> 32) % 8 {
        0 => (4, 64),
        1 => (1, 0),
        2 => (3, 0),
        _ => (tuning.steps_ahead, tuning.look_back_tiles),
    };
    Tuning { steps_ahead, look_back_tiles, ..tuning.clone() }
}

/// One line of the conformance table.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Names the case; reruns it alone.
    pub name: String,
    /// What is computed.
    pub descriptor: Descriptor,
    /// How often candidates leave their region.
    pub rate: Rate,
    /// Which values the inputs have.
    pub values: Values,
    /// Seed of the data.
    pub seed: u64,
    /// Limits of the plan.
    pub profile: Profile,
    /// The strategy; `None` lets the plan choose.
    pub strategy: Option<Strategy>,
    /// The widest vectors; `None` leaves it to the tuning.
    pub vector_width: Option<u32>,
    /// Steps of a tile; `None` leaves it to the tuning.
    pub tile_steps: Option<u32>,
    /// Steps loaded at once; `None` leaves it to the hash of the name.
    pub steps_ahead: Option<u32>,
    /// How buffers are declared.
    pub access: Access,
    /// Time is cut here, each piece run by a plan of its own that takes up the state of the one before.
    pub cuts: Vec<u64>,
}

impl Case {
    /// A case of plain numbers under the device's limits.
    #[must_use]
    pub fn new(name: impl Into<String>, descriptor: Descriptor, rate: Rate) -> Self {
        let name = name.into();
        let seed = name_seed(&name);
        Self {
            name,
            descriptor,
            rate,
            values: Values::Plain,
            seed,
            profile: Profile::Device,
            strategy: None,
            vector_width: None,
            tile_steps: None,
            steps_ahead: None,
            access: Access::Declared,
            cuts: Vec::new(),
        }
    }

    /// The inputs.
    #[must_use]
    pub fn data(&self) -> Slots {
        generate(&self.descriptor, self.rate, self.values, self.seed)
    }

    /// The plan of a descriptor for a device.
    ///
    /// # Errors
    /// As [`Descriptor::forward`].
    pub fn plan(&self, descriptor: &Descriptor, device: &Limits, tuning: &Tuning) -> Result<Plan, Error> {
        descriptor.forward(&self.profile.limits(device), &self.tuning(tuning))
    }

    /// The plan that unpacks what the case packs, if it does.
    ///
    /// # Errors
    /// As [`Descriptor::unpack`].
    pub fn unpacking(&self, device: &Limits, tuning: &Tuning) -> Result<Option<Plan>, Error> {
        let packs = self.descriptor.states_kind() != States::Numbers;
        packs.then(|| self.descriptor.unpack(&self.profile.limits(device), &self.tuning(tuning))).transpose()
    }

    fn tuning(&self, tuning: &Tuning) -> Tuning {
        let walked = walked(tuning, name_seed(&self.name));
        Tuning {
            strategy: self.strategy,
            max_vector_width: self.vector_width.unwrap_or(tuning.max_vector_width),
            tile_steps: self.tile_steps.unwrap_or(tuning.tile_steps),
            steps_ahead: self.steps_ahead.unwrap_or(walked.steps_ahead),
            access: self.access,
            ..walked
        }
    }

    /// The plans of all its pieces, and of what unpacks their states.
    ///
    /// # Errors
    /// As [`Descriptor::forward`].
    pub fn plans(&self, device: &Limits, tuning: &Tuning) -> Result<Vec<Plan>, Error> {
        let pieces = crate::runner::pieces(self);
        let unpacking = self.unpacking(device, tuning).transpose();
        pieces.iter().map(|piece| self.plan(piece, device, tuning)).chain(unpacking).collect()
    }
}
