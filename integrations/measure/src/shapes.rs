//! What is measured: shapes made to show something, and shapes that people run.

use bmru::Shape;

const fn shape(batch: u64, time: u64, channels: u64) -> Shape {
    Shape { batch, time, channels }
}

/// From many channels to one, then an odd shape and a single step. All but the odd one are of 2^22 elements, or of twice as many.
pub const SYNTHETIC: [Shape; 8] = [
    shape(4, 4096, 256),
    shape(32, 1024, 128),
    shape(1, 4096, 2048),
    shape(1, 65_536, 64),
    shape(1, 4_194_304, 1),
    shape(64, 64, 1024),
    shape(3, 1000, 37),
    shape(4096, 1, 1024),
];

/// The ones whose backward pass is measured at other rates of sets, too.
pub const AT_ALL_RATES: &[Shape] = SYNTHETIC.split_at(4).0;

/// Shapes that people run.
pub const PEOPLE: [Shape; 14] = [
    // Digits, pixel by pixel.
    shape(64, 784, 64),
    // List operations.
    shape(64, 2000, 64),
    // Characters.
    shape(64, 512, 256),
    // Text, byte by byte.
    shape(64, 4096, 256),
    // Keyword spotting.
    shape(64, 101, 16),
    shape(64, 101, 32),
    shape(64, 101, 64),
    shape(64, 101, 128),
    shape(64, 101, 256),
    shape(64, 101, 512),
    // Decoding: one step of one sequence. What it costs is the launch.
    shape(1, 1, 64),
    shape(1, 1, 256),
    shape(1, 1, 1024),
    shape(1, 1, 4096),
];

/// A few small ones.
pub const QUICK: [Shape; 4] = [shape(2, 512, 64), shape(1, 4096, 8), shape(3, 1000, 37), shape(256, 1, 64)];

/// `BxTxD`
#[must_use]
pub fn name(shape: Shape) -> String {
    let Shape { batch, time, channels } = shape;
    format!("{batch}x{time}x{channels}")
}
