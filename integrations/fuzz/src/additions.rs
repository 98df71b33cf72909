//! What recipes and cases of the first draw had not: drawn behind all else, so that the names of old failures stay.

use bmru::{Amplitude, Beyond, Element, FinalState, Layout, States, SummaryOf, Unit};
use proptest::prelude::{Just, Strategy as Random, any, prop_oneof};

use crate::recipe::{Behind, How, Placement, Recipe, pick};

/// How rows hold sequences; how many of them are packed is the case's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Borders {
    Rows,
    Packed,
    Resets,
}

/// Where states are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// In a slot of their own.
    Apart,
    Candidates,
    /// Over thresholds where they lie beside the candidates, else over those.
    Thresholds,
    /// Over amplitudes, in the same way.
    Amplitudes,
    /// In a column of their own, beside all inputs.
    Beside,
}

/// What is added to a recipe.
#[derive(Clone, Debug)]
pub(crate) struct Additions {
    element: Option<Element>,
    sums: bool,
    layout: Option<Layout>,
    in_place: bool,
    placement: Option<Placement>,
    behind: Option<Behind>,
    borders: Borders,
    states: States,
    over: Over,
    limited: bool,
    one_for_channels: bool,
    steps_ahead: [u32; 3],
}

pub(crate) fn additions() -> impl Random<Value = Additions> {
    const ORDERS: [[usize; 3]; 6] = [[2, 1, 0], [2, 0, 1], [1, 2, 0], [1, 0, 2], [0, 2, 1], [0, 1, 2]];
    let element = prop_oneof![1 => Just(None), 1 => pick(&Element::ALL).prop_map(Some)];
    let layout = prop_oneof![2 => Just(None), 1 => Just(Some(Layout::BatchChannelTime))];
    let in_place = prop_oneof![3 => Just(false), 1 => Just(true)];
    let strided = (pick(&ORDERS), pick(&[1u64, 1, 2, 3])).prop_map(|(order, spread)| Some(Placement::Strided(order, spread)));
    let placement = prop_oneof![3 => Just(None), 1 => strided];
    let behind = prop_oneof![
        5 => Just(None),
        1 => Just(Some(Behind::Summary(SummaryOf::States))),
        1 => Just(Some(Behind::Summary(SummaryOf::Gradient))),
        1 => Just(Some(Behind::Unpack)),
    ];
    let borders = prop_oneof![5 => Just(Borders::Rows), 2 => Just(Borders::Packed), 2 => Just(Borders::Resets)];
    let states = prop_oneof![3 => Just(States::Numbers), 2 => Just(States::Packed), 1 => Just(States::Both)];
    let over = prop_oneof![
        7 => Just(Over::Apart),
        2 => Just(Over::Candidates),
        1 => pick(&[Over::Thresholds, Over::Amplitudes, Over::Beside]),
    ];
    let wheres = (layout, in_place, placement, over, any::<bool>());
    let ahead = || pick(&[1u32, 2, 3, 4, 8]);
    let numbers = (element, any::<bool>(), any::<bool>(), [ahead(), ahead(), ahead()]);
    (numbers, wheres, (behind, borders, states)).prop_map(
        |(
            (element, sums, limited, steps_ahead),
            (layout, in_place, placement, over, one_for_channels),
            (behind, borders, states),
        )| {
            Additions {
                element,
                sums,
                layout,
                in_place,
                placement,
                behind,
                borders,
                states,
                over,
                limited,
                one_for_channels,
                steps_ahead,
            }
        },
    )
}

impl Additions {
    /// The recipe with them, whether they go together or not.
    pub fn to(self, recipe: Recipe) -> Recipe {
        let summed = self.sums && recipe.unit == Unit::Cumulative;
        Recipe {
            element: self.element.unwrap_or(recipe.element),
            amplitude: if summed { Amplitude::PerElement } else { recipe.amplitude },
            layout: self.layout.unwrap_or(recipe.layout),
            final_state: if self.in_place { FinalState::InPlace } else { recipe.final_state },
            placement: self.placement.unwrap_or(recipe.placement),
            behind: self.behind.unwrap_or(recipe.behind),
            borders: self.borders,
            states: self.states,
            over: self.over,
            limited: self.limited,
            one_for_channels: self.one_for_channels,
            sums_over_axes: true,
            how: std::array::from_fn(|pass| How { steps_ahead: Some(self.steps_ahead[pass]), ..recipe.how[pass] }),
            ..recipe
        }
    }
}

/// What is added to a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Of {
    /// Packed sequences.
    pub sequences: u64,
    /// Steps that a forward fill holds a value.
    pub limit: u32,
    pub beyond: Beyond,
}

impl Of {
    /// What there was before.
    pub const NOTHING: Self = Self { sequences: 1, limit: 0, beyond: Beyond::Nan };
}

pub(crate) fn of_case() -> impl Random<Value = Of> {
    let sequences = prop_oneof![4 => 1..=8u64, 2 => 1..=100u64, 1 => Just(0), 1 => 100..=2000u64];
    let limit = prop_oneof![4 => 0..=40u32, 1 => 0..=2000u32, 1 => pick(&[i32::MAX as u32 - 1, i32::MAX as u32, u32::MAX])];
    let beyond = prop_oneof![1 => Just(Beyond::Nan), 1 => any::<u32>().prop_map(Beyond::Bits)];
    (sequences, limit, beyond).prop_map(|(sequences, limit, beyond)| Of { sequences, limit, beyond })
}
