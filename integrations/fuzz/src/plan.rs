//! Plan and bind what any bytes say.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{LazyLock, Mutex, PoisonError};

use arbitrary::Unstructured;
use bmru::{Error, Operand, Plan, Slot, Tuning, Variant};

use crate::arguments::Arguments;
use crate::binding::{Bench, Ranges};
use crate::checks::{check, check_inside, planned};
use crate::reach::{Launched, Places};

/// What became of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Plans that were made; the others were refused with a typed error.
    pub plans: u64,
    /// Dispatches whose intervals were checked.
    pub dispatches: u64,
    /// Plans that were bound and recorded.
    pub bound: u64,
    /// Plans whose buffers were refused, as they had to be.
    pub refused: u64,
}

impl std::ops::AddAssign for Met {
    fn add_assign(&mut self, other: Self) {
        self.plans += other.plans;
        self.dispatches += other.dispatches;
        self.bound += other.bound;
        self.refused += other.refused;
    }
}

/// Dispatches up to which each is looked at: a tamed plan has fewer but where rows are cut for another reason.
const DISPATCHES: usize = 5000;
/// Elements up to which each is followed now and then.
const FOLLOWED: u64 = 400;
/// Variants whose text is not read again.
const KNOWN: usize = 10_000;

/// Never dropped: where a thread ends, wgpu's own locals may be gone already.
static BENCH: LazyLock<Mutex<Bench>> = LazyLock::new(|| Mutex::new(Bench::new()));

thread_local! {
    static PLACES: RefCell<HashMap<Variant, Rc<Places>>> = RefCell::new(HashMap::new());
}

/// Plans, checks and binds.
///
/// # Errors
/// What must never be, in words. A panic is a finding, too.
pub fn run(bytes: &[u8]) -> Result<Met, String> {
    // What takes long is done now and then, which must not be a choice that a fuzzer can make.
    let chance = fingerprint(bytes);
    let mut source = Unstructured::new(bytes);
    let drawn = Arguments::draw(&mut source).map_err(|error| format!("bytes that are missing are 0: {error}"))?;
    let arguments = if chance.is_multiple_of(4096) { drawn } else { drawn.tamed() };
    let Arguments { descriptor, direction, limits, tuning } = &arguments;
    if chance.is_multiple_of(8) {
        look(&arguments);
    }
    let plan = match planned(descriptor, *direction, limits, tuning) {
        Ok(plan) => plan,
        Err(error) => {
            let _ = error.to_string();
            return Ok(Met::default());
        }
    };
    let _ = (plan.traffic(), plan.iterations(), plan.depth());
    let mut met = Met { plans: 1, ..Met::default() };
    if plan.dispatches().len() <= DISPATCHES {
        met.dispatches = plan.dispatches().len() as u64;
        inside(&plan, tuning, chance).map_err(|error| format!("{error}\n{arguments:?}"))?;
    }
    let bound = bind(&plan, &mut source, chance).map_err(|error| format!("{error}\n{arguments:?}"))?;
    met += bound;
    Ok(met)
}

/// FNV-1a.
fn fingerprint(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash ^ hash >> 32
}

/// What tells of a descriptor must not panic, whatever it is.
fn look(arguments: &Arguments) {
    let descriptor = &arguments.descriptor;
    for &slot in Slot::ALL {
        let _ = (descriptor.slot_elements(slot), descriptor.slot_bytes(slot));
    }
    for &operand in Operand::ALL {
        let _ = (descriptor.view(operand), descriptor.gradient_of(operand));
    }
    let layout = descriptor.saved_layout();
    let _ =
        (layout.bytes(), layout.codes(), layout.first_set(), layout.initial_state(), layout.amplitude(), layout.fingerprint());
}

fn places(plan: &Plan) -> Vec<Rc<Places>> {
    PLACES.with_borrow_mut(|known| {
        if known.len() > KNOWN {
            known.clear();
        }
        let mut place = |variant: &Variant| known.entry(variant.clone()).or_insert_with(|| Rc::new(Places::of(variant))).clone();
        plan.variants().iter().map(&mut place).collect()
    })
}

/// Every dispatch stays inside its bindings, and those inside their slots.
fn inside(plan: &Plan, tuning: &Tuning, chance: u64) -> Result<(), String> {
    let shape = plan.descriptor().shape();
    let small =
        [shape.batch, shape.time, shape.channels].into_iter().fold(1, |product: u64, axis| product.saturating_mul(axis.max(1)));
    if small <= FOLLOWED && chance.is_multiple_of(16) {
        let _ = plan.to_string();
        check(plan, tuning)?;
    }
    let places = places(plan);
    check_inside(plan, tuning, &places)?;
    for (number, dispatch) in plan.dispatches().iter().enumerate() {
        let (variant, places) = (&plan.variants()[dispatch.variant()], &places[dispatch.variant()]);
        let launched = Launched { plan, dispatch, variant, places };
        spans(&launched).map_err(|error| format!("dispatch {number} ({}): {error}", variant.stage()))?;
    }
    Ok(())
}

/// The least and the largest byte of every operand, in numbers that cannot wrap: what a shader counts modulo 2^32 must be the same.
fn spans(launched: &Launched<'_>) -> Result<(), String> {
    for operand in launched.places.operands() {
        let [batch, time, channels] = launched.bounds(operand);
        if [batch, time, channels].contains(&0) {
            continue;
        }
        let place = launched.places.get(operand).expect("it is there");
        let (view, binding) = (launched.params().views[place.view], launched.dispatch.bindings()[place.binding]);
        let [rows, fold] = [launched.variant.rows_of(operand), launched.variant.fold_of(operand)].map(u64::from);
        // Only time can lead down.
        let reaches = [
            (batch.div_ceil(rows), i128::from(view.batch)),
            (time.div_ceil(fold), i128::from(view.time as i32)),
            (channels, i128::from(view.channel)),
        ];
        let (mut least, mut most) = (i128::from(view.offset), i128::from(view.offset));
        for (count, stride) in reaches {
            let reach = i128::from(count - 1) * stride;
            (least, most) = (least + reach.min(0), most + reach.max(0));
        }
        let halves = if launched.halved(operand) { 2 } else { 1 };
        let bytes = i128::from(launched.bytes(operand) * launched.width_of(operand) * rows * fold) / halves;
        if least < 0 || (most + halves) * bytes > i128::from(binding.size) {
            return Err(format!("{operand} reaches from byte {} to {} of {binding:?}", least * bytes, (most + halves) * bytes));
        }
    }
    Ok(())
}

/// Binding accepts exactly what it must.
fn bind(plan: &Plan, source: &mut Unstructured<'_>, chance: u64) -> Result<Met, String> {
    let mut bench = BENCH.lock().unwrap_or_else(PoisonError::into_inner);
    let alignment = u64::from(bench.limits.min_storage_buffer_offset_alignment);
    let ranges = Ranges::draw(source, plan, alignment).map_err(|error| error.to_string())?;
    let expected = ranges.complaints(plan, &bench.limits);
    if expected.is_empty() && !(chance.is_multiple_of(32) && plan.dispatches().len() <= 64) {
        return Ok(Met::default());
    }
    match bench.bind(plan, &ranges) {
        Ok(()) if expected.is_empty() => Ok(Met { bound: 1, ..Met::default() }),
        Ok(()) => Err(format!("bound, expected {expected:?}: {ranges:?}")),
        Err(error) if expected.contains(name(&error).as_str()) => Ok(Met { refused: 1, ..Met::default() }),
        Err(error) => Err(format!("{error}, expected {expected:?}: {ranges:?}")),
    }
}

fn name(error: &Error) -> String {
    format!("{error:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// What many inputs were, for people to look at.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Inputs.
    pub runs: u64,
    /// What became of them.
    pub met: Met,
}

impl Summary {
    /// Runs one more.
    ///
    /// # Errors
    /// As [`run`].
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), String> {
        let met = run(bytes)?;
        self.runs += 1;
        self.met += met;
        Ok(())
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { runs, met: Met { plans, dispatches, bound, refused } } = self;
        write!(f, "{runs} inputs, {plans} plans, {dispatches} dispatches, {bound} bound, {refused} refused by binding")
    }
}
