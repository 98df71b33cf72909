//! A mutant against all cases that could see it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bmru::{Error, Tuning, wgpu};

use crate::device::{Change, Device, Failure};
use crate::suite::Suite;
use crate::{Mutant, Source};

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is no valid shader: nobody could ship it, and it counts as none.
    Refused(String),
    /// A case saw it, with what was wrong.
    Killed(String),
    /// It did not end, or took the process with it.
    Hung,
    /// So many cases in which it is another code saw nothing.
    Survived(usize),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |text: &str| text.replace(['\n', '\t'], " ");
        match self {
            Self::Refused(message) => write!(f, "refused\t{}", line(message)),
            Self::Killed(message) => write!(f, "killed\t{}", line(message)),
            Self::Hung => write!(f, "hung\t"),
            Self::Survived(cases) => write!(f, "survived\t{cases}"),
        }
    }
}

impl FromStr for Verdict {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, rest) = text.split_once('\t').ok_or(text)?;
        Ok(match kind {
            "refused" => Self::Refused(rest.to_owned()),
            "killed" => Self::Killed(rest.to_owned()),
            "hung" => Self::Hung,
            "survived" => Self::Survived(rest.parse().map_err(|_| text)?),
            _ => return Err(text.to_owned()),
        })
    }
}

/// A device and the suite.
pub struct Bench {
    sources: Vec<Source>,
    device: Device,
    suite: Suite,
    /// Mutants that each case killed.
    kills: Vec<u32>,
}

impl Bench {
    /// A bench on an adapter, with the cases whose name contains `only`.
    ///
    /// # Errors
    /// If the adapter gives no device, or a case cannot be planned.
    pub fn new(adapter: &wgpu::Adapter, sources: Vec<Source>, time_limit: Duration, only: &str) -> Result<Self, Error> {
        let device = Device::new(adapter, time_limit)?;
        let suite = Suite::new(&sources, device.gpu().limits(), Tuning::for_adapter(device.gpu().info()), only)?;
        let kills = vec![0; suite.len()];
        Ok(Self { sources, device, suite, kills })
    }

    /// The shader files.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    fn file(&self, name: &str) -> Option<usize> {
        self.sources.iter().position(|source| source.name == name)
    }

    /// The cases of one of `parts` of the work, with no change at all: what fails here says nothing of a mutant.
    ///
    /// # Errors
    /// The case that failed, or the file that no case has.
    pub fn baseline(&mut self, files: &[String], part: usize, parts: usize, mut progress: impl FnMut()) -> Result<usize, String> {
        let mut cases = std::collections::BTreeSet::new();
        for name in files {
            let having = self.suite.with_file(self.file(name).ok_or_else(|| format!("there is no {name}.wgsl"))?);
            if having.is_empty() {
                return Err(format!("no case has {name}.wgsl"));
            }
            cases.extend(having);
        }
        self.device.exchange(None);
        let mine: Vec<usize> = cases.into_iter().skip(part).step_by(parts).collect();
        for &case in &mine {
            progress();
            self.run(case).map_err(|failure| format!("{} fails without a change: {failure}", self.suite.name(case)))?;
        }
        Ok(mine.len())
    }

    fn run(&mut self, case: usize) -> Result<(), Failure> {
        let portable = self.suite.portable(case)?;
        self.device.run(&portable)
    }

    /// Tries a mutant on the cases whose code it changes, or on `most` of them, up to the first that sees it. After
    /// [`Verdict::Hung`] the device is of no use.
    pub fn trial(&mut self, mutant: &Mutant, most: usize, mut progress: impl FnMut()) -> Verdict {
        let file = self.file(&mutant.file).expect("a mutant of one of the files");
        let from = self.sources[file].text.clone();
        self.device.exchange(Some(Change { to: mutant.apply(&from), from }));
        let mut cases = evenly(self.suite.with_file(file));
        // First of all those that have killed before.
        cases.sort_by_key(|&case| std::cmp::Reverse(self.kills[case]));
        let mut run = 0;
        for case in cases {
            if run == most {
                break;
            }
            progress();
            match self.is_changed(case).and_then(|changed| if changed { self.run(case).map(|()| 1) } else { Ok(0) }) {
                Ok(more) => run += more,
                Err(Failure::Refused(message)) => return Verdict::Refused(message),
                Err(Failure::Hung) => return Verdict::Hung,
                Err(Failure::Wrong(message)) => {
                    self.kills[case] += 1;
                    return Verdict::Killed(format!("{}: {message}", self.suite.name(case)));
                }
            }
        }
        Verdict::Survived(run)
    }

    /// Whether the mutant is another code in a case.
    fn is_changed(&mut self, case: usize) -> Result<bool, Failure> {
        for variant in self.suite.variants(case) {
            if self.device.changes(variant)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The same in an order of which every beginning is spread evenly over all.
fn evenly(all: Vec<usize>) -> Vec<usize> {
    let mut places: Vec<usize> = (0..all.len()).collect();
    places.sort_by_key(|place| place.reverse_bits());
    places.into_iter().map(|place| all[place]).collect()
}
