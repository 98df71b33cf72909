//! Cutting a box of work into parts that every limit allows.

use crate::shape::Region;
use crate::{Error, Operand, Slot, View};

/// Lengths along batch, time and channels.
pub(crate) type Extent = [u64; 3];

/// A number that grows with the extent of a part, and the most that is allowed of it.
pub(crate) struct Constraint<'a> {
    pub limit: &'static str,
    pub allowed: u64,
    pub measure: Box<dyn Fn(Extent) -> u64 + 'a>,
}

/// The largest parts, found by cutting the axes in `order` until all constraints hold: an axis is cut as far as it must be,
/// to a multiple of its granule, before the next is touched. An axis that a constraint does not depend on is left alone.
pub(crate) fn split(whole: Extent, granules: Extent, order: [usize; 3], constraints: &[Constraint<'_>]) -> Result<Extent, Error> {
    let mut part = whole;
    for constraint in constraints {
        let fits = |part| (constraint.measure)(part) <= constraint.allowed;
        for axis in order {
            if fits(part) {
                break;
            }
            let at = |granule_count: u64| {
                let mut cut = part;
                cut[axis] = (granule_count * granules[axis]).min(part[axis]);
                cut
            };
            let most = part[axis].div_ceil(granules[axis]);
            if (constraint.measure)(at(1)) == (constraint.measure)(part) {
                continue;
            }
            // Bisect: `at(low)` is the largest that fits, or the smallest there is.
            let (mut low, mut high) = (1, most);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if fits(at(middle)) { low = middle } else { high = middle }
            }
            part = at(low);
        }
        if !fits(part) {
            return Err(Error::CannotSplit {
                limit: constraint.limit,
                expected: constraint.allowed,
                actual: (constraint.measure)(part),
            });
        }
    }
    Ok(part)
}

/// The parts of `whole`, each as origin and extent, in the order of time within the same rows. No steps at all are one part.
pub(crate) fn parts(whole: Extent, part: Extent) -> impl Iterator<Item = (Extent, Extent)> {
    let starts = move |axis: usize| {
        let stride = usize::try_from(part[axis].max(1)).unwrap_or(usize::MAX);
        (0..whole[axis].max(1)).step_by(stride)
    };
    starts(0).flat_map(move |batch| {
        starts(2).flat_map(move |channel| {
            starts(1).map(move |time| {
                let origin = [batch, time, channel];
                (origin, core::array::from_fn(|axis| part[axis].min(whole[axis] - origin[axis])))
            })
        })
    })
}

/// How many parts there are.
pub(crate) fn part_count(whole: Extent, part: Extent) -> u64 {
    (0..3).map(|axis| whole[axis].max(1).div_ceil(part[axis].max(1))).fold(1, u64::saturating_mul)
}

/// The cut with the fewest parts; of equal ones the first. The last error if nothing can be cut.
///
/// A coarse granule of time can force a cut through rows, into far more parts than single steps would give.
pub(crate) fn fewest_parts(whole: Extent, cuts: impl IntoIterator<Item = Result<Extent, Error>>) -> Result<Extent, Error> {
    cuts.into_iter()
        .reduce(|best, next| match (&best, &next) {
            (Ok(best_part), Ok(part)) if part_count(whole, *best_part) <= part_count(whole, *part) => best,
            (Ok(_), Err(_)) => best,
            _ => next,
        })
        .expect("there is a cut to try")
}

/// Bytes of the longest binding that any part of this extent needs, over the slots of `operands`, when binding offsets are
/// aligned down to `alignment` bytes.
///
/// Begin and end of every operand are linear in the origin of the part, so the longest is found at the corners.
pub(crate) fn longest_binding(whole: Extent, part: Extent, alignment: u64, operands: &[Placed]) -> u64 {
    let mut longest = 0;
    for corner in 0..8u32 {
        let origin: Extent =
            core::array::from_fn(|axis| if corner >> axis & 1 == 1 { whole[axis].saturating_sub(part[axis]) } else { 0 });
        let mut regions = Vec::with_capacity(operands.len());
        for placed in operands.iter().filter(|placed| placed.is_here(origin)) {
            let Some(region) = placed.region(origin, part) else { return u64::MAX };
            regions.push(region);
        }
        for slot in regions.iter().filter(|region| region.len > 0).map(|region| region.slot) {
            let (start, end) = span(&regions, slot);
            let bytes = operands.iter().find(|placed| placed.view.slot == slot).map_or(4, |placed| placed.bytes);
            let slack = if part == whole { start.saturating_mul(bytes) % alignment } else { alignment - bytes };
            // The last word is whole.
            let length = (end - start).saturating_mul(bytes).saturating_add(slack);
            longest = longest.max(length.checked_next_multiple_of(4).unwrap_or(u64::MAX));
        }
    }
    longest
}

/// First and last element, exclusive, that any of the regions uses in a slot.
pub(crate) fn span(regions: &[Region], slot: Slot) -> (u64, u64) {
    let inside = || regions.iter().filter(|region| region.slot == slot && region.len > 0);
    (inside().map(|region| region.start).min().unwrap_or(0), inside().map(Region::end).max().unwrap_or(0))
}

/// How the axes of an operand follow from those of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axes {
    /// `(b, t, d)`
    Element,
    /// `(b, d)`
    Row,
    /// `(d)`
    Channel,
    /// `(b, tile, d)`, with so many words for each
    Tile { steps: u64, words: u64 },
    /// `(n, d)`, for all of so many sequences
    Sequence { count: u64 },
    /// `(b, word)`, so many words for each row
    Words { length: u64 },
    /// `(b, 32 steps, word)`, with so many words for each
    Borders { words: u64 },
    /// `(b, line, d)`, so many lines for each row
    Lines { count: u64 },
    /// `(b, t − 1, d)` for all steps of a part but the first of all
    Previous,
}

/// An operand of a stage: where it lies and what its axes are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    pub operand: Operand,
    pub view: View,
    /// Of an element.
    pub bytes: u64,
    pub axes: Axes,
    /// Only the part that begins at the origin of the axes that the operand lacks has it: copies are made once.
    pub once: bool,
    /// The steps of the whole, where they are taken from the last time down.
    pub descends: Option<u64>,
    /// Whether stores add to what is there. Only outputs of the caller do: what is on its way in scratch is written over, and added by
    /// the dispatch that stores the output.
    pub accumulates: bool,
}

impl Placed {
    pub fn new(operand: Operand, view: View, axes: Axes) -> Self {
        Self { operand, view, bytes: 4, axes, once: false, descends: None, accumulates: false }
    }

    /// Whether a part that begins at `origin` has this operand.
    pub fn is_here(&self, [first_row, first_step, _]: Extent) -> bool {
        !self.once || first_step == 0 && (first_row == 0 || self.axes != Axes::Channel)
    }

    /// The box that belongs to a part. `None` where an index overflows.
    pub fn region(&self, origin: Extent, part: Extent) -> Option<Region> {
        let ([b, t, d], [batch, steps, channels]) = (origin, part);
        let blocks = |length: u64| (t + steps).div_ceil(length) - t / length;
        let first = self.descends.map_or(t, |whole| whole - t - steps);
        let (origin, extent) = match self.axes {
            Axes::Element => ([b, first, d], part),
            Axes::Row => ([b, 0, d], [batch, 1, channels]),
            Axes::Channel => ([0, 0, d], [1, 1, channels]),
            Axes::Sequence { count } => ([0, 0, d], [count, 1, channels]),
            Axes::Words { length } => ([b, 0, 0], [batch, length, 1]),
            Axes::Borders { words } => ([b, t / 32, 0], [batch, blocks(32), words]),
            Axes::Lines { count } => ([b, 0, d], [batch, count, channels]),
            Axes::Previous => return self.previous(origin, part),
            Axes::Tile { steps, words } => ([b, words * (t / steps), d], [batch, words * blocks(steps), channels]),
        };
        let region = self.view.region(origin, extent)?;
        Some(Region { descends: self.descends.is_some(), ..region })
    }

    /// Of the first step of all there is none before.
    fn previous(&self, [b, t, d]: Extent, [batch, steps, channels]: Extent) -> Option<Region> {
        let (begin, steps) = (t.saturating_sub(1), if t == 0 { steps.saturating_sub(1) } else { steps });
        Placed { axes: Axes::Element, ..*self }.region([b, begin, d], [batch, steps, channels])
    }

    pub fn boxed(&self, origin: Extent, part: Extent) -> Result<Boxed, Error> {
        let (operand, accumulates) = (self.operand, self.accumulates);
        self.region(origin, part).map(|region| Boxed { operand, region, accumulates }).ok_or(Error::Overflow { operand })
    }
}

/// The box of an operand that one dispatch works on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boxed {
    pub operand: Operand,
    pub region: Region,
    pub accumulates: bool,
}
