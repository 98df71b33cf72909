// Copies rows between what the caller binds and scratch, so that no dispatch of the backward pass binds both.

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = invocation(group, local);
    if item >= params.items {
        return;
    }
    let b = item / params.channels;
    let d = item % params.channels;
    store_target(target_at(b, 0u, d), load_source(source_at(b, 0u, d)));
}
