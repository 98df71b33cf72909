// The states of 32 steps, from two bits of each.

// One of them.
fn state_at(plus: Vector, initial: Vector, amplitude: Vector, initial_state: Vector) -> Vector {
    return select(state_of(amplitude, ~plus << Vector(31u)), initial_state, initial != Vector(0u));
}

// Writes them: `plus` has the sign after each step, `initial` is 1 where the initial state still holds. Where the next word goes.
fn store_word(index: u32, steps: u32, plus: Vector, initial: Vector, amplitude: Vector, initial_state: Vector) -> u32 {
    let stride = states_step();
    var states_index = index;
    if any(initial != Vector(0u)) {
        for (var k = 0u; k < steps; k++) {
            store_states(states_index, state_at(bit_at(plus, k), bit_at(initial, k), amplitude, initial_state));
            states_index += stride;
        }
    } else if STEPS_AHEAD > 1u && steps == 32u {
        // Nearly always; a number of trips that compilers know.
        for (var k = 0u; k < 32u; k++) {
            store_states(states_index, set_state(plus, k, amplitude));
            states_index += stride;
        }
    } else {
        for (var k = 0u; k < steps; k++) {
            store_states(states_index, set_state(plus, k, amplitude));
            states_index += stride;
        }
    }
    return states_index;
}

// The state of a step where something has set before, or does.
fn set_state(plus: Vector, step: u32, amplitude: Vector) -> Vector {
    return state_of(amplitude, (~plus << Vector(31u - step)) & Vector(0x80000000u));
}
