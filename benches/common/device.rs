//! The device under test and its clock.

use std::fmt;
use std::time::{Duration, Instant};

use bmru::host::{Gpu, describe};
use bmru::wgpu;

/// Work that can be recorded again and again.
pub type Work = Box<dyn Fn(&mut wgpu::CommandEncoder)>;

/// A word that no result is: as a float, as an index and as a code it is nonsense.
const POISON: u32 = 0xdead_beef;

/// What a buffer should hold.
pub enum Expected {
    /// These words.
    Words(Vec<u32>),
    /// Floats that lie no farther from a value than its bound.
    Within {
        /// The values.
        values: Vec<f64>,
        /// A bound for each.
        bounds: Vec<f64>,
    },
}

impl Expected {
    /// These floats, bit for bit.
    pub fn of(floats: &[f32]) -> Self {
        Self::Words(floats.iter().map(|float| float.to_bits()).collect())
    }

    fn len(&self) -> usize {
        match self {
            Self::Words(words) => words.len(),
            Self::Within { values, .. } => values.len(),
        }
    }

    fn admits(&self, at: usize, word: u32) -> bool {
        match self {
            Self::Words(words) => word == words[at],
            // NaN lies nowhere.
            Self::Within { values, bounds } => (f64::from(f32::from_bits(word)) - values[at]).abs() <= bounds[at],
        }
    }

    fn objection(&self, what: &str, at: usize, word: u32) -> String {
        match self {
            Self::Words(words) => format!("{what}[{at}] is {word:#010x}, expected {:#010x}", words[at]),
            Self::Within { values, bounds } => {
                format!("{what}[{at}] is {:e}, expected {:e} ± {:e}", f32::from_bits(word), values[at], bounds[at])
            }
        }
    }
}

/// The device under test.
pub struct Device {
    gpu: Gpu,
}

impl Device {
    /// Longest time that one sample may take.
    const TIME_LIMIT: Duration = Duration::from_secs(60);

    /// The device of the adapter that the environment variable `BMRU_ADAPTER` describes, or of the best.
    pub fn open() -> Self {
        let wanted = std::env::var("BMRU_ADAPTER").unwrap_or_default();
        let gpu = pollster::block_on(Gpu::matching(&wanted)).unwrap_or_else(|error| panic!("{error}"));
        Self { gpu }
    }

    /// Whether nothing is timed, as in `cargo bench -- --test`.
    pub fn only_tests(&self) -> bool {
        std::env::args().any(|argument| argument == "--test")
    }

    /// The device with its kernels.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// A buffer that begins with `contents` and is poisoned from there on.
    pub fn buffer(&self, label: &str, bytes: u64, contents: &[u32]) -> wgpu::Buffer {
        let buffer = self.gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let given = 4 * contents.len() as u64;
        self.gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(contents));
        let poison = vec![POISON; ((bytes - given) / 4) as usize];
        self.gpu.queue().write_buffer(&buffer, given, bytemuck::cast_slice(&poison));
        buffer
    }

    /// Time from the submission of so many runs to the end of the last. Recording is not in it.
    pub fn time(&self, runs: u64, work: &Work) -> Duration {
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for _ in 0..runs {
            work(&mut encoder);
        }
        let commands = encoder.finish();
        let start = Instant::now();
        self.gpu.queue().submit([commands]);
        let wait = wgpu::PollType::Wait { submission_index: None, timeout: Some(Self::TIME_LIMIT) };
        if let Err(error) = self.gpu.device().poll(wait) {
            panic!("{runs} runs did not end in {:?}: {error}", Self::TIME_LIMIT);
        }
        start.elapsed()
    }

    /// Panics unless the buffer holds the words that it should.
    pub fn refuse_wrong(&self, row: &str, buffer: &wgpu::Buffer, what: &str, expected: &Expected) {
        let actual = pollster::block_on(self.gpu.download(buffer)).unwrap_or_else(|error| panic!("{error}"));
        let words = expected.len();
        assert_eq!(actual.len(), words, "{row}: words of {what}");
        let mut differ = actual.iter().enumerate().filter(|&(at, &word)| !expected.admits(at, word));
        if let Some((at, &word)) = differ.next() {
            let wrong = 1 + differ.count();
            let first = expected.objection(what, at, word);
            panic!("refusing to time {row} on {self}: {wrong} of {words} words of {what} are wrong, the first: {first}");
        }
    }

    /// Whether so many bytes fit the last level cache, where that is known: what fits is not a measurement of memory.
    pub fn working_set(&self, bytes: u64) -> String {
        let set = format!("working set {:.1} MiB", mebibytes(bytes));
        let software = self.gpu.info().device_type == wgpu::DeviceType::Cpu || self.gpu.info().name.contains("llvmpipe");
        match last_level_cache() {
            Some(cache) if software => {
                let fits = if bytes <= cache { "fits" } else { "does not fit" };
                format!("{set}, {fits} the last level cache of {:.1} MiB", mebibytes(cache))
            }
            _ => format!("{set}; whether it fits the last level cache is not known"),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe(self.gpu.info()))
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
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
