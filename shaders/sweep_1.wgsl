// Backward: a vector holds one step of each of its channels, of one batch row or of several.

// The gradient of each step, of the block alone; the last step first.
fn sweep(gradient: Floats, incoming: Floats, ends: Mask) -> Floats {
    return gradient + incoming;
}

// What the first step of a vector has, for each component.
fn of_first(values: Floats) -> Floats {
    return values;
}

// Terms are added one by one, the last step first.
fn added(sum: Floats, terms: Floats) -> Floats {
    return sum + terms;
}
