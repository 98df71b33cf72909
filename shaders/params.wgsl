// What every stage is told about its part of the work, and who does which piece of it.

struct View {
    offset: u32,
    batch: u32,
    time: u32,
    channel: u32,
}

// Counts of channels and batch rows, indices and strides are in vectors: of several batch rows where those are short. Of what is saved each
// row has a vector of its own there, and strides along the batch are of one row.
struct Params {
    batch: u32,
    steps: u32,
    channels: u32,
    nodes: u32,
    grid_width: u32,
    tile_steps: u32,
    time_origin: u32,
    time_total: u32,
    bands: u32,
    rows: u32,
    items: u32,
    epsilon: f32,
    surrogates: vec4<f32>,
    limit: i32,
    beyond: u32,
    padding: vec2<u32>,
    views: array<View, VIEWS>,
}

fn view_at(view: View, b: u32, t: u32, d: u32) -> u32 {
    return view.offset + b * view.batch + t * view.time + d * view.channel;
}

// Number of this invocation: the grid is folded because a dimension has at most 65,535 workgroups.
fn invocation(group: vec3<u32>, local: u32) -> u32 {
    return (group.y * params.grid_width + group.x) * WORKGROUP_SIZE + local;
}

struct Node {
    b: u32,
    index: u32,
    d: u32,
}

// Neighbouring invocations take neighbouring channels. The vectors of a band lie a workgroup apart, so that they still do, and
// a workgroup sweeps over long rows as they lie in memory; `d` is the first of them. `b` is the first of `rows` batch rows.
//
// What goes down through time goes down through each row, too: the whole way is then down in memory, which caches foresee as
// well as a way up, but not both mixed.
fn node_of(item: u32) -> Node {
    let row = item / params.bands;
    var d = item % params.bands;
    if DESCENDS {
        d = params.bands - 1u - d;
    }
    if BAND > 1u {
        d += d / WORKGROUP_SIZE * WORKGROUP_SIZE * (BAND - 1u);
    }
    return Node(row / params.nodes * params.rows, row % params.nodes, d);
}

// The batch rows of an invocation, and which of them it takes at each turn: in the order of memory, too.
fn turns_of(node: Node) -> u32 {
    return min(params.rows, params.batch - node.b);
}

fn row_at(node: Node, turn: u32) -> u32 {
    return node.b + select(turn, turns_of(node) - 1u - turn, DESCENDS);
}
