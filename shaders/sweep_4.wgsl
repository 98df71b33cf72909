// Backward: a vector holds four steps of one channel.

// The gradient of each step, of the block alone; the last step first.
fn sweep(gradient: Floats, incoming: Floats, ends: Mask) -> Floats {
    let w = gradient.w + incoming.w;
    let z = select(w, 0.0, ends.w) + incoming.z;
    let y = select(z, 0.0, ends.z) + incoming.y;
    let x = select(y, 0.0, ends.y) + incoming.x;
    return Floats(x, y, z, w);
}

// What the first step of a vector has, for each component.
fn of_first(values: Floats) -> Floats {
    return values.xxxx;
}

// Terms are added one by one, the last step first.
fn added(sum: Floats, terms: Floats) -> Floats {
    return Floats(settled(settled(settled(sum.w + terms.w) + terms.z) + terms.y) + terms.x);
}

// A compiler may balance a chain of additions, as Mesa's for GLSL does, and so give other bits: it cannot where it does not know that
// a zero is one.
fn settled(sum: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(sum) | params.padding.x);
}
