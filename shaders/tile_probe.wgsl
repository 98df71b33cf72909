// Looks back from the end of a tile for the last step that sets: two bits of the whole tile, from a few of its inputs.

fn run(item: u32) {
    probe_tile(node_of(item));
}

fn probe_tile(tile: Node) {
    let begin = tile.index * params.tile_steps;
    var step = min(begin + params.tile_steps, params.steps);
    var candidate_index = candidate_at(tile.b, step, tile.d);
    var threshold_index = threshold_at(tile.b, step, tile.d);
    var threshold = Vector(0u);
    if THRESHOLD_PER_CHANNEL {
        threshold = load_threshold(threshold_index);
    }

    var tile_aggregate = Vector(0u);
    while step > begin && smallest(tile_aggregate) == 0u {
        step--;
        candidate_index -= candidate_step();
        threshold_index -= threshold_step();
        let candidate = load_candidate(candidate_index);
        if !THRESHOLD_PER_CHANNEL {
            threshold = load_threshold(threshold_index);
        }
        let sets = set_bit(candidate, threshold);
        let plus = ~(set_sign(candidate) >> Vector(31u)) & sets;
        tile_aggregate = select(sets | (plus << Vector(1u)), tile_aggregate, tile_aggregate != Vector(0u));
    }
    store_aggregates(aggregates_at(tile.b, tile.index, tile.d), tile_aggregate);
}
