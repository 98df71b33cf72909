//! Plan and bind what any bytes say: under cargo-fuzz those that reach the most code, else random ones.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Err(found) = bmru_fuzz::plan::run(bytes) {
        panic!("{found}");
    }
});

#[cfg(not(fuzzing))]
mod ordinary {
    use std::path::PathBuf;
    use std::process::ExitCode;
    use std::time::Instant;

    use bmru_fuzz::plan::Summary;
    use bmru_fuzz::regressions;
    use clap::Parser;

    /// Plans and binds random bytes, given ones, or the files of a corpus.
    #[derive(Parser)]
    struct Arguments {
        /// Random inputs.
        #[arg(long, default_value_t = 100_000)]
        runs: u64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// One input in hexadecimal digits, and nothing else.
        #[arg(long)]
        input: Option<String>,
        /// Files, or folders of files, each an input.
        corpus: Vec<PathBuf>,
    }

    pub fn main() -> ExitCode {
        let arguments = Arguments::parse();
        let inputs: Box<dyn Iterator<Item = Vec<u8>>> = match (&arguments.input, arguments.corpus.is_empty()) {
            (Some(digits), _) => {
                let Some(bytes) = regressions::bytes(digits) else {
                    eprintln!("--input wants pairs of hexadecimal digits");
                    return ExitCode::FAILURE;
                };
                Box::new(std::iter::once(bytes))
            }
            (None, false) => Box::new(files(&arguments.corpus)),
            (None, true) => {
                let mut rng = fastrand::Rng::with_seed(arguments.seed);
                let random = move |_| {
                    let length = rng.usize(..=220);
                    (0..length).map(|_| rng.u8(..)).collect()
                };
                Box::new(regressions::plan().chain((0..arguments.runs).map(random)))
            }
        };
        let (begin, mut summary) = (Instant::now(), Summary::default());
        for bytes in inputs {
            if let Err(found) = summary.add(&bytes) {
                eprintln!("{found}\nrerun: --bin plan -- --input {}", regressions::digits(&bytes));
                return ExitCode::FAILURE;
            }
        }
        println!("{summary}, in {:.1} s", begin.elapsed().as_secs_f64());
        ExitCode::SUCCESS
    }

    fn files(paths: &[PathBuf]) -> impl Iterator<Item = Vec<u8>> + use<> {
        let inside = |path: &PathBuf| match std::fs::read_dir(path) {
            Ok(folder) => folder.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(_) => vec![path.clone()],
        };
        let all: Vec<PathBuf> = paths.iter().flat_map(inside).collect();
        all.into_iter().filter_map(|path| std::fs::read(path).ok())
    }
}

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    ordinary::main()
}
