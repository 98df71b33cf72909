//! One channel or two, steps that follow each other in memory, nothing saved: vectors that hold several steps of a channel.

use bmru::{Boundary, Descriptor, Element, FinalState, InitialState, Shape, Strategy, Threshold, Unit};

use crate::data::{Rate, Values};
use crate::{Case, Profile};

const UNITS: [(&str, Unit); 2] = [("bistable", Unit::Bistable), ("first quadrant", Unit::FirstQuadrant)];

/// Both folds with every unit and element that has them, whole and in parts; a tile's fold begins in what the tree found.
pub fn forward(cases: &mut Vec<Case>) {
    // Everything that is not in the loops.
    let mut rng = fastrand::Rng::with_seed(3);
    for channels in [1, 2] {
        for (batch, time) in [(1, 40), (3, 1000)] {
            for (unit_name, unit) in UNITS {
                for threshold in [Threshold::PerElement, Threshold::PerChannel] {
                    for strategy in [Strategy::Serial, Strategy::Probe] {
                        let element = Element::ALL[rng.usize(..3)];
                        let descriptor = Descriptor::new(unit, Shape { batch, time, channels })
                            .element(element)
                            .threshold(threshold)
                            .boundary(if rng.bool() { Boundary::Set } else { Boundary::Hold })
                            .initial_state(InitialState::Given)
                            .final_state(FinalState::Written);
                        let name = format!("fold/{channels}/{batch}x{time}/{unit_name}/{element:?}/{threshold:?}/{strategy}");
                        let mut case = Case::new(name, descriptor, if rng.bool() { Rate::Half } else { Rate::Once(12) });
                        case.strategy = Some(strategy);
                        case.vector_width = Some(4);
                        case.tile_steps = Some(32);
                        case.values = if rng.bool() { Values::Plain } else { Values::Edges };
                        case.profile = if rng.u8(..4) == 0 { Profile::Small { kibibytes: 4 } } else { Profile::Device };
                        cases.push(case);
                    }
                }
            }
        }
    }
}
