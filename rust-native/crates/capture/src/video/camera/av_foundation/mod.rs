//! Cameras of macOS, by AVFoundation.
//!
//! The framework converts whatever a camera gives to BGRA and delivers on a queue of its own; what is left is the
//! permission, the choice of the mode, the pace, and to see that a camera went away or gives nothing. By Apple's
//! bindings and not by `nokhwa`, whose own are of a generation of crates that is no longer kept.

mod devices;
mod feed;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use media::VideoFrame;
use parking_lot::Mutex;
use stream::FrameSlot;

use self::feed::{Feed, State};
use super::formats::Wish;
use super::{Camera, Shared};
use crate::video::VideoError;

/// Cameras wake up slowly: two seconds are usual, and no picture for so long later on is a camera that hangs.
const SILENCE: Duration = Duration::from_secs(5);
/// The longest sleep between two looks at the order to stop.
const NAP: Duration = Duration::from_millis(50);

/// Every camera that is plugged in.
pub(super) fn list() -> Vec<Camera> {
    let all = devices::all().unwrap_or_else(|error| {
        tracing::warn!(%error, "cameras can't be listed");
        Vec::new()
    });
    // A camera's modes can be read without opening it.
    all.into_iter().filter_map(|(path, _)| describe(&path, &Wish::default()).ok()).collect()
}

/// What the camera of that unique id is.
pub(super) fn describe(path: &str, wish: &Wish) -> Result<Camera, VideoError> {
    let device = devices::find(path)?;
    let best = feed::choose_mode(&device, wish)?.1.size;
    // SAFETY: a plain getter.
    let name = unsafe { device.localizedName() }.to_string();
    Ok(Camera { path: path.to_owned(), name, best })
}

/// Opens the camera and reads it until the owner stops it (`Ok`) or it fails.
pub(super) fn read(
    path: &str,
    wish: &Wish,
    shared: &Shared,
    slot: &FrameSlot<VideoFrame>,
    first_picture: impl FnOnce() -> bool,
) -> Result<(), VideoError> {
    devices::check_permission()?;
    let state = Arc::new(State { rate: Mutex::new(*shared.rate.lock()), fresh: AtomicU64::new(0) });
    let feed = Feed::start(&devices::find(path)?, wish, Arc::clone(&state), slot.clone())?;
    let mut first_picture = Some(first_picture);
    let mut seen = Instant::now();
    while !shared.stop.load(Ordering::Relaxed) {
        *state.rate.lock() = *shared.rate.lock();
        match state.fresh.swap(0, Ordering::Relaxed) {
            0 if !feed.is_connected() => return Err(VideoError::CameraUnplugged),
            0 if seen.elapsed() > SILENCE => return Err(feed.silence()),
            0 => {}
            fresh => {
                seen = Instant::now();
                shared.captured.fetch_add(fresh, Ordering::Relaxed);
                if first_picture.take().is_some_and(|tell| !tell()) {
                    return Ok(());
                }
            }
        }
        std::thread::sleep(NAP);
    }
    Ok(())
}
