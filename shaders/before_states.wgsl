// The state before a step, read again: it is any number.

fn state_before(walk: Walk, at: At, offset: u32) -> Vector {
    if at.time == 0u {
        return walk.initial_state;
    }
    return load_states_before(at.states_before + offset);
}

fn sets_of(walk: Walk, at: At, candidate: Vector, thresholds: Thresholds) -> Mask {
    return ends_of(walk, at);
}
