//! What a case leaves behind, on the device and in the process.

use bmru::host::Gpu;
use bmru::wgpu;

/// What lives on a device, and in the instance around it.
#[derive(Debug, PartialEq)]
pub struct Left {
    objects: Vec<(&'static str, usize)>,
    /// Of the device's allocator, where the backend has one of wgpu.
    bytes: Option<u64>,
}

impl Left {
    pub fn of(instance: &wgpu::Instance, gpu: &Gpu) -> Result<Self, String> {
        let report = instance.generate_report().ok_or("this instance has no report")?;
        let hub = report.hub_report();
        let pipelines = gpu.kernels().pipeline_count();
        let objects = vec![
            ("buffers", hub.buffers.num_allocated),
            ("bind groups", hub.bind_groups.num_allocated),
            ("shader modules", hub.shader_modules.num_allocated),
            ("encoders", hub.command_encoders.num_allocated),
            ("command buffers", hub.command_buffers.num_allocated),
            ("pipelines that no kernels hold", hub.compute_pipelines.num_allocated - pipelines),
        ];
        let bytes = gpu.device().generate_allocator_report().map(|report| report.total_allocated_bytes);
        Ok(Self { objects, bytes })
    }

    /// Nothing beside what there was before, but pipelines.
    pub fn beside(&self, before: &Self) -> Result<(), String> {
        if self.objects != before.objects {
            return Err(format!("left on the device: {:?}, before: {:?}", self.objects, before.objects));
        }
        if self.bytes != before.bytes {
            return Err(format!("bytes left on the device: {:?}, before: {:?}", self.bytes, before.bytes));
        }
        Ok(())
    }
}

/// The size of the process after each repeated case, when nothing of it is left.
///
/// All pipelines are there before the first: a driver on the CPU compiles nothing any more, and nothing explains that a process goes on
/// growing. It may differ by the largest case with all its [copies](COPIES), which the allocators of the process and of the driver may
/// keep for the next. Sizes vary with what was freed last, so the lowest of a third counts.
#[derive(Default)]
pub struct Sizes {
    resident: Vec<u64>,
    largest: u64,
}

/// Of each tensor: the numbers, their words, the poisoned image, what is expected, the device's, the staging buffer's, the download,
/// and a bound of twice the width.
const COPIES: u64 = 9;

impl Sizes {
    /// After a case whose tensors had so many bytes.
    pub fn sample(&mut self, bytes: u64) -> Result<(), String> {
        self.largest = self.largest.max(bytes);
        self.resident.push(resident()?);
        Ok(())
    }

    /// Whether the last third is no larger than the first.
    pub fn judge(&self) -> Result<(), String> {
        let cases = self.resident.len();
        let lowest = |from: usize, to: usize| self.resident[cases * from / 3..cases * to / 3].iter().min().copied();
        let (Some(early), Some(late)) = (lowest(0, 1), lowest(2, 3)) else { return Err(format!("only {cases} repetitions")) };
        let (grown, allowed) = (late.saturating_sub(early), COPIES * self.largest);
        let kibibytes = |bytes: u64| format!("{} KiB", bytes >> 10);
        println!(
            "  {cases} repetitions: resident {} in the first third, {} in the last; {} more, {} allowed; {} left by each would show",
            kibibytes(early),
            kibibytes(late),
            kibibytes(grown),
            kibibytes(allowed),
            kibibytes(allowed / (cases as u64 * 2 / 3).max(1))
        );
        if grown > allowed {
            Err(format!("the process grew by {}, {} are explained", kibibytes(grown), kibibytes(allowed)))
        } else {
            Ok(())
        }
    }
}

/// Bytes of this process in memory.
fn resident() -> Result<u64, String> {
    memory_stats::memory_stats()
        .map(|stats| stats.physical_mem as u64)
        .ok_or("this system does not tell the size of a process".to_owned())
}
