// Looks back from the end of a tile until its element is decided, by the few inputs behind its last step that sets.

fn run(item: u32) {
    probe_tile(node_of(item));
}

fn probe_tile(tile: Node) {
    let begin = tile.index * params.tile_steps;
    var at = at_step(tile, min(begin + params.tile_steps, params.steps));
    var band: Band;
    band[0] = begin_walk(tile);
    if STEPS_AHEAD > 1u {
        while at.step >= begin + STEPS_AHEAD * FOLD && smallest(decided(band[0].of_tile)) == 0u {
            at = advance_ahead_band(&band, at);
        }
    }
    while at.step > begin && smallest(decided(band[0].of_tile)) == 0u {
        at = next_step(at);
        advance_band(&band, at);
    }
    store_aggregate(tile.b, tile.index, tile.d, band[0].of_tile);
}

// The step before.
fn next_step(behind: At) -> At {
    var at = behind;
    at.step -= FOLD;
    at.candidate -= candidate_step();
    at.threshold -= threshold_step();
    at.low_threshold -= low_threshold_step();
    at.amplitude -= amplitude_step();
    return at;
}

fn advance(before: Walk, inputs: Inputs, at: At, offset: u32) -> Walk {
    var walk = before;
    let bit = at.step % 32u;
    let borders = borders_of(at.tile.b, at.step / 32u);
    walk.of_tile = combine(joined(element_of_step(walk, inputs, borders, bit)), walk.of_tile);
    if BORDERED && begins(borders, bit) {
        let row = row_of(borders, at.tile.b, bit);
        var initial_state = Vector(0u);
        if row != NO_SEQUENCE {
            initial_state = load_initial_state(initial_state_at(row, 0u, at.tile.d + offset));
        }
        walk.of_tile = combine(start_element(initial_state), walk.of_tile);
    }
    return walk;
}
