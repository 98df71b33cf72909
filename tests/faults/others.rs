//! Plans and queues of other devices.

use std::time::Duration;

use bmru::{Buffers, Error, Limits, Slot, Strategy, Tuning, oracle};
use bmru_conformance::data::{self, Rate, Values};
use libtest_mimic::Failed;

use crate::scene::{Scene, descriptor, given, uploaded};

/// A plan belongs to no device: one of looser limits is refused, every other gives the same bits.
pub fn plans(scene: &Scene) -> Result<(), Failed> {
    let data = data::generate(&descriptor(), Rate::Once(9), Values::Edges, 1);
    let expected: Vec<u32> = oracle::forward(&descriptor(), &data.inputs())?.states.iter().map(|state| state.to_bits()).collect();
    let (mut taken, mut refused) = (0, 0);
    for adapter in &scene.all {
        let info = adapter.get_info();
        let tight = Limits::default();
        for limits in [Limits::from(&adapter.limits()), tight] {
            for strategy in Strategy::ALL {
                let tuning = Tuning { tile_steps: 64, ..Tuning::for_adapter(&info) }.with_strategy(strategy);
                let plan = descriptor().forward(&limits, &tuning)?;
                let buffers = uploaded(scene, &plan, &data);
                match scene.kernels().bind(&plan, &given(&buffers)) {
                    Ok(bound) => {
                        let mut encoder = scene.encoder();
                        bound.record(&mut encoder);
                        scene.submit(encoder);
                        let states = &buffers.iter().find(|(slot, _)| *slot == Slot::States).expect("the plan writes them").1;
                        assert!(pollster::block_on(scene.gpu.download(states))? == expected, "{}: {plan}", info.name);
                        taken += 1;
                    }
                    Err(Error::LimitMismatch { field, expected, actual }) => {
                        println!("{}: {field} is {expected} here, {actual} there", info.name);
                        refused += 1;
                    }
                    Err(other) => return Err(other.into()),
                }
            }
        }
    }
    println!("{taken} plans taken, {refused} refused");
    assert!(taken >= Strategy::ALL.len(), "its own plans are refused");
    // Nothing of a plan of looser limits is made.
    let looser = Limits { max_storage_buffer_binding_size: u64::MAX, max_buffer_size: u64::MAX, ..scene.gpu.limits() };
    let plan = descriptor().forward(&looser, scene.gpu.tuning())?;
    let error = scene.kernels().bind(&plan, &Buffers::new()).map(|_| ());
    assert!(matches!(error, Err(Error::LimitMismatch { .. })), "{error:?}");
    scene.works()
}

pub fn queue(scene: &Scene) -> Result<(), Failed> {
    let other = scene.another()?;
    let (queue, limit) = (other.gpu.queue(), Duration::from_millis(50));
    let error = pollster::block_on(scene.kernels().self_check(queue, scene.gpu.tuning(), limit));
    assert!(matches!(error, Err(Error::Device { .. })), "{error:?}");
    println!("{}", error.expect_err("it is another's"));
    scene.works()?;
    other.works()
}
