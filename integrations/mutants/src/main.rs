//! Changes one thing at a time in the shaders, and looks whether the quick conformance matrix sees it.
//!
//! `scripts/mutants.sh --shaders` sets up the adapters and runs this.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bmru::host::describe;
use bmru_conformance::adapters;
use bmru_mutants::equivalent::known;
use bmru_mutants::operators::mutants;
use bmru_mutants::pool::{ANSWER, Silence, Worker};
use bmru_mutants::report::Report;
use bmru_mutants::trial::{Bench, Verdict};
use bmru_mutants::{Mutant, sources};
use clap::Parser;

type Failure = Box<dyn std::error::Error>;

/// Trials of a process: drivers keep what they compiled, 10 MiB and more of each mutant.
const TRIALS: usize = 400;

/// A worker does not look at the time: the process that it serves does.
const FOR_EVER: Duration = Duration::from_secs(86_400);

/// Mutants of the shaders: fails if one survives of which `equivalent.toml` does not say why.
#[derive(Clone, Parser)]
struct Options {
    /// Only files with these names, without their ending.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    file: Vec<String>,
    /// Only so many mutants, drawn with a fixed seed.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Try each mutant on so many cases at most: a survivor may be none.
    #[arg(long, value_name = "N")]
    cases: Option<usize>,
    /// Try those again that the log says survived.
    #[arg(long)]
    again: bool,
    /// The adapter: a part of its name, backend or driver.
    #[arg(long, value_name = "SUBSTRING", default_value = "Vulkan, llvmpipe")]
    adapter: String,
    /// Processes at the same time.
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
    /// Seconds of processor time that one case may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    time_limit: u64,
    /// Write what becomes of each mutant to this file, and take from it what it has: it is of no use when a shader changes.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// List the mutants, and try none.
    #[arg(long)]
    list: bool,
    /// List those that are known to survive, with the reasons, when done.
    #[arg(long)]
    survivors: bool,
    /// Serve another process.
    #[arg(long, hide = true)]
    worker: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match if options.worker { serve(&options) } else { run(&options) } {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// All mutants of all files: their numbers are the same in every process.
fn all() -> io::Result<Vec<Mutant>> {
    Ok(sources()?.iter().flat_map(mutants).collect())
}

/// The numbers of those that are asked for.
fn chosen(options: &Options, all: &[Mutant]) -> Result<Vec<usize>, Failure> {
    let wanted = |mutant: &Mutant| options.file.is_empty() || options.file.contains(&mutant.file);
    if let Some(name) = options.file.iter().find(|name| !all.iter().any(|mutant| mutant.file == **name)) {
        return Err(format!("no mutant of {name}.wgsl").into());
    }
    let mut numbers: Vec<usize> = (0..all.len()).filter(|&number| wanted(&all[number])).collect();
    if let Some(limit) = options.limit {
        fastrand::Rng::with_seed(1).shuffle(&mut numbers);
        // In this order: where a run is cut short, what it did is a sample, too.
        numbers.truncate(limit);
    }
    Ok(numbers)
}

fn run(options: &Options) -> Result<bool, Failure> {
    let all = all()?;
    let numbers = chosen(options, &all)?;
    if options.list {
        numbers.iter().for_each(|&number| println!("{}", all[number]));
        println!("{} of {} mutants", numbers.len(), all.len());
        return Ok(true);
    }
    let stale: Vec<String> = known()?.iter().flat_map(|entry| entry.stale(&all)).collect();
    if !stale.is_empty() {
        return Err(format!("stale in equivalent.toml:\n{}", stale.join("\n")).into());
    }
    let mut log = Log::open(options)?;
    if options.again {
        log.done.retain(|id, verdict| id.contains(' ') || !matches!(verdict, Verdict::Survived(_)));
    }
    let todo: Vec<usize> = numbers.iter().copied().filter(|&number| !log.has(&all[number])).collect();
    let log = Mutex::new(log);
    try_all(options, &all, &todo, &log)?;
    let log = log.into_inner().map_err(|_| "a thread panicked")?;

    let results = numbers.iter().filter_map(|&number| Some((&all[number], log.done.get(&all[number].id())?.clone())));
    let report = Report::new(results.collect(), known()?);
    println!("\n| | valid | killed | hung | the same | survived | dead | refused |\n|---|--:|--:|--:|--:|--:|--:|--:|\n{report}");
    if options.survivors {
        println!("{}", report.survivors());
    }
    report.unexplained().for_each(|mutant| println!("survived: {mutant}"));
    for (mutant, verdict) in report.wrongly_explained() {
        println!("said to be seen by no case, but {verdict}: {mutant}");
    }
    Ok(report.unexplained().next().is_none() && report.wrongly_explained().next().is_none())
}

/// What became of mutants, in a file if one is given.
struct Log {
    done: HashMap<String, Verdict>,
    file: Option<File>,
}

impl Log {
    fn open(options: &Options) -> Result<Self, Failure> {
        let Some(path) = &options.log else { return Ok(Self { done: HashMap::new(), file: None }) };
        let mut hasher = DefaultHasher::new();
        sources()?.iter().for_each(|source| source.text.hash(&mut hasher));
        let head = format!("shaders {:016x} {}", hasher.finish(), options.adapter);
        let mut done = HashMap::new();
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut lines = text.lines();
        if lines.next() == Some(&head) {
            for line in lines {
                // The last line may be cut.
                if let Some((id, Ok(verdict))) = line.split_once('\t').map(|(id, verdict)| (id, verdict.parse())) {
                    done.insert(id.to_owned(), verdict);
                }
            }
            return Ok(Self { done, file: Some(OpenOptions::new().append(true).open(path)?) });
        }
        let mut file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        writeln!(file, "{head}")?;
        Ok(Self { done, file: Some(file) })
    }

    fn has(&self, mutant: &Mutant) -> bool {
        self.done.contains_key(&mutant.id())
    }

    fn add(&mut self, id: String, verdict: Verdict) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            writeln!(file, "{id}\t{verdict}")?;
        }
        self.done.insert(id, verdict);
        Ok(())
    }
}

/// The suite without a change, as far as the log does not have it, then the mutants, spread over processes.
fn try_all(options: &Options, all: &[Mutant], todo: &[usize], log: &Mutex<Log>) -> Result<(), Failure> {
    let passed = |file: &str| format!("{file} without a change");
    let mut files: Vec<&str> = todo.iter().map(|&number| all[number].file.as_str()).collect();
    files.sort_unstable();
    files.dedup();
    files.retain(|file| !log.lock().expect("nobody panics with it").done.contains_key(&passed(file)));
    let mut workers: Vec<Worker> = (0..options.jobs).map(|_| worker(options)).collect();
    if !files.is_empty() {
        let line = |part: usize| format!("baseline {part} {} {}", options.jobs, files.join(","));
        each(&mut workers, |part, worker| {
            match worker.ask(&line(part)).map_err(|silence| format!("{silence:?}"))?.split_once(' ') {
                Some(("ok", cases)) => {
                    eprintln!("process {part}: {cases} cases pass without a change");
                    Ok(())
                }
                other => Err(format!("{other:?}").into()),
            }
        })?;
        let mut log = log.lock().expect("nobody panics with it");
        files.iter().try_for_each(|file| log.add(passed(file), Verdict::Survived(0)))?;
    }
    let next = AtomicUsize::new(0);
    each(&mut workers, |_, worker| {
        let mut trials = 0;
        while let Some(&number) = todo.get(next.fetch_add(1, Relaxed)) {
            let verdict = match worker.ask(&format!("trial {number}")) {
                Ok(answer) => answer.parse()?,
                Err(Silence::Hung | Silence::Ended) => Verdict::Hung,
            };
            trials += 1;
            // If it hung, its device still works on it.
            if verdict == Verdict::Hung || trials % TRIALS == 0 {
                worker.end();
            }
            if matches!(verdict, Verdict::Survived(_)) {
                eprintln!("{verdict}: {}", all[number]);
            }
            log.lock().map_err(|_| "a thread panicked")?.add(all[number].id(), verdict)?;
        }
        Ok(())
    })
}

/// Does something with all workers at the same time; the first failure.
fn each(workers: &mut [Worker], work: impl Fn(usize, &mut Worker) -> Result<(), Failure> + Sync) -> Result<(), Failure> {
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for (part, worker) in workers.iter_mut().enumerate() {
            let (work, failed) = (&work, &failed);
            scope.spawn(move || {
                if let Err(error) = work(part, worker) {
                    failed.lock().expect("nobody panics with it").get_or_insert(error.to_string());
                }
            });
        }
    });
    failed.into_inner().expect("nobody panics with it").map_or(Ok(()), |error| Err(error.into()))
}

fn worker(options: &Options) -> Worker {
    let (adapter, cases) = (options.adapter.clone(), options.cases);
    let command = move || {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--worker", "--adapter", &adapter]);
        if let Some(cases) = cases {
            command.args(["--cases", &cases.to_string()]);
        }
        command
    };
    Worker::new(command, Duration::from_secs(options.time_limit))
}

fn serve(options: &Options) -> Result<bool, Failure> {
    let mut found = adapters::all();
    found.retain(|adapter| describe(&adapter.get_info()).to_lowercase().contains(&options.adapter.to_lowercase()));
    let adapter = found.first().ok_or_else(|| format!("no adapter matches {:?}", options.adapter))?;
    let all = all()?;
    let mut bench = Bench::new(adapter, sources()?, FOR_EVER, "")?;
    let working = || println!("working");
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["baseline", part, parts, files] => {
                let files: Vec<String> = files.split(',').map(str::to_owned).collect();
                match bench.baseline(&files, part.parse()?, parts.parse()?, working) {
                    Ok(cases) => println!("{ANSWER}ok {cases}"),
                    Err(error) => println!("{ANSWER}{}", error.replace('\n', " ")),
                }
            }
            ["trial", number] => {
                println!("{ANSWER}{}", bench.trial(&all[number.parse::<usize>()?], options.cases.unwrap_or(usize::MAX), working));
            }
            _ => return Err(format!("{line:?}").into()),
        }
    }
    // As in `tests/gpu/main.rs`: devices before the process.
    drop(bench);
    Ok(true)
}
