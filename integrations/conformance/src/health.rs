//! Health: cases of it, and a runner that compares every word with the oracle's.

use bmru::{
    Access, Boundary, Buffers, Descriptor, Element, Error, HealthSource, Layout, Limits, Save, Shape, Slot, Strides, Threshold,
    TimeOrder, Tuning, Unit, View, oracle, wgpu,
};

use crate::case::name_seed;
use crate::data::{Rate, Slots, Values, generate};
use crate::image::POISON;
use crate::pairwise::rows;
use crate::runner::{MARGIN, poisoned};
use crate::{Outcome, Profile, Runner, Scope};

/// A case of health.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthCase {
    /// Names the case; reruns it alone.
    pub name: String,
    /// What is counted.
    pub descriptor: Descriptor,
    /// What it is counted from.
    pub source: HealthSource,
    /// How often candidates leave their region.
    pub rate: Rate,
    /// Which values the inputs have.
    pub values: Values,
    /// Limits of the plan.
    pub profile: Profile,
    /// How buffers are declared.
    pub access: Access,
    /// Elements of a dispatch at most.
    pub max_dispatch_elements: u64,
}

const UNITS: [(&str, Unit); 2] = [("bistable", Unit::Bistable), ("first quadrant", Unit::FirstQuadrant)];

/// Nothing; around a word, a record of 1,024 steps, and the levels of both trees; channels that no vector divides.
const SHAPES: [[u64; 3]; 12] = [
    [0, 7, 3],
    [2, 0, 3],
    [2, 1, 4],
    [3, 31, 1],
    [1, 32, 5],
    [1, 33, 2],
    [2, 1024, 3],
    [2, 1025, 6],
    [3, 2050, 7],
    [33, 40, 4],
    [1100, 3, 2],
    [1, 40_000, 1],
];

const RATES: [Rate; 6] = [Rate::Half, Rate::Once(10), Rate::Once(300), Rate::Once(5000), Rate::Never, Rate::Always];

/// Health of every unit with every option that it looks at, sampled so that each two choices meet.
#[must_use]
pub fn health_matrix(scope: Scope) -> Vec<HealthCase> {
    let axes = [UNITS.len(), SHAPES.len(), 2, 2, 2, 2, RATES.len(), 3, 2, Element::ALL.len(), 2, 3, 2, 2];
    let possible = |row: &[usize]| !(row[7] == 1 && row[5] == 1);
    let seeds = if scope == Scope::Full { 1..4 } else { 1..2 };
    seeds.flat_map(|seed| rows(&axes, seed, possible)).map(|row| case(&row)).collect()
}

fn case(row: &[usize]) -> HealthCase {
    let [unit, shape, layout, order, boundary, threshold, rate, view, values, element, source, profile, access, parts] = *row
    else {
        unreachable!("fourteen axes")
    };
    let [batch, time, channels] = SHAPES[shape];
    let (unit_name, unit) = UNITS[unit];
    let element = Element::ALL[element];
    let descriptor = Descriptor::new(unit, Shape { batch, time, channels })
        .element(element)
        .layout([Layout::BatchTimeChannel, Layout::TimeBatchChannel][layout])
        .time_order([TimeOrder::Ascending, TimeOrder::Descending][order])
        .boundary([Boundary::Hold, Boundary::Set][boundary])
        .threshold([Threshold::PerElement, Threshold::PerChannel][threshold])
        .save(Save::Codes);
    let descriptor = match view {
        1 => descriptor.side_by_side(),
        2 => in_rows(descriptor),
        _ => descriptor,
    };
    let source = [HealthSource::Saved, HealthSource::Inputs][source];
    let options: String = row.iter().map(|choice| char::from_digit(*choice as u32, 36).unwrap_or('?')).collect();
    HealthCase {
        name: format!("health/{unit_name}/{element:?}/{batch}x{time}x{channels}/{source:?}/{options}"),
        descriptor,
        source,
        rate: RATES[rate],
        values: [Values::Plain, Values::Edges][values],
        profile: [Profile::Device, Profile::WebGpu, Profile::Small { kibibytes: 160 }][profile],
        access: [Access::Declared, Access::AllReadWrite][access],
        max_dispatch_elements: [1 << 26, 3000][parts],
    }
}

/// Candidates in rows of a wider tensor, with an offset that no vector divides.
fn in_rows(descriptor: Descriptor) -> Descriptor {
    let (layout, shape) = (descriptor.memory_layout(), descriptor.shape());
    let strides = Strides::rows(layout, shape, shape.channels + 5);
    descriptor.candidate_view(View { slot: Slot::Candidate, offset: 3, strides })
}

impl HealthCase {
    /// The inputs.
    #[must_use]
    pub fn data(&self) -> Slots {
        generate(&self.descriptor, self.rate, self.values, name_seed(&self.name))
    }

    /// The plan of the forward pass, and that of its health.
    ///
    /// # Errors
    /// As [`Descriptor::health`].
    pub fn plans(&self, device: &Limits, tuning: &Tuning) -> Result<[bmru::Plan; 2], Error> {
        let of_health =
            Tuning { access: self.access, max_dispatch_elements: self.max_dispatch_elements, strategy: None, ..tuning.clone() };
        let forward = self.descriptor.forward(device, tuning)?;
        Ok([forward, self.descriptor.health(self.source, &self.profile.limits(device), &of_health)?])
    }
}

impl Runner {
    /// Runs a case of health: of what is saved, behind the forward pass of this device, and on the same encoder.
    ///
    /// # Errors
    /// What planning, binding or the device refuse: a failure, too.
    pub async fn run_health_async(&self, case: &HealthCase) -> Result<Outcome, Error> {
        let data = case.data();
        let descriptor = &case.descriptor;
        let expected = oracle::health(descriptor, case.source, &data.inputs())?;
        let gpu = self.gpu();
        let [forward, health] = case.plans(&gpu.limits(), self.tuning())?;

        let words = |slot| forward.slot_bytes(slot).max(health.slot_bytes(slot)) / 4;
        let owned: Vec<(Slot, wgpu::Buffer)> = Slot::ALL
            .iter()
            .map(|&slot| (slot, poisoned(self, words(slot), &descriptor.element_of(slot).to_words(data.slot(slot)))))
            .collect();
        let buffer = |slot| &owned.iter().find(|(held, _)| *held == slot).expect("every slot has a buffer").1;
        let given = |plan: &bmru::Plan| {
            let used = Slot::ALL.iter().filter(|&&slot| plan.uses(slot));
            let buffers = used.fold(Buffers::new(), |buffers, &slot| buffers.slot(slot, buffer(slot)));
            match (plan.saved_layout(), forward.saved_layout()) {
                (Some(_), Some(layout)) => buffers.saved_by(buffer(Slot::Saved), layout),
                _ => buffers,
            }
        };
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        if case.source == HealthSource::Saved {
            gpu.kernels().bind(&forward, &given(&forward))?.record(&mut encoder);
        }
        gpu.kernels().bind(&health, &given(&health))?.record(&mut encoder);
        gpu.queue().submit([encoder.finish()]);

        let mut outcome = Outcome::default();
        let margin = [POISON; MARGIN as usize];
        outcome.compare(Slot::Health, &gpu.download(buffer(Slot::Health)).await?, &[&expected[..], &margin].concat());
        outcome.compare_margin(&gpu.download(buffer(Slot::Scratch)).await?);
        Ok(outcome)
    }

    /// [`run_health_async`](Self::run_health_async).
    ///
    /// # Errors
    /// As there.
    #[cfg(not(target_family = "wasm"))]
    pub fn run_health(&self, case: &HealthCase) -> Result<Outcome, Error> {
        pollster::block_on(self.run_health_async(case))
    }
}
