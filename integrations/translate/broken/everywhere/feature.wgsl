// Needs a feature that not every device has.
enable f16;
@group(0) @binding(0) var<storage, read_write> out: array<f16>;

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    out[id.x] = 1.0h;
}
