//! The schema, and the files of `docs/gpus/` under it.

use std::path::{Path, PathBuf};

use bmru_reports::{Error, Report, folder, table};

const GOOD: &str = r#"{
  "schema": 1,
  "date": "2026-11-25",
  "commit": "a6c96d1",
  "host": "wgpu 30.0.2, linux x86_64",
  "adapter": { "name": "A | B (C)", "backend": "Vulkan", "driver": "D", "driver_info": "Mesa 22.3.6 (LLVM)" },
  "conformance": { "cases": 10, "failures": 0, "forward_wrong_bits": 0, "backward_worst_bound_ratio": 0.25 },
  "roofline": null
}"#;

const ROW: &str = r#"{ "name": "n", "direction": "forward", "saves": false, "element": "f32", "threshold": "element",
  "set_rate": 0.05, "shape": [4, 4096, 256], "strategy": "serial", "gelem_per_s": 1.5, "bytes_per_element": 12.0,
  "of_stream": 0.9, "of_copy": 0.5, "of_naive": null, "of_lampshade": null, "of_stream_quartiles": [0.8, 1.0],
  "stream_spread": 0.01, "void": false, "measured_cache": false }"#;

fn folder_of_the_repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/gpus")
}

fn error(text: &str) -> String {
    Report::from_json(text).expect_err("a report that is none").to_string()
}

#[test]
fn the_page_is_made_of_the_files() {
    let folder = folder_of_the_repository();
    let reports = folder::read(&folder).unwrap_or_else(|error| panic!("{error}"));
    assert!(!reports.is_empty(), "no report in {}", folder.display());
    let page = std::fs::read_to_string(folder.join(folder::PAGE)).expect("the page");
    assert!(
        page == folder::page(&reports),
        "the page is not made of the files: `cargo run --example report -- --table` makes it"
    );
}

#[test]
fn what_is_written_is_read() {
    let report = Report::from_json(GOOD).expect("a report");
    assert_eq!(Report::from_json(&report.to_json().expect("JSON")).expect("a report"), report);
    let text = GOOD.replace(r#""roofline": null"#, &format!(r#""roofline": {{ "copy_gbps": 6.5, "rows": [{ROW}] }}"#));
    let report = Report::from_json(&text).expect("a report with measurements");
    assert_eq!(Report::from_json(&report.to_json().expect("JSON")).expect("a report"), report);
}

#[test]
fn another_schema_is_named() {
    assert_eq!(error(&GOOD.replace(r#""schema": 1"#, r#""schema": 2"#)), "the report has schema 2, expected 1");
    assert_eq!(error(&GOOD.replace(r#""schema": 1,"#, "")), "the report has schema none, expected 1");
    assert_eq!(error(&GOOD.replace(r#""schema": 1"#, r#""schema": "1""#)), "the report has schema \"1\", expected 1");
    // Whatever else another schema has.
    assert!(matches!(Report::from_json(r#"{"schema": 7, "x": 0}"#), Err(Error::UnknownSchema { expected: 1, .. })));
}

#[test]
fn every_field_must_be_there() {
    let whole: serde_json::Value = serde_json::from_str(GOOD).expect("JSON");
    let mut fields = vec![];
    for (name, value) in whole.as_object().expect("an object") {
        fields.push(format!("/{name}"));
        fields.extend(value.as_object().into_iter().flatten().map(|(inner, _)| format!("/{name}/{inner}")));
    }
    assert_eq!(fields.len(), 7 + 4 + 4);
    for path in fields.iter().filter(|path| *path != "/schema") {
        let mut without = whole.clone();
        let (parent, field) = path.rsplit_once('/').expect("a path");
        without.pointer_mut(parent).and_then(serde_json::Value::as_object_mut).expect("an object").remove(field);
        let error = error(&without.to_string());
        assert!(error.contains(&format!("missing field `{field}`")), "{path}: {error}");
    }
    let row = ROW.replace(r#""name": "n", "#, "");
    let text = GOOD.replace(r#""roofline": null"#, &format!(r#""roofline": {{ "copy_gbps": 6.5, "rows": [{row}] }}"#));
    assert!(error(&text).contains("missing field `name`"));
}

#[test]
fn nothing_else_may_be_there() {
    assert!(error(&GOOD.replace(r#""cases": 10"#, r#""cases": 10, "case": 1"#)).contains("unknown field `case`"));
    assert!(error(&GOOD.replace("2026-11-25", "2026-11-31")).contains("line 3"));
    assert!(error(&GOOD.replace("2026-11-25", "25 November")).starts_with("not a report of schema 1: "));
    assert!(error(&GOOD[1..]).starts_with("not a report of schema 1: "));
    assert!(error(&GOOD.replace(r#""cases": 10"#, r#""cases": -1"#)).contains("invalid value"));
}

#[test]
fn what_contradicts_itself_is_refused() {
    for (from, to, field) in [
        (r#""cases": 10"#, r#""cases": 0"#, "conformance.cases"),
        (r#""failures": 0"#, r#""failures": 11"#, "conformance.failures"),
        (r#""forward_wrong_bits": 0"#, r#""forward_wrong_bits": 3"#, "conformance.forward_wrong_bits"),
        ("0.25", "1.25", "conformance.backward_worst_bound_ratio"),
        ("0.25", "-0.25", "conformance.backward_worst_bound_ratio"),
        ("a6c96d1", " ", "commit"),
        ("wgpu 30.0.2, linux x86_64", "", "host"),
    ] {
        let error = error(&GOOD.replace(from, to));
        assert!(error.starts_with(&format!("{field} is ")), "{to}: {error}");
    }
    // A failure may have wrong bits, and errors beyond the bound.
    let failed =
        GOOD.replace(r#""failures": 0"#, r#""failures": 2"#).replace(r#""forward_wrong_bits": 0"#, r#""forward_wrong_bits": 3"#);
    assert!(Report::from_json(&failed.replace("0.25", "7.5")).is_ok_and(|report| !report.conforms()));
    assert!(Report::from_json(&failed.replace("0.25", "null")).is_ok());
}

#[test]
fn a_line_for_each_report() {
    let older = Report::from_json(GOOD).expect("a report");
    let rows = format!("[{ROW}, {}, {}]", ROW.replace("0.9", "0.7"), ROW.replace("0.9", "null").replace("false }", "true }"));
    let text = GOOD.replace(r#""roofline": null"#, &format!(r#""roofline": {{ "copy_gbps": 6.54, "rows": {rows} }}"#));
    let newer = Report::from_json(&text.replace("11-25", "12-01")).expect("a report");
    let table = table(&[("old.json".to_owned(), older), ("new.json".to_owned(), newer)]);
    let lines: Vec<&str> = table.lines().skip(2).collect();
    assert_eq!(
        lines,
        [
            "| A \\| B (C) | Vulkan, D, Mesa 22.3.6 (LLVM) | wgpu 30.0.2, linux x86_64 | 2026-12-01 | a6c96d1 | 10 | 0 | 0 | 0.250 \
         | 6.5 GB/s | 0.80 (2) | – | [file](new.json) |",
            "| A \\| B (C) | Vulkan, D, Mesa 22.3.6 (LLVM) | wgpu 30.0.2, linux x86_64 | 2026-11-25 | a6c96d1 | 10 | 0 | 0 | 0.250 \
         | – | – | – | [file](old.json) |",
        ]
    );
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    assert!(table.lines().all(|line| columns(line) == 14), "{table}");
}

#[test]
fn a_file_has_the_name_of_its_adapter() {
    let mut report = Report::from_json(GOOD).expect("a report");
    assert_eq!(folder::file_name(&report), "a-b-vulkan-mesa-22.3.6-wgpu.json");
    report.adapter.driver_info = "4.5 (Core Profile) Mesa 22.3.6".to_owned();
    assert_eq!(folder::file_name(&report), "a-b-vulkan-4.5-mesa-22.3.6-wgpu.json");
    report.adapter.driver_info = String::new();
    report.host = "Dawn, node".to_owned();
    assert_eq!(folder::file_name(&report), "a-b-vulkan-dawn.json");
}

#[test]
fn a_report_that_is_added_is_in_the_table() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reports");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut report = Report::from_json(GOOD).expect("a report");
    folder::add(&folder, &folder::file_name(&report), &report).expect("added");
    let page = std::fs::read_to_string(folder.join(folder::PAGE)).expect("the page");
    assert!(page.contains("(a-b-vulkan-mesa-22.3.6-wgpu.json)"), "{page}");
    report.conformance.cases = 0;
    assert!(matches!(folder::add(&folder, "x.json", &report), Err(Error::Contradiction { .. })));
    assert!(!folder.join("x.json").exists());
    std::fs::write(folder.join("bad.json"), "{}").expect("a file");
    assert!(
        folder::update(&folder)
            .expect_err("a file that is no report")
            .to_string()
            .starts_with("bad.json: the report has schema none")
    );
}
