//! Rows in turn: what disturbs the host disturbs all of them, so their ratios hold where the times do not.

use std::time::Duration;

#[cfg(not(target_family = "wasm"))]
pub use crate::blocking::interleaved;
use crate::{Device, Effort, Error, Work};

/// The middle half of some numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quartiles {
    /// A quarter of the numbers lie below.
    pub low: f64,
    /// Half of them do.
    pub median: f64,
    /// Three quarters do.
    pub high: f64,
}

impl Quartiles {
    /// Of some numbers, interpolated between neighbours.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn of(mut numbers: Vec<f64>) -> Self {
        assert!(!numbers.is_empty(), "there are numbers");
        numbers.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (numbers.len() - 1) as f64;
            let (below, above) = (numbers[place.floor() as usize], numbers[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }

    /// The range of the middle half, as a share of the median.
    #[must_use]
    pub fn spread(self) -> f64 {
        (self.high - self.low) / self.median
    }
}

/// A row: the work, and the bytes of one run.
pub type Timed<'a> = (&'a Work, u64);

/// Bytes per second of every row in every round. A round begins with another row each time.
///
/// # Errors
/// If the device does not end.
pub async fn interleaved_async(device: &Device, rows: &[Timed<'_>]) -> Result<Vec<Vec<f64>>, Error> {
    let (rounds, least) = match device.effort() {
        Effort::Check => (1, Duration::ZERO),
        Effort::Quick => (3, Duration::from_millis(5)),
        // Long enough that a submission does not count. A browser's clock is coarse, and it tells of the end late.
        Effort::Full if cfg!(target_family = "wasm") => (7, Duration::from_millis(100)),
        Effort::Full => (11, Duration::from_millis(25)),
    };
    let mut runs = Vec::new();
    for (work, _) in rows {
        // Warm-up: the first run of some drivers compiles.
        device.time_async(1, work).await?;
        runs.push(enough(device, work, least).await?);
    }
    let mut rates = vec![Vec::new(); rows.len()];
    for round in 0..rounds {
        for place in 0..rows.len() {
            let at = (round + place) % rows.len();
            let (work, bytes) = rows[at];
            let took = device.time_async(runs[at], work).await?.as_secs_f64();
            rates[at].push((bytes * runs[at]) as f64 / took.max(1e-9));
        }
    }
    Ok(rates)
}

/// So many runs that a sample takes about `least`. What a single one takes may mostly be its submission.
async fn enough(device: &Device, work: &Work, least: Duration) -> Result<u64, Error> {
    let (mut runs, least) = (1, least.as_secs_f64());
    loop {
        let took = device.time_async(runs, work).await?.as_secs_f64();
        if took >= 0.8 * least || runs == Device::MAX_RUNS {
            return Ok(runs);
        }
        runs = ((runs as f64 * least / took.max(1e-9)).ceil() as u64).clamp(runs + 1, Device::MAX_RUNS);
    }
}

/// The ratios of two rows, round by round.
#[must_use]
pub fn ratios(rates: &[f64], of: &[f64]) -> Quartiles {
    Quartiles::of(rates.iter().zip(of).map(|(rate, of)| rate / of).collect())
}

/// The ratio of two rows in units of that of two others, round by round.
#[must_use]
pub fn quotients([rates, of]: [&[f64]; 2], [other_rates, other_of]: [&[f64]; 2]) -> Quartiles {
    let shares = |rates: &[f64], of: &[f64]| -> Vec<f64> { rates.iter().zip(of).map(|(rate, of)| rate / of).collect() };
    ratios(&shares(rates, of), &shares(other_rates, other_of))
}

#[cfg(test)]
mod tests {
    use super::{Quartiles, quotients, ratios};

    #[test]
    fn quartiles_by_hand() {
        let of = Quartiles::of(vec![5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!(of, Quartiles { low: 2.0, median: 3.0, high: 4.0 });
        assert_eq!(of.spread(), 2.0 / 3.0);
        assert_eq!(Quartiles::of(vec![1.0, 2.0]), Quartiles { low: 1.25, median: 1.5, high: 1.75 });
        assert_eq!(Quartiles::of(vec![7.0]).spread(), 0.0);
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        // The host slows down by 2 from round to round: the ratio stays.
        assert_eq!(ratios(&[8.0, 4.0, 2.0], &[16.0, 8.0, 4.0]), Quartiles { low: 0.5, median: 0.5, high: 0.5 });
    }

    #[test]
    fn quotients_are_of_the_same_round() {
        // Shares of 1/2 and 1/4, though each pair slows down when it likes.
        let of = quotients([&[8.0, 4.0, 2.0], &[16.0, 8.0, 4.0]], [&[1.0, 2.0, 4.0], &[4.0, 8.0, 16.0]]);
        assert_eq!(of, Quartiles { low: 2.0, median: 2.0, high: 2.0 });
    }
}
