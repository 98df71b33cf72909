// The state of a walk whose carry is two bits: it is one of two, or what the walk began in; and the signs that are left of it.

// NEVER in a walk, and between parts: no step has a number as high, and the highest bit is free for the sign.
const NOT_YET: u32 = 0x7fffffffu;

struct State {
    // After each step of a vector.
    bits: Vector,
    // The steps of this word that set to +, and the sign before its first step.
    p: Vector,
    plus: Vector,
    first_set: Vector,
}

fn begin_state(at: At, d: u32, amplitude: Vector, initial_state: Vector) -> State {
    var state = state_from(initial_state, Vector(0u), amplitude);
    if TREE {
        let before = before_tile(at.tile.b, at.tile_of_whole, d);
        state.plus = before.plus;
        state.bits = select(initial_state, state_of(amplitude, ~before.plus << Vector(31u)), before.sets != Vector(0u));
    } else if TAKES_WORDS && params.time_origin > 0u {
        let rested = load_first_set(first_set_at(at.tile.b, 0u, d));
        state.first_set = rested & Vector(NOT_YET);
        state.plus = rested >> Vector(31u);
    }
    return state;
}

// Rows with borders have another carry.
fn state_from(initial_state: Vector, initial_count: Vector, amplitude: Vector) -> State {
    return State(initial_state, Vector(0u), Vector(0u), Vector(NOT_YET));
}

fn rested_state(at: At, d: u32, amplitude: Vector, initial_state: Vector) -> State {
    return begin_state(at, d, amplitude, initial_state);
}

fn next_state(before: State, action: Action, payload: Vector, at: At, offset: u32) -> State {
    var state = before;
    if TAKES_WORDS {
        state.p |= plus_bit(action) << (Vector(at.bit) + LANE_STEPS);
    }
    if RESOLVES {
        state.bits = resolve(last_state(state.bits), state_of(payload, action.minus), action.sets != Vector(0u));
    }
    return state;
}

// Stores the signs of a word, those after its steps and those before them, and remembers the last.
fn leave_word_of_state(before: State, z: Vector, at: At, offset: u32) -> State {
    var state = before;
    let p = gathered(state.p);
    let inside = Vector(0xffffffffu >> (32u - at.bit));
    let begun = !TREE && at.begin_bit > 0u;
    var signs = signs_before(z >> Vector(at.begin_bit), p >> Vector(at.begin_bit), state.plus) << Vector(at.begin_bit);
    if PACKS {
        var packed = (p | (~z & signs)) & inside;
        if begun {
            packed |= load_packed_states(at.packed + offset);
        }
        store_packed_states(at.packed + offset, packed);
    }
    signs &= inside;
    let word_begin = at.end - at.bit;
    state.first_set = min(state.first_set, select(Vector(NOT_YET), Vector(word_begin) + firstTrailingBit(z), z != Vector(0u)));
    if begun {
        signs |= load_codes(at.codes + offset + codes_step());
    }
    store_codes(at.codes + offset + codes_step(), signs);
    // The sign is that of the last step that set, which is the highest of all.
    let last_is_plus = select(Vector(0u), Vector(1u), p > (z & ~p));
    state.plus = select(state.plus, last_is_plus, z != Vector(0u));
    state.p = Vector(0u);
    return state;
}

fn count_of(state: State) -> Vector {
    return Vector(0u);
}

fn finish_state(state: State, at: At, d: u32) {
    if !TAKES_WORDS {
        return;
    }
    var first_set = select(state.first_set, Vector(NEVER), state.first_set == Vector(NOT_YET));
    if TREE {
        store_first_of_tile(first_of_tile_at(at.tile.b, at.tile.index, d), first_set);
        return;
    }
    if at.end < params.time_total {
        first_set = state.first_set | (state.plus << Vector(31u));
    }
    store_first_set(first_set_at(at.tile.b, 0u, d), first_set);
}
