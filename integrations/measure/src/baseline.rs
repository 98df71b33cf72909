//! Baselines: what criterion estimated in several processes, and what became faster or slower since.
//!
//! A baseline is a folder with one folder for each process, each of them a `CRITERION_HOME`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Error, Quartiles};

/// So much slower than before is a failure.
pub const LIMIT: f64 = 1.1;

/// Nanoseconds of a run of every benchmark, by its id: medians over the processes of the medians in each.
pub type Baseline = BTreeMap<String, f64>;

/// A benchmark, before and now.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its id: group and row.
    pub id: String,
    /// Nanoseconds before.
    pub before: f64,
    /// Nanoseconds now.
    pub now: f64,
}

impl Change {
    /// Time now in units of the time before.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.now / self.before
    }

    /// Whether this is a failure. Ceilings are not: they tell how the host is.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.ratio() > LIMIT && self.id.rsplit('/').next().is_some_and(|row| row.starts_with("bmru"))
    }
}

/// Reads a baseline.
///
/// # Errors
/// [`Error::Baseline`] if there is none, or a file is not criterion's.
pub fn read(folder: &Path) -> Result<Baseline, Error> {
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut rest = vec![folder.to_owned()];
    while let Some(folder) = rest.pop() {
        let refused = |error: std::io::Error| refuse(&folder, error);
        for entry in std::fs::read_dir(&folder).map_err(refused)? {
            let path = entry.map_err(refused)?.path();
            if path.is_dir() {
                rest.push(path);
            } else if path.ends_with("new/estimates.json") {
                let id = json(&path.with_file_name("benchmark.json"))?["full_id"].as_str().map(str::to_owned);
                let median = json(&path)?["median"]["point_estimate"].as_f64();
                let (Some(id), Some(median)) = (id, median) else {
                    return Err(refuse(&path, "no median, or no id beside it"));
                };
                times.entry(id).or_default().push(median);
            }
        }
    }
    if times.is_empty() {
        return Err(refuse(folder, "no estimates"));
    }
    Ok(times.into_iter().map(|(id, times)| (id, Quartiles::of(times).median)).collect())
}

/// What both have, in the order of ids.
#[must_use]
pub fn changes(before: &Baseline, now: &Baseline) -> Vec<Change> {
    let change = |(id, &before): (&String, &f64)| Some(Change { id: id.clone(), before, now: *now.get(id)? });
    before.iter().filter_map(change).collect()
}

/// The ids that only the first has.
pub fn only<'a>(first: &'a Baseline, second: &'a Baseline) -> impl Iterator<Item = &'a str> {
    first.keys().filter(|id| !second.contains_key(*id)).map(String::as_str)
}

fn json(path: &PathBuf) -> Result<Value, Error> {
    let text = std::fs::read(path).map_err(|error| refuse(path, error))?;
    serde_json::from_slice(&text).map_err(|error| refuse(path, error))
}

fn refuse(path: &Path, message: impl ToString) -> Error {
    Error::Baseline { path: path.display().to_string(), message: message.to_string() }
}

#[cfg(test)]
mod tests {
    use super::{Baseline, changes, only};

    #[test]
    fn only_the_library_fails() {
        let baseline = |[stream, bmru, saves]: [f64; 3]| {
            let ids = ["f/1x1x1/element/stream", "f/1x1x1/element/bmru", "f/1x1x1/element/bmru saves"];
            ids.map(str::to_owned).into_iter().zip([stream, bmru, saves]).collect::<Baseline>()
        };
        let changes = changes(&baseline([1.0, 100.0, 100.0]), &baseline([2.0, 109.0, 111.0]));
        let failing: Vec<_> = changes.iter().filter(|change| change.fails()).map(|change| &change.id[..]).collect();
        assert_eq!(failing, ["f/1x1x1/element/bmru saves"]);
    }

    #[test]
    fn what_one_lacks_is_told_apart() {
        let before: Baseline = [("a".to_owned(), 1.0), ("b".to_owned(), 1.0)].into();
        let now: Baseline = [("b".to_owned(), 1.0), ("c".to_owned(), 1.0)].into();
        assert_eq!(changes(&before, &now).len(), 1);
        assert_eq!((only(&before, &now).collect::<Vec<_>>(), only(&now, &before).collect::<Vec<_>>()), (vec!["a"], vec!["c"]));
    }
}
