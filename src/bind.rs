//! Binding: the caller's buffers, checked on the host, become the bind groups of a plan.

use crate::kernels::{guarded, ready_or_later};
use crate::record::{Bound, BoundDispatch};
use crate::{Access, BindingAccess, Direction, Error, Kernels, Params, Plan, SavedLayout, Slot};

/// A range of a buffer, in bytes: the whole of it, or `(buffer, offset, size)`.
#[derive(Clone, Copy, Debug)]
pub struct BufferRange<'a> {
    buffer: &'a wgpu::Buffer,
    offset: u64,
    size: u64,
}

impl<'a> From<&'a wgpu::Buffer> for BufferRange<'a> {
    fn from(buffer: &'a wgpu::Buffer) -> Self {
        Self { buffer, offset: 0, size: buffer.size() }
    }
}

impl<'a> From<(&'a wgpu::Buffer, u64, u64)> for BufferRange<'a> {
    fn from((buffer, offset, size): (&'a wgpu::Buffer, u64, u64)) -> Self {
        Self { buffer, offset, size }
    }
}

/// The buffers for the slots of a plan.
///
/// Every buffer needs `STORAGE` usage; every offset is a multiple of the device's `min_storage_buffer_offset_alignment`.
/// A range may be longer than [`Plan::slot_bytes`]; what lies behind is not touched. Slots that are only read may share
/// ranges; a slot that is written may not overlap any other. [`Slot::Scratch`] may be given whether it is needed or not, and
/// so may the slot of a tensor that is empty.
///
/// WebGPU forbids that a dispatch binds a buffer both read-only and writable, wherever the ranges lie. Whoever keeps tensors in one large
/// buffer plans with [`Access::AllReadWrite`]; otherwise binding refuses that with [`Error::MixedAccess`].
#[derive(Clone, Debug, Default)]
pub struct Buffers<'a> {
    ranges: Vec<(Slot, BufferRange<'a>)>,
    saved_layout: Option<SavedLayout>,
}

impl<'a> Buffers<'a> {
    /// No buffers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Fills a slot; a second range for the same slot replaces the first.
    #[must_use]
    pub fn slot(mut self, slot: Slot, range: impl Into<BufferRange<'a>>) -> Self {
        self.ranges.retain(|&(filled, _)| filled != slot);
        self.ranges.push((slot, range.into()));
        self
    }

    /// Candidates, and thresholds where the descriptor places them side by side.
    #[must_use]
    pub fn candidate(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::Candidate, range)
    }

    /// Thresholds.
    #[must_use]
    pub fn threshold(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::Threshold, range)
    }

    /// Amplitudes.
    #[must_use]
    pub fn amplitude(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::Amplitude, range)
    }

    /// The state before the first step.
    #[must_use]
    pub fn initial_state(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::InitialState, range)
    }

    /// Which candidates of a forward fill are values.
    #[must_use]
    pub fn validity(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::Validity, range)
    }

    /// The count before the first step, of `i32`.
    #[must_use]
    pub fn initial_count(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::InitialCount, range)
    }

    /// Where packed sequences begin and end, of `u32`.
    #[must_use]
    pub fn cu_seqlens(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::CuSeqlens, range)
    }

    /// Before which steps the state becomes the initial one again, a bit each.
    #[must_use]
    pub fn resets(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::Resets, range)
    }

    /// The states after each step: written; read by a backward pass of units whose codes do not tell the state before a step
    /// ([`Descriptor::backward`](crate::Descriptor::backward)).
    #[must_use]
    pub fn states(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::States, range)
    }

    /// The state after the last step: written.
    #[must_use]
    pub fn final_state(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::FinalState, range)
    }

    /// A bit for the state after each step: written; read where they are unpacked.
    #[must_use]
    pub fn packed_states(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::PackedStates, range)
    }

    /// The first step that set, of packed states whose codes are not saved: written; read where they are unpacked.
    #[must_use]
    pub fn first_set(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::FirstSet, range)
    }

    /// The counts after each step, of `i32`: written.
    #[must_use]
    pub fn counts(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::Counts, range)
    }

    /// The count after the last step, of `i32`: written.
    #[must_use]
    pub fn final_count(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::FinalCount, range)
    }

    /// What the backward pass needs: written by the forward pass.
    #[must_use]
    pub fn saved(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::Saved, range)
    }

    /// What a forward pass saved, with the [layout](crate::Plan::saved_layout) of that pass. A backward pass insists on it, and so does health.
    #[must_use]
    pub fn saved_by(mut self, range: impl Into<BufferRange<'a>>, layout: SavedLayout) -> Self {
        self.saved_layout = Some(layout);
        self.slot(Slot::Saved, range)
    }

    /// Backward: the incoming gradient of the states.
    #[must_use]
    pub fn states_gradient(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::StatesGradient, range)
    }

    /// Backward: the incoming gradient of the final state.
    #[must_use]
    pub fn final_state_gradient(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::FinalStateGradient, range)
    }

    /// Backward: the gradient of the candidates, and of the thresholds where they lie beside them: written.
    #[must_use]
    pub fn candidate_gradient(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::CandidateGradient, range)
    }

    /// Backward: the gradient of the thresholds: written.
    #[must_use]
    pub fn threshold_gradient(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::ThresholdGradient, range)
    }

    /// Backward: the gradient of the amplitudes: written.
    #[must_use]
    pub fn amplitude_gradient(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::AmplitudeGradient, range)
    }

    /// Backward: the gradient of the initial state: written.
    #[must_use]
    pub fn initial_state_gradient(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::InitialStateGradient, range)
    }

    /// Working memory, of [`Plan::slot_bytes`] or more: undefined before and after. What runs one after the other may share it.
    #[must_use]
    pub fn scratch(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::Scratch, range)
    }

    /// Health: what each channel did: written.
    #[must_use]
    pub fn health(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::Health, range)
    }

    /// What a stretch of time does to the state: written.
    #[must_use]
    pub fn summary(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::Summary, range)
    }

    /// What it does to a gradient from behind: written.
    #[must_use]
    pub fn gradient_summary(self, range: impl Into<BufferRange<'a>>) -> Self {
        self.slot(Slot::GradientSummary, range)
    }

    fn get(&self, slot: Slot) -> Option<BufferRange<'a>> {
        self.ranges.iter().find(|&&(filled, _)| filled == slot).map(|&(_, range)| range)
    }
}

impl Kernels {
    /// Binds buffers to a plan. Checks everything on the host first; then makes one small parameter buffer, the bind groups,
    /// and those pipelines that no plan before needed.
    ///
    /// The result may be recorded any number of times.
    ///
    /// # Errors
    /// [`Error::LimitMismatch`] for a plan made for looser limits than the device's; a missing or surplus buffer; a range that is too
    /// short, out of bounds, misaligned, or without `STORAGE` usage; [`Error::OverlappingRanges`] and [`Error::MixedAccess`];
    /// [`Error::SavedMismatch`] where what was saved comes without the layout of its forward pass, or with another;
    /// [`Error::Device`] for what the device refuses (among it buffers of another device, or destroyed ones); [`Error::DeviceLost`].
    pub fn bind(&self, plan: &Plan, buffers: &Buffers<'_>) -> Result<Bound, Error> {
        plan.limits().check_within(&self.shared.limits)?;
        self.check_ranges(plan, buffers)?;
        check_overlaps(plan, buffers)?;
        check_saved(plan, buffers)?;

        let pipelines = plan.variants().iter().map(|variant| self.shared.pipeline(variant)).collect::<Result<Vec<_>, Error>>()?;
        let label = &self.shared.label;
        let (dispatches, checked) = guarded(&self.shared.device, format!("bind groups {label}"), || {
            let (params, stride) = self.params_buffer(plan)?;
            let bound = (0u64..).zip(plan.dispatches()).map(|(number, dispatch)| {
                let pipeline = &pipelines[dispatch.variant()];
                let label = format!("{label}/{}", plan.stage(dispatch));
                let mut entries = Vec::with_capacity(dispatch.bindings().len() + 1);
                for (number, binding) in (0..).zip(dispatch.bindings()) {
                    let range = buffers.get(binding.slot).expect("every slot of the plan was checked");
                    entries.push(entry(number, range.buffer, range.offset + binding.offset, binding.size));
                }
                let size = Params::bytes(plan.variants()[dispatch.variant()].operands().count()) as u64;
                entries.push(entry(entries.len() as u32, &params, number * stride, size));
                let bind_group = self.shared.device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some(&label),
                    layout: &pipeline.layout,
                    entries: &entries,
                });
                BoundDispatch {
                    stage: plan.stage(dispatch),
                    label,
                    pipeline: pipeline.pipeline.clone(),
                    bind_group,
                    grid: dispatch.grid(),
                }
            });
            Ok(bound.collect())
        });
        ready_or_later(checked)?;
        Ok(Bound { label: label.clone(), dispatches: dispatches? })
    }

    fn check_ranges(&self, plan: &Plan, buffers: &Buffers<'_>) -> Result<(), Error> {
        for &(slot, _) in &buffers.ranges {
            if !plan.uses(slot) {
                let used = Slot::ALL.iter().filter(|&&slot| slot != Slot::Scratch && plan.uses(slot));
                let used: Vec<String> = used.map(ToString::to_string).collect();
                return Err(Error::SurplusBuffer { slot, expected: used.join(", ") });
            }
        }
        for &(slot, expected) in plan.slots() {
            let range = buffers.get(slot).ok_or(Error::MissingBuffer { slot, expected })?;
            let BufferRange { buffer, offset, size } = range;
            if offset.checked_add(size).is_none_or(|end| end > buffer.size()) {
                return Err(Error::RangeOutOfBounds { slot, expected: buffer.size(), actual_offset: offset, actual_size: size });
            }
            if size < expected {
                return Err(Error::RangeTooShort { slot, expected, actual: size });
            }
            let alignment = u64::from(self.shared.limits.min_storage_buffer_offset_alignment);
            if offset % alignment != 0 {
                return Err(Error::MisalignedOffset { slot, expected: alignment, actual: offset });
            }
            if !buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
                return Err(Error::MissingUsage { slot, expected: "STORAGE", actual: format!("{:?}", buffer.usage()) });
            }
        }
        Ok(())
    }

    /// One buffer with the parameters of all dispatches, and the distance between them in bytes.
    fn params_buffer(&self, plan: &Plan) -> Result<(wgpu::Buffer, u64), Error> {
        let limits = &self.shared.limits;
        let alignment = limits.min_uniform_buffer_offset_alignment.max(limits.min_storage_buffer_offset_alignment);
        let size = plan.variants().iter().map(|variant| Params::bytes(variant.operands().count())).max().unwrap_or(0).max(4);
        let stride = size.next_multiple_of(alignment as usize);
        let mut bytes = vec![0u8; stride * plan.dispatches().len().max(1)];
        for (chunk, dispatch) in bytes.chunks_exact_mut(stride).zip(plan.dispatches()) {
            chunk[..size].copy_from_slice(&bytemuck::bytes_of(dispatch.params())[..size]);
        }
        let read_write = plan.variants().iter().any(|variant| variant.access() == Access::AllReadWrite);
        let what = format!("{}/params", self.shared.label);
        let buffer = self.shared.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(&what),
            size: bytes.len() as u64,
            usage: if read_write { wgpu::BufferUsages::STORAGE } else { wgpu::BufferUsages::UNIFORM },
            mapped_at_creation: true,
        });
        // A buffer that could not be made has nothing to map; the error scope around tells why, if it is not this.
        match buffer.get_mapped_range_mut(..) {
            Ok(mut mapped) => mapped.copy_from_slice(&bytes),
            Err(error) => return Err(Error::Device { what, message: error.to_string() }),
        }
        buffer.unmap();
        Ok((buffer, stride as u64))
    }
}

fn entry(binding: u32, buffer: &wgpu::Buffer, offset: u64, size: u64) -> wgpu::BindGroupEntry<'_> {
    let resource = wgpu::BufferBinding { buffer, offset, size: wgpu::BufferSize::new(size) };
    wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::Buffer(resource) }
}

/// A pass that reads what was saved reads what its own forward pass wrote, or one of the same layout.
fn check_saved(plan: &Plan, buffers: &Buffers<'_>) -> Result<(), Error> {
    let Some(expected) = plan.saved_layout().filter(|_| plan.direction() != Direction::Forward) else {
        return Ok(());
    };
    let read = plan.slots().iter().any(|&(slot, _)| slot == Slot::Saved);
    match &buffers.saved_layout {
        Some(actual) if *actual == expected => Ok(()),
        None if !read => Ok(()),
        actual => {
            let name = |layout: &SavedLayout| format!("{layout} ({:#018x})", layout.fingerprint());
            let actual = actual.as_ref().map_or("nobody knows: see Buffers::saved_by".to_owned(), name);
            Err(Error::SavedMismatch { expected: name(&expected), actual })
        }
    }
}

/// WebGPU forbids, in one dispatch, a writable range that overlaps any other of the same buffer, and a buffer that is
/// bound both read-only and writable. Not every native implementation says so.
fn check_overlaps(plan: &Plan, buffers: &Buffers<'_>) -> Result<(), Error> {
    let range_of = |slot| buffers.get(slot).expect("every slot of the plan was checked");
    for &(written, bytes) in plan.slots().iter().filter(|&&(slot, _)| plan.writes(slot)) {
        for &(other, other_bytes) in plan.slots().iter().filter(|&&(slot, _)| slot != written) {
            let (a, b) = (range_of(written), range_of(other));
            if a.buffer == b.buffer && a.offset < b.offset + other_bytes && b.offset < a.offset + bytes {
                return Err(Error::OverlappingRanges { written, other });
            }
        }
    }
    for variant in plan.variants() {
        for &(written, _) in variant.storage_bindings().iter().filter(|(_, access)| *access == BindingAccess::ReadWrite) {
            for &(other, _) in variant.storage_bindings().iter().filter(|(_, access)| *access == BindingAccess::Read) {
                if range_of(written).buffer == range_of(other).buffer {
                    return Err(Error::MixedAccess { written, other });
                }
            }
        }
    }
    Ok(())
}
