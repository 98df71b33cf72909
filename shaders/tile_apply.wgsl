// Resolves the codes of a tile with the carry that the tree found for it, and writes the states.

fn run(item: u32) {
    apply_tile(node_of(item));
}

fn apply_tile(tile: Node) {
    let begin = tile.index * params.tile_steps;
    let end = min(begin + params.tile_steps, params.steps);
    let amplitude = load_amplitude(amplitude_at(0u, 0u, tile.d));
    let initial_state = load_initial_state(initial_state_at(tile.b, 0u, tile.d));

    // A single tile has no parent and finds the identity.
    let tile_of_whole = params.time_origin / params.tile_steps + tile.index;
    let parent_index = parent_at(tile.b, 2u * (tile_of_whole / 32u), tile.d);
    var holds_initial = bit_at(load_parent(parent_index), tile_of_whole % 32u) ^ Vector(1u);
    var plus = bit_at(load_parent(parent_index + parent_step()), tile_of_whole % 32u);

    var state = Vector(0u);
    var states_index = states_at(tile.b, begin, tile.d);
    var codes_index = codes_at(tile.b, 2u * (begin / 32u), tile.d);
    for (var step = begin; step < end; step += 32u) {
        let stretch = min(32u, end - step);
        let z = load_codes(codes_index);
        let p = load_codes(codes_index + codes_step());
        let after = signs_after(z, p, plus);
        let initial_after = steps_before_first(z) & (Vector(0u) - holds_initial);
        if SAVES {
            let inside = Vector(0xffffffffu >> (32u - stretch));
            store_codes(codes_index + codes_step(), signs_before(z, p, plus) & inside);
        }
        for (var k = 0u; k < stretch; k++) {
            let set_state = state_of(amplitude, ~bit_at(after, k) << Vector(31u));
            state = select(set_state, initial_state, bit_at(initial_after, k) != Vector(0u));
            store_states(states_index, state);
            states_index += states_step();
        }
        plus = after >> Vector(31u);
        holds_initial = initial_after >> Vector(31u);
        codes_index += 2u * codes_step();
    }

    if params.time_origin + end == params.time_total {
        store_final_state(final_state_at(tile.b, 0u, tile.d), state);
    }
    if SAVES && tile_of_whole == 0u {
        store_saved_initial_state(saved_initial_state_at(tile.b, 0u, tile.d), initial_state);
        if tile.b == 0u {
            store_saved_amplitude(saved_amplitude_at(0u, 0u, tile.d), amplitude);
        }
    }
}
