// Forward fill: hold, or set to 32 bits of any meaning.
//
// Element: what a stretch of time does to the state, (sets, payload); hold is (0, 0).
// Combine: the later one unless it holds. Associative, as "the last one that sets" is; it does not commute; its identity is hold; it
// is exact: bits are copied.

struct Element {
    sets: Vector,
    payload: Vector,
}

fn identity() -> Element {
    return Element(Vector(0u), Vector(0u));
}

fn element_of(action: Action, payload: Vector) -> Element {
    return Element(action.sets, state_of(payload, action.minus));
}

fn combine(earlier: Element, later: Element) -> Element {
    let sets = later.sets != Vector(0u);
    return Element(earlier.sets | later.sets, select(earlier.payload, later.payload, sets));
}

// A vector has one step of each channel.
fn joined(element: Element) -> Element {
    return element;
}

// Not 0 where nothing earlier can change the element.
fn decided(element: Element) -> Vector {
    return element.sets;
}

// A sequence begins.
fn start_element(initial_state: Vector) -> Element {
    return Element(Vector(1u), initial_state);
}

fn act(element: Element, state: Vector) -> Vector {
    return resolve(state, element.payload, element.sets);
}

fn after(state: Vector, action: Action, payload: Vector) -> Vector {
    return act(element_of(action, payload), state);
}

fn first_word(element: Element) -> Vector {
    return element.sets;
}

fn second_word(element: Element) -> Vector {
    return element.payload;
}

fn element_from(first: Vector, second: Vector) -> Element {
    return Element(first, second);
}
