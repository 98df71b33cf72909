// Copies rows of what lies before and behind time: between what the caller binds and scratch, or, without steps, from the one to the other.

fn run(item: u32) {
    let b = item / params.channels;
    let d = item % params.channels;
    var value = load_source(source_at(b, 0u, d));
    if EMPTIES && is_empty(b) {
        // Nothing was walked over: the gradient of the final state is that of the initial one.
        value = load_final_state_gradient(final_state_gradient_at(b, 0u, d));
    }
    store_target(target_at(b, 0u, d), value);
}
