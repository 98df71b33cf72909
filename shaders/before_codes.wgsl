// The state before a step, told by its codes.

fn state_before(walk: Walk, inputs: Inputs, at: At, offset: u32) -> Vector {
    let place = Vector(31u - at.time % 32u) - LANE_STEPS;
    let set_before = state_of(walk.amplitude, (walk.minus << place) & Vector(SIGN_BIT));
    return select(set_before, walk.initial_state, Signed(Vector(at.time) + LANE_STEPS) <= walk.first_set);
}

fn sets_of(walk: Walk, at: At, candidate: Vector, thresholds: Thresholds) -> Mask {
    return ends_of(walk, at);
}
