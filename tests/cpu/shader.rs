//! Every assembled shader against the host: what naga reads in the text is what the variant and its `Params` say.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::mem::{offset_of, size_of};
use std::sync::LazyLock;
use std::thread;

use bmru::{
    Access, Amplitude, BindingAccess, Boundary, Counts, Descriptor, Element, FinalState, Gradient, HealthSource, Incoming,
    InitialCount, InitialState, Layout, Limits, Operand, Params, Save, Sequences, Shape, Slot, Stage, States, Strategy, Strides,
    Surrogate, Threshold, TimeOrder, Tuning, Unit, Validity, Variant, View, ViewParams,
};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, ArraySize, Block, Module, ShaderStage, Statement, StorageAccess, TypeInner};

/// Nothing, one step, one tile, trees of one level and of two; with and without vectors.
const SHAPES: [(u64, u64, u64); 13] = [
    (2, 0, 4),
    (2, 0, 3),
    (1, 1, 1),
    (8, 1, 1),
    (2, 1, 2),
    (2, 2, 1),
    (2, 1200, 1),
    (2, 40, 4),
    (2, 40, 6),
    (3, 100, 5),
    (2, 100, 4),
    (1, 1200, 2),
    (1, 1200, 4),
];
/// The same for stretches of 1,024 steps.
const ADJOINT_SHAPES: [(u64, u64, u64); 7] =
    [(0, 5, 4), (2, 0, 3), (2, 40, 4), (3, 1030, 6), (1, 2100, 1), (1, 33_000, 4), (40, 2050, 2)];

const UNITS: [Unit; 5] = [Unit::Bistable, Unit::FirstQuadrant, Unit::Cumulative, Unit::Relaxed, Unit::ForwardFill];

/// A descriptor for each combination of six bits.
fn descriptors(shapes: &[(u64, u64, u64)]) -> Vec<Descriptor> {
    let mut descriptors = Vec::new();
    for &(batch, time, channels) in shapes {
        for (unit, options) in UNITS.into_iter().flat_map(|unit| (0..64u32).map(move |options| (unit, options))) {
            let pick = |bit: u32| options >> bit & 1 == 1;
            let per_element = pick(1) != pick(3) && pick(5) && unit != Unit::ForwardFill;
            let limited = unit == Unit::ForwardFill && pick(1);
            let counted = unit == Unit::Cumulative && !per_element || limited;
            let bits = matches!(unit, Unit::Bistable | Unit::FirstQuadrant) && !per_element;
            let states = [States::Numbers, States::Packed, States::Both][(options as usize / 4 + channels as usize) % 3];
            // Those of the bistable unit are enough of shapes and options.
            if unit != Unit::Bistable && !(options + channels as u32).is_multiple_of(11) {
                continue;
            }
            let descriptor = Descriptor::new(unit, Shape { batch, time, channels })
                .states(if bits { states } else { States::Numbers })
                .amplitude(if per_element { Amplitude::PerElement } else { Amplitude::PerChannel })
                .initial_count(if counted && pick(0) { InitialCount::Given } else { InitialCount::Zero })
                .counts(if counted && pick(4) { Counts::All } else { Counts::Discarded })
                .validity(if unit == Unit::ForwardFill && pick(5) { Validity::Mask } else { Validity::NotNan })
                .epsilon(0.5)
                .layout(if (options ^ options >> 3) & 1 == 1 { Layout::TimeBatchChannel } else { Layout::BatchTimeChannel })
                .boundary(if pick(0) { Boundary::Set } else { Boundary::Hold })
                .threshold(if pick(1) { Threshold::PerChannel } else { Threshold::PerElement })
                .initial_state(if pick(2) { InitialState::Given } else { InitialState::Zero })
                .final_state(if pick(3) { FinalState::Written } else { FinalState::Discarded })
                .save(if pick(4) && unit != Unit::ForwardFill { Save::Codes } else { Save::Nothing });
            let descriptor = if limited { descriptor.limit(9) } else { descriptor };
            descriptors.push(if pick(5) { descriptor.side_by_side() } else { descriptor });
        }
    }
    descriptors
}

/// Of every unit and type of elements, for the `number`th descriptor.
fn of_family(number: usize) -> Vec<Descriptor> {
    let mut descriptors = Vec::new();
    for unit in UNITS {
        for element in Element::ALL {
            for (batch, time, channels) in [(2, 1, 4), (2, 40, 3), (1, 1200, 1), (1, 1200, 2), (1, 1200, 4)] {
                let pick = |bit: usize| (number + descriptors.len()) >> bit & 1 == 1;
                let (filled, per_element) = (unit == Unit::ForwardFill, pick(5) && unit != Unit::ForwardFill);
                let descriptor = Descriptor::new(unit, Shape { batch, time, channels })
                    .amplitude(if per_element { Amplitude::PerElement } else { Amplitude::PerChannel })
                    .epsilon(0.5)
                    .validity(if filled && pick(0) { Validity::Mask } else { Validity::NotNan });
                let descriptor = if filled && pick(1) { descriptor.limit(9).counts(Counts::Final) } else { descriptor };
                descriptors.push(
                    descriptor
                        .element(element)
                        .states([States::Packed, States::Numbers, States::Both][(number / 7 + descriptors.len() / 5) % 3])
                        .boundary(if pick(0) { Boundary::Set } else { Boundary::Hold })
                        .threshold(if pick(1) { Threshold::PerChannel } else { Threshold::PerElement })
                        .initial_state(if pick(2) { InitialState::Given } else { InitialState::Zero })
                        .final_state(if pick(3) { FinalState::Written } else { FinalState::Discarded })
                        .save(if pick(4) && !filled { Save::Codes } else { Save::Nothing }),
                );
            }
        }
    }
    descriptors
}

/// Rows with borders, of every unit and type of elements, for the `number`th descriptor.
fn of_sequences(number: usize) -> Vec<Descriptor> {
    let mut descriptors = Vec::new();
    for unit in UNITS {
        for element in Element::ALL {
            for (time, channels) in [(0, 4), (1, 4), (40, 3), (1200, 1), (1200, 2), (1200, 4)] {
                let pick = |bit: usize| (number + descriptors.len()) >> bit & 1 == 1;
                let (filled, per_element) = (unit == Unit::ForwardFill, pick(4) && unit != Unit::ForwardFill);
                let (batch, sequences) = if pick(0) { (1, Sequences::Packed { count: 3 }) } else { (2, Sequences::Resets) };
                let descriptor = Descriptor::new(unit, Shape { batch, time, channels })
                    .sequences(sequences)
                    .element(element)
                    .amplitude(if per_element { Amplitude::PerElement } else { Amplitude::PerChannel })
                    .epsilon(0.5)
                    .time_order(if pick(1) { TimeOrder::Descending } else { TimeOrder::Ascending })
                    .threshold(if pick(2) { Threshold::PerChannel } else { Threshold::PerElement })
                    .initial_state(if pick(3) { InitialState::Given } else { InitialState::Zero })
                    .final_state(if pick(5) { FinalState::Written } else { FinalState::Discarded })
                    .save(if pick(1) && !filled { Save::Codes } else { Save::Nothing })
                    .validity(if filled && pick(1) { Validity::Mask } else { Validity::NotNan });
                let limited = filled && pick(2);
                descriptors.push(if limited { descriptor.limit(9).counts(Counts::Final) } else { descriptor });
            }
        }
    }
    descriptors
}

/// What only the backward pass looks at, for the `number`th descriptor: everything meets everything else in the long run.
fn adjoint(descriptor: Descriptor, number: usize) -> Descriptor {
    const SURROGATES: [Surrogate; 6] = [
        Surrogate::Zero,
        Surrogate::ArcTan { k: 2.0 },
        Surrogate::FastSigmoid { k: 1.0 },
        Surrogate::Sigmoid { k: 4.0 },
        Surrogate::Triangle { half_width: 0.5 },
        Surrogate::Boxcar { half_width: 0.5 },
    ];
    let gradient = |digit: u32| [Gradient::Overwrite, Gradient::Accumulate, Gradient::Omit][number / 3usize.pow(digit) % 3];
    descriptor
        .surrogates(SURROGATES[number % 6], SURROGATES[number / 5 % 6])
        .incoming([Incoming::States, Incoming::Both, Incoming::FinalState][number % 3])
        .gradient(Operand::CandidateGradient, gradient(0))
        .gradient(Operand::ThresholdGradient, gradient(1))
        .gradient(Operand::AmplitudeGradient, gradient(2))
        .gradient(Operand::InitialStateGradient, gradient(3))
}

/// Whole plans and plans in parts.
fn tunings() -> Vec<Tuning> {
    let mut tunings = Vec::new();
    for max_vector_width in [1, 2, 4] {
        for access in [Access::Declared, Access::AllReadWrite] {
            let ways = [(64, 1 << 26, 8, 64), (8, 1030, 1, 0), (1, 70, 3, 0)];
            for (workgroup_size, max_dispatch_elements, steps_ahead, look_back_tiles) in ways {
                for strategy in Strategy::ALL {
                    let base = Tuning {
                        max_vector_width,
                        access,
                        workgroup_size,
                        max_dispatch_elements,
                        steps_ahead,
                        look_back_tiles,
                        ..Tuning::discrete()
                    };
                    let band = 1 + max_vector_width % 4;
                    tunings.push(Tuning { tile_steps: 32, ..base }.with_strategy(strategy).with_band(band));
                }
            }
        }
    }
    tunings
}

/// All variants that come up.
static VARIANTS: LazyLock<HashSet<Variant>> = LazyLock::new(|| {
    let mut variants = HashSet::new();
    let tunings = tunings();
    // What cannot be cut as short as a tuning asks for is left out.
    // The options are many, so that each descriptor takes its turn of the tunings: of every third, or of every seventh.
    for (number, descriptor) in descriptors(&SHAPES).into_iter().enumerate() {
        for tuning in tunings.iter().skip(number % 3).step_by(3) {
            if let Ok(plan) = descriptor.forward(&Limits::default(), tuning) {
                variants.extend(plan.variants().iter().cloned());
            }
        }
    }
    for (number, descriptor) in descriptors(&ADJOINT_SHAPES).into_iter().enumerate() {
        for (turn, tuning) in tunings.iter().enumerate().skip(number % 7).step_by(7) {
            let descriptor = adjoint(descriptor.clone(), number + 5 * turn);
            if let Ok(plan) = descriptor.backward(&Limits::default(), tuning) {
                variants.extend(plan.variants().iter().cloned());
            }
        }
    }
    for (turn, tuning) in tunings.iter().enumerate() {
        let sequences = of_sequences(7 * turn).into_iter().enumerate().skip(turn % 5).step_by(5);
        for (number, descriptor) in of_family(7 * turn).into_iter().enumerate().skip(turn % 5).step_by(5).chain(sequences) {
            let plans = [
                descriptor.forward(&Limits::default(), tuning),
                descriptor.unpack(&Limits::default(), tuning),
                descriptor.health(HealthSource::Saved, &Limits::default(), tuning),
                descriptor.health(HealthSource::Inputs, &Limits::default(), tuning),
                adjoint(descriptor, number + 5 * turn).backward(&Limits::default(), tuning),
            ];
            variants.extend(plans.into_iter().flatten().flat_map(|plan| plan.variants().to_vec()));
        }
    }
    variants
});

fn parsed(text: &str) -> Result<(Module, ModuleInfo), String> {
    let module = naga::front::wgsl::parse_str(text).map_err(|error| error.emit_to_string(text))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    let info = validator.validate(&module).map_err(|error| error.emit_to_string(text))?;
    Ok((module, info))
}

macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}

/// Everything that the host takes for granted about a text; what naga reads in it.
fn compare(variant: &Variant, text: &str) -> Result<Module, String> {
    let (module, info) = parsed(text)?;
    entry_point(variant, &module)?;
    bindings(variant, &module, &info)?;
    params(variant, &module)?;
    nothing_else(&module)?;
    portable(variant, text)?;
    Ok(module)
}

fn entry_point(variant: &Variant, module: &Module) -> Result<(), String> {
    let [main] = &module.entry_points[..] else {
        return Err(format!("{} entry points", module.entry_points.len()));
    };
    ensure!(main.name == Variant::ENTRY_POINT && main.stage == ShaderStage::Compute, "entry point {}", main.name);
    ensure!(main.workgroup_size == [variant.workgroup_size(), 1, 1], "workgroups of {:?}", main.workgroup_size);
    Ok(())
}

fn bindings(variant: &Variant, module: &Module, info: &ModuleInfo) -> Result<(), String> {
    let main = info.get_entry_point(0);
    let mut found = BTreeMap::new();
    for (handle, global) in module.global_variables.iter() {
        let binding = global.binding.ok_or("a global without a binding")?;
        ensure!(binding.group == 0, "group {}", binding.group);
        // An automatic layout leaves out what `main` does not use, and the host's bind group no longer fits.
        ensure!(!main[handle].is_empty(), "{:?} is not used", global.name);
        ensure!(found.insert(binding.binding, global).is_none(), "binding {} twice", binding.binding);
    }
    let storage = |access| AddressSpace::Storage {
        access: match access {
            BindingAccess::Read => StorageAccess::LOAD,
            BindingAccess::ReadWrite => StorageAccess::LOAD | StorageAccess::STORE,
        },
    };
    let space = match variant.access() {
        Access::Declared => AddressSpace::Uniform,
        Access::AllReadWrite => storage(BindingAccess::ReadWrite),
    };
    let slots = variant.storage_bindings().iter().map(|&(slot, access)| (format!("{slot}_slot"), storage(access)));
    let expected: Vec<(String, AddressSpace)> = slots.chain([("params".to_owned(), space)]).collect();
    ensure!(variant.params_binding() as usize + 1 == expected.len(), "parameters are not the last binding");
    ensure!(found.keys().copied().eq(0..expected.len() as u32), "bindings {:?}", found.keys());
    for (global, (name, space)) in found.values().zip(&expected) {
        ensure!(global.name.as_ref() == Some(name) && global.space == *space, "{:?} in {:?}", global.name, global.space);
    }
    for (&number, global) in found.iter().take(expected.len() - 1) {
        let TypeInner::Array { base, size: ArraySize::Dynamic, stride } = module.types[global.ty].inner else {
            return Err(format!("{:?} is no runtime-sized array", global.name));
        };
        let inside = variant.operands().find(|&operand| variant.binding_of(operand) == Some(number));
        let (slot, _) = variant.storage_bindings()[number as usize];
        // Two elements of 16 bits are at least a word.
        let single = matches!(slot, Slot::CuSeqlens | Slot::Resets) || inside.is_some_and(|operand| variant.splats(operand));
        let vector = if single { 1 } else { inside.map_or(variant.vector_width(), |operand| variant.lanes_of(operand)) };
        let halves = if variant.pairs() && variant.element_of(slot).bytes() == 4 { 2 } else { 1 };
        let bytes = vector * variant.element_of(slot).bytes() as u32 / halves;
        ensure!(stride == bytes.max(4), "{:?} has elements of {stride} bytes", global.name);
        // Loads of `f32` may lose what a NaN carries.
        let scalar = module.types[base].inner.scalar();
        ensure!(scalar == Some(naga::Scalar::U32), "{:?} has elements of {scalar:?}", global.name);
    }
    Ok(())
}

/// Name, offset and type of the members of a struct, and its length.
fn members(module: &Module, name: &str) -> Result<(Vec<(String, usize)>, usize), String> {
    let named = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name));
    let Some((_, naga::Type { inner: TypeInner::Struct { members, span }, .. })) = named else {
        return Err(format!("no struct {name}"));
    };
    let member = |member: &naga::StructMember| (member.name.clone().unwrap_or_default(), member.offset as usize);
    Ok((members.iter().map(member).collect(), *span as usize))
}

fn params(variant: &Variant, module: &Module) -> Result<(), String> {
    macro_rules! twin {
        ($struct:ident: $($field:ident),+) => {
            vec![$((stringify!($field).to_owned(), offset_of!($struct, $field))),+]
        };
    }
    let views = variant.operands().count();
    let (view, span) = members(module, "View")?;
    ensure!(view == twin!(ViewParams: offset, batch, time, channel), "View: {view:?}");
    ensure!(span == size_of::<ViewParams>(), "View has {span} bytes");
    let (header, span) = members(module, "Params")?;
    let expected = twin!(Params: batch, steps, channels, nodes, grid_width, tile_steps, time_origin, time_total, bands, rows, items, epsilon, surrogates, limit, beyond, padding, views);
    ensure!(header == expected, "Params: {header:?}");
    ensure!(span == offset_of!(Params, views) + views * size_of::<ViewParams>(), "Params has {span} bytes, {views} views");
    ensure!(span == Params::bytes(views), "Params has {span} bytes, the host says {}", Params::bytes(views));
    ensure!(span <= size_of::<Params>() && views <= Params::MAX_VIEWS, "more than the host binds");
    // The views, and the walks of a band.
    let array_of = |element: &str| {
        let types = || module.types.iter().map(|(_, ty)| ty);
        let arrays = types().filter_map(|ty| match ty.inner {
            TypeInner::Array { base, size: ArraySize::Constant(count), stride } => Some((base, count.get(), stride)),
            _ => None,
        });
        let of_element = arrays.filter(|&(base, ..)| module.types[base].name.as_deref() == Some(element));
        of_element.map(|(_, count, stride)| (count as usize, stride as usize)).collect::<Vec<_>>()
    };
    ensure!(array_of("View") == [(views, size_of::<ViewParams>())], "{:?} views", array_of("View"));
    let walks: Vec<usize> = array_of("Walk").into_iter().map(|(count, _)| count).collect();
    let scales = variant.wgsl().contains("const SCALES: bool = true");
    let walked = match variant.stage() {
        Stage::Serial | Stage::Adjoint | Stage::TileProbe | Stage::TileReduce => true,
        Stage::AdjointReduce => !scales,
        _ => false,
    };
    ensure!(walks == if walked { vec![variant.band() as usize] } else { vec![] }, "{walks:?} walks");
    ensure!(walked || variant.band() == 1, "a band of {}", variant.band());
    Ok(())
}

fn blocks(module: &Module) -> impl Iterator<Item = &Block> {
    let functions = module.functions.iter().map(|(_, function)| &function.body);
    functions.chain(module.entry_points.iter().map(|main| &main.function.body))
}

/// Statements of a block and of all blocks in it, each with the number of loops around it.
fn statements<'a>(block: &'a Block, depth: usize, visit: &mut dyn FnMut(&'a Statement, usize)) {
    for statement in block.iter() {
        visit(statement, depth);
        match statement {
            Statement::Block(block) => statements(block, depth, visit),
            Statement::If { accept, reject, .. } => {
                statements(accept, depth, visit);
                statements(reject, depth, visit);
            }
            Statement::Switch { cases, .. } => cases.iter().for_each(|case| statements(&case.body, depth, visit)),
            Statement::Loop { body, continuing, .. } => {
                statements(body, depth + 1, visit);
                statements(continuing, depth + 1, visit);
            }
            _ => {}
        }
    }
}

/// No stage needs more than invocations of their own. Whoever adds a barrier, an atomic or workgroup memory needs a test of the
/// barriers beside `tests/gpu/order.rs`, which holds only what has none.
fn nothing_else(module: &Module) -> Result<(), String> {
    ensure!(module.overrides.is_empty(), "an override");
    ensure!(module.global_variables.iter().all(|(_, global)| global.space != AddressSpace::WorkGroup), "workgroup memory");
    let atomic = module.types.iter().any(|(_, ty)| matches!(ty.inner, TypeInner::Atomic(_)));
    ensure!(!atomic, "an atomic");
    let mut other = None;
    for block in blocks(module) {
        statements(block, 0, &mut |statement, _| {
            use Statement::*;
            let plain = matches!(
                statement,
                Emit(_)
                    | Block(_)
                    | If { .. }
                    | Switch { .. }
                    | Loop { .. }
                    | Break
                    | Continue
                    | Return { .. }
                    | Store { .. }
                    | Call { .. }
            );
            if !plain {
                other = Some(format!("{statement:?}"));
            }
        });
    }
    ensure!(other.is_none(), "{other:?}");
    Ok(())
}

/// Whether a stage calculates with floats: forward only those of units whose states are sums.
fn calculates(variant: &Variant) -> bool {
    let name = variant.stage().name();
    let forward = ["serial", "tile_probe", "tile_reduce", "tree_reduce", "tree_scan", "tile_apply", "first_set", "unpack"];
    let adds = ["fn state_of_count(", "sum: Floats"].iter().any(|sum| variant.wgsl().contains(sum));
    let copies = forward.iter().chain(&["carry_reduce", "carry_scan"]).any(|stage| *stage == name);
    adds || !(copies || name.starts_with("health_"))
}

/// Words that no host has to know; forward, none that lets a driver touch a float.
fn portable(variant: &Variant, text: &str) -> Result<(), String> {
    let code: Vec<&str> = text.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code)).collect();
    let code = code.join("\n");
    let words: BTreeSet<&str> = code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    for word in words {
        let reserved = ["override", "enable", "requires", "diagnostic", "arrayLength", "workgroup", "f16"];
        let prefixes = ["atomic", "subgroup", "workgroupBarrier", "storageBarrier"];
        let allowed = !reserved.contains(&word) && !prefixes.iter().any(|prefix| word.starts_with(prefix));
        ensure!(allowed, "{word} in the text");
        // The parameters of the surrogates are floats in every text.
        let float = matches!(word, "bitcast" | "Floats") || word.contains("pack2x") || word.contains("pack4x");
        // In this order: who calculates is read off the text, which would be assembled for every word.
        ensure!(!float || calculates(variant), "{word} in a text without arithmetic");
    }
    Ok(())
}

/// How deep each loop of a module lies, in the order of the text.
fn loops(module: &Module) -> Vec<usize> {
    let mut depths = Vec::new();
    for block in blocks(module) {
        statements(block, 0, &mut |statement, depth| {
            if matches!(statement, Statement::Loop { .. }) {
                depths.push(depth);
            }
        });
    }
    depths
}

/// The loops that `Dispatch::iterations` counts: a new one must be counted too.
fn counted_loops(variant: &Variant) -> &'static [usize] {
    match variant.stage() {
        // In a function of its own, the vectors of packed sequences without steps; tiles before this one, where there is a look back;
        // words, and the steps of a word, several at once or one by one; in another function, the rows.
        Stage::Serial if variant.wgsl().contains("fn before_tile(") => &[0, 0, 0, 1, 1, 0],
        Stage::Serial => &[0, 0, 1, 1, 0],
        // Words, and the steps of a word, several at once or one by one.
        Stage::TileReduce => &[0, 1, 1],
        // Tiles before this one; the steps of a word in a function of their own, three times for three kinds of words; words.
        Stage::TileApply => &[0, 0, 0, 0, 0],
        Stage::Unpack => &[0, 0, 0, 0],
        // Words where they tell something, and steps, several at once or one by one; of sums steps alone.
        Stage::TileProbe if variant.wgsl().contains("fn is_decided(") => &[0, 1, 1],
        Stage::TileProbe => &[0, 0],
        // Children.
        Stage::TreeReduce | Stage::CarryReduce | Stage::CarryScan => &[0],
        Stage::TreeScan => &[],
        // The tiles without a tree, or the bisection.
        Stage::FirstSet => &[0, 0],
        // Words for the first set step, then blocks and their steps, several at once or one by one.
        Stage::AdjointReduce if variant.wgsl().contains("fn passed(") => &[0, 1],
        Stage::AdjointReduce => &[0, 0, 1, 1],
        Stage::AdjointTreeReduce | Stage::AdjointTreeScan => &[0],
        // Functions of their own go over the steps of a word, several at once or one by one, over words, and over rows.
        Stage::Adjoint => &[0, 0, 0, 0],
        // Terms, several at once or one by one.
        Stage::SumReduce => &[0, 0],
        Stage::HandOver => &[],
        // Words.
        Stage::Pack => &[0],
        // In another function, the longest run of a word; then words, steps, or children.
        Stage::HealthReduce | Stage::HealthJoin => &[0, 0],
        Stage::HealthClassify => &[0, 0, 1],
        Stage::HealthSum => &[0],
        // Lanes, reset bits, the search of a sequence, steps.
        Stage::Borders => &[0, 0, 0, 0],
        stage => unreachable!("{stage} is new"),
    }
}

fn fails(variant: &Variant, text: &str, why: &str) {
    let error = compare(variant, text).expect_err(why);
    assert!(error.contains(why), "expected {why}, got {error}");
}

#[test]
fn host_and_text_agree_on_every_variant() {
    let agree = |variant: &Variant| {
        let text = variant.wgsl();
        let module = compare(variant, &text).unwrap_or_else(|error| panic!("{variant:?}\n{error}\n{text}"));
        assert_eq!(loops(&module), counted_loops(variant), "{}", variant.stage());
    };
    let variants: Vec<&Variant> = VARIANTS.iter().collect();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for part in variants.chunks(variants.len().div_ceil(cores)) {
            scope.spawn(move || part.iter().for_each(|variant| agree(variant)));
        }
    });
    let mut met: BTreeMap<Stage, usize> = BTreeMap::new();
    for variant in variants {
        *met.entry(variant.stage()).or_default() += 1;
    }
    println!("{} variants: {met:?}", VARIANTS.len());
    assert!(Stage::ALL.iter().all(|stage| met.contains_key(stage)), "{met:?}");
    let folds: BTreeSet<u32> = VARIANTS.iter().map(Variant::fold).collect();
    assert_eq!(folds, BTreeSet::from([1, 2, 4]), "steps of a vector");
    let rows: BTreeSet<[u32; 2]> = VARIANTS.iter().map(|variant| [variant.vector_rows(), variant.fold()]).collect();
    assert!([[2, 1], [2, 2], [4, 1]].iter().all(|some| rows.contains(some)), "batch rows of a vector, and steps: {rows:?}");
    assert!(VARIANTS.len() > 1000, "{} variants", VARIANTS.len());
}

/// What takes a detour through scratch lies there beside gradients of several steps a vector.
#[test]
fn a_detour_beside_folded_gradients() {
    let thresholds = View { slot: Slot::Threshold, offset: 0, strides: Strides { batch: 0, time: 1, channel: 1 } };
    let descriptor = Descriptor::bmru(Shape { batch: 2, time: 8, channels: 1 })
        .element(Element::F16)
        .initial_state(InitialState::Given)
        .threshold_view(thresholds)
        .gradient(Operand::AmplitudeGradient, Gradient::Omit)
        .save(Save::Codes);
    for strategy in [Strategy::Serial, Strategy::Tiles] {
        let tuning = Tuning { min_steps: 1, ..Tuning::software().with_strategy(strategy) };
        let plan = descriptor.backward(&Limits::default(), &tuning).expect("it fits");
        let adjoint = plan.variants().iter().find(|variant| variant.stage() == Stage::Adjoint).expect("there is a walk");
        compare(adjoint, &adjoint.wgsl()).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Kernels are found by their variant: two of them with one text would be compiled twice, one with two would be wrong.
#[test]
fn variants_with_one_text_differ_in_nothing() {
    let mut texts: BTreeMap<String, Vec<&Variant>> = BTreeMap::new();
    for variant in VARIANTS.iter() {
        texts.entry(variant.wgsl()).or_default().push(variant);
    }
    let twice: Vec<_> = texts.values().filter(|variants| variants.len() > 1).collect();
    assert!(twice.is_empty(), "{} texts of {}: {:?}", twice.len(), texts.len(), twice.first());
}

#[test]
fn mistakes_in_a_text_are_seen() {
    let plan = Descriptor::bmru(Shape { batch: 2, time: 40, channels: 4 })
        .save(Save::Codes)
        .forward(&Limits::default(), &Tuning::software().with_strategy(Strategy::Serial))
        .expect("it fits");
    let variant = &plan.variants()[0];
    let text = variant.wgsl();
    compare(variant, &text).expect("nothing is wrong yet");
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} is gone");
        text.replacen(from, to, 1)
    };
    fails(variant, &with("let sets", "let let"), "error");
    fails(variant, &with("= resolve(last_state(state.bits),", "= resolve(1.5,"), "error");
    fails(variant, &with("return (group.y", "return f32(group.y"), "error");
    fails(variant, &with("batch: u32,\n    steps: u32,", "steps: u32,\n    batch: u32,"), "Params");
    fails(variant, &with("grid_width: u32,", "grid_width: vec2<u32>,"), "error");
    fails(variant, &with("offset: u32,\n    batch: u32,", "batch: u32,\n    offset: u32,"), "View");
    fails(variant, &with("array<View, VIEWS>", "array<View, VIEWS + 1>"), "Params");
    fails(variant, &with("var<uniform> params", "var<storage, read> params"), "params");
    fails(variant, &with("var<storage, read> candidate", "var<storage, read_write> candidate"), "candidate");
    fails(variant, &with("@binding(0)", "@binding(9)"), "bindings");
    fails(variant, &with("@group(0)", "@group(1)"), "group 1");
    fails(
        variant,
        &with(
            "vec4<u32>;\nalias Signed = vec4<i32>;\nalias Mask = vec4",
            "vec2<u32>;\nalias Signed = vec2<i32>;\nalias Mask = vec2",
        ),
        "8 bytes",
    );
    fails(variant, &with("@workgroup_size(WORKGROUP_SIZE)", "@workgroup_size(32)"), "workgroups of");
    fails(variant, &with("fn main(", "fn start("), "entry point start");
    fails(variant, &with("return candidate_slot[at];", "return Vector(0u);"), "not used");
    fails(variant, &with("scan_rows(node);", "workgroupBarrier();\n    scan_rows(node);"), "Barrier");
    fails(variant, &format!("{text}\nvar<workgroup> shared_word: u32;"), "without a binding");
    fails(variant, &format!("{text}\nstruct Shared {{ word: atomic<u32> }}"), "atomic");
    fails(variant, &format!("{text}\nfn other() {{ storageBarrier(); }}"), "Barrier");
    fails(variant, &with("const SAVES: bool", "override SAVES: bool"), "override");
    fails(
        variant,
        &with("    var step = at.tile.index * params.tile_steps;", "    var step = arrayLength(&states_slot) * 0u;"),
        "arrayLength",
    );
    fails(variant, &with("    var step = at.tile.index * params.tile_steps;", "    var step = bitcast<u32>(0.0f);"), "bitcast");

    let looped = with(
        "    var step = at.tile.index * params.tile_steps;",
        "    var step = at.tile.index * params.tile_steps;\n    while step > 9u { step++; }",
    );
    let module = compare(variant, &looped).expect("a loop is no mistake of the text");
    assert_ne!(loops(&module), counted_loops(variant), "a new loop");
}
