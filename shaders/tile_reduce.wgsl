// Reads the inputs of a tile once and keeps two bits of each step; then two bits of the whole tile.

struct Walk {
    thresholds: Thresholds,
    // The steps of this word that set, and those that set to +.
    z: Vector,
    p: Vector,
}

// What is read of a step.
struct Inputs {
    candidate: Vector,
    thresholds: Thresholds,
}

struct At {
    candidate: u32,
    threshold: u32,
    low_threshold: u32,
    // The step within its word.
    bit: u32,
}

fn run(item: u32) {
    reduce_tile(node_of(item));
}

fn reduce_tile(tile: Node) {
    let begin = tile.index * params.tile_steps;
    let end = min(begin + params.tile_steps, params.steps);
    var at = At(
        candidate_at(tile.b, begin, tile.d),
        threshold_at(tile.b, begin, tile.d),
        low_threshold_at(tile.b, begin, tile.d),
        0u,
    );
    var codes_index = codes_at(tile.b, 2u * (begin / 32u), tile.d);
    var band: Band;
    if THRESHOLD_PER_CHANNEL {
        band[0].thresholds = load_thresholds(at.threshold, at.low_threshold, 0u);
    }

    var tile_aggregate = Vector(0u);
    for (var step = begin; step < end; step += 32u) {
        let stretch = min(32u, end - step);
        band[0].z = Vector(0u);
        band[0].p = Vector(0u);
        at.bit = 0u;
        if STEPS_AHEAD > 1u {
            while at.bit + STEPS_AHEAD <= stretch {
                at = advance_ahead_band(&band, at);
            }
        }
        while at.bit < stretch {
            advance_band(&band, at);
            at = next_step(at);
        }
        let z = band[0].z;
        let p = band[0].p;
        store_codes(codes_index, z);
        store_codes(codes_index + codes_step(), p);
        codes_index += 2u * codes_step();
        tile_aggregate = select(tile_aggregate, aggregate(z, p), z != Vector(0u));
    }
    store_aggregates(aggregates_at(tile.b, tile.index, tile.d), tile_aggregate);
}

fn next_step(before: At) -> At {
    return At(
        before.candidate + candidate_step(),
        before.threshold + threshold_step(),
        before.low_threshold + low_threshold_step(),
        before.bit + 1u,
    );
}

fn load_inputs(at: At, offset: u32) -> Inputs {
    var inputs: Inputs;
    inputs.candidate = load_candidate(candidate_beside(at.candidate, offset));
    if !THRESHOLD_PER_CHANNEL {
        inputs.thresholds = load_thresholds(at.threshold, at.low_threshold, offset);
    }
    return inputs;
}

fn advance(before: Walk, inputs: Inputs, at: At, offset: u32) -> Walk {
    var walk = before;
    var thresholds = walk.thresholds;
    if !THRESHOLD_PER_CHANNEL {
        thresholds = inputs.thresholds;
    }
    let action = gate(inputs.candidate, thresholds);
    walk.z |= action.sets << Vector(at.bit);
    walk.p |= plus_bit(action) << Vector(at.bit);
    return walk;
}
