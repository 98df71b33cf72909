// The f32 of a binary16 in the upper half of a register: exact.
fn widen(pattern: Vector) -> Vector {
    let magnitude = pattern & Vector(0x7fff0000u);
    // The exponent is counted from 127 and not from 15; that of infinity and NaN is the highest in both.
    let normal = (magnitude >> Vector(3u)) + Vector(112u << 23u);
    let infinite = (magnitude >> Vector(3u)) + Vector(224u << 23u);
    // Below the least normal number lie multiples of 2^-24, each of them a normal f32.
    let small = bitcast<Vector>(Floats(magnitude >> Vector(16u)) * 5.9604644775390625e-8);
    let finite = select(normal, small, magnitude < Vector(0x04000000u));
    return (pattern & Vector(0x80000000u)) | select(finite, infinite, magnitude >= Vector(0x7c000000u));
}
