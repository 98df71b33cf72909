// What happened before a tile: the tree tells it, or, where there are few tiles, the aggregates of those before it.

struct Before {
    // 1 where something has set, and where it was to +.
    sets: Vector,
    plus: Vector,
}

fn before_tile(b: u32, tile: u32, d: u32) -> Before {
    if LOOKS_BACK {
        var nearest = Vector(0u);
        var earlier = tile;
        var at = aggregates_at(b, tile, d);
        while earlier > 0u && !all(nearest != Vector(0u)) {
            earlier--;
            at -= aggregates_step();
            nearest = select(load_aggregates(at), nearest, nearest != Vector(0u));
        }
        return Before(nearest & Vector(1u), nearest >> Vector(1u));
    }
    // A single tile has no parent and finds the identity.
    let parent = parent_at(b, 2u * (tile / 32u), d);
    return Before(bit_at(load_parent(parent), tile % 32u), bit_at(load_parent(parent + parent_step()), tile % 32u));
}
