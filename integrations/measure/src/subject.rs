//! What is measured: a unit of the library, and the type of its elements.

use std::fmt;
use std::str::FromStr;

use bmru::{Amplitude, Descriptor, Element, Layout, Sequences, Shape, Slot, Strides, Threshold, Unit, Validity, View};

/// A unit, with what makes its kernels others than those of its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measured {
    /// Two bits are carried.
    #[default]
    Bmru,
    /// The same on `[B, D, T]`.
    BmruTimeContiguous,
    /// Candidates, thresholds and states are the first halves of rows twice as wide.
    BmruStrided,
    /// Candidates and thresholds are the halves of rows twice as wide, and so are their gradients, as a fused projection leaves them.
    BmruSideBySide,
    /// A threshold for each step of a row, the same for all channels.
    BmruBroadcast,
    /// All rows are one, and sequences of any length are packed into it; bits are carried.
    BmruPacked,
    /// Rows are reset now and then; bits are carried.
    BmruResets,
    /// With amplitudes per element: bits are carried.
    BmruPerElement,
    /// With two thresholds; two bits are carried.
    FirstQuadrant,
    /// The same with amplitudes per element.
    FirstQuadrantPerElement,
    /// An integer is carried.
    Cumulative,
    /// A sum is carried: with amplitudes per element.
    CumulativePerElement,
    /// A factor and a sum are carried; `ε` is a half.
    Relaxed,
    /// The same with amplitudes per element.
    RelaxedPerElement,
    /// Bits are carried; what is NaN is no value.
    ForwardFill,
    /// The same by a mask.
    ForwardFillMask,
    /// With a limit: the steps since the last value are carried, too.
    ForwardFillLimit,
}

impl Measured {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Bmru,
        Self::BmruTimeContiguous,
        Self::BmruStrided,
        Self::BmruSideBySide,
        Self::BmruBroadcast,
        Self::BmruPacked,
        Self::BmruResets,
        Self::BmruPerElement,
        Self::FirstQuadrant,
        Self::FirstQuadrantPerElement,
        Self::Cumulative,
        Self::CumulativePerElement,
        Self::Relaxed,
        Self::RelaxedPerElement,
        Self::ForwardFill,
        Self::ForwardFillMask,
        Self::ForwardFillLimit,
    ];

    /// As in `bmru-per-element`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bmru => "bmru",
            Self::BmruTimeContiguous => "bmru-time-contiguous",
            Self::BmruStrided => "bmru-strided",
            Self::BmruSideBySide => "bmru-side-by-side",
            Self::BmruBroadcast => "bmru-broadcast",
            Self::BmruPacked => "bmru-packed",
            Self::BmruResets => "bmru-resets",
            Self::BmruPerElement => "bmru-per-element",
            Self::FirstQuadrant => "first-quadrant",
            Self::FirstQuadrantPerElement => "first-quadrant-per-element",
            Self::Cumulative => "cumulative",
            Self::CumulativePerElement => "cumulative-per-element",
            Self::Relaxed => "relaxed",
            Self::RelaxedPerElement => "relaxed-per-element",
            Self::ForwardFill => "forward-fill",
            Self::ForwardFillMask => "forward-fill-mask",
            Self::ForwardFillLimit => "forward-fill-limit",
        }
    }

    fn unit(self) -> Unit {
        match self {
            Self::Bmru | Self::BmruTimeContiguous | Self::BmruStrided | Self::BmruSideBySide => Unit::Bistable,
            Self::BmruPacked | Self::BmruBroadcast | Self::BmruResets | Self::BmruPerElement => Unit::Bistable,
            Self::FirstQuadrant | Self::FirstQuadrantPerElement => Unit::FirstQuadrant,
            Self::Cumulative | Self::CumulativePerElement => Unit::Cumulative,
            Self::Relaxed | Self::RelaxedPerElement => Unit::Relaxed,
            Self::ForwardFill | Self::ForwardFillMask | Self::ForwardFillLimit => Unit::ForwardFill,
        }
    }

    fn amplitude(self) -> Amplitude {
        match self {
            Self::BmruPerElement | Self::FirstQuadrantPerElement => Amplitude::PerElement,
            Self::CumulativePerElement | Self::RelaxedPerElement => Amplitude::PerElement,
            _ => Amplitude::PerChannel,
        }
    }
}

impl Measured {
    /// How its tensors lie, and what sequences there are in them.
    fn placed(self, descriptor: Descriptor) -> Descriptor {
        let Shape { batch, time, channels } = descriptor.shape();
        let half = |slot| {
            let row = 2 * channels;
            View { slot, offset: 0, strides: Strides { batch: time * row, time: row, channel: 1 } }
        };
        match self {
            Self::BmruTimeContiguous => descriptor.layout(Layout::BatchChannelTime),
            Self::BmruStrided => {
                let per_element = descriptor.threshold_kind() == Threshold::PerElement;
                let placed = descriptor.candidate_view(half(Slot::Candidate)).states_view(half(Slot::States));
                if per_element { placed.threshold_view(half(Slot::Threshold)) } else { placed }
            }
            Self::BmruSideBySide => descriptor.side_by_side(),
            Self::BmruBroadcast => {
                let strides = Strides { batch: time, time: 1, channel: 0 };
                descriptor.threshold_view(View { slot: Slot::Threshold, offset: 0, strides })
            }
            Self::BmruPacked => descriptor.sequences(Sequences::Packed { count: (batch * time).div_ceil(PACKED_STEPS) }),
            Self::BmruResets => descriptor.sequences(Sequences::Resets),
            _ => descriptor,
        }
    }

    /// The shape that it is given: what is packed lies in one row.
    fn shape(self, shape: Shape) -> Shape {
        let Shape { batch, time, .. } = shape;
        if self == Self::BmruPacked { Shape { batch: 1, time: batch * time, ..shape } } else { shape }
    }

    /// Whether some of its batch rows, again and again, are all of them.
    pub(crate) fn repeats(self) -> bool {
        !matches!(self, Self::BmruStrided | Self::BmruPacked)
    }
}

/// Steps of a packed sequence, on average.
const PACKED_STEPS: u64 = 256;

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Measured {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|unit| unit.name() == name).ok_or_else(|| format!("one of {}", names()))
    }
}

/// A unit and the type of its elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The unit.
    pub unit: Measured,
    /// The type of its elements.
    pub element: Element,
}

impl Subject {
    /// What the library computes of it.
    #[must_use]
    pub fn descriptor(self, shape: Shape, threshold: Threshold) -> Descriptor {
        const EPSILON: f32 = 0.5;
        const LIMIT: u32 = 16;
        let mask = if self.unit == Measured::ForwardFillMask { Validity::Mask } else { Validity::default() };
        let descriptor = Descriptor::new(self.unit.unit(), self.unit.shape(shape))
            .element(self.element)
            .threshold(threshold)
            .amplitude(self.unit.amplitude())
            .epsilon(if self.unit.unit() == Unit::Relaxed { EPSILON } else { 0.0 })
            .validity(mask);
        let descriptor = self.unit.placed(descriptor);
        if self.unit == Measured::ForwardFillLimit { descriptor.limit(LIMIT) } else { descriptor }
    }

    /// Whether it has a backward pass.
    #[must_use]
    pub fn has_gradients(self) -> bool {
        self.unit.unit() != Unit::ForwardFill
    }

    /// Whether it can have thresholds per channel: nothing that is filled forward has any, and side by side they are per element.
    #[must_use]
    pub fn has_thresholds_per_channel(self) -> bool {
        self.unit.unit() != Unit::ForwardFill && self.unit != Measured::BmruSideBySide
    }

    /// `f32`, `f16`, `bf16`
    #[must_use]
    pub fn element_name(self) -> &'static str {
        element_name(self.element)
    }
}

fn element_name(element: Element) -> &'static str {
    match element {
        Element::F32 => "f32",
        Element::F16 => "f16",
        Element::Bf16 => "bf16",
    }
}

/// The element of a name.
///
/// # Errors
/// The names that there are.
pub fn parse_element(name: &str) -> Result<Element, String> {
    let named = Element::ALL.into_iter().find(|&element| element_name(element) == name);
    named.ok_or_else(|| format!("one of {}", Element::ALL.map(element_name).join(", ")))
}

impl fmt::Display for Subject {
    /// `relaxed f16`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.unit, self.element_name()))
    }
}

#[cfg(test)]
mod tests {
    use bmru::Element;

    use super::{Measured, parse_element};

    #[test]
    fn names_are_read_again() {
        for unit in Measured::ALL {
            assert_eq!(unit.name().parse(), Ok(unit));
        }
        assert!("bistable".parse::<Measured>().unwrap_err().contains("first-quadrant-per-element"));
        assert_eq!(parse_element("bf16"), Ok(Element::Bf16));
        assert_eq!(parse_element("f64").unwrap_err(), "one of f32, f16, bf16");
    }
}
