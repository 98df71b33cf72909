// Where sequences begin and end, as walks want it: of 32 steps, in the order in which they are taken, the bits of those before which
// the state is an initial one; of packed sequences also of those that end one, of those that belong to any, and the sequence of each.
//
// `steps` counts sequences here, and `tile_steps` the lanes of a vector: a word of bits stands in each of them.

// Neither a sequence nor none: what lies before the first step, and behind the last.
const OUTSIDE: u32 = 0xfffffffeu;

fn run(item: u32) {
    find_borders(node_of(item));
}

fn find_borders(word: Node) {
    let first = params.time_origin + 32u * word.index;
    let steps = min(32u, params.time_total - first);
    let at = borders_at(word.b, word.index, 0u);
    if !PACKED_SEQUENCES {
        store_lanes(at, resets_of(word.b, first, steps));
        return;
    }
    var starts = 0u;
    var ends = 0u;
    var inside = 0u;
    var before = sequence_of_step(first, 0u);
    var here = sequence_of_step(first, 1u);
    for (var k = 0u; k < steps; k++) {
        let behind = sequence_of_step(first + k, 2u);
        let belongs = select(1u, 0u, here == NO_SEQUENCE);
        starts |= select(0u, 1u, here != before) << k;
        ends |= select(0u, belongs, here != behind) << k;
        inside |= belongs << k;
        store_borders(at + 3u * params.tile_steps + k, here);
        before = here;
        here = behind;
    }
    store_lanes(at, starts);
    store_lanes(at + params.tile_steps, ends);
    store_lanes(at + 2u * params.tile_steps, inside);
}

fn store_lanes(at: u32, word: u32) {
    for (var lane = 0u; lane < params.tile_steps; lane++) {
        store_borders(at + lane, word);
    }
}

fn time_of(step: u32) -> u32 {
    return select(step, params.time_total - 1u - step, DESCENDS);
}

fn resets_of(b: u32, first: u32, steps: u32) -> u32 {
    var starts = 0u;
    for (var k = 0u; k < steps; k++) {
        let time = time_of(first + k);
        starts |= ((load_resets(resets_at(b, time / 32u, 0u)) >> (time % 32u)) & 1u) << k;
    }
    return starts;
}

// Of the step before with 0, of the step with 1, of the step behind with 2.
fn sequence_of_step(step: u32, side: u32) -> u32 {
    if step + side == 0u || step + side > params.time_total {
        return OUTSIDE;
    }
    return sequence_of(time_of(step + side - 1u));
}

// By bisection: one less than the number of borders up to a time, if there are some and one is left.
fn sequence_of(time: u32) -> u32 {
    var low = 0u;
    var high = params.steps + 1u;
    while low < high {
        let middle = low + (high - low) / 2u;
        if load_cu_seqlens(cu_seqlens_at(0u, middle, 0u)) <= time {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return select(low - 1u, NO_SEQUENCE, low == 0u || low > params.steps);
}
