//! The oracle's backward pass, and the yardsticks that hold the kernels to it.
//!
//! Chain of trust: hand-made tables ([`table`], [`nonfinite`], [`outputs`]) and automatic differentiation ([`tape`]) of the
//! unrolled recurrence ([`unrolled`], [`first_quadrant`]) hold the oracle; planted mistakes ([`planted`]) hold those checks. [`depth`] and
//! [`bound`] hold what a gradient in single precision is measured by, on twins of the kernels' order of additions
//! ([`canonical`]) and of their arithmetic ([`device`]).

mod bound;
mod canonical;
mod case;
mod depth;
mod device;
mod first_quadrant;
mod nonfinite;
mod numbers;
mod outputs;
mod planted;
mod random;
mod surrogates;
mod table;
mod tape;
mod unrolled;
