// The state of a walk whose carry is two bits: it is one of two, or what the walk began in; and the signs that are left of it.

// NEVER in a walk, and between parts: no step has a number as high, and the highest bit is free for the sign.
const NOT_YET: u32 = 0x7fffffffu;

struct State {
    // After each step of a vector.
    bits: Vector,
    // The steps of this word that set to +.
    p: Marks,
    signs: array<Signs, WORD_VECTORS>,
}

// What is known of channels with a word each.
struct Signs {
    // Before the first step of the word.
    plus: Vector,
    first_set: Vector,
}

fn begin_state(at: At, d: u32, amplitude: Vector, initial_state: Vector) -> State {
    var state = state_from(initial_state, Vector(0u), amplitude);
    if TREE {
        let before = before_tile(at.tile.b, at.tile_of_whole, d);
        state.signs[0].plus = before.plus;
        state.bits = select(initial_state, state_of(amplitude, ~before.plus << Vector(31u)), before.sets != Vector(0u));
    } else if TAKES_WORDS && params.time_origin > 0u {
        let place = first_set_at(at.tile.b, 0u, d);
        state.signs[0] = signs_from(load_first_set(place));
        if WORD_VECTORS > 1u {
            state.signs[WORD_VECTORS - 1u] = signs_from(load_first_set(place + 1u));
        }
    }
    return state;
}

fn signs_from(word: Vector) -> Signs {
    return Signs(word >> Vector(31u), word & Vector(NOT_YET));
}

// Rows with borders have another carry.
fn state_from(initial_state: Vector, initial_count: Vector, amplitude: Vector) -> State {
    var state = State(initial_state, Marks(), array<Signs, WORD_VECTORS>());
    state.signs[0].first_set = Vector(NOT_YET);
    state.signs[WORD_VECTORS - 1u].first_set = Vector(NOT_YET);
    return state;
}

fn rested_state(at: At, d: u32, amplitude: Vector, initial_state: Vector) -> State {
    return begin_state(at, d, amplitude, initial_state);
}

fn next_state(before: State, action: Action, payload: Vector, at: At, offset: u32) -> State {
    var state = before;
    if TAKES_WORDS {
        state.p = marked(state.p, plus_bit(action), at.bit);
    }
    if RESOLVES {
        state.bits = resolve(last_state(state.bits), state_of(payload, action.minus), action.sets);
    }
    return state;
}

fn leave_word_of_state(before: State, z: Marks, at: At, offset: u32) -> State {
    var state = before;
    state.signs[0] = leave_signs(state.signs[0], word_of(z, 0u), word_of(state.p, 0u), at, offset);
    if WORD_VECTORS > 1u {
        let second = state.signs[WORD_VECTORS - 1u];
        state.signs[WORD_VECTORS - 1u] = leave_signs(second, word_of(z, 1u), word_of(state.p, 1u), at, offset + 1u);
    }
    state.p = Marks();
    return state;
}

// Stores the signs of a word, those after its steps and those before them, and remembers the last.
fn leave_signs(before: Signs, z: Vector, p: Vector, at: At, offset: u32) -> Signs {
    let inside = Vector(0xffffffffu >> (32u - at.bit));
    let begun = !TREE && at.begin_bit > 0u;
    var signs = signs_before(z >> Vector(at.begin_bit), p >> Vector(at.begin_bit), before.plus) << Vector(at.begin_bit);
    if PACKS {
        var packed = (p | (~z & signs)) & inside;
        if begun {
            packed |= load_packed_states(at.packed + offset);
        }
        store_packed_states(at.packed + offset, packed);
    }
    signs &= inside;
    if begun {
        signs |= load_codes(at.codes + offset + codes_step());
    }
    store_codes(at.codes + offset + codes_step(), signs);
    let word_begin = at.end - at.bit;
    let first_here = select(Vector(NOT_YET), Vector(word_begin) + firstTrailingBit(z), z != Vector(0u));
    // The sign is that of the last step that set, which is the highest of all.
    let last_is_plus = select(Vector(0u), Vector(1u), p > (z & ~p));
    return Signs(select(before.plus, last_is_plus, z != Vector(0u)), min(before.first_set, first_here));
}

fn count_of(state: State, place: u32) -> Vector {
    return Vector(0u);
}

fn finish_state(state: State, at: At, d: u32) {
    if !TAKES_WORDS {
        return;
    }
    if TREE {
        store_first_of_tile(first_of_tile_at(at.tile.b, at.tile.index, d), first_or_never(state.signs[0]));
        return;
    }
    let place = first_set_at(at.tile.b, 0u, d);
    store_first_set(place, rested(state.signs[0], at));
    if WORD_VECTORS > 1u {
        store_first_set(place + 1u, rested(state.signs[WORD_VECTORS - 1u], at));
    }
}

fn first_or_never(signs: Signs) -> Vector {
    return select(signs.first_set, Vector(NEVER), signs.first_set == Vector(NOT_YET));
}

// Between parts of time the sign rests with the first set step.
fn rested(signs: Signs, at: At) -> Vector {
    if at.end < params.time_total {
        return signs.first_set | (signs.plus << Vector(31u));
    }
    return first_or_never(signs);
}
