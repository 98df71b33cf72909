//! What plans in one part move, as closed forms of the shape: all counted here in words of 4 bytes. What a search may save is in
//! them, because plans state the most.

use std::ops::AddAssign;

use bmru::{
    Descriptor, FinalState, Gradient, Incoming, InitialState, Limits, Operand, Plan, Save, Shape, Stage, States, Strategy,
    Threshold, Traffic, Tuning,
};

/// Words read and written.
#[derive(Clone, Copy, Default)]
struct Words(u64, u64);

impl AddAssign for Words {
    fn add_assign(&mut self, Self(read, written): Self) {
        self.0 += read;
        self.1 += written;
    }
}

impl Words {
    fn traffic(self) -> Traffic {
        Traffic { read: 4 * self.0, written: 4 * self.1 }
    }
}

/// Nothing is cut, and tiles are as long as they may be.
fn whole(strategy: Strategy, tile_steps: u32) -> Tuning {
    let tuning = Tuning { max_dispatch_elements: u64::MAX, max_shared_elements: u64::MAX, ..Tuning::discrete() };
    Tuning { serial_rows: 1, tile_steps, look_back_tiles: 0, ..tuning.with_strategy(strategy) }
}

fn of_stage(plan: &Plan, stage: Stage) -> Traffic {
    let dispatches = plan.dispatches().iter().filter(|dispatch| plan.stage(dispatch) == stage).map(|dispatch| dispatch.traffic());
    dispatches.fold(Traffic::default(), |sum, one| Traffic { read: sum.read + one.read, written: sum.written + one.written })
}

/// Bytes an element.
fn per_element(plan: &Plan) -> f64 {
    let (Shape { batch, time, channels }, Traffic { read, written }) = (plan.descriptor().shape(), plan.traffic());
    (read + written) as f64 / (batch * time * channels) as f64
}

/// 12 bytes an element, and what belongs to rows and channels.
#[test]
fn one_serial_dispatch_moves_each_byte_once() {
    for (batch, time, channels) in [(1, 1, 1), (3, 0, 4), (2, 31, 5), (2, 33, 4), (7, 10, 12), (64, 512, 256)] {
        for min_steps in [1, 64] {
            let one = Tuning { min_steps, ..whole(Strategy::Serial, 1024) };
            let descriptor = Descriptor::bmru(Shape { batch, time, channels });
            let given = descriptor.clone().initial_state(InitialState::Given).final_state(FinalState::Written);
            let saves = descriptor.clone().save(Save::Codes);
            let per_channel = descriptor.clone().threshold(Threshold::PerChannel);
            let (elements, rows) = (batch * time * channels, batch * channels);
            // What belongs to channels is read once for all short rows that are taken together.
            let together = u64::from(min_steps).checked_div(time).unwrap_or(1).clamp(1, batch);
            let shared = batch.div_ceil(together) * channels;
            // The copies of the amplitudes, two words for 32 steps, first set steps and initial states.
            let saved = channels + rows * (2 * time.div_ceil(32) + 2);
            // A word for 32 steps, and the first set steps.
            let bits = rows * (time.div_ceil(32) + 1);
            let packed = descriptor.clone().states(States::Packed);
            let both = descriptor.clone().states(States::Both);
            let all = given.clone().states(States::Both).save(Save::Codes);
            for (descriptor, words) in [
                (descriptor, Words(2 * elements + shared, elements)),
                (given, Words(2 * elements + shared + rows, elements + rows)),
                (saves, Words(2 * elements + shared, elements + saved)),
                // 8 bytes an element and an eighth; what a bit stands for is not read.
                (packed, Words(2 * elements, bits)),
                (both, Words(2 * elements + shared, elements + bits)),
                // The first set steps are those that are saved.
                (all, Words(2 * elements + shared + rows, elements + rows + saved + bits - rows)),
                // Without steps no threshold is read.
                (per_channel, Words(elements + shared * (1 + time.min(1)), elements)),
            ] {
                let plan = descriptor.forward(&Limits::default(), &one).expect("it fits");
                assert_eq!(plan.dispatches().len(), 1, "{plan}");
                assert_eq!(plan.traffic(), words.traffic(), "{plan}");
            }
        }
    }
}

/// For each channel of a row, what the tree above so many tiles moves.
fn tree(tiles: u64) -> Words {
    let mut moved = Words::default();
    let mut children = tiles;
    while children > 1 {
        let nodes = children.div_ceil(32);
        // Nothing is above the root.
        let above = if nodes > 1 { nodes } else { 0 };
        // Up: a child each, two words of a node, its aggregate. Down: two words of a node and of its parent.
        moved += Words(children, 2 * nodes + above);
        moved += Words(2 * nodes + 2 * above, 2 * nodes);
        children = nodes;
    }
    moved
}

/// 12.5 bytes an element in tiles; where they are probed 12, and at most 8 of the probe. `options`: all, or none. Bits are an eighth
/// in place of 4, or beside them.
fn tiled(tuning: &Tuning, shape: Shape, threshold: Threshold, options: bool, states: States) -> Words {
    let (strategy, tile_steps) = (tuning.strategy.expect("it is forced"), u64::from(tuning.tile_steps));
    let Shape { batch, time, channels } = shape;
    let (rows, tiles, words) = (batch * channels, time.div_ceil(tile_steps), time.div_ceil(32));
    let (elements, rows_of_tiles) = (rows * time, rows * tiles);
    let thresholds = if threshold == Threshold::PerChannel { rows_of_tiles } else { elements };
    let [codes, probed] = if strategy == Strategy::Tiles { [2 * rows * words, 0] } else { [0, elements + thresholds] };
    // The inputs, an aggregate for each tile, the codes there and back, and the states.
    let numbers = if states == States::Packed { 0 } else { elements };
    let bits = if states == States::Numbers { 0 } else { rows * words };
    let mut moved = Words(elements + thresholds + probed + codes, rows_of_tiles + codes + numbers + bits);
    let looks_back = tiles > 1 && tiles <= tuning.look_back_tiles.into();
    if looks_back {
        // Each tile looks at all before it, at most.
        moved += Words(rows * tiles * (tiles - 1) / 2, 0);
    } else {
        let Words(read, written) = tree(tiles);
        moved += Words(rows * read, rows * written);
        // Each tile finds its carry, if there is another.
        moved += Words(rows_of_tiles * if tiles > 1 { 2 } else { 0 }, 0);
    }
    // The amplitudes are read if bits are not enough.
    if options || states != States::Packed {
        moved += Words(rows_of_tiles, 0);
    }
    if options || states != States::Numbers {
        // The first set step of each tile; that of all is looked for in the tree, or among them.
        let bisections = (0..).find(|&bisections| tiles <= 1 << bisections).expect("fewer than 2^64 tiles");
        moved += Words(if looks_back { rows_of_tiles } else { rows * (bisections + 1) }, rows_of_tiles + rows);
    }
    if options {
        // The first and the last states; of what is saved the copies.
        moved += Words(rows_of_tiles, rows);
        moved += Words(0, rows + channels);
        // The codes are saved where tiles keep them, only the signs are written again; a walk writes both.
        moved += Words(0, rows * words * if strategy == Strategy::Tiles { 1 } else { 2 });
    }
    moved
}

#[test]
fn tiles_and_probes_move_what_the_closed_form_says() {
    let shapes = [(1, 1, 1), (2, 31, 4), (1, 33, 3), (3, 1024, 5), (3, 1057, 5), (2, 32 * 1024 + 1, 8), (1, 1 << 20, 2)];
    for (batch, time, channels) in shapes {
        let shape = Shape { batch, time, channels };
        for (strategy, tile_steps) in
            [(Strategy::Tiles, 32), (Strategy::Tiles, 1024), (Strategy::Probe, 32), (Strategy::Probe, 1024)]
        {
            // A probe of a single tile is a serial walk.
            if strategy == Strategy::Probe && time <= tile_steps {
                continue;
            }
            for threshold in [Threshold::PerElement, Threshold::PerChannel] {
                let bare = Descriptor::bmru(shape).threshold(threshold);
                let full = bare.clone().initial_state(InitialState::Given).final_state(FinalState::Written).save(Save::Codes);
                // All of it is a buffer more than there are by default.
                let limits = Limits { max_storage_buffers_per_shader_stage: 9, ..Limits::default() };
                for (descriptor, options) in [(bare, false), (full, true)] {
                    let all = [States::Numbers, States::Packed, States::Both];
                    for (states, look_back_tiles) in all.into_iter().flat_map(|states| [0, 33].map(|tiles| (states, tiles))) {
                        let tuning = Tuning { look_back_tiles, ..whole(strategy, tile_steps as u32) };
                        let plan = descriptor.clone().states(states).forward(&limits, &tuning).expect("it fits");
                        let expected = tiled(&tuning, shape, threshold, options, states);
                        assert_eq!(plan.traffic(), expected.traffic(), "{threshold:?}, {states:?}, {plan}");
                        let trees = plan.variants().iter().filter(|variant| variant.stage() == Stage::TreeScan).count();
                        assert_eq!(trees > 0, time.div_ceil(tile_steps) > look_back_tiles.max(1).into(), "{plan}");
                    }
                }
            }
        }
    }
}

/// A word for 32 steps is read, and for each tile what its bits stand for; states are written.
#[test]
fn unpacking_moves_what_the_closed_form_says() {
    for (batch, time, channels) in [(1, 1u64, 1), (2, 31, 4), (3, 33, 5), (1, 4097, 8), (40, 1024, 3)] {
        let (rows, tile_steps) = (batch * channels, 64u64);
        let (words, tiles) = (rows * time.div_ceil(32), rows * time.div_ceil(tile_steps));
        let packed = Descriptor::bmru(Shape { batch, time, channels }).states(States::Packed);
        let tuning = whole(Strategy::Serial, tile_steps as u32);
        for (descriptor, per_tile) in [
            (packed.clone(), 2),
            (packed.clone().initial_state(InitialState::Given), 3),
            (packed.states(States::Both).save(Save::Codes), 2),
        ] {
            let plan = descriptor.unpack(&Limits::default(), &tuning).expect("it fits");
            assert_eq!(plan.dispatches().len(), 1, "{plan}");
            assert_eq!(plan.traffic(), Words(words + per_tile * tiles, rows * time).traffic(), "{plan}");
        }
    }
}

/// The figures of the documentation: 12.5 bytes an element in tiles, 20 where nothing sets and tiles are probed; a threshold for
/// each channel is 4 less each time it is read. Of packed states an eighth is written in place of 4.
#[test]
fn bytes_an_element_are_those_of_the_documentation() {
    let bare = Descriptor::bmru(Shape { batch: 2, time: 1 << 18, channels: 16 });
    let saves = bare.clone().save(Save::Codes);
    let per_channel = bare.clone().threshold(Threshold::PerChannel);
    let packed = bare.clone().states(States::Packed);
    for (descriptor, strategy, bytes) in [
        (&packed, Strategy::Tiles, 8.625),
        (&packed, Strategy::Probe, 16.125),
        (&bare, Strategy::Tiles, 12.5),
        (&per_channel, Strategy::Tiles, 8.5),
        (&saves, Strategy::Tiles, 12.625),
        (&bare, Strategy::Probe, 20.0),
        (&per_channel, Strategy::Probe, 12.0),
        (&saves, Strategy::Probe, 20.25),
    ] {
        let plan = descriptor.forward(&Limits::default(), &whole(strategy, 1024)).expect("it fits");
        // Beside them less than 8 words for each tile.
        let moved = per_element(&plan);
        assert!(moved >= bytes && moved < bytes + 32.0 / 1024.0, "{moved}, not {bytes}: {plan}");
        let probe = of_stage(&plan, Stage::TileProbe);
        let elements = (2 * 16) << 18;
        assert!(probe.read <= 8 * elements, "{plan}");
    }
}

/// Which outputs and incoming gradients a backward pass has.
struct Backward {
    descriptor: Descriptor,
    incoming: Incoming,
    accumulates: bool,
}

/// 20 bytes an element, 12 with a threshold for each channel; where stretches of 1,024 steps are reduced first, the incoming
/// gradients again. All outputs there are.
fn backward(case: &Backward, stretches: bool) -> Words {
    let Shape { batch, time, channels } = case.descriptor.shape();
    let (rows, of_1024, words) = (batch * channels, time.div_ceil(1024), time.div_ceil(32));
    let elements = rows * time;
    let walks = rows * if stretches { of_1024 } else { 1 };
    // Short rows are taken several at a time, and what they have in common is read once.
    let rows_each = (u64::from(Tuning::discrete().min_steps) / time).max(1);
    let common = walks / batch * batch.div_ceil(rows_each);
    let per_channel = case.descriptor.threshold_kind() == Threshold::PerChannel;
    let [of_states, of_final] = [Incoming::FinalState, Incoming::States].map(|without| u64::from(case.incoming != without));
    let terms = rows * of_1024;
    // Candidates, thresholds, incoming gradients, both words of the codes, of one step the first; gradients of candidates and thresholds.
    let lines = if time == 1 { 1 } else { 2 };
    let mut moved = Words(elements + of_states * elements + lines * rows * words, elements);
    moved += if per_channel { Words(common, terms) } else { Words(elements, elements) };
    // First set steps, unless one word of codes tells them, initial states, amplitudes, and what comes from beyond; the terms of the amplitudes' sums.
    let beyond = if stretches { 1 } else { of_final };
    let first_sets = if time <= 32 { 0 } else { walks };
    moved += Words(first_sets + common + (1 + beyond) * walks, terms);
    // The rows before time, which have a binding. Those behind it: to scratch.
    moved += Words(0, rows);
    moved += Words(of_final * rows, of_final * rows);
    for _ in 0..if per_channel { 2 } else { 1 } {
        let mut count = batch * of_1024;
        loop {
            let sums = count.div_ceil(32);
            moved += Words(count * channels, sums * channels);
            if sums == 1 {
                break;
            }
            count = sums;
        }
    }
    if stretches {
        // One word of the codes; a gradient, and whether all hold.
        moved += Words(of_states * elements + rows * words, 2 * terms);
        let mut children = of_1024;
        while children > 1 {
            let nodes = children.div_ceil(32);
            // Up, unless it is the root, whom nobody asks; down, where nothing need come from beyond the root.
            moved += if nodes > 1 { Words(2 * children * rows, 2 * nodes * rows) } else { Words::default() };
            moved += Words((2 * children + if nodes > 1 { nodes } else { of_final }) * rows, children * rows);
            children = nodes;
        }
    }
    if case.accumulates {
        // What is added to is read.
        let thresholds = if per_channel { channels } else { elements };
        moved += Words(elements + thresholds + channels + rows, 0);
    }
    moved
}

#[test]
fn backward_moves_what_the_closed_form_says() {
    let outputs =
        [Operand::CandidateGradient, Operand::ThresholdGradient, Operand::AmplitudeGradient, Operand::InitialStateGradient];
    for (batch, time, channels) in
        [(1, 1, 1), (70, 1, 5), (2, 32, 5), (2, 33, 5), (3, 1025, 4), (40, 2048, 3), (2, 31_000, 4), (1, 33 * 1024 + 1, 2)]
    {
        for (strategy, incoming, accumulates) in [
            (Strategy::Serial, Incoming::States, false),
            (Strategy::Serial, Incoming::Both, true),
            (Strategy::Tiles, Incoming::States, false),
            (Strategy::Tiles, Incoming::FinalState, false),
            (Strategy::Tiles, Incoming::Both, true),
        ] {
            // A walk over more would run too long, and one stretch needs no tree.
            if (strategy == Strategy::Serial && time > 31_000) || (strategy == Strategy::Tiles && time <= 1024) {
                continue;
            }
            for threshold in [Threshold::PerElement, Threshold::PerChannel] {
                let all = Descriptor::bmru(Shape { batch, time, channels }).threshold(threshold).save(Save::Codes);
                let mut descriptor = all.initial_state(InitialState::Given).incoming(incoming);
                if accumulates {
                    descriptor = outputs.iter().fold(descriptor, |all, &output| all.gradient(output, Gradient::Accumulate));
                }
                let plan = descriptor.backward(&Limits::default(), &whole(strategy, 1024)).expect("it fits");
                let case = Backward { descriptor, incoming, accumulates };
                let expected = backward(&case, strategy == Strategy::Tiles).traffic();
                assert_eq!(plan.traffic(), expected, "{threshold:?}, {incoming:?}, {plan}");
            }
        }
    }
}

/// The figures of the documentation: 20 bytes an element and a quarter of the codes, and the re-read where there is a tree.
#[test]
fn bytes_an_element_backward_are_those_of_the_documentation() {
    let each = Descriptor::bmru(Shape { batch: 8, time: 31 << 10, channels: 16 }).save(Save::Codes);
    let channel = each.clone().threshold(Threshold::PerChannel);
    for (descriptor, strategy, bytes) in [
        (&each, Strategy::Serial, 20.25),
        (&channel, Strategy::Serial, 12.25),
        (&each, Strategy::Tiles, 24.375),
        (&channel, Strategy::Tiles, 16.375),
    ] {
        let plan = descriptor.backward(&Limits::default(), &whole(strategy, 1024)).expect("it fits");
        let moved = per_element(&plan);
        // Beside them less than 16 words for each stretch.
        assert!(moved >= bytes && moved < bytes + 64.0 / 1024.0, "{moved}, not {bytes}: {plan}");
    }
}
