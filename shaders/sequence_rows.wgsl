// Rows without borders: every step belongs to the sequence of its row.

fn borders_of(b: u32, word: u32) -> Borders {
    return Borders();
}

fn begins(borders: Borders, bit: u32) -> bool {
    return false;
}

fn ends(borders: Borders, bit: u32) -> bool {
    return false;
}

fn within(borders: Borders, bit: u32) -> Vector {
    return Vector(0xffffffffu);
}

fn row_of(borders: Borders, b: u32, bit: u32) -> u32 {
    return b;
}
