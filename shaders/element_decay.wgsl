// Between the bistable and the cumulative unit: h becomes scale * h + sum.
//
// Element: (scale, sum), where scale is e to the number of steps that set.
// Combine: scale = earlier.scale * later.scale, sum = later.scale * earlier.sum + later.sum. Associative up to rounding, so that tiles
// of other lengths give other bits; it does not commute; its identity is (1, 0), by which nothing is rounded.

struct Element {
    scale: Floats,
    sum: Floats,
}

fn identity() -> Element {
    return Element(Floats(1.0), Floats(0.0));
}

fn element_of(action: Action, payload: Vector) -> Element {
    let sets = action.sets != Vector(0u);
    let set_state = bitcast<Floats>(state_of(payload, action.minus));
    return Element(select(Floats(1.0), Floats(params.epsilon), sets), select(Floats(0.0), set_state, sets));
}

fn combine(earlier: Element, later: Element) -> Element {
    return Element(earlier.scale * later.scale, later.scale * earlier.sum + later.sum);
}

// While nothing has set, the state has its bits.
fn act(element: Element, state: Vector) -> Vector {
    let moved = bitcast<Vector>(element.scale * bitcast<Floats>(state) + element.sum);
    return select(moved, state, (element.scale == Floats(1.0)) & (element.sum == Floats(0.0)));
}

// A selection, not a factor of 1: a state that is held keeps its bits, those of an f32.
fn after(state: Vector, action: Action, payload: Vector) -> Vector {
    let set_state = bitcast<Floats>(state_of(payload, action.minus));
    let moved = set_state + params.epsilon * bitcast<Floats>(state);
    return select(state, bitcast<Vector>(moved), action.sets != Vector(0u));
}

// Memory without contents reads as the identity.
fn first_word(element: Element) -> Vector {
    return bitcast<Vector>(element.scale) ^ bitcast<Vector>(Floats(1.0));
}

fn second_word(element: Element) -> Vector {
    return bitcast<Vector>(element.sum);
}

fn element_from(first: Vector, second: Vector) -> Element {
    return Element(bitcast<Floats>(first ^ bitcast<Vector>(Floats(1.0))), bitcast<Floats>(second));
}
