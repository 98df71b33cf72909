// The states of 32 steps, from two bits of each.

// One of them.
fn state_at(plus: Vector, initial: Vector, amplitude: Vector, initial_state: Vector) -> Vector {
    return select(state_of(amplitude, ~plus << Vector(31u)), initial_state, initial != Vector(0u));
}

// Writes them: `plus` has the sign after each step, `initial` is 1 where the initial state still holds. Where the next word goes.
fn store_word(index: u32, steps: u32, plus: Vector, initial: Vector, amplitude: Vector, initial_state: Vector) -> u32 {
    var states_index = index;
    for (var k = 0u; k < steps; k++) {
        store_states(states_index, state_at(bit_at(plus, k), bit_at(initial, k), amplitude, initial_state));
        states_index += states_step();
    }
    return states_index;
}
