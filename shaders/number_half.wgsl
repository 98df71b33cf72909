// What a register holds of an element of 16 bits, as a number, and back: rounded to the nearest.

fn number_of(pattern: Vector) -> Floats {
    return bitcast<Floats>(widen(pattern));
}

fn pattern_of(number: Floats) -> Vector {
    return rounded(bitcast<Vector>(number));
}
