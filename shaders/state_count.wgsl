// The state of a walk that counts: h0 + a * n. Only n is carried, so that no rounding adds to another.

struct State {
    bits: Vector,
    initial_state: Vector,
    count: Signed,
}

fn begin_state(at: At, d: u32, amplitude: Vector, initial_state: Vector) -> State {
    var count = Signed(load_initial_count(initial_count_at(at.tile.b, 0u, d)));
    if TREE {
        count += parent_element(at.tile.b, at.tile_of_whole, d).count;
    }
    return State(state_at_count(initial_state, amplitude, count), initial_state, count);
}

fn next_state(before: State, action: Action, payload: Vector, at: At, offset: u32) -> State {
    let count = before.count + element_of(action, payload).count;
    store_counts(at.counts + offset, Vector(count));
    return State(state_at_count(before.initial_state, payload, count), before.initial_state, count);
}

// Without a count the bits are those of h0, whatever the amplitude.
fn state_at_count(initial_state: Vector, amplitude: Vector, count: Signed) -> Vector {
    let sum = number_of(initial_state) + number_of(amplitude) * Floats(count);
    return select(pattern_of(sum), initial_state, count == Signed(0));
}

fn leave_word_of_state(state: State, z: Vector, at: At, offset: u32) -> State {
    return state;
}

fn finish_state(state: State, at: At, d: u32) {
    if !TREE || at.end == params.time_total {
        store_final_count(final_count_at(at.tile.b, 0u, d), Vector(state.count));
    }
}
