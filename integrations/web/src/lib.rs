//! The crate in a browser: what the page of `page/` calls.
//!
//! - [`Engine`]: the visitor's GPU
//! - [`Trace`]: one signal on it, bound once and run again whenever a threshold or an amplitude moves
//! - [`signals`]: signals to look at; [`table`]: the visitor's own
//! - [`Suite`]: conformance and roofline, a step at a time, so that the page can show how far it is and stop
//! - [`report`]: what comes of a suite, as JSON and as text
//!
//! Everything but what touches the GPU runs, and is tested, natively too.

mod engine;
pub mod report;
pub mod signals;
mod suite;
pub mod table;
mod trace;

pub use engine::Engine;
pub use suite::{Extent, Suite, Written};
pub use trace::{Scan, Trace, loop_states};

use wasm_bindgen::prelude::wasm_bindgen;

/// Panics go to the console with their words. They are this library's own bugs.
#[wasm_bindgen(start)]
pub fn start() {
    #[cfg(target_family = "wasm")]
    console_error_panic_hook::set_once();
}
