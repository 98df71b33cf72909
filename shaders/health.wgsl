// What a stretch of time of one channel shows of the health of its unit.
//
// Element: Record. Combine: `join`, the earlier stretch first. A run of steps that hold can cross the seam, and a set can differ
// from the last one before it, so that an element keeps how it begins and how it ends; with that, `join` is associative. It does
// not commute. Its identity is all zeros. It counts, so it is exact.

// Words of a record.
const RECORD: u32 = 8u;
// NaN inputs where nobody looked for them: more than a sequence has steps.
const UNKNOWN: u32 = 0xffffffffu;

struct Record {
    sets: u32,
    // Sets to the other side than the set before, within the stretch.
    flips: u32,
    // Runs of steps that hold.
    holds: u32,
    longest: u32,
    // Steps before the first set, and behind the last; all of them if nothing sets.
    leading: u32,
    trailing: u32,
    // Bit 0: a set went to a side that is known; then bit 1 is the side of the first such set, bit 2 that of the last.
    signs: u32,
    nans: u32,
}

fn join(a: Record, b: Record) -> Record {
    let both_known = (a.signs & b.signs & 1u) == 1u;
    let flips = both_known && ((a.signs >> 2u) & 1u) != ((b.signs >> 1u) & 1u);
    let one_run = a.trailing > 0u && b.leading > 0u;
    let first = select(b.signs & 2u, a.signs & 2u, (a.signs & 1u) == 1u);
    let last = select(a.signs & 4u, b.signs & 4u, (b.signs & 1u) == 1u);
    return Record(
        a.sets + b.sets,
        a.flips + b.flips + select(0u, 1u, flips),
        a.holds + b.holds - select(0u, 1u, one_run),
        max(max(a.longest, b.longest), a.trailing + b.leading),
        a.leading + select(0u, b.leading, a.sets == 0u),
        b.trailing + select(0u, a.trailing, b.sets == 0u),
        ((a.signs | b.signs) & 1u) | first | last,
        select(a.nans + b.nans, UNKNOWN, max(a.nans, b.nans) == UNKNOWN),
    );
}

// The record of `length` steps, from 1 to 32: those of `z` set, and those of `known`, all of them but perhaps the last one, to
// the side that `p` says.
fn record_of(z: u32, known: u32, p: u32, length: u32, nans: u32) -> Record {
    let held = ~z & (0xffffffffu >> (32u - length));
    let runs = countOneBits(held & ~(held << 1u));
    var leading = length;
    var trailing = length;
    var longest = length;
    if z != 0u {
        longest = longest_run(held);
        leading = firstTrailingBit(z);
        trailing = length - 1u - firstLeadingBit(z);
    }
    var signs = 0u;
    var flips = 0u;
    if known != 0u {
        let sides = p & known;
        let first = (p >> firstTrailingBit(known)) & 1u;
        let last = (p >> firstLeadingBit(known)) & 1u;
        flips = countOneBits(known & (sides ^ signs_before(known, sides, first)));
        signs = 1u | (first << 1u) | (last << 2u);
    }
    return Record(countOneBits(z), flips, runs, longest, leading, trailing, signs, nans);
}

// The longest run of ones: as often as they can be shortened by one.
fn longest_run(ones: u32) -> u32 {
    var rest = ones;
    var length = 0u;
    while rest != 0u {
        rest &= rest << 1u;
        length++;
    }
    return length;
}

// All steps of a word but the last one of the whole sequence: what is saved tells the side of a set by the state before the
// next step, and behind the last one there is none.
fn all_but_last(step: u32) -> u32 {
    let distance = params.time_total - 1u - params.time_origin - step;
    return select(0xffffffffu, ~(1u << (distance & 31u)), distance < 32u);
}

fn store_record(b: u32, index: u32, d: u32, record: Record) {
    var at = records_at(b, RECORD * index, d);
    store_records(at, record.sets);
    at += records_step();
    store_records(at, record.flips);
    at += records_step();
    store_records(at, record.holds);
    at += records_step();
    store_records(at, record.longest);
    at += records_step();
    store_records(at, record.leading);
    at += records_step();
    store_records(at, record.trailing);
    at += records_step();
    store_records(at, record.signs);
    at += records_step();
    store_records(at, record.nans);
}
