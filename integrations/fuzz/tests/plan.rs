//! The fuzz target on a stable compiler: random bytes, the same in every run. `PROPTEST_CASES=1000000` looks further, at random.

use bmru_fuzz::plan::{Summary, run};
use bmru_fuzz::regressions;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

#[test]
fn what_was_found_stays_found() {
    for bytes in regressions::plan() {
        run(&bytes).unwrap_or_else(|found| panic!("{found}\n{}", regressions::digits(&bytes)));
    }
}

#[test]
fn any_bytes_are_planned_and_bound_or_refused() {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        (config.cases, config.rng_seed) = (20_000, RngSeed::Fixed(0x626d_7275));
    }
    let summary = std::cell::RefCell::new(Summary::default());
    let result = TestRunner::new(config).run(&vec(any::<u8>(), 0..220), |bytes| {
        let rerun = |found| TestCaseError::fail(format!("{found}\nadd to regressions/plan.txt: {}", regressions::digits(&bytes)));
        summary.borrow_mut().add(&bytes).map_err(rerun)
    });
    let summary = summary.into_inner();
    println!("{summary}");
    if let Err(error) = result {
        panic!("{error}");
    }
    // Bytes that never get anywhere would test nothing.
    let met = summary.met;
    assert!(met.plans * 5 > summary.runs && met.bound > 20 && met.refused > 200 && met.dispatches > met.plans, "{summary}");
}
