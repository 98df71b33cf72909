// The gate of a forward fill: a candidate that is no NaN is a value, and sets to itself.

fn gate(candidate: Vector, thresholds: Thresholds) -> Action {
    return Action(ones(is_number(magnitude(candidate))), Vector(0u));
}
