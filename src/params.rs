//! The parameters of a dispatch: twins of the structs in `shaders/params.wgsl`, held together by a test.

use bytemuck::{Pod, Zeroable};

/// A view as shaders see it: indices and strides in vectors, relative to the binding.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct ViewParams {
    /// Index of the first element of the box.
    pub offset: u32,
    /// Stride along the batch: of a vector of several rows, if it has any, but of one row of what is saved.
    pub batch: u32,
    /// Stride along time; modulo 2^32, so that it can lead down.
    pub time: u32,
    /// Stride along the channels.
    pub channel: u32,
}

/// Parameters of one dispatch. The binding ends after the views that its variant has.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct Params {
    /// Batch rows of the part, in vectors of [`Variant::vector_rows`](crate::Variant::vector_rows).
    pub batch: u32,
    /// Time steps of the part; in the tree, nodes of the level below.
    pub steps: u32,
    /// Vectors of channels of the part.
    pub channels: u32,
    /// Tiles of the part; in the tree, nodes of the level.
    pub nodes: u32,
    /// Workgroups along the first dimension of the grid.
    pub grid_width: u32,
    /// Time steps of a tile.
    pub tile_steps: u32,
    /// Time step at which the part begins; where what lies behind tiles is reduced, the steps of a tile.
    pub time_origin: u32,
    /// Time steps of the whole.
    pub time_total: u32,
    /// Invocations for one row of channels: each takes a band of [`Variant::band`](crate::Variant::band) vectors, a
    /// workgroup apart.
    pub bands: u32,
    /// Batch rows that an invocation takes, one vector of them after the other.
    pub rows: u32,
    /// Invocations that have work.
    pub items: u32,
    /// `ε` of relaxed units.
    pub epsilon: f32,
    /// Height and scale of the gate's surrogate, then of the sign's.
    pub surrogates: [f32; 4],
    /// Steps for which a forward fill holds a value, where it has a limit.
    pub limit: i32,
    /// The pattern that follows.
    pub beyond: u32,
    /// Views lie at multiples of 16 bytes.
    pub padding: [u32; 2],
    /// The operands of the variant, in order.
    pub views: [ViewParams; Params::MAX_VIEWS],
}

impl Params {
    /// Operands that a variant can have at most.
    pub const MAX_VIEWS: usize = 16;
    /// Bytes that a variant with so many operands declares.
    #[must_use]
    pub const fn bytes(views: usize) -> usize {
        Self::HEADER_BYTES + views * size_of::<ViewParams>()
    }

    /// Bytes before the views.
    pub const HEADER_BYTES: usize = 80;
}
