// Backward: walks over a stretch of time from its end to its beginning. g_t = dh_t + g_{t+1} where step t+1 held.
//
// The order of additions is fixed by absolute time alone, so that every strategy and every limit gives the same bits: steps
// are added within aligned blocks of 32, far to near; what leaves a block is added within 1,024 steps, what leaves those
// within 32,768, and so on. All of it is dropped at a set.

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
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = invocation(group, local);
    if item >= params.batch * params.nodes * params.channels {
        return;
    }
    walk(node_of(item));
}

fn carried(carries: Carries) -> Floats {
    return carries.two + (carries.three + (carries.four
        + (carries.five + (carries.six + (carries.seven + carries.beyond)))));
}

// Leaves the block that begins at `time`: a multiple of 32.
fn leave_block(old: Carries, gradient: Floats, z: Vector, time: u32) -> Carries {
    let none = Floats(0.0);
    let held = z == Vector(0u);
    var carries = Carries(
        gradient + select(none, old.two, held),
        select(none, old.three, held),
        select(none, old.four, held),
        select(none, old.five, held),
        select(none, old.six, held),
        select(none, old.seven, held),
        select(none, old.beyond, held),
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

fn walk(tile: Node) {
    let b = tile.b;
    let d = tile.d;
    let begin = params.time_origin + tile.index * params.tile_steps;
    let end = min(begin + params.tile_steps, params.time_origin + params.steps);
    let amplitude = load_saved_amplitude(saved_amplitude_at(0u, 0u, d));
    let initial_state = load_saved_initial_state(saved_initial_state_at(b, 0u, d));
    let first_set = load_first_set(first_set_at(b, 0u, d));
    var registers = load_walk(tile, end);

    // Indices of the step behind the stretch; each step moves them down first.
    let behind = end - params.time_origin;
    var candidate_index = candidate_at(b, behind, d);
    var threshold_index = threshold_at(b, behind, d);
    var states_gradient_index = states_gradient_at(b, behind, d);
    var candidate_gradient_index = candidate_gradient_at(b, behind, d);
    var threshold_gradient_index = threshold_gradient_at(b, behind, d);
    var time = end;
    while time > begin {
        // The steps of one word of the codes, or as many of them as are in this stretch.
        let word = (time - 1u) / 32u;
        let block_begin = max(begin, 32u * word);
        let codes_index = codes_at(b, 2u * (word - params.time_origin / 32u), d);
        let z = load_codes(codes_index);
        let signs = load_codes(codes_index + codes_step());
        // Steps of this word that the part behind has walked over.
        let walked = z & ~Vector(0xffffffffu >> (31u - (time - 1u) % 32u));
        var carry = select(Floats(0.0), carried(registers.carries), walked == Vector(0u));

        while time > block_begin {
            time--;
            candidate_index -= candidate_step();
            threshold_index -= threshold_step();
            states_gradient_index -= states_gradient_step();
            candidate_gradient_index -= candidate_gradient_step();
            threshold_gradient_index -= threshold_gradient_step();
            let candidate = load_candidate(candidate_index);
            let threshold = load_threshold(threshold_index);
            let incoming = bitcast<Floats>(load_states_gradient(states_gradient_index));
            let sets = bit_at(z, time % 32u) != Vector(0u);
            let set_before = amplitude ^ (~bit_at(signs, time % 32u) << Vector(31u));
            let state_before = select(set_before, initial_state, Vector(time) <= first_set);

            let sum = registers.gradient + incoming;
            let gradient = sum + carry;
            registers.gradient = select(sum, Floats(0.0), sets);
            carry = select(carry, Floats(0.0), sets);

            let element = gate_adjoint(candidate, threshold, amplitude, state_before, gradient, sets);
            store_candidate_gradient(candidate_gradient_index, bitcast<Vector>(element.candidate));
            store_threshold_gradient(threshold_gradient_index, bitcast<Vector>(element.threshold));
            registers.amplitude_block += element.amplitude;
            registers.threshold_block += element.threshold;
            if time == 0u {
                let leaving = select(gradient, Floats(0.0), sets);
                store_initial_state_gradient(initial_state_gradient_at(b, 0u, d), bitcast<Vector>(leaving));
            }
        }
        if time % 32u == 0u {
            registers.carries = leave_block(registers.carries, registers.gradient, z, time);
            registers.gradient = Floats(0.0);
            registers.amplitude_sum += registers.amplitude_block;
            registers.threshold_sum += registers.threshold_block;
            registers.amplitude_block = Floats(0.0);
            registers.threshold_block = Floats(0.0);
        }
        if time % 1024u == 0u {
            let terms = time / 1024u - params.time_origin / 1024u;
            store_amplitude_terms(amplitude_terms_at(b, terms, d), bitcast<Vector>(registers.amplitude_sum));
            store_threshold_terms(threshold_terms_at(b, terms, d), bitcast<Vector>(registers.threshold_sum));
            registers.amplitude_sum = Floats(0.0);
            registers.threshold_sum = Floats(0.0);
        }
    }
    store_walk(tile, registers);
}

// At the end of time, or of a tile, nothing has been walked over; at the end of another part, its registers are at hand.
fn load_walk(tile: Node, end: u32) -> Registers {
    let none = Floats(0.0);
    let beyond = bitcast<Floats>(load_beyond(beyond_at(tile.b, tile.index, tile.d)));
    var registers =
        Registers(none, Carries(none, none, none, none, none, none, none + beyond), none, none, none, none);
    if RESUMES && end < params.time_total {
        let at = registers_at(tile.b, 0u, tile.d);
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
    }
    return registers;
}

fn store_walk(tile: Node, registers: Registers) {
    if RESUMES {
        let at = registers_at(tile.b, 0u, tile.d);
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
    }
}

fn load_register(at: u32, number: u32) -> Floats {
    return bitcast<Floats>(load_registers(at + number * registers_step()));
}

fn store_register(at: u32, number: u32, value: Floats) {
    store_registers(at + number * registers_step(), bitcast<Vector>(value));
}
