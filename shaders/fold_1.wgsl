// A vector holds one step of each of its channels, of one batch row or of several.

const FOLD: u32 = 1u;

// The states of a vector: those that its steps set, and otherwise the one before.
fn resolve(state: Vector, set_states: Vector, sets: Vector) -> Vector {
    return select(state, set_states, sets != Vector(0u));
}

// An element in every place of a word that holds elements.
fn twice(element: u32) -> u32 {
    return element;
}

// The state behind the last step, for each component.
fn last_state(states: Vector) -> Vector {
    return states;
}

// The step of each component, counted from the first of the vector.
const LANE_STEPS = Vector(0u);

// The bits of all steps of a vector.
fn gathered(bits: Vector) -> Vector {
    return bits;
}

// What the last step of a vector has that has anything but 0.
fn latest(codes: Vector) -> Vector {
    return codes;
}
