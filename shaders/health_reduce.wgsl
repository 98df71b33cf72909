// Reads what the forward pass saved of 1,024 steps, two bits of each, and writes their record.

fn run(item: u32) {
    reduce_stretch(node_of(item));
}

fn reduce_stretch(tile: Node) {
    let begin = tile.index * params.tile_steps;
    let end = min(begin + params.tile_steps, params.steps);
    var codes_index = codes_at(tile.b, 2u * (begin / 32u), tile.d);
    var before = load_codes(codes_index + codes_step());
    var record = Record();
    record.nans = UNKNOWN;
    for (var step = begin; step < end; step += 32u) {
        let z = load_codes(codes_index);
        codes_index += 2u * codes_step();
        // The sign after each step is the one before the next.
        var next = 0u;
        if params.time_total - params.time_origin - step > 32u {
            next = load_codes(codes_index + codes_step());
        }
        let p = (before >> 1u) | (next << 31u);
        before = next;
        record = join(record, record_of(z, z & all_but_last(step), p, min(32u, end - step), UNKNOWN));
    }
    store_record(tile.b, tile.index, tile.d, record);
}
