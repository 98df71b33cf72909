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
    let age = Signed(initial_count_of(row_of(at.borders, at.tile.b, at.bit), d));
    return aged(State(initial_state, initial_state, age), before);
}

fn state_from(initial_state: Vector, initial_count: Vector, amplitude: Vector) -> State {
    return aged(State(initial_state, initial_state, Signed(initial_count)), identity());
}

// Between parts of time value and age rest.
fn rested_state(at: At, d: u32, amplitude: Vector, initial_state: Vector) -> State {
    let rested = registers_at(at.tile.b, 0u, d);
    return state_from(load_registers(rested), load_registers(rested + registers_step()), amplitude);
}

fn next_state(before: State, action: Action, payload: Vector, at: At, offset: u32) -> State {
    let state = aged(before, element_of(action, payload));
    store_counts(at.counts + offset, Vector(state.age) & within(at.borders, at.bit));
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

fn leave_word_of_state(state: State, z: Marks, at: At, offset: u32) -> State {
    return state;
}

fn count_of(state: State) -> Vector {
    return Vector(state.age);
}

fn finish_state(state: State, at: At, d: u32) {
    if BORDERED && at.end < params.time_total {
        let rested = registers_at(at.tile.b, 0u, d);
        store_registers(rested, state.held);
        store_registers(rested + registers_step(), Vector(state.age));
    }
}
