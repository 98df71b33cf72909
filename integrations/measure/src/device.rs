//! The device under test, its clock, and how much of its memory a measurement walks over.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bmru::host::{Gpu, describe};
use bmru::quirks::{AdapterFacts, AdapterKind};
use bmru::wgpu;
use web_time::Instant;

use crate::stream::{Class, Slabs};
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
    /// Bytes that all copies of a group's tensors may have.
    memory: u64,
    /// The fastest streaming kernels.
    pub(crate) streams: RefCell<BTreeMap<Class, Slabs>>,
}

impl Device {
    /// Runs of one sample at most.
    pub(crate) const MAX_RUNS: u64 = if cfg!(target_family = "wasm") { 2048 } else { 512 };
    /// A measurement of memory walks over so many times the last-level cache.
    const CACHES: u64 = 8;
    /// Copies at most: of tiny tensors there would be millions.
    const MAX_COPIES: u64 = 512;
    /// Where the cache is not known. wgpu tells nothing of a GPU's, and 64 MiB is more than most have.
    const ASSUMED_CACHE: u64 = 64 << 20;

    /// Measures on this device.
    #[must_use]
    pub fn on(gpu: Gpu, effort: Effort) -> Self {
        let host = last_level_cache().filter(|_| is_software(&gpu));
        let memory = match effort {
            Effort::Check => 0,
            Effort::Quick => 16 << 20,
            Effort::Full if is_software(&gpu) => 3 << 29,
            Effort::Full => 4 << 30,
        };
        Self { gpu, effort, cache: host.unwrap_or(Self::ASSUMED_CACHE), memory, streams: RefCell::default() }
    }

    /// Another last-level cache, in bytes.
    #[must_use]
    pub fn with_cache(mut self, bytes: u64) -> Self {
        self.cache = bytes;
        self
    }

    /// Another limit to the bytes of all copies of a group's tensors.
    #[must_use]
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
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

    /// How many copies a row needs that walks over `walked` bytes of each, if a copy has `bytes`.
    #[must_use]
    pub fn copies(&self, walked: u64, bytes: u64) -> u64 {
        let enough = (Self::CACHES * self.cache).div_ceil(walked.max(1));
        enough.min(self.memory / bytes.max(1)).clamp(1, Self::MAX_COPIES)
    }

    /// Whether so many bytes are too few to have measured memory.
    #[must_use]
    pub fn measures_cache(&self, walked: u64) -> bool {
        walked < Self::CACHES * self.cache
    }

    /// Bytes that take some milliseconds to move.
    pub(crate) fn some_milliseconds(&self) -> u64 {
        match (self.effort, is_software(&self.gpu)) {
            (Effort::Full, false) => 1 << 32,
            _ => 8 << 20,
        }
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
    pub async fn settle(&self) -> Result<(), Error> {
        self.gpu.queue().submit([]);
        self.end(0).await
    }

    /// Time from the submission of so many runs to the end of the last. Recording is not in it.
    ///
    /// # Errors
    /// If they do not end.
    pub async fn time_async(&self, runs: u64, work: &Work) -> Result<Duration, Error> {
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for _ in 0..runs {
            work.record(&mut encoder);
        }
        let commands = encoder.finish();
        let start = Instant::now();
        self.gpu.queue().submit([commands]);
        self.end(runs).await?;
        Ok(start.elapsed())
    }

    /// The end of all that was submitted.
    #[cfg(not(target_family = "wasm"))]
    async fn end(&self, runs: u64) -> Result<(), Error> {
        /// Longest time that one sample may take.
        const LIMIT: Duration = Duration::from_secs(60);
        let wait = wgpu::PollType::Wait { submission_index: None, timeout: Some(LIMIT) };
        let late = |error: wgpu::PollError| Error::TimeLimit { runs, limit: LIMIT, message: error.to_string() };
        self.gpu.device().poll(wait).map(|_| ()).map_err(late)
    }

    /// The end of all that was submitted, as `onSubmittedWorkDone` tells it: later than it was, by some tenths of a millisecond or more.
    #[cfg(target_family = "wasm")]
    async fn end(&self, _runs: u64) -> Result<(), Error> {
        let (sender, ended) = futures_channel::oneshot::channel();
        self.gpu.queue().on_submitted_work_done(move || sender.send(()).unwrap_or_default());
        ended.await.map_err(|error| bmru::Error::Device { what: "waiting".to_owned(), message: error.to_string() }.into())
    }

    /// The words of a buffer.
    ///
    /// # Errors
    /// If the device is lost.
    pub async fn download(&self, buffer: &wgpu::Buffer) -> Result<Vec<u32>, Error> {
        Ok(self.gpu.download(buffer).await?)
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
