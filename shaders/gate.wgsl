// What the gates of all units share. Gates work on bit patterns: shading languages promise neither NaN nor infinity nor
// denormals. ONE and SIGN_BIT are the lowest and the highest bit of every element in a component, which may be two: what is computed
// of one stays within it.

// What a step does to the state.
struct Action {
    // 1 where it sets.
    sets: Vector,
    // The sign bit of the state that it would set: on for the lower of the two.
    minus: Vector,
}

// The edges of the region in which the state is held. Bistable units have one: their region lies around zero.
struct Thresholds {
    high: Vector,
    low: Vector,
}

// Bits without the sign. They compare as integers.
fn magnitude(x: Vector) -> Vector {
    return x & Vector(~SIGN_BIT);
}

// The sign bit where one magnitude is at least another, which may also be one above the highest; other bits mean nothing.
fn reaches(magnitude: Vector, other: Vector) -> Vector {
    return (magnitude | Vector(SIGN_BIT)) - other;
}

// The sign bit where there is a number, or an infinity: a NaN has a magnitude above that.
fn is_number(magnitude: Vector) -> Vector {
    return reaches(Vector(INFINITY), magnitude);
}

// 1 where the sign bit is on.
fn ones(signs: Vector) -> Vector {
    return (signs >> Vector(SIGN_SHIFT)) & Vector(ONE);
}

// What a step sets to, but for the sign: a pattern of the elements, or, where states are sums, the bits of an f32.
fn payload_of(candidate: Vector, amplitude: Vector) -> Vector {
    if CARRIES_CANDIDATE {
        return candidate;
    }
    return amplitude;
}

// 1 where a step sets to the upper state.
fn plus_bit(action: Action) -> Vector {
    return action.sets & ~(action.minus >> Vector(SIGN_SHIFT));
}
