//! What must hold for every plan, in arithmetic of its own.

use std::collections::BTreeMap;
use std::rc::Rc;

use bmru::{
    Amplitude, BindingAccess, Descriptor, Direction, Dispatch, Element, Error, HealthSource, Layout, Limits, Operand, Plan,
    SavedLayout, Sequences, Shape, Slot, Stage, States, Strategy, SummaryOf, Threshold, Tuning, Unit, View,
};

use super::reach::{Launched, Places};

macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}
pub(crate) use ensure;

/// How often elements of slots are touched.
type Counts = BTreeMap<(Slot, u64), u32>;

/// Elements up to which each of them is followed.
const FOLLOWED: u64 = 20_000;

pub fn check(plan: &Plan, tuning: &Tuning) -> Result<(), String> {
    let places: Vec<Rc<Places>> = plan.variants().iter().map(|variant| Rc::new(Places::of(variant))).collect();
    check_inside(plan, tuning, &places)?;
    cover(plan, &launched(plan, &places))
}

/// All of it but whether everything is covered, which looks at single elements. The places are those of the variants.
pub fn check_inside(plan: &Plan, tuning: &Tuning, places: &[Rc<Places>]) -> Result<(), String> {
    let launched = launched(plan, places);
    for (number, launched) in launched.iter().enumerate() {
        let stage = launched.stage();
        let context = |what: String| format!("dispatch {number} ({stage}): {what}\n{:?}", launched.dispatch);
        bindings(launched).map_err(context)?;
        indices(launched).map_err(context)?;
        grid(launched, tuning).map_err(context)?;
        counts(launched).map_err(context)?;
    }
    slots(plan, &launched)?;
    order(plan, &launched)
}

fn launched<'a>(plan: &'a Plan, places: &'a [Rc<Places>]) -> Vec<Launched<'a>> {
    let launch = |dispatch: &'a Dispatch| {
        let number = dispatch.variant();
        Launched { plan, dispatch, variant: &plan.variants()[number], places: &places[number] }
    };
    plan.dispatches().iter().map(launch).collect()
}

/// Every binding is one that the limits allow, inside its slot, and declared as it is bound.
fn bindings(launched: &Launched<'_>) -> Result<(), String> {
    let Launched { plan, dispatch, variant, .. } = launched;
    let limits = plan.limits();
    let declared: Vec<(Slot, BindingAccess)> = dispatch.bindings().iter().map(|binding| (binding.slot, binding.access)).collect();
    ensure!(declared == variant.storage_bindings(), "the variant binds {:?}", variant.storage_bindings());
    let storage = declared.len() as u64 + u64::from(variant.access() == bmru::Access::AllReadWrite);
    ensure!(storage <= limits.max_storage_buffers_per_shader_stage.into(), "{storage} storage buffers");
    ensure!(declared.windows(2).all(|pair| pair[0].0 < pair[1].0), "a slot is bound twice, or out of order");
    for binding in dispatch.bindings() {
        let slot_bytes = plan.slot_bytes(binding.slot);
        ensure!(binding.offset % u64::from(limits.min_storage_buffer_offset_alignment) == 0, "misaligned {binding:?}");
        ensure!(binding.size > 0 && binding.size % 4 == 0, "length of {binding:?}");
        ensure!(binding.size <= limits.max_storage_buffer_binding_size, "too long: {binding:?}");
        ensure!(binding.offset + binding.size <= slot_bytes, "{binding:?} reaches beyond {slot_bytes}");
    }
    Ok(())
}

/// No invocation can leave a binding, nor do indices wrap.
fn indices(launched: &Launched<'_>) -> Result<(), String> {
    let width = launched.width();
    ensure!([1, 2, 4].contains(&width) || width == 8 && launched.variant.pairs(), "vectors of {width}");
    for operand in launched.places.operands() {
        let bounds = launched.bounds(operand);
        if bounds.contains(&0) {
            continue;
        }
        let place = launched.places.get(operand).expect("it is there");
        let binding = launched.dispatch.bindings()[place.binding];
        ensure!(!place.stores || binding.access == BindingAccess::ReadWrite, "{operand} is bound as {:?}", binding.access);
        // The vectors of a band lie a workgroup apart, whatever the stride says.
        let group = u64::from(launched.variant.workgroup_size());
        if launched.variant.band() > 1 && bounds[2] > group && operand != Operand::Borders && !launched.variant.splats(operand) {
            let [here, next] = [0, group].map(|d| launched.address(operand, 0, 0, d));
            ensure!(next - here == group * launched.bytes(operand) * launched.width(), "bands leave the channels of {operand}");
        }
        let [b, t, d] = bounds.map(|bound| bound - 1);
        // Time can lead up or down.
        for (b, t, d) in [(b, t, d), (b, 0, d), (0, t, 0), (0, 0, 0)] {
            let begin = launched.address(operand, b, t, d);
            ensure!(begin >= binding.offset, "{operand} begins at byte {begin}, before {binding:?}");
            let end = begin + launched.bytes(operand) * launched.width_of(operand) - binding.offset;
            ensure!(end <= binding.size, "{operand} reaches byte {end} of {}", binding.size);
            ensure!(end / 4 <= u32::MAX.into(), "indices of {operand} wrap");
        }
    }
    Ok(())
}

fn grid(launched: &Launched<'_>, tuning: &Tuning) -> Result<(), String> {
    let Launched { plan, dispatch, variant, .. } = launched;
    let limits = plan.limits();
    let [x, y, z] = dispatch.grid().map(u64::from);
    let (group, items) = (u64::from(variant.workgroup_size()), launched.items());
    ensure!(variant.workgroup_size() == tuning.workgroup_size, "workgroups of {group}");
    ensure!(group <= limits.max_compute_invocations_per_workgroup.into(), "workgroups of {group}");
    ensure!(z == 1 && x.max(y) <= limits.max_compute_workgroups_per_dimension.into(), "grid beyond the limit");
    ensure!(dispatch.params().grid_width == dispatch.grid()[0], "the shader unfolds another grid");
    ensure!(u64::from(dispatch.params().items) == items, "the shader takes other items");
    ensure!(dispatch.invocations() == items && items > 0, "{items} invocations have work");
    ensure!(x * y * group >= items, "the grid does not cover {items}");
    ensure!((y - 1) * x * group < items, "a row of workgroups is too many for {items}");
    ensure!(x * y * group <= u32::MAX.into(), "numbers of invocations wrap");
    Ok(())
}

fn counts(launched: &Launched<'_>) -> Result<(), String> {
    let (params, dispatch) = (launched.params(), launched.dispatch);
    let iterations = launched.iterations();
    ensure!(iterations <= dispatch.iterations(), "{iterations} iterations");
    ensure!(dispatch.iterations() <= Plan::MAX_ITERATIONS, "more iterations than a driver runs");
    let Shape { time, .. } = launched.plan.descriptor().shape();
    let nodes_of = |length: u32| params.nodes == params.steps.div_ceil(length);
    let mut counts_time = true;
    match launched.stage() {
        Stage::Serial | Stage::Unpack if params.nodes == 1 => {}
        Stage::Serial | Stage::TileProbe | Stage::TileReduce | Stage::TileApply | Stage::FirstSet | Stage::Unpack => {
            ensure!(params.tile_steps >= 32 && params.tile_steps % 32 == 0, "tiles of {} steps", params.tile_steps);
            ensure!(nodes_of(params.tile_steps), "{} tiles", params.nodes);
            ensure!(params.time_origin % params.tile_steps == 0, "tiles begin in the middle of one");
        }
        Stage::AdjointReduce | Stage::Adjoint => {
            let parts = params.tile_steps.is_power_of_two() && (32..=1024).contains(&params.tile_steps);
            // A reduction of what lies behind parts leaves them out.
            let whole = params.time_origin % 1024 == 0;
            let behind = launched.stage() == Stage::AdjointReduce && params.time_origin == params.tile_steps;
            let stretches = parts && (whole || behind);
            ensure!(stretches || params.nodes == 1, "stretches of {} from {}", params.tile_steps, params.time_origin);
            ensure!(nodes_of(params.tile_steps), "{} stretches", params.nodes);
        }
        Stage::HealthReduce | Stage::HealthClassify => {
            ensure!(params.tile_steps == 1024 && params.time_origin % 1024 == 0, "stretches of {}", params.tile_steps);
            ensure!(nodes_of(1024), "{} stretches", params.nodes);
            ensure!(u64::from(params.time_total) == time, "steps of the whole");
        }
        Stage::HealthJoin => {
            ensure!(nodes_of(32), "{} nodes", params.nodes);
            counts_time = false;
        }
        Stage::HealthSum => {
            ensure!(nodes_of(32) || (params.nodes, params.steps) == (1, 0), "{} sums", params.nodes);
            counts_time = false;
        }
        Stage::TreeReduce | Stage::CarryReduce | Stage::CarryScan | Stage::AdjointTreeReduce | Stage::AdjointTreeScan => {
            // What no steps do is written, too.
            let of_none = matches!(launched.plan.direction(), Direction::Summary(_)) && (params.nodes, params.steps) == (1, 0);
            ensure!(nodes_of(32) || of_none, "{} nodes", params.nodes);
            counts_time = false;
        }
        Stage::SumReduce => {
            // A sum of nothing is written too.
            ensure!(nodes_of(32) || (params.nodes, params.steps) == (1, 0), "{} sums", params.nodes);
            counts_time = false;
        }
        Stage::Pack => counts_time = false,
        Stage::Borders => {
            // Steps are sequences here, and steps of a tile the lanes of a vector.
            ensure!([1, 2, 4].contains(&params.tile_steps), "{} lanes", params.tile_steps);
            ensure!(params.time_origin % 32 == 0 && u64::from(params.time_total) == time, "words begin in the middle of one");
            ensure!(u64::from(params.time_origin / 32 + params.nodes) <= time.div_ceil(32), "words beyond the end");
            counts_time = false;
        }
        _ => {}
    }
    if counts_time {
        // A reduction does not ask where its part begins.
        let origin = if launched.stage() == Stage::AdjointReduce { 0 } else { params.time_origin };
        ensure!(u64::from(origin) + u64::from(params.steps) <= time, "steps beyond the end");
    }
    if matches!(launched.stage(), Stage::Serial | Stage::TileApply | Stage::Adjoint | Stage::Unpack) {
        ensure!(u64::from(params.time_total) == time, "steps of the whole");
    }
    Ok(())
}

/// The slots of the plan are exactly those that are bound, and as long as the descriptor says.
fn slots(plan: &Plan, launched: &[Launched<'_>]) -> Result<(), String> {
    let mut ends: BTreeMap<Slot, u64> = BTreeMap::new();
    for binding in launched.iter().flat_map(|launched| launched.dispatch.bindings()) {
        let end = ends.entry(binding.slot).or_default();
        *end = (binding.offset + binding.size).max(*end);
    }
    let named: Vec<Slot> = plan.slots().iter().map(|&(slot, _)| slot).collect();
    ensure!(named.iter().eq(ends.keys()), "{named:?} are named, {ends:?} bound");
    for &(slot, bytes) in plan.slots() {
        ensure!(bytes <= plan.limits().max_buffer_size, "{slot} of {bytes} bytes");
        if slot == Slot::Scratch {
            // A root has a place for an aggregate that nothing needs.
            ensure!(ends[&slot] <= bytes, "{bytes} bytes of scratch, {} in use", ends[&slot]);
        } else {
            let elements = match slot {
                Slot::Saved => plan.descriptor().saved_layout().words(),
                slot => plan.descriptor().slot_elements(slot).map_err(|error| error.to_string())?,
            };
            let whole = (elements * plan.descriptor().element_of(slot).bytes()).next_multiple_of(4);
            ensure!(bytes == whole, "{slot} of {bytes} bytes for {elements} elements");
        }
    }
    Ok(())
}

/// Parts of time come in order and hand the state on; the stages of a group follow each other.
fn order(plan: &Plan, launched: &[Launched<'_>]) -> Result<(), String> {
    if plan.direction() == Direction::Backward {
        return adjoint_order(plan, launched);
    }
    if let Direction::Health(_) = plan.direction() {
        return health_order(launched);
    }
    if let Direction::Summary(_) = plan.direction() {
        return Ok(());
    }
    if plan.direction() == Direction::Unpack {
        ensure!(launched.iter().all(|launched| matches!(launched.stage(), Stage::Unpack | Stage::Pack)), "another stage");
        return Ok(());
    }
    // What takes a detour is followed by the twins alone.
    if launched.iter().any(|launched| launched.stage() == Stage::Pack) {
        return Ok(());
    }
    // Borders come first, and what packed sequences without steps hand on.
    let first = |launched: &Launched<'_>| launched.stage() == Stage::Borders || launched.asks_for_empty();
    let walks = launched.iter().position(|launched| !first(launched)).unwrap_or(launched.len());
    let packed = matches!(plan.descriptor().sequences_kind(), Sequences::Packed { .. });
    let (borders, launched) = launched.split_at(walks);
    ensure!(borders.is_empty() || plan.descriptor().sequences_kind() != Sequences::Rows, "borders of whole rows");
    ensure!(packed || borders.iter().all(|launched| launched.stage() == Stage::Borders), "empty rows");
    if launched.is_empty() && packed && plan.descriptor().shape().time == 0 {
        return Ok(());
    }
    // An empty scan has no tiles, and one tile has nothing to probe.
    let serial = launched.iter().all(|launched| launched.stage() == Stage::Serial);
    ensure!(serial || plan.strategy() != Strategy::Serial, "not serial");
    if serial { serial_order(plan, launched) } else { tiles_order(plan, launched) }
}

fn serial_order(plan: &Plan, launched: &[Launched<'_>]) -> Result<(), String> {
    let total = plan.descriptor().shape().time;
    let (of_states, of_counts) = ((Operand::FinalState, Operand::InitialState), (Operand::FinalCount, Operand::InitialCount));
    let numbers = plan.descriptor().states_kind() != States::Packed || plan.descriptor().has_final_state();
    let handed = match plan.descriptor().unit() {
        // The bit rests with the first set step.
        // The initial state comes again, so that what is carried rests beside it.
        _ if plan.descriptor().sequences_kind() != Sequences::Rows => vec![(Operand::Registers, Operand::Registers)],
        _ if !numbers => vec![(Operand::FirstSet, Operand::FirstSet)],
        Unit::Cumulative if plan.descriptor().amplitude_kind() == Amplitude::PerChannel => vec![of_counts],
        Unit::ForwardFill if plan.descriptor().limit_steps().is_some() => vec![of_states, of_counts],
        // What is rounded for the caller rests as it is.
        Unit::Cumulative | Unit::Relaxed if plan.descriptor().element_type() != Element::F32 => {
            vec![(Operand::Registers, Operand::Registers)]
        }
        _ => vec![of_states],
    };
    let mut next = 0;
    let mut before: Option<&Launched<'_>> = None;
    for launched in launched {
        ensure!(launched.stage() == Stage::Serial, "{} among serial stages", launched.stage());
        let params = launched.params();
        ensure!(u64::from(params.time_origin) == next, "step {} comes after step {next}", params.time_origin);
        for (before, (leaves, enters)) in
            before.iter().filter(|_| next > 0).flat_map(|&before| handed.iter().map(move |&pair| (before, pair)))
        {
            let handed = before.places.get(leaves).is_some() && launched.places.get(enters).is_some();
            ensure!(handed, "{leaves} is not handed on at step {next}");
            // Vectors of another width, perhaps: a part that begins at an odd row may have no wide ones.
            let rows = |launched: &Launched<'_>| [launched.params().batch, launched.params().channels].map(u64::from);
            let ([batch, of_before], [rows, vectors]) = (rows(before), rows(launched));
            let channels = vectors * launched.width();
            ensure!(batch == rows && of_before * before.width() == channels, "other rows");
            for (b, channel) in [(0, 0), (batch - 1, channels - 1)] {
                let from = before.element_address(leaves, b, channel);
                ensure!(from == launched.element_address(enters, b, channel), "{leaves} is lost at step {next}");
            }
        }
        next += u64::from(params.steps);
        if next == total {
            next = 0;
        }
        before = Some(launched);
    }
    ensure!(next == 0, "it ends at step {next}");
    Ok(())
}

fn tiles_order(plan: &Plan, launched: &[Launched<'_>]) -> Result<(), String> {
    let mut stages = launched.iter().map(Launched::stage).peekable();
    let mut take = |stage| {
        let mut count = 0;
        while stages.next_if_eq(&stage).is_some() {
            count += 1;
        }
        count
    };
    let descriptor = plan.descriptor();
    let of_number = matches!(descriptor.unit(), Unit::Cumulative | Unit::Relaxed | Unit::ForwardFill)
        || descriptor.amplitude_kind() == Amplitude::PerElement
        || descriptor.sequences_kind() != Sequences::Rows;
    let [before, behind] = match plan.strategy() {
        _ if of_number => [Stage::TileProbe, Stage::Serial],
        Strategy::Probe => [Stage::TileProbe, Stage::Serial],
        _ => [Stage::TileReduce, Stage::TileApply],
    };
    let mut taken = 0;
    while taken < launched.len() {
        let reduced = take(before);
        let (up, down) = if of_number {
            // Nobody asks the root what it does.
            (take(Stage::CarryReduce) + 1, take(Stage::CarryScan))
        } else {
            (take(Stage::TreeReduce), take(Stage::TreeScan))
        };
        let applied = take(behind);
        let searched = take(Stage::FirstSet);
        ensure!(reduced > 0 && reduced == applied && up == down, "stages out of order");
        let marks = descriptor.saves() || descriptor.states_kind() != States::Numbers;
        ensure!(searched == usize::from(marks && !of_number), "{searched} searches of a group");
        taken += reduced + up - usize::from(of_number) + down + applied + searched;
    }
    Ok(())
}

/// Walks go from the end of time to its beginning, and find their registers where the walk before left them.
fn adjoint_order(plan: &Plan, launched: &[Launched<'_>]) -> Result<(), String> {
    let total = plan.descriptor().shape().time;
    let mut end = total;
    let mut before: Option<&Launched<'_>> = None;
    for launched in launched.iter().filter(|launched| launched.stage() == Stage::Adjoint) {
        let params = launched.params();
        let origin = u64::from(params.time_origin);
        ensure!(origin + u64::from(params.steps) == end, "a walk from {} comes before one to {end}", params.time_origin);
        let registers = |launched: &Launched<'_>| {
            launched.places.get(Operand::Registers).map(|_| launched.address(Operand::Registers, 0, 0, 0))
        };
        if let Some(before) = before.filter(|_| end < total) {
            ensure!(registers(before) == registers(launched), "the registers are lost at step {end}");
        }
        end = if origin == 0 { total } else { origin };
        before = Some(launched);
    }
    ensure!(end == total, "the last walk ends at step {end}");
    Ok(())
}

/// Records, then what joins them, then sums; and from the beginning for the next channels.
fn health_order(launched: &[Launched<'_>]) -> Result<(), String> {
    let rank = |launched: &Launched<'_>| match launched.stage() {
        Stage::HealthReduce | Stage::HealthClassify => 0,
        Stage::HealthJoin => 1,
        _ => 2,
    };
    for pair in launched.windows(2) {
        let (before, behind) = (rank(&pair[0]), rank(&pair[1]));
        ensure!(before <= behind || (before, behind) == (2, 0), "stage {behind} behind {before}");
    }
    ensure!(launched.last().is_none_or(|last| last.stage() == Stage::HealthSum), "nothing is summed");
    Ok(())
}

/// How often each element of a slot is meant, as a view says.
fn meant(view: View, bounds: [u64; 3], counts: &mut Counts) {
    let [batch, time, channels] = bounds;
    for (b, t) in (0..batch).flat_map(|b| (0..time).map(move |t| (b, t))) {
        for d in 0..channels {
            let element = view.offset + b * view.strides.batch + t * view.strides.time + d * view.strides.channel;
            *counts.entry((view.slot, element)).or_default() += 1;
        }
    }
}

/// How often each element is touched through an operand by the dispatches of some stages.
fn touched<'a>(launched: impl Iterator<Item = &'a Launched<'a>>, operand: Operand, counts: &mut Counts) {
    for launched in launched {
        let Some(place) = launched.places.get(operand) else { continue };
        let slot = launched.dispatch.bindings()[place.binding].slot;
        let [batch, time, channels] = launched.bounds(operand);
        let splats = launched.variant.splats(operand);
        for (b, t) in (0..batch).flat_map(|b| (0..time).map(move |t| (b, t))) {
            for (d, lane) in (0..channels).flat_map(|d| (0..launched.width()).map(move |lane| (d, lane))) {
                let lane = if splats { 0 } else { lane };
                *counts.entry((slot, launched.address(operand, b, t, d) / launched.bytes(operand) + lane)).or_default() += 1;
            }
        }
    }
}

/// Every input of a step is read once and every output written once.
fn cover(plan: &Plan, launched: &[Launched<'_>]) -> Result<(), String> {
    if let Direction::Health(source) = plan.direction() {
        return cover_health(plan, launched, source);
    }
    if plan.direction() == Direction::Unpack {
        return cover_unpack(plan, launched);
    }
    if let Direction::Summary(_) = plan.direction() {
        return Ok(());
    }
    let Shape { batch, time, channels } = plan.descriptor().shape();
    let elements = |launched: &Launched<'_>| launched.bounds(Operand::Candidate).into_iter().product::<u64>() * launched.width();
    let present = launched.iter().filter(|launched| launched.places.get(Operand::Candidate).is_some());
    // What a probe reads is read again.
    let present = present.filter(|launched| launched.stage() != Stage::TileProbe);
    let (sum, expected) = (present.map(elements).sum::<u64>(), batch * time * channels);
    ensure!(sum == expected, "{sum} of {expected} candidates");
    if [batch, time, channels].into_iter().fold(1, |product: u64, axis| product.saturating_mul(axis.max(1))) > FOLLOWED {
        return Ok(());
    }
    // What takes a detour is followed by the twins alone.
    if launched.iter().any(|launched| launched.stage() == Stage::Pack) {
        return Ok(());
    }
    match plan.direction() {
        Direction::Forward => cover_forward(plan, launched),
        Direction::Backward => cover_backward(plan, launched),
        Direction::Unpack => cover_unpack(plan, launched),
        Direction::Health(source) => cover_health(plan, launched, source),
        // What looks back reads as much as its data makes it.
        Direction::Summary(_) => Ok(()),
    }
}

/// Rows of initial and final states.
pub fn state_rows(descriptor: &Descriptor) -> u64 {
    match descriptor.sequences_kind() {
        Sequences::Packed { count } => count,
        _ => descriptor.shape().batch,
    }
}

/// An axis with a stride of 0 has one element.
pub fn without_lacking(View { strides, .. }: View, bounds: [u64; 3]) -> [u64; 3] {
    let strides = [strides.batch, strides.time, strides.channel];
    std::array::from_fn(|axis| if strides[axis] == 0 && bounds[2] > 0 { 1 } else { bounds[axis] })
}

/// What the caller's operands mean.
fn all_meant(descriptor: &Descriptor, operands: &[Operand]) -> Counts {
    let Shape { batch, time, channels } = descriptor.shape();
    let per_channel = descriptor.threshold_kind() == Threshold::PerChannel;
    let sums = [Operand::ThresholdGradient, Operand::LowThresholdGradient, Operand::AmplitudeGradient];
    let mut counts = Counts::new();
    for &operand in operands {
        let bounds = match operand {
            Operand::ThresholdGradient | Operand::LowThresholdGradient if per_channel => [1, 1, channels],
            Operand::AmplitudeGradient if descriptor.amplitude_kind() == Amplitude::PerChannel => [1, 1, channels],
            Operand::FinalState | Operand::InitialStateGradient => [state_rows(descriptor), 1, channels],
            _ => [batch, time, channels],
        };
        if let Some(view) = descriptor.view(operand) {
            meant(view, if sums.contains(&operand) { without_lacking(view, bounds) } else { bounds }, &mut counts);
        }
    }
    counts
}

fn agrees(launched: &[Launched<'_>], descriptor: &Descriptor, stage: Option<Stage>, operand: Operand) -> Result<(), String> {
    let mut counts = Counts::new();
    touched(
        launched.iter().filter(|launched| stage.map_or(launched.stage() != Stage::TileProbe, |stage| launched.stage() == stage)),
        operand,
        &mut counts,
    );
    let expected = all_meant(descriptor, &[operand]);
    ensure!(counts == expected, "{operand}: {:?}", difference(&counts, &expected));
    Ok(())
}

fn cover_forward(plan: &Plan, launched: &[Launched<'_>]) -> Result<(), String> {
    let descriptor = plan.descriptor();
    let Shape { batch, time, channels } = descriptor.shape();
    agrees(launched, descriptor, None, Operand::Candidate)?;
    if descriptor.states_kind() == States::Packed {
        ensure!(!plan.uses(Slot::States) && !plan.writes(Slot::States), "numbers are written");
    } else {
        agrees(launched, descriptor, None, Operand::States)?;
    }
    if descriptor.threshold_kind() == Threshold::PerElement {
        agrees(launched, descriptor, None, Operand::Threshold)?;
        agrees(launched, descriptor, None, Operand::LowThreshold)?;
    }
    let all = |operand| {
        let mut counts = Counts::new();
        touched(launched.iter(), operand, &mut counts);
        counts
    };
    if let Some(words) = descriptor.view(Operand::PackedStates) {
        let mut expected = Counts::new();
        meant(words, [batch, time.div_ceil(32), channels], &mut expected);
        let touched = all(Operand::PackedStates);
        ensure!(touched.keys().eq(expected.keys()), "packed states: {:?}", difference(&touched, &expected));
        let mut expected = Counts::new();
        meant(descriptor.view(Operand::FirstSet).ok_or("no first set steps")?, [batch, 1, channels], &mut expected);
        let touched = all(Operand::FirstSet);
        ensure!(touched.keys().eq(expected.keys()), "first set steps: {:?}", difference(&touched, &expected));
    }
    if descriptor.has_final_state() {
        // Between parts of time it rests there.
        let touched = all(Operand::FinalState);
        ensure!(touched.keys().eq(all_meant(descriptor, &[Operand::FinalState]).keys()), "final_state: {touched:?}");
    }
    if descriptor.saves() {
        let mut words: Vec<u64> = Vec::new();
        for operand in [Operand::SavedAmplitude, Operand::SavedInitialState, Operand::FirstSet, Operand::Codes] {
            let touched = all(operand);
            ensure!(touched.keys().all(|&(slot, _)| slot == Slot::Saved), "{operand} is elsewhere");
            // Every walk has those of all packed sequences.
            let packed = matches!(descriptor.sequences_kind(), Sequences::Packed { .. });
            let of_sequences = operand == Operand::SavedInitialState && packed;
            if matches!(operand, Operand::SavedAmplitude | Operand::SavedInitialState) && !of_sequences {
                ensure!(touched.values().all(|&count| count == 1), "{operand} is written again");
            }
            words.extend(touched.into_keys().map(|(_, word)| word));
        }
        words.sort_unstable();
        words.dedup();
        let expected = if batch * channels == 0 { 0 } else { descriptor.saved_layout().words() };
        ensure!(words.into_iter().eq(0..expected), "saved words are missing");
    }
    Ok(())
}

/// Every word is read, and every state written once.
fn cover_unpack(plan: &Plan, launched: &[Launched<'_>]) -> Result<(), String> {
    let descriptor = plan.descriptor();
    let Shape { batch, time, channels } = descriptor.shape();
    let followed = [batch, time, channels].into_iter().fold(1, |product: u64, axis| product.saturating_mul(axis.max(1)));
    // What takes a detour is followed by the twins alone.
    if followed > FOLLOWED || launched.iter().any(|launched| launched.stage() == Stage::Pack) {
        return Ok(());
    }
    agrees(launched, descriptor, None, Operand::States)?;
    let (mut expected, mut read) = (Counts::new(), Counts::new());
    let words = descriptor.view(Operand::PackedStates).ok_or("no packed states")?;
    meant(words, [batch, time.div_ceil(32), channels], &mut expected);
    touched(launched.iter(), Operand::PackedStates, &mut read);
    ensure!(read.keys().eq(expected.keys()), "packed states: {:?}", difference(&read, &expected));
    Ok(())
}

/// Every input or code is read, and every word of the result written once.
fn cover_health(plan: &Plan, launched: &[Launched<'_>], source: HealthSource) -> Result<(), String> {
    let descriptor = plan.descriptor();
    let Shape { batch, time, channels } = descriptor.shape();
    if [batch, time, channels].into_iter().fold(1, |product: u64, axis| product.saturating_mul(axis.max(1))) > FOLLOWED {
        return Ok(());
    }
    let all = |operand| {
        let mut counts = Counts::new();
        touched(launched.iter(), operand, &mut counts);
        counts
    };
    if source == HealthSource::Inputs {
        agrees(launched, descriptor, None, Operand::Candidate)?;
        if descriptor.threshold_kind() == Threshold::PerElement {
            agrees(launched, descriptor, None, Operand::Threshold)?;
            agrees(launched, descriptor, None, Operand::LowThreshold)?;
        }
    } else {
        let mut expected = Counts::new();
        meant(descriptor.saved_layout().codes(), [batch, 2 * time.div_ceil(32), channels], &mut expected);
        ensure!(all(Operand::Codes).keys().eq(expected.keys()), "codes are missing");
    }
    let mut written = all(Operand::Totals);
    written.retain(|&(slot, _), _| slot == Slot::Health);
    let expected: Counts = (0..11 * channels).map(|word| ((Slot::Health, word), 1)).collect();
    ensure!(written == expected, "health: {:?}", difference(&written, &expected));
    Ok(())
}

/// Whichever stage writes an output, it does so once: it may accumulate.
fn cover_backward(plan: &Plan, launched: &[Launched<'_>]) -> Result<(), String> {
    const OUTPUTS: [Operand; 5] = [
        Operand::CandidateGradient,
        Operand::ThresholdGradient,
        Operand::LowThresholdGradient,
        Operand::AmplitudeGradient,
        Operand::InitialStateGradient,
    ];
    let descriptor = plan.descriptor();
    agrees(launched, descriptor, None, Operand::Candidate)?;
    agrees(launched, descriptor, Some(Stage::Adjoint), Operand::StatesGradient)?;
    if descriptor.threshold_kind() == Threshold::PerElement {
        agrees(launched, descriptor, None, Operand::Threshold)?;
        agrees(launched, descriptor, None, Operand::LowThreshold)?;
    }
    let mut counts = Counts::new();
    for launched in launched {
        for operand in
            launched.places.operands().filter(|&operand| launched.places.get(operand).is_some_and(|place| place.stores))
        {
            touched([launched].into_iter(), operand, &mut counts);
        }
    }
    counts.retain(|&(slot, _), _| slot != Slot::Scratch);
    let expected = all_meant(descriptor, &OUTPUTS);
    ensure!(counts == expected, "written: {:?}", difference(&counts, &expected));
    Ok(())
}

/// The first element of which there is more in one than in the other.
fn difference(a: &Counts, b: &Counts) -> Option<String> {
    let differs = |key: &&(Slot, u64)| a.get(*key) != b.get(*key);
    let (slot, element) = a.keys().chain(b.keys()).find(differs)?;
    let [a, b] = [a, b].map(|counts| counts.get(&(*slot, *element)).copied().unwrap_or(0));
    Some(format!("element {element} of {slot} {a} times and not {b}"))
}

/// A plan is a function of its arguments, shows itself, and saves what the descriptor says.
pub fn is_pure(plan: &Plan, descriptor: &Descriptor, limits: &Limits, tuning: &Tuning) -> Result<(), String> {
    let again = planned(descriptor, plan.direction(), limits, tuning).map_err(|error| error.to_string())?;
    ensure!(again == *plan && plan.clone() == *plan, "planned again, it is another");
    ensure!(plan.descriptor() == descriptor && plan.limits() == limits, "it is of something else");
    let (debug, display) = (format!("{plan:?}"), format!("{plan}"));
    ensure!(!debug.is_empty() && display.contains(&plan.strategy().to_string()), "{display}");
    let needs_saved = match plan.direction() {
        Direction::Forward | Direction::Unpack => descriptor.saves(),
        Direction::Backward => descriptor.saves() || descriptor.unit() != Unit::Cumulative,
        Direction::Health(source) => source == HealthSource::Saved,
        Direction::Summary(of) => of == SummaryOf::Gradient && descriptor.unit() != Unit::Cumulative,
    };
    ensure!(plan.saved_layout().is_some() == needs_saved, "whether it saves");
    ensure!(plan.saved_layout().is_none_or(|layout| layout == saved_layout(descriptor)), "the layout depends on the plan");
    let unused = plan.slots().iter().find(|&&(slot, _)| !plan.uses(slot));
    ensure!(unused.is_none(), "{unused:?} is bound, and not used");
    Ok(())
}

pub fn planned(descriptor: &Descriptor, direction: Direction, limits: &Limits, tuning: &Tuning) -> Result<Plan, Error> {
    descriptor.plan(direction, limits, tuning)
}

/// The layout of a descriptor whose tensors lie elsewhere: that does not count.
fn saved_layout(descriptor: &Descriptor) -> SavedLayout {
    let elsewhere = Descriptor::new(descriptor.unit(), descriptor.shape())
        .element(descriptor.element_type())
        .layout(Layout::TimeBatchChannel);
    elsewhere
        .boundary(descriptor.boundary_rule())
        .time_order(descriptor.order_of_time())
        .threshold(descriptor.threshold_kind())
        .amplitude(descriptor.amplitude_kind())
        .sequences(descriptor.sequences_kind())
        .saved_layout()
}
