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
    rows
}

/// The choices of every two axes.
fn pairs(row: &[usize]) -> impl Iterator<Item = [(usize, usize); 2]> {
    (0..row.len()).flat_map(move |second| (0..second).map(move |first| [(first, row[first]), (second, row[second])]))
}
