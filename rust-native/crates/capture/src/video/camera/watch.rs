//! The camera's thread: has it opened and read, and waits for it to come back when it was unplugged.

use std::sync::atomic::Ordering;
use std::time::Duration;

use media::{Clock, MonotonicClock, VideoFrame};
use stream::FrameSlot;

use super::formats::Wish;
use super::{Shared, imp};
use crate::video::{VideoError, VideoEvent};

/// How often a camera that is gone is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The longest sleep between two looks at the order to stop.
const NAP: Duration = Duration::from_millis(50);

/// Runs until the owner stops it. `ready` is told once, when the first picture lies in the slot or none will; it says
/// whether anyone still waits.
pub(super) fn run(
    path: &str,
    wish: &Wish,
    shared: &Shared,
    slot: &FrameSlot<VideoFrame>,
    on_event: &dyn Fn(VideoEvent),
    ready: impl FnOnce(Result<(), VideoError>) -> bool,
) {
    let mut ready = Some(ready);
    let mut told: Option<VideoError> = None;
    while !shared.stop.load(Ordering::Relaxed) {
        let first_picture = || match ready.take() {
            Some(ready) => {
                on_event(VideoEvent::Area(None));
                ready(Ok(()))
            }
            None => {
                if told.take().is_some() {
                    on_event(VideoEvent::Resumed);
                }
                true
            }
        };
        let Err(error) = imp::read(path, wish, shared, slot, first_picture) else { return };
        if let Some(ready) = ready.take() {
            ready(Err(error));
            return;
        }
        if told.as_ref() != Some(&error) {
            tracing::info!(code = error.code(), %error, "the camera gives no picture");
            on_event(VideoEvent::Paused(error.clone()));
            told = Some(error);
        }
        let again = MonotonicClock.now() + LOOK_EVERY;
        while MonotonicClock.now() < again && !shared.stop.load(Ordering::Relaxed) {
            std::thread::sleep(NAP);
        }
    }
}
