// A vector holds two steps of one channel in each of two batch rows.

const FOLD: u32 = 2u;

// The states of a vector: those that its steps set, and otherwise the one before.
fn resolve(state: Vector, set_states: Vector, sets: Vector) -> Vector {
    let does = sets != Vector(0u);
    let first = select(state, set_states, does).xxzz;
    return select(first, set_states, does);
}

// The state behind the last step, for each component.
fn last_state(states: Vector) -> Vector {
    return states.yyww;
}

// The step of each component, counted from the first of the vector.
const LANE_STEPS = Vector(0u, 1u, 0u, 1u);

// The bits of all steps of a vector, in all of its steps.
fn gathered(bits: Vector) -> Vector {
    return bits | bits.yxwz;
}
