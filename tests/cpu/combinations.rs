//! The table of what combines with what, `docs/combinations.md`, is what planning says.

use bmru::{
    Amplitude, Counts, Descriptor, Element, Error, FinalState, InitialState, Layout, Limits, Save, Sequences, Shape, States,
    Threshold, TimeOrder, Tuning, Validity,
};

/// One batch row, in which sequences can be packed.
const SHAPE: Shape = Shape { batch: 1, time: 70, channels: 5 };

type Option = (&'static str, fn(Descriptor) -> Descriptor);

fn units() -> [(&'static str, Descriptor); 8] {
    [
        ("`bmru`", Descriptor::bmru(SHAPE)),
        ("`bmru`, amplitudes per element", Descriptor::bmru(SHAPE).amplitude(Amplitude::PerElement)),
        ("`first_quadrant`", Descriptor::first_quadrant(SHAPE)),
        ("`cumulative`", Descriptor::cumulative(SHAPE)),
        ("`relaxed`, 0 < ε < 1", Descriptor::relaxed(SHAPE, 0.5)),
        ("`forward_fill`", Descriptor::forward_fill(SHAPE)),
        ("`forward_fill` with a limit", Descriptor::forward_fill(SHAPE).limit(3)),
        ("`forward_fill` by a mask", Descriptor::forward_fill(SHAPE).validity(Validity::Mask)),
    ]
}

const OPTIONS: [Option; 15] = [
    ("f16, bf16", |of| of.element(Element::F16)),
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

/// Whether both passes can be planned, where there are two.
fn combine(descriptor: &Descriptor) -> Result<(), Error> {
    // What needs more buffers than WebGPU has by default is a matter of where operands lie.
    let (limits, tuning) = (Limits { max_storage_buffers_per_shader_stage: 10, ..Limits::default() }, Tuning::default());
    descriptor.forward(&limits, &tuning)?;
    if descriptor.states_kind() != States::Numbers {
        descriptor.unpack(&limits, &tuning)?;
    }
    if descriptor.saves() { descriptor.backward(&limits, &tuning).map(drop) } else { Ok(()) }
}

fn table() -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let head = std::iter::once(String::new()).chain(OPTIONS.iter().map(|(name, _)| (*name).to_owned()));
    let mut table = line(head.collect()) + &line(vec!["---".to_owned(); OPTIONS.len() + 1]);
    for (name, unit) in units() {
        let cell = |option: fn(Descriptor) -> Descriptor| match combine(&option(unit.clone())) {
            Ok(()) => "yes".to_owned(),
            Err(Error::Incompatible { .. }) => "–".to_owned(),
            Err(error) => panic!("{name}: {error}"),
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
            let Err(error) = combine(&of(unit.clone())) else { continue };
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
