//! Packed states through the module for first steps, and beside the caller's buffers.

use bmru::{
    Buffers, Descriptor, Element, Error, FinalState, InitialState, Packed, Save, Shape, Slot, States, TimeOrder, Unit, oracle,
    wgpu,
};
use bmru_conformance::Runner;
use bmru_conformance::data::{self, Rate, Values};
use libtest_mimic::Failed;

fn bits(floats: &[f32]) -> Vec<u32> {
    floats.iter().map(|float| float.to_bits()).collect()
}

/// The device's words are the oracle's, and what device and host unpack is what a forward pass writes as numbers.
pub fn host(runner: &Runner) -> Result<(), Failed> {
    let gpu = runner.gpu();
    for (number, (unit, element)) in
        [Unit::Bistable, Unit::FirstQuadrant].into_iter().flat_map(|unit| Element::ALL.map(|element| (unit, element))).enumerate()
    {
        for save in [Save::Nothing, Save::Codes] {
            let order = [TimeOrder::Ascending, TimeOrder::Descending][number % 2];
            let numbers = Descriptor::new(unit, Shape { batch: 2, time: 300, channels: 5 })
                .element(element)
                .time_order(order)
                .initial_state(InitialState::Given)
                .save(save);
            let packed = numbers.clone().states(States::Packed);
            let data = data::generate(&packed, Rate::Once(100), Values::Edges, 3);
            let states = gpu.forward_blocking(&numbers, &data.inputs())?.states;

            let written = gpu.forward_blocking(&packed, &data.inputs())?;
            let expected = oracle::forward(&packed, &data.inputs())?;
            let name = format!("{unit:?}, {element:?}, {save:?}");
            assert!(written.states.is_empty(), "{name}: numbers");
            assert!(written.packed_states == expected.packed_states, "{name}: packed states");
            assert!(written.first_set == expected.first_set, "{name}: first set steps");
            let packed_states = Packed {
                packed_states: &written.packed_states,
                first_set: &written.first_set,
                amplitude: &data.amplitude,
                initial_state: &data.initial_state,
            };
            assert!(bits(&gpu.unpack_blocking(&packed, &packed_states)?) == bits(&states), "{name}: unpacked on the device");
            assert!(bits(&packed_states.unpack(&packed)?) == bits(&states), "{name}: unpacked on the host");
        }
    }
    Ok(())
}

/// Bound as they are: no amplitude, no state as a number; unpacked behind the forward pass, on the same encoder, from what it saved.
pub fn bound(runner: &Runner) -> Result<(), Failed> {
    let gpu = runner.gpu();
    let shape = Shape { batch: 3, time: 1500, channels: 6 };
    for (save, final_state) in [(Save::Nothing, FinalState::Discarded), (Save::Codes, FinalState::Written)] {
        let scan = Descriptor::bmru(shape).states(States::Packed).save(save).final_state(final_state);
        let data = data::generate(&scan, Rate::Once(700), Values::Plain, 4);
        let forward = scan.forward(&gpu.limits(), runner.tuning())?;
        let unpack = scan.unpack(&gpu.limits(), runner.tuning())?;
        let buffers: Vec<(Slot, wgpu::Buffer)> = Slot::ALL
            .iter()
            .map(|&slot| {
                let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
                let size = forward.slot_bytes(slot).max(unpack.slot_bytes(slot)).max(4);
                let buffer =
                    gpu.device().create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
                gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(data.slot(slot)));
                (slot, buffer)
            })
            .collect();
        let buffer = |slot| &buffers.iter().find(|(held, _)| *held == slot).expect("every slot has a buffer").1;
        let of = |plan: &bmru::Plan| {
            let used = Slot::ALL.iter().filter(|&&slot| plan.uses(slot));
            used.fold(Buffers::new(), |buffers, &slot| buffers.slot(slot, buffer(slot)))
        };

        let saves = save == Save::Codes;
        // What makes numbers reads amplitudes; final states are numbers, and what is saved has a copy of the amplitudes.
        assert!(forward.uses(Slot::Amplitude) == saves && !forward.uses(Slot::States), "{forward}");
        let surplus = gpu.kernels().bind(&forward, &of(&forward).states(buffer(Slot::States))).map(drop);
        assert!(matches!(surplus, Err(Error::SurplusBuffer { slot: Slot::States, .. })), "{surplus:?}");
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        gpu.kernels().bind(&forward, &of(&forward))?.record(&mut encoder);
        let mut given = of(&unpack);
        if saves {
            // Whose first set steps these are must be said.
            let unsaid = gpu.kernels().bind(&unpack, &given).map(drop);
            assert!(matches!(unsaid, Err(Error::SavedMismatch { .. })), "{unsaid:?}");
            given = given.saved_by(buffer(Slot::Saved), scan.saved_layout());
        }
        gpu.kernels().bind(&unpack, &given)?.record(&mut encoder);
        gpu.queue().submit([encoder.finish()]);

        let expected = oracle::forward(&scan.states(States::Numbers), &data.inputs())?;
        assert!(pollster::block_on(gpu.download(buffer(Slot::States)))? == bits(&expected.states), "states of {unpack}");
    }
    Ok(())
}
