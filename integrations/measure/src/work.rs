//! Work that can be recorded again and again.

use std::cell::Cell;

use bmru::wgpu::CommandEncoder;

/// Records one run on one copy of the tensors.
pub type Run = Box<dyn Fn(&mut CommandEncoder)>;

/// The same run on every copy of the tensors, recorded round robin: by the time it comes back to a copy, the caches have seen
/// all the others.
pub struct Work {
    runs: Vec<Run>,
    next: Cell<usize>,
}

impl Work {
    /// A run for each copy.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn new(runs: Vec<Run>) -> Self {
        assert!(!runs.is_empty(), "there is a copy");
        Self { runs, next: Cell::new(0) }
    }

    /// How many copies there are.
    #[must_use]
    pub fn copies(&self) -> u64 {
        self.runs.len() as u64
    }

    /// Records a run on the copy whose turn it is.
    pub fn record(&self, encoder: &mut CommandEncoder) {
        let at = self.next.get();
        self.runs[at](encoder);
        self.next.set((at + 1) % self.runs.len());
    }
}
