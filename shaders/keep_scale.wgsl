// What steps that set let through on the way back: e of it, each. What is held passes as it is: its factor is 1.

fn all_held() -> Vector {
    return bitcast<Vector>(Floats(1.0));
}

// Where a sequence begins.
fn none_held() -> Vector {
    return Vector(0u);
}

fn passed(value: Floats, held: Vector) -> Floats {
    if BORDERED {
        return select(value * bitcast<Floats>(held), Floats(0.0), held == none_held());
    }
    return value * bitcast<Floats>(held);
}

fn both_held(far: Vector, near: Vector) -> Vector {
    return bitcast<Vector>(bitcast<Floats>(far) * bitcast<Floats>(near));
}
