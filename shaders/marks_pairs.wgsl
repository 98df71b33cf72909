// A bit for each step of a word, where a component holds elements of two channels: the first 16 steps, and the last.

// Vectors of words, where a vector of elements has a word for each channel.
const WORD_VECTORS: u32 = 2u;

struct Marks {
    early: Vector,
    late: Vector,
}

fn marked(marks: Marks, ones: Vector, step: u32) -> Marks {
    let here = ones << Vector(step % 16u);
    let is_late = step >= 16u;
    return Marks(marks.early | select(here, Vector(0u), is_late), marks.late | select(Vector(0u), here, is_late));
}

fn marks_of(first: Vector, second: Vector) -> Marks {
    let even = vec4(first.xz, second.xz);
    let odd = vec4(first.yw, second.yw);
    return Marks((even & Vector(0xffffu)) | (odd << Vector(16u)), (even >> Vector(16u)) | (odd & Vector(0xffff0000u)));
}

fn ones_of(marks: Marks, step: u32) -> Vector {
    return (select(marks.early, marks.late, step >= 16u) >> Vector(step % 16u)) & Vector(ONE);
}

// A number below 2^16 for each element, as words.
fn words_of(numbers: Vector, place: u32) -> Vector {
    let even = numbers & Vector(0xffffu);
    let odd = numbers >> Vector(16u);
    return select(vec4(even.x, odd.x, even.y, odd.y), vec4(even.z, odd.z, even.w, odd.w), place > 0u);
}

// Words that are all ones or all zeros, as elements.
fn halves_of(first: Vector, second: Vector) -> Vector {
    return (vec4(first.xz, second.xz) & Vector(0xffffu)) | (vec4(first.yw, second.yw) << Vector(16u));
}

fn word_of(marks: Marks, place: u32) -> Vector {
    let even = (marks.early & Vector(0xffffu)) | (marks.late << Vector(16u));
    let odd = (marks.early >> Vector(16u)) | (marks.late & Vector(0xffff0000u));
    return select(vec4(even.x, odd.x, even.y, odd.y), vec4(even.z, odd.z, even.w, odd.w), place > 0u);
}
