// Sums over batch and time, or over time alone: 32 terms become one, in order.

fn run(item: u32) {
    sum_node(node_of(item));
}

fn sum_node(node: Node) {
    let end = min(32u * node.index + 32u, params.steps);
    var sum = Floats(0.0);
    for (var term = 32u * node.index; term < end; term++) {
        sum += bitcast<Floats>(load_terms(terms_at(node.b, term, node.d)));
    }
    store_sum(sum_at(node.b, node.index, node.d), bitcast<Vector>(sum));
}
