// Whether a step is a value, in place of its threshold: a bit of the word that it lies in.

fn validity(word: Vector, bit: u32) -> Thresholds {
    return Thresholds((word >> Vector(bit)) & Vector(1u), Vector(0u));
}
