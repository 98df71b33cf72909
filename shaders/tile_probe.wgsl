// Looks back from the end of a tile until its element is decided, by the few inputs behind its last step that sets.

fn run(item: u32) {
    probe_tile(node_of(item));
}

fn probe_tile(tile: Node) {
    let begin = tile.index * params.tile_steps;
    var at = at_step(tile, min(begin + params.tile_steps, params.steps));
    var band: Band;
    band[0] = begin_walk(tile);
    while at.step > begin && !is_decided(band[0]) {
        // The steps that share a word with the one before; where none has anything to tell, all of them.
        var first = begin;
        if BORDERED || MASKED {
            let word = (at.step - 1u) / 32u;
            first = max(begin, 32u * word);
            at.borders = borders_of(tile.b, word);
            band[0].values = load_validity(validity_at(tile.b, word, tile.d));
        }
        if STEPS_AHEAD > 1u {
            while at.step >= first + STEPS_AHEAD * FOLD && !is_decided(band[0]) {
                at = advance_ahead_band(&band, at);
            }
        }
        while at.step > first && !is_decided(band[0]) {
            at = next_step(at);
            advance_band(&band, at);
        }
    }
    store_aggregate(tile.b, tile.index, tile.d, band[0].of_tile);
}

fn is_decided(walk: Walk) -> bool {
    return smallest(decided(walk.of_tile)) != 0u;
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
    walk.of_tile = combine(joined(element_of_step(walk, inputs, at.borders, bit)), walk.of_tile);
    if BORDERED && begins(at.borders, bit) {
        let row = row_of(at.borders, at.tile.b, bit);
        var initial_state = Vector(0u);
        if row != NO_SEQUENCE {
            initial_state = load_initial_state(initial_state_at(row, 0u, at.tile.d + offset));
        }
        walk.of_tile = combine(start_element(initial_state), walk.of_tile);
    }
    return walk;
}
