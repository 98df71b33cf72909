// The state of a walk that holds a value for so many steps and no longer.

const OLDEST: i32 = 0x7fffffff;

struct State {
    bits: Vector,
    // The last value, whether it still holds or not, and the steps since.
    held: Vector,
    age: Signed,
}

fn begin_state(at: At, d: u32, amplitude: Vector, initial_state: Vector) -> State {
    var before = identity();
    if TREE {
        before = parent_element(at.tile.b, at.tile_of_whole, d);
    }
    let age = Signed(load_initial_count(initial_count_at(at.tile.b, 0u, d)));
    return aged(State(initial_state, initial_state, age), before);
}

fn next_state(before: State, action: Action, payload: Vector, at: At, offset: u32) -> State {
    let state = aged(before, element_of(action, payload));
    store_counts(at.counts + offset, Vector(state.age));
    return state;
}

// Ages end at the highest: one that wrapped would revive what was held.
fn aged(before: State, element: Element) -> State {
    let sets = element.sets != Vector(0u);
    let older = before.age + Signed(element.age);
    let age = select(select(older, Signed(OLDEST), older < before.age), Signed(element.age), sets);
    let held = select(before.held, element.payload, sets);
    return State(select(Vector(params.beyond), held, age <= Signed(params.limit)), held, age);
}

fn leave_word_of_state(state: State, z: Vector, at: At, offset: u32) -> State {
    return state;
}

fn finish_state(state: State, at: At, d: u32) {
    if !TREE || at.end == params.time_total {
        store_final_count(final_count_at(at.tile.b, 0u, d), Vector(state.age));
    }
}
