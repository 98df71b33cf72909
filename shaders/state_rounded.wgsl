// The state of a walk that is a sum, where it is stored in 16 bits: it is kept in an f32, and rounded once for each store. What is
// held keeps its bits: to widen and to narrow again loses nothing.

struct State {
    // After each step of a vector, as it is stored.
    bits: Vector,
    // The bits of the f32.
    sum: Vector,
}

// Between parts of time the sum rests as it is.
fn begin_state(at: At, d: u32, amplitude: Vector, initial_state: Vector) -> State {
    var sum = widen(initial_state);
    if TREE {
        sum = act(parent_element(at.tile.b, at.tile_of_whole, d), sum);
    } else if params.time_origin > 0u {
        sum = load_registers(registers_at(at.tile.b, 0u, d));
    }
    return State(rounded(sum), sum);
}

fn state_from(initial_state: Vector, initial_count: Vector, amplitude: Vector) -> State {
    return State(initial_state, widen(initial_state));
}

fn rested_state(at: At, d: u32, amplitude: Vector, initial_state: Vector) -> State {
    return begin_state(at, d, amplitude, initial_state);
}

fn next_state(before: State, action: Action, payload: Vector, at: At, offset: u32) -> State {
    let sum = after(before.sum, action, payload);
    return State(rounded(sum), sum);
}

// Backward reads the states again: nothing else is saved of them.
fn leave_word_of_state(state: State, z: Marks, at: At, offset: u32) -> State {
    return state;
}

fn count_of(state: State, place: u32) -> Vector {
    return Vector(0u);
}

fn finish_state(state: State, at: At, d: u32) {
    if !TREE && at.end < params.time_total {
        store_registers(registers_at(at.tile.b, 0u, d), state.sum);
    }
}
