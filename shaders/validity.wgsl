// Whether a step is a value, in place of its threshold: a bit of the word that it lies in.

fn validity(values: Marks, bit: u32) -> Thresholds {
    return Thresholds(ones_of(values, bit), Vector(0u));
}
