//! Buffers back to the host, with a limit to the time that is waited.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::Error;
use crate::kernels::guarded;

/// Copies buffers of words to the host, when everything submitted before is done.
///
/// In a browser nothing can wait, and the time limit is the browser's own, after which the device is lost.
///
/// # Errors
/// [`Error::Timeout`], or [`Error::Device`] if a buffer cannot be copied or mapped.
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
    let what = || "a download".to_owned();
    let (staging, checked) = guarded(device, what(), || {
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
    let mapped = Signal::default();
    let sender = mapped.clone();
    staging.map_async(wgpu::MapMode::Read, .., move |result| sender.send(result));
    #[cfg(not(target_family = "wasm"))]
    wait(device, time_limit)?;
    #[cfg(target_family = "wasm")]
    let _ = time_limit;
    let refused = |error: String| Error::Device { what: what(), message: error };
    mapped.await.map_err(|error| refused(error.to_string()))?;
    let view = staging.get_mapped_range(..).map_err(|error| refused(error.to_string()))?;
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

/// Waits for everything that was submitted, no longer than the time limit.
///
/// # Errors
/// [`Error::Timeout`], or [`Error::Device`] if the device is lost.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn wait(device: &wgpu::Device, time_limit: Duration) -> Result<(), Error> {
    let poll = wgpu::PollType::Wait { submission_index: None, timeout: Some(time_limit) };
    match device.poll(poll) {
        Ok(_) => Ok(()),
        Err(wgpu::PollError::Timeout) => Err(Error::Timeout { expected: time_limit }),
        Err(error) => Err(Error::Device { what: "waiting".to_owned(), message: error.to_string() }),
    }
}

type Mapped = Result<(), wgpu::BufferAsyncError>;

/// Carries the result of a mapping from the callback to the future.
#[derive(Clone, Default)]
struct Signal(Arc<Mutex<(Option<Mapped>, Option<Waker>)>>);

impl Signal {
    fn send(&self, result: Mapped) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = Some(result);
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }
}

impl Future for Signal {
    type Output = Mapped;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Mapped> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.0.take() {
            Some(result) => Poll::Ready(result),
            None => {
                state.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
