// Writes packed states as numbers, a tile of them.

fn run(item: u32) {
    unpack_tile(node_of(item));
}

fn unpack_tile(tile: Node) {
    let begin = tile.index * params.tile_steps;
    let end = min(begin + params.tile_steps, params.steps);
    let amplitude = load_amplitude(amplitude_at(0u, 0u, tile.d));
    let initial_state = load_initial_state(initial_state_at(tile.b, 0u, tile.d));
    let first_set = load_first_set(first_set_at(tile.b, 0u, tile.d));

    var step = begin;
    var states_index = states_at(tile.b, begin, tile.d);
    var packed_index = packed_states_at(tile.b, ((params.time_origin & 31u) + begin) / 32u, tile.d);
    while step < end {
        // A part can begin within a word.
        let time = params.time_origin + step;
        let bit = time & 31u;
        let stretch = min(32u - bit, end - step);
        let plus = load_packed_states(packed_index) >> Vector(bit);
        states_index = store_word(states_index, stretch, plus, steps_below(first_set, time), amplitude, initial_state);
        packed_index += packed_states_step();
        step += stretch;
    }
}

// Those of 32 steps, the first of which is `begin`, that lie below `first`.
fn steps_below(first: Vector, begin: u32) -> Vector {
    let count = max(first, Vector(begin)) - Vector(begin);
    let some = (Vector(1u) << (count & Vector(31u))) - Vector(1u);
    return select(some, Vector(0xffffffffu), count > Vector(31u));
}
