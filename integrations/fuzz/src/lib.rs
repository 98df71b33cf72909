//! Fuzzing: cases that nobody thought of.
//!
//! - [`plan`]: any bytes are read as a descriptor, limits, a tuning, and ranges of buffers. Planning them must not panic or overflow, every
//!   dispatch must stay inside its buffers by the interval checks of `tests/cpu/plan`, and binding must accept exactly
//!   what it says it accepts. No GPU is needed. The entry is the same for libFuzzer and for random bytes on a stable compiler
//! - [`differential`]: random small cases on a device, against the oracle: forward bit for bit, backward within its bound
//!
//! `docs/fuzzing.md` has the commands and figures; `regressions/` what was found, which every run repeats first.

/// Shared with `tests/cpu`, where they are held by plans of every kind and by twins of the stages.
#[path = "../../../tests/cpu/plan/checks.rs"]
#[allow(dead_code, unused_imports, reason = "some of it is for those tests alone")]
mod checks;
#[path = "../../../tests/cpu/plan/reach.rs"]
#[allow(dead_code, reason = "some of it is for those tests alone")]
mod reach;

mod additions;
mod arguments;
mod binding;
mod case;
pub mod differential;
mod placing;
pub mod plan;
mod recipe;
pub mod regressions;
