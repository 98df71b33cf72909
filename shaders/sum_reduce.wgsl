// Sums over batch and time: 32 terms become one, in order.

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = invocation(group, local);
    if item >= params.items {
        return;
    }
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
