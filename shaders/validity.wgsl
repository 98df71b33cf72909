// The bit of a step, in place of a threshold. Steps count from the first of the word that this part begins in.

fn validity(b: u32, step: u32, d: u32) -> Thresholds {
    let word = load_validity(validity_at(b, step / 32u, d));
    return Thresholds((word >> Vector(step % 32u)) & Vector(1u), Vector(0u));
}
