//! The types of elements against the conversions of another crate, and against themselves.

use bmru::Element;

/// All patterns of 16 bits.
fn patterns() -> impl Iterator<Item = u32> {
    0..=0xffff
}

fn reference(element: Element, bits: u32) -> f32 {
    match element {
        Element::F16 => half::f16::from_bits(bits as u16).to_f32(),
        _ => half::bf16::from_bits(bits as u16).to_f32(),
    }
}

fn nearest(element: Element, number: f32) -> u32 {
    u32::from(match element {
        Element::F16 => half::f16::from_f32(number).to_bits(),
        _ => half::bf16::from_f32(number).to_bits(),
    })
}

#[test]
fn every_pattern_is_the_number_that_it_stands_for() {
    for element in [Element::F16, Element::Bf16] {
        for bits in patterns() {
            let (number, expected) = (element.decode(bits), reference(element, bits));
            let same = number.to_bits() == expected.to_bits() || (number.is_nan() && expected.is_nan());
            assert!(same, "{element:?} {bits:#06x} is {number:e}, expected {expected:e}");
            // NaN, too, with all that it carries.
            assert_eq!(element.encode(number), bits, "{element:?} {bits:#06x} there and back");
        }
    }
}

/// Every element, the middle between it and the next, and the f32 on both sides of both.
#[test]
fn numbers_are_rounded_to_the_nearest() {
    for element in [Element::F16, Element::Bf16] {
        for bits in patterns() {
            let number = element.decode(bits);
            if number.is_nan() {
                continue;
            }
            let next = element.decode(bits + 1);
            let middle = if next.is_finite() { ((f64::from(number) + f64::from(next)) / 2.0) as f32 } else { number };
            for number in [number, middle] {
                for number in [number.next_down(), number, number.next_up()] {
                    let (found, expected) = (element.encode(number), nearest(element, number));
                    assert_eq!(found, expected, "{element:?} of {number:e} ({:#010x})", number.to_bits());
                }
            }
        }
    }
}

#[test]
fn numbers_of_every_exponent_are_rounded_to_the_nearest() {
    let mut rng = fastrand::Rng::with_seed(5);
    for _ in 0..1_000_000 {
        let number = f32::from_bits(rng.u32(..));
        for element in [Element::F16, Element::Bf16].into_iter().filter(|_| !number.is_nan()) {
            assert_eq!(element.encode(number), nearest(element, number), "{element:?} of {number:e}");
        }
    }
}

/// What a NaN carries is cut, but never to nothing.
#[test]
fn a_nan_stays_one() {
    for (bits, half, brain) in [
        (0x7fc0_0000, 0x7e00, 0x7fc0),
        (0x7f80_0001, 0x7e00, 0x7fc0),
        (0xff80_0001, 0xfe00, 0xffc0),
        (0x7fa1_2345, 0x7d09, 0x7fa1),
        (0xffff_ffff, 0xffff, 0xffff),
    ] {
        let nan = f32::from_bits(bits);
        assert_eq!([Element::F16, Element::Bf16].map(|element| element.encode(nan)), [half, brain], "{bits:#010x}");
    }
}

#[test]
fn two_elements_share_a_word() {
    let numbers = [1.0, -2.0, 0.5];
    assert_eq!(Element::F16.to_words(&numbers), [0xc000_3c00, 0x0000_3800]);
    assert_eq!(Element::Bf16.to_words(&numbers), [0xc000_3f80, 0x0000_3f00]);
    assert_eq!(Element::F32.to_words(&numbers), numbers.map(f32::to_bits));
    assert_eq!(Element::F16.from_words(&[0xc000_3c00, 0x3800]), [1.0, -2.0, 0.5, 0.0]);
    assert_eq!(Element::F32.from_words(&numbers.map(f32::to_bits)), numbers);
}
