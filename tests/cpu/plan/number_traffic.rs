//! What plans of units whose state is a number move, as closed forms: in bytes, because elements have 4 of them or 2.

use bmru::{
    Amplitude, Counts, Descriptor, Element, FinalState, InitialCount, InitialState, Limits, Shape, Strategy, Threshold, Traffic,
    Tuning,
};

/// A unit, the words of an element of its scan, and what a step and a channel have beside candidates and states.
struct Kind {
    descriptor: fn(Shape) -> Descriptor,
    words: u64,
    /// Columns of inputs as wide as the candidates, those included.
    inputs: u64,
    /// Whether amplitudes are per channel, and whether a probe needs them, too.
    amplitudes: [bool; 2],
    /// Whether counts are carried beside the state.
    counts: bool,
}

const KINDS: [Kind; 6] = [
    Kind { descriptor: Descriptor::forward_fill, words: 2, inputs: 1, amplitudes: [false; 2], counts: false },
    Kind {
        descriptor: |shape| Descriptor::forward_fill(shape).limit(50),
        words: 2,
        inputs: 1,
        amplitudes: [false; 2],
        counts: true,
    },
    Kind {
        descriptor: |shape| Descriptor::bmru(shape).amplitude(Amplitude::PerElement),
        words: 2,
        inputs: 3,
        amplitudes: [false; 2],
        counts: false,
    },
    Kind { descriptor: Descriptor::cumulative, words: 1, inputs: 2, amplitudes: [true, false], counts: true },
    Kind {
        descriptor: |shape| Descriptor::cumulative(shape).amplitude(Amplitude::PerElement),
        words: 1,
        inputs: 3,
        amplitudes: [false; 2],
        counts: false,
    },
    Kind { descriptor: |shape| Descriptor::relaxed(shape, 0.5), words: 2, inputs: 2, amplitudes: [true; 2], counts: false },
];

/// Bytes read and written.
fn moved(kind: &Kind, shape: Shape, element: u64, tile_steps: Option<u64>, all: bool) -> Traffic {
    let Shape { batch, time, channels } = shape;
    let (rows, elements) = (batch * channels, batch * time * channels);
    let tiles = tile_steps.map_or(1, |steps| time.div_ceil(steps));
    let walks = rows * tiles;
    let of_channel = 4 * walks * u64::from(kind.amplitudes[0]);
    // The walks: inputs and states, and of all that there can be, initial and final states and counts.
    let mut read = element * elements * kind.inputs + of_channel;
    let mut written = element * elements;
    if all {
        read += walks * (element + 4 * u64::from(kind.counts));
        written += rows * element + 4 * u64::from(kind.counts) * (elements + rows);
    }
    if tile_steps.is_some() {
        // The probe: the inputs at most, and an element for each tile, which its walk finds again.
        read += element * elements * kind.inputs + if kind.amplitudes[1] { of_channel } else { 0 };
        written += 4 * kind.words * walks;
        read += 4 * kind.words * walks;
        let mut children = tiles;
        while children > 1 {
            let nodes = children.div_ceil(32);
            let above = if nodes > 1 { nodes } else { 0 };
            // Up, unless it is to the root, whom nobody asks; down, in place.
            let up = if nodes > 1 { children } else { 0 };
            read += 4 * kind.words * rows * (up + children + above);
            written += 4 * kind.words * rows * (above + children);
            children = nodes;
        }
    }
    Traffic { read, written }
}

#[test]
fn numbers_move_what_the_closed_form_says() {
    let whole = Tuning {
        max_vector_width: 4,
        max_dispatch_elements: u64::MAX,
        max_shared_elements: u64::MAX,
        serial_rows: 1,
        ..Tuning::discrete()
    };
    let limits = Limits { max_storage_buffers_per_shader_stage: 10, ..Limits::default() };
    // One tile more than a word, a node, and a level of the tree. With even channels no element of 16 bits takes a detour.
    for (batch, time, channels) in [(1, 40, 2), (3, 100, 4), (2, 1057, 8), (1, 33 * 1024 + 1, 2)] {
        let shape = Shape { batch, time, channels };
        for kind in &KINDS {
            for (element, all) in Element::ALL.into_iter().flat_map(|element| [(element, false), (element, true)]) {
                let bare = (kind.descriptor)(shape).element(element).threshold(Threshold::PerElement);
                let descriptor = match (all, kind.counts) {
                    (false, _) => bare,
                    (true, false) => bare.initial_state(InitialState::Given).final_state(FinalState::Written),
                    (true, true) => bare
                        .initial_state(InitialState::Given)
                        .final_state(FinalState::Written)
                        .initial_count(InitialCount::Given)
                        .counts(Counts::All),
                };
                for tile_steps in [None, Some(32), Some(1024)] {
                    // A walk over more would run too long, and one tile is a walk.
                    let serial = tile_steps.is_none();
                    if serial && time > 31_000 || tile_steps.is_some_and(|steps| time <= steps) {
                        continue;
                    }
                    let strategy = if serial { Strategy::Serial } else { Strategy::Tiles };
                    let tuning = Tuning {
                        min_steps: 1,
                        tile_steps: tile_steps.unwrap_or(1024) as u32,
                        ..whole.clone().with_strategy(strategy)
                    };
                    let plan = descriptor.forward(&limits, &tuning).expect("it fits");
                    let expected = moved(kind, shape, element.bytes(), tile_steps, all);
                    assert_eq!(plan.traffic(), expected, "{element:?}, {all}, {plan}");
                }
            }
        }
    }
}
