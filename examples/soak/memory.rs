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

/// The size of the process after each case, when nothing of it is left.
///
/// A process may grow, after the first third of its cases, by the pipelines that are new since, at what those of the first third
/// took; and by the largest case with all its [copies](COPIES), which the allocators of the process and of a driver on the CPU may
/// keep for the next. Sizes vary with what was freed last, so the lowest of a sixth counts.
pub struct Sizes {
    first: u64,
    samples: Vec<Sample>,
    largest: u64,
}

/// Of each tensor: the numbers, their words, the poisoned image, what is expected, the device's, the staging buffer's, the download,
/// and a bound of twice the width.
const COPIES: u64 = 9;

#[derive(Clone, Copy)]
struct Sample {
    resident: u64,
    pipelines: u64,
}

impl Sizes {
    pub fn new() -> Result<Self, String> {
        Ok(Self { first: resident()?, samples: Vec::new(), largest: 0 })
    }

    /// After a case whose tensors had so many bytes.
    pub fn sample(&mut self, bytes: u64, pipelines: usize) -> Result<(), String> {
        self.largest = self.largest.max(bytes);
        self.samples.push(Sample { resident: resident()?, pipelines: pipelines as u64 });
        Ok(())
    }

    /// Whether the last sixth is no larger than the sixth behind the first third.
    pub fn judge(&self) -> Result<(), String> {
        let cases = self.samples.len();
        let lowest =
            |from: usize, to: usize| self.samples[cases * from / 6..cases * to / 6].iter().min_by_key(|sample| sample.resident);
        let (Some(early), Some(late)) = (lowest(2, 3), lowest(5, 6)) else { return Err(format!("only {cases} cases")) };
        let each = early.resident.saturating_sub(self.first) / early.pipelines.max(1);
        let last = self.samples.last().map_or(0, |sample| sample.pipelines);
        let (new, kept) = (last - early.pipelines, COPIES * self.largest);
        let (grown, allowed) = (late.resident.saturating_sub(early.resident), new * each + kept);
        let kibibytes = |bytes: u64| format!("{} KiB", bytes >> 10);
        println!(
            "  resident {} before, {} behind the first third, {} at the end",
            kibibytes(self.first),
            kibibytes(early.resident),
            kibibytes(late.resident)
        );
        println!(
            "  {} more, {} allowed: {new} new pipelines of {}, and {} of a case; {} left by each would show",
            kibibytes(grown),
            kibibytes(allowed),
            kibibytes(each),
            kibibytes(kept),
            kibibytes(allowed / (cases as u64 / 2).max(1))
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
