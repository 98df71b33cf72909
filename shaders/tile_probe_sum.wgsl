// Walks over a tile from its beginning to its end: no step decides a count or a sum, so that all of them are read. In this order what
// is rounded is scaled by the steps behind it, as in the loop; from the end, every step that sets would round all of the sum anew.

fn run(item: u32) {
    probe_tile(node_of(item));
}

fn probe_tile(tile: Node) {
    let begin = tile.index * params.tile_steps;
    let end = min(begin + params.tile_steps, params.steps);
    let channel = load_channel(tile);
    var place = place_at(tile, begin);
    var of_tile = identity();
    for (var step = begin; step < end; step++) {
        of_tile = combine(of_tile, element_at(tile, step, place, channel));
        place = place_behind(place);
    }
    store_aggregate(tile.b, tile.index, tile.d, of_tile);
}
