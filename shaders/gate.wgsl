// The gate, on bit patterns: shading languages promise neither NaN nor infinity nor denormals.

const SIGN_BIT: u32 = 0x80000000u;
const INFINITY: u32 = 0x7f800000u;

// 1 where a candidate leaves its region. Magnitudes of numbers compare as unsigned integers. A NaN candidate has a magnitude
// above infinity; a NaN threshold has one above every number, so that no test of its own is needed: both hold.
fn set_bit(candidate: Vector, threshold: Vector) -> Vector {
    let c = candidate & Vector(~SIGN_BIT);
    let r = threshold & Vector(~SIGN_BIT);
    let edge = Vector(select(0u, 1u, BOUNDARY_SETS));
    return select(Vector(0u), Vector(1u), (c + edge > r) & (c <= Vector(INFINITY)));
}

// The sign bit of the state that a candidate sets. Only on the edge can a zero set, and S(-0) is +1 there.
fn set_sign(candidate: Vector) -> Vector {
    if BOUNDARY_SETS {
        return select(Vector(0u), Vector(SIGN_BIT), candidate > Vector(SIGN_BIT));
    }
    return candidate & Vector(SIGN_BIT);
}
