// Reads the inputs of 1,024 steps, and writes their record; counts the steps with a NaN among their inputs, too.

fn run(item: u32) {
    classify_stretch(node_of(item));
}

fn is_nan(x: Vector) -> bool {
    return magnitude(x) > INFINITY;
}

fn classify_stretch(tile: Node) {
    let begin = tile.index * params.tile_steps;
    let end = min(begin + params.tile_steps, params.steps);
    var candidate_index = candidate_at(tile.b, begin, tile.d);
    var threshold_index = threshold_at(tile.b, begin, tile.d);
    var low_threshold_index = low_threshold_at(tile.b, begin, tile.d);
    var thresholds: Thresholds;
    if THRESHOLD_PER_CHANNEL {
        thresholds = load_thresholds(threshold_index, low_threshold_index, 0u);
    }

    var record = Record();
    for (var step = begin; step < end; step += 32u) {
        let length = min(32u, end - step);
        var z = 0u;
        var p = 0u;
        var nans = 0u;
        for (var k = 0u; k < length; k++) {
            let candidate = load_candidate(candidate_index);
            if !THRESHOLD_PER_CHANNEL {
                thresholds = load_thresholds(threshold_index, low_threshold_index, 0u);
            }
            let action = gate(candidate, thresholds);
            z |= action.sets << k;
            p |= plus_bit(action) << k;
            // A unit with one threshold loads zeros as the other.
            nans += select(0u, 1u, is_nan(candidate) || is_nan(thresholds.high) || is_nan(thresholds.low));
            candidate_index += candidate_step();
            threshold_index += threshold_step();
            low_threshold_index += low_threshold_step();
        }
        record = join(record, record_of(z, z & all_but_last(step), p, length, nans));
    }
    store_record(tile.b, tile.index, tile.d, record);
}
