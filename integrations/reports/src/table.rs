//! The table of all reports.

use std::fmt::Write;

use crate::{Report, Roofline};

const HEAD: &str = "\
| adapter | driver | host | date | commit | cases | failures | forward: wrong bits | backward: worst error / bound | copy | forward: of ceiling | backward: of ceiling | |
|---|---|---|---|---|--:|--:|--:|--:|--:|--:|--:|---|
";

/// A Markdown table with a line for each report, named by its file.
#[must_use]
pub fn table(reports: &[(String, Report)]) -> String {
    let mut sorted: Vec<_> = reports.iter().collect();
    // The newest of an adapter first.
    sorted.sort_by_key(|(file, report)| {
        let newest = std::cmp::Reverse(report.date);
        (report.adapter.name.to_lowercase(), report.adapter.backend.clone(), report.host.clone(), newest, file.clone())
    });
    sorted.iter().fold(HEAD.to_owned(), |mut text, (file, report)| {
        let Report { date, commit, host, adapter, conformance, roofline, .. } = report;
        let ratio = conformance.backward_worst_bound_ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.3}"));
        let driver = [&adapter.backend, &adapter.driver, &adapter.driver_info];
        let driver: Vec<String> = driver.into_iter().filter(|part| !part.is_empty()).map(|part| cell(part)).collect();
        let [copy, forward, backward] = figures(roofline.as_ref());
        let _ = writeln!(
            text,
            "| {} | {} | {} | {date} | {} | {} | {} | {} | {ratio} | {copy} | {forward} | {backward} | [file]({file}) |",
            cell(&adapter.name),
            driver.join(", "),
            cell(host),
            cell(commit),
            conformance.cases,
            conformance.failures,
            conformance.forward_wrong_bits,
        );
        text
    })
}

/// Copy, and the median share of the ceiling forward and backward.
fn figures(roofline: Option<&Roofline>) -> [String; 3] {
    let none = || "–".to_owned();
    let Some(roofline) = roofline else { return [none(), none(), none()] };
    let share = |direction| {
        let share = roofline.of_stream(direction);
        share.map_or_else(none, |(share, rows)| format!("{share:.2} ({rows})"))
    };
    [format!("{:.1} GB/s", roofline.copy_gbps), share("forward"), share("backward")]
}

/// Text in a cell: what Markdown would take for the end of it, or for a tag, stays text.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;")
}
