//! What a buffer of words holds, element by element.

use bmru::Element;

/// What a buffer holds before a run wherever nothing was uploaded: as a float, as an index and as a code it is nonsense.
pub(crate) const POISON: u32 = 0xdead_beef;

/// The bits of each element of a buffer.
pub(crate) fn elements(element: Element, words: &[u32]) -> Vec<u32> {
    match element {
        Element::F32 => words.to_vec(),
        Element::F16 | Element::Bf16 => words.iter().flat_map(|&word| [word & 0xffff, word >> 16]).collect(),
    }
}

/// The bits of an element that nothing was written to.
pub(crate) fn poison(element: Element, at: usize) -> u32 {
    match element {
        Element::F32 => POISON,
        Element::F16 | Element::Bf16 => POISON >> (16 * (at % 2)) & 0xffff,
    }
}

/// Puts an element into a buffer.
pub(crate) fn put(element: Element, words: &mut [u32], at: usize, number: f32) {
    match element {
        Element::F32 => words[at] = number.to_bits(),
        Element::F16 | Element::Bf16 => {
            let places = 16 * (at % 2);
            words[at / 2] = words[at / 2] & !(0xffff << places) | element.encode(number) << places;
        }
    }
}
