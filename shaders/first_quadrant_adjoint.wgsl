// The gradients of one step of the first-quadrant unit, given the gradient of its state. Each threshold has a step function of
// its own, and moves the state from what it would be without to what it is with it.

fn gate_adjoint(
    candidate: Vector,
    thresholds: Thresholds,
    amplitude: Vector,
    state_before: Vector,
    gradient: Floats,
    sets: Mask,
) -> ElementGradients {
    // Found anew: the codes do not tell what the low threshold would do where the high one fires.
    let high = Signed(fires(candidate, thresholds.high)) < Signed(0);
    let low = Signed(fires(thresholds.low, candidate)) < Signed(0);
    let none = Floats(0.0);
    let upper_state = bitcast<Floats>(amplitude);
    let before = bitcast<Floats>(state_before);
    let by_high = slope_at(candidate, thresholds.high) * (gradient * (upper_state - select(before, none, low)));
    let by_low = slope_at(thresholds.low, candidate) * (gradient * select(before, none, high));
    let high_slopes = slopes(candidate, thresholds.high);
    let low_slopes = slopes(thresholds.low, candidate);
    return ElementGradients(
        select(none, by_high, high_slopes) + select(none, by_low, low_slopes),
        select(none, -by_high, high_slopes),
        select(none, -by_low, low_slopes),
        select(none, gradient, high),
    );
}

fn slope_at(above: Vector, below: Vector) -> Floats {
    return gate_surrogate(bitcast<Floats>(above) - bitcast<Floats>(below));
}

// With a NaN or an infinity, or where the difference is one, there is no slope; what is computed from it is not selected.
fn slopes(above: Vector, below: Vector) -> Mask {
    let difference = bitcast<Vector>(bitcast<Floats>(above) - bitcast<Floats>(below));
    let largest = max(max(Signed(magnitude(above)), Signed(magnitude(below))), Signed(magnitude(difference)));
    return largest < Signed(Vector(INFINITY));
}
