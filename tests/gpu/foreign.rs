//! Plans in a host that is not ours; with the text changed so that it counts, how many iterations invocations run.

use bmru::{
    Access, Descriptor, Direction, Error, FinalState, HealthSource, Incoming, InitialState, Limits, Plan, Save, Sequences, Shape,
    Slot, States, Strategy, Threshold, Tuning, Validity, Variant, oracle,
};
use bmru_conformance::backward::incoming;
use bmru_conformance::data::{self, Rate, Values};
use bmru_conformance::{Runner, adapters};
use libtest_mimic::Failed;

use crate::host::{Host, Uploads, declared};

/// The text of a variant with a counter in every loop; invocations leave the highest count in one word.
fn counting(variant: &Variant) -> String {
    let text = variant.wgsl();
    let mut counting = String::with_capacity(text.len() + 512);
    let mut in_main = false;
    for line in text.lines() {
        in_main |= line.starts_with("fn main(");
        if in_main && line == "}" {
            counting.push_str("    atomicMax(&counted[0], iterations);\n");
            in_main = false;
        }
        counting.push_str(line);
        counting.push('\n');
        let statement = line.trim_start();
        if statement.starts_with("for ") || statement.starts_with("while ") {
            assert!(statement.ends_with('{'), "the body of a loop begins on its own line: {line}");
            counting.push_str("iterations += 1u;\n");
        }
        assert!(!statement.starts_with("loop"), "a loop that is not counted: {line}");
    }
    counting.push_str("var<private> iterations: u32 = 0u;\n");
    counting.push_str(&declared(variant));
    counting
}

const SOURCES: [HealthSource; 2] = [HealthSource::Saved, HealthSource::Inputs];

/// Plans of all strategies and accesses.
fn plans(host: &Host<'_>, tile_steps: u32, plan: impl Fn(&Limits, &Tuning) -> Result<Plan, Error>) -> Result<Vec<Plan>, Failed> {
    let mut plans = Vec::new();
    for strategy in Strategy::ALL {
        for access in [Access::Declared, Access::AllReadWrite] {
            let tuning = Tuning { access, tile_steps, ..host.runner.tuning().clone() }.with_strategy(strategy);
            plans.push(plan(&host.limits(), &tuning)?);
        }
    }
    Ok(plans)
}

fn uploaded(descriptor: &Descriptor, rate: Rate, values: Values) -> Result<Uploads, Failed> {
    Uploads::new(descriptor, data::generate(descriptor, rate, values, 11), incoming(descriptor, 11))
}

pub fn runs(runner: &Runner) -> Result<(), Failed> {
    let descriptor = Descriptor::bmru(Shape { batch: 3, time: 1500, channels: 6 })
        .initial_state(InitialState::Given)
        .final_state(FinalState::Written)
        .incoming(Incoming::Both)
        .save(Save::Codes)
        .side_by_side();
    let uploads = uploaded(&descriptor, Rate::Once(30), Values::Edges)?;
    let expected = oracle::forward(&descriptor, &uploads.data.inputs())?;
    let host = Host::new(runner, None);
    let bits = |floats: &[f32]| floats.iter().map(|float| float.to_bits()).collect::<Vec<_>>();
    for plan in plans(&host, 32, |limits, tuning| descriptor.forward(limits, tuning))? {
        let ran = host.run(&plan, &uploads.given(Direction::Forward))?;
        assert!(host.download(&ran, Slot::States)? == bits(&expected.states), "states of {plan}");
        assert!(host.download(&ran, Slot::FinalState)? == bits(&expected.final_state), "final state of {plan}");
        assert!(host.download(&ran, Slot::Saved)? == expected.saved, "saved of {plan}");
    }
    for (batch, sequences) in [(1, Sequences::Packed { count: 7 }), (3, Sequences::Resets)] {
        let descriptor = Descriptor::bmru(Shape { batch, time: 1500, channels: 6 })
            .sequences(sequences)
            .initial_state(InitialState::Given)
            .final_state(FinalState::Written);
        let uploads = uploaded(&descriptor, Rate::Once(30), Values::Edges)?;
        let expected = oracle::forward(&descriptor, &uploads.data.inputs())?;
        for plan in plans(&host, 32, |limits, tuning| descriptor.forward(limits, tuning))? {
            let ran = host.run(&plan, &uploads.given(Direction::Forward))?;
            assert!(host.download(&ran, Slot::States)? == bits(&expected.states), "states of {plan}");
            assert!(host.download(&ran, Slot::FinalState)? == bits(&expected.final_state), "final states of {plan}");
        }
    }
    let numbers = expected.states;
    let packed = descriptor.clone().states(States::Packed);
    let uploads = uploaded(&packed, Rate::Once(30), Values::Edges)?;
    let expected = oracle::forward(&packed, &uploads.data.inputs())?;
    for plan in plans(&host, 32, |limits, tuning| packed.forward(limits, tuning))? {
        let ran = host.run(&plan, &uploads.given(Direction::Forward))?;
        assert!(host.download(&ran, Slot::PackedStates)? == expected.packed_states, "packed states of {plan}");
        assert!(host.download(&ran, Slot::Saved)? == expected.saved, "saved of {plan}");
    }
    for plan in plans(&host, 32, |limits, tuning| packed.unpack(limits, tuning))? {
        let ran = host.run(&plan, &uploads.given(Direction::Unpack))?;
        assert!(host.download(&ran, Slot::States)? == bits(&numbers), "unpacked states of {plan}");
    }
    for source in SOURCES {
        let expected = oracle::health(&descriptor, source, &uploads.data.inputs())?;
        for plan in plans(&host, 32, |limits, tuning| descriptor.health(source, limits, tuning))? {
            let ran = host.run(&plan, &uploads.given(plan.direction()))?;
            assert!(host.download(&ran, Slot::Health)? == expected, "{plan}");
        }
    }

    let uploads = uploaded(&descriptor, Rate::Once(30), Values::Plain)?;
    let ours = runner.gpu().backward_blocking(&descriptor, &uploads.data.inputs(), &uploads.saved, &uploads.incoming())?;
    for plan in plans(&host, 32, |limits, tuning| descriptor.backward(limits, tuning))? {
        let ran = host.run(&plan, &uploads.given(Direction::Backward))?;
        for (slot, ours) in [
            (Slot::CandidateGradient, &ours.candidate),
            (Slot::AmplitudeGradient, &ours.amplitude),
            (Slot::InitialStateGradient, &ours.initial_state),
        ] {
            assert!(host.download(&ran, slot)? == bits(ours), "{slot} of {plan}");
        }
    }
    Ok(())
}

pub fn iterations(runner: &Runner) -> Result<(), Failed> {
    // Longer than one part of a serial plan, and tiles enough for two levels; nothing ever sets, so that every search runs to
    // its end.
    let shape = Shape { batch: 1, time: 40_960, channels: 1 };
    let host = Host::new(runner, Some(counting));
    let slow = adapters::name(runner.gpu().info()).contains("swiftshader");
    for save in [Save::Nothing, Save::Codes] {
        let descriptor = Descriptor::bmru(shape).save(save);
        let uploads = uploaded(&descriptor, Rate::Never, Values::Plain)?;
        for tile_steps in if slow { vec![1024] } else { vec![32, 1024, 8192] } {
            for plan in plans(&host, tile_steps, |limits, tuning| descriptor.forward(limits, tuning))? {
                counts(&host, &plan, &uploads)?;
            }
        }
    }
    let descriptor = Descriptor::bmru(shape).states(States::Packed);
    let uploads = uploaded(&descriptor, Rate::Never, Values::Plain)?;
    for plan in plans(&host, 1024, |limits, tuning| descriptor.forward(limits, tuning))? {
        counts(&host, &plan, &uploads)?;
    }
    for plan in plans(&host, 1024, |limits, tuning| descriptor.unpack(limits, tuning))? {
        counts(&host, &plan, &uploads)?;
    }
    // Several rows, each too long to be taken beside another.
    let descriptor = Descriptor::bmru(Shape { batch: 3, time: 500, channels: 1 });
    let uploads = uploaded(&descriptor, Rate::Never, Values::Plain)?;
    for plan in plans(&host, 1024, |limits, tuning| descriptor.forward(limits, tuning))? {
        counts(&host, &plan, &uploads)?;
    }
    let descriptor = Descriptor::forward_fill(shape).validity(Validity::Mask);
    let uploads = uploaded(&descriptor, Rate::Never, Values::Plain)?;
    for plan in plans(&host, 1024, |limits, tuning| descriptor.forward(limits, tuning))? {
        counts(&host, &plan, &uploads)?;
    }
    for sequences in [Sequences::Packed { count: 20 }, Sequences::Resets] {
        let descriptor = Descriptor::bmru(shape).threshold(Threshold::PerChannel).sequences(sequences).save(Save::Codes);
        let mut data = data::generate(&descriptor, Rate::Never, Values::Plain, 11);
        // A border ends the search of a tile.
        data.resets.fill(0);
        data.cu_seqlens.iter_mut().skip(1).for_each(|border| *border = shape.time as u32);
        let uploads = Uploads::new(&descriptor, data, incoming(&descriptor, 11))?;
        for plan in plans(&host, 1024, |limits, tuning| descriptor.forward(limits, tuning))? {
            counts(&host, &plan, &uploads)?;
        }
    }
    let descriptor = Descriptor::bmru(shape).incoming(Incoming::Both).threshold(Threshold::PerChannel).save(Save::Codes);
    let uploads = uploaded(&descriptor, Rate::Never, Values::Plain)?;
    for plan in plans(&host, 1024, |limits, tuning| descriptor.backward(limits, tuning))? {
        counts(&host, &plan, &uploads)?;
    }
    // The longest runs that a word with a set can have.
    let mut data = data::generate(&descriptor, Rate::Never, Values::Plain, 11);
    data.candidate.iter_mut().step_by(32).for_each(|candidate| *candidate = 9.0);
    let uploads = Uploads::new(&descriptor, data, incoming(&descriptor, 11))?;
    for source in SOURCES {
        for plan in plans(&host, 1024, |limits, tuning| descriptor.health(source, limits, tuning))? {
            counts(&host, &plan, &uploads)?;
        }
    }
    Ok(())
}

fn counts(host: &Host<'_>, plan: &Plan, uploads: &Uploads) -> Result<(), Failed> {
    let ran = host.run(plan, &uploads.given(plan.direction()))?;
    for (dispatch, counted) in plan.dispatches().iter().zip(&ran.counted) {
        let counted = u64::from(counted[0]);
        let stage = plan.stage(dispatch);
        let stated = dispatch.iterations();
        assert!(counted <= stated, "{stage}: {counted} iterations, the plan states {stated}\n{plan}");
        assert!(stated <= Plan::MAX_ITERATIONS);
        // A statement that is far too high would hide a loop that the next change adds.
        assert!(stated <= 2 * counted + 40, "{stage}: {counted} iterations, the plan states {stated}\n{plan}");
    }
    Ok(())
}
