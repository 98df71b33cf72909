//! Waits that are too long.

use std::time::{Duration, Instant};

use bmru::{Error, Kernels, oracle};
use bmru_conformance::adapters;
use bmru_conformance::data::{self, Rate, Values};
use libtest_mimic::Failed;

use crate::scene::{Run, Scene, long};

const SHORT: Duration = Duration::from_nanos(1);

/// Whether there was not time enough; no other error will do. A device can have done what it was given, however short the time.
fn is_timeout<T>(what: &str, ended: Result<T, Error>) -> bool {
    let error = ended.err();
    assert!(error.iter().all(|error| *error == Error::Timeout { expected: SHORT }), "{what}: {error:?}");
    error.is_some()
}

pub fn past_the_limit(scene: &Scene) -> Result<(), Failed> {
    let data = data::generate(&long(), Rate::Half, Values::Plain, 1);
    let hasty = scene.gpu.clone().with_time_limit(SHORT);
    let start = Instant::now();
    is_timeout("forward", hasty.forward_blocking(&long(), &data.inputs()));
    let run = Run::new(scene, 1)?;
    let mut waits = 0;
    // The device can have done its work before it is asked: on a busy machine several times in a row.
    let too_long = (0..100).any(|_| {
        let mut encoder = scene.encoder();
        (0..50).for_each(|_| run.bound.record(&mut encoder));
        scene.submit(encoder);
        waits += 1;
        is_timeout("wait", hasty.wait())
    });
    // By OpenGL, some drivers have done the work when it is submitted.
    assert!(too_long || adapters::name(scene.gpu.info()).ends_with("@gl"), "no wait was too long");
    is_timeout("download", pollster::block_on(hasty.download(&run.buffers[0].1)));
    is_timeout("self-check", pollster::block_on(scene.kernels().self_check(hasty.queue(), hasty.tuning(), SHORT)));
    println!("of {waits} waits the last was too long: {too_long}; all in {:?}", start.elapsed());
    // What was not waited for is still done, and what was given up is given back.
    assert!(run.right(scene)?);
    assert!(scene.gpu.forward_blocking(&long(), &data.inputs())?.states == oracle::forward(&long(), &data.inputs())?.states);
    scene.works()
}

/// Each takes callbacks that another waits for.
pub fn of_threads(scene: &Scene) -> Result<(), Failed> {
    let run = Run::new(scene, 2)?;
    run.works(scene)?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|number| {
                let run = &run;
                scope.spawn(move || -> Result<(), Error> {
                    for _ in 0..30 {
                        match number % 3 {
                            0 => assert!(run.right(scene)?),
                            1 => scene.gpu.wait()?,
                            _ => {
                                let _ = scene.gpu.device().poll(bmru::wgpu::PollType::Poll);
                            }
                        }
                    }
                    if number == 0 {
                        let check =
                            scene.kernels().self_check(scene.gpu.queue(), scene.gpu.tuning(), Kernels::SELF_CHECK_TIME_LIMIT);
                        pollster::block_on(check)?;
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a thread panicked"))
    })?;
    scene.works()
}
