//! What was found once: every run repeats it first. Kept as text, a line each, with what it was behind a `#`.

use crate::differential::Name;

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|line| !line.is_empty())
}

/// Inputs of [`plan::run`](crate::plan::run), in hexadecimal digits.
///
/// # Panics
/// If the file is not what it shall be.
pub fn plan() -> impl Iterator<Item = Vec<u8>> {
    lines(include_str!("../regressions/plan.txt")).map(|line| bytes(line).expect("pairs of hexadecimal digits"))
}

/// Cases of [`differential`](crate::differential).
///
/// # Panics
/// If the file is not what it shall be.
pub fn differential() -> impl Iterator<Item = Name> {
    lines(include_str!("../regressions/differential.txt")).map(|line| line.parse().expect("RECIPE:CASE"))
}

/// Bytes from hexadecimal digits.
#[must_use]
pub fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pair = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(pair).collect()
}

/// Hexadecimal digits from bytes.
#[must_use]
pub fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
