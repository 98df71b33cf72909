// Looks back from the end of a tile until its element is decided, by the few inputs behind its last step that sets.

fn run(item: u32) {
    probe_tile(node_of(item));
}

fn probe_tile(tile: Node) {
    let begin = tile.index * params.tile_steps;
    let channel = load_channel(tile);
    var step = min(begin + params.tile_steps, params.steps);
    var place = place_at(tile, step);
    var of_tile = identity();
    while step > begin && smallest(decided(of_tile)) == 0u {
        step--;
        place = place_before(place);
        of_tile = combine(element_at(tile, step, place, channel), of_tile);
    }
    store_aggregate(tile.b, tile.index, tile.d, of_tile);
}
