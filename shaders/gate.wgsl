// What the gates of all units share. Gates work on bit patterns: shading languages promise neither NaN nor infinity nor
// denormals.

const SIGN_BIT: u32 = 0x80000000u;

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

fn load_thresholds(high_at: u32, low_at: u32) -> Thresholds {
    return Thresholds(load_threshold(high_at), load_low_threshold(low_at));
}

// Bits without the sign. They compare as integers, and as signed ones: CPUs seldom have other comparisons of vectors.
fn magnitude(x: Vector) -> Signed {
    return Signed(x & Vector(~SIGN_BIT));
}

// 1 where a step sets to the upper state.
fn plus_bit(action: Action) -> Vector {
    return action.sets & ~(action.minus >> Vector(31u));
}
