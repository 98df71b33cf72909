//! Final states over initial ones: single steps and several, parts of time, and rows that are not made of whole words.

use bmru::{Amplitude, Counts, Descriptor, Element, FinalState, InitialCount, InitialState, Save, Shape, TimeOrder, Unit};

use crate::case::name_seed;
use crate::data::{Rate, Values};
use crate::{Case, Profile};

/// A name, and what it stands for.
type Named = (&'static str, fn(Shape) -> Descriptor);

/// Those that hand on a state.
const UNITS: [Named; 7] = [
    ("bistable", Descriptor::bmru),
    ("first quadrant", Descriptor::first_quadrant),
    ("bistable per element", |shape| Descriptor::bmru(shape).amplitude(Amplitude::PerElement)),
    ("cumulative per element", |shape| Descriptor::cumulative(shape).amplitude(Amplitude::PerElement)),
    ("relaxed", |shape| Descriptor::relaxed(shape, 0.5)),
    ("forward fill", Descriptor::forward_fill),
    ("forward fill with a limit", |shape| {
        Descriptor::forward_fill(shape).limit(3).counts(Counts::Final).initial_count(InitialCount::Given)
    }),
];

const SHAPES: [[u64; 3]; 5] = [[1, 1, 1], [3, 1, 5], [40, 1, 8], [2, 70, 3], [2, 300, 4]];

pub(crate) fn forward(cases: &mut Vec<Case>) {
    for (name, unit) in UNITS {
        for [batch, time, channels] in SHAPES {
            for element in Element::ALL {
                let name = format!("in place/{name}/{element:?}/{batch}x{time}x{channels}");
                // Every option meets every unit, shape and element somewhere.
                let hash = name_seed(&name);
                let descriptor = unit(Shape { batch, time, channels })
                    .element(element)
                    .initial_state(InitialState::Given)
                    .final_state(FinalState::InPlace)
                    .time_order(if hash & 1 == 0 { TimeOrder::Descending } else { TimeOrder::Ascending });
                let trains = hash >> 1 & 1 == 0 && descriptor.unit() != Unit::ForwardFill;
                let descriptor = if trains { descriptor.save(Save::Codes) } else { descriptor };
                // Whether anything sets decides which state is handed on.
                let rate = [Rate::Half, Rate::Never, Rate::Once(20)][(hash >> 2) as usize % 3];
                let edges = name.starts_with("in place/bistable");
                let mut case = Case::new(name, descriptor, rate);
                case.values = if edges { Values::Edges } else { Values::Plain };
                if time > 100 {
                    // Parts of time, each of which goes on where the one before left its state.
                    case.profile = Profile::Small { kibibytes: 2 };
                }
                cases.push(case);
            }
        }
    }
}
