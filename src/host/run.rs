//! Uploads, runs a plan, and downloads.

use super::Gpu;
use crate::kernels::guarded;
use crate::{Buffers, Descriptor, Error, Health, HealthSource, Plan, Slot};

impl Gpu {
    pub(super) async fn run_health(
        &self,
        descriptor: &Descriptor,
        source: HealthSource,
        given: &[(Slot, Vec<u32>)],
    ) -> Result<Health, Error> {
        let plan = descriptor.health(source, &self.limits(), &self.tuning)?;
        let memory = self.run(&plan, given).await?;
        Health::from_words(descriptor, &self.words(&memory, Slot::Health).await?)
    }

    /// Uploads what is given, runs a plan, and returns its buffers.
    pub(super) async fn run(&self, plan: &Plan, given: &[(Slot, Vec<u32>)]) -> Result<Vec<(Slot, wgpu::Buffer)>, Error> {
        self.kernels.prepare(plan).await?;
        let mut memory = Vec::new();
        for &(slot, bytes) in plan.slots() {
            memory.push((slot, self.buffer(slot, bytes).await?));
        }
        let mut buffers = memory.iter().fold(Buffers::new(), |buffers, (slot, buffer)| buffers.slot(*slot, buffer));
        if let Some((_, saved)) = memory.iter().find(|(slot, _)| *slot == Slot::Saved) {
            buffers = buffers.saved_by(saved, plan.descriptor().saved_layout());
        }
        let bound = self.kernels.bind(plan, &buffers)?;
        // An upload needs memory, too.
        let ((), checked) = guarded(&self.device, "a run".to_owned(), || {
            for (slot, buffer) in &memory {
                if let Some((_, words)) = given.iter().find(|(given, _)| given == slot) {
                    self.queue.write_buffer(buffer, 0, bytemuck::cast_slice(words));
                }
            }
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("bmru") });
            bound.record(&mut encoder);
            self.queue.submit([encoder.finish()]);
        });
        checked.await?;
        Ok(memory)
    }

    pub(super) async fn words(&self, memory: &[(Slot, wgpu::Buffer)], slot: Slot) -> Result<Vec<u32>, Error> {
        match memory.iter().find(|(owned, _)| *owned == slot) {
            Some((_, buffer)) => self.download(buffer).await,
            None => Ok(Vec::new()),
        }
    }

    pub(super) async fn counts(&self, memory: &[(Slot, wgpu::Buffer)], slot: Slot) -> Result<Vec<i32>, Error> {
        Ok(bytemuck::cast_vec(self.words(memory, slot).await?))
    }

    /// The numbers of a slot, without the half word behind an odd number of them.
    pub(super) async fn numbers(
        &self,
        descriptor: &Descriptor,
        memory: &[(Slot, wgpu::Buffer)],
        slot: Slot,
    ) -> Result<Vec<f32>, Error> {
        let mut numbers = descriptor.element_of(slot).from_words(&self.words(memory, slot).await?);
        numbers.truncate(descriptor.slot_elements(slot)? as usize);
        Ok(numbers)
    }

    async fn buffer(&self, slot: Slot, size: u64) -> Result<wgpu::Buffer, Error> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let label = format!("bmru/{slot}");
        let descriptor = wgpu::BufferDescriptor { label: Some(&label), size, usage, mapped_at_creation: false };
        let (buffer, checked) = guarded(&self.device, label.clone(), || self.device.create_buffer(&descriptor));
        checked.await?;
        Ok(buffer)
    }
}
