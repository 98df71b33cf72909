// The state before a step, read again: it is any number.

fn state_before(walk: Walk, inputs: Inputs, at: At) -> Vector {
    if at.time == 0u {
        return walk.initial_state;
    }
    return inputs.state_before;
}

fn sets_of(walk: Walk, at: At, candidate: Vector, thresholds: Thresholds) -> Mask {
    return ends_of(walk, at);
}
