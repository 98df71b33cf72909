//! Translates WGSL files as wgpu does, and breaks translations on purpose.
//!
//! `scripts/shaders.sh` gives what this writes to compilers that are not naga. A translation prints a line for each file that
//! fails, and ends with `naga FILES FAILURES`, parted by tabs.

mod spoil;
mod translation;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

/// Shaders for other compilers.
#[derive(Parser)]
enum Command {
    /// Validates each .wgsl with naga, no capability allowed, and writes OUT/{spv,hlsl_6_5,hlsl_5_1,glsl,msl}.
    Translate {
        /// Directory with .wgsl files.
        wgsl: PathBuf,
        /// Where the translations go.
        out: PathBuf,
    },
    /// Writes, for one file of each language of OUT, a broken copy to BROKEN.
    Spoil {
        /// Directory with translations.
        out: PathBuf,
        /// Where the broken copies go.
        broken: PathBuf,
    },
}

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Translate { wgsl, out } => translation::all(&wgsl, &out),
        Command::Spoil { out, broken } => spoil::all(&out, &broken),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The files of a directory with this extension, in order.
fn files(directory: &Path, extension: &str) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new(extension)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
