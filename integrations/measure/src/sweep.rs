//! Sweeps: the library and its ceiling, over shapes of the same number of elements. Where a shape is much slower than its
//! neighbours, a choice of strategy or of launch is wrong.
//!
//! Shapes are compared by their share of the ceiling: a sweep takes minutes, and hosts change their speed by 2 meanwhile.

use bmru::{Direction, Shape};

use crate::blocking::interleaved;
use crate::rounds::ratios;
use crate::{Device, Error, Group, Prepared, Quartiles, Subject, ideal_bytes};

/// A shape of a sweep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The shape.
    pub shape: Shape,
    /// Ideal bytes per second.
    pub rate: f64,
    /// The same in units of the ceiling's.
    pub of_stream: f64,
}

/// So much slower than the better neighbour is a cliff.
pub const CLIFF: f64 = 1.5;

/// All shapes of 2^`log2` elements whose axes are powers of two.
#[must_use]
pub fn cube(log2: u32) -> Vec<Shape> {
    let of_batch = |b: u32| (0..=log2 - b).map(move |t| Shape { batch: 1 << b, time: 1 << t, channels: 1 << (log2 - b - t) });
    (0..=log2).flat_map(of_batch).collect()
}

/// Times from 2^10 to 2^24 of 2^`log2` elements: up to 256 channels, and sequences for the rest.
#[must_use]
pub fn times(log2: u32) -> Vec<Shape> {
    let shape = |t: u32| {
        let d = (log2 - t).min(8);
        Shape { batch: 1 << (log2 - t - d), time: 1 << t, channels: 1 << d }
    };
    (10..=log2.min(24)).map(shape).collect()
}

/// Whether one of the two takes from the other along one axis, by a factor of two.
fn are_neighbours(a: Shape, b: Shape) -> bool {
    let axes = |shape: Shape| [shape.batch, shape.time, shape.channels];
    let changed = axes(a).into_iter().zip(axes(b)).filter(|(a, b)| a != b);
    changed.clone().count() <= 2 && changed.clone().count() > 0 && changed.clone().all(|(a, b)| a == 2 * b || b == 2 * a)
}

/// By how much each point is slower than the best of its neighbours, those of the list that differ by a factor of two along
/// an axis or along two against each other. Above 1 it is slower.
#[must_use]
pub fn behind(points: &[Point]) -> Vec<f64> {
    let best = |point| best_neighbour(points, point).map_or(0.0, |best| points[best].of_stream);
    points.iter().map(|point| best(point) / point.of_stream).collect()
}

fn best_neighbour(points: &[Point], point: &Point) -> Option<usize> {
    let neighbours = (0..points.len()).filter(|&other| are_neighbours(point.shape, points[other].shape));
    neighbours.max_by(|&a, &b| points[a].of_stream.total_cmp(&points[b].of_stream))
}

/// Those that are behind by a cliff, and the neighbours that they are behind.
fn doubted(points: &[Point]) -> Vec<usize> {
    let behind = behind(points).into_iter().enumerate().filter(|&(_, behind)| behind > CLIFF);
    let mut doubted: Vec<usize> = behind.flat_map(|(at, _)| [Some(at), best_neighbour(points, &points[at])]).flatten().collect();
    doubted.sort_unstable();
    doubted.dedup();
    doubted
}

/// The rate of a shape.
///
/// # Errors
/// If a plan is refused, a result is wrong, or the device does not end.
pub fn rate(device: &Device, direction: Direction, shape: Shape) -> Result<Point, Error> {
    let group = Group::usual(Subject::default(), direction, shape);
    let prepared = Prepared::new(device, group)?;
    let (_, plan) = &prepared.plans()[0];
    let work = prepared.library(plan, &group.name())?;
    let stream = prepared.stream()?;
    let rates = interleaved(device, &[(&stream.work, stream.bytes), (&work, ideal_bytes(plan))])?;
    let of_stream = ratios(&rates[1], &rates[0]).median;
    Ok(Point { shape, rate: Quartiles::of(rates[1].clone()).median, of_stream })
}

/// The same twice more on both sides of a cliff: the median counts, so that what disturbs the host once makes none, whichever of the two it
/// slowed or hastened.
///
/// # Errors
/// As [`rate`].
pub fn again(device: &Device, direction: Direction, points: &mut [Point]) -> Result<(), Error> {
    for at in doubted(points) {
        let shape = points[at].shape;
        let mut measured = [points[at], rate(device, direction, shape)?, rate(device, direction, shape)?];
        measured.sort_by(|a, b| a.of_stream.total_cmp(&b.of_stream));
        points[at] = measured[1];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bmru::Shape;

    use super::{Point, behind, cube, doubted, times};

    #[test]
    fn sweeps_keep_the_number_of_elements() {
        assert_eq!(cube(22).len(), 276);
        assert!(cube(22).iter().all(|shape| shape.elements() == Some(1 << 22)));
        assert_eq!(times(24).len(), 15);
        assert!(times(24).iter().all(|shape| shape.elements() == Some(1 << 24)));
        assert_eq!(times(24)[14], Shape { batch: 1, time: 1 << 24, channels: 1 });
    }

    #[test]
    fn a_cliff_is_seen_from_both_sides() {
        let point = |(shape, of_stream)| Point { shape, rate: 1e9, of_stream };
        let points: Vec<Point> = times(13).into_iter().zip([8.0, 8.0, 4.0, 8.0]).map(point).collect();
        assert_eq!(behind(&points), [1.0, 1.0, 2.0, 0.5]);
        assert_eq!(doubted(&points), [2, 3]);
    }
}
