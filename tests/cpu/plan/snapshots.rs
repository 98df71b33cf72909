//! Plans as they were: whoever changes what is planned, what it moves or how long it may run sees here what that does, and to which
//! plans. That a plan is right the other tests say; `BMRU_BLESS=1 cargo test --test cpu snapshots` writes those of today.

use std::fmt::Write;

use bmru::{
    Amplitude, Counts, Descriptor, Direction, Element, FinalState, Gradient, HealthSource, Incoming, InitialState, Layout,
    Limits, Operand, Plan, Save, Sequences, Shape, Stage, States, Strategy, Strides, SummaryOf, Threshold, Traffic, Tuning,
    Validity, View,
};

use bmru_conformance::broadcast;

use super::checks::planned;

/// A name, and what it stands for.
type Named = (&'static str, fn(Shape) -> Descriptor);

const UNITS: [Named; 10] = [
    ("bistable", Descriptor::bmru),
    ("first quadrant", Descriptor::first_quadrant),
    ("bistable per element", |shape| Descriptor::bmru(shape).amplitude(Amplitude::PerElement)),
    ("cumulative", |shape| Descriptor::cumulative(shape).counts(Counts::Final)),
    ("cumulative, all counts", |shape| Descriptor::cumulative(shape).counts(Counts::All)),
    ("cumulative per element", |shape| Descriptor::cumulative(shape).amplitude(Amplitude::PerElement)),
    ("relaxed", |shape| Descriptor::relaxed(shape, 0.5)),
    ("forward fill", Descriptor::forward_fill),
    ("forward fill by a mask", |shape| Descriptor::forward_fill(shape).validity(Validity::Mask)),
    ("forward fill with a limit", |shape| Descriptor::forward_fill(shape).limit(4)),
];
/// Some of the times are those of one tile, of several, of a tree and of several levels of it.
const SHAPES: [[u64; 3]; 10] = [
    [2, 70, 6],
    [3, 1100, 8],
    [40, 33, 3],
    [1, 3000, 70],
    [1, 40_000, 1],
    [2, 1, 300],
    [3, 0, 5],
    [1, 1200, 260],
    [5, 2500, 2],
    [70, 100, 16],
];
/// Rows of many vectors, which workgroups share, and of pairs.
const WIDE: [[u64; 3]; 5] = [[4, 64, 2048], [1, 300, 4096], [2, 96, 64], [1, 2000, 1024], [8, 40, 512]];
/// Rows of one element, two or four, of which vectors hold several.
const SHORT: [[u64; 3]; 4] = [[300, 1, 1], [302, 1, 2], [300, 2, 1], [70, 2, 2]];
const DIRECTIONS: [Direction; 12] = [
    Direction::Forward,
    Direction::Forward,
    Direction::Forward,
    Direction::Forward,
    Direction::Backward,
    Direction::Backward,
    Direction::Backward,
    Direction::Unpack,
    Direction::Health(HealthSource::Saved),
    Direction::Health(HealthSource::Inputs),
    Direction::Summary(SummaryOf::States),
    Direction::Summary(SummaryOf::Gradient),
];
const KIBIBYTES: [u64; 8] = [1 << 17, 1 << 17, 1 << 17, 1 << 17, 256, 32, 8, 2];

fn one<T: Copy>(rng: &mut fastrand::Rng, of: &[T]) -> T {
    of[rng.u64(..of.len() as u64) as usize]
}

/// The plan of this number, with what was asked for; `None` if that cannot be had.
fn text(number: u64, shapes: &[[u64; 3]]) -> Option<String> {
    let mut rng = fastrand::Rng::with_seed(number);
    let rng = &mut rng;
    let [batch, time, channels] = one(rng, shapes);
    let (name, unit) = one(rng, &UNITS);
    let direction = one(rng, &DIRECTIONS);
    let element = one(rng, &[Element::F32, Element::F32, Element::F16, Element::Bf16]);
    let layout =
        one(rng, &[Layout::BatchTimeChannel, Layout::BatchTimeChannel, Layout::TimeBatchChannel, Layout::BatchChannelTime]);
    let sequences = one(rng, &[Sequences::Rows, Sequences::Rows, Sequences::Packed { count: 7 }, Sequences::Resets]);
    let batch = if matches!(sequences, Sequences::Packed { .. }) { 1 } else { batch };
    let mut descriptor = unit(Shape { batch, time, channels }).element(element).layout(layout).sequences(sequences);
    let mut asked = format!("{name}, {element:?}, {layout:?}, {sequences:?}");
    let mut option = |chance: bool, what: &str, with: fn(Descriptor) -> Descriptor| {
        if chance {
            descriptor = with(descriptor.clone());
            write!(asked, ", {what}").expect("a text takes all");
        }
    };
    option(rng.bool(), "h0", |scan| scan.initial_state(InitialState::Given));
    option(rng.bool(), "final state", |scan| scan.final_state(FinalState::Written));
    option(rng.bool(), "thresholds per channel", |scan| scan.threshold(Threshold::PerChannel));
    let views = rng.u8(..8);
    option(views < 2, "side by side", Descriptor::side_by_side);
    option(views == 2, "candidates apart from each other", |scan| {
        let view = scan.view(Operand::Candidate).expect("it has candidates");
        let Strides { batch, time, channel } = view.strides;
        scan.candidate_view(View {
            offset: 5,
            strides: Strides { batch: 3 * batch, time: 3 * time, channel: 3 * channel },
            ..view
        })
    });
    option(views == 3, "one threshold for all steps", |scan| broadcast(scan, 0b101));
    option(views == 4, "one threshold for each step", |scan| broadcast(scan, 0b010));
    option(views == 5, "one threshold for all channels", |scan| broadcast(scan, 0b011));
    let health = matches!(direction, Direction::Health(HealthSource::Saved));
    option(direction == Direction::Forward && rng.bool() || health, "saves", |scan| scan.save(Save::Codes));
    let packs = direction == Direction::Unpack || direction == Direction::Forward && rng.u8(..6) == 0;
    option(packs, "packed", |scan| scan.states(States::Both));
    option(direction == Direction::Backward && rng.bool(), "both incoming", |scan| scan.incoming(Incoming::Both));
    option(direction == Direction::Backward && rng.u8(..4) == 0, "accumulates", |scan| {
        scan.gradient(Operand::CandidateGradient, Gradient::Accumulate).gradient(Operand::AmplitudeGradient, Gradient::Accumulate)
    });
    let binding = one(rng, &KIBIBYTES) << 10;
    let limits = Limits {
        max_storage_buffer_binding_size: binding,
        max_compute_workgroups_per_dimension: one(rng, &[65_535, 65_535, 65_535, 7]),
        max_storage_buffers_per_shader_stage: one(rng, &[8, 10]),
        ..Limits::default()
    };
    let (kind, tuning) = one(
        rng,
        &[
            ("software", Tuning::software as fn() -> Tuning),
            ("Mesa 22", Tuning::mesa_22),
            ("integrated", Tuning::integrated),
            ("discrete", Tuning::discrete),
        ],
    );
    let tiles = one(rng, &[tuning().tile_steps, 32, 96]);
    let (tuning, strategy) = (
        Tuning { tile_steps: tiles, ..tuning() },
        one(rng, &[None, Some(Strategy::Serial), Some(Strategy::Tiles), Some(Strategy::Probe)]),
    );
    let look_back_tiles = one(rng, &[tuning.look_back_tiles, 0]);
    let tuning = Tuning { strategy, look_back_tiles, ..tuning };
    write!(asked, ", {binding} bytes, {kind}, tiles of {tiles}, {strategy:?}").expect("a text takes all");
    let plan = planned(&descriptor, direction, &limits, &tuning).ok()?;
    let told = plan.to_string();
    let of_slots = told.lines().find(|line| line.starts_with("  bytes")).expect("a plan tells its slots");
    let mut stages: Vec<(Stage, u64)> = Vec::new();
    for stage in plan.dispatches().iter().map(|dispatch| plan.stage(dispatch)) {
        match stages.last_mut() {
            Some((last, count)) if *last == stage => *count += 1,
            _ => stages.push((stage, 1)),
        }
    }
    let stages: Vec<String> = stages.iter().map(|(stage, count)| format!("{count} {stage}")).collect();
    let (first, stages) = (told.lines().next().expect("it is not empty"), stages.join(", "));
    let Traffic { read, written } = plan.traffic();
    let numbers = format!("{read} bytes read, {written} written, {} iterations, depth {}", plan.iterations(), plan.depth());
    Some(format!("{number}: {asked}\n{first}: {stages}\n{of_slots}\n  {numbers}, #{:016x}\n", hash(&plan)))
}

/// Of all parameters, bindings, grids and variants, as FNV-1a has it.
fn hash(plan: &Plan) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |word: u64| hash = (hash ^ word).wrapping_mul(0x0100_0000_01b3);
    for dispatch in plan.dispatches() {
        add(dispatch.variant() as u64);
        dispatch.grid().into_iter().for_each(|groups| add(groups.into()));
        bytemuck::cast_slice::<_, u32>(&[*dispatch.params()]).iter().for_each(|&word| add(word.into()));
        for binding in dispatch.bindings() {
            [binding.slot as u64, binding.offset, binding.size].into_iter().for_each(&mut add);
        }
    }
    plan.variants().iter().flat_map(|variant| format!("{variant:?}").into_bytes()).for_each(|byte| add(byte.into()));
    hash
}

#[test]
fn plans_are_those_of_before() {
    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cpu/plan/snapshots.txt");
    let plans = |shapes, count| (0..).filter_map(move |number| text(number, shapes)).take(count);
    let found: Vec<String> = plans(&SHAPES[..], 400).chain(plans(&WIDE, 100)).chain(plans(&SHORT, 40)).collect();
    if std::env::var_os("BMRU_BLESS").is_some() {
        std::fs::write(PATH, found.join("\n")).expect("tests may write here");
    }
    let before = std::fs::read_to_string(PATH).expect("it is part of the tests");
    let before: Vec<&str> = before.split_inclusive("\n\n").collect();
    assert_eq!(found.len(), before.len());
    for (found, before) in found.iter().zip(before) {
        assert!(found.trim_end() == before.trim_end(), "{found}\nbefore: {before}\nIf that is meant, BMRU_BLESS=1 writes it.");
    }
}
