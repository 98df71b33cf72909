// Walks over a tile from its beginning to its end: no step decides a count or a sum, so that all of them are read. In this order what
// is rounded is scaled by the steps behind it, as in the loop; from the end, every step that sets would round all of the sum anew.

fn run(item: u32) {
    probe_tile(node_of(item));
}

fn probe_tile(tile: Node) {
    let begin = tile.index * params.tile_steps;
    let end = min(begin + params.tile_steps, params.steps);
    var at = at_step(tile, begin);
    var band: Band;
    band[0] = begin_walk(tile);
    if STEPS_AHEAD > 1u {
        while at.step + STEPS_AHEAD <= end {
            at = advance_ahead_band(&band, at);
        }
    }
    while at.step < end {
        advance_band(&band, at);
        at = next_step(at);
    }
    store_aggregate(tile.b, tile.index, tile.d, band[0].of_tile);
}

fn next_step(before: At) -> At {
    var at = before;
    at.step++;
    at.candidate += candidate_step();
    at.threshold += threshold_step();
    at.low_threshold += low_threshold_step();
    at.amplitude += amplitude_step();
    return at;
}

fn advance(before: Walk, inputs: Inputs, at: At, offset: u32) -> Walk {
    var walk = before;
    walk.of_tile = combine(walk.of_tile, element_of_step(walk, inputs, Borders(), 0u));
    return walk;
}
