//! The conformance suite: cases with their data, and a runner that compares a device with the oracle bit for bit.
//!
//! Chain of trust: hand-made tables (`tests/cpu`) hold the oracle; the oracle holds every adapter, here.
//!
//! - [`matrix()`] and others: the cases, each with a name that reruns it alone; [`AnyCase`]: one of any kind
//! - [`data`]: inputs in which a lost, doubled or swapped element shows
//! - [`Runner`]: one device; poisons what it does not upload and compares whole buffers, what must not be touched included.
//!   Async underneath, for browsers; `new`, `run` and `run_backward` block
//! - [`portable`]: the same cases for hosts that know nothing of this library
//! - [`Tally`]: what came of many cases; `run_on`: of all of them on an adapter, on several threads
//! - [`adapters`]: which adapters there are, and which must be

pub mod adapters;
mod allowed;
mod any_case;
pub mod backward;
mod backward_matrix;
#[cfg(not(target_family = "wasm"))]
mod blocking;
mod bound;
mod case;
mod channels;
pub mod data;
mod family;
mod folds;
mod health;
mod image;
mod in_place;
mod matrix;
mod numbers;
mod packed;
mod pairs;
mod pairwise;
pub mod portable;
mod relaxed;
mod runner;
mod scaled;
mod sequences;
mod state_bound;
mod suite;
mod sum_bound;
mod summaries;
mod trial;

pub use allowed::{Allowed, allowed, quiet};
pub use any_case::AnyCase;
pub use backward::{BackwardCase, BackwardOutcome};
pub use backward_matrix::{backward_matrix, surrogate_kinds};
pub use bound::{bounds, rounding};
pub use case::{Case, Profile};
pub use channels::broadcast;
pub use family::SURROGATES;
pub use health::{HealthCase, health_matrix};
pub use matrix::{Scope, matrix};
pub use portable::Portable;
pub use runner::{Outcome, Runner};
pub use suite::Tally;
#[cfg(not(target_family = "wasm"))]
pub use suite::run_on;
pub use trial::{Trial, TrialOutcome};
