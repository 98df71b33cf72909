//! What plans, strategies and shapes say of themselves, and the numbers that are told beside.

use bmru::{Descriptor, Error, HealthSource, Limits, Plan, Save, Shape, States, Strategy, Tuning};

fn scan() -> Descriptor {
    Descriptor::bmru(Shape { batch: 2, time: 100, channels: 6 })
}

/// Tiles of a word, with a tree above them.
fn tuning(strategy: Strategy) -> Tuning {
    Tuning { tile_steps: 32, look_back_tiles: 0, max_vector_width: 2, ..Tuning::discrete().with_strategy(strategy) }
}

fn plan(made: Result<Plan, Error>) -> Plan {
    made.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn shapes_and_strategies_have_names() {
    assert_eq!(Shape { batch: 2, time: 100, channels: 6 }.to_string(), "B = 2, T = 100, D = 6");
    assert_eq!(Strategy::ALL.map(|strategy| strategy.to_string()), ["serial", "tiles", "probe"]);
}

#[test]
fn a_plan_tells_its_dispatches() {
    let tiles = plan(scan().save(Save::Codes).forward(&Limits::default(), &tuning(Strategy::Tiles)));
    let expected = [
        "forward B = 2, T = 100, D = 6, tiles, 5 dispatches",
        "  tile_reduce: 1 × grid 1 × 1 of 64 invocations, 2 channels each; 24 have work, of at most 34 iterations",
        "  tree_reduce: 1 × grid 1 × 1 of 64 invocations, 2 channels each; 6 have work, of at most 32 iterations",
        "  tree_scan: 1 × grid 1 × 1 of 64 invocations, 2 channels each; 6 have work, of at most 0 iterations",
        "  tile_apply: 1 × grid 1 × 1 of 64 invocations, 2 channels each; 24 have work, of at most 34 iterations",
        "  first_set: 1 × grid 1 × 1 of 64 invocations, 1 channels each; 12 have work, of at most 2 iterations",
        "  bytes: candidate 4800, threshold 4800, amplitude 24, states 4800, saved 504, scratch 336",
        "  per element: 9.16 bytes read, 5.06 written",
    ];
    assert_eq!(tiles.to_string().lines().collect::<Vec<_>>(), expected);
    assert_eq!(tiles.iterations(), 34);
    // Parts of one stage share a line.
    let limits = Limits { max_storage_buffer_binding_size: 1024, ..Limits::default() };
    let parts = plan(scan().forward(&limits, &tuning(Strategy::Serial)));
    let expected = [
        "forward B = 2, T = 100, D = 6, serial, 8 dispatches",
        "  serial: 8 × grid 1 × 1 of 64 invocations, 2 channels each; 24 have work, of at most 34 iterations",
        "  bytes: candidate 4800, threshold 4800, amplitude 24, states 4800, scratch 48",
        "  per element: 8.28 bytes read, 4.12 written",
    ];
    assert_eq!(parts.to_string().lines().collect::<Vec<_>>(), expected);
    let whole = plan(scan().forward(&Limits::default(), &tuning(Strategy::Serial)));
    assert!(whole.to_string().starts_with("forward B = 2, T = 100, D = 6, serial, 1 dispatch\n"), "{whole}");
    assert_eq!(whole.iterations(), 102);
}

#[test]
fn a_plan_tells_what_it_is_for() {
    let (limits, tuning) = (Limits::default(), tuning(Strategy::Serial));
    let saves = scan().save(Save::Codes);
    for (made, expected) in [
        (scan().forward(&limits, &tuning), "forward B"),
        (scan().backward(&limits, &tuning), "backward B"),
        (scan().states(States::Packed).unpack(&limits, &tuning), "unpacking B"),
        (saves.health(HealthSource::Saved, &limits, &tuning), "health, from what was saved, B"),
        (scan().health(HealthSource::Inputs, &limits, &tuning), "health, from the inputs, B"),
        (scan().summarize(&limits, &tuning), "summary B"),
        (saves.summarize_gradient(&limits, &tuning), "summary of gradients B"),
    ] {
        let text = plan(made).to_string();
        assert!(text.starts_with(expected), "{expected}: {text}");
    }
}

/// Their states go through the additions of a tree: one for each level, and one where a tile adds to the state before all of time.
#[test]
fn relaxed_units_alone_add_forward() {
    for (time, depth) in [(32, 0), (100, 2)] {
        for strategy in Strategy::ALL {
            let shape = Shape { batch: 1, time, channels: 4 };
            let forward = |scan: Descriptor| plan(scan.forward(&Limits::default(), &tuning(strategy))).depth();
            let expected = if strategy == Strategy::Serial { 0 } else { depth };
            assert_eq!(forward(Descriptor::relaxed(shape, 0.5)), expected, "{time}, {strategy}");
            assert_eq!(forward(Descriptor::cumulative(shape)), 0, "{time}, {strategy}");
        }
    }
}
