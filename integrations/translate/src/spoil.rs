//! Translations broken on purpose, so that a checker that sees nothing is found out.

use std::fs;
use std::path::Path;

use crate::{Failure, files};

/// In both languages a function that names what is not there.
const NAMELESS: &str = "\nuint broken() { return not_declared; }\n";

/// Breaks the first file of each language.
pub fn all(out: &Path, broken: &Path) -> Result<(), Failure> {
    fs::create_dir_all(broken)?;
    let first = |language: &str, extension: &str| {
        let files = files(&out.join(language), extension)?;
        files.into_iter().next().ok_or_else(|| Failure::from(format!("{} has no {language}", out.display())))
    };
    for (language, extension) in [("hlsl_6_5", "hlsl"), ("glsl", "comp")] {
        let text = fs::read_to_string(first(language, extension)?)?;
        fs::write(broken.join("broken").with_extension(extension), text + NAMELESS)?;
    }
    let words = fs::read(first("spv", "spv")?)?;
    fs::write(broken.join("broken.spv"), spoilt(&words)?)?;
    Ok(())
}

/// The module with its first addition of integers made one of floats, whose operands still are integers.
fn spoilt(module: &[u8]) -> Result<Vec<u8>, Failure> {
    const HEADER_WORDS: usize = 5;
    const INTEGER_ADDITION: u32 = 128;
    const FLOAT_ADDITION: u32 = 129;
    let mut words: Vec<u32> = module.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("of 4"))).collect();
    let mut at = HEADER_WORDS;
    while let Some(&word) = words.get(at) {
        // The upper half is the length of the instruction, the lower its code.
        if word & 0xffff == INTEGER_ADDITION {
            words[at] = word & 0xffff_0000 | FLOAT_ADDITION;
            return Ok(words.into_iter().flat_map(u32::to_le_bytes).collect());
        }
        at += (word >> 16).max(1) as usize;
    }
    Err("no addition of integers to spoil".into())
}
