//! Writes what other hosts and other compilers need to check this library without it.
//!
//! `cargo run --release --example export -- [--quick] [--case SUBSTRING] [--every N] [--tuning KIND] [--out FILE]`: the conformance matrix
//! as plans, in the format of `format.rs`, to a file or to standard output. `integrations/dawn/plans.mjs` runs it.
//!
//! `cargo run --release --example export -- --shaders DIRECTORY [--quick] [--tuning KIND]`: every distinct shader of the matrix
//! under all tunings, or one, and all accesses, a file each. `scripts/shaders.sh` gives them to other compilers.
//!
//! Needs no adapter: plans are made for the limits that every WebGPU device has.

mod format;
mod shaders;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bmru::{Limits, Tuning};
use bmru_conformance::{AnyCase, Scope};
use clap::{Parser, ValueEnum};

/// Plans with their data for hosts that are not this library, or shaders for compilers that are not naga.
#[derive(Parser)]
struct Options {
    /// Fewer sizes.
    #[arg(long)]
    quick: bool,
    /// Only the case of this name, or, if there is none, cases whose names contain it.
    #[arg(long, value_name = "SUBSTRING", default_value = "")]
    case: String,
    /// Only one case in so many, those that their seed picks.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// The kind of adapter that plans suit; no result depends on it. Without it plans suit software adapters, and shaders are those
    /// of all kinds.
    #[arg(long, value_enum)]
    tuning: Option<Kind>,
    /// Write the plans to this file and not to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write shaders to this directory, and no plans.
    #[arg(long, value_name = "DIRECTORY", conflicts_with_all = ["case", "every", "out"])]
    shaders: Option<PathBuf>,
}

/// A kind of adapter.
#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Software,
    Mesa22,
    Mesa25,
    Integrated,
    Discrete,
}

impl Kind {
    fn tuning(self) -> Tuning {
        match self {
            Self::Software => Tuning::software(),
            Self::Mesa22 => Tuning::mesa_22(),
            Self::Mesa25 => Tuning::mesa_25(),
            Self::Integrated => Tuning::integrated(),
            Self::Discrete => Tuning::discrete(),
        }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let scope = if options.quick { Scope::Quick } else { Scope::Full };
    let written = match &options.shaders {
        Some(directory) => {
            let kinds = options.tuning.map_or(Kind::value_variants().to_vec(), |kind| vec![kind]);
            shaders(scope, &kinds, directory)
        }
        None => plans(scope, &options),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

type Failure = Box<dyn std::error::Error>;

fn plans(scope: Scope, options: &Options) -> Result<(), Failure> {
    let mut cases = AnyCase::named(scope, &options.case);
    cases.retain(|case| case.is_in_share(options.every, 0));
    if cases.is_empty() {
        return Err(format!("no case matches {:?}", options.case).into());
    }
    let mut out: Box<dyn Write> = match &options.out {
        Some(path) => Box::new(BufWriter::new(File::create(path).map_err(|error| format!("{}: {error}", path.display()))?)),
        None => Box::new(BufWriter::new(io::stdout().lock())),
    };
    format::write_head(&mut out, cases.len())?;
    let (limits, tuning) = (Limits::default(), options.tuning.unwrap_or(Kind::Software).tuning());
    // One after the other, so that never more than one case is in memory.
    for case in cases {
        let portable = case.portable(&limits, &tuning).map_err(|error| format!("{}: {error}", case.name()))?;
        format::write_case(&mut out, &portable)?;
    }
    Ok(out.flush()?)
}

fn shaders(scope: Scope, kinds: &[Kind], directory: &Path) -> Result<(), Failure> {
    if directory.exists() {
        // What an earlier version had is not what this one has.
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "wgsl") {
                std::fs::remove_file(path)?;
            }
        }
    }
    std::fs::create_dir_all(directory)?;
    let tunings: Vec<Tuning> = kinds.iter().map(|kind| kind.tuning()).collect();
    let texts = shaders::texts(scope, &tunings)?;
    for (name, text) in &texts {
        std::fs::write(directory.join(name), text)?;
    }
    eprintln!("{} distinct shaders", texts.len());
    Ok(())
}
