//! The depth that a plan states: how it grows, that nothing but the shape decides it, and that no chain of additions is longer.

use bmru::{
    Access, Boundary, Descriptor, Incoming, InitialState, Layout, Limits, MAX_AXIS, Plan, Save, Shape, Strategy, Threshold,
    Tuning,
};

use crate::canonical::{Adder, BLOCK, STRETCH, sum, tree, walk};

/// The longest chain of additions that a number is the end of. What is zero by construction is `None`: adding it rounds
/// nothing.
struct Chains;

impl Adder for Chains {
    type Number = Option<u64>;

    fn zero(&self) -> Option<u64> {
        None
    }

    fn add(&mut self, a: Option<u64>, b: Option<u64>) -> Option<u64> {
        match (a, b) {
            (Some(a), Some(b)) => Some(a.max(b) + 1),
            (one, other) => one.or(other),
        }
    }
}

fn shape(batch: u64, time: u64, channels: u64) -> Shape {
    Shape { batch, time, channels }
}

fn endless() -> Limits {
    Limits {
        max_buffer_size: u64::MAX,
        max_storage_buffer_binding_size: u64::MAX,
        max_storage_buffers_per_shader_stage: 16,
        max_compute_invocations_per_workgroup: 1024,
        max_compute_workgroups_per_dimension: u32::MAX,
        min_storage_buffer_offset_alignment: 4,
        min_uniform_buffer_offset_alignment: 4,
    }
}

/// A device on which nearly everything is cut.
fn tight() -> Limits {
    Limits {
        max_buffer_size: u64::MAX,
        max_storage_buffer_binding_size: 160 << 10,
        max_compute_invocations_per_workgroup: 64,
        max_compute_workgroups_per_dimension: 300,
        ..Limits::default()
    }
}

/// The deepest that a plan for this shape may be: 64 + 16·⌈log₂ n⌉ for `n` terms.
fn deepest(shape: Shape) -> u64 {
    let terms = u128::from(shape.time).max(u128::from(shape.batch) * u128::from(shape.time)).max(1);
    let log = u128::BITS - (terms - 1).leading_zeros();
    64 + 16 * u64::from(log)
}

#[test]
fn deepest_is_a_logarithm_rounded_up() {
    let logs = [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (32, 5), (33, 6), (MAX_AXIS, 31)];
    for (time, log) in logs {
        assert_eq!(deepest(shape(1, time, 1)), 64 + 16 * log, "{time}");
    }
    assert_eq!(deepest(shape(MAX_AXIS, MAX_AXIS, 1)), 64 + 16 * 62);
}

/// The depth of every plan that these arguments allow.
fn depths(descriptor: &Descriptor, limits: &[Limits]) -> Vec<(Strategy, u64)> {
    let plans = limits.iter().flat_map(|limits| {
        Strategy::ALL.map(|strategy| {
            let tuning = Tuning::default().with_strategy(strategy);
            let workgroup_size = tuning.workgroup_size.min(limits.max_compute_invocations_per_workgroup);
            descriptor.backward(limits, &Tuning { workgroup_size, ..tuning })
        })
    });
    plans.filter_map(Result::ok).map(|plan| (plan.strategy(), plan.depth())).collect()
}

const TIMES: [u64; 18] =
    [0, 1, 2, 3, 31, 32, 33, 64, 65, 1023, 1024, 1025, 32_768, 32_769, 1_048_577, 33_554_433, 1_073_741_825, MAX_AXIS];
const BATCHES: [u64; 11] = [0, 1, 2, 31, 32, 33, 1000, 1025, 40_000, 1_000_000, 100_000_000];

#[test]
fn depth_grows_like_a_logarithm_and_the_shape_alone_decides_it() {
    let (mut planned, mut by) = (0, [0, 0]);
    for time in TIMES {
        for batch in BATCHES {
            let shape = shape(batch, time, 1);
            let descriptor = Descriptor::bmru(shape).initial_state(InitialState::Given).incoming(Incoming::Both);
            let depths = depths(&descriptor, &[Limits { max_buffer_size: u64::MAX, ..Limits::default() }, endless()]);
            for &(strategy, depth) in &depths {
                by[usize::from(strategy == Strategy::Tiles)] += 1;
                assert_eq!(depth, depths[0].1, "{shape}, {strategy}");
                assert!(depth <= deepest(shape), "{shape}: {depth}, at most {}", deepest(shape));
            }
            planned += u32::from(!depths.is_empty());
        }
    }
    println!("{planned} shapes with a plan, {} by one walk and {} by a tree", by[0], by[1]);
    assert!(planned > 120 && by.iter().all(|&plans| plans > 200));
}

#[test]
fn the_longest_time_has_a_plan_of_logarithmic_depth() {
    let shape = shape(1, MAX_AXIS, 1);
    let depths = depths(&Descriptor::bmru(shape), &[endless()]);
    println!("{depths:?}, at most {}", deepest(shape));
    assert_eq!(depths.len(), Strategy::ALL.len());
    // Seven levels of at most 32 additions.
    assert!(depths.iter().all(|&(_, depth)| depth <= 7 * 34));
}

#[test]
fn no_option_changes_the_depth() {
    for size in [shape(3, 70, 4), shape(2, 3000, 4), shape(70, 1, 8)] {
        let all = Descriptor::bmru(size).initial_state(InitialState::Given).incoming(Incoming::Both);
        let others = [
            all.clone(),
            Descriptor::bmru(size),
            all.clone().incoming(Incoming::FinalState),
            all.clone().layout(Layout::TimeBatchChannel),
            all.clone().threshold(Threshold::PerChannel),
            all.clone().boundary(Boundary::Set),
            all.clone().side_by_side(),
            all.clone().save(Save::Codes),
            Descriptor::bmru(Shape { channels: 0, ..size }),
            Descriptor::bmru(Shape { channels: 33, ..size }),
        ];
        let plan = |descriptor: &Descriptor, limits: &Limits, tuning: &Tuning| -> Plan {
            descriptor.backward(limits, tuning).unwrap_or_else(|error| panic!("{descriptor:?}: {error}"))
        };
        let depth = plan(&all, &Limits::default(), &Tuning::default()).depth();
        for descriptor in &others {
            for limits in [Limits::default(), endless(), tight()] {
                for tuning in [Tuning::discrete(), Tuning::software()] {
                    for tuning in [
                        Tuning { max_vector_width: 1, ..tuning.clone() },
                        Tuning { max_dispatch_elements: 5000, ..tuning.clone() },
                        Tuning { tile_steps: 32, workgroup_size: 1, ..tuning.clone() },
                        tuning.clone().with_strategy(Strategy::Tiles),
                        tuning.clone().with_strategy(Strategy::Serial),
                        Tuning { access: Access::AllReadWrite, ..tuning.clone() },
                    ] {
                        if tuning.access == Access::AllReadWrite && limits.max_storage_buffers_per_shader_stage < 9 {
                            continue;
                        }
                        assert_eq!(plan(descriptor, &limits, &tuning).depth(), depth, "{descriptor:?}, {limits:?}, {tuning:?}");
                    }
                }
            }
            let forward = descriptor.forward(&Limits::default(), &Tuning::default()).expect("a plan");
            assert_eq!(forward.depth(), 0, "forward adds nothing");
        }
    }
}

fn depth(batch: usize, time: usize) -> u64 {
    let descriptor = Descriptor::bmru(shape(batch as u64, time as u64, 1));
    descriptor.backward(&endless(), &Tuning::default()).expect("a plan").depth()
}

/// Blocks of 32, and one for each level above, over time and what comes from beyond; or over the blocks of a stretch, then over
/// stretches of all rows.
#[test]
fn depths_that_are_stated() {
    for ((batch, time), expected) in [
        ((1, 0), 2),
        ((1, 1), 2),
        ((1, 2), 2 + 1 + 2),
        ((1, 32), 32 + 1 + 2),
        ((1, 33), 32 + 2 + 2 + 2),
        ((1, 1025), 32 + 32 + 2 + 3 + 2),
        ((3, 1025), (32 + 32 + 2) + (6 + 1)),
        ((40, 5), (5 + 1) + (32 + 2 + 2)),
    ] {
        assert_eq!(depth(batch, time), expected, "B = {batch}, T = {time}");
    }
}

/// The longest chain of a gradient where everything holds, `None` only where nothing comes in.
fn flow(time: usize, beyond: Option<u64>, by_tree: bool) -> u64 {
    let (dh, sets) = (vec![Some(0); time], vec![false; time]);
    let flow = if by_tree { tree(&mut Chains, &dh, &sets, beyond) } else { walk(&mut Chains, &dh, &sets, beyond) };
    flow.states.into_iter().chain([flow.leaving]).flatten().max().unwrap_or(0)
}

fn summed(batch: usize, time: usize) -> u64 {
    sum(&mut Chains, &vec![vec![Some(0); time]; batch]).unwrap_or(0)
}

#[test]
fn no_chain_of_additions_is_longer_than_the_depth() {
    let mut tightest = 1.0f64;
    let mut check = |batch: usize, time: usize, chain: u64, what: &str| {
        let depth = depth(batch, time);
        assert!(chain <= depth, "{what} of B = {batch}, T = {time}: {chain} additions, the plan states {depth}");
        tightest = tightest.min((1 + chain) as f64 / (1 + depth) as f64);
    };
    for time in (0..=5000).step_by(7).chain([1, 2, 31, 32, 33, 1023, 1024, 1025, 32_769, 40_000, 1_100_000]) {
        check(1, time, flow(time, Some(0), false), "a walk");
        check(1, time, flow(time, None, false), "a walk without a final state");
        check(1, time, flow(time, Some(0), true), "a tree");
        check(1, time, summed(1, time), "a sum");
    }
    for batch in [2, 31, 32, 33, 70, 1025, 33_000] {
        for time in [1, 2, 31, 32, 33, 40, 1024, 1025, 3000] {
            if batch * time < 4_000_000 {
                check(batch, time, summed(batch, time), "a sum");
            }
        }
    }
    println!("a depth is at most {:.2} times what is reached", 1.0 / tightest);
}

/// The depth counts a sum from its terms on, as the bound does; their own chains come before. Even so it is a logarithm.
#[test]
fn a_chain_through_a_gradient_and_a_sum_is_logarithmic() {
    for time in [1, 2, 31, 32, 33, 1023, 1024, 1025, 5000, 32_768, 32_769, 1_100_000] {
        let terms = walk(&mut Chains, &vec![Some(0); time], &vec![false; time], Some(0)).states;
        let chain = sum(&mut Chains, &[terms]).unwrap_or(0);
        let (depth, deepest) = (depth(1, time), deepest(shape(1, time as u64, 1)));
        println!("T = {time}: {chain} additions, depth {depth}");
        assert!(chain <= 2 * depth && chain <= deepest, "T = {time}: {chain} additions, depth {depth}, at most {deepest}");
    }
}

/// The twin is not vacuous: where an order of additions is known to be long, it says so.
#[test]
fn chains_are_counted() {
    let add = |a, b| Chains.add(a, b);
    assert_eq!((add(None, None), add(None, Some(3)), add(Some(3), None)), (None, Some(3), Some(3)));
    assert_eq!((add(Some(0), Some(0)), add(Some(2), Some(5))), (Some(1), Some(6)));
    // Within a block the chain is that of a plain loop: n terms, n − 1 additions, one more for what comes from beyond.
    for time in 1..=BLOCK {
        assert_eq!(flow(time, None, false), time as u64 - 1);
        assert_eq!(flow(time, Some(0), false), time as u64);
        assert_eq!(summed(1, time), time as u64 - 1);
    }
    // A stretch: 31 in a block, and 32 blocks.
    assert_eq!(summed(1, STRETCH), 31 + 31);
    assert_eq!(summed(32, STRETCH), 31 + 31 + 31);
    assert_eq!(summed(33, STRETCH), 31 + 31 + 31 + 1);
    // A set begins anew.
    let (dh, mut sets) = (vec![Some(0); 100], vec![false; 100]);
    sets[50] = true;
    let states = walk(&mut Chains, &dh, &sets, None).states;
    // From step 64 on come 31 in a block and what the last four steps leave.
    assert_eq!((states[49], states[48], states[51]), (Some(0), Some(1), Some(31 + 1 + 1)));
}
