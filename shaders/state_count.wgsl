// The state of a walk that counts: h0 + a * n. Only n is carried, so that no rounding adds to another.

struct State {
    bits: Vector,
    initial_state: Vector,
    count: Signed,
}

fn begin_state(at: At, d: u32, amplitude: Vector, initial_state: Vector) -> State {
    var count = Signed(initial_count_of(row_of(at.borders, at.tile.b, at.bit), d));
    if TREE {
        count += parent_element(at.tile.b, at.tile_of_whole, d).count;
    }
    return State(state_at_count(initial_state, amplitude, count), initial_state, count);
}

fn state_from(initial_state: Vector, initial_count: Vector, amplitude: Vector) -> State {
    let count = Signed(initial_count);
    return State(state_at_count(initial_state, amplitude, count), initial_state, count);
}

// Between parts of time the count rests.
fn rested_state(at: At, d: u32, amplitude: Vector, initial_state: Vector) -> State {
    return state_from(initial_state, load_registers(registers_at(at.tile.b, 0u, d)), amplitude);
}

fn next_state(before: State, action: Action, payload: Vector, at: At, offset: u32) -> State {
    let count = before.count + element_of(action, payload).count;
    store_counts(at.counts + offset, Vector(count) & within(at.borders, at.bit));
    return State(state_at_count(before.initial_state, payload, count), before.initial_state, count);
}

// Without a count the bits are those of h0, whatever the amplitude.
fn state_at_count(initial_state: Vector, amplitude: Vector, count: Signed) -> Vector {
    let sum = number_of(initial_state) + number_of(amplitude) * Floats(count);
    return select(pattern_of(sum), initial_state, count == Signed(0));
}

fn leave_word_of_state(state: State, z: Marks, at: At, offset: u32) -> State {
    return state;
}

fn count_of(state: State) -> Vector {
    return Vector(state.count);
}

fn finish_state(state: State, at: At, d: u32) {
    if BORDERED && at.end < params.time_total {
        store_registers(registers_at(at.tile.b, 0u, d), Vector(state.count));
    }
}
