//! The device under test, its clock, and how much of its memory a measurement walks over.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use bmru::host::{Gpu, describe};
use bmru::quirks::{AdapterFacts, AdapterKind};
use bmru::{Strategy, wgpu};

use crate::stream::Slabs;
use crate::{Error, Work};

/// A word that no result is: as a float, as an index and as a code it is nonsense.
pub(crate) const POISON: u32 = 0xdead_beef;

/// How much trouble is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Results are checked, and nothing is timed.
    Check,
    /// Too little for a result, enough to see that everything works.
    Quick,
    /// A measurement.
    Full,
}

/// The device under test.
pub struct Device {
    gpu: Gpu,
    effort: Effort,
    /// Bytes of the last-level cache.
    cache: u64,
    /// The fastest streaming kernels: tensors that are read, tensors that are written, and elements as a power of two.
    pub(crate) streams: RefCell<BTreeMap<(usize, usize, u32), Slabs>>,
}

impl Device {
    /// Longest time that one sample may take.
    const TIME_LIMIT: Duration = Duration::from_secs(60);
    /// Runs of one sample at most.
    pub(crate) const MAX_RUNS: u64 = 512;
    /// A measurement of memory walks over so many times the last-level cache.
    const CACHES: u64 = 8;
    /// Copies at most: of tiny tensors there would be millions.
    const MAX_COPIES: u64 = 512;
    /// Where the cache is not known. wgpu tells nothing of a GPU's, and 64 MiB is more than most have.
    const ASSUMED_CACHE: u64 = 64 << 20;

    /// The best adapter whose name, driver or backend contains `adapter`. A strategy is forced if one is given.
    ///
    /// # Errors
    /// If there is none, or it gives no device.
    pub fn open(adapter: &str, effort: Effort, strategy: Option<Strategy>) -> Result<Self, Error> {
        let mut gpu = pollster::block_on(Gpu::matching(adapter))?;
        if let Some(strategy) = strategy {
            let tuning = gpu.tuning().clone().with_strategy(strategy);
            gpu = gpu.with_tuning(tuning);
        }
        let host = last_level_cache().filter(|_| is_software(&gpu));
        Ok(Self { gpu, effort, cache: host.unwrap_or(Self::ASSUMED_CACHE), streams: RefCell::default() })
    }

    /// Another last-level cache, in bytes.
    #[must_use]
    pub fn with_cache(mut self, bytes: u64) -> Self {
        self.cache = bytes;
        self
    }

    /// How much trouble is taken.
    #[must_use]
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// The device with its kernels.
    #[must_use]
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Bytes of the last-level cache: the host's for a software adapter, assumed for others.
    #[must_use]
    pub fn cache(&self) -> u64 {
        self.cache
    }

    /// Bytes that all copies of a group's tensors may have.
    fn memory(&self) -> u64 {
        match self.effort {
            Effort::Check => 0,
            Effort::Quick => 16 << 20,
            Effort::Full if is_software(&self.gpu) => 3 << 29,
            Effort::Full => 4 << 30,
        }
    }

    /// How many copies a row needs that walks over `walked` bytes of each, if a copy has `bytes`.
    #[must_use]
    pub fn copies(&self, walked: u64, bytes: u64) -> u64 {
        let enough = (Self::CACHES * self.cache).div_ceil(walked.max(1));
        enough.min(self.memory() / bytes.max(1)).clamp(1, Self::MAX_COPIES)
    }

    /// Whether so many bytes are too few to have measured memory.
    #[must_use]
    pub fn measures_cache(&self, walked: u64) -> bool {
        walked < Self::CACHES * self.cache
    }

    /// A poisoned buffer, or one with the given contents.
    #[must_use]
    pub fn buffer(&self, label: &str, bytes: u64, contents: Option<&[u32]>) -> wgpu::Buffer {
        let buffer = self.gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        match contents {
            Some(words) => self.gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(words)),
            None => self.poison(&buffer),
        }
        buffer
    }

    /// Poisons a buffer.
    pub fn poison(&self, buffer: &wgpu::Buffer) {
        const PIECE: u64 = 4 << 20;
        let poison = vec![POISON; (buffer.size().min(PIECE) / 4) as usize];
        for offset in (0..buffer.size()).step_by(PIECE as usize) {
            let words = (buffer.size() - offset).min(PIECE) / 4;
            self.gpu.queue().write_buffer(buffer, offset, bytemuck::cast_slice(&poison[..words as usize]));
        }
    }

    /// Ends what was written: until then the queue keeps a second copy of it.
    ///
    /// # Errors
    /// If the device does not end.
    pub fn settle(&self) -> Result<(), Error> {
        self.gpu.queue().submit([]);
        self.wait(0)
    }

    /// Time from the submission of so many runs to the end of the last. Recording is not in it.
    ///
    /// # Errors
    /// If they do not end.
    pub fn time(&self, runs: u64, work: &Work) -> Result<Duration, Error> {
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for _ in 0..runs {
            work.record(&mut encoder);
        }
        let commands = encoder.finish();
        let start = Instant::now();
        self.gpu.queue().submit([commands]);
        self.wait(runs)?;
        Ok(start.elapsed())
    }

    fn wait(&self, runs: u64) -> Result<(), Error> {
        let wait = wgpu::PollType::Wait { submission_index: None, timeout: Some(Self::TIME_LIMIT) };
        let late = |error: wgpu::PollError| Error::TimeLimit { runs, limit: Self::TIME_LIMIT, message: error.to_string() };
        self.gpu.device().poll(wait).map(|_| ()).map_err(late)
    }

    /// The words of a buffer.
    ///
    /// # Errors
    /// If the device is lost.
    pub fn download(&self, buffer: &wgpu::Buffer) -> Result<Vec<u32>, Error> {
        Ok(pollster::block_on(self.gpu.download(buffer))?)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe(self.gpu.info()))
    }
}

/// Whether the adapter runs on the host's processor.
fn is_software(gpu: &Gpu) -> bool {
    AdapterFacts::from(gpu.info()).kind() == AdapterKind::Software
}

/// Bytes of the host's largest cache, as Linux tells them.
fn last_level_cache() -> Option<u64> {
    let caches = std::fs::read_dir("/sys/devices/system/cpu/cpu0/cache").ok()?;
    let size = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path().join("size")).ok()?;
        Some(text.trim().strip_suffix('K')?.parse::<u64>().ok()? << 10)
    };
    caches.filter_map(|entry| size(entry.ok()?)).max()
}
