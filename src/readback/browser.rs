//! Mapping where nothing can wait: the callback wakes the future.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{DOWNLOAD, refused};
use crate::Error;
use crate::kernels::guarded;

/// Maps a buffer for reading.
pub(super) async fn map(device: &wgpu::Device, staging: &wgpu::Buffer, _: Duration) -> Result<(), Error> {
    let mapped = Signal::default();
    let sender = mapped.clone();
    staging.map_async(wgpu::MapMode::Read, .., move |result| sender.send(result));
    match mapped.await {
        Ok(()) => Ok(()),
        Err(error) => {
            guarded(device, DOWNLOAD.to_owned(), || ()).1.await?;
            Err(refused(error.to_string()))
        }
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
