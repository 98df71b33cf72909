// An invocation walks over the steps of its channels, or of a tile of them, the states in registers.
//
// A part that begins later than step 0 finds the state of the part before in its initial state; a tile finds what happened
// before it in the tree, or in the aggregates.

// Whether steps are taken word by word.
const BY_WORDS = TAKES_WORDS || BORDERED || MASKED;

// What lives from vector to vector of steps, for each vector of the band.
struct Walk {
    amplitude: Vector,
    thresholds: Thresholds,
    state: State,
    // The steps of this word that are values, and those that set.
    values: Marks,
    z: Marks,
}

struct At {
    tile: Node,
    // Indices of the step in the first vector of the band.
    candidate: u32,
    threshold: u32,
    low_threshold: u32,
    amplitude: u32,
    states: u32,
    counts: u32,
    codes: u32,
    packed: u32,
    // The word that the step lies in, counted from that in which the part begins, and the borders of its steps.
    word: u32,
    borders: Borders,
    // The step within its word, and where in the word this stretch began.
    bit: u32,
    begin_bit: u32,
    // The step behind the tile, or behind the stretch of a word, and the tile: counted from the beginning of time.
    end: u32,
    tile_of_whole: u32,
}

fn run(item: u32) {
    let node = node_of(item);
    if EMPTIES {
        hand_on_empty(node);
        return;
    }
    scan_rows(node);
}

// What a packed sequence without steps hands on; `b` is its number.
fn hand_on_empty(node: Node) {
    for (var vector = 0u; vector < BAND; vector++) {
        let d = node.d + vector * WORKGROUP_SIZE;
        if d < params.channels && is_empty(node.b) {
            let amplitude = load_amplitude(amplitude_at(0u, 0u, d));
            hand_on(start_state(node.b, d, amplitude), node.b, d);
            if SAVES {
                store_saved_initial_state(saved_initial_state_at(node.b, 0u, d), initial_state_of(node.b, d));
            }
            if SAVES && params.time_total == 0u && node.b == 0u {
                store_saved_amplitude(saved_amplitude_at(0u, 0u, d), amplitude);
            }
        }
    }
}

// Short rows are taken several at a time, so that amplitudes are loaded once for all of them.
fn scan_rows(tile: Node) {
    var band: Band;
    load_channel_band(&band, at_begin(tile));
    for (var turn = 0u; turn < turns_of(tile); turn++) {
        scan(&band, at_begin(Node(row_at(tile, turn), tile.index, tile.d)));
    }
}

fn at_begin(tile: Node) -> At {
    let begin = tile.index * params.tile_steps;
    let begin_bit = (params.time_origin + begin) & 31u;
    return At(
        tile,
        candidate_at(tile.b, begin / FOLD, tile.d),
        threshold_at(tile.b, begin / FOLD, tile.d),
        low_threshold_at(tile.b, begin / FOLD, tile.d),
        amplitude_at(tile.b, begin / FOLD, tile.d),
        states_at(tile.b, begin / FOLD, tile.d),
        counts_at(tile.b, begin, tile.d),
        codes_at(tile.b, CODE_LINES * (begin / 32u), tile.d),
        packed_states_at(tile.b, begin / 32u, tile.d),
        begin / 32u,
        borders_of(tile.b, begin / 32u),
        begin_bit,
        begin_bit,
        params.time_origin + min(begin + params.tile_steps, params.steps),
        params.time_origin / params.tile_steps + tile.index,
    );
}

fn scan(band: ptr<function, Band>, first: At) {
    var at = first;
    begin_band(band, at);
    if ONE_VECTOR {
        // Without a loop: the trip would cost more than the vector of steps.
        enter_word_band(band, at);
        advance_band(band, at);
        at.bit += FOLD;
        if TAKES_WORDS {
            leave_word_band(band, at);
        }
    } else {
        walk(band, at);
    }
    finish_band(band, at);
}

fn walk(band: ptr<function, Band>, first: At) {
    var at = first;
    var step = at.tile.index * params.tile_steps;
    let end = min(step + params.tile_steps, params.steps);
    while step < end {
        // The steps that share a word; where none is left, all of them.
        at.begin_bit = (params.time_origin + step) & 31u;
        at.bit = at.begin_bit;
        at.word = (params.time_origin % 32u + step) / 32u;
        var stretch = end - step;
        if BY_WORDS {
            stretch = min(stretch, 32u - at.begin_bit);
            at.borders = borders_of(at.tile.b, at.word);
            enter_word_band(band, at);
        }
        var k = 0u;
        if STEPS_AHEAD > 1u {
            for (; k + STEPS_AHEAD * FOLD <= stretch; k += STEPS_AHEAD * FOLD) {
                at = advance_ahead_band(band, at);
            }
        }
        for (; k < stretch; k += FOLD) {
            advance_band(band, at);
            at = next_step(at);
        }
        step += stretch;
        if TAKES_WORDS {
            at.end = params.time_origin + step;
            leave_word_band(band, at);
            at.codes += CODE_LINES * codes_step();
            at.packed += packed_states_step();
        }
    }
}

fn next_step(before: At) -> At {
    var at = before;
    at.bit += FOLD;
    at.candidate += candidate_step();
    at.threshold += threshold_step();
    at.low_threshold += low_threshold_step();
    if AMPLITUDE_PER_ELEMENT {
        at.amplitude += amplitude_step();
    }
    at.states += states_step();
    at.counts += counts_step();
    return at;
}

// What rows have in common.
fn load_channel(at: At, offset: u32) -> Walk {
    var walk: Walk;
    if !AMPLITUDE_PER_ELEMENT {
        walk.amplitude = load_amplitude(amplitude_at(0u, 0u, at.tile.d + offset));
    }
    if THRESHOLD_PER_CHANNEL && params.steps > 0u {
        walk.thresholds = load_thresholds(at.threshold, at.low_threshold, offset);
    }
    return walk;
}

fn begin(before: Walk, at: At, offset: u32) -> Walk {
    let d = at.tile.d + offset;
    let row = row_of(at.borders, at.tile.b, at.bit);
    let initial_state = initial_state_of(row, d);
    if SAVES && (!TREE || at.tile_of_whole == 0u) {
        // Only the part that begins at step 0 has these two.
        if !PACKED_SEQUENCES {
            store_saved_initial_state(saved_initial_state_at(at.tile.b, 0u, d), initial_state);
        }
        if at.tile.b == 0u {
            store_saved_amplitude(saved_amplitude_at(0u, 0u, d), before.amplitude);
        }
    }
    var state = begin_state(at, d, before.amplitude, initial_state);
    if BORDERED && !TREE && params.time_origin > 0u {
        state = rested_state(at, d, before.amplitude, initial_state);
    }
    return Walk(before.amplitude, before.thresholds, state, Marks(), Marks());
}

fn enter_word(before: Walk, at: At, offset: u32) -> Walk {
    var walk = before;
    let word = validity_at(at.tile.b, at.word, at.tile.d + offset);
    var second = Vector(0u);
    if WORD_VECTORS > 1u {
        second = load_validity(word + 1u);
    }
    walk.values = marks_of(load_validity(word), second);
    return walk;
}

fn initial_state_of(row: u32, d: u32) -> Vector {
    if PACKED_SEQUENCES && row == NO_SEQUENCE {
        return Vector(0u);
    }
    return load_initial_state(initial_state_at(row, 0u, d));
}

// A word for each channel: of those of a vector of elements the vector `place`.
fn initial_count_of(row: u32, d: u32, place: u32) -> Vector {
    if PACKED_SEQUENCES && row == NO_SEQUENCE {
        return Vector(0u);
    }
    return load_initial_count(initial_count_at(row, 0u, d) + place);
}

// The state before the first step of a sequence.
fn start_state(row: u32, d: u32, amplitude: Vector) -> State {
    return state_from(initial_state_of(row, d), initial_count_of(row, d, 0u), amplitude);
}

// Leaves what is known of the sequences before: the step at hand begins one.
fn enter_sequence(at: At, d: u32, amplitude: Vector) -> State {
    let row = row_of(at.borders, at.tile.b, at.bit);
    if SAVES && PACKED_SEQUENCES && row != NO_SEQUENCE {
        store_saved_initial_state(saved_initial_state_at(row, 0u, d), initial_state_of(row, d));
    }
    return start_state(row, d, amplitude);
}

// What a sequence leaves behind its last step.
fn hand_on(state: State, row: u32, d: u32) {
    store_final_state(final_state_at(row, 0u, d), state.bits);
    let counts = final_count_at(row, 0u, d);
    store_final_count(counts, count_of(state, 0u));
    if WORD_VECTORS > 1u {
        store_final_count(counts + 1u, count_of(state, 1u));
    }
}

fn advance(before: Walk, inputs: Inputs, at: At, offset: u32) -> Walk {
    var walk = before;
    let candidate = inputs.candidate;
    var thresholds = walk.thresholds;
    if MASKED {
        thresholds = validity(walk.values, at.bit);
    } else if !THRESHOLD_PER_CHANNEL {
        thresholds = inputs.thresholds;
    }
    var amplitude = walk.amplitude;
    if AMPLITUDE_PER_ELEMENT {
        amplitude = inputs.amplitude;
    }
    let payload = payload_of(candidate, amplitude);
    if BORDERED && begins(at.borders, at.bit) {
        walk.state = enter_sequence(at, at.tile.d + offset, payload);
    }
    var action = gate(candidate, thresholds);
    action.sets &= within(at.borders, at.bit);
    if TAKES_WORDS {
        walk.z = marked(walk.z, action.sets, at.bit);
    }
    walk.state = next_state(walk.state, action, payload, at, offset);
    store_states(at.states + offset, walk.state.bits & within(at.borders, at.bit));
    if PACKED_SEQUENCES && ends(at.borders, at.bit) {
        hand_on(walk.state, row_of(at.borders, at.tile.b, at.bit), at.tile.d + offset);
    }
    return walk;
}

// Stores where the steps of a word set. One that the part before began is completed.
fn leave_word(before: Walk, at: At, offset: u32) -> Walk {
    var walk = before;
    walk.state = leave_word_of_state(walk.state, walk.z, at, WORD_VECTORS * offset);
    leave_sets(word_of(walk.z, 0u), at, WORD_VECTORS * offset);
    if WORD_VECTORS > 1u {
        leave_sets(word_of(walk.z, 1u), at, WORD_VECTORS * offset + 1u);
    }
    walk.z = Marks();
    return walk;
}

fn leave_sets(word: Vector, at: At, offset: u32) {
    var z = word;
    if !TREE && at.begin_bit > 0u {
        z |= load_codes(at.codes + offset);
    }
    store_codes(at.codes + offset, z);
}

fn finish(walk: Walk, at: At, offset: u32) -> Walk {
    let d = at.tile.d + offset;
    if !PACKED_SEQUENCES && (!TREE || at.end == params.time_total) {
        hand_on(walk.state, at.tile.b, d);
    }
    finish_state(walk.state, at, d);
    return walk;
}
