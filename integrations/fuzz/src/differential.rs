//! Random small cases on a device, against the oracle: forward bit for bit, backward within its bound, health exactly.
//!
//! Compiling takes longer than anything else. So recipes are drawn first, each with all that pipelines depend on, and then
//! many cases of each. A case is named by two seeds, that of its recipe and its own, in hexadecimal digits, and by what is
//! drawn: `RECIPE:CASE:2`, or `RECIPE:CASE` of the first draw. The name reruns it alone, on any adapter.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::str::FromStr;

use bmru::{Direction, Error, wgpu};
use bmru_conformance::{Runner, Trial};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::case::{Case, case, incoming, is_expected};
use crate::recipe::{Recipe, recipe};

/// Pipelines with which a device is given back: a software driver keeps megabytes of each as long as its device lives.
const PIPELINES: usize = 150;

/// Failures after which nobody wants to see more.
const FAILURES: usize = 20;

/// What is drawn for a name. A draw is never changed but added to, so that what failed once is still what it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Draw {
    /// Rows that are sequences, channels next to each other, and states as numbers in a slot of their own.
    First,
    /// Beside that all else that there is: borders, packed states, what is written in place, strides, limits, summaries.
    #[default]
    Second,
}

/// The name of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// Seed of the recipe.
    pub recipe: u64,
    /// Seed of the case.
    pub case: u64,
    /// What is drawn with them.
    pub draw: Draw,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recipe, case, draw } = self;
        let draw = if *draw == Draw::First { "" } else { ":2" };
        write!(f, "{recipe:x}:{case:x}{draw}")
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seed = |digits| u64::from_str_radix(digits, 16).map_err(|error| format!("{digits:?}: {error}"));
        let (recipe, case, draw) = match text.split(':').collect::<Vec<_>>()[..] {
            [recipe, case] => (recipe, case, Draw::First),
            [recipe, case, "2"] => (recipe, case, Draw::Second),
            _ => return Err(format!("{text:?} is not RECIPE:CASE or RECIPE:CASE:2")),
        };
        Ok(Self { recipe: seed(recipe)?, case: seed(case)?, draw })
    }
}

/// How many cases, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Cases that are run.
    pub cases: u64,
    /// Cases of each recipe.
    pub per_recipe: u64,
    /// The first of all seeds.
    pub seed: u64,
}

/// What came of many cases.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Cases that ran: each a forward pass, compared word for word.
    pub cases: u64,
    /// Backward passes that were compared; two of a case.
    pub backward: u64,
    /// Passes of health that were compared.
    pub health: u64,
    /// Passes that unpacked states.
    pub unpacked: u64,
    /// Summaries of states and of gradients.
    pub summaries: u64,
    /// Dispatches of all of them.
    pub dispatches: u64,
    /// Elements of the candidates.
    pub elements: u64,
    /// Cases that planning refused, because the device binds too few buffers.
    pub refused: u64,
    /// Plans whose limits or tuning were too tight for the smallest part, and that were made for those of the device.
    pub loosened: u64,
    /// Pipelines that were made.
    pub pipelines: u64,
    /// The largest error of a gradient, as a share of its bound.
    pub worst: f64,
    /// What failed, each with its name and all that is known of it.
    pub failures: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cases, backward, health, unpacked, summaries, dispatches, elements, .. } = self;
        let Self { refused, loosened, pipelines, worst, failures, .. } = self;
        write!(
            f,
            "{cases} cases ({elements} elements, {dispatches} dispatches of {pipelines} pipelines), {backward} backward passes \
             (worst {worst:.3} of the bound), {health} of health, {unpacked} of unpacking, {summaries} summaries; {loosened} plans loosened, {refused} refused; {} failed",
            failures.len()
        )
    }
}

fn runner(seed: u64) -> TestRunner {
    let config = Config { failure_persistence: None, max_shrink_iters: 400, max_shrink_time: 60_000, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// SplitMix64, so that seeds that follow each other have nothing in common.
fn seed(first: u64, number: u64) -> u64 {
    let mut z = first.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Cases on one adapter.
pub struct Fuzzer {
    adapter: wgpu::Adapter,
    runner: Option<Runner>,
    recipe: Option<(u64, Draw, Recipe)>,
    /// What came of them so far.
    pub tally: Tally,
}

impl Fuzzer {
    /// No cases yet.
    #[must_use]
    pub fn on(adapter: wgpu::Adapter) -> Self {
        Self { adapter, runner: None, recipe: None, tally: Tally::default() }
    }

    /// Runs cases of one recipe after the other, whatever becomes of them. `progress` is told now and then.
    ///
    /// # Errors
    /// If the adapter gives no device.
    pub fn run(&mut self, settings: &Settings, mut progress: impl FnMut(&Tally)) -> Result<(), Error> {
        let Settings { cases, per_recipe, seed: first } = *settings;
        let end = self.tally.cases + cases;
        for number in 0.. {
            let recipe = seed(first, number);
            for case in 0..per_recipe {
                // A refused case is none.
                if self.tally.cases >= end || self.tally.failures.len() >= FAILURES {
                    return Ok(());
                }
                self.one(Name { recipe, case: seed(recipe, case) & 0xffff_ffff, draw: Draw::default() })?;
                progress(&self.tally);
            }
        }
        Ok(())
    }

    /// Runs a case; if it fails, the smallest one of its recipe that fails, too, is looked for.
    ///
    /// # Errors
    /// If the adapter gives no device.
    pub fn one(&mut self, name: Name) -> Result<(), Error> {
        let recipe = self.recipe_of(name);
        let runner = self.device()?;
        let mut test = self::runner(name.case);
        let tree = case(&recipe, name.draw).new_tree(&mut test).expect("nothing is filtered");
        let first = tree.current();
        let tally = RefCell::new(&mut self.tally);
        let shrinks = Cell::new(false);
        let result = test.run_one(tree, |case| {
            let counted = (!shrinks.get()).then(|| tally.borrow_mut());
            shrinks.set(true);
            attempt(&runner, &recipe, &case, counted).map_err(TestCaseError::fail)
        });
        let found = match result {
            Ok(_) => return Ok(()),
            Err(TestError::Fail(reason, smallest)) => format!("{reason}\n  case {smallest:?}\n  found as {first:?}"),
            Err(TestError::Abort(reason)) => format!("{reason}\n  case {first:?}"),
        };
        self.tally.failures.push(format!("{name}: {found}\n  recipe {recipe:?}"));
        // What a failure left of the device is not to be trusted.
        self.retire();
        Ok(())
    }

    fn recipe_of(&mut self, Name { recipe: seed, draw, .. }: Name) -> Recipe {
        match &self.recipe {
            Some((held, of, recipe)) if (*held, *of) == (seed, draw) => recipe.clone(),
            _ => {
                let recipe = recipe(draw).new_tree(&mut runner(seed)).expect("nothing is filtered").current();
                self.recipe = Some((seed, draw, recipe.clone()));
                recipe
            }
        }
    }

    fn device(&mut self) -> Result<Runner, Error> {
        if self.runner.as_ref().is_some_and(|runner| runner.gpu().kernels().pipeline_count() > PIPELINES) {
            self.retire();
        }
        if self.runner.is_none() {
            self.runner = Some(Runner::new(&self.adapter)?);
        }
        Ok(self.runner.clone().expect("it was just made"))
    }

    /// Gives the device back.
    pub fn retire(&mut self) {
        if let Some(runner) = self.runner.take() {
            self.tally.pipelines += runner.gpu().kernels().pipeline_count() as u64;
        }
    }
}

/// Invocations of the narrowest workgroup with parameters in a read-write buffer: `docs/quirks.md` tells why.
fn least_workgroup(runner: &Runner) -> u32 {
    let info = runner.gpu().info();
    if info.backend == wgpu::Backend::Gl && info.name.contains("llvmpipe") { 8 } else { 1 }
}

/// Runs a case, and counts it.
fn attempt(
    runner: &Runner,
    recipe: &Recipe,
    case: &Case,
    tally: Option<std::cell::RefMut<'_, &mut Tally>>,
) -> Result<(), String> {
    let descriptor = case.descriptor(recipe);
    let (forward, behind, loosened) = match case.plans(recipe, &descriptor, &runner.gpu().limits(), least_workgroup(runner)) {
        Ok(plans) => plans,
        Err(error) if is_expected(&error) => {
            if let Some(mut tally) = tally {
                tally.refused += 1;
            }
            return Ok(());
        }
        Err(error) => return Err(format!("planning refused: {error}")),
    };
    let (data, gradients) = (case.inputs(&descriptor), case.gradients(&descriptor));
    let trial =
        Trial { descriptor: &descriptor, data: &data, incoming: incoming(&gradients), forward: &forward, behind: &behind };
    let outcome = runner.run_trial(&trial).map_err(|error| error.to_string())?;
    if let Some(mut tally) = tally {
        tally.cases += 1;
        tally.loosened += loosened;
        for plan in &behind {
            *match plan.direction() {
                Direction::Health(_) => &mut tally.health,
                Direction::Unpack => &mut tally.unpacked,
                Direction::Summary(_) => &mut tally.summaries,
                _ => &mut tally.backward,
            } += 1;
        }
        tally.dispatches += behind.iter().chain([&forward]).map(|plan| plan.dispatches().len() as u64).sum::<u64>();
        tally.elements += descriptor.shape().elements().unwrap_or(0);
        tally.worst = outcome.backward.worst.into_iter().fold(tally.worst, f64::max);
    }
    outcome.first().map_or(Ok(()), |first| Err(first.to_owned()))
}
