// What walks know of the sequences of their steps: a word of bits for 32 of them.

// The sequence of a step that belongs to none.
const NO_SEQUENCE: u32 = 0xffffffffu;

struct Borders {
    // Where the word lies.
    at: u32,
    // The steps before which the state is an initial one.
    starts: u32,
    // Of packed sequences those that are the last of one, and those that belong to any.
    ends: u32,
    inside: u32,
}
