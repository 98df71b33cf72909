// What a probe reads of a step, and the element of the scan that comes of it.

struct Walk {
    of_tile: Element,
    // The steps of this word that are values.
    values: Marks,
    // What all steps of a channel have in common.
    thresholds: Thresholds,
    amplitude: Vector,
}

struct At {
    tile: Node,
    step: u32,
    // The borders of the steps of its word.
    borders: Borders,
    // Indices of the step.
    candidate: u32,
    threshold: u32,
    low_threshold: u32,
    amplitude: u32,
}

fn at_step(tile: Node, step: u32) -> At {
    return At(
        tile,
        step,
        Borders(),
        candidate_at(tile.b, step / FOLD, tile.d),
        threshold_at(tile.b, step / FOLD, tile.d),
        low_threshold_at(tile.b, step / FOLD, tile.d),
        amplitude_at(tile.b, step / FOLD, tile.d),
    );
}

fn begin_walk(tile: Node) -> Walk {
    var walk: Walk;
    walk.of_tile = identity();
    if THRESHOLD_PER_CHANNEL {
        walk.thresholds = load_thresholds(threshold_at(0u, 0u, tile.d), low_threshold_at(0u, 0u, tile.d), 0u);
    }
    if !AMPLITUDE_PER_ELEMENT {
        walk.amplitude = load_amplitude(amplitude_at(0u, 0u, tile.d));
    }
    return walk;
}

fn element_of_step(walk: Walk, inputs: Inputs, borders: Borders, bit: u32) -> Element {
    var thresholds = walk.thresholds;
    if MASKED {
        thresholds = validity(walk.values, bit);
    } else if !THRESHOLD_PER_CHANNEL {
        thresholds = inputs.thresholds;
    }
    var amplitude = walk.amplitude;
    if AMPLITUDE_PER_ELEMENT {
        amplitude = inputs.amplitude;
    }
    var action = gate(inputs.candidate, thresholds);
    action.sets &= within(borders, bit);
    return element_of(action, payload_of(inputs.candidate, amplitude));
}
