// A bfloat16 in the upper half of a register as an f32, and back.

// The same bits.
fn widen(pattern: Vector) -> Vector {
    return pattern;
}

fn rounded(x: Vector) -> Vector {
    return narrow(x);
}
