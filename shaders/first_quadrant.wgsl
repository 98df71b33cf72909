// The gate of the first-quadrant unit: it sets to the upper state above the high threshold, and to zero below the low one. Where
// the low threshold lies above the high one, both can fire; the high one wins.

// The sign bit where one number is at least another; both zeros are equal.
fn is_at_least(x: Vector, y: Vector) -> Vector {
    let further_up = reaches(magnitude(x), magnitude(y));
    let further_down = reaches(magnitude(y), magnitude(x));
    let zeros = reaches(Vector(0u), magnitude(x | y));
    return (~x & (y | further_up)) | (x & ((y & further_down) | (~y & zeros)));
}

// The sign bit where a number lies above another. Nothing lies above or below a NaN.
fn fires(above: Vector, below: Vector) -> Vector {
    let numbers = is_number(magnitude(above)) & is_number(magnitude(below));
    if BOUNDARY_SETS {
        return is_at_least(above, below) & numbers;
    }
    return ~is_at_least(below, above) & numbers;
}

fn gate(candidate: Vector, thresholds: Thresholds) -> Action {
    let high = fires(candidate, thresholds.high);
    let low = fires(thresholds.low, candidate);
    return Action(ones(high | low), ~high & Vector(SIGN_BIT));
}
