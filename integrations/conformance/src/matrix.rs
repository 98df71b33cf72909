//! The cases, in groups named by what they attack.

use bmru::{
    Access, Boundary, Descriptor, FinalState, InitialState, Layout, Save, Shape, Slot, Strategy, Strides, Threshold, TimeOrder,
    View,
};

use crate::data::{Rate, Values};
use crate::{Case, Profile};

/// How much of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every group, with fewer sizes: some seconds on a software adapter.
    Quick,
    /// Everything.
    Full,
}

/// Lengths of time at which something begins or ends: nothing, a word, the words of a tile of 1,024 steps, the 32 tiles of a
/// node, and the 65,535 iterations after which some drivers end a loop.
const TIMES: [u64; 18] = [0, 1, 2, 31, 32, 33, 63, 65, 1023, 1024, 1025, 2049, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537];

/// Channels around one vector, one workgroup of 8, 32 and 64 invocations, and long bands, some of which reach beyond the last.
const CHANNELS: [u64; 16] = [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 64, 65, 260, 516, 1100];

const STRATEGIES: [Strategy; 3] = Strategy::ALL;

/// All cases of a scope.
#[must_use]
pub fn matrix(scope: Scope) -> Vec<Case> {
    let mut cases = Vec::new();
    sizes(scope, &mut cases);
    options(&mut cases);
    values(&mut cases);
    long_holds(scope, &mut cases);
    limits(scope, &mut cases);
    views(&mut cases);
    streaming(scope, &mut cases);
    time_orders(scope, &mut cases);
    access(&mut cases);
    crate::folds::forward(&mut cases);
    crate::pairs::forward(&mut cases);
    crate::family::forward(scope, &mut cases);
    crate::numbers::forward(scope, &mut cases);
    crate::relaxed::forward(scope, &mut cases);
    crate::packed::forward(scope, &mut cases);
    crate::in_place::forward(scope, &mut cases);
    crate::sequences::forward(scope, &mut cases);
    crate::channels::forward(scope, &mut cases);
    if scope == Scope::Full {
        huge(&mut cases);
    }
    cases
}

fn shape(batch: u64, time: u64, channels: u64) -> Shape {
    Shape { batch, time, channels }
}

/// A descriptor with everything that can be there.
fn all(shape: Shape) -> Descriptor {
    Descriptor::bmru(shape).initial_state(InitialState::Given).final_state(FinalState::Written).save(Save::Codes)
}

/// Sizes by reason, on both strategies. The options rotate with the number of the case, so that each meets every size class.
fn sizes(scope: Scope, cases: &mut Vec<Case>) {
    let mut shapes: Vec<Shape> = TIMES.iter().map(|&time| shape(2, time, 3)).collect();
    shapes.extend(
        CHANNELS
            .iter()
            .flat_map(|&channels| [shape(1, 67, channels), shape(3, if channels > 300 { 70 } else { 1100 }, channels)]),
    );
    shapes.extend([0, 1, 2, 7, 70].map(|batch| shape(batch, 40, 4)));
    shapes.extend([shape(3, 5, 0), shape(0, 0, 0), shape(2, 0, 5), shape(4096, 1, 6), shape(1, 40_000, 1)]);
    let step = if scope == Scope::Quick { 3 } else { 1 };
    for (number, &shape) in shapes.iter().enumerate().step_by(step) {
        for strategy in STRATEGIES {
            for saves in [Save::Nothing, Save::Codes] {
                let pick = |bit: usize| number >> bit & 1 == 1;
                let descriptor = Descriptor::bmru(shape)
                    .layout(if pick(0) { Layout::TimeBatchChannel } else { Layout::BatchTimeChannel })
                    .threshold(if pick(1) { Threshold::PerChannel } else { Threshold::PerElement })
                    .initial_state(if pick(2) { InitialState::Zero } else { InitialState::Given })
                    .final_state(if pick(3) { FinalState::Discarded } else { FinalState::Written })
                    .save(saves);
                let rate = [Rate::Half, Rate::Once(50), Rate::Once(1000)][number / 3 % 3];
                let Shape { batch, time, channels } = shape;
                let saves = if saves == Save::Codes { "/saves" } else { "" };
                let mut case = Case::new(format!("size/{batch}x{time}x{channels}/{strategy}{saves}"), descriptor, rate);
                case.strategy = Some(strategy);
                cases.push(case);
            }
        }
    }
}

/// Every combination of the options, on a shape with an incomplete word and an incomplete tile.
fn options(cases: &mut Vec<Case>) {
    for strategy in STRATEGIES {
        for bits in 0..64u32 {
            let pick = |bit: u32| bits >> bit & 1 == 1;
            let descriptor = Descriptor::bmru(shape(2, 100, 6))
                .layout(if pick(0) { Layout::TimeBatchChannel } else { Layout::BatchTimeChannel })
                .threshold(if pick(1) { Threshold::PerChannel } else { Threshold::PerElement })
                .initial_state(if pick(2) { InitialState::Zero } else { InitialState::Given })
                .final_state(if pick(3) { FinalState::Discarded } else { FinalState::Written })
                .save(if pick(4) { Save::Codes } else { Save::Nothing })
                .boundary(if pick(5) { Boundary::Set } else { Boundary::Hold });
            let mut case = Case::new(format!("option/{bits:06b}/{strategy}"), descriptor, Rate::Once(10));
            case.strategy = Some(strategy);
            case.tile_steps = Some(32);
            cases.push(case);
        }
    }
}

/// NaN, infinities, zeros, denormals, candidates on the edge and one unit beside it, at all set rates.
fn values(cases: &mut Vec<Case>) {
    let rates = [("never", Rate::Never), ("rare", Rate::Once(500)), ("half", Rate::Half), ("always", Rate::Always)];
    for strategy in STRATEGIES {
        for (name, rate) in rates {
            for (boundary, edge) in [(Boundary::Hold, "hold"), (Boundary::Set, "set")] {
                for threshold in [Threshold::PerElement, Threshold::PerChannel] {
                    for (values, kind) in [(Values::Plain, "plain"), (Values::Edges, "edges")] {
                        let descriptor = all(shape(3, 1500, 20)).boundary(boundary).threshold(threshold);
                        let name = format!("value/{kind}/{name}/{edge}/{threshold:?}/{strategy}");
                        let mut case = Case::new(name, descriptor, rate);
                        case.values = values;
                        case.strategy = Some(strategy);
                        cases.push(case);
                    }
                }
            }
        }
    }
}

/// Holds longer than a word, a tile, a node of the tree, and 100,000 steps.
fn long_holds(scope: Scope, cases: &mut Vec<Case>) {
    let mut holds = vec![(40, 400), (1500, 6000), (40_000, 140_000)];
    if scope == Scope::Full {
        holds.push((100_000, 300_000));
    }
    for strategy in STRATEGIES {
        for &(hold, time) in &holds {
            let mut case = Case::new(format!("hold/{hold}/{strategy}"), all(shape(1, time, 5)), Rate::Once(hold));
            case.strategy = Some(strategy);
            cases.push(case.clone());
            case.name = format!("hold/{hold}/tiles of 32/{strategy}");
            case.tile_steps = Some(32);
            if strategy != Strategy::Serial && scope == Scope::Full {
                cases.push(case);
            }
        }
        if strategy != Strategy::Serial {
            // Tiles enough for a third level, and first sets everywhere among them.
            let name = format!("hold/30000/tiles of 32/{strategy}");
            let mut case = Case::new(name, all(shape(1, 70_000, 16)), Rate::Once(30_000));
            case.strategy = Some(strategy);
            case.tile_steps = Some(32);
            cases.push(case);
        }
        for (name, values) in [("plain", Values::Plain), ("edges", Values::Edges)] {
            let mut case = Case::new(format!("hold/forever/{name}/{strategy}"), all(shape(1, 70_000, 3)), Rate::Never);
            case.strategy = Some(strategy);
            case.values = values;
            cases.push(case);
        }
    }
}

/// The same data under different limits: past one binding, past one row of the grid, past all of the grid.
fn limits(scope: Scope, cases: &mut Vec<Case>) {
    let profiles = [
        ("device", Profile::Device),
        ("webgpu", Profile::WebGpu),
        ("8 KiB", Profile::Small { kibibytes: 8 }),
        ("100 KiB", Profile::Small { kibibytes: 100 }),
        ("grid 2", Profile::Grid { workgroups: 2 }),
        ("grid 5", Profile::Grid { workgroups: 5 }),
    ];
    let mut shapes = vec![shape(5, 300, 12), shape(2, 3000, 4), shape(1, 100, 700), shape(40, 33, 3)];
    if scope == Scope::Full {
        shapes.extend([shape(1, 9000, 1), shape(3, 40, 1500), shape(300, 2, 9), shape(7, 1025, 33)]);
    }
    for &shape in &shapes {
        for layout in [Layout::BatchTimeChannel, Layout::TimeBatchChannel] {
            for saves in [Save::Nothing, Save::Codes] {
                for strategy in STRATEGIES {
                    for (name, profile) in profiles {
                        if !fits(profile, shape, layout, saves, strategy) {
                            continue;
                        }
                        let Shape { batch, time, channels } = shape;
                        let codes = if saves == Save::Codes { "/saves" } else { "" };
                        let name = format!("limit/{name}/{batch}x{time}x{channels}/{layout:?}/{strategy}{codes}");
                        let mut case = Case::new(name, all(shape).layout(layout).save(saves), Rate::Once(20));
                        case.seed = 7;
                        case.profile = profile;
                        case.strategy = Some(strategy);
                        cases.push(case);
                    }
                }
            }
        }
    }
    // Parts that begin with the second step of a word.
    let mut parts_of_33 = Case::new("limit/parts of 33", all(shape(1, 66, 29)), Rate::Half);
    parts_of_33.profile = Profile::Small { kibibytes: 4 };
    parts_of_33.strategy = Some(Strategy::Serial);
    cases.push(parts_of_33);
    // A row of channels longer than a binding: single steps, in pieces of rows.
    for saves in [Save::Nothing, Save::Codes] {
        let mut case = Case::new(format!("limit/1 KiB/{saves:?}"), all(shape(1, 6, 400)).save(saves), Rate::Half);
        case.profile = Profile::Small { kibibytes: if saves == Save::Codes { 8 } else { 1 } };
        case.strategy = Some(Strategy::Serial);
        cases.push(case);
    }
}

/// Whether the smallest part of a shape fits a binding: a tile of 32 rows for tiles, a batch row of what is saved.
fn fits(profile: Profile, shape: Shape, layout: Layout, saves: Save, strategy: Strategy) -> bool {
    let Profile::Small { kibibytes } = profile else { return true };
    let Shape { batch, time, channels } = shape;
    let row = if layout == Layout::TimeBatchChannel { batch * channels } else { channels };
    let tile = if strategy == Strategy::Serial { row } else { 32 * row };
    let saved = if saves == Save::Codes { channels * (2 * time.div_ceil(32) + 3) } else { 0 };
    4 * tile.max(saved) + 256 <= u64::from(kibibytes) << 10
}

/// Candidate and threshold side by side, rows of wider tensors, and offsets that no vector divides.
fn views(cases: &mut Vec<Case>) {
    for strategy in STRATEGIES {
        for layout in [Layout::BatchTimeChannel, Layout::TimeBatchChannel] {
            for channels in [1, 4, 7, 32] {
                for profile in [Profile::Device, Profile::Small { kibibytes: 32 }] {
                    let shape = shape(3, 400, channels);
                    let split = if profile == Profile::Device { "" } else { "/split" };
                    let mut case = Case::new(
                        format!("view/side by side/{channels}/{layout:?}/{strategy}{split}"),
                        all(shape).layout(layout).side_by_side(),
                        Rate::Once(15),
                    );
                    case.strategy = Some(strategy);
                    case.profile = profile;
                    cases.push(case.clone());

                    let row = |slot, offset, padding| {
                        let strides = Strides::rows(layout, shape, shape.channels + padding);
                        View { slot, offset, strides }
                    };
                    case.name = format!("view/rows/{channels}/{layout:?}/{strategy}{split}");
                    case.descriptor = all(shape)
                        .layout(layout)
                        .candidate_view(row(Slot::Candidate, 3, 5))
                        .threshold_view(row(Slot::Threshold, 8, 4))
                        .states_view(row(Slot::States, 4, 12));
                    cases.push(case);
                }
            }
        }
    }
}

/// Time taken from its end: words, tiles and parts begin there, and memory is walked down.
fn time_orders(scope: Scope, cases: &mut Vec<Case>) {
    let times: &[u64] = if scope == Scope::Full { &[1, 2, 31, 33, 64, 1000, 4129, 40_000] } else { &[1, 33, 4129] };
    for strategy in STRATEGIES {
        for layout in [Layout::BatchTimeChannel, Layout::TimeBatchChannel] {
            for &time in times {
                for channels in [1, 2, 5, 36, 260] {
                    for saves in [Save::Nothing, Save::Codes] {
                        if time * channels > 200_000 {
                            continue;
                        }
                        let codes = if saves == Save::Codes { "/saves" } else { "" };
                        let name = format!("order/{time}x{channels}/{layout:?}/{strategy}{codes}");
                        let descriptor = all(shape(2, time, channels)).layout(layout).save(saves);
                        let mut case = Case::new(name, descriptor.time_order(TimeOrder::Descending), Rate::Once(25));
                        case.strategy = Some(strategy);
                        cases.push(case.clone());
                        case.name.push_str("/split");
                        case.profile = Profile::Small { kibibytes: 64 };
                        if fits(case.profile, shape(2, time, channels), layout, saves, strategy) && time > 33 {
                            cases.push(case);
                        }
                    }
                }
            }
        }
    }
}

/// Time cut at random points, the state handed over.
fn streaming(scope: Scope, cases: &mut Vec<Case>) {
    let rounds = if scope == Scope::Full { 6 } else { 2 };
    for strategy in STRATEGIES {
        for round in 0..rounds {
            let layout = if round % 2 == 0 { Layout::BatchTimeChannel } else { Layout::TimeBatchChannel };
            let time = 3000;
            let descriptor = Descriptor::bmru(shape(2, time, 6)).layout(layout).final_state(FinalState::Written);
            let mut case = Case::new(format!("stream/{round}/{strategy}"), descriptor, Rate::Once(40));
            let mut rng = fastrand::Rng::with_seed(case.seed);
            let mut cuts: Vec<u64> = (0..[1, 3, 12, 30][round % 4]).map(|_| rng.u64(..=time)).collect();
            cuts.sort_unstable();
            case.cuts = cuts;
            case.strategy = Some(strategy);
            case.values = if round % 3 == 0 { Values::Edges } else { Values::Plain };
            cases.push(case);
        }
    }
}

/// Every buffer declared `read_write`, scalars and vectors.
fn access(cases: &mut Vec<Case>) {
    for strategy in STRATEGIES {
        for width in [1, 2, 4] {
            for access in [Access::Declared, Access::AllReadWrite] {
                let name = format!("access/{access:?}/vectors of {width}/{strategy}");
                let mut case = Case::new(name, all(shape(3, 2100, 12)), Rate::Once(30));
                case.strategy = Some(strategy);
                case.access = access;
                case.vector_width = Some(width);
                // One more than there are storage buffers in the WebGPU defaults, if the parameters are one, too.
                if access == Access::AllReadWrite {
                    case.descriptor = case.descriptor.clone().side_by_side();
                }
                cases.push(case);
            }
        }
    }
}

/// T = 2^24.
fn huge(cases: &mut Vec<Case>) {
    for strategy in STRATEGIES {
        let descriptor = Descriptor::bmru(shape(1, 1 << 24, 1)).final_state(FinalState::Written);
        let mut case = Case::new(format!("huge/{strategy}"), descriptor, Rate::Once(3000));
        case.strategy = Some(strategy);
        cases.push(case);
    }
}
