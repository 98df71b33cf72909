//! A device that is lost, before and in the middle of everything.

use std::time::Duration;

use bmru::{Error, IncomingGradients, Kernels, wgpu};
use bmru_conformance::data::{self, Rate, Values};
use libtest_mimic::Failed;

use crate::scene::{Run, Scene, descriptor, long, plan};

fn assert_lost<T>(what: &str, ended: Result<T, Error>) {
    match ended {
        Err(Error::DeviceLost { .. }) => {}
        Err(other) => panic!("{what}: {other}"),
        Ok(_) => panic!("{what}: nobody says that the device is lost"),
    }
}

pub fn every_call(scene: &Scene) -> Result<(), Failed> {
    let gpu = &scene.gpu;
    let run = Run::new(scene, 1)?;
    run.works(scene)?;
    let data = data::generate(&descriptor(), Rate::Half, Values::Plain, 1);
    let saved = gpu.forward_blocking(&descriptor(), &data.inputs())?.saved;
    gpu.device().destroy();

    assert_lost("prepare", pollster::block_on(Kernels::new(gpu.device()).prepare(&plan(scene)?)));
    assert_lost("bind, with pipelines", scene.kernels().bind(&run.plan, &run.given()));
    assert_lost("bind, without", Kernels::new(gpu.device()).bind(&run.plan, &run.given()));
    assert_lost("forward", gpu.forward_blocking(&descriptor(), &data.inputs()));
    let whole = vec![1.0; data.candidate.len()];
    let incoming = IncomingGradients { states: &whole, ..IncomingGradients::default() };
    assert_lost("backward", gpu.backward_blocking(&descriptor(), &data.inputs(), &saved, &incoming));
    assert_lost("health", gpu.health_blocking(&descriptor(), &saved));
    assert_lost("health of inputs", gpu.health_of_inputs_blocking(&descriptor(), &data.inputs()));
    assert_lost("download", pollster::block_on(gpu.download(&run.buffers[0].1)));
    assert_lost("wait", gpu.wait());
    let check = scene.kernels().self_check(gpu.queue(), gpu.tuning(), Kernels::SELF_CHECK_TIME_LIMIT);
    assert_lost("self-check", pollster::block_on(check));
    // What is recorded on a lost device is lost, without a word: the application heard it.
    let mut encoder = scene.encoder();
    run.bound.record(&mut encoder);
    run.bound.record_in(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
    scene.submit(encoder);
    scene.lost_and_replaced()
}

/// The same, one step later each time.
pub fn in_between(scene: &Scene) -> Result<(), Failed> {
    for step in ["binding", "recording", "submitting"] {
        let scene = scene.another()?;
        let lose_behind = |this| {
            if step == this {
                scene.gpu.device().destroy();
            }
        };
        let run = Run::new(&scene, 2)?;
        lose_behind("binding");
        let mut encoder = scene.encoder();
        run.bound.record(&mut encoder);
        lose_behind("recording");
        scene.submit(encoder);
        lose_behind("submitting");
        assert_lost(step, run.right(&scene));
        drop(run);
        scene.lost_and_replaced()?;
    }
    Ok(())
}

pub fn while_waiting(scene: &Scene) -> Result<(), Failed> {
    let data = data::generate(&long(), Rate::Half, Values::Plain, 3);
    let expected = bmru::oracle::forward(&long(), &data.inputs())?.states;
    for after in [0, 1, 5, 20, 80, 200].map(Duration::from_millis) {
        let scene = scene.another()?;
        scene.gpu.forward_blocking(&descriptor(), &data::generate(&descriptor(), Rate::Half, Values::Plain, 3).inputs())?;
        let ended = std::thread::scope(|scope| {
            let device = scene.gpu.device();
            scope.spawn(move || {
                std::thread::sleep(after);
                device.destroy();
            });
            loop {
                match scene.gpu.forward_blocking(&long(), &data.inputs()) {
                    Ok(outputs) if outputs.states == expected => {}
                    ended => return ended.map(|_| ()),
                }
            }
        });
        match ended {
            Err(Error::DeviceLost { .. }) => {}
            Ok(()) => return Err("wrong states, and no error".into()),
            Err(error) => return Err(error.into()),
        }
        scene.lost_and_replaced()?;
    }
    Ok(())
}

pub fn while_recording(scene: &Scene) -> Result<(), Failed> {
    let ended: Vec<Result<u32, Failed>> = std::thread::scope(|scope| {
        let until_lost = |seed| {
            let mut rounds = 0;
            loop {
                match one(scene, seed) {
                    Ok(()) => rounds += 1,
                    Err(Error::DeviceLost { .. }) => return Ok(rounds),
                    Err(error) => return Err(error.into()),
                }
            }
        };
        let threads: Vec<_> = (0..4).map(|seed| scope.spawn(move || until_lost(seed))).collect();
        std::thread::sleep(Duration::from_millis(300));
        scene.gpu.device().destroy();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into())));
        joined.collect()
    });
    for rounds in ended {
        println!("{} rounds before it was lost", rounds?);
    }
    scene.lost_and_replaced()
}

/// Binds, records, submits and reads; wrong states are a panic.
fn one(scene: &Scene, seed: u64) -> Result<(), Error> {
    let run = Run::new(scene, seed)?;
    scene.own(|| {
        let mut encoder = scene.encoder();
        run.bound.record(&mut encoder);
        scene.submit(encoder);
    });
    assert!(run.right(scene)?, "wrong states");
    Ok(())
}
