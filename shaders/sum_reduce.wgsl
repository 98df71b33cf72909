// Sums over batch and time, or over time alone: 32 terms become one, in order.

fn run(item: u32) {
    sum_node(node_of(item));
}

fn sum_node(node: Node) {
    let end = min(32u * node.index + 32u, params.steps);
    var sum = Floats(0.0);
    var term = 32u * node.index;
    // All that is loaded before any of it is added: where terms are few, nothing else hides how long memory takes.
    for (; term + 8u <= end; term += 8u) {
        let term_0 = term_of(node, term);
        let term_1 = term_of(node, term + 1u);
        let term_2 = term_of(node, term + 2u);
        let term_3 = term_of(node, term + 3u);
        let term_4 = term_of(node, term + 4u);
        let term_5 = term_of(node, term + 5u);
        let term_6 = term_of(node, term + 6u);
        let term_7 = term_of(node, term + 7u);
        sum = settled(sum + term_0);
        sum = settled(sum + term_1);
        sum = settled(sum + term_2);
        sum = settled(sum + term_3);
        sum = settled(sum + term_4);
        sum = settled(sum + term_5);
        sum = settled(sum + term_6);
        sum = settled(sum + term_7);
    }
    for (; term < end; term++) {
        sum += term_of(node, term);
    }
    store_sum(sum_at(node.b, node.index, node.d), bitcast<Vector>(sum));
}

fn term_of(node: Node, term: u32) -> Floats {
    return bitcast<Floats>(load_terms(terms_at(node.b, term, node.d)));
}

// A compiler may balance a chain of additions, and so give other bits: it cannot where it does not know that a zero is one.
fn settled(sum: Floats) -> Floats {
    return bitcast<Floats>(bitcast<Vector>(sum) | Vector(params.padding.x));
}
