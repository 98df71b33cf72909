// The element of a scan whose carry is two bits; what carry.wgsl says of it holds for single steps.

struct Element {
    // Bit 0 if it sets, bit 1 if to +.
    code: Vector,
}

fn identity() -> Element {
    return Element(Vector(0u));
}

fn element_of(action: Action, payload: Vector) -> Element {
    return Element(action.sets | (plus_bit(action) << Vector(1u)));
}

fn combine(earlier: Element, later: Element) -> Element {
    return Element(select(earlier.code, later.code, later.code != Vector(0u)));
}

// What the steps of a vector do together.
fn joined(element: Element) -> Element {
    return Element(latest(element.code));
}

// Not 0 where nothing earlier can change the element.
fn decided(element: Element) -> Vector {
    return element.code;
}

// Rows with borders have another carry.
fn start_element(initial_state: Vector) -> Element {
    return identity();
}

fn first_word(element: Element) -> Vector {
    return element.code;
}

fn element_from(first: Vector, second: Vector) -> Element {
    return Element(first);
}

fn second_word(element: Element) -> Vector {
    return Vector(0u);
}
