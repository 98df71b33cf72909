//! What the device allows and what suits it: plain structs, so that plans need no GPU.

use crate::{Direction, Error, Shape, Strategy, quirks};

/// The device limits that planning looks at. The default is what every WebGPU device has.
///
/// A plan made for tighter limits than the device's is valid there too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Longest buffer in bytes.
    pub max_buffer_size: u64,
    /// Longest range of a storage binding in bytes.
    pub max_storage_buffer_binding_size: u64,
    /// Storage buffers that one dispatch may bind.
    pub max_storage_buffers_per_shader_stage: u32,
    /// Invocations of a workgroup, also along its first dimension.
    pub max_compute_invocations_per_workgroup: u32,
    /// Workgroups of a dispatch along one dimension.
    pub max_compute_workgroups_per_dimension: u32,
    /// Alignment of storage binding offsets in bytes.
    pub min_storage_buffer_offset_alignment: u32,
    /// Alignment of uniform binding offsets in bytes.
    pub min_uniform_buffer_offset_alignment: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_buffer_size: 256 << 20,
            max_storage_buffer_binding_size: 128 << 20,
            max_storage_buffers_per_shader_stage: 8,
            max_compute_invocations_per_workgroup: 256,
            max_compute_workgroups_per_dimension: 65_535,
            min_storage_buffer_offset_alignment: 256,
            min_uniform_buffer_offset_alignment: 256,
        }
    }
}

#[cfg(feature = "wgpu")]
impl From<&wgpu::Limits> for Limits {
    fn from(limits: &wgpu::Limits) -> Self {
        Self {
            max_buffer_size: limits.max_buffer_size,
            max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
            max_storage_buffers_per_shader_stage: limits.max_storage_buffers_per_shader_stage,
            max_compute_invocations_per_workgroup: limits
                .max_compute_invocations_per_workgroup
                .min(limits.max_compute_workgroup_size_x),
            max_compute_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
            min_storage_buffer_offset_alignment: limits.min_storage_buffer_offset_alignment,
            min_uniform_buffer_offset_alignment: limits.min_uniform_buffer_offset_alignment,
        }
    }
}

impl Limits {
    /// Longest binding that is planned: several drivers compute byte addresses as `i32`.
    const MAX_BINDING: u64 = quirks::BINDING_BYTES;

    pub(crate) fn binding_bytes(&self) -> u64 {
        self.max_storage_buffer_binding_size.min(self.max_buffer_size).min(Self::MAX_BINDING) & !3
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let power = |field, value: u32| {
            let ok = value.is_power_of_two() && value >= 4;
            if ok {
                Ok(())
            } else {
                Err(Error::InvalidSetting { field, expected: "a power of two from 4 up", actual: value.into() })
            }
        };
        power("min_storage_buffer_offset_alignment", self.min_storage_buffer_offset_alignment)?;
        power("min_uniform_buffer_offset_alignment", self.min_uniform_buffer_offset_alignment)?;
        for (field, actual) in [
            ("max_compute_invocations_per_workgroup", self.max_compute_invocations_per_workgroup),
            ("max_compute_workgroups_per_dimension", self.max_compute_workgroups_per_dimension),
        ] {
            if actual == 0 {
                return Err(Error::InvalidSetting { field, expected: "at least 1", actual: 0 });
            }
        }
        Ok(())
    }

    /// Whether a plan made for `self` is valid on a device with the limits `device`.
    #[cfg(feature = "wgpu")]
    pub(crate) fn check_within(&self, device: &Self) -> Result<(), Error> {
        let at_most = [
            ("max_buffer_size", self.max_buffer_size, device.max_buffer_size),
            ("max_storage_buffer_binding_size", self.max_storage_buffer_binding_size, device.max_storage_buffer_binding_size),
            (
                "max_storage_buffers_per_shader_stage",
                self.max_storage_buffers_per_shader_stage.into(),
                device.max_storage_buffers_per_shader_stage.into(),
            ),
            (
                "max_compute_invocations_per_workgroup",
                self.max_compute_invocations_per_workgroup.into(),
                device.max_compute_invocations_per_workgroup.into(),
            ),
            (
                "max_compute_workgroups_per_dimension",
                self.max_compute_workgroups_per_dimension.into(),
                device.max_compute_workgroups_per_dimension.into(),
            ),
        ];
        let at_least = [
            (
                "min_storage_buffer_offset_alignment",
                self.min_storage_buffer_offset_alignment,
                device.min_storage_buffer_offset_alignment,
            ),
            (
                "min_uniform_buffer_offset_alignment",
                self.min_uniform_buffer_offset_alignment,
                device.min_uniform_buffer_offset_alignment,
            ),
        ];
        for (field, actual, expected) in at_most {
            if actual > expected {
                return Err(Error::LimitMismatch { field, expected, actual });
            }
        }
        for (field, actual, expected) in at_least {
            if actual < expected {
                return Err(Error::LimitMismatch { field, expected: expected.into(), actual: actual.into() });
            }
        }
        Ok(())
    }
}

/// How storage buffers that a kernel only reads are declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Access {
    /// `read` where a kernel only reads; parameters in a uniform buffer.
    #[default]
    Declared,
    /// Everything `read_write`, parameters included, for hosts that bind nothing else, and for operands that are
    /// ranges of one buffer.
    AllReadWrite,
}

impl Access {
    /// Storage bindings of the parameters.
    pub(crate) fn bindings_of_params(self) -> u64 {
        if self == Self::AllReadWrite { 1 } else { 0 }
    }
}

/// What suits a kind of adapter. No field changes a result, but within the bounds of what is no copy ([`Strategy`]). The default is
/// [`discrete`](Self::discrete); [`for_adapter`](Self::for_adapter) knows better.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tuning {
    /// The strategy to use; `None` lets the plan choose.
    pub strategy: Option<Strategy>,
    /// Channels that one invocation handles side by side at most: 1, 2 or 4. With 4, walks that copy and compare elements of 16 bits
    /// take 8, two in each component. With 2 or 4 vectors hold four steps of one channel, or two of two, where time is contiguous; with
    /// 4 also several batch rows of one element or two.
    pub max_vector_width: u32,
    /// Vectors of channels that one invocation takes at most, from 1 to 32: its band.
    pub max_band: u32,
    /// The same of a walk back, whose code is longer.
    pub max_band_back: u32,
    /// The same of a walk back where they are a whole row of channels, so that no two workgroups share it.
    pub max_row_back: u32,
    /// Steps that an invocation loads before it takes the first of them, from 1 to 32: what it has in flight, where nothing else
    /// hides how long memory takes. No more than 32 vectors are in flight with those of a band, and 8 of a walk back.
    pub steps_ahead: u32,
    /// Workgroups that a dispatch has at least before bands grow.
    pub min_workgroups: u32,
    /// Invocations of a workgroup.
    pub workgroup_size: u32,
    /// Time steps that an invocation takes at least: of several batch rows, or vectors of them, if they are shorter.
    pub min_steps: u32,
    /// Time steps of a tile at most, a multiple of 32. Tiles are shorter where it takes more of them to keep the adapter busy.
    pub tile_steps: u32,
    /// Time steps below which no tile is worth the tree above it. No more than `tile_steps` counts. Backward, walks go over 1,024 steps,
    /// or over parts of them where there would be fewer than `serial_rows` walks; no part is shorter than this.
    pub min_tile_steps: u32,
    /// Tiles of a row up to which each looks back through those before it, at most 1,024, and no tree is built: two dispatches less for each
    /// of its levels. Where nothing ever sets, half as many words as their square are read for each channel. Units whose carry is a
    /// number have a tree all the same.
    pub look_back_tiles: u32,
    /// Rows `B·D` from which on [`Strategy::Serial`] keeps the adapter busy.
    pub serial_rows: u64,
    /// Workgroups of a serial walk from which on it does so with fewer rows: two for each core. They count only where a sequence has
    /// channels for half a workgroup, so that whole lines are read. `u64::MAX` where it is invocations that must be many.
    pub serial_workgroups: u64,
    /// The strategy below both. Where vectors hold several steps tiles give way to a probe, a quarter as many rows are enough, and
    /// tiles have up to 1,024 steps.
    pub few_rows: Strategy,
    /// Elements of a batch row that one dispatch handles at most where several workgroups share its rows of channels: what caches
    /// keep until the last of them has passed.
    pub max_shared_elements: u64,
    /// Elements that one dispatch handles at most: drivers end what runs for seconds.
    pub max_dispatch_elements: u64,
    /// How buffers are declared.
    pub access: Access,
}

impl Default for Tuning {
    fn default() -> Self {
        Self::discrete()
    }
}

impl Tuning {
    /// For a CPU driver. Measured on llvmpipe of Mesa 25.0 and on SwiftShader, two cores, as shares of the best streaming kernel:
    ///
    /// - A workgroup is one SIMD group, so that nothing waits at its end. Bands of 4 vectors are best over all: forward with 2, 4
    ///   and 8 vectors .92, .80 and .55 on (4, 4096, 256) of Mesa 25; with 4, 8 and 32 vectors .75, .56 and .58 on (64, 64, 1024);
    ///   on SwiftShader .70 with 4 and .69 with 8.
    /// - Vectors of 4 are better than of 2 by 1.3 on SwiftShader.
    ///
    /// And on llvmpipe of Mesa 22.3:
    ///
    /// - Short rows are taken several at a time: without that, and with loops around one step, T = 1 reaches .37, with it .60.
    /// - [`Probe`](Strategy::Probe) reaches .87 on (1, 65536, 64) where [`Tiles`](Strategy::Tiles) reach .40. The tree is not worth
    ///   its dispatches below some 1,000 steps: (3, 1000, 37) .32 with it, .5 without.
    /// - Rows that several workgroups share: (1, 4096, 2048) .48 in one part, .64 in parts of 2^19 elements.
    /// - Four workgroups for two cores walk over all of time: forward (4, 4096, 64) .94, probed .78, and (16, 4096, 16) .86 and .79; backward
    ///   .72 and .64, and .61 and .59; on Mesa 25 (4, 4096, 128) .65 and .35. With less than a line of channels a probe is better, (32, 8192, 4)
    ///   .67 where a walk reaches .57, and so it is with three, (3, 8192, 64) .81 and .73.
    #[must_use]
    pub fn software() -> Self {
        Self {
            strategy: None,
            max_vector_width: 4,
            max_band: 4,
            max_band_back: 4,
            max_row_back: 4,
            steps_ahead: 1,
            min_workgroups: 4,
            workgroup_size: 8,
            min_steps: 256,
            tile_steps: 4128,
            min_tile_steps: 1056,
            look_back_tiles: 64,
            serial_rows: 1024,
            serial_workgroups: 4,
            few_rows: Strategy::Probe,
            max_shared_elements: 1 << 19,
            max_dispatch_elements: 1 << 26,
            access: Access::Declared,
        }
    }

    /// For llvmpipe and lavapipe up to Mesa 22, where memory must be swept over in one piece: forward on (4, 4096, 256) bands of
    /// 1, 4 and 8 vectors reach .15, .46 and .89; on (64, 101, 512) 8 and 16 reach .60 and .90; on (64, 64, 1024) 8 and 32 reach
    /// .59 and .67, where the code has outgrown the instruction cache. A row that is shared costs more than a core without work: two
    /// workgroups instead of four take (2, 1024, 512) from .51 to .85, and (1, 2048, 512) from .45 to .70; one, (1, 1024, 1024) from .50 to .37.
    #[must_use]
    pub fn mesa_22() -> Self {
        Self { min_workgroups: 2, ..Self::software().with_band(32) }
    }

    /// For llvmpipe and lavapipe from Mesa 23 on, whose walks back are best one vector at a time, but where two are a whole row: with 1, 2
    /// and 4 of them (4, 4096, 256) reaches .68, .53 and .55 of the ceiling, (32, 1024, 128) .68, .57 and .53, and (1, 65536, 64) .47, .70
    /// and .71. Measured on Mesa 25.0; on SwiftShader they reach .36, .40 and .40.
    #[must_use]
    pub fn mesa_25() -> Self {
        Self { max_band_back: 1, max_row_back: 2, ..Self::software() }
    }

    /// For a GPU that shares the host's memory. Reasoned, not measured: a few thousand invocations, each with some loads in flight,
    /// hide its latency.
    #[must_use]
    pub fn integrated() -> Self {
        Self { tile_steps: 512, steps_ahead: 4, serial_rows: 1 << 12, max_dispatch_elements: 1 << 28, ..Self::discrete() }
    }

    /// For a GPU with memory of its own; all but the workgroup as measured for [`nvidia`](Self::nvidia).
    #[must_use]
    pub fn discrete() -> Self {
        Self { workgroup_size: 64, ..Self::nvidia() }
    }

    /// For GPUs of NVIDIA. Measured on an H200 by Vulkan, 2^28 elements of `f32` unless another number is given, a ceiling of 4.27 TB/s:
    ///
    /// - Inputs of 8 steps are loaded before the first of them stores: at 2^26 elements tiles reach .77 of the ceiling so, .66 with one step.
    ///   Two channels side by side: adjoint 1.41 ms, with 1 and 4 of them 1.89 and 1.43 ms.
    /// - A workgroup is one warp, of which a multiprocessor takes 32: the compiler then has 64 registers for each invocation to keep
    ///   those loads in. With 64 invocations or more it has 32, and a walk over tiles of 4,096 steps takes 2.1 ms and not .84 ms.
    /// - Tiles of 64 to 128 steps: .88 ms with 128, .91 with 256, .96 with 512; at 2^26 elements 237 µs with 64 and 248 µs with 128.
    /// - Looking back through few tiles instead of a tree of two levels: .88 and .90 ms with tiles of 128, no difference with longer ones;
    ///   at 2^22 elements, where every dispatch takes 9 to 15 µs, there are two dispatches of 16 and 18 µs and not four.
    /// - Serial takes .84 ms with 65,536 and more rows, where tiles take .88 to .93 ms. [`Probe`](Strategy::Probe) takes .85 ms with
    ///   tiles of 2,048 steps where one step in 20 sets, but reads most inputs twice where one in 1,000 does: not chosen.
    /// - Walks back go over parts of stretches of 1,024 steps, so many that there are `serial_rows` of them: on an H100 the walk of
    ///   (64, 784, 64) takes 41 µs in parts of 128 and 172 µs as one.
    /// - Several short rows an invocation: T = 1 on (4096, 1, 1024) takes 93 µs one by one, for so many workgroups, and 24 µs by 16.
    #[must_use]
    pub fn nvidia() -> Self {
        Self {
            max_vector_width: 2,
            max_band: 1,
            max_band_back: 1,
            max_row_back: 1,
            steps_ahead: 8,
            min_workgroups: 1,
            workgroup_size: 32,
            min_steps: 4,
            tile_steps: 128,
            min_tile_steps: 96,
            look_back_tiles: 128,
            serial_rows: 1 << 16,
            serial_workgroups: u64::MAX,
            few_rows: Strategy::Tiles,
            max_shared_elements: u64::MAX,
            max_dispatch_elements: 1 << 30,
            ..Self::software()
        }
    }

    /// For a browser, which does not tell what GPU it runs on. Reasoned, not measured: what suits a large GPU costs a small one an
    /// element's half byte for tiles, what suits a small one leaves most of a large one idle. Dispatches are short, for phones.
    #[must_use]
    pub fn browser() -> Self {
        Self { max_dispatch_elements: 1 << 26, ..Self::discrete() }
    }

    /// The tuning for an adapter: that of its kind, or its own if [`quirks`](crate::quirks) has one.
    #[cfg(feature = "wgpu")]
    #[must_use]
    pub fn for_adapter(info: &wgpu::AdapterInfo) -> Self {
        quirks::AdapterFacts::from(info).tuning()
    }

    /// Forces a strategy.
    #[must_use]
    pub fn with_strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = Some(strategy);
        self
    }

    /// Sets the longest bands, those of walks back, too.
    #[must_use]
    pub fn with_band(self, vectors: u32) -> Self {
        Self { max_band: vectors, max_band_back: vectors, max_row_back: vectors, ..self }
    }

    /// The strategy that suits a shape: the one place where this is decided.
    ///
    /// Serial moves the fewest bytes (12 per element against 12.5) in one dispatch, but has no more than `B·D` invocations.
    /// Where neither rows nor workgroups are many, the tiles' second dimension of parallelism is worth what they move beside it.
    pub(crate) fn choose(&self, shape: Shape) -> Strategy {
        let rows = shape.batch.saturating_mul(shape.channels);
        let busy = rows >= self.serial_rows || self.serial_workgroups_of(shape) >= self.serial_workgroups;
        if busy || shape.time <= self.tile_steps_of(shape) { Strategy::Serial } else { self.few_rows }
    }

    /// Workgroups of a serial walk, no more than there are sequences; none where a sequence fills less than half of one.
    fn serial_workgroups_of(&self, Shape { batch, channels, .. }: Shape) -> u64 {
        let sweep = u64::from(self.max_vector_width).saturating_mul(self.workgroup_size.into()).max(1);
        if channels < sweep.div_ceil(2) { 0 } else { (batch.saturating_mul(channels) / sweep).min(batch) }
    }

    /// The same where vectors can hold several steps. Forward a probe and its walk take vectors, and tiles, whose words are of channels,
    /// elements. Where time is contiguous each invocation reads lines of its own, and so many of them must not outgrow the cache that
    /// keeps a line until all of it is read: a quarter as many, in tiles as long as that takes. Walks alone, on an H100: `[32, 128, 2048]`
    /// forward 72 µs in 4 tiles, 126 in 32, backward 143 in 4 parts, 171 in 16; `[64, 256, 4096]` forward 487 µs serially, 957 in 32 tiles.
    pub(crate) fn of_steps(&self, direction: Direction) -> Self {
        if self.few_rows != Strategy::Tiles || self.max_vector_width == 1 {
            return self.clone();
        }
        Self {
            few_rows: if direction == Direction::Forward { Strategy::Probe } else { self.few_rows },
            serial_rows: (self.serial_rows / 4).max(1),
            tile_steps: self.tile_steps.max(1024),
            ..self.clone()
        }
    }

    /// Steps of the tiles of a shape: so many that all tiles together are as many rows as keep the adapter busy.
    ///
    /// The number of words is odd, unless tiles are as long as they may be: tiles that lie a power of two apart share their places in a cache (by 1.1 on CPUs).
    pub(crate) fn tile_steps_of(&self, shape: Shape) -> u64 {
        let rows = shape.batch.saturating_mul(shape.channels);
        let steps = shape.time.saturating_mul(rows) / self.serial_rows.max(1);
        let words = steps.max(self.min_tile_steps.into()).div_ceil(32) | 1;
        words.saturating_mul(32).min(self.tile_steps.into())
    }

    /// Steps that an invocation walks back over: as for tiles forward, but 32 times a power of two, up to `longest`, which is one.
    pub(crate) fn steps_back(&self, shape: Shape, longest: u64) -> u64 {
        let rows = shape.batch.saturating_mul(shape.channels);
        let steps = shape.time.saturating_mul(rows) / self.serial_rows.max(1);
        steps.clamp(32, longest).max(u64::from(self.min_tile_steps).min(longest)).next_power_of_two()
    }

    pub(crate) fn check(&self, limits: &Limits) -> Result<(), Error> {
        let invalid = |field, expected, actual| Err(Error::InvalidSetting { field, expected, actual });
        if !matches!(self.max_vector_width, 1 | 2 | 4) {
            return invalid("max_vector_width", "1, 2 or 4", self.max_vector_width.into());
        }
        for (field, vectors) in
            [("max_band", self.max_band), ("max_band_back", self.max_band_back), ("max_row_back", self.max_row_back)]
        {
            if !(1..=32).contains(&vectors) {
                return invalid(field, "from 1 to 32", vectors.into());
            }
        }
        if !(1..=32).contains(&self.steps_ahead) {
            return invalid("steps_ahead", "from 1 to 32", self.steps_ahead.into());
        }
        if self.workgroup_size == 0 || self.workgroup_size > limits.max_compute_invocations_per_workgroup {
            let expected = "from 1 to max_compute_invocations_per_workgroup";
            return invalid("workgroup_size", expected, self.workgroup_size.into());
        }
        if self.min_steps == 0 || self.min_steps > 1024 {
            return invalid("min_steps", "from 1 to 1,024", self.min_steps.into());
        }
        if self.tile_steps == 0 || !self.tile_steps.is_multiple_of(32) || self.tile_steps > 8192 {
            return invalid("tile_steps", "a multiple of 32 from 32 to 8,192", self.tile_steps.into());
        }
        if self.look_back_tiles > 1024 {
            return invalid("look_back_tiles", "at most 1,024", self.look_back_tiles.into());
        }
        for (field, elements) in
            [("max_shared_elements", self.max_shared_elements), ("max_dispatch_elements", self.max_dispatch_elements)]
        {
            if elements == 0 {
                return invalid(field, "at least 1", 0);
            }
        }
        Ok(())
    }
}
