// Puts elements of 16 bits into words where a row is not made of whole words: two elements of one word come from different
// invocations, and a word has one writer. They come from scratch, a register each.
//
// Elements lie in memory as the target's view says; a half that belongs to no element of it stays as it is.

struct Place {
    source: u32,
    is_here: bool,
}

fn run(item: u32) {
    for (var pair = params.time_origin + item; pair < params.time_total; pair += params.items) {
        let before = load_pair(pair);
        let low = half_of(2u * pair, before << 16u);
        let high = half_of(2u * pair + 1u, before & 0xffff0000u);
        store_pair(pair, (low >> 16u) | high);
    }
}

// The half of a word that an element fills, in the upper half of the result.
fn half_of(element: u32, before: u32) -> u32 {
    let place = place_of(element);
    if !place.is_here {
        return before;
    }
    return packed(load_source(place.source), before);
}

// Along the longer stride first: everything that the shorter ones reach lies within it.
fn place_of(element: u32) -> Place {
    let view = params.views[TARGET];
    if view.channel > 1u {
        return place_apart(element, view);
    }
    let distance = element - view.offset;
    let batch_first = view.batch > view.time;
    let outer = max(view.batch, view.time);
    let inner = min(view.batch, view.time);
    let first = steps_of(distance, outer);
    let second = steps_of(distance - first * outer, inner);
    let d = distance - first * outer - second * inner;
    let b = select(second, first, batch_first);
    let t = select(first, second, batch_first);
    let inside = element >= view.offset && b < params.batch && t < params.steps && d < params.channels;
    return Place(source_at(b, t, d), inside);
}

// The same where channels do not lie side by side: three strides, in any order.
fn place_apart(element: u32, view: View) -> Place {
    var strides = array<u32, 3>(view.batch, view.time, view.channel);
    var index = array<u32, 3>(0u, 0u, 0u);
    var distance = element - view.offset;
    var below = 0xffffffffu;
    for (var turn = 0u; turn < 3u; turn++) {
        var longest = 0u;
        for (var axis = 0u; axis < 3u; axis++) {
            longest = max(longest, select(0u, strides[axis], strides[axis] < below));
        }
        for (var axis = 0u; axis < 3u; axis++) {
            if strides[axis] == longest {
                index[axis] = steps_of(distance, longest);
            }
        }
        distance -= steps_of(distance, longest) * longest;
        below = longest;
    }
    let inside = element >= view.offset && distance == 0u
        && index[0] < params.batch && index[1] < params.steps && index[2] < params.channels;
    return Place(source_at(index[0], index[1], index[2]), inside);
}

// A stride of 0 is that of an axis with one element.
fn steps_of(distance: u32, stride: u32) -> u32 {
    if stride == 0u {
        return 0u;
    }
    return distance / stride;
}
