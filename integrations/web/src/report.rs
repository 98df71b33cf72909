//! A report of `bmru-reports` as text to paste, and what only a build knows of it.

use std::fmt::Write;

use bmru_reports::{Adapter, Report, Roofline};

/// The commit that was built, as `scripts/web.sh` tells the compiler.
#[must_use]
pub fn commit() -> String {
    option_env!("BMRU_COMMIT").unwrap_or("unknown").to_owned()
}

/// Whose implementation ran the plans, and where: `wgpu 30.0.2, Chromium 156 on Linux`.
#[must_use]
pub fn host(browser: &str) -> String {
    let mut lock = include_str!("../../../Cargo.lock").lines();
    lock.find(|&line| line == "name = \"wgpu\"");
    let version = lock.next().and_then(|line| line.split('"').nth(1)).unwrap_or_default();
    format!("wgpu {version}, {browser}")
}

/// For a mail or an issue: a few lines that hold without a table.
#[must_use]
pub fn text(report: &Report) -> String {
    let Report { date, commit, host, adapter, conformance, roofline, .. } = report;
    let Adapter { name, backend, driver, driver_info } = adapter;
    let driver = [backend, driver, driver_info].map(String::as_str).into_iter().filter(|part| !part.is_empty());
    let ratio = match conformance.backward_worst_bound_ratio {
        None => "–".to_owned(),
        Some(ratio) if ratio < 1e3 => format!("{ratio:.3}"),
        Some(ratio) => format!("{ratio:.1e}"),
    };
    let mut text = format!(
        "bmru {commit}, {date}\nadapter: {name} ({})\nhost: {host}\n\
         conformance: {} cases, {} failures; forward: {} wrong bits; backward: at most {ratio} of its bound\n",
        driver.collect::<Vec<_>>().join(", "),
        conformance.cases,
        conformance.failures,
        conformance.forward_wrong_bits,
    );
    if let Some(Roofline { copy_gbps, rows }) = roofline {
        let _ = writeln!(text, "copy: {copy_gbps:.1} GB/s");
        for row in rows {
            let of = row.of_stream.map_or("void".to_owned(), |of| format!("{of:.2} of the ceiling"));
            let cached = if row.measured_cache { ", in cache" } else { "" };
            let _ = writeln!(text, "{}: {:.3} Gelem/s, {of}{cached}", row.name, row.gelem_per_s);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use bmru_reports::Report;

    use super::{host, text};

    #[test]
    fn a_report_as_text() {
        let row = r#"{"name": "forward/1x2x3/element", "direction": "forward", "saves": false, "element": "f32",
            "threshold": "element", "set_rate": 0.05, "shape": [1, 2, 3], "strategy": "serial", "gelem_per_s": 1.5,
            "bytes_per_element": 12, "of_stream": 0.9, "of_copy": null, "of_naive": null, "of_lampshade": null,
            "of_stream_quartiles": [0.8, 1.0], "stream_spread": 0.1, "void": false, "measured_cache": true}"#;
        let report = |roofline: &str| {
            let report = r#"{"schema": 1, "date": "2026-01-31", "commit": "0123456", "host": "a browser",
                "adapter": {"name": "a GPU", "backend": "BrowserWebGpu", "driver": "", "driver_info": ""},
                "conformance": {"cases": 10, "failures": 1, "forward_wrong_bits": 3, "backward_worst_bound_ratio": 0.25},
                "roofline": "#;
            text(&Report::from_json(&format!("{report}{roofline}}}")).unwrap())
        };
        let short = "bmru 0123456, 2026-01-31\nadapter: a GPU (BrowserWebGpu)\nhost: a browser\n\
            conformance: 10 cases, 1 failures; forward: 3 wrong bits; backward: at most 0.250 of its bound\n";
        assert_eq!(report("null"), short);
        let long = format!("{short}copy: 20.0 GB/s\nforward/1x2x3/element: 1.500 Gelem/s, 0.90 of the ceiling, in cache\n");
        assert_eq!(report(&format!(r#"{{"copy_gbps": 20.0, "rows": [{row}]}}"#)), long);
    }

    #[test]
    fn the_host_names_the_wgpu_that_is_built() {
        assert!(host("a browser").starts_with("wgpu 30."), "{}", host("a browser"));
    }
}
