// The cumulative unit with amplitudes of its own for each step: h becomes h + sum.
//
// Element: what a stretch of time adds to the state.
// Combine: the sum. Associative up to rounding, so that tiles of other lengths give other bits; its identity is 0, by which nothing
// is rounded.

struct Element {
    sum: Floats,
}

fn identity() -> Element {
    return Element(Floats(0.0));
}

fn element_of(action: Action, payload: Vector) -> Element {
    let set_state = bitcast<Floats>(state_of(payload, action.minus));
    return Element(select(Floats(0.0), set_state, action.sets != Vector(0u)));
}

fn combine(earlier: Element, later: Element) -> Element {
    return Element(earlier.sum + later.sum);
}

// While nothing has set, the state has its bits.
fn act(element: Element, state: Vector) -> Vector {
    let moved = bitcast<Vector>(bitcast<Floats>(state) + element.sum);
    return select(moved, state, element.sum == Floats(0.0));
}

// A selection: a state that is held keeps its bits, those of an f32.
fn after(state: Vector, action: Action, payload: Vector) -> Vector {
    let moved = bitcast<Floats>(state) + bitcast<Floats>(state_of(payload, action.minus));
    return select(state, bitcast<Vector>(moved), action.sets != Vector(0u));
}

fn first_word(element: Element) -> Vector {
    return bitcast<Vector>(element.sum);
}

fn second_word(element: Element) -> Vector {
    return Vector(0u);
}

fn element_from(first: Vector, second: Vector) -> Element {
    return Element(bitcast<Floats>(first));
}
