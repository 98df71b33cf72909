//! The text of the shaders: what two of them need stands once.

use std::collections::HashMap;
use std::path::Path;

/// Lines that must not follow each other in two places.
const LINES: usize = 12;

/// Lines with anything but space, by file and number.
fn lines() -> Vec<(String, Vec<(usize, String)>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let files = folder.read_dir().expect("the shaders are there").map(|entry| entry.expect("it can be read").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "wgsl")).collect();
    files.sort_unstable();
    let read = |path: &Path| {
        let text = std::fs::read_to_string(path).expect("it is text");
        let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim().to_owned()));
        (path.file_name().expect("a file").to_string_lossy().into_owned(), lines.filter(|(_, line)| !line.is_empty()).collect())
    };
    files.iter().map(|path| read(path)).collect()
}

/// The passages of so many lines that stand twice.
fn repeated(files: &[(String, Vec<(usize, String)>)], length: usize) -> Vec<String> {
    let mut known: HashMap<Vec<&str>, (&str, usize)> = HashMap::new();
    let mut repeated = Vec::new();
    for (name, lines) in files {
        for passage in lines.windows(length) {
            let here = (name.as_str(), passage[0].0);
            let text = passage.iter().map(|(_, line)| line.as_str()).collect();
            if let Some((file, line)) = known.insert(text, here) {
                repeated.push(format!("{file}:{line} and {}:{}", here.0, here.1));
            }
        }
    }
    repeated
}

#[test]
fn no_passage_of_the_shaders_stands_twice() {
    let files = lines();
    assert!(files.len() > 80, "{} files", files.len());
    assert_eq!(repeated(&files, LINES), [""; 0]);
    // Shorter ones do, so that it is known what is looked for.
    assert!(!repeated(&files, 5).is_empty());
}
