//! Types of elements.

/// The type of candidates, thresholds, states, and of what is as large as they are: initial and final states, and the gradients
/// of all of them, amplitudes per element among them. Amplitudes per channel are `f32`, and so are gradients that are summed over
/// batch and time.
///
/// Two elements of 16 bits lie in a word, the first in the lower half, as in an array of them. No device feature is needed:
/// shaders take them apart as integers. Forward they are compared and copied as they are; an `f32` amplitude is rounded once to the
/// nearest, ties to even. What is added, states that are sums and everything backward, is added in `f32` and rounded in the same way
/// when it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Element {
    /// 32 bits.
    #[default]
    F32,
    /// IEEE 754 binary16: 5 bits of exponent, 10 of fraction.
    F16,
    /// The upper half of an `f32`: 8 bits of exponent, 7 of fraction.
    Bf16,
}

impl Element {
    /// All types.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    /// Bytes of an element.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// The number that the bits of an element, its lowest ones in the lowest place, stand for: exact, and so is what a NaN
    /// carries.
    #[must_use]
    pub fn decode(self, bits: u32) -> f32 {
        let halves = |bits: u32| (bits & 0x8000) << 16 | (bits & 0x7fff) << 13;
        match self {
            Self::F32 => f32::from_bits(bits),
            Self::Bf16 => f32::from_bits(bits << 16),
            Self::F16 => {
                let (sign, magnitude) = (halves(bits) & 1 << 31, bits & 0x7fff);
                let rebiased = match magnitude {
                    // A number below the least normal one is a multiple of 2^-24. Dividing is exact; Rust does not promise that of `powi`.
                    0..0x400 => (magnitude as f32 / (1 << 24) as f32).to_bits(),
                    0x400..0x7c00 => (magnitude << 13) + (112 << 23),
                    _ => (magnitude << 13) + (224 << 23),
                };
                f32::from_bits(sign | rebiased)
            }
        }
    }

    /// The bits of the element that is nearest to a number, ties to even; beyond the largest one infinity. A NaN keeps the upper
    /// bits of what it carries.
    #[must_use]
    pub fn encode(self, number: f32) -> u32 {
        let bits = number.to_bits();
        let (sign, magnitude) = (bits >> 16 & 0x8000, bits & 0x7fff_ffff);
        match self {
            Self::F32 => bits,
            Self::Bf16 if number.is_nan() => {
                let upper = magnitude >> 16;
                sign | if upper == 0x7f80 { 0x7fc0 } else { upper }
            }
            Self::Bf16 => sign | round(magnitude, 16),
            Self::F16 if number.is_nan() => {
                let fraction = magnitude >> 13 & 0x3ff;
                sign | 0x7c00 | if fraction == 0 { 0x200 } else { fraction }
            }
            Self::F16 if magnitude >= 113 << 23 => sign | round(magnitude - (112 << 23), 13).min(0x7c00),
            Self::F16 => {
                // A fraction of 24 bits, in units of 2^-24. From 25 places on nothing is left.
                let places = (126 - (magnitude >> 23)).min(25);
                sign | round(magnitude & 0x7f_ffff | 1 << 23, places)
            }
        }
    }

    /// The element that is nearest to a number.
    #[must_use]
    pub fn round(self, number: f32) -> f32 {
        self.decode(self.encode(number))
    }

    /// The words of a buffer with these numbers. Behind an odd number of elements of 16 bits the last half is 0.
    #[must_use]
    pub fn to_words(self, numbers: &[f32]) -> Vec<u32> {
        let each = 4 / self.bytes() as usize;
        let word = |chunk: &[f32]| (0..).zip(chunk).fold(0, |word, (place, &x)| word | self.encode(x) << (16 * place));
        numbers.chunks(each).map(word).collect()
    }

    /// The numbers of a buffer of words.
    #[must_use]
    pub fn from_words(self, words: &[u32]) -> Vec<f32> {
        let halves = |&word: &u32| [word & 0xffff, word >> 16].map(|bits| self.decode(bits));
        match self {
            Self::F32 => words.iter().map(|&word| f32::from_bits(word)).collect(),
            Self::F16 | Self::Bf16 => words.iter().flat_map(halves).collect(),
        }
    }

    /// As a register of the forward pass holds it: an element of 16 bits in the upper half, so that signs lie where those of
    /// `f32` do, and magnitudes compare in the same way.
    #[must_use]
    pub fn pattern(self, number: f32) -> u32 {
        let places = if self == Self::F32 { 0 } else { 16 };
        self.encode(number) << places
    }

    /// The number that a pattern stands for.
    pub(crate) fn of_pattern(self, pattern: u32) -> f32 {
        self.decode(if self == Self::F32 { pattern } else { pattern >> 16 })
    }

    /// The pattern of infinity.
    pub(crate) fn infinity(self) -> u32 {
        self.pattern(f32::INFINITY)
    }

    /// The files of `shaders/` that round to it and, in stages that calculate, widen from it.
    pub(crate) fn parts(self, calculates: bool) -> &'static [&'static str] {
        const HALVES: &str = include_str!("../shaders/halves.wgsl");
        const F16: &str = include_str!("../shaders/f16.wgsl");
        const BF16: &str = include_str!("../shaders/bf16.wgsl");
        match (self, calculates) {
            (Self::F32, _) => &[],
            (Self::F16, false) => &[HALVES, F16],
            (Self::F16, true) => &[HALVES, F16, include_str!("../shaders/f16_number.wgsl")],
            (Self::Bf16, false) => &[HALVES, BF16],
            (Self::Bf16, true) => &[HALVES, BF16, include_str!("../shaders/bf16_number.wgsl")],
        }
    }
}

/// Drops so many low bits, to the nearest, ties to even.
fn round(bits: u32, places: u32) -> u32 {
    let kept = bits >> places;
    (bits + (1 << (places - 1)) - 1 + (kept & 1)) >> places
}
