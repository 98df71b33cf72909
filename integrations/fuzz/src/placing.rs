//! Where the operands of a case lie: what the recipe says, with the case's gaps.

use bmru::{Amplitude, Descriptor, Layout, Operand, Shape, Slot, Strides, Threshold, Unit, View};
use proptest::prelude::{Just, Strategy as Random, prop_oneof};

use crate::additions::Over;
use crate::recipe::{Placement, Recipe};

/// A margin, and gaps behind each row and each of the slower axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gaps {
    offset: u64,
    row: u64,
    outer: u64,
}

pub(crate) fn gaps() -> impl Random<Value = Gaps> {
    let gap = || prop_oneof![2 => Just(0u64), 3 => (0..=6u64).prop_map(|quads| 4 * quads), 2 => 1..=9u64];
    (gap(), gap(), gap()).prop_map(|(offset, row, outer)| Gaps { offset, row, outer })
}

/// What of the places is the case's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    pub gaps: [Gaps; 5],
    /// Bits: one for all rows, for all steps, and of the candidates, too.
    pub repeats: u8,
}

/// Axes from the one that lies closest together to the slowest, and the stride of the first.
#[derive(Clone, Copy)]
struct Order([usize; 3], u64);

impl Order {
    fn of(recipe: &Recipe) -> Self {
        match (recipe.placement, recipe.layout) {
            (Placement::Strided(axes, spread), _) => Self(axes, spread),
            (_, Layout::BatchTimeChannel) => Self([2, 1, 0], 1),
            (_, Layout::TimeBatchChannel) => Self([2, 0, 1], 1),
            (_, Layout::BatchChannelTime) => Self([1, 2, 0], 1),
        }
    }

    /// Of so many columns of channels.
    fn strides(self, Shape { batch, time, channels }: Shape, columns: u64, gaps: Gaps) -> Strides {
        let (Self([inner, middle, outer], spread), lengths) = (self, [batch, time, columns * channels]);
        let mut strides = [spread; 3];
        strides[middle] = lengths[inner] * spread + gaps.row;
        strides[outer] = lengths[middle] * strides[middle] + gaps.outer;
        let [batch, time, channel] = strides;
        Strides { batch, time, channel }
    }
}

fn moved(view: View, elements: u64) -> View {
    View { offset: view.offset + elements, ..view }
}

fn by_element(descriptor: &Descriptor) -> bool {
    descriptor.amplitude_kind() == Amplitude::PerElement
}

/// Whether there are thresholds that can be placed.
fn has_thresholds(descriptor: &Descriptor) -> bool {
    descriptor.threshold_kind() == Threshold::PerElement && descriptor.unit() != Unit::ForwardFill
}

impl Places {
    pub fn place(&self, recipe: &Recipe, plain: Descriptor) -> Descriptor {
        let placed = match recipe.placement {
            _ if recipe.over == Over::Beside => return self.columns(recipe, plain),
            Placement::Plain => plain,
            Placement::SideBySide => plain.side_by_side(),
            Placement::Rows | Placement::Strided(..) => self.rows(Order::of(recipe), plain),
            Placement::Behind => self.behind(plain),
            Placement::Broadcast => self.broadcast(recipe, plain),
        };
        let beside = |operand| placed.view(operand).filter(|view: &View| view.slot == Slot::Candidate);
        let over = match recipe.over {
            Over::Apart | Over::Beside => return placed,
            Over::Candidates => None,
            Over::Thresholds => beside(Operand::Threshold),
            Over::Amplitudes => beside(Operand::Amplitude),
        };
        match over {
            Some(view) => placed.states_view(view),
            None => placed.states_in_place(),
        }
    }

    fn view(&self, slot: Slot, number: usize, strides: Strides) -> View {
        View { slot, offset: self.gaps[number].offset, strides }
    }

    fn rows(&self, order: Order, plain: Descriptor) -> Descriptor {
        let shape = plain.shape();
        let view = |slot, number: usize, columns: u64| self.view(slot, number, order.strides(shape, columns, self.gaps[number]));
        let two = plain.view(Operand::LowThreshold).is_some();
        let (thresholds, by_element) = (has_thresholds(&plain), by_element(&plain));
        let mut placed = plain.candidate_view(view(Slot::Candidate, 0, 1)).states_view(view(Slot::States, 1, 1));
        if thresholds {
            // The low ones first.
            let low = view(Slot::Threshold, 2, if two { 2 } else { 1 });
            placed = placed.threshold_view(moved(low, if two { shape.channels * low.strides.channel } else { 0 }));
            if two {
                placed = placed.low_threshold_view(low);
            }
        }
        if by_element { placed.amplitude_view(view(Slot::Amplitude, 3, 1)) } else { placed }
    }

    fn behind(&self, plain: Descriptor) -> Descriptor {
        let shape @ Shape { batch, time, channels } = plain.shape();
        if !has_thresholds(&plain) {
            return plain;
        }
        let first = self.view(Slot::Candidate, 0, Strides::rows(plain.memory_layout(), shape, channels));
        let whole = |number: u64| moved(first, number * batch * time * channels);
        let two = plain.unit() == Unit::FirstQuadrant;
        let placed = plain.candidate_view(whole(0)).threshold_view(whole(1));
        if two { placed.low_threshold_view(whole(2)) } else { placed }
    }

    fn broadcast(&self, recipe: &Recipe, plain: Descriptor) -> Descriptor {
        let whole = Strides::rows(recipe.layout, plain.shape(), plain.shape().channels);
        let stride = |repeats: bool, stride| if repeats { 0 } else { stride };
        let strides = Strides {
            batch: stride(self.repeats & 1 == 1, whole.batch),
            time: stride(self.repeats >> 1 & 1 == 1, whole.time),
            channel: stride(recipe.one_for_channels, whole.channel),
        };
        let view = |slot| self.view(slot, 0, strides);
        let (thresholds, by_element) = (has_thresholds(&plain), by_element(&plain));
        // States that are written over candidates have places of their own, and gradients of candidates.
        let candidates = self.repeats >> 2 == 1 && recipe.over == Over::Apart && !recipe.has_gradients();
        let placed = if candidates { plain.candidate_view(view(Slot::Candidate)) } else { plain };
        let placed = if by_element && recipe.one_for_channels { placed.amplitude_view(view(Slot::Amplitude)) } else { placed };
        if thresholds { placed.threshold_view(view(Slot::Threshold)) } else { placed }
    }

    /// Candidates, thresholds, amplitudes and states as columns of one tensor.
    fn columns(&self, recipe: &Recipe, plain: Descriptor) -> Descriptor {
        let shape = plain.shape();
        let (thresholds, by_element) = (has_thresholds(&plain), by_element(&plain));
        let two = thresholds && plain.unit() == Unit::FirstQuadrant;
        let columns = 2 + u64::from(thresholds) + u64::from(two) + u64::from(by_element);
        let first = self.view(Slot::Candidate, 0, Order::of(recipe).strides(shape, columns, self.gaps[0]));
        let mut number = 0;
        let mut next = || {
            number += 1;
            moved(first, (number - 1) * shape.channels * first.strides.channel)
        };
        let mut placed = plain.candidate_view(next());
        if thresholds {
            placed = placed.threshold_view(next());
        }
        if two {
            placed = placed.low_threshold_view(next());
        }
        if by_element {
            placed = placed.amplitude_view(next());
        }
        placed.states_view(next())
    }
}
