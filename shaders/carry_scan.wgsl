// Down-sweep: the element of each of the 32 children of a node becomes that of everything before it.

fn run(item: u32) {
    scan_node(node_of(item));
}

fn scan_node(node: Node) {
    let begin = node.index * 32u;
    let children = min(32u, params.steps - begin);
    var before = parent_element(node.b, node.index, node.d);
    for (var k = 0u; k < children; k++) {
        let child = load_child(node.b, begin + k, node.d);
        store_child(node.b, begin + k, node.d, before);
        before = combine(before, child);
    }
}

fn store_child(b: u32, index: u32, d: u32, element: Element) {
    let at = children_at(b, ELEMENT_WORDS * index, d);
    store_children(at, first_word(element));
    if ELEMENT_WORDS > 1u {
        store_children(at + children_step(), second_word(element));
    }
}
