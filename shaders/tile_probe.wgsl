// Looks back from the end of a tile until its element is decided, by the few inputs behind its last step that sets.

fn run(item: u32) {
    probe_tile(node_of(item));
}

fn probe_tile(tile: Node) {
    let begin = tile.index * params.tile_steps;
    var step = min(begin + params.tile_steps, params.steps);
    var candidate_index = candidate_at(tile.b, step, tile.d);
    var threshold_index = threshold_at(tile.b, step, tile.d);
    var low_threshold_index = low_threshold_at(tile.b, step, tile.d);
    var amplitude_index = amplitude_at(tile.b, step, tile.d);
    var thresholds: Thresholds;
    if THRESHOLD_PER_CHANNEL {
        thresholds = load_thresholds(threshold_index, low_threshold_index);
    }
    var amplitude = Vector(0u);
    if !AMPLITUDE_PER_ELEMENT {
        amplitude = load_amplitude(amplitude_at(0u, 0u, tile.d));
    }

    var of_tile = identity();
    while step > begin && smallest(decided(of_tile)) == 0u {
        step--;
        candidate_index -= candidate_step();
        threshold_index -= threshold_step();
        low_threshold_index -= low_threshold_step();
        let candidate = load_candidate(candidate_index);
        if !THRESHOLD_PER_CHANNEL {
            thresholds = load_thresholds(threshold_index, low_threshold_index);
        }
        if MASKED {
            thresholds = validity(tile.b, step, tile.d);
        }
        if AMPLITUDE_PER_ELEMENT {
            amplitude_index -= amplitude_step();
            amplitude = load_amplitude(amplitude_index);
        }
        of_tile = combine(element_of(gate(candidate, thresholds), payload_of(candidate, amplitude)), of_tile);
    }
    store_aggregate(tile.b, tile.index, tile.d, of_tile);
}
