// The gate of the first-quadrant unit: it sets to the upper state above the high threshold, and to zero below the low one. Where
// the low threshold lies above the high one, both can fire; the high one wins.

// Bits as integers in the order of the numbers, both zeros equal.
fn order_of(x: Vector) -> Signed {
    let m = magnitude(x);
    return select(m, -m, Signed(x) < Signed(0));
}

// Whether a number lies above another. A NaN has a magnitude above infinity; nothing lies above or below it.
fn fires(above: Vector, below: Vector) -> Mask {
    let edge = Signed(select(0, 1, BOUNDARY_SETS));
    let numbers = max(magnitude(above), magnitude(below)) <= Signed(INFINITY);
    // Only a NaN could overflow here.
    return (order_of(above) + edge > order_of(below)) & numbers;
}

fn gate(candidate: Vector, thresholds: Thresholds) -> Action {
    let high = fires(candidate, thresholds.high);
    let low = fires(thresholds.low, candidate);
    return Action(select(Vector(0u), Vector(1u), high | low), select(Vector(SIGN_BIT), Vector(0u), high));
}
