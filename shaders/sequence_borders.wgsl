// Rows with borders: sequences begin and end within them.

fn borders_of(b: u32, word: u32) -> Borders {
    let at = borders_at(b, word, 0u);
    var borders = Borders(at, lane(load_borders(at), 0u), 0u, 0xffffffffu);
    if PACKED_SEQUENCES {
        borders.ends = lane(load_borders(at + 1u), 0u);
        borders.inside = lane(load_borders(at + 2u), 0u);
    }
    return borders;
}

fn begins(borders: Borders, bit: u32) -> bool {
    return ((borders.starts >> bit) & 1u) != 0u;
}

fn ends(borders: Borders, bit: u32) -> bool {
    return ((borders.ends >> bit) & 1u) != 0u;
}

// All bits where a step belongs to a sequence.
fn within(borders: Borders, bit: u32) -> Vector {
    return Vector(0u - ((borders.inside >> bit) & 1u));
}

// The row of the initial and the final state of a step.
fn row_of(borders: Borders, b: u32, bit: u32) -> u32 {
    if PACKED_SEQUENCES {
        return lane(load_borders(borders.at + 3u + bit / LANES), bit % LANES);
    }
    return b;
}
