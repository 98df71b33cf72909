// Up-sweep of the adjoint: 32 stretches, far to near, become one.

fn run(item: u32) {
    reduce_node(node_of(item));
}

fn reduce_node(node: Node) {
    let begin = node.index * 32u;
    var child = min(begin + 32u, params.steps);
    var leaving = Floats(0.0);
    var held = all_held();
    while child > begin {
        child--;
        let child_leaving = bitcast<Floats>(load_children(children_at(node.b, 2u * child, node.d)));
        let child_held = load_children(children_at(node.b, 2u * child + 1u, node.d));
        leaving = child_leaving + passed(leaving, child_held);
        held = both_held(held, child_held);
    }
    store_stretches(stretches_at(node.b, 2u * node.index, node.d), bitcast<Vector>(leaving));
    store_stretches(stretches_at(node.b, 2u * node.index + 1u, node.d), held);
}
