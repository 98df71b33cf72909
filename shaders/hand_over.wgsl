// Copies rows between what the caller binds and scratch, so that no dispatch of the backward pass binds both.

fn run(item: u32) {
    let b = item / params.channels;
    let d = item % params.channels;
    store_target(target_at(b, 0u, d), load_source(source_at(b, 0u, d)));
}
