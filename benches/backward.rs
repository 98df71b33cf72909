//! The backward pass beside its ceilings: `cargo bench --bench backward`.
//!
//! Row `bmru`: the library, as the plan for this adapter chooses, from codes that its own forward pass saved. The ideal traffic
//! is 20.25 bytes per element with thresholds per element and 12.25 per channel: candidates, thresholds, incoming gradients
//! and codes are read, the gradients of candidates and thresholds written. `common/mod.rs` tells what a group is, and what
//! it compares.

mod common;

fn main() {
    common::bench(bmru::Direction::Backward);
}
