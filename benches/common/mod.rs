//! What benches share: groups of rows, a device with a clock, the library on it, and the ceilings beside that.

pub mod ceiling;
pub mod device;
pub mod group;
pub mod library;
