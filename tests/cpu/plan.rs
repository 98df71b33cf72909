//! Plans without a GPU: random descriptors, limits and tunings, checked in arithmetic of its own; and every refusal.

mod adjoint_twin;
mod borders_twin;
pub mod checks;
mod errors;
mod health_twin;
mod number_traffic;
mod numbers;
mod packed_twin;
mod random;
mod reach;
mod snapshots;
mod success;
mod traffic;
mod twin;

use std::cell::Cell;

use bmru::{Descriptor, Direction, FinalState, Limits, Plan, Shape, Slot, Strategy, Tuning, Variant};
use checks::{check, ensure, is_pure, planned};
use proptest::prelude::Strategy as Random;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

/// The same cases in every run, so that a red test is red for everyone. `PROPTEST_CASES=100000` looks further, at random.
fn for_all<R: Random>(cases: u32, random: R, test: impl Fn(R::Value) -> Result<(), String>) {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        (config.cases, config.rng_seed) = (cases, RngSeed::Fixed(0x626d_7275));
    }
    let result = TestRunner::new(config).run(&random, |value| test(value).map_err(TestCaseError::fail));
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// How often each kind of plan came up: a generator that makes only refusals would test nothing.
#[derive(Default)]
struct Met {
    serial: Cell<u32>,
    tiles: Cell<u32>,
    split: Cell<u32>,
    vectors: Cell<u32>,
    /// Two elements of 16 bits in a component.
    pairs: Cell<u32>,
    /// One element for all channels of a vector.
    splats: Cell<u32>,
    /// Several batch rows in a vector.
    rows: Cell<u32>,
    refused: Cell<u32>,
}

impl Met {
    fn met(&self, plan: &Plan) {
        count(&self.serial, plan.strategy() == Strategy::Serial);
        count(&self.tiles, plan.strategy() == Strategy::Tiles);
        count(&self.split, plan.variants().len() < plan.dispatches().len());
        count(&self.vectors, plan.variants().iter().any(|variant| variant.vector_width() > 1));
        count(&self.pairs, plan.variants().iter().any(Variant::pairs));
        let splats = |variant: &Variant| variant.vector_width() > 1 && variant.operands().any(|operand| variant.splats(operand));
        count(&self.splats, plan.variants().iter().any(splats));
        count(&self.rows, plan.variants().iter().any(|variant| variant.vector_rows() > 1));
    }

    fn assert_at_least(&self, times: u32) {
        let Self { serial, tiles, split, vectors, refused, .. } = self;
        for (kind, met) in [("serial", serial), ("tiles", tiles), ("split", split), ("vectors", vectors), ("refused", refused)] {
            println!("{kind}: {}", met.get());
            assert!(met.get() >= times, "{kind} came up {} times", met.get());
        }
    }
}

fn count(cell: &Cell<u32>, met: bool) {
    cell.set(cell.get() + u32::from(met));
}

#[test]
fn plans_keep_all_limits_and_cover_everything_once() {
    for direction in [Direction::Forward, Direction::Backward] {
        let met = Met::default();
        let test = |(descriptor, limits, tuning): (Descriptor, Limits, Tuning)| {
            let Ok(plan) = planned(&descriptor, direction, &limits, &tuning) else {
                count(&met.refused, true);
                return Ok(());
            };
            met.met(&plan);
            check(&plan, &tuning)?;
            if plan.dispatches().len() < 2000 { is_pure(&plan, &descriptor, &limits, &tuning) } else { Ok(()) }
        };
        for_all(800, random::arguments(random::shape()), test);
        for_all(1000, random::arguments(random::small_shape()), test);
        met.assert_at_least(150);
    }
}

#[test]
fn nothing_panics_on_absurd_arguments() {
    let met = Cell::new(0);
    for_all(10_000, (random::absurd_arguments(), random::direction()), |((descriptor, limits, tuning), direction)| {
        for &slot in Slot::ALL {
            let _ = descriptor.slot_elements(slot);
        }
        let layout = descriptor.saved_layout();
        let _ = (layout.bytes(), layout.codes(), layout.first_set(), layout.initial_state(), layout.amplitude());
        let _ = (layout.fingerprint(), layout.to_string(), descriptor.shape().elements(), format!("{descriptor:?}"));
        match planned(&descriptor, direction, &limits, &tuning) {
            Ok(plan) => {
                count(&met, true);
                let _ = (plan.to_string(), plan.traffic(), plan.iterations(), plan.depth());
                if plan.dispatches().len() < 2000 { check(&plan, &tuning) } else { Ok(()) }
            }
            Err(error) => {
                let _ = error.to_string();
                Ok(())
            }
        }
    });
    println!("{} plans", met.get());
    assert!(met.get() > 200, "{} plans", met.get());
}

#[test]
fn saved_layout_is_that_of_the_descriptor_for_every_plan() {
    let random = (random::arguments(random::shape()), random::arguments(random::shape()));
    for_all(500, random, |((descriptor, limits, tuning), (_, other_limits, other_tuning))| {
        let descriptor = descriptor.save(bmru::Save::Codes);
        let one = descriptor.forward(&limits, &tuning);
        for direction in [Direction::Forward, Direction::Backward] {
            let other = planned(&descriptor, direction, &other_limits, &other_tuning);
            if let (Ok(one), Ok(other)) = (&one, other) {
                ensure!(one.saved_layout() == other.saved_layout(), "{one}\n{other}");
                let empty = other.slot_bytes(Slot::Saved) == 0 || one.slot_bytes(Slot::Saved) == 0;
                ensure!(empty || one.slot_bytes(Slot::Saved) == other.slot_bytes(Slot::Saved), "{one}\n{other}");
            }
        }
        Ok(())
    });
}

/// Where there are no steps, nothing but the numbers of invocations limits the rows.
#[test]
fn invocations_are_numbered_in_32_bits() {
    for channels in [1, 8] {
        for tuning in [Tuning::software(), Tuning::discrete()] {
            let shape = Shape { batch: bmru::MAX_AXIS, time: 0, channels };
            let descriptor = Descriptor::bmru(shape).final_state(FinalState::Written);
            let bytes = 1 << 45;
            let limits = Limits { max_buffer_size: bytes, max_storage_buffer_binding_size: bytes, ..Limits::default() };
            let plan = descriptor.forward(&limits, &tuning).expect("such a device has room");
            check(&plan, &tuning).unwrap_or_else(|error| panic!("{error}"));
            assert!(!plan.dispatches().is_empty(), "{plan}");
        }
    }
}

/// Counted by the twins of the stages.
#[test]
fn traffic_is_what_moves() {
    for direction in [Direction::Forward, Direction::Backward] {
        for_all(300, random::arguments(random::small_shape()), |(descriptor, limits, tuning)| {
            let Ok(plan) = planned(&descriptor, direction, &limits, &tuning) else { return Ok(()) };
            let miscounted = match direction {
                Direction::Forward => twin::agree(&plan, 1)?,
                Direction::Backward => adjoint_twin::agree(&plan, 1, false)?,
                Direction::Unpack => packed_twin::agree(&plan, 1)?,
                Direction::Health(source) => health_twin::agree(&plan, 1, source)?,
                Direction::Summary(_) => None,
            };
            miscounted.map_or(Ok(()), Err)
        });
    }
}
