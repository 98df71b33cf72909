//! What is measured for a roofline, and the rows of it as JSON.

use bmru::wgpu;
use bmru::{Direction, Save, Shape, Threshold};
use serde_json::{Value, json};

use crate::{Device, Group, Quartiles, Row, SetRate, Subject, shapes};

/// The groups of some shapes: at the usual rate of sets forward and backward, and backward at the others. Only those with a row
/// whose name contains `rows`.
#[must_use]
pub fn groups(listed: &[Shape], rows: &str) -> Vec<Group> {
    groups_of(Subject::default(), listed, rows)
}

/// The same of another subject.
#[must_use]
pub fn groups_of(subject: Subject, listed: &[Shape], rows: &str) -> Vec<Group> {
    let mut groups = Vec::new();
    for direction in [Direction::Forward, Direction::Backward] {
        for &shape in listed {
            for threshold in [Threshold::PerElement, Threshold::PerChannel] {
                let other = direction == Direction::Backward && shapes::AT_ALL_RATES.contains(&shape);
                let rates: &[SetRate] =
                    if other { &[SetRate::Usual, SetRate::Often, SetRate::Seldom] } else { &[SetRate::Usual] };
                groups.extend(rates.iter().map(|&set_rate| Group { subject, direction, shape, threshold, set_rate }));
            }
        }
    }
    groups.retain(|group| group.direction == Direction::Forward || group.is_trained() && subject.has_gradients());
    groups.retain(|group| group.threshold == Threshold::PerElement || subject.has_thresholds_per_channel());
    groups.retain(|group| group.row_names().iter().any(|name| name.contains(rows)));
    groups
}

/// An adapter, as a report names it.
#[must_use]
pub fn adapter(info: &wgpu::AdapterInfo) -> String {
    format!("{}@{:?}", info.name, info.backend)
}

/// Everything that was measured on a device.
#[must_use]
pub fn to_json(device: &Device, copy: Quartiles, rows: &[Row]) -> Value {
    let info = device.gpu().info();
    json!({
        "adapter": adapter(info),
        "driver": format!("{} {}", info.driver, info.driver_info).trim(),
        "copy_gbps": copy.median / 1e9,
        "rows": rows.iter().map(row_to_json).collect::<Vec<_>>(),
    })
}

fn row_to_json(row: &Row) -> Value {
    let Shape { batch, time, channels } = row.group.shape;
    // No ratio to a ceiling that is none.
    let of = |of: Quartiles| (!row.is_void()).then_some(of.median);
    let mut json = json!({
        "name": row.name,
        "unit": row.group.subject.unit.name(),
        "direction": row.group.pass(),
        "saves": row.group.direction == Direction::Forward && row.save == Save::Codes,
        "element": row.group.subject.element_name(),
        "threshold": row.group.kind(),
        "set_rate": row.group.set_rate.share(),
        "shape": [batch, time, channels],
        "strategy": row.strategy.to_string(),
        "gelem_per_s": row.elements_per_second() / 1e9,
        "bytes_per_element": row.bytes_per_element,
        "of_stream": of(row.of.stream),
        "of_copy": of(row.of.copy),
        "of_naive": row.of.naive.and_then(of),
        "of_lampshade": row.of.lampshade.and_then(of),
        "of_stream_quartiles": [row.of.stream.low, row.of.stream.high],
        "stream_spread": row.ceiling_spread(),
        "void": row.is_void(),
        "measured_cache": row.cached,
    });
    if let Some(beside) = row.beside {
        json["moved_per_element"] = row.moved_per_element.into();
        json["bmru_of_stream"] = of(beside.of_stream).into();
        json["of_bmru"] = of(beside.quotient).into();
        json["of_bmru_quartiles"] = json!([beside.quotient.low, beside.quotient.high]);
    }
    json
}
