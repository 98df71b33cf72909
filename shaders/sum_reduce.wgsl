// Sums over batch and time: 32 terms become one, in order.

fn run(item: u32) {
    sum_node(item / params.channels, item % params.channels);
}

fn sum_node(node: u32, d: u32) {
    let end = min(32u * node + 32u, params.steps);
    var sum = Floats(0.0);
    for (var term = 32u * node; term < end; term++) {
        sum += bitcast<Floats>(load_terms(terms_at(0u, term, d)));
    }
    store_sum(sum_at(0u, node, d), bitcast<Vector>(sum));
}
