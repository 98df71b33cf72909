//! Buffers that are gone, mapped, or another's.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bmru::wgpu::{self, BufferUsages};
use bmru::{Error, Slot};
use bmru_conformance::adapters;
use bmru_conformance::data::{self, Rate, Values};
use libtest_mimic::Failed;

use crate::scene::{Run, Scene, descriptor, given, plan, uploaded};

fn assert_refused<T>(what: &str, ended: Result<T, Error>) {
    match ended {
        Err(error @ Error::Device { .. }) => println!("{what}: {error}"),
        Err(other) => panic!("{what}: {other}"),
        Ok(_) => panic!("{what}: it is taken"),
    }
}

pub fn destroyed_before(scene: &Scene) -> Result<(), Failed> {
    let run = Run::new(scene, 1)?;
    for (slot, _) in &run.buffers {
        let data = data::generate(&descriptor(), Rate::Once(9), Values::Plain, 1);
        let buffers = uploaded(scene, &run.plan, &data);
        buffers.iter().find(|(held, _)| held == slot).expect("the plan names it").1.destroy();
        assert_refused(&slot.to_string(), scene.kernels().bind(&run.plan, &given(&buffers)));
    }
    run.works(scene)?;
    scene.works()
}

/// The submission is the caller's, and so is its error.
pub fn destroyed_between(scene: &Scene) -> Result<(), Failed> {
    for slot in [Slot::Candidate, Slot::Scratch, Slot::States] {
        let run = Run::new(scene, 2)?;
        let mut encoder = scene.encoder();
        run.bound.record(&mut encoder);
        run.buffer(slot).destroy();
        println!("{}", scene.mistake(|| scene.submit(encoder))?);
        println!(
            "{}",
            scene.mistake(|| {
                let mut encoder = scene.encoder();
                run.bound.record(&mut encoder);
                scene.submit(encoder);
            })?
        );
    }
    Run::new(scene, 2)?.works(scene)?;
    scene.works()
}

/// What is bound keeps its buffers.
pub fn dropped(scene: &Scene) -> Result<(), Failed> {
    let mut run = Run::new(scene, 3)?;
    run.buffers.retain(|(slot, _)| *slot == Slot::States);
    let _ = scene.gpu.wait();
    run.works(scene)?;
    // What is submitted keeps what is bound.
    let Run { buffers, bound, expected, .. } = run;
    let mut encoder = scene.encoder();
    encoder.clear_buffer(&buffers[0].1, 0, None);
    bound.record(&mut encoder);
    drop(bound);
    scene.submit(encoder);
    assert!(pollster::block_on(scene.gpu.download(&buffers[0].1))? == expected);
    scene.works()
}

/// A buffer that is both stored to and mapped is none that WebGPU has; one that is mapped from the beginning is.
pub fn mapped(scene: &Scene) -> Result<(), Failed> {
    let run = Run::new(scene, 4)?;
    let scratch = scene.gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: run.buffer(Slot::Scratch).size(),
        usage: BufferUsages::STORAGE,
        mapped_at_creation: true,
    });
    let bound = scene.kernels().bind(&run.plan, &run.given().scratch(&scratch))?;
    println!(
        "{}",
        scene.mistake(|| {
            let mut encoder = scene.encoder();
            bound.record(&mut encoder);
            scene.submit(encoder);
        })?
    );
    scratch.unmap();
    let mut encoder = scene.encoder();
    bound.record(&mut encoder);
    scene.submit(encoder);
    assert!(run.right(scene)?);
    scene.works()
}

pub fn of_another_device(scene: &Scene) -> Result<(), Failed> {
    let other = scene.another()?;
    let (ours, theirs) = (Run::new(scene, 5)?, Run::new(&other, 5)?);
    assert_refused("all", scene.kernels().bind(&ours.plan, &theirs.given()));
    for (slot, buffer) in &theirs.buffers {
        assert_refused(&slot.to_string(), scene.kernels().bind(&ours.plan, &ours.given().slot(*slot, buffer)));
    }
    ours.works(scene)?;
    scene.works()?;
    other.works()
}

/// The one fault that is not survived: wgpu 30 knows a buffer by a number within its instance. A number that the instance of the
/// device does not have is a panic of wgpu, and one that it has is another buffer. Nothing that a buffer can be asked tells which
/// instance it is of. Behind the panic all still works.
pub fn of_another_instance(scene: &Scene) -> Result<(), Failed> {
    let name = adapters::name(scene.gpu.info());
    let elsewhere = adapters::all();
    let adapter = elsewhere.iter().find(|adapter| adapters::name(&adapter.get_info()) == name).ok_or("the adapter is gone")?;
    let other = Scene::new(adapter, &elsewhere)?;
    // A number that nobody has here.
    let many: Vec<_> = (0..10_000).map(|_| other.buffer(4, BufferUsages::STORAGE)).collect();
    let ours = Run::new(scene, 6)?;
    let data = data::generate(&descriptor(), Rate::Once(9), Values::Plain, 6);
    let theirs = uploaded(&other, &plan(&other)?, &data);
    let bound = catch_unwind(AssertUnwindSafe(|| scene.kernels().bind(&ours.plan, &given(&theirs)).map(|_| ())));
    println!("{bound:?}");
    assert!(!matches!(bound, Ok(Ok(()))), "it is taken");
    assert!(bound.is_err(), "wgpu has become kinder: README.md and docs/robustness.md say that it panics");
    drop(many);
    ours.works(scene)?;
    scene.works()?;
    other.works()
}

pub fn downloads(scene: &Scene) -> Result<(), Failed> {
    let copied = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
    let download = |buffer: &wgpu::Buffer| pollster::block_on(scene.gpu.download(buffer));
    assert_refused("not to be copied", download(&scene.buffer(16, BufferUsages::STORAGE)));
    assert_refused("no whole words", download(&scene.buffer(6, copied)));
    let gone = scene.buffer(16, copied);
    gone.destroy();
    assert_refused("destroyed", download(&gone));
    let other = scene.another()?;
    assert_refused("of another device", download(&other.buffer(16, copied)));
    assert_eq!(download(&scene.buffer(0, copied))?, []);
    assert_eq!(download(&scene.buffer(8, copied))?, [0, 0]);
    scene.works()?;
    other.works()
}
