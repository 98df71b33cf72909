// The entry point of every stage: an invocation that has work runs its piece of it.

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = invocation(group, local);
    if item < params.items {
        run(item);
    }
}
