// The gradients that come into a step: that of its state, and of the final state where it is the last of a packed sequence; none
// into a step that belongs to none.

fn incoming_of(borders: Borders, b: u32, bit: u32, d: u32, of_state: Floats) -> Floats {
    let incoming = masked(of_state, within(borders, bit));
    if PACKED_SEQUENCES && ends(borders, bit) {
        let at = final_state_gradient_at(row_of(borders, b, bit), 0u, d);
        return incoming + bitcast<Floats>(load_final_state_gradient(at));
    }
    return incoming;
}

// By selection of bits: 0 of a NaN is 0.
fn masked(value: Floats, inside: Vector) -> Floats {
    return bitcast<Floats>(bitcast<Vector>(value) & inside);
}
