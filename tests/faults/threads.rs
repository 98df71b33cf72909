//! Threads on one device, with one set of kernels.

use bmru::{Kernels, Slot};
use bmru_conformance::{Case, Runner, Scope, matrix};
use libtest_mimic::Failed;

use crate::scene::{Run, Scene, plan};

const THREADS: u64 = 6;

/// Runs the same on many threads and joins them.
fn on_threads(run: impl Fn(u64) -> Result<(), Failed> + Sync) -> Result<(), Failed> {
    std::thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = (0..THREADS).map(|number| scope.spawn(move || run(number))).collect();
        let joined: Vec<_> =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into()))).collect();
        joined.into_iter().collect()
    })
}

/// All record the same bound plan into encoders of their own, while each also binds, records and reads its own.
pub fn share_a_bound_plan(scene: &Scene) -> Result<(), Failed> {
    let shared = Run::new(scene, 100)?;
    on_threads(|number| {
        for round in 0..5 {
            let mut encoder = scene.encoder();
            shared.bound.record(&mut encoder);
            scene.submit(encoder);
            let own = Run::new(scene, number * 10 + round)?;
            own.works(scene)?;
            // Whoever wrote last wrote the same.
            assert!(shared.right(scene)?, "thread {number}");
        }
        Ok(())
    })?;
    scene.works()
}

/// Every thread has other cases of the conformance matrix.
pub fn all_units(scene: &Scene) -> Result<(), Failed> {
    let cases: Vec<Case> = matrix(Scope::Quick);
    let runner = Runner::on(scene.gpu.clone());
    on_threads(|number| {
        let small = |case: &&Case| case.descriptor.slot_elements(Slot::Candidate).is_ok_and(|elements| elements < 20_000);
        let mut left = 25;
        for case in cases.iter().filter(small).skip(number as usize).step_by(THREADS as usize * 7) {
            let outcome = runner.run(case)?;
            assert!(outcome.wrong_words == 0, "{}: {outcome:?}", case.name);
            left -= 1;
            if left == 0 {
                break;
            }
        }
        Ok(())
    })?;
    scene.works()
}

/// Kernels that have no pipeline yet are asked for the same ones by all.
pub fn prepare(scene: &Scene) -> Result<(), Failed> {
    let kernels = Kernels::new(scene.gpu.device());
    let plan = plan(scene)?;
    let mut texts: Vec<String> = plan.variants().iter().map(bmru::Variant::wgsl).collect();
    texts.sort_unstable();
    texts.dedup();
    let run = Run::new(scene, 1)?;
    on_threads(|number| {
        if number % 2 == 0 {
            pollster::block_on(kernels.prepare(&plan))?;
        }
        let bound = kernels.bind(&plan, &run.given())?;
        let mut encoder = scene.encoder();
        bound.record(&mut encoder);
        scene.submit(encoder);
        assert!(run.right(scene)?, "thread {number}");
        Ok(())
    })?;
    assert_eq!(kernels.pipeline_count(), texts.len());
    scene.works()
}
