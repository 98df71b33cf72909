// The gradients of one step of the bistable unit, given the gradient of its state.

fn flipped(value: Floats, sign: Vector) -> Floats {
    return bitcast<Floats>(bitcast<Vector>(value) ^ sign);
}

// The sign bit of S: +1 above zero; at zero it is what H(0) makes of it.
fn sign_of_step(candidate: Vector) -> Vector {
    let below = candidate - Vector(1u);
    if BOUNDARY_SETS {
        return candidate & below & Vector(SIGN_BIT);
    }
    return (candidate | below) & Vector(SIGN_BIT);
}

fn gate_adjoint(
    candidate: Vector,
    thresholds: Thresholds,
    amplitude: Vector,
    state_before: Vector,
    gradient: Floats,
    sets: Mask,
) -> ElementGradients {
    let threshold = thresholds.high;
    let c = Signed(magnitude(candidate));
    let r = Signed(magnitude(threshold));
    // With a NaN or an infinity there is no slope; what is computed from it is not selected.
    let slopes = max(c, r) < Signed(Vector(INFINITY));
    let u = bitcast<Floats>(c) - bitcast<Floats>(r);

    let minus = sign_of_step(candidate);
    let set_state = bitcast<Floats>(amplitude ^ minus);
    let through_gate = gate_surrogate(u) * (gradient * (set_state - bitcast<Floats>(state_before)));
    let through_sign = gradient * bitcast<Floats>(amplitude) * sign_surrogate(bitcast<Floats>(c));
    // sign(x) * through_gate, 0 where x is 0: by selection, not by a factor.
    let none = Floats(0.0);
    let by_gate = select(none, flipped(through_gate, candidate & Vector(SIGN_BIT)), slopes & (c != Signed(0)));
    let by_sign = select(none, through_sign, slopes & sets);
    let by_threshold = select(none, flipped(through_gate, ~threshold & Vector(SIGN_BIT)), slopes & (r != Signed(0)));
    return ElementGradients(by_gate + by_sign, by_threshold, none, select(none, flipped(gradient, minus), sets));
}
