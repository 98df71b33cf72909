// The state of a walk that is all that it carries: a number. `act` of the element's file tells what the steps before a tile do to it,
// `after` what one step does.

struct State {
    // After each step of a vector.
    bits: Vector,
}

fn begin_state(at: At, d: u32, amplitude: Vector, initial_state: Vector) -> State {
    if TREE {
        return State(act(parent_element(at.tile.b, at.tile_of_whole, d), initial_state));
    }
    return State(initial_state);
}

fn state_from(initial_state: Vector, initial_count: Vector, amplitude: Vector) -> State {
    return State(initial_state);
}

// Between parts of time the state rests, where an initial one can come again.
fn rested_state(at: At, d: u32, amplitude: Vector, initial_state: Vector) -> State {
    return State(load_registers(registers_at(at.tile.b, 0u, d)));
}

fn next_state(before: State, action: Action, payload: Vector, at: At, offset: u32) -> State {
    return State(after(before.bits, action, payload));
}

// Backward reads the states again: nothing else is saved of them.
fn leave_word_of_state(state: State, z: Marks, at: At, offset: u32) -> State {
    return state;
}

fn count_of(state: State, place: u32) -> Vector {
    return Vector(0u);
}

fn finish_state(state: State, at: At, d: u32) {
    if BORDERED && !TREE && at.end < params.time_total {
        store_registers(registers_at(at.tile.b, 0u, d), state.bits);
    }
}
