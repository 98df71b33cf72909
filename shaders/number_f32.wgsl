// What a register holds of an f32, as a number, and back.

fn number_of(pattern: Vector) -> Floats {
    return bitcast<Floats>(pattern);
}

fn pattern_of(number: Floats) -> Vector {
    return bitcast<Vector>(number);
}
