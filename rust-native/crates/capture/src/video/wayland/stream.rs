//! One PipeWire stream of pictures: PipeWire's own thread keeps the newest one at hand, and the capture's thread
//! takes it when its turn has come.
//!
//! Everything here that PipeWire also touches is touched under its loop's lock, which PipeWire's thread holds while it
//! calls back.

use std::ffi::{CStr, c_int};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::ptr::null_mut;
use std::sync::Arc;

use media::{FrameRate, MediaTime, Size, VideoFrame};
use parking_lot::Mutex;

use super::buffer::{Read, frame_of};
use super::callbacks::Callbacks;
use super::library::Library;
use super::loan::Loans;
use super::params;
use super::structures::{Context, Core, FLAGS, INPUT, ThreadLoop};
use crate::video::VideoError;
use crate::video::pool::Pool;
use session_bus::Waker;

/// What session managers know it by. Where its node is not there, none in its place: a camera must not come for a screen.
const PROPERTIES: &CStr = c"media.type=Video media.category=Capture media.role=Screen node.dont-fallback=true";
/// As users see it where programs that capture are listed.
const NAME: &CStr = c"Tidecast";

/// Where the stream stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not there yet.
    Connecting,
    /// There, and without pictures: the other side rests.
    Resting,
    /// Pictures come as they change.
    Running,
    /// It ended, for that reason.
    Ended(VideoError),
}

/// What PipeWire's thread tells the capture's.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) phase: Phase,
    /// When the kept picture came; `None` while there is none.
    pub(super) arrived: Option<MediaTime>,
}

/// A running stream; ends when it is dropped.
pub(super) struct PictureStream {
    library: &'static Library,
    thread: *mut ThreadLoop,
    context: *mut Context,
    core: *mut Core,
    callbacks: *mut Callbacks,
    told: Arc<Mutex<Told>>,
    loans: Arc<Loans>,
    pool: Pool,
}

impl PictureStream {
    /// Connects to the PipeWire behind `remote` and asks for the pictures of `node`. Each picture and each change of
    /// the phase rings `bell`.
    ///
    /// # Errors
    /// `pipewire_missing`, `sharing_failed`.
    pub(super) fn open(remote: OwnedFd, node: u32, rate: FrameRate, bell: Arc<Waker>) -> Result<Self, VideoError> {
        let library = Library::get()?;
        let told = Arc::new(Mutex::new(Told { phase: Phase::Connecting, arrived: None }));
        // SAFETY: a text that ends with a zero byte, and no properties.
        let thread = unsafe { (library.pw_thread_loop_new)(c"capture-pw".as_ptr(), std::ptr::null()) };
        if thread.is_null() {
            return Err(last_failure("no loop"));
        }
        let callbacks = Callbacks::new(library, Arc::clone(&told), bell);
        let loans = Arc::clone(&callbacks.loans);
        // From here on the drop of `stream` clears up.
        let mut stream = Self {
            library,
            thread,
            context: null_mut(),
            core: null_mut(),
            callbacks: Box::into_raw(Box::new(callbacks)),
            told,
            loans,
            pool: Pool::new(Size { width: 1, height: 1 }),
        };
        stream.connect(remote, node, rate)?;
        // SAFETY: a loop that has not been started.
        if unsafe { (library.pw_thread_loop_start)(thread) } < 0 {
            return Err(last_failure("its thread could not be started"));
        }
        Ok(stream)
    }

    /// Everything before the loop's thread runs: no lock is needed yet.
    fn connect(&mut self, remote: OwnedFd, node: u32, rate: FrameRate) -> Result<(), VideoError> {
        let library = self.library;
        // Of pictures on a graphics card nobody knows yet that they are wanted.
        let formats = words(params::formats(rate, false));
        // SAFETY: the loop lives as long as `self`; each pointer is checked before it is used; PipeWire takes the
        // descriptor and the properties over, also where it fails.
        unsafe {
            let event_loop = (library.pw_thread_loop_get_loop)(self.thread);
            self.context = (library.pw_context_new)(event_loop, null_mut(), 0);
            if self.context.is_null() {
                return Err(last_failure("its modules are not installed"));
            }
            self.core = (library.pw_context_connect_fd)(self.context, remote.into_raw_fd(), null_mut(), 0);
            if self.core.is_null() {
                return Err(last_failure("no connection"));
            }
            let properties = (library.pw_properties_new_string)(PROPERTIES.as_ptr());
            let stream = (library.pw_stream_new)(self.core, NAME.as_ptr(), properties);
            if stream.is_null() {
                return Err(last_failure("no stream"));
            }
            // By its address, not by a reference: what follows calls back, and the callbacks make their own.
            let callbacks = self.callbacks;
            (*callbacks).stream = stream;
            let (hook, events) = (&raw mut (*callbacks).hook, &raw const (*callbacks).events);
            (library.pw_stream_add_listener)(stream, hook, events, callbacks.cast());
            let mut offered = pointers(&formats);
            let count = offered.len() as u32;
            let result = (library.pw_stream_connect)(stream, INPUT, node, FLAGS, offered.as_mut_ptr(), count);
            if result < 0 {
                return Err(failure("the stream was not taken", -result));
            }
        }
        Ok(())
    }

    pub(super) fn phase(&self) -> Phase {
        self.told.lock().phase.clone()
    }

    /// When the picture came that waits to be taken.
    pub(super) fn waiting_since(&self) -> Option<MediaTime> {
        self.told.lock().arrived
    }

    /// Asks the other side anew for pictures: on its graphics card, where it can, or in memory. Those before the new
    /// ones come as they did.
    pub(super) fn ask_for(&self, rate: FrameRate, surfaces: bool) {
        let &Self { library, thread, callbacks, .. } = self;
        let formats = words(params::formats(rate, surfaces));
        let mut offered = pointers(&formats);
        let count = offered.len() as u32;
        // SAFETY: under the lock; an open stream, and whole pods, which are copied. The callbacks' data is not borrowed,
        // as PipeWire may call back.
        let result = locked(library, thread, || unsafe {
            (library.pw_stream_update_params)((*callbacks).stream, offered.as_mut_ptr(), count)
        });
        if result < 0 {
            let error = failure("no other pictures", -result);
            tracing::warn!(%error, surfaces, "pictures go on coming as they did");
        }
    }

    /// Gives the compositor the buffers that consumers are done with: without any it draws no picture, and no picture
    /// would come to give them back by.
    pub(super) fn give_back(&self) {
        let &Self { library, thread, callbacks, .. } = self;
        if self.loans.has_returned() {
            // SAFETY: under the lock, where nobody else is in the callbacks' data.
            locked(library, thread, || unsafe { (*callbacks).give_returned_back() });
        }
    }

    /// The newest picture, if one waits. It goes on waiting while consumers hold all memory there is for pictures:
    /// it may be the last one for a long time.
    pub(super) fn take(&mut self) -> Option<VideoFrame> {
        let Self { library, thread, callbacks, told, pool, .. } = self;
        let read = locked(library, *thread, || {
            // SAFETY: under the lock nobody else is in the callbacks' data.
            let callbacks = unsafe { &mut **callbacks };
            // SAFETY: as above.
            unsafe { callbacks.give_returned_back() };
            let (kept, format) = callbacks.kept.zip(callbacks.format)?;
            // SAFETY: dequeued and not given back, so it is ours.
            let read = unsafe { frame_of(kept, format, pool, &callbacks.loans) };
            if !matches!(read, Read::Later) {
                callbacks.kept = None;
                told.lock().arrived = None;
            }
            if matches!(read, Read::Copied(_) | Read::Damaged) {
                // SAFETY: as above, and used no more.
                unsafe { callbacks.give_back(kept) };
            }
            Some(read)
        });
        match read {
            Some(Read::Copied(frame) | Read::Lent(frame)) => Some(frame),
            Some(Read::Later | Read::Damaged) | None => None,
        }
    }
}

impl Drop for PictureStream {
    fn drop(&mut self) {
        let library = self.library;
        // SAFETY: in the order that PipeWire asks for: once its thread has ended nobody else uses any of them. All may
        // be called on what was never started; the others are not called on what was never made.
        unsafe {
            (library.pw_thread_loop_stop)(self.thread);
            let stream = (*self.callbacks).stream;
            if !stream.is_null() {
                (library.pw_stream_destroy)(stream);
            }
            if !self.core.is_null() {
                (library.pw_core_disconnect)(self.core);
            }
            if !self.context.is_null() {
                (library.pw_context_destroy)(self.context);
            }
            (library.pw_thread_loop_destroy)(self.thread);
            // Not before: the stream's end calls back.
            drop(Box::from_raw(self.callbacks));
        }
    }
}

impl std::fmt::Debug for PictureStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PictureStream").field("told", &self.told).finish_non_exhaustive()
    }
}

/// Works on what PipeWire also touches.
fn locked<T>(library: &Library, thread: *mut ThreadLoop, work: impl FnOnce() -> T) -> T {
    // SAFETY: a running loop; the lock is given back below, and nothing between can unwind past it.
    unsafe { (library.pw_thread_loop_lock)(thread) };
    let result = work();
    // SAFETY: taken above, on this thread.
    unsafe { (library.pw_thread_loop_unlock)(thread) };
    result
}

/// As PipeWire takes them.
fn words(params: Vec<params::Param>) -> Vec<Vec<u64>> {
    params.into_iter().map(params::Param::into_words).collect()
}

/// Where they are.
fn pointers(params: &[Vec<u64>]) -> Vec<*const u64> {
    params.iter().map(Vec::as_ptr).collect()
}

/// What PipeWire refused, with the system's reason.
fn last_failure(what: &str) -> VideoError {
    failure(what, std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

fn failure(what: &str, errno: c_int) -> VideoError {
    VideoError::PipeWireMissing(format!("{what}: {}", std::io::Error::from_raw_os_error(errno)))
}
