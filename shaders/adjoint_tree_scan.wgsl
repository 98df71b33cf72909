// Down-sweep of the adjoint: what comes to a node from beyond becomes what comes to each of its 32 children.

fn run(item: u32) {
    scan_node(node_of(item));
}

fn scan_node(node: Node) {
    let begin = node.index * 32u;
    var child = min(begin + 32u, params.steps);
    var beyond = Floats(0.0) + bitcast<Floats>(load_beyond(beyond_at(node.b, node.index, node.d)));
    var within = Floats(0.0);
    while child > begin {
        child--;
        store_children_beyond(children_beyond_at(node.b, child, node.d), bitcast<Vector>(within + beyond));
        let child_leaving = bitcast<Floats>(load_children(children_at(node.b, 2u * child, node.d)));
        let child_held = load_children(children_at(node.b, 2u * child + 1u, node.d));
        within = child_leaving + passed(within, child_held);
        beyond = passed(beyond, child_held);
    }
}
