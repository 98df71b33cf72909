use bmru::*;
use bmru::host::Gpu;
use std::time::Instant;
fn main() {
    let name = std::env::args().nth(1).unwrap_or("llvmpipe".into());
    let adapters = bmru_conformance::adapters::all();
    let adapter = adapters.into_iter().find(|a| format!("{:?}", a.get_info()).to_lowercase().contains(&name.to_lowercase())).expect("adapter");
    println!("{:?}", adapter.get_info().name);
    let runner = bmru_conformance::Runner::new(&adapter).expect("device");
    let gpu: &Gpu = runner.gpu();
    for (batch, time, channels) in [(4u64, 4096u64, 256u64), (32, 1024, 128), (1, 65536, 64)] {
        let shape = Shape { batch, time, channels };
        let sets: Vec<(&str, Descriptor)> = vec![
            ("btd", Descriptor::bmru(shape)),
            ("bdt", Descriptor::bmru(shape).layout(Layout::BatchChannelTime)),
            ("btd saves", Descriptor::bmru(shape).save(Save::Codes)),
            ("bdt saves", Descriptor::bmru(shape).layout(Layout::BatchChannelTime).save(Save::Codes)),
        ];
        let mut bound = Vec::new();
        for (n, d) in &sets {
            for back in [false, true] {
                if back && !n.contains("saves") { continue; }
                let plan = if back { d.backward(&gpu.limits(), gpu.tuning()) } else { d.forward(&gpu.limits(), gpu.tuning()) }.unwrap();
                let mut buffers: Vec<(Slot, wgpu::Buffer)> = Vec::new();
                let mut rng = 12345u32;
                for &(slot, bytes) in plan.slots() {
                    let b = gpu.device().create_buffer(&wgpu::BufferDescriptor { label: None, size: bytes, usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST, mapped_at_creation: false });
                    let words: Vec<u32> = (0..bytes / 4).map(|_| { rng = rng.wrapping_mul(1664525).wrapping_add(1013904223); let u = (rng >> 8) as f32 / 16777216.0; if slot == Slot::Threshold { 0.95f32.to_bits() } else if slot == Slot::Saved { 0 } else { u.to_bits() } }).collect();
                    gpu.queue().write_buffer(&b, 0, bytemuck::cast_slice(&words));
                    buffers.push((slot, b));
                }
                let mut given = buffers.iter().fold(Buffers::new(), |acc, (s, b)| acc.slot(*s, b));
                if back { let saved = &buffers.iter().find(|(s, _)| *s == Slot::Saved).unwrap().1; given = given.saved_by(saved, d.saved_layout()); }
                let bnd = gpu.kernels().bind(&plan, &given).unwrap();
                bound.push((format!("{n}{}", if back { " backward" } else { "" }), bnd, buffers, Vec::<f64>::new(), plan.strategy()));
            }
        }
        for _ in 0..12 {
            for (_, b, _, times, _) in &mut bound {
                let mut e = gpu.device().create_command_encoder(&Default::default());
                b.record(&mut e);
                let start = Instant::now();
                gpu.queue().submit([e.finish()]);
                gpu.device().poll(wgpu::PollType::wait_indefinitely()).unwrap();
                times.push(start.elapsed().as_secs_f64());
            }
        }
        for (n, _, _, t, s) in &mut bound { t.sort_by(f64::total_cmp); println!("{batch}x{time}x{channels} {n:>20} {s:>7} {:8.2} ms min {:.2}", t[t.len() / 2] * 1e3, t[0]*1e3); }
    }
}
