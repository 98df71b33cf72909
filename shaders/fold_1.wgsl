// A vector holds one step of each of its channels.

const FOLD: u32 = 1u;

// The states of a vector: those that its steps set, and otherwise the one before.
fn resolve(state: Vector, set_states: Vector, sets: Mask) -> Vector {
    return select(state, set_states, sets);
}

// The state behind the last step, for each component.
fn last_state(states: Vector) -> Vector {
    return states;
}
