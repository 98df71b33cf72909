// What the tree found for a tile, or for a node: everything before it. A root has no parent and finds zeros, the identity.

fn parent_element(b: u32, index: u32, d: u32) -> Element {
    let at = parent_at(b, ELEMENT_WORDS * index, d);
    let first = load_parent(at);
    if ELEMENT_WORDS > 1u {
        return element_from(first, load_parent(at + parent_step()));
    }
    return element_from(first, Vector(0u));
}
