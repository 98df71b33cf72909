//! What shaders move, counted by the changed text, and what they should: where a search ends depends on the data.

use bmru::{
    Amplitude, Descriptor, Direction, Dispatch, Limits, Operand, Plan, Shape, Slot, Stage, Strategy, Threshold, Traffic, Tuning,
    Unit, Variant, View,
};
use bmru_conformance::data::Slots;
use libtest_mimic::Failed;

use crate::host::{Host, Ran, Uploads, declared};

/// The steps that set.
#[derive(Clone, Copy, Debug)]
pub enum Sets {
    Never,
    Always,
    /// Step 5 of every 8, the same in all channels.
    Fifth,
    /// One step of each channel, far from that of its neighbours.
    Once,
}

impl Sets {
    pub const ALL: [Self; 4] = [Self::Never, Self::Always, Self::Fifth, Self::Once];

    fn at(self, shape: Shape, [b, t, d]: [u64; 3]) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Fifth => t % 8 == 5,
            Self::Once => t == (b * shape.channels + d) * 389 % shape.time,
        }
    }

    /// Steps that a probe looks at in a whole tile, and steps before the first set of one: the same in all tiles.
    pub fn of_whole_tile(self, steps: u64) -> Option<[u64; 2]> {
        match self {
            Self::Never => Some([steps, steps]),
            Self::Always => Some([1, 0]),
            Self::Fifth => Some([3, 5]),
            Self::Once => None,
        }
    }
}

/// One way to cut and to spread the work.
pub struct Way {
    pub tile_steps: u32,
    vector_width: u32,
    workgroup_size: u32,
    band: u32,
    min_steps: u32,
    shared_elements: u64,
    dispatch_elements: u64,
    binding_bytes: u64,
    look_back_tiles: u32,
    /// Steps of the parts of stretches that are walked back over, if not all of one.
    pub steps_back: Option<u32>,
}

pub const WHOLE: Way = Way {
    tile_steps: 32,
    vector_width: 4,
    workgroup_size: 8,
    band: 1,
    min_steps: 1,
    shared_elements: u64::MAX,
    dispatch_elements: 1 << 26,
    binding_bytes: 128 << 20,
    look_back_tiles: 0,
    steps_back: None,
};
/// Three rows of 33 steps at a time.
pub const TOGETHER: Way = Way { min_steps: 100, ..WHOLE };
/// Of 12 channels.
pub const WAYS: [Way; 8] = [
    WHOLE,
    // No tree above tiles.
    Way { look_back_tiles: 64, ..WHOLE },
    Way { tile_steps: 96, vector_width: 2, workgroup_size: 2, look_back_tiles: 12, ..WHOLE },
    // The second band of each row reaches beyond it, the last tile beyond the end; two workgroups share rows.
    Way { tile_steps: 96, vector_width: 2, workgroup_size: 2, band: 2, shared_elements: 600, ..WHOLE },
    Way { tile_steps: 160, vector_width: 1, workgroup_size: 4, band: 3, ..WHOLE },
    // Parts of 25 steps or less begin within a word.
    Way { vector_width: 1, workgroup_size: 4, band: 2, dispatch_elements: 300, ..WHOLE },
    Way { binding_bytes: 16 << 10, ..WHOLE },
    // Back over parts of stretches.
    Way { steps_back: Some(128), vector_width: 2, workgroup_size: 2, ..WHOLE },
];

impl Way {
    pub fn plan(
        &self,
        host: &Host<'_>,
        descriptor: &Descriptor,
        direction: Direction,
        strategy: Strategy,
    ) -> Result<Plan, Failed> {
        // Backward, stretches of 1,024 steps are whole: of 24 channels they need 96 KiB, and all steps need 105.
        let stretches = direction == Direction::Backward && strategy != Strategy::Serial;
        let (elements, binding) = if stretches { (1024, 100 << 10) } else { (1, 4) };
        let device = host.limits();
        let binding = self.binding_bytes.max(binding).min(device.max_storage_buffer_binding_size);
        let limits = Limits { max_storage_buffer_binding_size: binding, ..device };
        let tuning = Tuning {
            max_vector_width: self.vector_width,
            workgroup_size: self.workgroup_size,
            max_dispatch_elements: self.dispatch_elements.max(elements),
            // No tile is shorter than that.
            serial_rows: 1,
            tile_steps: self.tile_steps,
            min_steps: self.min_steps,
            max_shared_elements: self.shared_elements,
            look_back_tiles: self.look_back_tiles,
            ..host.runner.tuning().clone().with_strategy(strategy)
        }
        .with_band(self.band);
        let parts = self.steps_back.filter(|_| direction == Direction::Backward);
        let tuning = match parts {
            Some(min_tile_steps) => Tuning { serial_rows: u64::MAX, min_tile_steps, ..tuning },
            None => tuning,
        };
        Ok(descriptor.plan(direction, &limits, &tuning)?)
    }
}

/// The text of a variant in which the accessors count: for operand `n`, loads in word `2n` and stores in the next.
pub fn counting(variant: &Variant) -> String {
    let mut counting = String::new();
    for line in variant.wgsl().lines() {
        let accesses = line.matches("_slot").count();
        let declares = line.starts_with("@group(0)") && accesses == 1;
        if accesses > 0 && !declares {
            let (head, body) = line.split_once(" { ").expect("an accessor is one line");
            let name = head.strip_prefix("fn load_").or(head.strip_prefix("fn store_")).and_then(|rest| rest.split('(').next());
            let name = name.unwrap_or_else(|| panic!("an access that is not counted: {line}"));
            let number = variant.operands().position(|operand| operand.to_string() == name).expect("the operand is there");
            let stores = line.matches("] = ").count();
            assert_eq!(line.matches("_slot[at").count(), accesses, "an access that is not counted: {line}");
            let [loads_at, stores_at] = [2 * number, 2 * number + 1];
            counting.push_str(head);
            counting.push_str(" {\n");
            for (at, count) in [(loads_at, accesses - stores), (stores_at, stores)].into_iter().filter(|&(_, count)| count > 0) {
                counting.push_str(&format!("    atomicAdd(&counted[{at}], {count}u);\n"));
            }
            counting.push_str("    ");
            counting.push_str(body);
        } else {
            counting.push_str(line);
        }
        counting.push('\n');
    }
    counting.push_str(&declared(variant));
    counting
}

fn elements(Shape { batch, time, channels }: Shape) -> impl Iterator<Item = [u64; 3]> {
    (0..batch).flat_map(move |b| (0..time).flat_map(move |t| (0..channels).map(move |d| [b, t, d])))
}

fn index(view: View, [b, t, d]: [u64; 3]) -> usize {
    (view.offset + b * view.strides.batch + t * view.strides.time + d * view.strides.channel) as usize
}

/// Inputs that set where they should, and whole numbers so small that no gradient is rounded.
pub fn uploads(descriptor: &Descriptor, sets: Sets) -> Result<Uploads, Failed> {
    let mut rng = fastrand::Rng::with_seed(7);
    let length = |slot| descriptor.slot_elements(slot).expect("a descriptor that can exist") as usize;
    let mut floats =
        |slot, values: &[f32]| -> Vec<f32> { (0..length(slot)).map(|_| values[rng.usize(..values.len())]).collect() };
    let mut data = Slots {
        candidate: floats(Slot::Candidate, &[0.25, -0.25, 0.5, -0.5]),
        threshold: floats(Slot::Threshold, &[1.0, -1.0, 1.5, -1.5]),
        amplitude: floats(Slot::Amplitude, &[1.0, -1.0, 2.0, -3.0]),
        initial_state: floats(Slot::InitialState, &[5.0, -4.0]),
        ..Slots::default()
    };
    let rare = [&[0.0; 30][..], &[1.0, -1.0]].concat();
    let incoming = [floats(Slot::StatesGradient, &rare), floats(Slot::FinalStateGradient, &[1.0, -2.0, 3.0])];
    if let Some(beside) = descriptor.view(Operand::Threshold).filter(|view| view.slot == Slot::Candidate) {
        elements(descriptor.shape()).for_each(|element| data.candidate[index(beside, element)] = 1.0);
    }
    let view = descriptor.view(Operand::Candidate).expect("there are candidates");
    for element in elements(descriptor.shape()).filter(|&element| sets.at(descriptor.shape(), element)) {
        data.candidate[index(view, element)] *= 8.0;
    }
    if let Some(mask) = descriptor.view(Operand::Validity) {
        data.validity = vec![0; length(Slot::Validity)];
        for [b, t, d] in elements(descriptor.shape()).filter(|&element| sets.at(descriptor.shape(), element)) {
            data.validity[index(mask, [b, t / 32, d])] |= 1 << (t % 32);
        }
    }
    Uploads::new(descriptor, data, incoming)
}

/// Row, step and channel of the first element of a dispatch's operand; its time axis is that of the view.
fn origin(plan: &Plan, dispatch: &Dispatch, operand: Operand, view: View) -> [u64; 3] {
    let variant = &plan.variants()[dispatch.variant()];
    let number = variant.operands().position(|present| present == operand).expect("the stage has it");
    let binding = dispatch.bindings().iter().find(|binding| binding.slot == view.slot).expect("its slot is bound");
    let vectors = u64::from(dispatch.params().views[number].offset);
    let mut rest = binding.offset / 4 + u64::from(variant.vector_width()) * vectors - view.offset;
    let strides = [view.strides.batch, view.strides.time, view.strides.channel];
    let mut axes = [0, 1, 2];
    axes.sort_by_key(|&axis| std::cmp::Reverse(strides[axis]));
    let mut origin = [0; 3];
    for axis in axes.into_iter().filter(|&axis| strides[axis] > 0) {
        origin[axis] = rest / strides[axis];
        rest %= strides[axis];
    }
    origin
}

/// What a search moves; nothing for a stage that moves what is stated.
fn searched(plan: &Plan, dispatch: &Dispatch, sets: Sets) -> Option<Traffic> {
    let descriptor = plan.descriptor();
    let variant = &plan.variants()[dispatch.variant()];
    let has = |operand| variant.operands().any(|present| present == operand);
    let saved = descriptor.saved_layout();
    let stage = plan.stage(dispatch);
    let [first_row, first_step, first_channel] = match stage {
        Stage::TileProbe => origin(plan, dispatch, Operand::Candidate, descriptor.view(Operand::Candidate)?),
        Stage::FirstSet => {
            origin(plan, dispatch, Operand::FirstSet, descriptor.view(Operand::FirstSet).unwrap_or(saved.first_set()))
        }
        // No step ends what comes from behind it, and nothing is searched for.
        Stage::AdjointReduce if matches!(descriptor.unit(), Unit::Cumulative | Unit::Relaxed) => return None,
        Stage::AdjointReduce => {
            let [b, line, d] = origin(plan, dispatch, Operand::Codes, saved.codes());
            let steps_of_line = if descriptor.amplitude_kind() == Amplitude::PerElement { 32 } else { 16 };
            [b, steps_of_line * line, d]
        }
        Stage::Serial if has(Operand::Aggregates) => {
            origin(plan, dispatch, Operand::Candidate, descriptor.view(Operand::Candidate)?)
        }
        Stage::TileApply if has(Operand::Aggregates) => {
            let operand = if has(Operand::States) { Operand::States } else { Operand::PackedStates };
            let [b, t, d] = origin(plan, dispatch, operand, descriptor.view(operand)?);
            [b, if has(Operand::States) { t } else { 32 * t }, d]
        }
        _ => return None,
    };
    let params = dispatch.params();
    let [batch, steps, channels, nodes, tile_steps] =
        [params.batch, params.steps, params.channels, params.nodes, params.tile_steps].map(u64::from);
    let width = u64::from(variant.vector_width());
    let mut moved = Traffic::default();
    if matches!(stage, Stage::Serial | Stage::TileApply) {
        // All else is as stated, and each tile looks back no further than it must.
        moved = dispatch.traffic();
        let first_tile = first_step / tile_steps;
        let sets_in = |row: u64, tile: u64, d: u64| {
            (tile * tile_steps..(tile + 1) * tile_steps).any(|t| sets.at(descriptor.shape(), [row, t, d]))
        };
        for (b, vector) in (0..batch).flat_map(|b| (0..channels).map(move |vector| (b, vector))) {
            for tile in first_tile..first_tile + nodes {
                let looked = (0..width).map(|lane| {
                    let d = first_channel + vector * width + lane;
                    (0..tile).rev().position(|earlier| sets_in(first_row + b, earlier, d)).map_or(tile, |back| back as u64 + 1)
                });
                moved.read -= 4 * width * (tile - looked.max().unwrap_or(0));
            }
        }
        return Some(moved);
    }
    for (b, vector) in (0..batch).flat_map(|b| (0..channels).map(move |vector| (b, vector))) {
        let lanes = || (0..width).map(|lane| first_channel + vector * width + lane);
        let set = |t: u64, d: u64| sets.at(descriptor.shape(), [first_row + b, first_step + t, d]);
        if stage == Stage::FirstSet {
            let first = (0..steps).find(|&t| set(t, first_channel + vector));
            let (mut low, mut high) = (0, nodes);
            if !has(Operand::Parent) && nodes > 1 {
                // Tile by tile; of the last it is known that it is the last, and it is read once more.
                let tiles = first.map_or(nodes, |first| first / tile_steps + 1);
                moved.read += 4 * (tiles.min(nodes - 1) + 1);
                moved.written += 4;
                continue;
            }
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if first.is_some_and(|first| first < middle * tile_steps) {
                    high = middle
                } else {
                    low = middle
                }
                moved.read += 4;
            }
            moved.read += 4;
            moved.written += 4;
            continue;
        }
        for begin in (0..nodes).map(|node| node * tile_steps) {
            let (begin, end) = if stage == Stage::AdjointReduce {
                // What lies behind a part, up to the end of its stretch.
                let end = steps.min((begin / 1024 + 1) * 1024);
                (end.min(begin + u64::from(params.time_origin)), end)
            } else {
                (begin, steps.min(begin + tile_steps))
            };
            if stage == Stage::TileProbe {
                let looked =
                    lanes().map(|d| (begin..end).rev().position(|t| set(t, d)).map_or(end - begin, |back| back as u64 + 1));
                // A sum is of all steps.
                let sums = matches!(descriptor.unit(), Unit::Cumulative | Unit::Relaxed);
                // Whole vectors of steps.
                let fold = u64::from(variant.fold());
                let looked = if sums { end - begin } else { looked.max().unwrap_or(0).next_multiple_of(fold) };
                let thresholds = match descriptor.threshold_kind() {
                    // Of a mask a word for all of its steps.
                    _ if descriptor.unit() == Unit::ForwardFill => {
                        if looked == 0 {
                            0
                        } else {
                            (end - 1) / 32 - (end - looked) / 32 + 1
                        }
                    }
                    Threshold::PerChannel => 1,
                    Threshold::PerElement => looked,
                };
                let (amplitudes, words) = match (descriptor.unit(), descriptor.amplitude_kind()) {
                    (Unit::Cumulative, Amplitude::PerElement) => (looked, 1),
                    (_, Amplitude::PerElement) => (looked, 2),
                    (Unit::Relaxed, _) => (1, 2),
                    (Unit::ForwardFill, _) => (0, 2),
                    _ => (0, 1),
                };
                moved.read += 4 * width * (looked + thresholds + amplitudes);
                moved.written += 4 * width * words;
            } else {
                let before = lanes().map(|d| (begin..end).position(|t| set(t, d)).map_or(end - begin, |before| before as u64));
                let before = if has(Operand::StatesGradient) { before.max().unwrap_or(0) } else { 0 };
                moved.read += 4 * width * ((end - begin).div_ceil(32) + before);
                moved.written += 8 * width;
            }
        }
    }
    Some(moved)
}

/// Bytes that were counted. A vector of an operand can hold several steps or rows.
pub fn moved(variant: &Variant, counted: &[u32]) -> Traffic {
    let counts = variant.operands().zip(counted.chunks(2));
    counts.fold(Traffic::default(), |sum, (operand, counts)| {
        let scalar = matches!(operand, Operand::CuSeqlens | Operand::Resets);
        let bytes = if scalar || variant.splats(operand) { 4 } else { 4 * u64::from(variant.lanes_of(operand)) };
        let [loads, stores] = [counts[0], counts[1]].map(|count| bytes * u64::from(count));
        Traffic { read: sum.read + loads, written: sum.written + stores }
    })
}

/// Dispatches that moved other bytes than they should.
pub fn miscounted(plan: &Plan, ran: &Ran, sets: Sets) -> Vec<String> {
    let mut wrong = Vec::new();
    for (dispatch, counted) in plan.dispatches().iter().zip(&ran.counted) {
        let variant = &plan.variants()[dispatch.variant()];
        let moved = moved(variant, counted);
        let stated = dispatch.traffic();
        let expected = searched(plan, dispatch, sets).unwrap_or(stated);
        // What is stated of a search is what it moves where nothing sets.
        let reached = matches!(sets, Sets::Never);
        let wrongly = moved.read > stated.read || moved.written != stated.written || (reached && moved != stated);
        if moved != expected || wrongly {
            let counts: Vec<String> =
                variant.operands().zip(counted.chunks(2)).map(|(operand, pair)| format!("{operand} {pair:?}")).collect();
            let counts = counts.join(", ");
            let stage = variant.stage();
            wrong.push(format!("{stage}, {sets:?}: moved {moved:?}, expected {expected:?}, stated {stated:?}; {counts}\n{plan}"));
        }
    }
    wrong
}

/// Whether all dispatches of a stage together read other bytes than expected.
pub fn not_read(plan: &Plan, ran: &Ran, stage: Stage, expected: u64) -> Option<String> {
    let of_stage = plan.dispatches().iter().zip(&ran.counted).filter(|(dispatch, _)| plan.stage(dispatch) == stage);
    let read = of_stage.map(|(dispatch, counted)| moved(&plan.variants()[dispatch.variant()], counted).read).sum::<u64>();
    (read != expected).then(|| format!("{stage}: all read {read}, expected {expected}\n{plan}"))
}
