//! GPU kernels for **memory recurrent units**: recurrent networks whose state never fades, computed by a parallel scan.
//!
//! The Bistable Memory Recurrent Unit (BMRU, arXiv 2601.09495) keeps its state unless its input leaves a bistable region:
//!
//! ```text
//! h_t = α·S(c_t)   if |c_t| > |r_t|       c  candidate, the pre-activation W_x x_t + b_x
//!       h_{t−1}    otherwise              r  threshold before its absolute value, S the sign, α the amplitude
//! ```
//!
//! Beside it there are its first-quadrant form, a comparator with hysteresis; the cumulative unit, whose state is a sum; what lies
//! between them while training; amplitudes per element; and forward fill, which is the same scan without a gate: [`Unit`].
//!
//! The kernel reads candidates and thresholds and writes states; the gate is fused in. Nothing else as wide as the input ever
//! reaches memory.
//!
//! # Use
//!
//! Three verbs. **Plan** is pure: a [`Descriptor`] says what is computed, [`Limits`] and [`Tuning`] what the device is like, and
//! the [`Plan`] that comes of them names no GPU object. **Bind** checks the caller's buffers and makes bind groups. **Record**
//! puts the dispatches into the caller's encoder; it submits nothing and waits for nothing. (Outside of the module `host` one call
//! does, and only if it is asked to: `Kernels::self_check`.)
//!
#![cfg_attr(feature = "wgpu", doc = "```no_run")]
#![cfg_attr(not(feature = "wgpu"), doc = "```ignore")]
//! # fn engine(adapter: &wgpu::Adapter, device: &wgpu::Device, encoder: &mut wgpu::CommandEncoder, c: &wgpu::Buffer,
//! #           r: &wgpu::Buffer, alpha: &wgpu::Buffer, h: &wgpu::Buffer, scratch: &wgpu::Buffer) -> Result<(), bmru::Error> {
//! use bmru::{Buffers, Descriptor, Kernels, Limits, Shape, Threshold, Tuning};
//!
//! let scan = Descriptor::bmru(Shape { batch: 8, time: 4096, channels: 256 }).threshold(Threshold::PerElement);
//! let plan = scan.forward(&Limits::from(&device.limits()), &Tuning::for_adapter(&adapter.get_info()))?;
//!
//! let kernels = Kernels::new(device);
//! let buffers = Buffers::new().candidate(c).threshold(r).amplitude(alpha).states(h).scratch(scratch);
//! kernels.bind(&plan, &buffers)?.record(encoder);
//! # Ok(())
//! # }
//! ```
//!
//! For first steps there is `host` (feature `host`): slices in, slices out. The [`oracle`] is the same computation as a
//! plain loop on the CPU. Hosts other than wgpu run a plan from [`Plan::variants`] and [`Plan::dispatches`].
//!
//! # Promises
//!
//! - **Exact.** Where a state is copied, forward only compares and copies, on bit patterns: the result is bitwise equal to the
//!   [`oracle`] on every adapter, driver, strategy and set of limits. So are the counts of a cumulative unit. A state that is a sum
//!   lies within a bound that is derived ([`Descriptor::cumulative`], [`Descriptor::relaxed`]), and so do gradients. What a sum
//!   holds from the beginning has its bits, but that a compiler may make a signalling NaN quiet. NaN inputs hold, and denormals,
//!   infinities, and the payload of a NaN amplitude pass unchanged.
//! - **At the memory limit.** 12 bytes per element in one dispatch where there are enough rows `B·D`, 12.5 elsewhere, beside a look
//!   back through tiles that never set; saving for a backward pass adds a quarter of a byte, and states as bits are an eighth of one in
//!   place of 4. No atomics, no waiting between workgroups, no subgroups.
//! - **Embeddable.** The WebGPU default limits and no feature suffice, but where more than eight tensors lie apart
//!   ([`Error::TooManyBindings`] names them). Tensors longer than a binding and grids longer than 65,535 are split inside the plan. Misuse is
//!   an [`Error`] that names what was expected and what came.
//!
//! # Map
//!
//! | | |
//! |---|---|
//! | what is computed | [`Descriptor`], [`Shape`], [`View`], the options of `unit.rs`; what is carried from step to step: `carry.rs` |
//! | how | [`Plan`], [`Strategy`], [`Limits`], [`Tuning`], and the [`quirks`] of drivers; `plan/split.rs` cuts, `plan/serial.rs` and `plan/tiles.rs` lay out dispatches |
//! | shaders | [`Variant`]: a generated header and the files of `shaders/`, one for each [`Stage`] |
//! | on a device | `Kernels`, `Buffers`, `Bound`; `Kernels::self_check` asks whether the driver computes what it should |
//! | a bit for each state | [`Descriptor::states`], [`Packed`], [`Descriptor::unpack`] |
//! | what each channel did | [`Descriptor::health`], [`Health`]: set rate, flip rate, holds, and the signs of a unit that learns nothing |
//! | packed sequences, resets | [`Descriptor::sequences`], [`Sequences`] |
//! | one sequence on several devices | [`Descriptor::summarize`], [`Summary`], [`GradientSummary`] |
//! | what it must equal | [`oracle`] |
//!
//! Dependencies point one way: everything but "on a device" builds without wgpu.

#[cfg(feature = "wgpu")]
mod bind;
mod carry;
mod descriptor;
mod element;
mod error;
mod fill;
mod health;
#[cfg(feature = "host")]
pub mod host;
#[cfg(feature = "wgpu")]
mod kernels;
mod limits;
pub mod oracle;
mod packed;
mod params;
mod plan;
pub mod quirks;
#[cfg(feature = "wgpu")]
mod readback;
#[cfg(feature = "wgpu")]
mod record;
mod saved;
#[cfg(feature = "wgpu")]
mod self_check;
mod sequences;
mod shader;
mod shape;
mod summary;
mod unit;

#[cfg(feature = "wgpu")]
pub use bind::{BufferRange, Buffers};
pub use descriptor::Descriptor;
pub use element::Element;
pub use error::Error;
pub use health::{Health, HealthSign, HealthSource};
#[cfg(feature = "wgpu")]
pub use kernels::Kernels;
pub use limits::{Access, Limits, Tuning};
pub use oracle::{Gradients, IncomingGradients, Inputs, Outputs};
pub use packed::Packed;
pub use params::{Params, ViewParams};
pub use plan::{Binding, Direction, Dispatch, Plan, Strategy, Traffic};
#[cfg(feature = "wgpu")]
pub use record::{Bound, BoundDispatch};
pub use saved::SavedLayout;
pub use sequences::{Sequences, check_cu_seqlens};
pub use shader::{BindingAccess, Stage, Variant};
pub use shape::{Layout, MAX_AXIS, Operand, Shape, Slot, Strides, View};
pub use summary::{GradientSummary, HandedOn, Summary, SummaryOf};
pub use unit::{
    Amplitude, Beyond, Boundary, Counts, FinalState, Gradient, Incoming, InitialCount, InitialState, Save, States, Surrogate,
    Threshold, TimeOrder, Unit, Validity,
};
#[cfg(feature = "wgpu")]
pub use wgpu;

/// The examples of the README.
#[cfg(all(doctest, feature = "host"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// The example of the page on health.
#[cfg(all(doctest, feature = "host"))]
#[doc = include_str!("../docs/health.md")]
struct HealthPage;
