//! Buffers back to the host, with a limit to the time that is waited.

#[cfg(target_family = "wasm")]
mod browser;
#[cfg(not(target_family = "wasm"))]
mod native;

use std::time::Duration;

use crate::Error;
use crate::kernels::guarded;
#[cfg(target_family = "wasm")]
use browser::map;
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::check_queue;
#[cfg(not(target_family = "wasm"))]
use native::map;
#[cfg(all(feature = "host", not(target_family = "wasm")))]
pub(crate) use native::wait;

const DOWNLOAD: &str = "a download";

/// Copies buffers of words to the host, when everything submitted before is done.
///
/// In a browser nothing can wait, and the time limit is the browser's own, after which the device is lost.
///
/// # Errors
/// [`Error::Timeout`], [`Error::Device`] if a buffer cannot be copied or mapped, [`Error::OutOfMemory`], or [`Error::DeviceLost`].
pub(crate) async fn download(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    buffers: &[&wgpu::Buffer],
    time_limit: Duration,
) -> Result<Vec<Vec<u32>>, Error> {
    let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
    let label = Some("bmru/download");
    let size = buffers.iter().map(|buffer| buffer.size()).sum();
    let descriptor = wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false };
    let (staging, checked) = guarded(device, DOWNLOAD.to_owned(), || {
        let staging = device.create_buffer(&descriptor);
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
        let mut offset = 0;
        for buffer in buffers {
            encoder.copy_buffer_to_buffer(buffer, 0, &staging, offset, buffer.size());
            offset += buffer.size();
        }
        queue.submit([encoder.finish()]);
        staging
    });
    checked.await?;
    map(device, &staging, time_limit).await?;
    let view = match staging.get_mapped_range(..) {
        Ok(view) => view,
        Err(error) => {
            // It may have been lost since.
            guarded(device, DOWNLOAD.to_owned(), || ()).1.await?;
            return Err(refused(error.to_string()));
        }
    };
    let words: Vec<u32> = bytemuck::pod_collect_to_vec(&view);
    drop(view);
    // A browser would keep it until its garbage is collected.
    staging.destroy();
    let mut rest = &words[..];
    let split = |buffer: &&wgpu::Buffer| {
        let (own, others) = rest.split_at(buffer.size() as usize / 4);
        rest = others;
        own.to_vec()
    };
    Ok(buffers.iter().map(split).collect())
}

fn refused(message: String) -> Error {
    Error::Device { what: DOWNLOAD.to_owned(), message }
}
