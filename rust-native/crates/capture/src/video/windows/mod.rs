//! Monitors and windows of Windows 10 (1903) and newer, by the Graphics Capture API (crate `windows-capture`).
//!
//! The API tells when something changed, draws the pointer, and gives windows without what covers them. The app's
//! own window is kept out by the app itself (Electron's content protection, `WDA_EXCLUDEFROMCAPTURE`), so nothing
//! here needs to know it. HDR desktops are brought to SDR here.

mod arrivals;
mod brightness;
mod session;
mod sources;
mod target;
mod textures;
mod thumbnail;
mod worker;

pub(super) use session::counter;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use media::{FrameRate, Size, VideoFrame};
use parking_lot::Mutex;
use stream::{FrameSlot, Urgency, hurry};
use windows::Win32::UI::Shell::{QUNS_RUNNING_D3D_FULL_SCREEN, SHQueryUserNotificationState};

use self::arrivals::Arrivals;
use self::target::RealPixels;
use self::worker::Worker;
use super::{SourceInfo, VideoError, VideoEvent, VideoOptions};

/// What our ids start with.
pub(super) const SYSTEM: &str = "win";
/// The API gives a first frame at once, also of a desktop that rests; a machine that is swapping is slow.
const FIRST_FRAME_LIMIT: Duration = Duration::from_secs(5);

/// There is one desktop; `_display` names those of X servers.
pub(super) fn list_sources(_display: Option<&str>) -> Result<Vec<SourceInfo>, VideoError> {
    sources::list()
}

/// Whether a program has a screen to itself: what it shows goes past everything that could capture it.
pub(super) fn has_screen_to_itself() -> bool {
    // SAFETY: a plain question.
    unsafe { SHQueryUserNotificationState() }.is_ok_and(|state| state == QUNS_RUNNING_D3D_FULL_SCREEN)
}

pub(super) fn thumbnail(_display: Option<&str>, id: &str, max: Size) -> Result<Vec<u8>, VideoError> {
    thumbnail::thumbnail(id, max)
}

/// What the owner may change while the capture runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Settings {
    rate: FrameRate,
    cursor: bool,
    /// Frames stay on the graphics card.
    surfaces: bool,
}

/// What the owner and the thread share.
#[derive(Debug)]
struct Shared {
    settings: Mutex<Settings>,
    stop: AtomicBool,
    captured: AtomicU64,
    arrivals: Arc<Arrivals>,
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
            settings: Mutex::new(Settings { rate: options.frame_rate, cursor: options.cursor, surfaces: false }),
            stop: AtomicBool::new(false),
            captured: AtomicU64::new(0),
            arrivals: Arc::new(Arrivals::default()),
        });
        let (ready, readiness) = mpsc::sync_channel(1);
        let run = {
            let shared = Arc::clone(&shared);
            move || {
                let _real = RealPixels::new();
                hurry(Urgency::Picture);
                let opened = Worker::open(&options.source_id, shared, slot, on_event)
                    .and_then(|mut worker| worker.first(FIRST_FRAME_LIMIT).map(|()| worker));
                let mut worker = match opened {
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
        match readiness.recv_timeout(FIRST_FRAME_LIMIT * 2) {
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

    /// Content protection keeps that window out of every picture.
    pub(super) fn set_own_window(&self, _window: Option<u32>) {}

    pub(super) fn set_cursor(&self, cursor: bool) {
        self.set(|settings| settings.cursor = cursor);
    }

    pub(super) fn set_surfaces(&self, surfaces: bool) {
        self.set(|settings| settings.surfaces = surfaces);
    }

    pub(super) fn captured(&self) -> u64 {
        self.shared.captured.load(Ordering::Relaxed)
    }

    fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.shared.settings.lock());
        self.shared.arrivals.wake();
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.arrivals.wake();
        let Some(thread) = self.thread.take() else { return };
        // An event handler that drops its own capture must not wait for itself.
        if thread.thread().id() != std::thread::current().id() {
            let _ = thread.join();
        }
    }
}
