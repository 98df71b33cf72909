// Joins the records of 32 stretches that follow each other in one sequence.

fn run(item: u32) {
    join_node(node_of(item));
}

fn join_node(node: Node) {
    let begin = 32u * node.index;
    let end = min(begin + 32u, params.steps);
    var record = load_record(node.b, begin, node.d);
    for (var child = begin + 1u; child < end; child++) {
        record = join(record, load_record(node.b, child, node.d));
    }
    store_record(node.b, node.index, node.d, record);
}

fn load_record(b: u32, index: u32, d: u32) -> Record {
    let at = children_at(b, RECORD * index, d);
    let step = children_step();
    return Record(
        load_children(at),
        load_children(at + step),
        load_children(at + 2u * step),
        load_children(at + 3u * step),
        load_children(at + 4u * step),
        load_children(at + 5u * step),
        load_children(at + 6u * step),
        load_children(at + 7u * step),
    );
}
