// One dispatch: an invocation walks over the steps of its channels, the state in registers.
//
// A part that begins later than step 0 finds the state of the part before in its initial state.

const NEVER: u32 = 0xffffffffu;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = invocation(group, local);
    if item >= params.batch * params.channels {
        return;
    }
    scan_row(item / params.channels, item % params.channels);
}

fn scan_row(b: u32, d: u32) {
    let amplitude = load_amplitude(amplitude_at(0u, 0u, d));
    var state = load_initial_state(initial_state_at(b, 0u, d));
    if SAVES {
        // Only the part that begins at step 0 has these two.
        store_saved_initial_state(saved_initial_state_at(b, 0u, d), state);
        if b == 0u {
            store_saved_amplitude(saved_amplitude_at(0u, 0u, d), amplitude);
        }
    }
    var first_set = Vector(NEVER);
    if SAVES && params.time_origin > 0u {
        first_set = load_first_set(first_set_at(b, 0u, d));
    }
    // The sign of a state that was set is the bit in which it differs from the amplitude.
    var plus = select(Vector(0u), (~(state ^ amplitude)) >> Vector(31u), first_set != Vector(NEVER));

    var candidate_index = candidate_at(b, 0u, d);
    var threshold_index = threshold_at(b, 0u, d);
    var states_index = states_at(b, 0u, d);
    var codes_index = codes_at(b, 0u, d);
    var threshold = Vector(0u);
    if THRESHOLD_PER_CHANNEL && params.steps > 0u {
        threshold = load_threshold(threshold_index);
    }

    var step = 0u;
    while step < params.steps {
        // The steps that share a word of the codes; without codes, all of them.
        let time = params.time_origin + step;
        let bit = time & 31u;
        var stretch = params.steps - step;
        var z = Vector(0u);
        var signs = Vector(0u);
        if SAVES {
            stretch = min(stretch, 32u - bit);
            if bit > 0u {
                z = load_codes(codes_index);
                signs = load_codes(codes_index + codes_step());
            }
        }
        for (var k = 0u; k < stretch; k++) {
            let candidate = load_candidate(candidate_index);
            if !THRESHOLD_PER_CHANNEL {
                threshold = load_threshold(threshold_index);
            }
            let sets = set_bit(candidate, threshold);
            let sign = set_sign(candidate);
            if SAVES {
                signs |= plus << Vector(bit + k);
                z |= sets << Vector(bit + k);
                plus = select(plus, (sign >> Vector(31u)) ^ Vector(1u), sets != Vector(0u));
                first_set = min(first_set, select(Vector(NEVER), Vector(time + k), sets != Vector(0u)));
            }
            state = select(state, amplitude ^ sign, sets != Vector(0u));
            store_states(states_index, state);
            candidate_index += candidate_step();
            threshold_index += threshold_step();
            states_index += states_step();
        }
        if SAVES {
            store_codes(codes_index, z);
            store_codes(codes_index + codes_step(), signs);
            codes_index += 2u * codes_step();
        }
        step += stretch;
    }

    store_final_state(final_state_at(b, 0u, d), state);
    if SAVES {
        store_first_set(first_set_at(b, 0u, d), first_set);
    }
}
