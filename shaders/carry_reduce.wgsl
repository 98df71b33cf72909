// Up-sweep: the elements of 32 children become that of their node.

fn run(item: u32) {
    reduce_node(node_of(item));
}

fn reduce_node(node: Node) {
    let begin = node.index * 32u;
    let children = min(32u, params.steps - begin);
    var of_node = identity();
    for (var k = 0u; k < children; k++) {
        of_node = combine(of_node, load_child(node.b, begin + k, node.d));
    }
    store_aggregate(node.b, node.index, node.d, of_node);
}
