// Sums over the batch: the totals of 32 sequences, or of 32 totals, become one.
//
// Element: Totals. Combine: `sum`. It is associative and commutes, its identity is `nothing`, and it is exact: counts have 64 bits,
// the lower word first.

// Words of totals.
const TOTALS: u32 = 11u;
const NEVER: u32 = 0xffffffffu;
const UNKNOWN: u32 = 0xffffffffu;

struct Totals {
    sets: vec2<u32>,
    flips: vec2<u32>,
    holds: vec2<u32>,
    longest: u32,
    first_set: u32,
    // Sequences that never set.
    silent: u32,
    // All ones where nobody looked for them.
    nans: vec2<u32>,
}

fn run(item: u32) {
    sum_node(item / params.channels, item % params.channels);
}

fn sum_node(node: u32, d: u32) {
    let end = min(32u * node + 32u, params.steps);
    var totals = nothing();
    for (var child = 32u * node; child < end; child++) {
        totals = sum(totals, totals_of(child, d));
    }
    store_all(node, d, totals);
}

// Of no sequence, or of some without steps: those have set nothing.
fn nothing() -> Totals {
    return Totals(vec2(0u), vec2(0u), vec2(0u), 0u, NEVER, params.time_total, vec2(0u));
}

fn add(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2(low, a.y + b.y + select(0u, 1u, low < a.x));
}

fn sum(a: Totals, b: Totals) -> Totals {
    let unknown = max(a.nans.y, b.nans.y) == UNKNOWN;
    return Totals(
        add(a.sets, b.sets),
        add(a.flips, b.flips),
        add(a.holds, b.holds),
        max(a.longest, b.longest),
        min(a.first_set, b.first_set),
        a.silent + b.silent,
        select(add(a.nans, b.nans), vec2(UNKNOWN), unknown),
    );
}

// A child is a record of a sequence, as health.wgsl has it, or totals: as many words as the dispatch says.
fn totals_of(child: u32, d: u32) -> Totals {
    let at = children_at(0u, params.tile_steps * child, d);
    let step = children_step();
    let sets = load_children(at);
    if params.tile_steps != TOTALS {
        let leading = load_children(at + 4u * step);
        let nans = load_children(at + 7u * step);
        return Totals(
            vec2(sets, 0u),
            vec2(load_children(at + step), 0u),
            vec2(load_children(at + 2u * step), 0u),
            load_children(at + 3u * step),
            select(leading, NEVER, sets == 0u),
            select(0u, 1u, sets == 0u),
            vec2(nans, select(0u, UNKNOWN, nans == UNKNOWN)),
        );
    }
    return Totals(
        vec2(sets, load_children(at + step)),
        vec2(load_children(at + 2u * step), load_children(at + 3u * step)),
        vec2(load_children(at + 4u * step), load_children(at + 5u * step)),
        load_children(at + 6u * step),
        load_children(at + 7u * step),
        load_children(at + 8u * step),
        vec2(load_children(at + 9u * step), load_children(at + 10u * step)),
    );
}

fn store_all(node: u32, d: u32, totals: Totals) {
    let at = totals_at(0u, TOTALS * node, d);
    let step = totals_step();
    store_totals(at, totals.sets.x);
    store_totals(at + step, totals.sets.y);
    store_totals(at + 2u * step, totals.flips.x);
    store_totals(at + 3u * step, totals.flips.y);
    store_totals(at + 4u * step, totals.holds.x);
    store_totals(at + 5u * step, totals.holds.y);
    store_totals(at + 6u * step, totals.longest);
    store_totals(at + 7u * step, totals.first_set);
    store_totals(at + 8u * step, totals.silent);
    store_totals(at + 9u * step, totals.nans.x);
    store_totals(at + 10u * step, totals.nans.y);
}
