// A walk whose gradient ends at each step that sets.

// Found anew at each step: to keep it would be to store it.
fn carry_behind(walk: Walk, at: At) -> Floats {
    let steps_behind = Vector(0xfffffffeu) << (Vector(at.time % 32u) + LANE_STEPS);
    return select(Floats(0.0), walk.carry, (cuts_of(walk, at) & steps_behind) == Vector(0u));
}

fn kept(gradient: Floats, sets: Mask) -> Floats {
    return select(gradient, Floats(0.0), sets);
}

// The codes tell it.
fn held_before(held: Vector, sets: Mask) -> Vector {
    return held;
}

fn block_held(walk: Walk, at: At) -> Vector {
    return select(Vector(0u), Vector(1u), cuts_of(walk, at) == Vector(0u));
}

// The steps of the word that nothing passes: they set, or begin a sequence.
fn cuts_of(walk: Walk, at: At) -> Vector {
    return walk.z | Vector(at.borders.starts);
}

// What of the state before a step is lost where it sets: all of it.
fn lost(state_before: Vector) -> Vector {
    return state_before;
}
