// A vector holds two steps of two channels.

const FOLD: u32 = 2u;

// The states of a vector: those that its steps set, and otherwise the one before.
fn resolve(state: Vector, set_states: Vector, sets: Mask) -> Vector {
    let first = select(state, set_states, sets).xyxy;
    return select(first, set_states, sets);
}

// The state behind the last step, for each component.
fn last_state(states: Vector) -> Vector {
    return states.zwzw;
}
