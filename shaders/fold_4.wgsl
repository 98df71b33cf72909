// A vector holds four steps of one channel.

const FOLD: u32 = 4u;

// The states of a vector: those that its steps set, and otherwise the one before.
fn resolve(state: Vector, set_states: Vector, sets: Vector) -> Vector {
    let does = sets != Vector(0u);
    let x = select(state.x, set_states.x, does.x);
    let y = select(x, set_states.y, does.y);
    let z = select(y, set_states.z, does.z);
    return vec4(x, y, z, select(z, set_states.w, does.w));
}

// The state behind the last step, for each component.
fn last_state(states: Vector) -> Vector {
    return states.wwww;
}

// The step of each component, counted from the first of the vector.
const LANE_STEPS = Vector(0u, 1u, 2u, 3u);

// The bits of all steps of a vector, in all of its steps.
fn gathered(bits: Vector) -> Vector {
    return Vector(bits.x | bits.y | bits.z | bits.w);
}

// What the last step of a vector has that has anything but 0, in all of its steps.
fn latest(codes: Vector) -> Vector {
    let first = select(codes.x, codes.y, codes.y != 0u);
    let last = select(codes.z, codes.w, codes.w != 0u);
    return Vector(select(first, last, last != 0u));
}
