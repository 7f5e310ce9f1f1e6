//! Screens and windows of an X server.
//!
//! Monitors are read off the root window, windows from the picture that the Composite extension keeps of them.
//! The XDamage extension tells when there is something to read, and MIT-SHM brings it over without a copy on our
//! side. A session on Wayland is not for this room: its X server sees its own windows only.

mod display;
mod follow;
mod grab;
mod memory;
mod pointer;
mod rule;
mod sources;
mod stacking;
mod target;
mod thumbnail;
mod worker;

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use media::{FrameRate, Size, VideoFrame};
use parking_lot::Mutex;
use stream::{FrameSlot, Urgency, hurry};

use self::display::Display;
use self::follow::Follow;
use self::rule::Rule;
use self::worker::Worker;
use super::backend::Backend;
use super::card::with_cards;
use super::{SourceInfo, VideoError, VideoEvent, VideoOptions};
use session_bus::Waker;

/// How long a display may take to give the first frame: a machine that is swapping is slow, not dead.
const FIRST_FRAME_LIMIT: Duration = Duration::from_secs(10);
/// How long the thread may take to end by itself before its connection is cut under it.
const END_LIMIT: Duration = Duration::from_secs(1);

pub(super) fn list_sources(display: Option<&str>) -> Result<Vec<SourceInfo>, VideoError> {
    sources::list(&Display::open(display)?)
}

pub(super) fn describe(display: Option<&str>, id: &str) -> Result<SourceInfo, VideoError> {
    sources::describe_id(&Display::open(display)?, id)
}

/// Begins a capture and returns once its first frame lies in the slot.
pub(super) fn start(
    display: Option<&str>,
    options: VideoOptions,
    slot: FrameSlot<VideoFrame>,
    on_event: Box<dyn Fn(VideoEvent) + Send>,
) -> Result<Box<dyn Backend>, VideoError> {
    if let Some(rule) = Rule::parse(&options.source_id)? {
        return Ok(Box::new(Follow::start(display, rule, options, slot, on_event)?));
    }
    let on_event = with_cards(slot.clone(), on_event);
    Ok(Box::new(Capture::start(display, options, slot, on_event, false)?))
}

pub(super) fn thumbnail(display: Option<&str>, id: &str, max: Size) -> Result<Vec<u8>, VideoError> {
    thumbnail::thumbnail(display, id, max)
}

/// What the owner may change while the capture runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Settings {
    rate: FrameRate,
    cursor: bool,
    own_window: Option<u32>,
}

/// What the owner and the thread share.
#[derive(Debug)]
struct Shared {
    settings: Mutex<Settings>,
    stop: AtomicBool,
    captured: AtomicU64,
    waker: Waker,
    /// The window came a moment ago: it may not have painted itself yet.
    is_new: bool,
}

/// The owner's end of a capture thread.
#[derive(Debug)]
struct Capture {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Never gets a message: it disconnects when the thread ends.
    ended: Mutex<mpsc::Receiver<()>>,
    socket: OwnedFd,
}

impl Capture {
    fn start(
        display: Option<&str>,
        options: VideoOptions,
        slot: FrameSlot<VideoFrame>,
        on_event: Box<dyn Fn(VideoEvent) + Send>,
        is_new: bool,
    ) -> Result<Self, VideoError> {
        let settings = Settings { rate: options.frame_rate, cursor: options.cursor, own_window: options.own_window };
        let shared = Arc::new(Shared {
            settings: Mutex::new(settings),
            stop: AtomicBool::new(false),
            captured: AtomicU64::new(0),
            waker: Waker::new().map_err(|error| VideoError::Thread(error.to_string()))?,
            is_new,
        });
        let (ready, readiness) = mpsc::sync_channel(1);
        let (ending, ended) = mpsc::sync_channel(0);
        let display = display.map(str::to_owned);
        let run = {
            let shared = Arc::clone(&shared);
            move || {
                let _ending: mpsc::SyncSender<()> = ending;
                hurry(Urgency::Picture);
                let mut worker = match Worker::open(display.as_deref(), &options.source_id, shared, slot, on_event) {
                    Ok(worker) => worker,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                let socket = worker.socket();
                let is_usable = socket.is_ok();
                // A failed send says that nobody waits any more: the start was given up.
                if ready.send(socket).is_ok() && is_usable {
                    worker.run();
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("capture-video".into())
            .spawn(run)
            .map_err(|error| VideoError::Thread(error.to_string()))?;
        match readiness.recv_timeout(FIRST_FRAME_LIMIT) {
            Ok(socket) => Ok(Self { shared, thread: Some(thread), ended: Mutex::new(ended), socket: socket? }),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                shared.stop.store(true, Ordering::Relaxed);
                Err(VideoError::DisplaySilent)
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(VideoError::Thread("it ended by itself".to_owned())),
        }
    }

    fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.shared.settings.lock());
        self.shared.waker.wake();
    }
}

impl Backend for Capture {
    fn set_frame_rate(&self, rate: FrameRate) {
        self.set(|settings| settings.rate = rate);
    }

    fn set_own_window(&self, window: Option<u32>) {
        self.set(|settings| settings.own_window = window);
    }

    fn set_cursor(&self, cursor: bool) {
        self.set(|settings| settings.cursor = cursor);
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
        if thread.thread().id() == std::thread::current().id() {
            return;
        }
        if self.ended.lock().recv_timeout(END_LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            // It waits for an answer that a hung display owes it: let that read fail.
            // SAFETY: a plain call on an open descriptor.
            unsafe { libc::shutdown(self.socket.as_raw_fd(), libc::SHUT_RDWR) };
        }
        let _ = thread.join();
    }
}
