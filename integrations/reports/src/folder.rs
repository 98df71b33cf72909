//! The folder of all reports, `docs/gpus/`: one file each, and a page with the table.

use std::path::Path;

use crate::{Error, Report, table};

/// Name of the page.
pub const PAGE: &str = "README.md";

const BEFORE: &str = "\
# Adapters

What the kernels did on the adapters of those who ran them. Forward must equal the sequential loop bit for bit; backward must stay
within its derived bound, 1.000 in the table. *Copy* is the adapter's own; *forward* and *backward* are the median over all measured
rows of the rate as a share of the fastest streaming kernel's of the same traffic (in brackets: rows). A dash: not measured.

";

const AFTER: &str = "
Yours is missing? One command runs the cases and the measurements and writes its file and its line of this table:

```sh
cargo run --release --example report -- --adapter SUBSTRING
```

[`CONTRIBUTING.md`](../../CONTRIBUTING.md) says how to send it. This page is made from the files beside it (`--table` makes it
again), and a test holds it to them.
";

/// All reports of a folder with the names of their files, in the order of these.
///
/// # Errors
/// [`Error::File`] if the folder or a file cannot be read, [`Error::In`] if a file is no report.
pub fn read(folder: &Path) -> Result<Vec<(String, Report)>, Error> {
    let mut reports = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|actual| in_file(folder, actual))? {
        let path = entry.map_err(|actual| in_file(folder, actual))?.path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|actual| in_file(&path, actual))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let report = Report::from_json(&text).map_err(|reason| Error::In { path: name.clone(), reason: Box::new(reason) })?;
        reports.push((name, report));
    }
    reports.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(reports)
}

/// The page for some reports.
#[must_use]
pub fn page(reports: &[(String, Report)]) -> String {
    format!("{BEFORE}{}{AFTER}", table(reports))
}

/// Adds a report, in place of one of the same name, and makes the page again. Makes the folder, too.
///
/// # Errors
/// As [`read`], and [`Error::Contradiction`] if the report is none.
pub fn add(folder: &Path, name: &str, report: &Report) -> Result<(), Error> {
    let text = report.to_json()?;
    std::fs::create_dir_all(folder).map_err(|actual| in_file(folder, actual))?;
    write(&folder.join(name), &text)?;
    update(folder)
}

/// Makes the page again.
///
/// # Errors
/// As [`read`].
pub fn update(folder: &Path) -> Result<(), Error> {
    write(&folder.join(PAGE), &page(&read(folder)?))
}

/// A name for the file of a report: adapter, backend, driver's version and host, `llvmpipe-vulkan-mesa-22.3.6-wgpu.json`.
#[must_use]
pub fn file_name(report: &Report) -> String {
    let adapter = &report.adapter;
    // Without what stands in brackets, mostly the compiler's version.
    let plain = |text: &str| {
        let parts = text.split('(').enumerate();
        let outside =
            parts.map(|(number, part)| if number == 0 { part } else { part.split_once(')').map_or("", |(_, rest)| rest) });
        outside.collect::<String>().to_lowercase()
    };
    let host = plain(report.host.split([',', ' ']).next().unwrap_or_default());
    let parts = [plain(&adapter.name), plain(&adapter.backend), plain(&adapter.driver_info), host];
    let name = parts.join("-");
    let words = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-") + ".json"
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|actual| in_file(path, actual))
}

fn in_file(path: &Path, actual: std::io::Error) -> Error {
    Error::File { path: path.display().to_string(), actual }
}
