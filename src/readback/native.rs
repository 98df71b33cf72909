//! Waiting for a device, no longer than a time limit.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::{DOWNLOAD, refused};
use crate::Error;
use crate::kernels::{guarded, ready_or_later};

/// Maps a buffer for reading, when everything submitted before is done.
pub(super) async fn map(device: &wgpu::Device, staging: &wgpu::Buffer, time_limit: Duration) -> Result<(), Error> {
    let start = Instant::now();
    let (sender, mapped) = mpsc::channel();
    let ((), checked) = guarded(device, DOWNLOAD.to_owned(), || {
        staging.map_async(wgpu::MapMode::Read, .., move |result| sender.send(result).unwrap_or_default());
    });
    checked.await?;
    wait(device, time_limit)?;
    // Another thread that polls the device may have taken the callback, and be about to call it.
    match mapped.recv_timeout(time_limit.saturating_sub(start.elapsed())) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => check_living(device, DOWNLOAD).and(Err(refused(error.to_string()))),
        Err(_) => Err(Error::Timeout { expected: time_limit }),
    }
}

/// Waits for everything that was submitted, no longer than the time limit.
///
/// # Errors
/// [`Error::Timeout`], or [`Error::DeviceLost`].
pub(crate) fn wait(device: &wgpu::Device, time_limit: Duration) -> Result<(), Error> {
    let poll = |timeout| device.poll(wgpu::PollType::Wait { submission_index: None, timeout: Some(timeout) });
    polled(device, time_limit, poll)?;
    check_living(device, "what was submitted")
}

/// An error if a queue is another device's, which would tell its errors to that device: polling one device brings nothing that was
/// asked of the queue of another.
///
/// # Errors
/// As [`wait`], and [`Error::Device`].
pub(crate) fn check_queue(device: &wgpu::Device, queue: &wgpu::Queue, time_limit: Duration) -> Result<(), Error> {
    let start = Instant::now();
    let (sender, done) = mpsc::channel();
    queue.on_submitted_work_done(move || sender.send(()).unwrap_or_default());
    wait(device, time_limit)?;
    let message = || "it does not belong to the device".to_owned();
    let other = |_| Error::Device { what: "the queue".to_owned(), message: message() };
    // As for a mapping; a short limit shall not call a queue foreign because of that.
    done.recv_timeout(time_limit.saturating_sub(start.elapsed()).max(Duration::from_secs(1))).map_err(other)
}

/// Polls until all is done or the time is over. By OpenGL a poll ends after two seconds, whatever limit it was given.
///
/// A device that its driver gives up while it is waited for makes wgpu 30 panic, where every other call of it does not: with no lock
/// held, and with the device marked as lost.
fn polled(
    device: &wgpu::Device,
    time_limit: Duration,
    poll: impl Fn(Duration) -> Result<wgpu::PollStatus, wgpu::PollError>,
) -> Result<(), Error> {
    let start = Instant::now();
    loop {
        let left = time_limit.saturating_sub(start.elapsed());
        match catch_unwind(AssertUnwindSafe(|| poll(left))) {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(wgpu::PollError::Timeout)) if start.elapsed() < time_limit => {
                std::thread::sleep(Duration::from_millis(1).min(left));
            }
            Ok(Err(wgpu::PollError::Timeout)) => return Err(Error::Timeout { expected: time_limit }),
            Ok(Err(error)) => return Err(Error::Device { what: "waiting".to_owned(), message: error.to_string() }),
            Err(panic) => {
                check_living(device, "what was submitted")?;
                // The application's own callbacks run in a poll, too.
                resume_unwind(panic);
            }
        }
    }
}

fn check_living(device: &wgpu::Device, what: &str) -> Result<(), Error> {
    ready_or_later(guarded(device, what.to_owned(), || ()).1)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn device() -> (wgpu::Device, wgpu::Queue) {
        wgpu::Device::noop(&wgpu::DeviceDescriptor::default())
    }

    #[test]
    fn a_poll_that_ends_early_is_repeated() {
        let (device, _queue) = device();
        let polls = Cell::new(0);
        let poll = |left: Duration| {
            assert!(left <= Duration::from_secs(60));
            polls.set(polls.get() + 1);
            if polls.get() < 4 { Err(wgpu::PollError::Timeout) } else { Ok(wgpu::PollStatus::QueueEmpty) }
        };
        assert_eq!(polled(&device, Duration::from_secs(60), poll), Ok(()));
        assert_eq!(polls.get(), 4);

        let limit = Duration::from_millis(20);
        let start = Instant::now();
        let ended = polled(&device, limit, |_| Err(wgpu::PollError::Timeout));
        assert_eq!(ended, Err(Error::Timeout { expected: limit }));
        assert!(start.elapsed() >= limit);
    }

    #[test]
    fn a_device_that_its_driver_gives_up_is_lost() {
        let (device, _queue) = device();
        let poll = |_| {
            // What wgpu does where a driver says so: no adapter here can be made to.
            device.destroy();
            panic!("Error in Device::poll: Parent device is lost");
        };
        let ended = polled(&device, Duration::from_secs(60), poll);
        assert!(matches!(ended, Err(Error::DeviceLost { .. })), "{ended:?}");
    }

    #[test]
    fn a_panic_of_the_application_stays_its_own() {
        let (device, _queue) = device();
        let ended = catch_unwind(AssertUnwindSafe(|| polled(&device, Duration::from_secs(60), |_| panic!("a callback"))));
        let panic = ended.expect_err("it is not ours to catch");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"a callback"));
    }

    #[test]
    fn the_queue_of_another_device_is_refused() {
        let ((device, queue), (_other, others)) = (device(), device());
        assert_eq!(check_queue(&device, &queue, Duration::from_secs(60)), Ok(()));
        let refused = check_queue(&device, &others, Duration::from_millis(20));
        assert!(matches!(refused, Err(Error::Device { .. })), "{refused:?}");
    }
}
