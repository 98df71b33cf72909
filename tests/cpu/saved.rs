//! The layout of what is saved: a number tells layouts apart, and is stored with them.

use std::collections::BTreeSet;

use bmru::{Amplitude, Boundary, Descriptor, Element, Save, Sequences, Shape, Threshold, TimeOrder, Unit};

/// The fingerprint of each value of each option, the others by default. An enum whose variants change places would change them.
#[test]
fn fingerprints_never_change() {
    let shape = Shape { batch: 2, time: 33, channels: 5 };
    let of = |unit| Descriptor::new(unit, shape).save(Save::Codes);
    let relaxed = Descriptor::relaxed(shape, 0.5).save(Save::Codes);
    let all = [
        of(Unit::Bistable),
        of(Unit::FirstQuadrant),
        of(Unit::Cumulative),
        relaxed,
        of(Unit::ForwardFill),
        of(Unit::Bistable).element(Element::F16),
        of(Unit::Bistable).element(Element::Bf16),
        of(Unit::Bistable).amplitude(Amplitude::PerElement),
        of(Unit::Bistable).boundary(Boundary::Set),
        of(Unit::Bistable).threshold(Threshold::PerChannel),
        of(Unit::Bistable).time_order(TimeOrder::Descending),
        of(Unit::Bistable).sequences(Sequences::Resets),
    ];
    let fingerprints = all.map(|descriptor| descriptor.saved_layout().fingerprint());
    let expected: [u64; 12] = [
        0xa34d_0a77_c14b_26e0,
        0xec46_b513_1572_9fa1,
        0x3540_5fae_699a_1862,
        0x7e3a_0a49_bdc1_9123,
        0xc733_b4e5_11e9_09e4,
        0x41e9_1342_341d_c181,
        0xe085_1c0c_a6f0_5c22,
        0xa8a5_bd5e_6441_6761,
        0xc9f4_b3b3_7eb5_1141,
        0xf24b_203f_d460_3f21,
        0xc247_d180_cc3a_7101,
        0x0bd9_3c24_1644_0f62,
    ];
    assert_eq!(fingerprints, expected, "{fingerprints:#018x?}");
    assert_eq!(fingerprints.iter().collect::<BTreeSet<_>>().len(), fingerprints.len(), "two layouts have one");
}
