// Reads the inputs of a tile once and keeps two bits of each step; then two bits of the whole tile.

fn run(item: u32) {
    reduce_tile(node_of(item));
}

fn reduce_tile(tile: Node) {
    let begin = tile.index * params.tile_steps;
    let end = min(begin + params.tile_steps, params.steps);
    var candidate_index = candidate_at(tile.b, begin, tile.d);
    var threshold_index = threshold_at(tile.b, begin, tile.d);
    var low_threshold_index = low_threshold_at(tile.b, begin, tile.d);
    var codes_index = codes_at(tile.b, 2u * (begin / 32u), tile.d);
    var thresholds: Thresholds;
    if THRESHOLD_PER_CHANNEL {
        thresholds = load_thresholds(threshold_index, low_threshold_index);
    }

    var tile_aggregate = Vector(0u);
    for (var step = begin; step < end; step += 32u) {
        let stretch = min(32u, end - step);
        var z = Vector(0u);
        var p = Vector(0u);
        for (var k = 0u; k < stretch; k++) {
            let candidate = load_candidate(candidate_index);
            if !THRESHOLD_PER_CHANNEL {
                thresholds = load_thresholds(threshold_index, low_threshold_index);
            }
            let action = gate(candidate, thresholds);
            z |= action.sets << Vector(k);
            p |= plus_bit(action) << Vector(k);
            candidate_index += candidate_step();
            threshold_index += threshold_step();
            low_threshold_index += low_threshold_step();
        }
        store_codes(codes_index, z);
        store_codes(codes_index + codes_step(), p);
        codes_index += 2u * codes_step();
        tile_aggregate = select(tile_aggregate, aggregate(z, p), z != Vector(0u));
    }
    store_aggregates(aggregates_at(tile.b, tile.index, tile.d), tile_aggregate);
}
