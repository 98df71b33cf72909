//! The format of exported plans, version 1.
//!
//! A stream of records. Each is
//!
//! | bytes | |
//! |---|---|
//! | 8 | `BMRUPLAN`, in ASCII |
//! | 4 | version, a u32: 1 |
//! | 4 | length of the manifest, a u32; a multiple of 8 |
//! | 8 | length of the data, a u64; a multiple of 8 |
//! | | the manifest: one JSON object in UTF-8, filled up with spaces |
//! | | the data |
//!
//! All numbers of more than one byte are little-endian, in the data too. Offsets and lengths are in bytes. The first record is the
//! head, without data: `{"producer": "bmru 0.1.0", "cases": N}`. N records follow, one for each case; a stream that ends earlier is
//! broken.
//!
//! A *range* is `[offset, length]`, counted from the beginning of the record's data. *Words* are
//! `{"data": range, "bytes": n, "fill": w}`: n bytes of u32, first those of the range, then `w` again and again.
//!
//! ```text
//! case      {"name": string, "shaders": [WGSL text], "runs": [run]}
//! run       {"buffers": [buffer], "dispatches": [dispatch], "checks": [check]}
//! buffer    {"label": string, "words": words}
//! dispatch  {"shader": index, "entry_point": string, "bindings": [binding], "grid": [x, y, z]}
//! binding   {"binding": number, "type": type, "buffer": index, "offset": bytes, "size": bytes}
//!         | {"binding": number, "type": type, "parameters": range}
//! type      "read-only-storage" | "storage" | "uniform"
//! check     {"buffer": index, "exact": words}
//!         | {"buffer": index, "untouched_from": bytes}
//!         | {"buffer": index, "within": {"element": element, "wanted": range, "allowed": range}}
//!         | {"buffer": index, "as_first": true}
//! element   "f32" | "f16" | "bf16"
//! ```
//!
//! To run a case: for each of its runs make the buffers with their words, bind group 0 of each dispatch, a binding with `parameters`
//! to a buffer that holds that range, launch the grids (workgroups) in order, each seeing what those before wrote, and look at the
//! buffers. Every device that has the WebGPU default limits can: no feature is needed. Then
//!
//! - `exact`: the buffer holds these words.
//! - `untouched_from`: from there on it holds what it held before.
//! - `within`: the ranges are of f64, one for each element of the buffer from its beginning; of those of 16 bits the first of a word is
//!   its lower half. An element must be within `allowed` of `wanted`, and NaN or infinite only where that is the same; where
//!   `allowed` is below 0 it must hold what it held before, bit for bit, and where it is infinite it may hold anything.
//! - `as_first`: it holds the same words as the buffer with this index in the first run.

use std::collections::HashMap;
use std::io::{self, Write};

use bmru::{Access, BindingAccess, Dispatch, Element, Params, Plan, Variant};
use bmru_conformance::portable::{Check, Launch, Portable, Run};
use serde_json::{Value, json};

const MAGIC: &[u8; 8] = b"BMRUPLAN";
const VERSION: u32 = 1;

/// Writes the first record.
pub fn write_head(out: &mut dyn Write, cases: usize) -> io::Result<()> {
    let producer = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    write_record(out, &json!({ "producer": producer, "cases": cases }), &[])
}

/// Writes the record of a case.
pub fn write_case(out: &mut dyn Write, case: &Portable) -> io::Result<()> {
    let mut record = Record::default();
    let runs: Vec<Value> = case.runs.iter().map(|run| record.run(run)).collect();
    write_record(out, &json!({ "name": case.name, "shaders": record.shaders, "runs": runs }), &record.data)
}

fn write_record(out: &mut dyn Write, manifest: &Value, data: &[u8]) -> io::Result<()> {
    let mut manifest = manifest.to_string();
    while !manifest.len().is_multiple_of(8) {
        manifest.push(' ');
    }
    out.write_all(MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    out.write_all(&u32::try_from(manifest.len()).map_err(io::Error::other)?.to_le_bytes())?;
    out.write_all(&(data.len() as u64).to_le_bytes())?;
    out.write_all(manifest.as_bytes())?;
    out.write_all(data)
}

/// What the runs of a case share: each text and each range of data is there once.
#[derive(Default)]
struct Record {
    shaders: Vec<String>,
    numbers: HashMap<Variant, usize>,
    data: Vec<u8>,
    ranges: HashMap<Vec<u8>, usize>,
}

impl Record {
    fn run(&mut self, run: &Run) -> Value {
        let buffers: Vec<Value> =
            run.buffers.iter().map(|buffer| json!({ "label": buffer.label, "words": self.words(&buffer.words) })).collect();
        let mut dispatches = Vec::new();
        for launch in &run.launches {
            dispatches.extend(launch.plan.dispatches().iter().map(|dispatch| self.dispatch(launch, dispatch)));
        }
        let checks: Vec<Value> = run.checks.iter().map(|check| self.check(check)).collect();
        json!({ "buffers": buffers, "dispatches": dispatches, "checks": checks })
    }

    fn dispatch(&mut self, Launch { plan, slots }: &Launch, dispatch: &Dispatch) -> Value {
        let variant = &plan.variants()[dispatch.variant()];
        let mut bindings = Vec::new();
        for (number, binding) in dispatch.bindings().iter().enumerate() {
            let buffer = slots.iter().find(|(slot, _)| *slot == binding.slot).expect("every slot of a plan has a buffer").1;
            let kind = match binding.access {
                BindingAccess::Read => "read-only-storage",
                BindingAccess::ReadWrite => "storage",
            };
            let (offset, size) = (binding.offset, binding.size);
            bindings.push(json!({ "binding": number, "type": kind, "buffer": buffer, "offset": offset, "size": size }));
        }
        let kind = match variant.access() {
            Access::Declared => "uniform",
            Access::AllReadWrite => "storage",
        };
        let parameters = &bytemuck::bytes_of(dispatch.params())[..Params::bytes(variant.operands().count())];
        let parameters = self.range(parameters);
        bindings.push(json!({ "binding": variant.params_binding(), "type": kind, "parameters": parameters }));
        let shader = self.shader(plan, dispatch);
        json!({ "shader": shader, "entry_point": Variant::ENTRY_POINT, "bindings": bindings, "grid": dispatch.grid() })
    }

    fn shader(&mut self, plan: &Plan, dispatch: &Dispatch) -> usize {
        let variant = &plan.variants()[dispatch.variant()];
        let shaders = &mut self.shaders;
        *self.numbers.entry(variant.clone()).or_insert_with(|| {
            shaders.push(variant.wgsl());
            shaders.len() - 1
        })
    }

    fn check(&mut self, check: &Check) -> Value {
        match check {
            Check::Exact { buffer, words } => json!({ "buffer": buffer, "exact": self.words(words) }),
            Check::Untouched { buffer, from } => json!({ "buffer": buffer, "untouched_from": from * 4 }),
            Check::Within { buffer, element, wanted, allowed } => {
                let [wanted, allowed] = [wanted, allowed].map(|floats| {
                    let bytes: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
                    self.range(&bytes)
                });
                let element = match element {
                    Element::F32 => "f32",
                    Element::F16 => "f16",
                    Element::Bf16 => "bf16",
                };
                json!({ "buffer": buffer, "within": { "element": element, "wanted": wanted, "allowed": allowed } })
            }
            Check::AsFirst { buffer } => json!({ "buffer": buffer, "as_first": true }),
        }
    }

    fn words(&mut self, words: &[u32]) -> Value {
        let fill = words.last().copied().unwrap_or_default();
        let length = words.iter().rposition(|&word| word != fill).map_or(0, |last| last + 1);
        let bytes: Vec<u8> = words[..length].iter().flat_map(|word| word.to_le_bytes()).collect();
        json!({ "data": self.range(&bytes), "bytes": words.len() * 4, "fill": fill })
    }

    /// Where these bytes lie in the data, at a multiple of 8.
    fn range(&mut self, bytes: &[u8]) -> [usize; 2] {
        let data = &mut self.data;
        let offset = *self.ranges.entry(bytes.to_vec()).or_insert_with(|| {
            let offset = data.len();
            data.extend_from_slice(bytes);
            data.resize(data.len().next_multiple_of(8), 0);
            offset
        });
        [offset, bytes.len()]
    }
}
