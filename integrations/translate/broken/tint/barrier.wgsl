// A barrier that some invocations of a workgroup never reach. naga accepts it.
@group(0) @binding(0) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if out[id.x] == 0u {
        workgroupBarrier();
    }
    out[id.x] = id.x + 1u;
}
