// IEEE 754 binary16 in the upper half of a register.

// The pattern nearest to an f32, ties to even. A NaN stays one.
fn narrow(x: Vector) -> Vector {
    let magnitude = x & Vector(0x7fffffffu);
    // The exponent is counted from 15 and not from 127; numbers too large become infinite.
    let rebiased = magnitude - Vector(112u << 23u);
    let normal = (rebiased + Vector(0xfffu) + ((rebiased >> Vector(13u)) & Vector(1u))) >> Vector(13u);
    // Below 2^-14 a number is a multiple of 2^-24: its fraction of 24 bits is shifted into place. From 25 places on nothing is
    // left.
    let places = min(Vector(126u) - (magnitude >> Vector(23u)), Vector(25u));
    let fraction = (magnitude & Vector(0x7fffffu)) | Vector(0x800000u);
    let half = (Vector(1u) << (places - Vector(1u))) - Vector(1u);
    let small = (fraction + half + ((fraction >> places) & Vector(1u))) >> places;
    let number = select(min(normal, Vector(0x7c00u)), small, magnitude < Vector(113u << 23u));

    let carried = (magnitude >> Vector(13u)) & Vector(0x3ffu);
    let nan = select(carried, Vector(0x200u), carried == Vector(0u)) | Vector(0x7c00u);
    let nearest = select(number, nan, magnitude > Vector(0x7f800000u));
    return (x & Vector(0x80000000u)) | (nearest << Vector(16u));
}
