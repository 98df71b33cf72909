// The gradients that come into a step: that of its state, and of the final state where it is the last of a packed sequence; none
// into a step that belongs to none.

fn incoming_of(b: u32, step: u32, d: u32, of_state: Floats) -> Floats {
    if !PACKED_SEQUENCES {
        return of_state;
    }
    let borders = borders_of(b, step / 32u);
    let incoming = bitcast<Floats>(bitcast<Vector>(of_state) & within(borders, step % 32u));
    if !ends(borders, step % 32u) {
        return incoming;
    }
    let row = row_of(borders, b, step % 32u);
    return incoming + bitcast<Floats>(load_final_state_gradient(final_state_gradient_at(row, 0u, d)));
}
