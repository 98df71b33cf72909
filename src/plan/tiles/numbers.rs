//! The tree above tiles whose carry is a number: elements of a level become those of everything before it, in place.

use super::{FAN_OUT, Group};
use crate::plan::build::{Builder, Launch, Moved};
use crate::plan::split::{Axes, Boxed, Extent, Placed};
use crate::{Error, Operand, Stage};

impl Group {
    /// From what each tile does to what happens before it.
    pub(super) fn scan_elements(&self, builder: &mut Builder<'_>) -> Result<(), Error> {
        let levels = self.scratch.levels.len();
        // Nobody reads what the root does.
        for level in 0..levels.saturating_sub(1) {
            self.launch_level(builder, Stage::CarryReduce, level)?;
        }
        for level in (0..levels).rev() {
            self.launch_level(builder, Stage::CarryScan, level)?;
        }
        Ok(())
    }

    /// The up-sweep to the root, which is somebody's.
    pub(super) fn sum_elements(&self, builder: &mut Builder<'_>) -> Result<(), Error> {
        (0..self.scratch.levels.len()).try_for_each(|level| self.launch_level(builder, Stage::CarryReduce, level))
    }

    /// What the tree tells the tiles of a part: of numbers the elements of all tiles.
    pub(super) fn before_tiles(&self, builder: &Builder<'_>, origin: Extent, part: Extent) -> Result<Option<Boxed>, Error> {
        let ([batch, _, channel], [rows, _, channels]) = (origin, part);
        if self.tiles.looks_back {
            let aggregates = self.elements(0, Operand::Aggregates);
            return aggregates.boxed([batch, 0, channel], [rows, self.tile_count(), channels]).map(Some);
        }
        if !builder.descriptor.carry().is_number() {
            return self.parent(0, origin, part);
        }
        let words = builder.descriptor.carry().words();
        let parent = self.elements(0, Operand::Parent);
        parent.boxed([batch, 0, channel], [rows, words * self.tile_count(), channels]).map(Some)
    }

    /// The elements of the tiles, or of a level above them.
    fn elements(&self, above_tiles: usize, operand: Operand) -> Placed {
        let placed = match above_tiles.checked_sub(1) {
            Some(level) => self.scratch.levels[level].aggregates,
            None => self.scratch.aggregates,
        };
        Placed { operand, axes: Axes::Element, ..placed }
    }

    fn launch_level(&self, builder: &mut Builder<'_>, stage: Stage, level: usize) -> Result<(), Error> {
        let [batch, _, channels] = self.extent;
        let words = builder.descriptor.carry().words();
        let nodes = self.scratch.levels[level].nodes;
        let children = if level == 0 { self.tile_count() } else { self.scratch.levels[level - 1].nodes };
        let up = stage == Stage::CarryReduce;
        let own = if up { Operand::Aggregates } else { Operand::Parent };
        let mut regions = vec![self.elements(level, Operand::Children).boxed([0; 3], [batch, words * children, channels])?];
        // Of a scan the root has no place above it.
        if nodes > 1 || up {
            regions.push(self.elements(level + 1, own).boxed([0; 3], [batch, words * nodes, channels])?);
        }
        let moved = words * batch * children * channels;
        let rows = words * batch * nodes * channels;
        let launch = Launch {
            stage,
            params: self.params(builder, batch, children, nodes),
            rows: batch * nodes,
            iterations: FAN_OUT,
            moved: vec![
                Moved { operand: Operand::Children, loads: moved, stores: if up { 0 } else { moved } },
                Moved::stores(Operand::Aggregates, rows),
                Moved::loads(Operand::Parent, rows),
            ],
        };
        builder.push(launch, channels, regions)
    }
}
