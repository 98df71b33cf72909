// The state of a walk that holds a value for so many steps and no longer.

const OLDEST: i32 = 0x7fffffff;

struct State {
    bits: Vector,
    // The last value, whether it still holds or not, and the steps since, a word for each channel.
    held: Vector,
    ages: array<Signed, WORD_VECTORS>,
}

fn begin_state(at: At, d: u32, amplitude: Vector, initial_state: Vector) -> State {
    var before = identity();
    if TREE {
        before = parent_element(at.tile.b, at.tile_of_whole, d);
    }
    let row = row_of(at.borders, at.tile.b, at.bit);
    var state = unaged(initial_state, initial_count_of(row, d, 0u));
    if WORD_VECTORS > 1u {
        state.ages[WORD_VECTORS - 1u] = Signed(initial_count_of(row, d, 1u));
    }
    return aged(state, before);
}

// Rows with borders have vectors of one word for each channel.
fn state_from(initial_state: Vector, initial_count: Vector, amplitude: Vector) -> State {
    return aged(unaged(initial_state, initial_count), identity());
}

fn unaged(initial_state: Vector, initial_count: Vector) -> State {
    var state = State(initial_state, initial_state, array<Signed, WORD_VECTORS>());
    state.ages[0] = Signed(initial_count);
    return state;
}

// Between parts of time value and age rest.
fn rested_state(at: At, d: u32, amplitude: Vector, initial_state: Vector) -> State {
    let rested = registers_at(at.tile.b, 0u, d);
    return state_from(load_registers(rested), load_registers(rested + registers_step()), amplitude);
}

fn next_state(before: State, action: Action, payload: Vector, at: At, offset: u32) -> State {
    let state = aged(before, element_of(action, payload));
    let counts = at.counts + WORD_VECTORS * offset;
    store_counts(counts, count_of(state, 0u) & within(at.borders, at.bit));
    if WORD_VECTORS > 1u {
        store_counts(counts + 1u, count_of(state, 1u));
    }
    return state;
}

fn aged(before: State, element: Element) -> State {
    var state = before;
    state.ages[0] = age_after(before.ages[0], words_of(element.sets, 0u), words_of(element.age, 0u));
    if WORD_VECTORS > 1u {
        let second = before.ages[WORD_VECTORS - 1u];
        state.ages[WORD_VECTORS - 1u] = age_after(second, words_of(element.sets, 1u), words_of(element.age, 1u));
    }
    state.held = resolve(before.held, element.payload, element.sets);
    let holds = halves_of(holding(state.ages[0]), holding(state.ages[WORD_VECTORS - 1u]));
    state.bits = (Vector(twice(params.beyond)) & ~holds) | (state.held & holds);
    return state;
}

// Ages end at the highest: one that wrapped would revive what was held.
fn age_after(before: Signed, sets: Vector, age: Vector) -> Signed {
    let older = before + Signed(age);
    return select(select(older, Signed(OLDEST), older < before), Signed(age), sets != Vector(0u));
}

// All bits where a value of that age is held.
fn holding(age: Signed) -> Vector {
    return select(Vector(0u), Vector(0xffffffffu), age <= Signed(params.limit));
}

fn leave_word_of_state(state: State, z: Marks, at: At, offset: u32) -> State {
    return state;
}

fn count_of(state: State, place: u32) -> Vector {
    return Vector(select(state.ages[0], state.ages[WORD_VECTORS - 1u], place > 0u));
}

fn finish_state(state: State, at: At, d: u32) {
    if BORDERED && at.end < params.time_total {
        let rested = registers_at(at.tile.b, 0u, d);
        store_registers(rested, state.held);
        store_registers(rested + registers_step(), count_of(state, 0u));
    }
}
