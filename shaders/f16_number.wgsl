// A binary16 in the upper half of a register as an f32, and back. Where numbers are computed f32 additions round as they do, and
// so may these.

// Exact.
fn widen(pattern: Vector) -> Vector {
    let magnitude = pattern & Vector(0x7fff0000u);
    // The exponent is counted from 127 and not from 15; that of infinity and NaN is the highest in both.
    let normal = (magnitude >> Vector(3u)) + Vector(112u << 23u);
    let infinite = (magnitude >> Vector(3u)) + Vector(224u << 23u);
    // Below the least normal number lie multiples of 2^-24: added to 2^-14 they are its fraction.
    let fraction = bitcast<Floats>(normal + Vector(1u << 23u));
    let small = bitcast<Vector>(fraction - Floats(6.103515625e-5));
    let finite = select(normal, small, magnitude < Vector(0x04000000u));
    return (pattern & Vector(0x80000000u)) | select(finite, infinite, magnitude >= Vector(0x7c000000u));
}

// As `narrow`, in half the operations, where additions round to the nearest, as they do on all drivers tried.
fn rounded(x: Vector) -> Vector {
    let magnitude = x & Vector(0x7fffffffu);
    let upper = magnitude >> Vector(13u);
    // The exponent is counted from 15 and not from 127; numbers too large become infinite.
    let normal = (magnitude + (upper & Vector(1u)) - Vector((112u << 23u) - 0xfffu)) >> Vector(13u);
    // Below 2^-14 a number is a multiple of 2^-24, the last place of what lies from 1/2 to 1; the bits of 1/2 itself are shifted out.
    let small = bitcast<Vector>(bitcast<Floats>(magnitude) + Floats(0.5));
    let number = select(min(normal, Vector(0x7c00u)), small, magnitude < Vector(113u << 23u));

    let carried = upper & Vector(0x3ffu);
    let nan = select(carried, Vector(0x200u), carried == Vector(0u)) | Vector(0x7c00u);
    let nearest = select(number, nan, magnitude > Vector(0x7f800000u));
    return (x & Vector(0x80000000u)) | (nearest << Vector(16u));
}
