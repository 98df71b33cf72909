//! Pairwise sampling: few rows of choices in which every two choices of different axes meet.

/// Rows with one choice for each axis, given how many each axis has. Every pair of choices for which `possible` holds in some
/// row that was tried is in one of them. The same rows for the same seed, on machines of 32 bits, too: no `usize` is drawn.
pub(crate) fn rows(axes: &[usize], seed: u64, possible: impl Fn(&[usize]) -> bool) -> Vec<Vec<usize>> {
    // The best of so many random rows is taken, and so many rounds without a new pair end the search.
    const TRIES: usize = 60;
    const PATIENCE: usize = 40;
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut met = std::collections::HashSet::new();
    let mut rows = Vec::new();
    let mut idle = 0;
    while idle < PATIENCE {
        let candidates = (0..TRIES).map(|_| axes.iter().map(|&choices| rng.u64(..choices as u64) as usize).collect::<Vec<_>>());
        let fresh = |row: &Vec<usize>| pairs(row).filter(|pair| !met.contains(pair)).count();
        let best = candidates.filter(|row| possible(row)).max_by_key(fresh);
        match best {
            Some(row) if fresh(&row) > 0 => {
                met.extend(pairs(&row));
                rows.push(row);
                idle = 0;
            }
            _ => idle += 1,
        }
    }
    #[cfg(test)]
    tests::nothing_is_missed(axes, &met, possible);
    rows
}

/// The choices of every two axes.
fn pairs(row: &[usize]) -> impl Iterator<Item = [(usize, usize); 2]> {
    (0..row.len()).flat_map(move |second| (0..second).map(move |first| [(first, row[first]), (second, row[second])]))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{pairs, rows};
    use crate::{Scope, backward_matrix, health_matrix, matrix};

    /// Every pair of some possible row of many other ones has been met.
    pub fn nothing_is_missed(axes: &[usize], met: &HashSet<[(usize, usize); 2]>, possible: impl Fn(&[usize]) -> bool) {
        let mut rng = fastrand::Rng::with_seed(99);
        for _ in 0..50_000 {
            let row: Vec<usize> = axes.iter().map(|&choices| rng.usize(..choices)).collect();
            let missed = pairs(&row).find(|pair| !met.contains(pair)).filter(|_| possible(&row));
            assert!(missed.is_none(), "{missed:?} of {axes:?} is in no row");
        }
    }

    #[test]
    fn every_matrix_has_every_pair() {
        for scope in [Scope::Quick, Scope::Full] {
            assert!(!matrix(scope).is_empty() && !backward_matrix(scope).is_empty() && !health_matrix(scope).is_empty());
        }
    }

    #[test]
    #[should_panic(expected = "is in no row")]
    fn a_pair_that_is_missed_is_seen() {
        let axes = [3, 3];
        let few: HashSet<_> = rows(&axes, 1, |_| true).iter().skip(1).flat_map(|row| pairs(row).collect::<Vec<_>>()).collect();
        nothing_is_missed(&axes, &few, |_| true);
    }
}
