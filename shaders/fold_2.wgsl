// A vector holds two steps of two channels.

const FOLD: u32 = 2u;

// The states of a vector: those that its steps set, and otherwise the one before.
fn resolve(state: Vector, set_states: Vector, sets: Mask) -> Vector {
    let before = select(state, set_states, sets).xy;
    return select(vec4(state.xy, before), set_states, sets);
}

// The state behind the last step, for each component.
fn last_state(states: Vector) -> Vector {
    return states.zwzw;
}
