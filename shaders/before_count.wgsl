// Of cumulative units the state before a step does not matter: none of it is lost. Without codes every gradient passes every step,
// and whether one sets is found anew.

fn state_before(walk: Walk, inputs: Inputs, at: At, offset: u32) -> Vector {
    return Vector(0u);
}

fn sets_of(walk: Walk, at: At, candidate: Vector, thresholds: Thresholds) -> Mask {
    return gate(candidate, thresholds).sets != Vector(0u);
}
