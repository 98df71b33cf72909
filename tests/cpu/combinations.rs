//! The table of what combines with what, `docs/combinations.md`, is what planning says.

use bmru::{
    Amplitude, Counts, Descriptor, Element, Error, FinalState, InitialState, Layout, Limits, Save, Sequences, Shape, States,
    Threshold, TimeOrder, Tuning, Validity,
};

/// One batch row, in which sequences can be packed.
const SHAPE: Shape = Shape { batch: 1, time: 70, channels: 5 };

type Option = (&'static str, fn(Descriptor) -> Descriptor);

fn units() -> [(&'static str, Descriptor); 11] {
    [
        ("`bmru`", Descriptor::bmru(SHAPE)),
        ("… with amplitudes per element", Descriptor::bmru(SHAPE).amplitude(Amplitude::PerElement)),
        ("`first_quadrant`", Descriptor::first_quadrant(SHAPE)),
        ("… with amplitudes per element", Descriptor::first_quadrant(SHAPE).amplitude(Amplitude::PerElement)),
        ("`cumulative`", Descriptor::cumulative(SHAPE)),
        ("… with amplitudes per element", Descriptor::cumulative(SHAPE).amplitude(Amplitude::PerElement)),
        ("`relaxed`, 0 < ε < 1", Descriptor::relaxed(SHAPE, 0.5)),
        ("… with amplitudes per element", Descriptor::relaxed(SHAPE, 0.5).amplitude(Amplitude::PerElement)),
        ("`forward_fill`", Descriptor::forward_fill(SHAPE)),
        ("`forward_fill` with a limit", Descriptor::forward_fill(SHAPE).limit(3)),
        ("`forward_fill` by a mask", Descriptor::forward_fill(SHAPE).validity(Validity::Mask)),
    ]
}

const OPTIONS: [Option; 16] = [
    ("f16", |of| of.element(Element::F16)),
    ("bf16", |of| of.element(Element::Bf16)),
    ("thresholds per channel", |of| of.threshold(Threshold::PerChannel)),
    ("side by side", Descriptor::side_by_side),
    ("amplitudes per element", |of| of.amplitude(Amplitude::PerElement)),
    ("counts", |of| of.counts(Counts::All)),
    ("a mask", |of| of.validity(Validity::Mask)),
    ("a limit", |of| of.limit(5)),
    ("packed sequences", |of| of.sequences(Sequences::Packed { count: 3 })),
    ("resets", |of| of.sequences(Sequences::Resets)),
    ("descending time", |of| of.time_order(TimeOrder::Descending)),
    ("packed states", |of| of.states(States::Packed)),
    ("final state in place", |of| of.initial_state(InitialState::Given).final_state(FinalState::InPlace)),
    ("states over candidates", Descriptor::states_in_place),
    ("`[B, D, T]`", |of| of.layout(Layout::BatchChannelTime)),
    ("gradients", |of| of.save(Save::Codes).initial_state(InitialState::Given)),
];

/// What needs more buffers than WebGPU has by default is a matter of where operands lie.
fn ample() -> (Limits, Tuning) {
    (Limits { max_storage_buffers_per_shader_stage: 12, ..Limits::default() }, Tuning::default())
}

/// Whether the forward pass can be planned, and what follows it.
fn combine(descriptor: &Descriptor) -> Result<(), Error> {
    let (limits, tuning) = ample();
    descriptor.forward(&limits, &tuning)?;
    if descriptor.states_kind() != States::Numbers {
        descriptor.unpack(&limits, &tuning)?;
    }
    Ok(())
}

/// Whether both passes can.
fn has_gradients(descriptor: &Descriptor) -> Result<(), Error> {
    let (limits, tuning) = ample();
    let saving = descriptor.clone().save(Save::Codes);
    combine(&saving)?;
    saving.backward(&limits, &tuning).map(drop)
}

fn table() -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let head = std::iter::once(String::new()).chain(OPTIONS.iter().map(|(name, _)| (*name).to_owned()));
    let mut table = line(head.collect()) + &line(vec!["---".to_owned(); OPTIONS.len() + 1]);
    for (name, unit) in units() {
        let works = |result| match result {
            Ok(()) => true,
            Err(Error::Incompatible { .. }) => false,
            Err(error) => panic!("{name}: {error}"),
        };
        let learns = works(has_gradients(&unit));
        let cell = |option: fn(Descriptor) -> Descriptor| {
            let with = option(unit.clone());
            let cell = match (works(combine(&with)), works(has_gradients(&with))) {
                (true, true) => "yes",
                (true, false) if learns => "forward",
                // Nothing else is asked of a unit without gradients.
                (true, false) => "yes",
                _ => "–",
            };
            cell.to_owned()
        };
        table += &line(std::iter::once(name.to_owned()).chain(OPTIONS.iter().map(|&(_, option)| cell(option))).collect());
    }
    table
}

#[test]
fn the_table_is_what_planning_says() {
    let page = include_str!("../../docs/combinations.md");
    let table = table();
    assert!(page.contains(&table), "docs/combinations.md shall have this table:\n{table}");
}

/// A refusal names both sides.
#[test]
fn refusals_name_what_does_not_combine() {
    for (name, unit) in units() {
        for (option, of) in OPTIONS {
            let Err(error) = combine(&of(unit.clone())).and(has_gradients(&of(unit.clone()))) else { continue };
            let Error::Incompatible { expected, actual } = &error else { panic!("{name} with {option}: {error}") };
            let text = error.to_string();
            assert!(!expected.is_empty() && !actual.is_empty(), "{name} with {option}");
            assert!(text.contains(expected) && text.contains(actual), "{name} with {option}: {text}");
        }
    }
}

/// What rows with borders do not have, in whatever unit.
#[test]
fn sequences_refuse_what_they_lack() {
    let (limits, tuning) = (Limits::default(), Tuning::default());
    let packed = |batch| Descriptor::bmru(Shape { batch, ..SHAPE }).sequences(Sequences::Packed { count: 3 });
    let resets = Descriptor::bmru(SHAPE).sequences(Sequences::Resets).initial_state(InitialState::Given);
    let halves = packed(1).element(Element::F16).final_state(FinalState::Written);
    let even = Descriptor::bmru(Shape { channels: 6, ..SHAPE }).sequences(Sequences::Packed { count: 3 });
    let even = even.element(Element::F16).final_state(FinalState::Written);
    for (refused, why) in [
        (packed(2), "several batch rows"),
        (packed(0), "several batch rows"),
        (packed(1).states(States::Packed), "packed states"),
        (resets.clone().states(States::Both), "packed states"),
        (resets.clone().final_state(FinalState::InPlace), "in place"),
        (halves.clone(), "16-bit elements"),
    ] {
        let error = refused.forward(&limits, &tuning).expect_err(why);
        assert!(matches!(error, Error::Incompatible { .. }) && error.to_string().contains(why), "{error}");
    }
    // A row of final states is made of whole words, or none is written.
    even.forward(&limits, &tuning).expect("whole words");
    assert!(even.forward(&limits, &Tuning { max_vector_width: 1, ..tuning.clone() }).is_err(), "vectors of one element");
    halves.final_state(FinalState::Discarded).forward(&limits, &tuning).expect("no final states");
    let error = resets.health(bmru::HealthSource::Inputs, &limits, &tuning).expect_err("no health");
    assert!(error.to_string().contains("health"), "{error}");
    // Sums, counts and ages are walked over, and a plan that is free to choose says so by doing it.
    for unit in [Descriptor::cumulative(SHAPE), Descriptor::relaxed(SHAPE, 0.5), Descriptor::forward_fill(SHAPE).limit(3)] {
        let unit = unit.sequences(Sequences::Resets);
        let plan = unit.forward(&limits, &tuning).expect("it walks");
        assert_eq!(plan.strategy(), bmru::Strategy::Serial);
        for strategy in [bmru::Strategy::Tiles, bmru::Strategy::Probe] {
            let error = unit.forward(&limits, &tuning.clone().with_strategy(strategy)).expect_err("it only walks");
            assert!(error.to_string().contains("rows with borders"), "{error}");
        }
    }
    let many = Descriptor::bmru(SHAPE).sequences(Sequences::Packed { count: u64::MAX });
    let error = many.forward(&limits, &tuning).expect_err("too many");
    assert!(matches!(error, Error::AxisTooLong { axis: "sequences", .. }), "{error}");
}
