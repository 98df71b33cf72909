//! The quick matrix, and which of its cases have which file in their shaders.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use bmru::{Error, Limits, Tuning, Variant};
use bmru_conformance::{AnyCase, Portable, Scope};

use crate::Source;

struct Entry {
    case: AnyCase,
    /// Whether it has each of the files.
    has: Vec<bool>,
    /// Numbers of its variants, in order.
    variants: Vec<usize>,
    /// What it costs, roughly in bytes.
    weight: u64,
}

/// The cases, for one device.
pub struct Suite {
    entries: Vec<Entry>,
    variants: Vec<Variant>,
    limits: Limits,
    tuning: Tuning,
    ready: HashMap<usize, Rc<Portable>>,
    room: usize,
}

impl Suite {
    /// What the contents of all cases that are kept at hand take at most.
    const ROOM: usize = 1 << 30;
    /// What a dispatch costs beside what it moves.
    const DISPATCH_BYTES: u64 = 50_000;

    /// The cases whose name contains `only`, as a device with these limits runs them.
    ///
    /// # Errors
    /// If a case cannot be planned.
    pub fn new(sources: &[Source], limits: Limits, tuning: Tuning, only: &str) -> Result<Self, Error> {
        let mut known: HashMap<Variant, (usize, Vec<bool>)> = HashMap::new();
        let mut entries = Vec::new();
        for case in AnyCase::all(Scope::Quick).into_iter().filter(|case| case.name().contains(only)) {
            let (mut has, mut variants, mut weight) = (vec![false; sources.len()], BTreeSet::new(), 0);
            for plan in case.plans(&limits, &tuning)? {
                for variant in plan.variants() {
                    let number = known.len();
                    let (number, files) = known.entry(variant.clone()).or_insert_with(|| {
                        let text = variant.wgsl();
                        (number, sources.iter().map(|source| text.contains(&source.text)).collect())
                    });
                    variants.insert(*number);
                    has.iter_mut().zip(files).for_each(|(has, file)| *has |= *file);
                }
                let moved = plan.dispatches().iter().map(|dispatch| dispatch.traffic().read + dispatch.traffic().written);
                weight += moved.map(|bytes| bytes + Self::DISPATCH_BYTES).sum::<u64>();
            }
            entries.push(Entry { case, has, variants: variants.into_iter().collect(), weight });
        }
        let mut variants: Vec<_> = known.into_iter().map(|(variant, (number, _))| (number, variant)).collect();
        variants.sort_unstable_by_key(|&(number, _)| number);
        let variants = variants.into_iter().map(|(_, variant)| variant).collect();
        Ok(Self { entries, variants, limits, tuning, ready: HashMap::new(), room: Self::ROOM })
    }

    /// Numbers of the cases that have a file: first those whose shaders no other had before, then those with the same shaders and other
    /// data; of both the cheapest first.
    #[must_use]
    pub fn with_file(&self, file: usize) -> Vec<usize> {
        let mut cases: Vec<usize> = (0..self.entries.len()).filter(|&case| self.entries[case].has[file]).collect();
        cases.sort_by_key(|&case| self.entries[case].weight);
        let mut times: HashMap<&[usize], usize> = HashMap::new();
        let mut turns: Vec<(usize, usize)> = Vec::new();
        for &case in &cases {
            let time = times.entry(&self.entries[case].variants).or_default();
            turns.push((*time, case));
            *time += 1;
        }
        turns.sort_by_key(|&(time, _)| time);
        turns.into_iter().map(|(_, case)| case).collect()
    }

    /// How many cases there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The variants of a case.
    pub fn variants(&self, case: usize) -> impl Iterator<Item = &Variant> {
        self.entries[case].variants.iter().map(|&number| &self.variants[number])
    }

    /// The name of a case.
    #[must_use]
    pub fn name(&self, case: usize) -> &str {
        self.entries[case].case.name()
    }

    /// A case with its contents, kept at hand if there is room.
    ///
    /// # Errors
    /// If it cannot be planned.
    pub fn portable(&mut self, case: usize) -> Result<Rc<Portable>, Error> {
        if let Some(portable) = self.ready.get(&case) {
            return Ok(portable.clone());
        }
        let portable = Rc::new(self.entries[case].case.portable(&self.limits, &self.tuning)?);
        // What is checked takes about as much again.
        let bytes: usize = portable.runs.iter().flat_map(|run| &run.buffers).map(|buffer| 8 * buffer.words.len()).sum();
        if bytes <= self.room {
            self.room -= bytes;
            self.ready.insert(case, portable.clone());
        }
        Ok(portable)
    }
}
