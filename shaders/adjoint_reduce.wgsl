// What 1,024 steps pass on towards the beginning: a gradient, and whether all of them hold, so that what comes from beyond
// passes through. Reads only the gradients before the first step that sets.
//
// Element: (leaving, held). Combine, far into near: leaving = near.leaving + (far.leaving if near.held), held = both. The
// identity is (0, held). Associative up to rounding, so the order of additions is fixed: see adjoint.wgsl.

fn run(item: u32) {
    reduce_stretch(node_of(item));
}

fn reduce_stretch(tile: Node) {
    let begin = tile.index * params.tile_steps;
    let end = min(begin + params.tile_steps, params.steps);
    var first_set = Vector(end);
    var codes_index = codes_at(tile.b, CODE_LINES * (begin / 32u), tile.d);
    for (var step = begin; step < end; step += 32u) {
        let z = load_codes(codes_index);
        first_set = min(first_set, select(Vector(end), Vector(step) + firstTrailingBit(z), z != Vector(0u)));
        codes_index += CODE_LINES * codes_step();
    }

    var leaving = Floats(0.0);
    var gradient = Floats(0.0);
    var step = largest(first_set);
    while step > begin {
        let block_begin = max(begin, 32u * ((step - 1u) / 32u));
        while step > block_begin {
            step--;
            let incoming = bitcast<Floats>(load_states_gradient(states_gradient_at(tile.b, step, tile.d)));
            gradient = select(Floats(0.0), gradient + incoming, Vector(step) < first_set);
        }
        leaving = gradient + leaving;
        gradient = Floats(0.0);
    }
    store_stretches(stretches_at(tile.b, 2u * tile.index, tile.d), bitcast<Vector>(leaving));
    let held = select(Vector(0u), Vector(1u), first_set == Vector(end));
    store_stretches(stretches_at(tile.b, 2u * tile.index + 1u, tile.d), held);
}
