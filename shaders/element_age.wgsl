// Forward fill with a limit: hold, or set to a payload, and how long ago.
//
// Element: what a stretch of time does to the state, (sets, payload, age): with a set the steps since, else the steps that hold;
// identity is (0, 0, 0).
// Combine: the later one if it sets, else the earlier one, so many steps older. Associative, as "the last one that sets" and the
// sum are; it does not commute; it is exact: a stretch has fewer than 2^31 steps.

struct Element {
    sets: Vector,
    payload: Vector,
    age: Vector,
}

fn identity() -> Element {
    return Element(Vector(0u), Vector(0u), Vector(0u));
}

fn element_of(action: Action, payload: Vector) -> Element {
    return Element(action.sets, payload, action.sets ^ Vector(ONE));
}

fn combine(earlier: Element, later: Element) -> Element {
    let sets = later.sets != Vector(0u);
    return Element(
        earlier.sets | later.sets,
        select(earlier.payload, later.payload, sets),
        select(earlier.age + later.age, later.age, sets),
    );
}

// A vector has one step of each channel.
fn joined(element: Element) -> Element {
    return element;
}

// Not 0 where nothing earlier can change the element.
fn decided(element: Element) -> Vector {
    return element.sets;
}

// A sequence begins. Only a walk over all of time is told so.
fn start_element(initial_state: Vector) -> Element {
    return Element(Vector(1u), initial_state, Vector(0u));
}

fn first_word(element: Element) -> Vector {
    return (element.age << Vector(1u)) | element.sets;
}

fn second_word(element: Element) -> Vector {
    return element.payload;
}

fn element_from(first: Vector, second: Vector) -> Element {
    return Element(first & Vector(1u), second, first >> Vector(1u));
}
