//! lampshade's inclusive scan of as many words: what a general scan of one word an element costs.
//!
//! It runs on the library's device, which has no optional feature: lampshade's portable scan.

use std::cell::RefCell;
use std::rc::Rc;

use bmru::Slot;
use lampshade::Scanner;

use crate::{Device, Error, Expected, Run, Tensors, Work};

/// The sums of the candidates' words, written to `to`; nothing past one binding. Checked.
///
/// # Errors
/// If lampshade refuses, or a sum is wrong.
pub async fn prefix_sum(device: &Device, tensors: &Tensors, to: Slot, row: &str) -> Result<Option<Work>, Error> {
    let elements = tensors.elements();
    if 4 * elements > device.gpu().limits().max_storage_buffer_binding_size {
        return Ok(None);
    }
    let gpu = device.gpu();
    let scanner = Rc::new(RefCell::new(Scanner::new_for_adapter(gpu.device(), gpu.queue(), gpu.info())));
    // Once where an error can be told.
    let mut encoder = gpu.device().create_command_encoder(&bmru::wgpu::CommandEncoderDescriptor::default());
    let [from, target] = [Slot::Candidate, to].map(|slot| tensors.buffer(0, slot));
    scanner.borrow_mut().record_scan(&mut encoder, from, target, elements as u32)?;
    let run = |copy| -> Result<Run, Error> {
        let scanner = scanner.clone();
        let [from, to] = [Slot::Candidate, to].map(|slot| tensors.buffer(copy, slot).clone());
        Ok(Box::new(move |encoder| {
            let recorded = scanner.borrow_mut().record_scan(encoder, &from, &to, elements as u32);
            recorded.expect("it did the same before");
        }))
    };
    let work = tensors.work(run)?;
    let sums = tensors.words(Slot::Candidate).iter().scan(0u32, |sum, &word| {
        *sum = sum.wrapping_add(word);
        Some(*sum)
    });
    tensors.check(device, row, &work, &[(to, &Expected::Words(sums.collect()))]).await?;
    Ok(Some(work))
}
