// What 1,024 steps pass on towards the beginning: a gradient, and whether all of them hold, so that what comes from beyond
// passes through. Reads only the gradients before the first step that sets. Or, where a tile is a part of such a stretch, what the steps
// behind it pass on to it: its own, `time_origin` of them, are left out.
//
// Element: (leaving, held). Combine, far into near: leaving = near.leaving + (far.leaving if near.held), held = both. The
// identity is (0, held). Associative up to rounding, so the order of additions is fixed: see adjoint.wgsl.

struct Walk {
    first_set: Vector,
    // Of the block.
    gradient: Floats,
}

// What is read of a step.
struct Inputs {
    states_gradient: Floats,
}

struct At {
    tile: Node,
    step: u32,
    states_gradient: u32,
    // The borders of the steps of the block.
    borders: Borders,
}

fn run(item: u32) {
    reduce_stretch(node_of(item));
}

fn reduce_stretch(tile: Node) {
    let tile_begin = tile.index * params.tile_steps;
    let end = min((tile_begin / 1024u + 1u) * 1024u, params.steps);
    let begin = min(tile_begin + params.time_origin, end);
    var first_set = Vector(end);
    var codes_index = codes_at(tile.b, CODE_LINES * (begin / 32u), tile.d);
    for (var step = begin; step < end; step += 32u) {
        let z = load_codes(codes_index) | Vector(borders_of(tile.b, step / 32u).starts);
        first_set = min(first_set, select(Vector(end), Vector(step) + firstTrailingBit(z), z != Vector(0u)));
        codes_index += CODE_LINES * codes_step();
    }

    var leaving = Floats(0.0);
    var band: Band;
    band[0] = Walk(first_set, Floats(0.0));
    // Whole vectors: what is behind the first that sets is not added.
    let behind = (largest(first_set) + FOLD - 1u) / FOLD * FOLD;
    var at = At(tile, behind, states_gradient_at(tile.b, behind / FOLD, tile.d), Borders());
    while at.step > begin {
        let block_begin = max(begin, 32u * ((at.step - 1u) / 32u));
        at.borders = borders_of(tile.b, block_begin / 32u);
        if STEPS_AHEAD > 1u {
            while at.step >= block_begin + STEPS_AHEAD * FOLD {
                at = advance_ahead_band(&band, at);
            }
        }
        while at.step > block_begin {
            at = next_step(at);
            advance_band(&band, at);
        }
        leaving = band[0].gradient + leaving;
        band[0].gradient = Floats(0.0);
    }
    store_stretches(stretches_at(tile.b, 2u * tile.index, tile.d), bitcast<Vector>(leaving));
    let held = select(Vector(0u), Vector(1u), first_set == Vector(end));
    store_stretches(stretches_at(tile.b, 2u * tile.index + 1u, tile.d), held);
}

// The step before.
fn next_step(behind: At) -> At {
    return At(behind.tile, behind.step - FOLD, behind.states_gradient - states_gradient_step(), behind.borders);
}

fn load_inputs(at: At, offset: u32) -> Inputs {
    return Inputs(bitcast<Floats>(load_states_gradient(at.states_gradient + offset)));
}

fn advance(before: Walk, inputs: Inputs, at: At, offset: u32) -> Walk {
    var walk = before;
    let incoming = incoming_of(at.borders, at.tile.b, at.step % 32u, at.tile.d + offset, inputs.states_gradient);
    let reaches = Vector(at.step) + LANE_STEPS < walk.first_set;
    walk.gradient = added(walk.gradient, select(Floats(0.0), incoming, reaches));
    return walk;
}
