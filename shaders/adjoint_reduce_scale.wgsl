// What 1,024 steps pass on towards the beginning where steps that set scale: a gradient, and the factor of what comes from beyond.
//
// Element: (leaving, held). Combine, far into near: leaving = near.leaving + near.held * far.leaving, held = far.held * near.held. The
// identity is (0, 1). Associative up to rounding.

fn run(item: u32) {
    reduce_stretch(node_of(item));
}

fn reduce_stretch(tile: Node) {
    let begin = tile.index * params.tile_steps;
    var step = min(begin + params.tile_steps, params.steps);
    var leaving = Floats(0.0);
    var held = all_held();
    while step > begin {
        let block_begin = max(begin, 32u * ((step - 1u) / 32u));
        let z = load_codes(codes_at(tile.b, CODE_LINES * (block_begin / 32u), tile.d));
        let borders = borders_of(tile.b, block_begin / 32u);
        var gradient = Floats(0.0);
        var block_held = all_held();
        while step > block_begin {
            step--;
            let sets = bit_at(z, step % 32u) != Vector(0u);
            let incoming = bitcast<Floats>(load_states_gradient(states_gradient_at(tile.b, step, tile.d)));
            gradient += incoming_of(borders, tile.b, step % 32u, tile.d, incoming);
            gradient = select(gradient, params.epsilon * gradient, sets);
            block_held = select(block_held, bitcast<Vector>(params.epsilon * bitcast<Floats>(block_held)), sets);
            if BORDERED && begins(borders, step % 32u) {
                gradient = Floats(0.0);
                block_held = none_held();
            }
        }
        leaving = gradient + passed(leaving, block_held);
        held = both_held(held, block_held);
    }
    store_stretches(stretches_at(tile.b, 2u * tile.index, tile.d), bitcast<Vector>(leaving));
    store_stretches(stretches_at(tile.b, 2u * tile.index + 1u, tile.d), held);
}
