//! Health of a unit, counted on a device.

use bmru::{Buffers, Descriptor, Health, HealthSign, HealthSource, Inputs, Save, Shape, Slot, Stage, Threshold, oracle, wgpu};
use bmru_conformance::{HealthCase, Runner, Scope, health_matrix};
use libtest_mimic::Failed;

/// Cases by unit, each group with a name.
pub fn groups() -> Vec<(String, Vec<HealthCase>)> {
    let mut groups: Vec<(String, Vec<HealthCase>)> = Vec::new();
    for case in health_matrix(Scope::Quick) {
        let name = case.name.split('/').take(2).collect::<Vec<_>>().join(" of ");
        match groups.iter_mut().find(|(group, _)| *group == name) {
            Some((_, cases)) => cases.push(case),
            None => groups.push((name, vec![case])),
        }
    }
    groups
}

pub fn conforms(runner: &Runner, cases: &[HealthCase]) -> Result<(), Failed> {
    let mut failures = Vec::new();
    for case in cases {
        match runner.run_health(case) {
            Ok(outcome) if outcome.wrong_words == 0 => {}
            Ok(outcome) => failures.push(format!("{}: {} wrong, {:?}", case.name, outcome.wrong_words, outcome.first)),
            Err(error) => failures.push(format!("{}: {error}", case.name)),
        }
    }
    super::failed(&failures, cases.len())
}

/// A channel for each sign, through the module for first steps.
pub fn host(runner: &Runner) -> Result<(), Failed> {
    let signs = [
        vec![],
        vec![HealthSign::NeverSets],
        vec![HealthSign::NeverHolds],
        vec![HealthSign::RarelyHolds],
        vec![HealthSign::NeverFlips],
        vec![HealthSign::NanInputs],
    ];
    let channels = signs.len();
    let (batch, time) = (3, 1500);
    let candidate: Vec<f32> = (0..batch * time * channels)
        .map(|at| match (at % channels, at / channels % time) {
            (0, t) if t % 7 == 0 => [2.0, -2.0][t / 7 % 2],
            (2, t) => [2.0, -2.0][t / 5 % 2],
            (3, t) if t % 3 > 0 => [2.0, -2.0][t / 5 % 2],
            (4, t) if t % 9 == 0 => 2.0,
            (5, 1000) => f32::NAN,
            (5, t) if t % 30 == 1 => [2.0, -2.0][t / 30 % 2],
            _ => 0.5,
        })
        .collect();
    let (threshold, amplitude) = (vec![1.0; channels], vec![1.0; channels]);
    let inputs = Inputs { candidate: &candidate, threshold: &threshold, amplitude: &amplitude, ..Inputs::default() };
    let shape = Shape { batch: batch as u64, time: time as u64, channels: channels as u64 };
    let scan = Descriptor::bmru(shape).threshold(Threshold::PerChannel).save(Save::Codes);
    let saved = runner.gpu().forward_blocking(&scan, &inputs)?.saved;
    for (source, found) in [
        (HealthSource::Saved, runner.gpu().health_blocking(&scan, &saved)?),
        (HealthSource::Inputs, runner.gpu().health_of_inputs_blocking(&scan, &inputs)?),
    ] {
        let expected = Health::from_words(&scan, &oracle::health(&scan, source, &inputs)?)?;
        if found != expected {
            return Err(format!("from {source:?}: {found:?}, expected {expected:?}").into());
        }
        for (channel, signs) in signs.iter().enumerate() {
            let mut signs = signs.clone();
            signs.retain(|&sign| source == HealthSource::Inputs || sign != HealthSign::NanInputs);
            if found.signs(channel) != signs {
                return Err(format!("channel {channel} shows {:?}, expected {signs:?}", found.signs(channel)).into());
            }
        }
    }
    Ok(())
}

/// More sets, flips, holds and NaN inputs than 32 bits count: no batch is so large here, so that the records of its sequences are
/// put where the last stage finds them.
pub fn wide_counts(runner: &Runner) -> Result<(), Failed> {
    const RECORD: [u32; 8] = [0x7000_0001, 0x6000_0003, 0x5000_0005, 11, 4, 0, 0, 0x5555_5555];
    // 34 nodes of 32 records and one of three, whose NaNs are 2³² − 1, which reads as unknown where it is the upper word.
    let (batch, channels) = (1091u64, 3);
    let scan = Descriptor::bmru(Shape { batch, time: 5, channels }).threshold(Threshold::PerChannel);
    let gpu = runner.gpu();
    let plan = scan.health(HealthSource::Inputs, &gpu.limits(), runner.tuning())?;
    let buffer = |slot| {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let size = plan.slot_bytes(slot);
        gpu.device().create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    };
    let [candidate, threshold, scratch, counts] = [Slot::Candidate, Slot::Threshold, Slot::Scratch, Slot::Health].map(buffer);
    let records: Vec<u32> = (0..batch * 8 * channels).map(|word| RECORD[(word / channels % 8) as usize]).collect();
    gpu.queue().write_buffer(&scratch, 0, bytemuck::cast_slice(&records));
    let buffers = Buffers::new().candidate(&candidate).threshold(&threshold).scratch(&scratch).health(&counts);
    let bound = gpu.kernels().bind(&plan, &buffers)?;
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        bound
            .dispatches()
            .iter()
            .filter(|dispatch| dispatch.stage() == Stage::HealthSum)
            .for_each(|sum| sum.record_in(&mut pass));
    }
    gpu.queue().submit([encoder.finish()]);
    let health = Health::from_words(&scan, &pollster::block_on(gpu.download(&counts))?)?;
    for channel in 0..channels as usize {
        let found = [health.sets(channel), health.flips(channel), health.holds(channel), health.nan_inputs(channel).unwrap_or(0)];
        let expected = [0, 1, 2, 7].map(|field| batch * u64::from(RECORD[field]));
        if found != expected || health.longest_hold(channel) != 11 || health.first_set(channel) != Some(4) {
            return Err(format!("channel {channel}: {found:x?}, expected {expected:x?}; {health:?}").into());
        }
    }
    Ok(())
}
