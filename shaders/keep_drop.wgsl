// What steps that set let through on the way back: nothing. What is held passes as it is.

fn all_held() -> Vector {
    return Vector(1u);
}

fn none_held() -> Vector {
    return Vector(0u);
}

fn passed(value: Floats, held: Vector) -> Floats {
    return select(Floats(0.0), value, held != Vector(0u));
}

fn both_held(far: Vector, near: Vector) -> Vector {
    return far & near;
}
