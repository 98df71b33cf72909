//! Encoders and passes in which the caller makes mistakes: they are the caller's own, and end with the encoder.

use bmru::Slot;
use bmru::wgpu::{self, BufferUsages};
use libtest_mimic::Failed;

use crate::scene::{Run, Scene};

const PASS: wgpu::ComputePassDescriptor<'static> = wgpu::ComputePassDescriptor { label: None, timestamp_writes: None };

/// What ran before is still right, and the same run and the device work again.
fn unharmed(scene: &Scene, run: &Run) -> Result<(), Failed> {
    assert!(run.right(scene)?);
    run.works(scene)?;
    scene.works()
}

/// The caller copies from behind the end of a buffer, and records ours into what is left of the encoder.
pub fn spoilt(scene: &Scene) -> Result<(), Failed> {
    let run = Run::new(scene, 1)?;
    run.works(scene)?;
    let error = scene.mistake(|| {
        let mut encoder = scene.encoder();
        encoder.clear_buffer(run.buffer(Slot::States), 0, None);
        let candidate = run.buffer(Slot::Candidate);
        encoder.copy_buffer_to_buffer(candidate, candidate.size(), run.buffer(Slot::States), 0, 4);
        run.bound.record(&mut encoder);
        scene.submit(encoder);
    })?;
    println!("{error}");
    // Not even what came before the mistake was done.
    unharmed(scene, &run)
}

/// The caller forgets a pass that is still open.
pub fn locked(scene: &Scene) -> Result<(), Failed> {
    let run = Run::new(scene, 2)?;
    let error = scene.mistake(|| {
        let mut encoder = scene.encoder();
        let open = encoder.begin_compute_pass(&PASS).forget_lifetime();
        run.bound.record(&mut encoder);
        drop(open);
        scene.submit(encoder);
    })?;
    println!("{error}");
    run.works(scene)?;
    scene.works()
}

pub fn foreign(scene: &Scene) -> Result<(), Failed> {
    let run = Run::new(scene, 3)?;
    let other = scene.another()?;
    let error = other.mistake(|| {
        let mut encoder = other.encoder();
        run.bound.record(&mut encoder);
        other.submit(encoder);
    })?;
    println!("{error}");
    run.works(scene)?;
    scene.works()?;
    other.works()
}

/// The caller dispatches without a pipeline, in front of ours and in the same pass.
pub fn spoilt_pass(scene: &Scene) -> Result<(), Failed> {
    let run = Run::new(scene, 4)?;
    run.works(scene)?;
    let error = scene.mistake(|| {
        let mut encoder = scene.encoder();
        encoder.clear_buffer(run.buffer(Slot::States), 0, None);
        let mut pass = encoder.begin_compute_pass(&PASS);
        pass.dispatch_workgroups(1, 1, 1);
        run.bound.record_in(&mut pass);
        for dispatch in run.bound.dispatches() {
            dispatch.record_in(&mut pass);
        }
        drop(pass);
        scene.submit(encoder);
    })?;
    println!("{error}");
    unharmed(scene, &run)
}

/// The caller's mistake comes behind ours, in a pass of its own and as a copy from a buffer that is gone.
pub fn error_behind(scene: &Scene) -> Result<(), Failed> {
    let run = Run::new(scene, 5)?;
    let gone = scene.buffer(16, BufferUsages::COPY_SRC);
    let target = scene.buffer(16, BufferUsages::COPY_DST);
    gone.destroy();
    let passes: [&dyn Fn(&mut wgpu::CommandEncoder); 2] =
        [&|encoder| encoder.begin_compute_pass(&PASS).dispatch_workgroups(1, 1, 1), &|encoder| {
            encoder.copy_buffer_to_buffer(&gone, 0, &target, 0, 16)
        }];
    for behind in passes {
        let error = scene.mistake(|| {
            let mut encoder = scene.encoder();
            run.bound.record(&mut encoder);
            behind(&mut encoder);
            scene.submit(encoder);
        })?;
        println!("{error}");
        assert!(!run.right(scene)?, "none of it was done");
    }
    run.works(scene)?;
    scene.works()
}
