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
    let longest = max(max(view.batch, view.time), view.channel);
    let shortest = min(min(view.batch, view.time), view.channel);
    let middle = max(min(view.batch, view.time), min(max(view.batch, view.time), view.channel));
    let distance = element - view.offset;
    let first = steps_of(distance, longest);
    let behind_first = distance - first * longest;
    let second = steps_of(behind_first, middle);
    let behind_second = behind_first - second * middle;
    let third = steps_of(behind_second, shortest);
    let strides = vec3<u32>(view.batch, view.time, view.channel);
    let index = select(
        select(vec3<u32>(third), vec3<u32>(second), strides == vec3<u32>(middle)),
        vec3<u32>(first),
        strides == vec3<u32>(longest),
    );
    let inside = element >= view.offset && behind_second == third * shortest
        && index.x < params.batch && index.y < params.steps && index.z < params.channels;
    return Place(source_at(index.x, index.y, index.z), inside);
}

// A stride of 0 is that of an axis with one element.
fn steps_of(distance: u32, stride: u32) -> u32 {
    if stride == 0u {
        return 0u;
    }
    return distance / stride;
}
