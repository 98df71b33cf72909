// Finds the step at which each channel first left its initial state.
//
// One channel an invocation: neighbours find theirs in different tiles, and a vector has one writer.

fn run(item: u32) {
    find_first_set(item / params.channels, item % params.channels);
}

// Whether anything has set before a tile is 0 up to the tile that sets first and 1 from then on: bisect. Without a tree tiles are few.
fn find_first_set(b: u32, d: u32) {
    var low = 0u;
    if !TREE {
        while low + 1u < params.nodes && load_first_of_tile(first_of_tile_at(b, low, d)) == NEVER {
            low++;
        }
        store_first_set(first_set_at(b, 0u, d), load_first_of_tile(first_of_tile_at(b, low, d)));
        return;
    }
    var high = params.nodes;
    while high - low > 1u {
        let middle = low + (high - low) / 2u;
        let set_before = bit_at(load_parent(parent_at(b, 2u * (middle / 32u), d)), middle % 32u);
        low = select(middle, low, set_before != Vector(0u));
        high = select(high, middle, set_before != Vector(0u));
    }
    store_first_set(first_set_at(b, 0u, d), load_first_of_tile(first_of_tile_at(b, low, d)));
}
