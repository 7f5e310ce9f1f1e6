//! Cameras of Windows, by Media Foundation.
//!
//! Its source reader decodes and converts whatever a camera gives to BGRX; what is left is to choose the mode and to
//! hand the pictures on in our memory. By the system's own interfaces and not by `nokhwa`, which wraps the same ones:
//! there the errors that tell "unplugged" from "busy" and "forbidden" become texts.

mod devices;
mod reader;

use std::sync::atomic::Ordering;

use media::{Alpha, Clock, MonotonicClock, Size, VideoFrame};
use stream::FrameSlot;

use self::reader::Reader;
use super::formats::Wish;
use super::{Camera, Shared};
use crate::video::VideoError;
use crate::video::pacing::Pacer;
use crate::video::pool::Pool;

/// Asking a camera for its modes would switch its light on: a list names the usual size.
const UNASKED: Size = Size { width: 1280, height: 720 };

/// Every camera that is plugged in.
pub(super) fn list() -> Vec<Camera> {
    let all = devices::all().unwrap_or_else(|error| {
        tracing::warn!(%error, "cameras can't be listed");
        Vec::new()
    });
    all.into_iter().map(|(path, name)| Camera { path, name, best: UNASKED }).collect()
}

/// What the camera at that path is.
pub(super) fn describe(path: &str, wish: &Wish) -> Result<Camera, VideoError> {
    let (path, name) = devices::all()?
        .into_iter()
        .find(|(each, _)| each.eq_ignore_ascii_case(path))
        .ok_or(VideoError::CameraUnplugged)?;
    let best = match wish.size {
        Some(size) => size,
        None => reader::best(&path, wish)?,
    };
    Ok(Camera { path, name, best })
}

/// Opens the camera and reads it until the owner stops it (`Ok`) or it fails.
pub(super) fn read(
    path: &str,
    wish: &Wish,
    shared: &Shared,
    slot: &FrameSlot<VideoFrame>,
    first_picture: impl FnOnce() -> bool,
) -> Result<(), VideoError> {
    let mut reader = Reader::open(path, wish)?;
    let size = reader.size();
    let mut pool = Pool::new(size);
    let mut pacer = Pacer::new(*shared.rate.lock());
    let mut first_picture = Some(first_picture);
    while !shared.stop.load(Ordering::Relaxed) {
        // Waits as long as the camera does; a driver that hangs is left behind by the owner.
        let Some(sample) = reader.read()? else { continue };
        let now = MonotonicClock.now();
        pacer.set_rate(*shared.rate.lock());
        if now < pacer.ready_at() {
            continue;
        }
        let Some(pixels) = pool.fill(|to| reader.write(&sample, to))? else { continue };
        pacer.grabbed(now, now);
        let captured_at = reader.captured_at(&sample, now);
        slot.put(VideoFrame { captured_at, size, stride: pool.stride(), pixels, alpha: Alpha::Opaque });
        shared.captured.fetch_add(1, Ordering::Relaxed);
        if first_picture.take().is_some_and(|tell| !tell()) {
            return Ok(());
        }
    }
    Ok(())
}
