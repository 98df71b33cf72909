//! Summaries as bytes: what another process, host or version reads.

use super::{Kind, Summary, SummaryOf};
use crate::carry::Carry;
use crate::{Element, Error, Unit};

const MAGIC: [u8; 4] = *b"BMRS";
/// Magic, version, and the numbers of a kind.
const HEAD: usize = 4 + 4 + 8 * 7;

/// What has a number of its own in bytes: fixed here, wherever it stands among its like.
trait Numbered: Copy + PartialEq + 'static {
    const NAME: &'static str;
    const ALL: &'static [Self];

    fn number(self) -> u64;

    fn of_number(number: u64) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|known| known.number() == number);
        known.copied().ok_or_else(|| format!("of {} number {number}, which stands for nothing", Self::NAME))
    }
}

impl Numbered for SummaryOf {
    const NAME: &'static str = "direction";
    const ALL: &'static [Self] = &[Self::States, Self::Gradient];

    fn number(self) -> u64 {
        match self {
            Self::States => 0,
            Self::Gradient => 1,
        }
    }
}

impl Numbered for Unit {
    const NAME: &'static str = "unit";
    const ALL: &'static [Self] = &[Self::Bistable, Self::FirstQuadrant, Self::Cumulative, Self::Relaxed, Self::ForwardFill];

    fn number(self) -> u64 {
        match self {
            Self::Bistable => 0,
            Self::FirstQuadrant => 1,
            Self::Cumulative => 2,
            Self::Relaxed => 3,
            Self::ForwardFill => 4,
        }
    }
}

impl Numbered for Carry {
    const NAME: &'static str = "carry";
    const ALL: &'static [Self] = &[Self::Codes, Self::Fill, Self::Age, Self::Count, Self::Decay, Self::Sum];

    fn number(self) -> u64 {
        match self {
            Self::Codes => 0,
            Self::Fill => 1,
            Self::Age => 2,
            Self::Count => 3,
            Self::Decay => 4,
            Self::Sum => 5,
        }
    }
}

impl Numbered for Element {
    const NAME: &'static str = "element";
    const ALL: &'static [Self] = &Element::ALL;

    fn number(self) -> u64 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Bf16 => 2,
        }
    }
}

impl Kind {
    /// As numbers.
    fn numbers(&self) -> [u64; 7] {
        let Self { of, unit, carry, element, epsilon, batch, channels } = *self;
        [of.number(), unit.number(), carry.number(), element.number(), epsilon.into(), batch, channels]
    }

    /// Of the bytes before the words, or what they are instead.
    fn of_head(head: &[u8]) -> Result<Self, String> {
        let (magic, rest) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(format!("bytes that begin with {magic:02x?}"));
        }
        let (version, numbers) = rest.split_at(4);
        if version != Summary::VERSION.to_le_bytes() {
            return Err(format!("of version {:02x?}", version));
        }
        let number = |place: usize| numbers[8 * place..].iter().take(8).rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        Ok(Self {
            of: Numbered::of_number(number(0))?,
            unit: Numbered::of_number(number(1))?,
            carry: Numbered::of_number(number(2))?,
            element: Numbered::of_number(number(3))?,
            epsilon: u32::try_from(number(4)).map_err(|_| format!("of ε of {:#x}, not 32 bits", number(4)))?,
            batch: number(5),
            channels: number(6),
        })
    }

    /// Bits that a channel takes: two where no word says more.
    fn bits(&self) -> usize {
        if self.of == SummaryOf::States && self.carry == Carry::Codes { 2 } else { 32 }
    }

    pub(super) fn to_bytes(&self, words: &[u32]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(Summary::VERSION.to_le_bytes());
        bytes.extend(self.numbers().into_iter().flat_map(u64::to_le_bytes));
        if self.bits() == 2 {
            bytes.extend(words.chunks(4).map(|four| four.iter().rev().fold(0, |byte, code| byte << 2 | (code & 3) as u8)));
        } else {
            bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
        bytes
    }

    /// The words in bytes of this kind.
    pub(super) fn of_bytes(&self, bytes: &[u8]) -> Result<Vec<u32>, Error> {
        let mismatch = |actual| Error::SummaryMismatch { expected: self.to_string(), actual };
        let Some((head, body)) = bytes.split_at_checked(HEAD) else {
            return Err(mismatch(format!("{} bytes, too few for any", bytes.len())));
        };
        self.matches(&Self::of_head(head).map_err(mismatch)?)?;
        let expected = (self.bits() * self.length()).div_ceil(8);
        if body.len() != expected {
            return Err(mismatch(format!("{} bytes behind the first {HEAD}, and not {expected}", body.len())));
        }
        Ok(if self.bits() == 2 {
            (0..self.length()).map(|place| u32::from(body[place / 4] >> (2 * (place % 4)) & 3)).collect()
        } else {
            body.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect()
        })
    }
}
