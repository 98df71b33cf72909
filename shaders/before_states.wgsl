// The state before a step, read again: it is any number.

fn state_before(walk: Walk, inputs: Inputs, at: At, offset: u32) -> Vector {
    if BORDERED && begins(at.borders, at.time % 32u) {
        let row = row_of(at.borders, at.tile.b, at.time % 32u);
        if row == NO_SEQUENCE {
            return Vector(0u);
        }
        return load_saved_initial_state(saved_initial_state_at(row, 0u, at.tile.d + offset));
    }
    if at.time == 0u {
        return walk.initial_state;
    }
    return inputs.state_before;
}

fn sets_of(walk: Walk, at: At, candidate: Vector, thresholds: Thresholds) -> Mask {
    return ends_of(walk, at);
}
