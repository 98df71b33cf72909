// The f32 of a bfloat16 in the upper half of a register: the same bits.
fn widen(pattern: Vector) -> Vector {
    return pattern;
}
