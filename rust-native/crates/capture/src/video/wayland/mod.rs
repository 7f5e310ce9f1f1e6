//! Screens and windows of a Wayland session.
//!
//! No program may look at them there by itself: the desktop's portal asks the user which one may be shared, and
//! PipeWire carries the pictures. So there is one source to choose, and what it shows is the user's answer. A token
//! lets the desktop give the same answer next time without asking ([`VideoEvent::Remember`]).
//!
//! Pictures are copied out of shared memory; while an encoder takes frames from the graphics card they stay where the
//! compositor drew them ([`media::Surface`]). **That half is compiled only**: no machine with a card has run it yet.
//!
//! What a portal can't do is not pretended: the app's own window is in the picture of a screen that it lies on, and
//! the pointer is in the picture or not from the start on.

mod buffer;
mod callbacks;
mod dma_buf;
mod library;
mod loan;
mod params;
mod pixels;
mod portal;
mod progress;
mod stream;
mod structures;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use ::stream::{FrameSlot, Urgency, hurry};
use media::{FrameRate, VideoFrame};
use parking_lot::Mutex;

use self::portal::Wish;
use self::worker::{Owner, Worker};
use super::backend::Backend;
use super::card::DEFAULT_SIZE;
use super::{Rect, SourceInfo, SourceKind, VideoError, VideoEvent, VideoOptions};
use session_bus::Waker;

/// The source that the system asks about. What follows a further colon tells several of them apart: each has an answer
/// of its own.
const ID: &str = "wayland:portal";
/// A desktop that answers by itself (a token, a rule) does so within this time; after it a person is being asked, and
/// nobody else must wait for that.
const QUICK: Duration = Duration::from_secs(3);
/// How long the start waits for word of the thread: that answer, a stream, a first picture.
const START_LIMIT: Duration = Duration::from_secs(15);

/// Whether the id is one of these, well written or not.
pub(super) fn is_shared(id: &str) -> bool {
    id.starts_with("wayland:")
}

/// What a list shows.
pub(super) fn listed() -> SourceInfo {
    info(ID.to_owned())
}

fn info(id: String) -> SourceInfo {
    SourceInfo {
        lasting_id: id.clone(),
        id,
        kind: SourceKind::Portal,
        title: "Screen or window (the system asks)".to_owned(),
        program: String::new(),
        area: Rect::default(),
    }
}

/// # Errors
/// `source_not_found`.
pub(super) fn describe(id: &str) -> Result<SourceInfo, VideoError> {
    let not_found = || VideoError::SourceNotFound(id.to_owned());
    let rest = id.strip_prefix(ID).ok_or_else(not_found)?;
    let name = rest.strip_prefix(':').unwrap_or(rest);
    let is_name = |name: &str| name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let is_whole = rest.is_empty() || (rest.starts_with(':') && !name.is_empty());
    if is_whole && is_name(name) { Ok(info(id.to_owned())) } else { Err(not_found()) }
}

/// What the owner may change while the capture runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Settings {
    rate: FrameRate,
    /// Whether pictures are to stay on the graphics card.
    surfaces: bool,
}

/// What the owner, the thread and PipeWire's thread share.
#[derive(Debug)]
struct Shared {
    settings: Mutex<Settings>,
    stop: AtomicBool,
    captured: AtomicU64,
    /// Ends a sleep when there is something to look at: a picture, a phase, a setting, the end.
    waker: Arc<Waker>,
}

/// The owner's end of a capture thread.
#[derive(Debug)]
struct Capture {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Asks the desktop on the bus of that address, or on the session's. Returns once the first picture lies in the slot;
/// where the desktop asks its user first, once a card lies there that says so.
pub(super) fn start(
    bus: Option<&str>,
    options: VideoOptions,
    slot: FrameSlot<VideoFrame>,
    on_event: Box<dyn Fn(VideoEvent) + Send>,
) -> Result<Box<dyn Backend>, VideoError> {
    describe(&options.source_id)?;
    let shared = Arc::new(Shared {
        settings: Mutex::new(Settings { rate: options.frame_rate, surfaces: false }),
        stop: AtomicBool::new(false),
        captured: AtomicU64::new(0),
        waker: Arc::new(Waker::new().map_err(|error| VideoError::Thread(error.to_string()))?),
    });
    let (ready, readiness) = mpsc::sync_channel(1);
    let worker = Worker {
        bus: bus.map(str::to_owned),
        wish: Wish { cursor: options.cursor, token: options.restore_token },
        shared: Arc::clone(&shared),
        owner: Owner { slot, on_event, size: DEFAULT_SIZE, ready: Some(ready) },
    };
    let thread = std::thread::Builder::new()
        .name("capture-video".to_owned())
        .spawn(move || {
            hurry(Urgency::Picture);
            worker.run();
        })
        .map_err(|error| VideoError::Thread(error.to_string()))?;
    let capture = Capture { shared, thread: Some(thread) };
    match readiness.recv_timeout(START_LIMIT) {
        Ok(outcome) => outcome.map(|()| Box::new(capture) as Box<dyn Backend>),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(VideoError::DisplaySilent),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(VideoError::Thread("it ended by itself".to_owned())),
    }
}

impl Backend for Capture {
    fn set_frame_rate(&self, rate: FrameRate) {
        self.shared.settings.lock().rate = rate;
        self.shared.waker.wake();
    }

    /// Whose window it is does not come with the pictures.
    fn set_own_window(&self, _window: Option<u32>) {}

    /// The portal is told of the pointer when it asks its user: from then on it stays so.
    fn set_cursor(&self, _cursor: bool) {
        tracing::info!("the pointer of a shared screen is drawn as it was when the sharing began");
    }

    fn set_surfaces(&self, surfaces: bool) {
        self.shared.settings.lock().surfaces = surfaces;
        self.shared.waker.wake();
    }

    fn captured(&self) -> u64 {
        self.shared.captured.load(Ordering::Relaxed)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.waker.wake();
        let Some(thread) = self.thread.take() else { return };
        // An event handler that drops its own capture must not wait for itself.
        if thread.thread().id() != std::thread::current().id() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_an_answer_of_the_user_s() {
        for id in ["wayland:portal", "wayland:portal:2", "wayland:portal:desk_left-1"] {
            let described = describe(id).expect(id);
            assert_eq!((described.id.as_str(), described.kind), (id, SourceKind::Portal));
        }
        for id in ["wayland:", "wayland:portal:", "wayland:portal2", "wayland:portal:a b", "wayland:screen", "x11:game"]
        {
            assert_eq!(describe(id).expect_err(id).code(), "source_not_found");
        }
        assert_eq!(describe(&listed().id), Ok(listed()));
    }
}
