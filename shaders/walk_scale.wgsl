// A walk whose gradient is scaled by e at each step that sets.

fn carry_behind(walk: Walk, at: At) -> Floats {
    return passed(walk.carry, walk.registers.held);
}

fn kept(gradient: Floats, sets: Mask) -> Floats {
    return select(gradient, params.epsilon * gradient, sets);
}

fn held_before(held: Vector, sets: Mask) -> Vector {
    return select(held, bitcast<Vector>(params.epsilon * bitcast<Floats>(held)), sets);
}

fn block_held(walk: Walk, at: At) -> Vector {
    return walk.registers.held;
}

// What of the state before a step is lost where it sets: 1 - e of it.
fn lost(state_before: Vector) -> Vector {
    return bitcast<Vector>((1.0 - params.epsilon) * bitcast<Floats>(state_before));
}
