// Finds the step at which each channel first left its initial state.
//
// One channel an invocation: neighbours find theirs in different tiles, and a vector has one writer.

const NEVER: u32 = 0xffffffffu;

fn run(item: u32) {
    find_first_set(item / params.channels, item % params.channels);
}

// Whether anything has set before a tile is 0 up to the tile that sets first and 1 from then on: bisect.
fn find_first_set(b: u32, d: u32) {
    var low = 0u;
    var high = params.nodes;
    while high - low > 1u {
        let middle = low + (high - low) / 2u;
        let set_before = bit_at(load_parent(parent_at(b, 2u * (middle / 32u), d)), middle % 32u);
        low = select(middle, low, set_before != Vector(0u));
        high = select(high, middle, set_before != Vector(0u));
    }

    let begin = low * params.tile_steps;
    let end = min(begin + params.tile_steps, params.steps);
    var codes_index = codes_at(b, 2u * (begin / 32u), d);
    var first_set = NEVER;
    for (var step = begin; step < end && first_set == NEVER; step += 32u) {
        let z = load_codes(codes_index);
        first_set = select(NEVER, step + firstTrailingBit(z), z != 0u);
        codes_index += 2u * codes_step();
    }
    store_first_set(first_set_at(b, 0u, d), first_set);
}
