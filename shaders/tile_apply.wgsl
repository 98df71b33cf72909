// Resolves the codes of a tile with what happened before it, and writes the states, as numbers or as bits.

fn run(item: u32) {
    apply_tile(node_of(item));
}

fn apply_tile(tile: Node) {
    let begin = tile.index * params.tile_steps;
    let end = min(begin + params.tile_steps, params.steps);
    let amplitude = load_amplitude(amplitude_at(0u, 0u, tile.d));
    let initial_state = load_initial_state(initial_state_at(tile.b, 0u, tile.d));

    let tile_of_whole = params.time_origin / params.tile_steps + tile.index;
    let before = before_tile(tile.b, tile_of_whole, tile.d);
    var holds_initial = before.sets ^ Vector(1u);
    var plus = before.plus;

    var first_set = Vector(NEVER);
    var states_index = states_at(tile.b, begin, tile.d);
    var codes_index = codes_at(tile.b, 2u * (begin / 32u), tile.d);
    var packed_index = packed_states_at(tile.b, begin / 32u, tile.d);
    for (var step = begin; step < end; step += 32u) {
        let stretch = min(32u, end - step);
        let z = load_codes(codes_index);
        let p = load_codes(codes_index + codes_step());
        let after = signs_after(z, p, plus);
        let initial_after = steps_before_first(z) & (Vector(0u) - holds_initial);
        let inside = Vector(0xffffffffu >> (32u - stretch));
        if TAKES_WORDS {
            let first_here = Vector(params.time_origin + step) + firstTrailingBit(z);
            first_set = min(first_set, select(Vector(NEVER), first_here, z != Vector(0u)));
        }
        if PACKS {
            store_packed_states(packed_index, after & inside);
            packed_index += packed_states_step();
        }
        if SAVES {
            store_codes(codes_index + codes_step(), signs_before(z, p, plus) & inside);
        }
        if WRITES_STATES {
            states_index = store_word(states_index, stretch, after, initial_after, amplitude, initial_state);
        }
        plus = after >> Vector(31u);
        holds_initial = initial_after >> Vector(31u);
        codes_index += 2u * codes_step();
    }

    // Behind the last step of an incomplete word the carry is that of the step.
    if params.time_origin + end == params.time_total {
        store_final_state(final_state_at(tile.b, 0u, tile.d), state_at(plus, holds_initial, amplitude, initial_state));
    }
    store_first_of_tile(first_of_tile_at(tile.b, tile.index, tile.d), first_set);
    if SAVES && tile_of_whole == 0u {
        store_saved_initial_state(saved_initial_state_at(tile.b, 0u, tile.d), initial_state);
        if tile.b == 0u {
            store_saved_amplitude(saved_amplitude_at(0u, 0u, tile.d), amplitude);
        }
    }
}
