//! GPU kernels for memory recurrent units.
#[cfg(feature = "wgpu")]
mod bind;
mod descriptor;
mod error;
#[cfg(feature = "host")]
pub mod host;
#[cfg(feature = "wgpu")]
mod kernels;
mod limits;
pub mod oracle;
mod params;
mod plan;
#[cfg(feature = "wgpu")]
mod record;
mod saved;
mod shader;
mod shape;
mod unit;
#[cfg(feature = "wgpu")]
pub use bind::{BufferRange, Buffers};
pub use descriptor::Descriptor;
pub use error::Error;
#[cfg(feature = "wgpu")]
pub use kernels::Kernels;
pub use limits::{Access, Limits, Tuning};
pub use oracle::{Inputs, Outputs};
pub use params::{Params, ViewParams};
pub use plan::{Binding, Dispatch, Plan, Strategy, Traffic};
#[cfg(feature = "wgpu")]
pub use record::{Bound, BoundDispatch};
pub use saved::SavedLayout;
pub use shader::{BindingAccess, Stage, Variant};
pub use shape::{Layout, MAX_AXIS, Operand, Shape, Slot, Strides, View};
pub use unit::{Boundary, FinalState, InitialState, Save, Threshold};
#[cfg(feature = "wgpu")]
pub use wgpu;
