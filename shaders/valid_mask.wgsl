// The gate of a forward fill with a mask: a candidate is a value where its bit says so, whatever it is.

fn gate(candidate: Vector, thresholds: Thresholds) -> Action {
    return Action(thresholds.high, Vector(0u));
}
