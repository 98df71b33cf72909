//! What ends a measurement.

use std::time::Duration;

/// What ends a measurement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The library, or its device, refuses.
    #[error(transparent)]
    Library(#[from] bmru::Error),
    /// lampshade refuses.
    #[error("lampshade: {0}")]
    Lampshade(#[from] lampshade::Error),
    /// A result is wrong: nothing is timed.
    #[error("refusing to time {row}: {wrong} of {words} words of {what} are wrong, the first: {first}")]
    Wrong {
        /// The row.
        row: String,
        /// The tensor.
        what: String,
        /// Words that are wrong.
        wrong: usize,
        /// Words that were looked at.
        words: usize,
        /// The first wrong one.
        first: String,
    },
    /// The device takes too long.
    #[error("{runs} runs did not end in {limit:?}: {message}")]
    TimeLimit {
        /// Runs of the sample.
        runs: u64,
        /// What they were given.
        limit: Duration,
        /// What the device says.
        message: String,
    },
    /// What was measured before cannot be read.
    #[error("{path}: {message}")]
    Baseline {
        /// The file or folder.
        path: String,
        /// Why.
        message: String,
    },
}
