// A walk whose gradient ends at each step that sets.

// Found anew at each step: to keep it would be to store it.
fn carry_behind(walk: Walk, time: u32) -> Floats {
    let steps_behind = Vector(0xfffffffeu << (time % 32u));
    return select(Floats(0.0), walk.carry, (walk.z & steps_behind) == Vector(0u));
}

fn kept(gradient: Floats, sets: Mask) -> Floats {
    return select(gradient, Floats(0.0), sets);
}

// The codes tell it.
fn held_before(held: Vector, sets: Mask) -> Vector {
    return held;
}

fn block_held(walk: Walk) -> Vector {
    return select(Vector(0u), Vector(1u), walk.z == Vector(0u));
}

// What of the state before a step is lost where it sets: all of it.
fn lost(state_before: Vector) -> Vector {
    return state_before;
}
