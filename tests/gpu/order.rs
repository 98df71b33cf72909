//! Invocations are independent: in whatever order they run, and however long one of them takes, the bits are the same.
//!
//! There are no barriers that could be missing (`tests/cpu/shader.rs` sees to it), so that a race can only be one invocation reading or
//! writing what another writes in the same dispatch. A driver's own order may hide that; here others are made of it.

use bmru::{
    Descriptor, Direction, Incoming, InitialState, Operand, Save, Shape, Slot, Stage, States, Strategy, Threshold, Tuning,
    Variant, oracle,
};
use bmru_conformance::Runner;
use bmru_conformance::backward::incoming;
use bmru_conformance::data::{self, Rate, Values};
use libtest_mimic::Failed;

use crate::host::{Host, Uploads};

/// Which piece of work the invocation at a place takes, of as many as the dispatch has: each is a bijection.
const ORDERS: [(&str, &str); 6] = [
    ("as it comes", "place"),
    ("backwards", "total - 1u - place"),
    ("backwards in each workgroup", "place - local + WORKGROUP_SIZE - 1u - local"),
    ("workgroups backwards", "total - WORKGROUP_SIZE - (place - local) + local"),
    ("from the middle", "(place + total / 2u) % total"),
    // Two primes, of which one at least does not divide the total.
    ("scattered", "(place * select(7919u, 7907u, total % 7919u == 0u)) % total"),
];

/// Whether some invocations are held up before they begin.
#[derive(Clone, Copy, PartialEq)]
enum Pace {
    Even,
    Delays,
}

const ENTRY: &str = include_str!("../../shaders/entry.wgsl");

/// The text of a variant in another order, with something that each invocation does first.
fn reordered(variant: &Variant, order: &str, pace: Pace, first: &str) -> String {
    let text = variant.wgsl();
    let begin = ENTRY.find("@compute").expect("an entry point");
    let fixed = text.strip_suffix(&ENTRY[begin..]).expect("the entry point is the end of the text");
    let run = "        run(item);";
    assert!(ENTRY.contains(run) && ENTRY.contains("let item = invocation(group, local);"), "another entry point than here");
    let delays = if pace == Pace::Delays { 4000 } else { 0 };
    format!(
        "{fixed}
// Something that is never 0 and that no compiler knows.
fn held_up(place: u32) -> u32 {{
    var x = place + 1u;
    if (place * 2654435761u) >> 30u == 0u {{
        for (var k = 0u; k < {delays}u; k++) {{
            x = (x ^ (x >> 13u)) * 1664525u;
        }}
    }}
    return x;
}}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(num_workgroups) groups: vec3<u32>,
) {{
    let place = invocation(group, local);
    let total = groups.x * groups.y * WORKGROUP_SIZE;
    let item = {order};
    if item < params.items && held_up(place) != 0u {{
        {first}
        run(item);
    }}
}}
"
    )
}

/// A race: each invocation writes nonsense over the first output of the next, which in ascending order writes its own later.
fn scribbles(variant: &Variant) -> &'static str {
    let stores = |operand| variant.binding_of(operand).is_some();
    match variant.stage() {
        Stage::Serial | Stage::TileApply if stores(Operand::States) => {
            "if item + 1u < params.items {
                let next = node_of(item + 1u);
                store_states(states_at(next.b, next.index * params.tile_steps, next.d), Vector(0xdeadbeefu));
            }"
        }
        Stage::Adjoint if stores(Operand::CandidateGradient) => {
            "if item + 1u < params.items {
                let next = node_of(item + 1u);
                store_candidate_gradient(candidate_gradient_at(next.b, next.index * params.tile_steps, next.d), Vector(0xdeadbeefu));
            }"
        }
        _ => "",
    }
}

/// A descriptor with its data and what must come out, bit for bit.
struct Case {
    descriptor: Descriptor,
    uploads: Uploads,
    expected: Vec<(Direction, Slot, Vec<u32>)>,
}

impl Case {
    /// Forward as the oracle says; backward as the kernels say in the driver's own order.
    fn new(runner: &Runner, shape: Shape, threshold: Threshold, states: States) -> Result<Self, Failed> {
        let descriptor = Descriptor::bmru(shape)
            .threshold(threshold)
            .states(states)
            .initial_state(InitialState::Given)
            .final_state(bmru::FinalState::Written)
            .incoming(Incoming::Both)
            .save(Save::Codes);
        let uploads =
            Uploads::new(&descriptor, data::generate(&descriptor, Rate::Once(30), Values::Plain, 5), incoming(&descriptor, 5))?;
        let inputs = uploads.data.inputs();
        let forward = oracle::forward(&descriptor, &inputs)?;
        let numbers = oracle::forward(&descriptor.clone().states(States::Numbers), &inputs)?.states;
        let backward = runner.gpu().backward_blocking(&descriptor, &inputs, &forward.saved, &uploads.incoming())?;
        let bits = |floats: &[f32]| floats.iter().map(|float| float.to_bits()).collect::<Vec<_>>();
        let expected = vec![
            (Direction::Forward, Slot::States, bits(&forward.states)),
            (Direction::Forward, Slot::FinalState, bits(&forward.final_state)),
            (Direction::Forward, Slot::PackedStates, forward.packed_states),
            (Direction::Unpack, Slot::States, bits(&numbers)),
            (Direction::Forward, Slot::Saved, forward.saved),
            (Direction::Backward, Slot::CandidateGradient, bits(&backward.candidate)),
            (Direction::Backward, Slot::ThresholdGradient, bits(&backward.threshold)),
            (Direction::Backward, Slot::AmplitudeGradient, bits(&backward.amplitude)),
            (Direction::Backward, Slot::InitialStateGradient, bits(&backward.initial_state)),
        ];
        Ok(Self { descriptor, uploads, expected })
    }

    /// Runs both directions, unpacks what is packed, and counts words that differ, forward and backward.
    fn wrong(&self, host: &Host<'_>, strategy: Strategy, workgroup_size: u32) -> Result<[usize; 2], Failed> {
        // Many invocations, and tiles enough for a tree of two levels.
        let tuning = Tuning { workgroup_size, tile_steps: 32, min_steps: 1, ..host.runner.tuning().clone() }.with_band(2);
        let tuning = tuning.with_strategy(strategy);
        let mut wrong = [0; 2];
        let mut plans =
            vec![self.descriptor.forward(&host.limits(), &tuning)?, self.descriptor.backward(&host.limits(), &tuning)?];
        if self.descriptor.states_kind() != States::Numbers {
            plans.push(self.descriptor.unpack(&host.limits(), &tuning)?);
        }
        for plan in plans {
            for dispatch in plan.dispatches() {
                let [x, y, z] = dispatch.grid();
                assert!(x == dispatch.params().grid_width && z == 1 && x * y * workgroup_size < 1 << 19, "the orders do not fit");
            }
            let ran = host.run(&plan, &self.uploads.given(plan.direction()))?;
            for (_, slot, expected) in self.expected.iter().filter(|(direction, ..)| *direction == plan.direction()) {
                let words = host.download(&ran, *slot)?;
                assert!(words.len() == expected.len(), "{slot} has {} words", words.len());
                let differ = words.iter().zip(expected).filter(|(word, expected)| word != expected).count();
                wrong[usize::from(plan.direction() == Direction::Backward)] += differ;
            }
        }
        Ok(wrong)
    }
}

fn cases(runner: &Runner) -> Result<[Case; 2], Failed> {
    Ok([
        Case::new(runner, Shape { batch: 5, time: 1100, channels: 36 }, Threshold::PerChannel, States::Numbers)?,
        // What the first case has, and bits.
        Case::new(runner, Shape { batch: 1, time: 2100, channels: 7 }, Threshold::PerElement, States::Packed)?,
    ])
}

pub fn same_bits(runner: &Runner) -> Result<(), Failed> {
    let cases = cases(runner)?;
    let even = ORDERS[1..].iter().map(|order| (order, Pace::Even));
    let delayed = [&ORDERS[0], &ORDERS[5]].map(|order| (order, Pace::Delays));
    for (&(name, order), pace) in even.chain(delayed) {
        let host = Host::changing(runner, move |variant| reordered(variant, order, pace, ""));
        // Each text is another pipeline, so that the second case is for the delays.
        let second = usize::from(pace == Pace::Delays);
        for (case, workgroup_size) in cases.iter().zip([8, 32]).take(1 + second) {
            for strategy in Strategy::ALL {
                let wrong = case.wrong(&host, strategy, workgroup_size)?;
                assert!(wrong == [0, 0], "{name}, {strategy}: {wrong:?} words differ, forward and backward");
            }
        }
    }
    Ok(())
}

pub fn races_are_seen(runner: &Runner) -> Result<(), Failed> {
    let [case, _] = cases(runner)?;
    for strategy in Strategy::ALL {
        let mut seen = [0; 2];
        let orders = [0, 1, 3, 5].map(|number| ORDERS[number]);
        for (name, order) in orders {
            let host = Host::changing(runner, move |variant| reordered(variant, order, Pace::Even, scribbles(variant)));
            let wrong = case.wrong(&host, strategy, 8)?;
            println!("{strategy}, {name}: {wrong:?} words are wrong, forward and backward");
            for (seen, wrong) in seen.iter_mut().zip(wrong) {
                *seen += usize::from(wrong > 0);
            }
        }
        // The driver's own order hides it on some.
        assert!(seen.into_iter().min() >= Some(2), "{strategy}: seen in {seen:?} of 4 orders");
    }
    Ok(())
}
