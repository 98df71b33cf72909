// Backward: walks over a tile of time, a stretch of 1,024 steps or a part of one, from its end to its beginning. g_t = dh_t + g_{t+1}
// where step t+1 held.
//
// The order of additions is fixed by absolute time alone, so that every strategy and every limit gives the same bits: steps
// are added within aligned blocks of 32, far to near; what leaves a block is added within 1,024 steps, what leaves those
// within 32,768, and so on. All of it is dropped at a set.

// What a step adds to the gradients.
struct ElementGradients {
    candidate: Floats,
    threshold: Floats,
    low_threshold: Floats,
    amplitude: Floats,
}

struct Carries {
    // What flows in from beyond the block, from the block up to the end of its 32^n steps.
    two: Floats,
    three: Floats,
    four: Floats,
    five: Floats,
    six: Floats,
    seven: Floats,
    // From beyond the stretch.
    beyond: Floats,
}

// What lives from step to step. Numbers of the registers are those of the layout in scratch.
struct Registers {
    gradient: Floats,
    carries: Carries,
    amplitude_block: Floats,
    amplitude_sum: Floats,
    threshold_block: Floats,
    threshold_sum: Floats,
    low_threshold_block: Floats,
    low_threshold_sum: Floats,
    // What leaves sequences within a row, where it is reset.
    initial_state_block: Floats,
    initial_state_sum: Floats,
    // What of the carry passes the steps of the block behind the step at hand, where steps scale it.
    held: Vector,
}

// The same for each vector of the band, and what is known of the word that it walks over.
struct Walk {
    registers: Registers,
    amplitude: Vector,
    thresholds: Thresholds,
    initial_state: Vector,
    // Later than every step while nothing has set.
    first_set: Signed,
    z: Vector,
    // Its signs, 1 for -.
    minus: Vector,
    // What comes from beyond the block, to the steps behind which none of it sets.
    carry: Floats,
}

// What is read of a step.
struct Inputs {
    candidate: Vector,
    thresholds: Thresholds,
    amplitude: Vector,
    states_gradient: Floats,
    // Of the step before, where states are read again.
    state_before: Vector,
}

struct At {
    tile: Node,
    // Begin of the tile, and the step at hand; absolute.
    begin: u32,
    time: u32,
    // Indices of the step in the first vector of the band.
    candidate: u32,
    threshold: u32,
    low_threshold: u32,
    amplitude: u32,
    states_before: u32,
    states_gradient: u32,
    candidate_gradient: u32,
    threshold_gradient: u32,
    low_threshold_gradient: u32,
    amplitude_gradient: u32,
    // The borders of the steps of the word.
    borders: Borders,
}

fn run(item: u32) {
    let tile = node_of(item);
    var band: Band;
    load_channel_band(&band, at_end(tile));
    // Short rows are taken several at a time, so that what they have in common is loaded once for all of them.
    for (var turn = 0u; turn < turns_of(tile); turn++) {
        walk_back(&band, at_end(Node(row_at(tile, turn), tile.index, tile.d)));
    }
}

// Behind the stretch: each step moves the indices down first.
fn at_end(tile: Node) -> At {
    let begin = params.time_origin + tile.index * params.tile_steps;
    let end = min(begin + params.tile_steps, params.time_origin + params.steps);
    let behind = end - params.time_origin;
    return At(
        tile,
        begin,
        end,
        candidate_at(tile.b, behind / FOLD, tile.d),
        threshold_at(tile.b, behind / FOLD, tile.d),
        low_threshold_at(tile.b, behind / FOLD, tile.d),
        amplitude_at(tile.b, behind / FOLD, tile.d),
        // Nothing lies before the first step of all.
        states_before_at(tile.b, behind - select(1u, 0u, params.time_origin > 0u), tile.d),
        states_gradient_at(tile.b, behind / FOLD, tile.d),
        candidate_gradient_at(tile.b, behind / FOLD, tile.d),
        threshold_gradient_at(tile.b, behind / FOLD, tile.d),
        low_threshold_gradient_at(tile.b, behind / FOLD, tile.d),
        amplitude_gradient_at(tile.b, behind / FOLD, tile.d),
        Borders(),
    );
}

fn walk_back(band: ptr<function, Band>, last: At) {
    var at = last;
    begin_band(band, at);
    if ONE_WORD {
        // Without a loop over words, and of one vector of steps without any: trips cost more than steps.
        at = enter(band, at);
        if ONE_VECTOR {
            at = next_step(at);
            advance_band(band, at);
        } else {
            at = walk_to(band, at, 0u);
        }
        // It is, and compilers know it now.
        at.time = 0u;
        leave_block_band(band, at);
    } else {
        at = walk(band, at);
    }
    finish_band(band, at);
}

fn walk(band: ptr<function, Band>, last: At) -> At {
    var at = last;
    while at.time > at.begin {
        // The steps of one word of the codes, or as many of them as are in this stretch.
        at = enter(band, at);
        at = walk_to(band, at, max(at.begin, (at.time - 1u) & ~31u));
        if at.time % 32u == 0u {
            leave_block_band(band, at);
        }
    }
    return at;
}

// Enters a word of the codes.
fn enter(band: ptr<function, Band>, behind: At) -> At {
    var at = behind;
    at.borders = borders_of(at.tile.b, (at.time - 1u) / 32u - params.time_origin / 32u);
    enter_word_band(band, at);
    return at;
}

// Walks over the steps of a word.
fn walk_to(band: ptr<function, Band>, behind: At, begin: u32) -> At {
    var at = behind;
    if STEPS_AHEAD > 1u {
        while at.time >= begin + STEPS_AHEAD * FOLD {
            at = advance_ahead_band(band, at);
        }
    }
    while at.time > begin {
        at = next_step(at);
        advance_band(band, at);
    }
    return at;
}

// The step before: the walk goes back.
fn next_step(behind: At) -> At {
    var at = behind;
    at.time -= FOLD;
    at.candidate -= candidate_step();
    at.threshold -= threshold_step();
    at.low_threshold -= low_threshold_step();
    at.states_before -= states_before_step();
    at.states_gradient -= states_gradient_step();
    at.candidate_gradient -= candidate_gradient_step();
    at.threshold_gradient -= threshold_gradient_step();
    at.low_threshold_gradient -= low_threshold_gradient_step();
    if AMPLITUDE_PER_ELEMENT {
        at.amplitude -= amplitude_step();
        at.amplitude_gradient -= amplitude_gradient_step();
    }
    return at;
}

fn carried(carries: Carries) -> Floats {
    return carries.two + (carries.three + (carries.four
        + (carries.five + (carries.six + (carries.seven + carries.beyond)))));
}

// What the carries become at the beginning of a block: `time` is a multiple of 32.
fn next_carries(old: Carries, gradient: Floats, held: Vector, time: u32) -> Carries {
    let none = Floats(0.0);
    var carries = Carries(
        gradient + passed(old.two, held),
        passed(old.three, held),
        passed(old.four, held),
        passed(old.five, held),
        passed(old.six, held),
        passed(old.seven, held),
        passed(old.beyond, held),
    );
    if time % 1024u == 0u {
        carries.three = carries.two + carries.three;
        carries.two = none;
    }
    if time % 32768u == 0u {
        carries.four = carries.three + carries.four;
        carries.three = none;
    }
    if time % 1048576u == 0u {
        carries.five = carries.four + carries.five;
        carries.four = none;
    }
    if time % 33554432u == 0u {
        carries.six = carries.five + carries.six;
        carries.five = none;
    }
    if time % 1073741824u == 0u {
        carries.seven = carries.six + carries.seven;
        carries.six = none;
    }
    return carries;
}

// What rows have in common.
fn load_channel(at: At, offset: u32) -> Walk {
    var walk: Walk;
    walk.amplitude = load_channel_amplitude(at.tile.d + offset);
    if THRESHOLD_PER_CHANNEL {
        walk.thresholds = load_thresholds(at.threshold, at.low_threshold, offset);
    }
    return walk;
}

// Some units save none.
fn load_channel_amplitude(d: u32) -> Vector {
    if AMPLITUDE_PER_ELEMENT {
        return Vector(0u);
    }
    if AMPLITUDE_SAVED {
        return load_saved_amplitude(saved_amplitude_at(0u, 0u, d));
    }
    return load_amplitude(amplitude_at(0u, 0u, d));
}

fn begin(before: Walk, at: At, offset: u32) -> Walk {
    let d = at.tile.d + offset;
    var walk = before;
    walk.registers = load_walk(at.tile.b, at.tile.index, d, at.time);
    walk.initial_state = load_saved_initial_state(saved_initial_state_at(at.tile.b, 0u, d));
    if !ONE_WORD {
        walk.first_set = Signed(load_first_set(first_set_at(at.tile.b, 0u, d)) & Vector(~SIGN_BIT));
    }
    return walk;
}

// Enters the word that ends before `time`, or in it.
fn enter_word(before: Walk, at: At, offset: u32) -> Walk {
    var walk = before;
    let last = at.time - 1u;
    let codes_index = codes_at(at.tile.b, CODE_LINES * (last / 32u - params.time_origin / 32u), at.tile.d + offset);
    walk.z = load_codes(codes_index);
    if ONE_WORD {
        walk.first_set = Signed(firstTrailingBit(walk.z) & Vector(~SIGN_BIT));
    }
    // Before the only step lies the initial state; before the second of a vector, the first.
    if CODE_LINES > 1u && (FOLD > 1u || !ONE_VECTOR) {
        walk.minus = ~load_codes(codes_index + codes_step());
    }
    walk.carry = carried(walk.registers.carries);
    return walk;
}

// Where a step sets, as the codes say. Its bit is the highest, those of the steps behind it are shifted out.
fn ends_of(walk: Walk, at: At) -> Mask {
    return Signed(walk.z << (Vector(31u - at.time % 32u) - LANE_STEPS)) < Signed(0);
}

fn load_inputs(at: At, offset: u32) -> Inputs {
    var inputs: Inputs;
    inputs.candidate = load_candidate(candidate_beside(at.candidate, offset));
    if !THRESHOLD_PER_CHANNEL {
        inputs.thresholds = load_thresholds(at.threshold, at.low_threshold, offset);
    }
    inputs.states_gradient = bitcast<Floats>(load_states_gradient(at.states_gradient + offset));
    if AMPLITUDE_PER_ELEMENT {
        inputs.amplitude = load_amplitude(amplitude_beside(at.amplitude, offset));
    }
    if at.time > 0u {
        inputs.state_before = load_states_before(at.states_before + offset);
    }
    return inputs;
}

// Something of all that was loaded of a step.
fn word_of_inputs(inputs: Inputs) -> u32 {
    return lane(inputs.candidate ^ inputs.thresholds.high ^ inputs.thresholds.low, 0u)
        ^ lane(inputs.amplitude ^ bitcast<Vector>(inputs.states_gradient) ^ inputs.state_before, 0u);
}

// The same step, but only when `loaded` is known. There are always items.
fn after(loaded: u32, at: At) -> At {
    var same = at;
    same.time += u32(params.items == 0u) & loaded;
    return same;
}

fn advance(before: Walk, inputs: Inputs, at: At, offset: u32) -> Walk {
    var walk = before;
    let candidate = inputs.candidate;
    var thresholds = walk.thresholds;
    if !THRESHOLD_PER_CHANNEL {
        thresholds = inputs.thresholds;
    }
    var amplitude = walk.amplitude;
    if AMPLITUDE_PER_ELEMENT {
        amplitude = inputs.amplitude;
    }

    let inside = within(at.borders, at.time % 32u);
    let incoming = incoming_of(at.borders, at.tile.b, at.time % 32u, at.tile.d + offset, inputs.states_gradient);
    let ends = ends_of(walk, at);
    let sums = sweep(walk.registers.gradient, incoming, ends);
    let gradient = sums + carry_behind(walk, at);
    walk.registers.gradient = of_first(kept(sums, ends));
    walk.registers.held = held_before(walk.registers.held, ends);
    if BORDERED && begins(at.borders, at.time % 32u) {
        walk.registers = leave_sequence(walk.registers, at, offset, kept(gradient, ends));
    }

    let sets = sets_of(walk, at, candidate, thresholds);
    let was = lost(state_before(walk, inputs, at, offset));
    var element = gate_adjoint(candidate, thresholds, amplitude, was, gradient, sets);
    if PACKED_SEQUENCES {
        element.candidate = masked(element.candidate, inside);
        element.threshold = masked(element.threshold, inside);
        element.low_threshold = masked(element.low_threshold, inside);
        element.amplitude = masked(element.amplitude, inside);
    }
    store_candidate_gradient(at.candidate_gradient + offset, bitcast<Vector>(element.candidate));
    store_threshold_gradient(at.threshold_gradient + offset, bitcast<Vector>(element.threshold));
    store_low_threshold_gradient(at.low_threshold_gradient + offset, bitcast<Vector>(element.low_threshold));
    store_amplitude_gradient(at.amplitude_gradient + offset, bitcast<Vector>(element.amplitude));
    walk.registers.amplitude_block = added(walk.registers.amplitude_block, element.amplitude);
    if THRESHOLD_SUMMED {
        walk.registers.threshold_block = added(walk.registers.threshold_block, element.threshold);
    }
    if LOW_THRESHOLD_SUMMED {
        walk.registers.low_threshold_block = added(walk.registers.low_threshold_block, element.low_threshold);
    }
    return walk;
}

// The step at hand is the first of a sequence: what leaves it goes to the initial state, and nothing farther.
fn leave_sequence(before: Registers, at: At, offset: u32, leaving: Floats) -> Registers {
    var registers = before;
    let row = row_of(at.borders, at.tile.b, at.time % 32u);
    if !PACKED_SEQUENCES {
        registers.initial_state_block += leaving;
    } else if row != NO_SEQUENCE {
        store_initial_state_gradient(initial_state_gradient_at(row, 0u, at.tile.d + offset), bitcast<Vector>(leaving));
    }
    registers.gradient = Floats(0.0);
    registers.held = none_held();
    return registers;
}

// Leaves the block that begins at `time`.
fn leave_block(before: Walk, at: At, offset: u32) -> Walk {
    var walk = before;
    let d = at.tile.d + offset;
    if at.time == 0u && !PACKED_SEQUENCES {
        let leaving = walk.registers.gradient + passed(walk.carry, block_held(walk, at));
        if BORDERED {
            walk.registers.initial_state_block += leaving;
        } else {
            store_initial_state_gradient(initial_state_gradient_at(at.tile.b, 0u, d), bitcast<Vector>(leaving));
        }
    }
    walk.registers.carries = next_carries(walk.registers.carries, walk.registers.gradient, block_held(walk, at), at.time);
    walk.registers.held = all_held();
    walk.registers.gradient = Floats(0.0);
    walk.registers.amplitude_sum += walk.registers.amplitude_block;
    walk.registers.amplitude_block = Floats(0.0);
    if THRESHOLD_SUMMED {
        walk.registers.threshold_sum += walk.registers.threshold_block;
        walk.registers.threshold_block = Floats(0.0);
    }
    if LOW_THRESHOLD_SUMMED {
        walk.registers.low_threshold_sum += walk.registers.low_threshold_block;
        walk.registers.low_threshold_block = Floats(0.0);
    }
    if BORDERED {
        walk.registers.initial_state_sum += walk.registers.initial_state_block;
        walk.registers.initial_state_block = Floats(0.0);
    }
    if at.time % TERM_STEPS == 0u {
        let terms = term_of(at.time);
        store_amplitude_terms(amplitude_terms_at(at.tile.b, terms, d), bitcast<Vector>(walk.registers.amplitude_sum));
        store_threshold_terms(threshold_terms_at(at.tile.b, terms, d), bitcast<Vector>(walk.registers.threshold_sum));
        walk.registers.amplitude_sum = Floats(0.0);
        walk.registers.threshold_sum = Floats(0.0);
        if TWO_THRESHOLDS {
            store_low_threshold_terms(
                low_threshold_terms_at(at.tile.b, terms, d),
                bitcast<Vector>(walk.registers.low_threshold_sum),
            );
            walk.registers.low_threshold_sum = Floats(0.0);
        }
        if BORDERED {
            store_initial_state_terms(
                initial_state_terms_at(at.tile.b, terms, d),
                bitcast<Vector>(walk.registers.initial_state_sum),
            );
            walk.registers.initial_state_sum = Floats(0.0);
        }
    }
    return walk;
}

// Where the terms of what begins at `time` are. Those of the blocks of a stretch lie far to near, as they are added.
fn term_of(time: u32) -> u32 {
    let term = time / TERM_STEPS - params.time_origin / TERM_STEPS;
    if TERM_STEPS == 1024u {
        return term;
    }
    let begin = term & ~31u;
    let end = min(begin + 32u, (params.steps + 31u) / 32u);
    return begin + (end - 1u - term);
}

fn finish(walk: Walk, at: At, offset: u32) -> Walk {
    store_walk(at.tile.b, at.tile.d + offset, walk.registers);
    return walk;
}

// At the end of time, or of a tile, nothing has been walked over; at the end of another part, its registers are at hand.
fn load_walk(b: u32, index: u32, d: u32, end: u32) -> Registers {
    let none = Floats(0.0);
    // Of the stretch that the tile lies in.
    let beyond = bitcast<Floats>(load_beyond(beyond_at(b, index * params.tile_steps / 1024u, d)));
    var registers =
        Registers(none, Carries(none, none, none, none, none, none, none + beyond), none, none, none, none, none, none, none, none, all_held());
    if PARTS_OF_STRETCHES {
        registers.carries.two = bitcast<Floats>(load_within(within_at(b, 2u * index, d)));
        registers.carries.beyond = passed(registers.carries.beyond, load_within(within_at(b, 2u * index + 1u, d)));
    }
    if RESUMES && end < params.time_total {
        let at = registers_at(b, 0u, d);
        registers.gradient = load_register(at, 0u);
        registers.carries.two = load_register(at, 1u);
        registers.carries.three = load_register(at, 2u);
        registers.carries.four = load_register(at, 3u);
        registers.carries.five = load_register(at, 4u);
        registers.carries.six = load_register(at, 5u);
        registers.carries.seven = load_register(at, 6u);
        registers.carries.beyond = load_register(at, 7u);
        registers.amplitude_block = load_register(at, 8u);
        registers.amplitude_sum = load_register(at, 9u);
        registers.threshold_block = load_register(at, 10u);
        registers.threshold_sum = load_register(at, 11u);
        if TWO_THRESHOLDS {
            registers.low_threshold_block = load_register(at, 12u);
            registers.low_threshold_sum = load_register(at, 13u);
        }
        if SCALES {
            registers.held = load_registers(at + 12u * registers_step());
        }
        if BORDERED {
            registers.initial_state_block = load_register(at, 14u);
            registers.initial_state_sum = load_register(at, 15u);
        }
    }
    return registers;
}

fn store_walk(b: u32, d: u32, registers: Registers) {
    if RESUMES {
        let at = registers_at(b, 0u, d);
        store_register(at, 0u, registers.gradient);
        store_register(at, 1u, registers.carries.two);
        store_register(at, 2u, registers.carries.three);
        store_register(at, 3u, registers.carries.four);
        store_register(at, 4u, registers.carries.five);
        store_register(at, 5u, registers.carries.six);
        store_register(at, 6u, registers.carries.seven);
        store_register(at, 7u, registers.carries.beyond);
        store_register(at, 8u, registers.amplitude_block);
        store_register(at, 9u, registers.amplitude_sum);
        store_register(at, 10u, registers.threshold_block);
        store_register(at, 11u, registers.threshold_sum);
        if TWO_THRESHOLDS {
            store_register(at, 12u, registers.low_threshold_block);
            store_register(at, 13u, registers.low_threshold_sum);
        }
        if SCALES {
            store_registers(at + 12u * registers_step(), registers.held);
        }
        if BORDERED {
            store_register(at, 14u, registers.initial_state_block);
            store_register(at, 15u, registers.initial_state_sum);
        }
    }
}

fn load_register(at: u32, number: u32) -> Floats {
    return bitcast<Floats>(load_registers(at + number * registers_step()));
}

fn store_register(at: u32, number: u32, value: Floats) {
    store_registers(at + number * registers_step(), bitcast<Vector>(value));
}
