//! Ranges of buffers on a device without a driver, and what binding must say of them, told in arithmetic of its own.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use bmru::{BindingAccess, Buffers, Direction, Error, Kernels, Limits, Plan, SavedLayout, Slot};
use wgpu::BufferUsages;

use crate::arguments::{absurd, one_of, rarely};

/// A device that runs nothing, and buffers that are made once.
pub(crate) struct Bench {
    device: wgpu::Device,
    queue: wgpu::Queue,
    kernels: Kernels,
    pub limits: Limits,
    buffers: Vec<wgpu::Buffer>,
    bound: u32,
}

/// Every slot has a buffer of this length, and two more are shared.
const LONG: u64 = 1 << 20;
/// Pipelines up to which they are kept.
const PIPELINES: usize = 4000;

/// Numbers of the buffers behind those of the slots.
const SHARED: usize = Slot::ALL.len();
const SHORT: usize = SHARED + 2;
const UNUSABLE: usize = SHARED + 3;

impl Bench {
    /// # Panics
    /// If there is no device without a driver: it is always there.
    pub fn new() -> Self {
        let backend_options = wgpu::BackendOptions { noop: wgpu::NoopBackendOptions::enabled(), ..Default::default() };
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: wgpu::Backends::NOOP,
            backend_options,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()));
        let adapter = adapter.expect("the adapter without a driver is always there");
        let required_limits = wgpu::Limits {
            max_storage_buffers_per_shader_stage: 12,
            min_storage_buffer_offset_alignment: 32,
            min_uniform_buffer_offset_alignment: 64,
            ..wgpu::Limits::default()
        };
        let requested =
            pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor { required_limits, ..Default::default() }));
        let (device, queue) = requested.expect("it gives devices");
        let buffer =
            |size, usage| device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
        let mut buffers: Vec<wgpu::Buffer> = (0..SHARED + 2).map(|_| buffer(LONG, BufferUsages::STORAGE)).collect();
        buffers.push(buffer(64, BufferUsages::STORAGE));
        buffers.push(buffer(LONG, BufferUsages::UNIFORM | BufferUsages::COPY_DST));
        let (kernels, limits) = (Kernels::new(&device), Limits::from(&device.limits()));
        Self { device, queue, kernels, limits, buffers, bound: 0 }
    }

    /// Binds, and records where that succeeds.
    pub fn bind(&mut self, plan: &Plan, ranges: &Ranges) -> std::result::Result<(), Error> {
        let mut buffers = Buffers::new();
        for range in &ranges.given {
            buffers = buffers.slot(range.slot, (&self.buffers[range.buffer], range.offset, range.size));
        }
        if let (Some(range), Some(layout)) = (ranges.find(Slot::Saved), &ranges.layout) {
            buffers = buffers.saved_by((&self.buffers[range.buffer], range.offset, range.size), layout.clone());
        }
        let bound = self.kernels.bind(plan, &buffers)?;
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        bound.record(&mut encoder);
        let _ = encoder.finish();
        let refused = pollster::block_on(scope.pop());
        self.tidy();
        match refused {
            None => Ok(()),
            Some(error) => Err(Error::Device { what: "what was recorded".to_owned(), message: error.to_string() }),
        }
    }

    /// What was made is kept until something is submitted, and pipelines for as long as there are kernels.
    fn tidy(&mut self) {
        self.bound += 1;
        if self.bound.is_multiple_of(64) {
            self.queue.submit([]);
        }
        if self.kernels.pipeline_count() > PIPELINES {
            self.kernels = Kernels::new(&self.device);
        }
    }
}

/// A range for a slot.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    slot: Slot,
    buffer: usize,
    offset: u64,
    size: u64,
}

/// What is given to binding.
#[derive(Clone, Debug)]
pub(crate) struct Ranges {
    given: Vec<Given>,
    layout: Option<SavedLayout>,
}

impl Ranges {
    /// Mostly right; now and then one behind the other in one buffer.
    pub fn draw(bytes: &mut Unstructured<'_>, plan: &Plan, alignment: u64) -> Result<Self> {
        let mut given: Vec<Given> = Vec::new();
        let together = rarely(bytes, 4)?;
        for &slot in Slot::ALL {
            let needed = plan.slot_bytes(slot);
            let used = plan.slots().iter().any(|&(named, _)| named == slot);
            if used == rarely(bytes, 32)? {
                // It is missing, or nobody needs it.
                continue;
            }
            let own = Slot::ALL.iter().position(|&named| named == slot).expect("one of all");
            let mut range = Given { slot, buffer: own, offset: 0, size: needed.max(4) };
            if together {
                let end = given.last().map_or(0, |last| last.offset.saturating_add(last.size));
                range = Given { buffer: SHARED, offset: end.checked_next_multiple_of(alignment).unwrap_or(0), ..range };
            }
            if !together && rarely(bytes, 4)? {
                range.offset = alignment * bytes.int_in_range(0..=255u64)?;
            }
            match bytes.int_in_range(0..=63u8)? {
                0..=39 => {}
                40..=43 => range.size = LONG - range.offset.min(LONG),
                44..=47 => range.buffer = SHARED,
                48..=51 => range.buffer = SHARED + 1,
                52 => range.buffer = SHORT,
                53 => range.buffer = UNUSABLE,
                54 => range.offset += bytes.int_in_range(0..=255u64)?,
                55 => range.offset = absurd(bytes)?,
                56 => range.size = absurd(bytes)?,
                57 => range.size = needed.saturating_sub(bytes.int_in_range(0..=8)?),
                58 => range.size = needed.saturating_add(bytes.int_in_range(0..=255)?),
                59 => range = Given { buffer: SHARED, offset: absurd(bytes)?, size: absurd(bytes)?, ..range },
                60 => range.buffer = one_of(bytes, &[0, 1, 4, 6, 16, 17])?,
                _ => range.offset = (LONG - needed.min(LONG)) / alignment * alignment,
            }
            given.push(range);
        }
        let layout = match bytes.int_in_range(0..=31u8)? {
            0..=29 => plan.saved_layout().or_else(|| Some(plan.descriptor().saved_layout())),
            30 => Some(plan.descriptor().clone().element(bmru::Element::Bf16).saved_layout()),
            _ => None,
        };
        Ok(Self { given, layout })
    }

    fn find(&self, slot: Slot) -> Option<&Given> {
        self.given.iter().find(|given| given.slot == slot)
    }

    /// The names of all errors that binding may give; none if it must succeed.
    pub fn complaints(&self, plan: &Plan, device: &Limits) -> BTreeSet<&'static str> {
        let mut found = BTreeSet::new();
        if !within(plan.limits(), device) {
            found.insert("LimitMismatch");
        }
        if self.given.iter().any(|given| !plan.uses(given.slot)) {
            found.insert("SurplusBuffer");
        }
        for &(slot, needed) in plan.slots() {
            let Some(given) = self.find(slot) else {
                found.insert("MissingBuffer");
                continue;
            };
            let length = if given.buffer == SHORT { 64 } else { LONG };
            let wrong = [
                (u128::from(given.offset) + u128::from(given.size) > u128::from(length), "RangeOutOfBounds"),
                (given.size < needed, "RangeTooShort"),
                (given.offset % u64::from(device.min_storage_buffer_offset_alignment) != 0, "MisalignedOffset"),
                (given.buffer == UNUSABLE, "MissingUsage"),
            ];
            found.extend(wrong.into_iter().filter(|(wrong, _)| *wrong).map(|(_, name)| name));
        }
        found.extend(self.shared(plan));
        found.extend(self.of_saved(plan));
        found
    }

    /// What WebGPU forbids within one dispatch, and the first of which this library forbids within one plan.
    fn shared(&self, plan: &Plan) -> Vec<&'static str> {
        let used = |slot: &Slot| self.find(*slot).map(|given| (given, u128::from(plan.slot_bytes(*slot))));
        let overlap = |(a, of_a): (&Given, u128), (b, of_b): (&Given, u128)| {
            let [begin, other] = [a, b].map(|given| u128::from(given.offset));
            a.buffer == b.buffer && begin < other + of_b && other < begin + of_a
        };
        let slots: Vec<Slot> = plan.slots().iter().map(|&(slot, _)| slot).collect();
        let mut found = Vec::new();
        for (a, b) in slots.iter().flat_map(|a| slots.iter().map(move |b| (a, b))).filter(|(a, b)| a != b) {
            if let (Some(of_a), Some(of_b), true) = (used(a), used(b), plan.writes(*a)) {
                found.extend(overlap(of_a, of_b).then_some("OverlappingRanges"));
            }
        }
        for dispatch in plan.dispatches() {
            let bound = |access| dispatch.bindings().iter().filter(move |binding| binding.access == access);
            for (a, b) in bound(BindingAccess::ReadWrite).flat_map(|a| bound(BindingAccess::Read).map(move |b| (a.slot, b.slot)))
            {
                if let (Some((a, _)), Some((b, _))) = (used(&a), used(&b)) {
                    found.extend((a.buffer == b.buffer).then_some("MixedAccess"));
                }
            }
        }
        found
    }

    fn of_saved(&self, plan: &Plan) -> Option<&'static str> {
        let reads = plan.direction() != Direction::Forward && plan.uses(Slot::Saved);
        let given = self.layout.as_ref().filter(|_| self.find(Slot::Saved).is_some());
        let wrong = match given {
            Some(layout) => *layout != plan.descriptor().saved_layout(),
            None => plan.slot_bytes(Slot::Saved) > 0,
        };
        (reads && wrong).then_some("SavedMismatch")
    }
}

fn within(plan: &Limits, device: &Limits) -> bool {
    plan.max_buffer_size <= device.max_buffer_size
        && plan.max_storage_buffer_binding_size <= device.max_storage_buffer_binding_size
        && plan.max_storage_buffers_per_shader_stage <= device.max_storage_buffers_per_shader_stage
        && plan.max_compute_invocations_per_workgroup <= device.max_compute_invocations_per_workgroup
        && plan.max_compute_workgroups_per_dimension <= device.max_compute_workgroups_per_dimension
        && plan.min_storage_buffer_offset_alignment >= device.min_storage_buffer_offset_alignment
        && plan.min_uniform_buffer_offset_alignment >= device.min_uniform_buffer_offset_alignment
}
