// The state of a walk that counts: h0 + a * n. Only n is carried, so that no rounding adds to another.

struct State {
    bits: Vector,
    initial_state: Vector,
    // The same as a number.
    initial_number: Floats,
    count: Signed,
}

fn begin_state(at: At, d: u32, amplitude: Vector, initial_state: Vector) -> State {
    var count = Signed(initial_count_of(row_of(at.borders, at.tile.b, at.bit), d, 0u));
    if TREE {
        count += parent_element(at.tile.b, at.tile_of_whole, d).count;
    }
    return state_of_count(initial_state, amplitude, count);
}

fn state_from(initial_state: Vector, initial_count: Vector, amplitude: Vector) -> State {
    return state_of_count(initial_state, amplitude, Signed(initial_count));
}

// Between parts of time the count rests.
fn rested_state(at: At, d: u32, amplitude: Vector, initial_state: Vector) -> State {
    return state_from(initial_state, load_registers(registers_at(at.tile.b, 0u, d)), amplitude);
}

fn next_state(before: State, action: Action, payload: Vector, at: At, offset: u32) -> State {
    var state = before;
    state.count += element_of(action, payload).count;
    store_counts(at.counts + offset, Vector(state.count) & within(at.borders, at.bit));
    state.bits = bits_of_count(state, payload);
    return state;
}

fn state_of_count(initial_state: Vector, amplitude: Vector, count: Signed) -> State {
    var state = State(initial_state, initial_state, number_of(initial_state), count);
    state.bits = bits_of_count(state, amplitude);
    return state;
}

// Without a count the bits are those of h0, whatever the amplitude.
fn bits_of_count(state: State, amplitude: Vector) -> Vector {
    let sum = state.initial_number + bitcast<Floats>(amplitude) * Floats(state.count);
    return select(pattern_of(sum), state.initial_state, state.count == Signed(0));
}

fn leave_word_of_state(state: State, z: Marks, at: At, offset: u32) -> State {
    return state;
}

fn count_of(state: State, place: u32) -> Vector {
    return Vector(state.count);
}

fn finish_state(state: State, at: At, d: u32) {
    if BORDERED && at.end < params.time_total {
        store_registers(registers_at(at.tile.b, 0u, d), Vector(state.count));
    }
}
