// The cumulative unit: how often it set to +, less how often to -.
//
// Element: what a stretch of time adds to the count.
// Combine: the sum. Associative, and it commutes; its identity is 0; it is exact, modulo 2^32.

struct Element {
    count: Signed,
}

fn identity() -> Element {
    return Element(Signed(0));
}

fn element_of(action: Action, payload: Vector) -> Element {
    let plus = plus_bit(action);
    return Element(Signed(plus) - Signed(action.sets ^ plus));
}

fn combine(earlier: Element, later: Element) -> Element {
    return Element(earlier.count + later.count);
}

fn first_word(element: Element) -> Vector {
    return Vector(element.count);
}

fn second_word(element: Element) -> Vector {
    return Vector(0u);
}

fn element_from(first: Vector, second: Vector) -> Element {
    return Element(Signed(first));
}
