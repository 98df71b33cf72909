// A bit for each step of a word: those of all lanes together are the word.

// Vectors of words, where a vector of elements has a word for each channel.
const WORD_VECTORS: u32 = 1u;

alias Marks = Vector;

fn marked(marks: Marks, ones: Vector, step: u32) -> Marks {
    return marks | (ones << (Vector(step) + LANE_STEPS));
}

fn marks_of(first: Vector, second: Vector) -> Marks {
    return first;
}

fn ones_of(marks: Marks, step: u32) -> Vector {
    return (marks >> (Vector(step) + LANE_STEPS)) & Vector(1u);
}

// A number for each element, as words.
fn words_of(numbers: Vector, place: u32) -> Vector {
    return numbers;
}

// Words that are all ones or all zeros, as elements.
fn halves_of(first: Vector, second: Vector) -> Vector {
    return first;
}

fn word_of(marks: Marks, place: u32) -> Vector {
    return gathered(marks);
}
