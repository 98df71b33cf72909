// More invocations than every device has in a workgroup. naga knows no limits.
@group(0) @binding(0) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(512)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    out[id.x] = id.x + 1u;
}
