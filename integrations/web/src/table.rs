//! The visitor's own numbers: one a line, or a table with commas, semicolons, tabs or blanks between its columns.

use csv::{ReaderBuilder, StringRecord, Trim};
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

/// Longer files are cut here.
pub const MAX_ROWS: usize = 1 << 20;

/// Why a file cannot be used, in words for whoever chose it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// Nothing is in it.
    #[error("The file is empty.")]
    Empty,
    /// It is not text.
    #[error("This is not a text file in UTF-8. From a spreadsheet, save the sheet as CSV (UTF-8) and choose that file.")]
    NotText,
    /// No cell is a number.
    #[error("No column has numbers in it. Expected one number a line, or a table with a column of numbers.")]
    NoNumbers,
    /// A column of numbers has something else in it, and there is no better one.
    #[error("Line {line}, {column}: “{cell}” is not a number. Empty cells and NaN are fine, words are not.")]
    NotANumber {
        /// Line of the file, from 1.
        line: u64,
        /// Name of the column.
        column: String,
        /// What is there.
        cell: String,
    },
    /// Quotes that do not end, and the like.
    #[error("The file cannot be read as a table: {0}.")]
    Malformed(String),
}

/// Columns of numbers.
#[wasm_bindgen]
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    cut: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Column {
    name: String,
    /// NaN where a cell is empty: there the unit holds.
    values: Vec<f32>,
    numbers: usize,
    /// The first cell that is neither a number nor empty.
    bad: Option<(u64, String)>,
}

#[wasm_bindgen]
impl Table {
    /// Reads a file.
    ///
    /// # Errors
    /// In words that can be shown.
    pub fn read(bytes: &[u8]) -> Result<Table, JsError> {
        Ok(Self::parse(bytes)?)
    }

    /// Names of the columns that are numbers throughout.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// The numbers of a column, NaN where a cell is empty; nothing past the last.
    #[must_use]
    pub fn column(&self, at: usize) -> Vec<f32> {
        self.columns.get(at).map(|column| column.values.clone()).unwrap_or_default()
    }

    /// Whether the file was too long, and its end is left out.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn cut(&self) -> bool {
        self.cut
    }
}

impl Table {
    /// [`read`](Self::read), with an error that can be compared.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unusable> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).ok_or(Unusable::NotText)?;
        let delimiter = delimiter(text).ok_or(Unusable::Empty)?;
        let (text, delimiter) = match delimiter {
            b' ' => (join_blanks(text), b'\t'),
            delimiter => (text.to_owned(), delimiter),
        };
        let mut columns: Vec<Column> = Vec::new();
        let mut rows = 0;
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .delimiter(delimiter)
            .comment(Some(b'#'))
            .from_reader(text.as_bytes());
        for record in reader.records() {
            let record = record.map_err(|error| Unusable::Malformed(error.to_string()))?;
            if columns.is_empty() && is_header(&record, delimiter) {
                columns.extend(record.iter().enumerate().map(|(at, name)| Column::new(at, name)));
                continue;
            }
            if rows == MAX_ROWS {
                return Self::of(columns, true);
            }
            while columns.len() < record.len() {
                let mut column = Column::new(columns.len(), "");
                column.values.resize(rows, f32::NAN);
                columns.push(column);
            }
            let line = record.position().map_or(0, csv::Position::line);
            for (at, column) in columns.iter_mut().enumerate() {
                column.push(line, record.get(at).unwrap_or_default(), delimiter);
            }
            rows += 1;
        }
        Self::of(columns, false)
    }

    /// The columns that are numbers throughout; if there is none, what is wrong with the one that is nearest to it.
    fn of(columns: Vec<Column>, cut: bool) -> Result<Self, Unusable> {
        let is_good = |column: &&Column| column.numbers > 0 && column.bad.is_none();
        let good: Vec<Column> = columns.iter().filter(is_good).cloned().collect();
        if !good.is_empty() {
            return Ok(Self { columns: good, cut });
        }
        let nearest = columns.into_iter().filter(|column| column.numbers > 0).max_by_key(|column| column.numbers);
        match nearest {
            Some(Column { name, bad: Some((line, cell)), .. }) => Err(Unusable::NotANumber { line, column: name, cell }),
            _ => Err(Unusable::NoNumbers),
        }
    }
}

impl Column {
    fn new(at: usize, name: &str) -> Self {
        let name = if name.is_empty() { format!("column {}", at + 1) } else { name.to_owned() };
        Self { name, values: Vec::new(), numbers: 0, bad: None }
    }

    fn push(&mut self, line: u64, cell: &str, delimiter: u8) {
        let value = number(cell, delimiter);
        self.numbers += usize::from(value.is_some_and(|value| !value.is_nan()));
        if value.is_none() && !is_hole(cell) {
            self.bad.get_or_insert_with(|| (line, cell.chars().take(40).collect()));
        }
        self.values.push(value.unwrap_or(f32::NAN));
    }
}

/// What stands between the columns, as the first lines have it; nothing if there is no line.
///
/// A comma may be a decimal point where something else separates, so it is asked for last.
fn delimiter(text: &str) -> Option<u8> {
    let lines: Vec<&str> =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).take(20).collect();
    let enough = |separator: char| 2 * lines.iter().filter(|line| line.contains(separator)).count() > lines.len();
    let found = [';', '\t', ',', ' '].into_iter().find(|&separator| enough(separator));
    (!lines.is_empty()).then_some(found.unwrap_or(',') as u8)
}

/// One tab for each run of blanks. Lines stay where they are.
fn join_blanks(text: &str) -> String {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join("\t") + "\n").collect()
}

/// A number, also with a decimal comma where commas do not separate.
fn number(cell: &str, delimiter: u8) -> Option<f32> {
    match cell.parse() {
        Ok(number) => Some(number),
        Err(_) if delimiter != b',' => cell.replacen(',', ".", 1).parse().ok(),
        Err(_) => None,
    }
}

fn is_hole(cell: &str) -> bool {
    ["", "na", "n/a", "null", "none", "-", "?"].contains(&cell.to_lowercase().as_str())
}

fn is_header(record: &StringRecord, delimiter: u8) -> bool {
    !record.iter().any(|cell| number(cell, delimiter).is_some()) && record.iter().any(|cell| !is_hole(cell))
}

#[cfg(test)]
mod tests {
    use super::{MAX_ROWS, Table, Unusable};

    fn parse(text: &str) -> Result<Table, Unusable> {
        Table::parse(text.as_bytes())
    }

    /// Names and columns, NaN as `None`.
    fn read(text: &str) -> Vec<(String, Vec<Option<f32>>)> {
        let table = parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let values = |at| table.column(at).into_iter().map(|value| (!value.is_nan()).then_some(value)).collect();
        table.names().into_iter().enumerate().map(|(at, name)| (name, values(at))).collect()
    }

    fn column(name: &str, values: &[f32]) -> (String, Vec<Option<f32>>) {
        (name.to_owned(), values.iter().copied().map(Some).collect())
    }

    #[test]
    fn a_number_a_line() {
        assert_eq!(read("1\n-2.5\n3e2\n"), [column("column 1", &[1.0, -2.5, 300.0])]);
        assert_eq!(read("\u{feff}c\r\n1\r\n\r\n2"), [column("c", &[1.0, 2.0])]);
        assert_eq!(read("# volts\n 1 \n 2 \n"), [column("column 1", &[1.0, 2.0])]);
    }

    #[test]
    fn tables_of_all_kinds() {
        let expected = [column("t", &[0.0, 1.0]), column("x", &[1.5, -2.5])];
        for text in [
            "t,x\n0,1.5\n1,-2.5",
            "t;x\n0;1,5\n1;-2,5",
            "t\tx\n0\t1.5\n1\t-2.5",
            "t x\n0   1.5\n 1 -2.5",
            "\"t\",\"x\"\n0,\"1.5\"\n1,-2.5",
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    #[test]
    fn columns_of_words_are_left_out() {
        assert_eq!(read("date,x\n2026-01-01,1\n2026-01-02,2\n"), [column("x", &[1.0, 2.0])]);
        assert_eq!(read("2026-01-01,1\n2026-01-02,2\n"), [column("column 2", &[1.0, 2.0])]);
    }

    #[test]
    fn empty_cells_hold() {
        assert_eq!(
            read("x,y\n1,\n,2\n3,NaN\n"),
            [("x".to_owned(), vec![Some(1.0), None, Some(3.0)]), ("y".to_owned(), vec![None, Some(2.0), None]),]
        );
        // A row may be short, and one may be long.
        assert_eq!(read("1\n2,5\n3\n4,6\n5,7\n")[1].1, [None, Some(5.0), None, Some(6.0), Some(7.0)]);
    }

    #[test]
    fn bad_files_are_told_why() {
        assert_eq!(parse(""), Err(Unusable::Empty));
        assert_eq!(parse(" \n\n# only words\n"), Err(Unusable::Empty));
        assert_eq!(parse("name,city\nAda,London\n"), Err(Unusable::NoNumbers));
        assert_eq!(Table::parse(b"PK\x03\x04\x00\x00\xff"), Err(Unusable::NotText));
        assert_eq!(Table::parse(b"\xff\xfe1\x00\n\x00"), Err(Unusable::NotText));
        let bad = Unusable::NotANumber { line: 4, column: "x".to_owned(), cell: "high".to_owned() };
        assert_eq!(parse("x\n1\n2\nhigh\n"), Err(bad.clone()));
        assert!(bad.to_string().starts_with("Line 4, x: “high” is not a number."));
    }

    #[test]
    fn long_files_are_cut() {
        let table = parse(&"1\n".repeat(MAX_ROWS + 1)).unwrap();
        assert!(table.cut() && table.column(0).len() == MAX_ROWS);
        assert!(!parse(&"1\n".repeat(MAX_ROWS)).unwrap().cut());
    }
}
