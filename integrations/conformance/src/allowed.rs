//! What states may be: bit for bit the oracle's where they are copies, and where they are sums as far from it as
//! `state_bound.rs` says, and, of elements of 16 bits, half a unit of the element further.
//!
//! A sum of nothing is a copy, too, but a signalling NaN may become quiet: shaders select the bits that they held, and compilers may
//! make `select(held, held + x, sets)` one addition, of −0 where nothing sets. By OpenGL llvmpipe does it, and not with `GALLIVM_PERF=nopt`.

use std::borrow::Cow;

use bmru::oracle::{self, Inputs};
use bmru::{Amplitude, Descriptor, Element, Error, Operand, Shape, TimeOrder, Unit};

use crate::bound::rounding;
use crate::state_bound::{at, state_bounds};
use crate::sum_bound::sets;

/// A descriptor of `f32` with the numbers that elements of 16 bits stand for: the oracle rounds none of its sums.
pub(crate) struct Wide<'a> {
    pub descriptor: Descriptor,
    candidate: Cow<'a, [f32]>,
    threshold: Cow<'a, [f32]>,
    amplitude: Cow<'a, [f32]>,
    initial_state: Cow<'a, [f32]>,
    given: Inputs<'a>,
}

impl<'a> Wide<'a> {
    pub fn new(descriptor: &Descriptor, inputs: &Inputs<'a>) -> Self {
        let element = descriptor.element_type();
        let rounded = |slice: &'a [f32]| match element {
            Element::F32 => Cow::Borrowed(slice),
            half => Cow::Owned(slice.iter().map(|&number| half.round(number)).collect()),
        };
        Self {
            descriptor: descriptor.clone().element(Element::F32),
            candidate: rounded(inputs.candidate),
            threshold: rounded(inputs.threshold),
            amplitude: rounded(inputs.amplitude),
            initial_state: rounded(inputs.initial_state),
            given: *inputs,
        }
    }

    pub fn inputs(&self) -> Inputs<'_> {
        let Self { candidate, threshold, amplitude, initial_state, .. } = self;
        Inputs { candidate, threshold, amplitude, initial_state, ..self.given }
    }
}

/// The numbers of a slot, and how far from each another may be: nothing where it is a copy, NaN where no bound holds.
pub struct Allowed {
    /// The type of the elements.
    pub element: Element,
    /// The numbers.
    pub wanted: Vec<f64>,
    /// How far from each.
    pub bounds: Vec<f64>,
}

impl Allowed {
    /// How far a sum lies off, as a share of its bound; `None` of what is a copy.
    pub(crate) fn share(&self, place: usize, bits: u32) -> Option<f64> {
        let (&wanted, &bound) = (self.wanted.get(place)?, self.bounds.get(place).filter(|&&bound| bound != 0.0)?);
        let share = (f64::from(self.element.decode(bits)) - wanted).abs() / bound;
        Some(match share {
            _ if !wanted.is_finite() && bound.is_nan() || bound == f64::INFINITY => 0.0,
            share if share.is_nan() => f64::INFINITY,
            share => share,
        })
    }
}

/// The bits of an element, but of a NaN those of the quiet one that carries the same.
#[must_use]
pub fn quiet(element: Element, bits: u32) -> u32 {
    const QUIET: u32 = 0x0040_0000;
    match element.decode(bits) {
        nan if nan.is_nan() => element.encode(f32::from_bits(nan.to_bits() | QUIET)),
        _ => bits,
    }
}

/// Whether states of this descriptor can be anything but copies.
pub(crate) fn are_sums(descriptor: &Descriptor) -> bool {
    matches!(descriptor.unit(), Unit::Cumulative | Unit::Relaxed)
}

/// Of states and final states, of plans no deeper than this. Where time is cut, sums of 16 bits are rounded once more, and handed on so.
///
/// # Errors
/// As [`oracle::forward`].
pub fn allowed(descriptor: &Descriptor, inputs: &Inputs<'_>, cuts: &[u64], depth: u64) -> Result<[Allowed; 2], Error> {
    let element = descriptor.element_type();
    let wide = Wide::new(descriptor, inputs);
    let [states, final_state] = state_bounds(&wide.descriptor, &wide.inputs(), depth)?;
    let outputs = oracle::forward(&wide.descriptor, &wide.inputs())?;
    let numbers = |floats: Vec<f32>| floats.into_iter().map(f64::from).collect();
    let mut allowed = [
        Allowed { element, wanted: numbers(outputs.states), bounds: states },
        Allowed { element, wanted: numbers(outputs.final_state), bounds: final_state },
    ];
    if element == Element::F32 || !are_sums(descriptor) {
        return Ok(allowed);
    }
    let handed = descriptor.unit() == Unit::Relaxed || descriptor.amplitude_kind() == Amplitude::PerElement;
    let mut of_rows = vec![0.0; allowed[1].bounds.len()];
    if handed && !cuts.is_empty() {
        of_rows = hand_over(&wide, &mut allowed[0], cuts);
    }
    for (allowed, extra) in allowed.iter_mut().zip([&[][..], &of_rows]) {
        for (place, bound) in allowed.bounds.iter_mut().enumerate() {
            let off = *bound + extra.get(place).copied().unwrap_or(0.0);
            if off != 0.0 {
                *bound = off + rounding(element, allowed.wanted[place].abs() + off);
            }
        }
    }
    Ok(allowed)
}

/// The same where states are sums; `None` where they are copies.
///
/// # Errors
/// As [`oracle::forward`].
pub(crate) fn allowed_sums(
    descriptor: &Descriptor,
    inputs: &Inputs<'_>,
    cuts: &[u64],
    depth: u64,
) -> Result<Option<[Allowed; 2]>, Error> {
    are_sums(descriptor).then(|| allowed(descriptor, inputs, cuts, depth)).transpose()
}

/// Adds to the bounds of states what the hand-overs before them have rounded; returns what is left of it at the end of each row.
fn hand_over(wide: &Wide<'_>, states: &mut Allowed, cuts: &[u64]) -> Vec<f64> {
    let (descriptor, inputs) = (&wide.descriptor, wide.inputs());
    let Shape { batch, time, channels } = descriptor.shape();
    let kept = if descriptor.unit() == Unit::Relaxed { descriptor.epsilon_value().into() } else { 1.0 };
    let view = descriptor.view(Operand::States).expect("every descriptor has states");
    let mut of_rows = Vec::new();
    for (b, d) in (0..batch).flat_map(|b| (0..channels).map(move |d| (b, d))) {
        let mut extra = 0.0;
        let mut before: Option<usize> = None;
        for step in 0..time {
            // A cut before the first step hands on what was given.
            if let (true, Some(before)) = (cuts.contains(&step), before) {
                let bound = states.bounds[before];
                // What nothing has set is handed on as it is.
                extra += if bound == 0.0 { 0.0 } else { rounding(states.element, states.wanted[before].abs() + bound) };
            }
            let t = if descriptor.order_of_time() == TimeOrder::Descending { time - 1 - step } else { step };
            if sets(descriptor, &inputs, [b, t, d]) {
                extra *= kept;
            }
            let place = at(view, b, t, d);
            states.bounds[place] += extra;
            before = Some(place);
        }
        of_rows.push(extra);
    }
    of_rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::Outcome;
    use bmru::Slot;

    /// A copy is held to its bits, but that a NaN may become quiet: with what it carries, and no quiet one a signalling one.
    #[test]
    fn a_nan_that_is_held_may_become_quiet() {
        let wrong_words = |element: Element, actual: u32, held: u32| {
            let allowed = Allowed { element, wanted: vec![f64::from(element.decode(held))], bounds: vec![0.0] };
            let mut outcome = Outcome::default();
            outcome.compare_sums(Slot::States, &[actual], &[held], &allowed);
            outcome.wrong_words
        };
        let of = [(Element::F32, 0xff80_0001, 0x0040_0000), (Element::F16, 0xfc01, 0x200), (Element::Bf16, 0xff81, 0x40)];
        for (element, signalling, quiet) in of {
            let infinity = signalling ^ 1;
            assert_eq!(wrong_words(element, signalling, signalling), 0, "{element:?}");
            assert_eq!(wrong_words(element, signalling | quiet, signalling), 0, "{element:?}");
            assert_eq!(wrong_words(element, infinity | quiet, signalling), 1, "{element:?}: without what it carries");
            assert_eq!(wrong_words(element, signalling, signalling | quiet), 1, "{element:?}: the other way");
            assert_eq!(wrong_words(element, infinity | quiet, infinity), 1, "{element:?}: no NaN");
        }
    }
}
