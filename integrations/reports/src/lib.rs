//! What a GPU does with bmru, as a file that people send.
//!
//! - [`Report`]: one adapter in one host on one day, as JSON; [`Report::from_json`] says what is wrong with a file
//! - [`folder`]: `docs/gpus/`, all reports and the table made of them
//!
//! Knows neither wgpu nor the library, so that a page in a browser and runners of other hosts write the same file.

pub mod folder;
mod roofline;
mod table;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use roofline::{Roofline, RooflineRow};
pub use table::table;

/// One adapter in one host on one day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`Report::SCHEMA`].
    pub schema: u32,
    /// The day, as in `2026-11-25`.
    pub date: Date,
    /// The commit of bmru that ran, with `-dirty` behind it if files were changed.
    pub commit: String,
    /// Whose implementation of WebGPU ran the plans, and where: `wgpu 30.0.2, linux x86_64`.
    pub host: String,
    /// What the host says about the adapter.
    pub adapter: Adapter,
    /// What came of the cases.
    pub conformance: Conformance,
    /// What came of the measurements; `null` where nothing was measured.
    #[serde(deserialize_with = "Option::deserialize")]
    pub roofline: Option<Roofline>,
}

/// An adapter. What a host does not tell is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adapter {
    /// Its name.
    pub name: String,
    /// The interface below: Vulkan, Metal, Dx12, Gl, or `BrowserWebGpu`.
    pub backend: String,
    /// The driver.
    pub driver: String,
    /// The driver's version.
    pub driver_info: String,
}

/// What came of the cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conformance {
    /// Cases that ran: forward, backward, and of health, which older files do not have.
    pub cases: u64,
    /// Those that failed, for whatever reason.
    pub failures: u64,
    /// Bits of all words of the cases forward and of health that differ from the oracle's, in what must not be touched, too.
    pub forward_wrong_bits: u64,
    /// The largest error of a gradient, as a share of its derived bound. `null` where no gradient was compared, or where one was
    /// not finite, which is a failure.
    #[serde(deserialize_with = "Option::deserialize")]
    pub backward_worst_bound_ratio: Option<f64>,
}

/// What is wrong with a report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not JSON, a field is missing or unknown, or of another type.
    #[error("not a report of schema {expected}: {actual}")]
    Malformed {
        /// The schema.
        expected: u32,
        /// What was found, and where.
        actual: serde_json::Error,
    },
    /// A schema that this version does not know.
    #[error("the report has schema {actual}, expected {expected}")]
    UnknownSchema {
        /// The schema that is known.
        expected: u32,
        /// What came; `none` where there is no number.
        actual: String,
    },
    /// Fields that contradict each other, or a field that cannot be what it is.
    #[error("{field} is {actual}, expected {expected}")]
    Contradiction {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: String,
        /// What came.
        actual: String,
    },
    /// A file or folder cannot be read or written.
    #[error("{path}: {actual}")]
    File {
        /// The file.
        path: String,
        /// What the system says.
        actual: std::io::Error,
    },
    /// One file of several is no report.
    #[error("{path}: {reason}")]
    In {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: Box<Error>,
    },
}

impl Report {
    /// The version of this schema.
    pub const SCHEMA: u32 = 1;

    /// Reads a report and checks it.
    ///
    /// # Errors
    /// [`Error::UnknownSchema`] before anything else, then [`Error::Malformed`] and [`Error::Contradiction`].
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let malformed = |actual| Error::Malformed { expected: Self::SCHEMA, actual };
        let value: serde_json::Value = serde_json::from_str(text).map_err(malformed)?;
        let schema = value.get("schema");
        if schema.and_then(serde_json::Value::as_u64) != Some(Self::SCHEMA.into()) {
            let actual = schema.map_or("none".to_owned(), ToString::to_string);
            return Err(Error::UnknownSchema { expected: Self::SCHEMA, actual });
        }
        // From the text again, so that an error tells its line.
        let report: Self = serde_json::from_str(text).map_err(malformed)?;
        report.check()?;
        Ok(report)
    }

    /// The file's contents.
    ///
    /// # Errors
    /// [`Error::Contradiction`]: what is written can be read.
    pub fn to_json(&self) -> Result<String, Error> {
        self.check()?;
        let text = serde_json::to_string_pretty(self).map_err(|actual| Error::Malformed { expected: Self::SCHEMA, actual })?;
        Ok(text + "\n")
    }

    /// Whether every case passed.
    #[must_use]
    pub fn conforms(&self) -> bool {
        self.conformance.failures == 0
    }

    fn check(&self) -> Result<(), Error> {
        let Conformance { cases, failures, forward_wrong_bits, backward_worst_bound_ratio: ratio } = self.conformance;
        let contradiction =
            |field, expected: &str, actual: String| Err(Error::Contradiction { field, expected: expected.to_owned(), actual });
        for (field, text) in [("commit", &self.commit), ("host", &self.host), ("adapter.backend", &self.adapter.backend)] {
            if text.trim().is_empty() {
                return contradiction(field, "some text", "empty".to_owned());
            }
        }
        if cases == 0 {
            return contradiction("conformance.cases", "at least 1", "0".to_owned());
        }
        if failures > cases {
            return contradiction("conformance.failures", &format!("at most {cases}, the cases"), failures.to_string());
        }
        if failures == 0 && forward_wrong_bits > 0 {
            return contradiction("conformance.forward_wrong_bits", "0 where nothing failed", forward_wrong_bits.to_string());
        }
        match ratio {
            Some(ratio) if !ratio.is_finite() || ratio < 0.0 => {
                contradiction("conformance.backward_worst_bound_ratio", "null, or from 0 up", ratio.to_string())
            }
            Some(ratio) if failures == 0 && ratio > 1.0 => {
                contradiction("conformance.backward_worst_bound_ratio", "at most 1 where nothing failed", ratio.to_string())
            }
            _ => Ok(()),
        }
    }
}
