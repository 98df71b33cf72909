// Looks back from the end of a tile for the last step that sets: two bits of the whole tile, from a few of its inputs.

fn run(item: u32) {
    probe_tile(node_of(item));
}

fn probe_tile(tile: Node) {
    let begin = tile.index * params.tile_steps;
    var step = min(begin + params.tile_steps, params.steps);
    var candidate_index = candidate_at(tile.b, step, tile.d);
    var threshold_index = threshold_at(tile.b, step, tile.d);
    var low_threshold_index = low_threshold_at(tile.b, step, tile.d);
    var thresholds: Thresholds;
    if THRESHOLD_PER_CHANNEL {
        thresholds = load_thresholds(threshold_index, low_threshold_index);
    }

    var tile_aggregate = Vector(0u);
    while step > begin && smallest(tile_aggregate) == 0u {
        step--;
        candidate_index -= candidate_step();
        threshold_index -= threshold_step();
        low_threshold_index -= low_threshold_step();
        let candidate = load_candidate(candidate_index);
        if !THRESHOLD_PER_CHANNEL {
            thresholds = load_thresholds(threshold_index, low_threshold_index);
        }
        let action = gate(candidate, thresholds);
        let step_aggregate = action.sets | (plus_bit(action) << Vector(1u));
        tile_aggregate = select(step_aggregate, tile_aggregate, tile_aggregate != Vector(0u));
    }
    store_aggregates(aggregates_at(tile.b, tile.index, tile.d), tile_aggregate);
}
