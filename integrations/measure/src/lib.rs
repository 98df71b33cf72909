//! Measurements of bmru, for the benches and `examples/roofline.rs`.
//!
//! - [`shapes`]: what is measured
//! - [`Device`]: the device under test, its clock, and how much of its memory a measurement walks over
//! - [`Group`]: a subject, a shape, a direction, a kind of threshold and a rate of sets; [`Prepared`], its rows: the library, the fastest
//!   streaming kernel of the same traffic, a copy, a naive loop and lampshade's scan, all on the same [`Tensors`], each checked
//!   before its clock starts
//! - [`rounds`]: rows in turn, so that what disturbs the host disturbs all of them
//! - [`Subject`]: the unit that is measured, and its elements; [`variants`]: all of them beside BMRU of `f32`
//! - [`tunings`]: several of them side by side
//! - `measure`, `sweep`, [`picture`], [`report`]: what comes of it
//!
//! What ends in `_async` runs in browsers, too; the same names without it block.
//!
//! Rates are in bytes of *ideal* traffic: every tensor once. What a strategy moves on top of that counts against it.

pub mod baseline;
#[cfg(not(target_family = "wasm"))]
mod blocking;
mod device;
mod error;
mod group;
mod kernel;
mod measure;
mod naive;
pub mod picture;
mod prefix_sum;
pub mod report;
pub mod rounds;
pub mod shapes;
mod stream;
mod subject;
#[cfg(not(target_family = "wasm"))]
pub mod sweep;
mod tensors;
pub mod tunings;
pub mod variants;
mod work;

#[cfg(not(target_family = "wasm"))]
pub use blocking::{compare, compare_tunings, copy_rate, measure};
pub use device::{Device, Effort};
pub use error::Error;
pub use group::{Group, Prepared, SetRate, ideal_bytes};
pub use measure::{Beside, Rivals, Row, copy_rate_async, measure_async};
pub use rounds::Quartiles;
pub use subject::{Measured, Subject, parse_element};
pub use tensors::{Expected, Tensors};
pub use work::{Run, Work};
