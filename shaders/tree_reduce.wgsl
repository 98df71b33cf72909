// Up-sweep: 32 children become the two words of their node, and those the node's aggregate.

fn run(item: u32) {
    reduce_node(node_of(item));
}

fn reduce_node(node: Node) {
    let begin = node.index * 32u;
    let children = min(32u, params.steps - begin);
    var child_index = children_at(node.b, begin, node.d);
    var z = Vector(0u);
    var p = Vector(0u);
    for (var k = 0u; k < children; k++) {
        let child = load_children(child_index);
        z |= (child & Vector(1u)) << Vector(k);
        p |= (child >> Vector(1u)) << Vector(k);
        child_index += children_step();
    }
    store_words(words_at(node.b, 2u * node.index, node.d), z);
    store_words(words_at(node.b, 2u * node.index + 1u, node.d), p);
    store_aggregates(aggregates_at(node.b, node.index, node.d), aggregate(z, p));
}
