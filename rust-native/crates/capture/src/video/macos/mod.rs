//! Displays and windows of macOS 14.6 and newer, by ScreenCaptureKit.
//!
//! The framework paces, draws the pointer and converts HDR; what is left is to ask for permission, to keep the app's
//! own windows out, to follow a window's size, and to say why a source gives no picture.

mod content;
pub(super) mod pixels;
mod session;
mod surfaces;
mod window_info;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media::{FrameRate, Size, VideoFrame};
use parking_lot::{Condvar, Mutex};
use stream::{FrameSlot, Urgency, hurry};

use self::worker::Worker;
use super::{SourceInfo, VideoError, VideoEvent, VideoOptions};

/// What our ids start with.
pub(super) const SYSTEM: &str = "mac";
/// The permission question may stand before the first frame, but is answered as "no" at once; this is for slow machines.
const START_LIMIT: Duration = Duration::from_secs(15);

/// There is one desktop; `_display` names those of X servers.
pub(super) fn list_sources(_display: Option<&str>) -> Result<Vec<SourceInfo>, VideoError> {
    content::list()
}

/// Whether a program has a screen to itself: none has, as the system composes what each of them shows.
pub(super) fn has_screen_to_itself() -> bool {
    false
}

pub(super) fn thumbnail(_display: Option<&str>, id: &str, max: Size) -> Result<Vec<u8>, VideoError> {
    let found = content::find(id)?;
    if found.window.is_some_and(|window| window_info::standing(window) == window_info::Standing::Hidden) {
        return Err(VideoError::SourceMinimised);
    }
    session::screenshot(&found, max)
}

/// What the owner may change while the capture runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Settings {
    rate: FrameRate,
    cursor: bool,
}

/// What the owner, the thread and the framework's queue share.
#[derive(Debug)]
struct Shared {
    settings: Mutex<Settings>,
    /// Frames stay where they lie. No setting of the stream: the queue looks at it with each frame.
    surfaces: AtomicBool,
    stop: AtomicBool,
    captured: AtomicU64,
    /// Why the stream ended by itself.
    ended: Mutex<Option<VideoError>>,
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Shared {
    fn wake(&self) {
        *self.woken.lock() = true;
        self.changed.notify_all();
    }

    fn end(&self, error: VideoError) {
        self.ended.lock().get_or_insert(error);
        self.wake();
    }

    /// Until `deadline` or [`Self::wake`].
    fn wait(&self, deadline: Instant) {
        let mut woken = self.woken.lock();
        while !std::mem::take(&mut *woken) {
            if self.changed.wait_until(&mut woken, deadline).timed_out() {
                return;
            }
        }
    }
}

/// The owner's end of a capture thread.
#[derive(Debug)]
pub(super) struct Capture {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    pub(super) fn start(
        _display: Option<&str>,
        options: VideoOptions,
        slot: FrameSlot<VideoFrame>,
        on_event: Box<dyn Fn(VideoEvent) + Send>,
    ) -> Result<Self, VideoError> {
        let shared = Arc::new(Shared {
            settings: Mutex::new(Settings { rate: options.frame_rate, cursor: options.cursor }),
            surfaces: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            captured: AtomicU64::new(0),
            ended: Mutex::new(None),
            woken: Mutex::new(false),
            changed: Condvar::new(),
        });
        let (ready, readiness) = mpsc::sync_channel(1);
        let run = {
            let shared = Arc::clone(&shared);
            move || {
                hurry(Urgency::Picture);
                let worker = match Worker::open(&options.source_id, shared, slot, on_event) {
                    Ok(worker) => worker,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                // A failed send says that nobody waits any more: the start was given up.
                if ready.send(Ok(())).is_ok() {
                    worker.run();
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("capture-video".into())
            .spawn(run)
            .map_err(|error| VideoError::Thread(error.to_string()))?;
        match readiness.recv_timeout(START_LIMIT) {
            Ok(started) => started.map(|()| Self { shared, thread: Some(thread) }),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                shared.stop.store(true, Ordering::Relaxed);
                Err(VideoError::DisplaySilent)
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(VideoError::Thread("it ended by itself".to_owned())),
        }
    }

    pub(super) fn set_frame_rate(&self, rate: FrameRate) {
        self.set(|settings| settings.rate = rate);
    }

    /// The filter keeps every window of this app out of a display's picture.
    pub(super) fn set_own_window(&self, _window: Option<u32>) {}

    pub(super) fn set_cursor(&self, cursor: bool) {
        self.set(|settings| settings.cursor = cursor);
    }

    /// Leaves frames where they lie from the next one on, or brings them into memory.
    pub(super) fn set_surfaces(&self, surfaces: bool) {
        self.shared.surfaces.store(surfaces, Ordering::Relaxed);
    }

    pub(super) fn captured(&self) -> u64 {
        self.shared.captured.load(Ordering::Relaxed)
    }

    fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.shared.settings.lock());
        self.shared.wake();
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.wake();
        let Some(thread) = self.thread.take() else { return };
        // An event handler that drops its own capture must not wait for itself.
        if thread.thread().id() != std::thread::current().id() {
            let _ = thread.join();
        }
    }
}
