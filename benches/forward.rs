//! The forward pass beside its ceilings: `cargo bench --bench forward`.
//!
//! Rows `bmru` and `bmru saves`: the library, without and with codes for a backward pass, as the plan for this adapter chooses.
//! The ideal traffic is 12 bytes per element with thresholds per element and 8 per channel, a quarter byte more with codes.
//! `common/mod.rs` tells what a group is, and what it compares.

mod common;

fn main() {
    common::bench(bmru::Direction::Forward);
}
