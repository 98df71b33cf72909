//! What `examples/roofline.rs` writes, and what is shown of it.

use serde::{Deserialize, Serialize};

/// Measurements of one adapter, as `examples/roofline.rs` writes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Roofline {
    /// Gigabytes per second of a copy, half of them read and half written.
    pub copy_gbps: f64,
    /// The rows.
    pub rows: Vec<RooflineRow>,
}

/// The library on one shape. Ratios are of rates in bytes of ideal traffic; `null` where the ceiling spread too much, or where
/// there is no such rival.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RooflineRow {
    /// As in `forward/4x4096x256/element/saves`.
    pub name: String,
    /// `forward` or `backward`.
    pub direction: String,
    /// The unit, as in `bmru-per-element`; older files have no other.
    #[serde(default = "bmru")]
    pub unit: String,
    /// Whether forward saves for backward.
    pub saves: bool,
    /// The type of the elements.
    pub element: String,
    /// Of the threshold: per element or per channel.
    pub threshold: String,
    /// Share of the steps that set.
    pub set_rate: f64,
    /// Batch, time, channels.
    pub shape: [u64; 3],
    /// What the plan chose.
    pub strategy: String,
    /// Billions of elements per second.
    pub gelem_per_s: f64,
    /// Ideal traffic.
    pub bytes_per_element: f64,
    /// Of the fastest streaming kernel of the same traffic: the ceiling.
    pub of_stream: Option<f64>,
    /// Of a copy.
    pub of_copy: Option<f64>,
    /// Of one invocation a channel.
    pub of_naive: Option<f64>,
    /// Of lampshade's scan.
    pub of_lampshade: Option<f64>,
    /// The middle half of the rounds.
    pub of_stream_quartiles: [f64; 2],
    /// The ceiling's own spread.
    pub stream_spread: f64,
    /// Whether it is too large for a ratio.
    pub void: bool,
    /// Whether the tensors fit the caches.
    pub measured_cache: bool,
}

fn bmru() -> String {
    "bmru".to_owned()
}

impl Roofline {
    /// The median over the rows of a direction of their shares of the ceiling, and how many rows there are. Void rows and rows
    /// in cache do not count.
    #[must_use]
    pub fn of_stream(&self, direction: &str) -> Option<(f64, usize)> {
        let counts = |row: &&RooflineRow| row.direction == direction && !row.void && !row.measured_cache;
        let mut shares: Vec<f64> = self.rows.iter().filter(counts).filter_map(|row| row.of_stream).collect();
        shares.sort_by(f64::total_cmp);
        let middle = [shares.get(shares.len().saturating_sub(1) / 2)?, shares.get(shares.len() / 2)?];
        Some(((middle[0] + middle[1]) / 2.0, shares.len()))
    }
}
