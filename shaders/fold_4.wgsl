// A vector holds four steps of one channel.

const FOLD: u32 = 4u;

// The states of a vector: those that its steps set, and otherwise the one before.
fn resolve(state: Vector, set_states: Vector, sets: Mask) -> Vector {
    let x = select(state.x, set_states.x, sets.x);
    let y = select(x, set_states.y, sets.y);
    let z = select(y, set_states.z, sets.z);
    return vec4(x, y, z, select(z, set_states.w, sets.w));
}

// The state behind the last step, for each component.
fn last_state(states: Vector) -> Vector {
    return states.wwww;
}
