// What the children of a node do to the state.

fn load_child(b: u32, index: u32, d: u32) -> Element {
    let at = children_at(b, ELEMENT_WORDS * index, d);
    let first = load_children(at);
    if ELEMENT_WORDS > 1u {
        return element_from(first, load_children(at + children_step()));
    }
    return element_from(first, Vector(0u));
}
