// The gate of a forward fill: a candidate that is no NaN is a value, and sets to itself.

fn gate(candidate: Vector, thresholds: Thresholds) -> Action {
    let is_value = magnitude(candidate) <= Signed(INFINITY);
    return Action(select(Vector(0u), Vector(1u), is_value), Vector(0u));
}
