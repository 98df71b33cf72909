// bfloat16 in the upper half of a register: the upper half of an f32.

// The pattern nearest to an f32, ties to even. A NaN stays one.
fn narrow(x: Vector) -> Vector {
    let upper = x & Vector(0xffff0000u);
    let nearest = (x + Vector(0x7fffu) + ((x >> Vector(16u)) & Vector(1u))) & Vector(0xffff0000u);
    let magnitude = x & Vector(0x7fffffffu);
    let carries_nothing = (upper & Vector(0x007f0000u)) == Vector(0u);
    let nan = select(upper, upper | Vector(0x00400000u), carries_nothing);
    return select(nearest, nan, magnitude > Vector(0x7f800000u));
}
