// A component holds an element of each of two channels, as words of 16-bit elements do. Their words, one for each channel, are two
// vectors, one behind the other.

const FOLD: u32 = 1u;

// The states of a vector: those that its steps set, and otherwise the one before.
fn resolve(state: Vector, set_states: Vector, sets: Vector) -> Vector {
    let does = filled(sets << Vector(SIGN_SHIFT));
    return (state & ~does) | (set_states & does);
}

// The state behind the last step, for each component.
fn last_state(states: Vector) -> Vector {
    return states;
}

// The step of each component, counted from the first of the vector.
const LANE_STEPS = Vector(0u);

// An element in the upper half of a word, in both.
fn twice(element: u32) -> u32 {
    return element | (element >> 16u);
}

// Elements in the upper halves of two vectors, in pairs, and back.
fn paired(first: Vector, second: Vector) -> Vector {
    return (vec4(first.xz, second.xz) >> Vector(16u)) | vec4(first.yw, second.yw);
}

fn first_of(pairs: Vector) -> Vector {
    return unpack_four(pairs.xy);
}

fn second_of(pairs: Vector) -> Vector {
    return unpack_four(pairs.zw);
}
