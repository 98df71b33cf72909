// Down-sweep: the two words of a node become what its children find before them, whether anything has set and to which sign.

fn run(item: u32) {
    scan_node(node_of(item));
}

fn scan_node(node: Node) {
    // The root has no parent and finds the identity.
    let parent_index = parent_at(node.b, 2u * (node.index / 32u), node.d);
    let set_before = bit_at(load_parent(parent_index), node.index % 32u);
    let plus_before = bit_at(load_parent(parent_index + parent_step()), node.index % 32u);

    let words_index = words_at(node.b, 2u * node.index, node.d);
    let z = load_words(words_index);
    let p = load_words(words_index + words_step());
    // Before child k something has set if it came with the carry, or if a child below k sets.
    let before_first = steps_before_first(z);
    let set_by_child = ~((before_first << Vector(1u)) | Vector(1u));
    store_words(words_index, set_by_child | (Vector(0u) - set_before));
    store_words(words_index + words_step(), signs_before(z, p, plus_before));
}
