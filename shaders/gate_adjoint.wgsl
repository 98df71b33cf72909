// The gradients of one step, given the gradient of its state.

struct ElementGradients {
    candidate: Floats,
    threshold: Floats,
    amplitude: Floats,
}

fn is_positive(x: Vector) -> Mask {
    return (x - Vector(1u)) < Vector(SIGN_BIT - 1u);
}

// S is +1 above zero; at zero it is what H(0) makes of it.
fn is_plus(x: Vector) -> Mask {
    if BOUNDARY_SETS {
        return x <= Vector(SIGN_BIT);
    }
    return is_positive(x);
}

// sign(x) * value, 0 where x is 0: by selection, not by a factor.
fn signed_by(x: Vector, value: Floats) -> Floats {
    let flipped = bitcast<Floats>(bitcast<Vector>(value) ^ (x & Vector(SIGN_BIT)));
    return select(flipped, Floats(0.0), (x & Vector(~SIGN_BIT)) == Vector(0u));
}

fn gate_adjoint(
    candidate: Vector,
    threshold: Vector,
    amplitude: Vector,
    state_before: Vector,
    gradient: Floats,
    sets: Mask,
) -> ElementGradients {
    let c = candidate & Vector(~SIGN_BIT);
    let r = threshold & Vector(~SIGN_BIT);
    // With a NaN or an infinity there is no slope, and the difference of what is left is finite.
    let slopes = (c < Vector(INFINITY)) & (r < Vector(INFINITY));
    let u = bitcast<Floats>(select(Vector(0u), c, slopes)) - bitcast<Floats>(select(Vector(0u), r, slopes));

    let plus = is_plus(candidate);
    let set_state = bitcast<Floats>(select(amplitude ^ Vector(SIGN_BIT), amplitude, plus));
    let through_gate = gate_surrogate(u) * (gradient * (set_state - bitcast<Floats>(state_before)));
    let through_sign = gradient * bitcast<Floats>(amplitude) * sign_surrogate(bitcast<Floats>(select(Vector(0u), c, slopes)));
    let by_sign = select(Floats(0.0), through_sign, sets);
    let by_candidate = signed_by(candidate, through_gate) + by_sign;
    let by_threshold = signed_by(threshold ^ Vector(SIGN_BIT), through_gate);
    return ElementGradients(
        select(Floats(0.0), by_candidate, slopes),
        select(Floats(0.0), by_threshold, slopes),
        select(Floats(0.0), select(-gradient, gradient, plus), sets),
    );
}
