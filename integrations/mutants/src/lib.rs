//! Mutants of the shaders: each is one file changed in one place, and dead if the conformance suite sees it.
//!
//! - [`token`]: WGSL as tokens
//! - [`operators`]: all changes of a file, as a [`Mutant`] each
//! - [`suite`]: the quick matrix, and which of its cases have which file in their shaders
//! - [`mod@code`]: what a shader does, as far as its constants decide it: cases to which a change makes no difference need no run
//! - [`device`]: a host that runs cases with one file exchanged
//! - [`trial`]: a mutant against all cases that could see it
//! - [`pool`]: trials in processes of their own, because a mutant may never end
//! - [`equivalent`]: mutants that compute the same, with reasons
//! - [`mod@report`]: what came of many
//!
//! Chain of trust: a trial begins with the suite as it is, which must pass. `tests/planted.rs` has mutants that must die, and some that
//! must not.

pub mod code;
pub mod device;
pub mod equivalent;
pub mod mutant;
pub mod operators;
pub mod pool;
pub mod report;
pub mod suite;
pub mod token;
pub mod trial;

use std::path::{Path, PathBuf};

pub use mutant::{Mutant, Operator, Source};

/// The directory of the shaders.
#[must_use]
pub fn shaders() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shaders")
}

/// All shader files, by name.
///
/// # Errors
/// If one cannot be read.
pub fn sources() -> std::io::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(shaders())? {
        let path = entry?.path();
        if let (Some("wgsl"), Some(name)) =
            (path.extension().and_then(|it| it.to_str()), path.file_stem().and_then(|it| it.to_str()))
        {
            sources.push(Source { name: name.to_owned(), text: std::fs::read_to_string(&path)? });
        }
    }
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(sources)
}
