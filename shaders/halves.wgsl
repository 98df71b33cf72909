// Elements of 16 bits: two in a word, the first in its lower half; in registers each in the upper half.

fn unpack_one(word: u32, element: u32) -> u32 {
    return (word << (16u * (~element & 1u))) & 0xffff0000u;
}

fn unpack_two(word: u32) -> vec2<u32> {
    return vec2(word << 16u, word & 0xffff0000u);
}

fn unpack_four(words: vec2<u32>) -> vec4<u32> {
    let first = words << vec2(16u);
    let second = words & vec2(0xffff0000u);
    return vec4(first.x, second.x, first.y, second.y);
}

fn pack_two(x: vec2<u32>) -> u32 {
    return (x.x >> 16u) | x.y;
}

fn pack_four(x: vec4<u32>) -> vec2<u32> {
    return (x.xz >> vec2(16u)) | x.yw;
}
