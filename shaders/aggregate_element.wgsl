// What a tile, or a node of the tree, does to the state, in as many words as it takes.

fn store_aggregate(b: u32, index: u32, d: u32, element: Element) {
    let at = aggregates_at(b, ELEMENT_WORDS * index, d);
    store_aggregates(at, first_word(element));
    if ELEMENT_WORDS > 1u {
        store_aggregates(at + aggregates_step(), second_word(element));
    }
}
