// Walks over a tile from its beginning to its end: no step decides a count or a sum, so that all of them are read. In this order what
// is rounded is scaled by the steps behind it, as in the loop; from the end, every step that sets would round all of the sum anew.

fn run(item: u32) {
    probe_tile(node_of(item));
}

fn probe_tile(tile: Node) {
    let begin = tile.index * params.tile_steps;
    let end = min(begin + params.tile_steps, params.steps);
    var candidate_index = candidate_at(tile.b, begin, tile.d);
    var threshold_index = threshold_at(tile.b, begin, tile.d);
    var low_threshold_index = low_threshold_at(tile.b, begin, tile.d);
    var amplitude_index = amplitude_at(tile.b, begin, tile.d);
    var thresholds: Thresholds;
    if THRESHOLD_PER_CHANNEL {
        thresholds = load_thresholds(threshold_index, low_threshold_index);
    }
    var amplitude = Vector(0u);
    if !AMPLITUDE_PER_ELEMENT {
        amplitude = load_amplitude(amplitude_at(0u, 0u, tile.d));
    }

    var of_tile = identity();
    for (var step = begin; step < end; step++) {
        let candidate = load_candidate(candidate_index);
        if !THRESHOLD_PER_CHANNEL {
            thresholds = load_thresholds(threshold_index, low_threshold_index);
        }
        if AMPLITUDE_PER_ELEMENT {
            amplitude = load_amplitude(amplitude_index);
            amplitude_index += amplitude_step();
        }
        candidate_index += candidate_step();
        threshold_index += threshold_step();
        low_threshold_index += low_threshold_step();
        of_tile = combine(of_tile, element_of(gate(candidate, thresholds), payload_of(candidate, amplitude)));
    }
    store_aggregate(tile.b, tile.index, tile.d, of_tile);
}
