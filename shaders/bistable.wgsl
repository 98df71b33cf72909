// The gate of the bistable unit: it sets where |c| is above |r|, to the sign of c.

fn gate(candidate: Vector, thresholds: Thresholds) -> Action {
    return Action(set_bit(candidate, thresholds.high), set_sign(candidate));
}

// 1 where a candidate leaves its region. A NaN candidate has a magnitude above infinity, even where one more wraps; a NaN
// threshold has one above every number, so that no test of its own is needed: both hold.
fn set_bit(candidate: Vector, threshold: Vector) -> Vector {
    let c = magnitude(candidate);
    let edge = Vector(select(ONE, 0u, BOUNDARY_SETS));
    return ones(reaches(c, magnitude(threshold) + edge) & is_number(c));
}

// The sign bit of the state that a candidate sets. Only on the edge can a zero set, and S(-0) is +1 there.
fn set_sign(candidate: Vector) -> Vector {
    if BOUNDARY_SETS {
        return candidate & (magnitude(candidate) + Vector(~SIGN_BIT)) & Vector(SIGN_BIT);
    }
    return candidate & Vector(SIGN_BIT);
}
