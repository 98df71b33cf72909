// Backward: a vector holds two steps of one channel in each of two batch rows.

// The gradient of each step, of the block alone; the last step first.
fn sweep(gradient: Floats, incoming: Floats, ends: Mask) -> Floats {
    let far = gradient.yw + incoming.yw;
    let near = select(far, vec2<f32>(0.0), ends.yw) + incoming.xz;
    return Floats(near.x, far.x, near.y, far.y);
}

// What the first step of a vector has, for each component.
fn of_first(values: Floats) -> Floats {
    return values.xxzz;
}

// Terms are added one by one, the last step first.
fn added(sum: Floats, terms: Floats) -> Floats {
    return (settled(sum.yw + terms.yw) + terms.xz).xxyy;
}

// A compiler may balance a chain of additions, as Mesa's for GLSL does, and so give other bits: it cannot where it does not know that
// a zero is one.
fn settled(sum: vec2<f32>) -> vec2<f32> {
    return bitcast<vec2<f32>>(bitcast<vec2<u32>>(sum) | params.padding);
}
