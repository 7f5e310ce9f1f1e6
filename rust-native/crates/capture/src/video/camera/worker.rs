//! Reading an open V4L2 camera.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use media::{Alpha, Clock, MediaTime, MonotonicClock, PixelBuffer, Size, VideoFrame};
use stream::FrameSlot;
use v4l::Device;
use v4l::buffer::{Flags, Metadata, Type};
use v4l::io::mmap::Stream;
use v4l::io::traits::CaptureStream as _;

use super::Shared;
use super::convert::to_bgra;
use super::device::{explain, prepare};
use super::formats::Wish;
use crate::video::VideoError;
use crate::video::pacing::Pacer;

/// How long a camera may give nothing before it counts as silent. The slowest give five pictures a second, and the
/// first one takes a second.
const SILENCE: Duration = Duration::from_secs(2);
/// Buffers in the driver: one being read, the others being filled.
const DRIVER_BUFFERS: u32 = 4;
/// Pictures that may be out at once: one in the slot, one being encoded, one kept for repeats, one being converted,
/// two for consumers that lag.
const MOST_PICTURES: usize = 6;
/// So many damaged pictures in a row are no accident.
const MOST_DAMAGED: u32 = 60;

/// Opens the camera and reads it until the owner stops it (`Ok`) or it fails.
pub(super) fn read(
    path: &str,
    wish: &Wish,
    shared: &Shared,
    slot: &FrameSlot<VideoFrame>,
    first_picture: impl FnOnce() -> bool,
) -> Result<(), VideoError> {
    let (device, layout, _) = prepare(path, wish)?;
    let stream = Stream::with_buffers(&device, Type::VideoCapture, DRIVER_BUFFERS).map_err(|error| explain(&error))?;
    let mut stream = Guard(Some(stream), device);
    let mut pictures = Pictures::new(layout.size);
    let mut rate = *shared.rate.lock();
    let mut pacer = Pacer::new(rate);
    let mut first_picture = Some(first_picture);
    let mut damaged = 0;
    let mut patience = MonotonicClock.now() + SILENCE;
    while !shared.stop.load(Ordering::Relaxed) {
        let (bytes, metadata) = match stream.next() {
            Ok(next) => next,
            // Short waits, so that an order to stop is heard.
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut && MonotonicClock.now() < patience => continue,
            Err(error) => return Err(explain(&error)),
        };
        let now = MonotonicClock.now();
        patience = now + SILENCE;
        let wanted = *shared.rate.lock();
        if wanted != rate {
            rate = wanted;
            pacer.set_rate(rate);
        }
        let at = captured_at(metadata, now);
        if now < pacer.ready_at() {
            continue;
        }
        let Some(picture) = pictures.free() else { continue };
        let length = (metadata.bytesused as usize).min(bytes.len());
        let is_whole = !metadata.flags.contains(Flags::ERROR);
        match to_bgra(&bytes[..length], &layout, picture) {
            Ok(()) if is_whole => {}
            outcome => {
                damaged += 1;
                tracing::debug!(?outcome, "a damaged picture of the camera");
                if damaged > MOST_DAMAGED {
                    return Err(VideoError::CameraFormat(outcome.err().unwrap_or_else(|| "all damaged".to_owned())));
                }
                continue;
            }
        }
        damaged = 0;
        pacer.grabbed(now, now);
        slot.put(pictures.frame(at));
        shared.captured.fetch_add(1, Ordering::Relaxed);
        if first_picture.take().is_some_and(|tell| !tell()) {
            return Ok(());
        }
    }
    Ok(())
}

/// The driver's own time where it is of our clock and of now, else the time at which we got the picture.
fn captured_at(metadata: &Metadata, now: MediaTime) -> MediaTime {
    let time = &metadata.timestamp;
    let nanos = u64::try_from(time.sec).ok().and_then(|seconds| seconds.checked_mul(1_000_000_000));
    let nanos = nanos.and_then(|nanos| nanos.checked_add(u64::try_from(time.usec).ok()? * 1000));
    let is_ours = metadata.flags.contains(Flags::TIMESTAMP_MONOTONIC);
    let stamp = nanos.filter(|_| is_ours).map(MediaTime::from_nanos);
    stamp.filter(|&stamp| stamp <= now && now.since(stamp) < Duration::from_secs(1)).unwrap_or(now)
}

/// A stream whose end can't take the thread with it: the crate panics where a driver refuses to stop, as drivers do
/// whose device was just pulled out.
struct Guard<'a>(Option<Stream<'a>>, #[expect(dead_code, reason = "held open while the stream is")] Device);

impl Guard<'_> {
    fn next(&mut self) -> std::io::Result<(&[u8], &Metadata)> {
        let stream = self.0.as_mut().ok_or(std::io::ErrorKind::NotConnected)?;
        stream.set_timeout(Duration::from_millis(200));
        stream.next()
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let stream = self.0.take();
        if catch_unwind(AssertUnwindSafe(|| drop(stream))).is_err() {
            tracing::warn!("the camera's driver refused to stop");
        }
    }
}

/// Memory of the pictures that are handed on.
struct Pictures {
    size: Size,
    all: Vec<Arc<Vec<u8>>>,
    current: usize,
}

impl Pictures {
    fn new(size: Size) -> Self {
        Self { size, all: Vec::new(), current: 0 }
    }

    /// Memory that nobody reads; `None` while consumers hold all.
    fn free(&mut self) -> Option<&mut [u8]> {
        let free = self.all.iter_mut().position(|picture| Arc::get_mut(picture).is_some());
        self.current = match free {
            Some(index) => index,
            None if self.all.len() < MOST_PICTURES => {
                self.all.push(Arc::new(vec![0; self.size.area() as usize * 4]));
                self.all.len() - 1
            }
            None => return None,
        };
        Arc::get_mut(&mut self.all[self.current]).map(Vec::as_mut_slice)
    }

    /// What [`Pictures::free`] gave last.
    fn frame(&self, at: MediaTime) -> VideoFrame {
        let pixels: Arc<Vec<u8>> = Arc::clone(&self.all[self.current]);
        VideoFrame {
            captured_at: at,
            size: self.size,
            stride: self.size.width as usize * 4,
            pixels: PixelBuffer::new(pixels),
            alpha: Alpha::Opaque,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use v4l::timestamp::Timestamp;

    #[test]
    fn a_camera_s_time_is_believed_only_where_it_is_of_our_clock() {
        let now = MediaTime::from_nanos(10_000_000_000);
        let at = |sec, usec, flags| {
            let timestamp = Timestamp::new(sec, usec);
            captured_at(&Metadata { timestamp, flags, ..Metadata::default() }, now).as_nanos()
        };
        assert_eq!(at(9, 950_000, Flags::TIMESTAMP_MONOTONIC), 9_950_000_000);
        assert_eq!(at(9, 950_000, Flags::empty()), 10_000_000_000, "of another clock");
        assert_eq!(at(8, 0, Flags::TIMESTAMP_MONOTONIC), 10_000_000_000, "too old");
        assert_eq!(at(11, 0, Flags::TIMESTAMP_MONOTONIC), 10_000_000_000, "in the future");
    }

    #[test]
    fn memory_comes_back_when_its_readers_let_go() {
        let mut pictures = Pictures::new(Size { width: 2, height: 2 });
        let mut held = Vec::new();
        for _ in 0..MOST_PICTURES {
            pictures.free().expect("memory")[0] = 1;
            held.push(pictures.frame(MediaTime::ZERO));
        }
        assert!(pictures.free().is_none());
        held.pop();
        assert!(pictures.free().is_some());
    }
}
