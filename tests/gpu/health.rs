//! Health of a unit, counted on a device.

use bmru::{Descriptor, Health, HealthSign, HealthSource, Inputs, Save, Shape, Threshold, oracle};
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
