//! One PipeWire stream of pictures: PipeWire's own thread keeps the newest one at hand, and the capture's thread
//! takes it when its turn has come.
//!
//! Everything here that PipeWire also touches is touched under its loop's lock, which PipeWire's thread holds while it
//! calls back.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

use media::{Clock, FrameRate, MediaTime, MonotonicClock, Size, VideoFrame};
use parking_lot::Mutex;

use super::buffer::{Read, frame_of, holds_picture};
use super::library::Library;
use super::params;
use super::pixels::Order;
use super::structures::{Buffer, Context, Core, FLAGS, Hook, INPUT, Stream, StreamEvents, ThreadLoop, state};
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
struct Told {
    phase: Phase,
    /// When the kept picture came; `None` while there is none.
    arrived: Option<MediaTime>,
}

/// What PipeWire's callbacks work on. Lives at one address as long as the stream.
struct Callbacks {
    library: &'static Library,
    stream: *mut Stream,
    hook: Hook,
    events: StreamEvents,
    /// `None` before the first, and between two of them.
    format: Option<(Size, Order)>,
    had_format: bool,
    /// The newest picture, not given back yet.
    kept: Option<NonNull<Buffer>>,
    told: Arc<Mutex<Told>>,
    bell: Arc<Waker>,
}

impl Callbacks {
    /// What an end means: once there was a format, it is the other side's will.
    fn end(&self, reason: &str) -> VideoError {
        if self.had_format { VideoError::SharingEnded } else { VideoError::SharingFailed(reason.to_owned()) }
    }
}

/// A running stream; ends when it is dropped.
pub(super) struct PictureStream {
    library: &'static Library,
    thread: *mut ThreadLoop,
    context: *mut Context,
    core: *mut Core,
    callbacks: *mut Callbacks,
    told: Arc<Mutex<Told>>,
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
        let callbacks = Callbacks {
            library,
            stream: null_mut(),
            hook: Hook::unused(),
            events: events(),
            format: None,
            had_format: false,
            kept: None,
            told: Arc::clone(&told),
            bell,
        };
        // From here on the drop of `stream` clears up.
        let mut stream = Self {
            library,
            thread,
            context: null_mut(),
            core: null_mut(),
            callbacks: Box::into_raw(Box::new(callbacks)),
            told,
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
        let formats = params::formats(rate).into_words();
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
            let mut offered = [formats.as_ptr()];
            let result = (library.pw_stream_connect)(stream, INPUT, node, FLAGS, offered.as_mut_ptr(), 1);
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

    /// The newest picture, if one waits. It goes on waiting while consumers hold all memory there is for pictures:
    /// it may be the last one for a long time.
    pub(super) fn take(&mut self) -> Option<VideoFrame> {
        let (library, thread) = (self.library, self.thread);
        // SAFETY: a running loop; the lock is given back below, and nothing between can unwind past it.
        unsafe { (library.pw_thread_loop_lock)(thread) };
        // SAFETY: under the lock nobody else is in the callbacks' data.
        let callbacks = unsafe { &mut *self.callbacks };
        let read = callbacks.kept.zip(callbacks.format).map(|(kept, (size, order))| {
            // SAFETY: dequeued and not given back, so it is ours.
            (kept, unsafe { frame_of(kept, size, order, &mut self.pool) })
        });
        let frame = match read {
            Some((_, Read::Later)) | None => None,
            Some((kept, outcome)) => {
                callbacks.kept = None;
                self.told.lock().arrived = None;
                // SAFETY: as above, and used no more.
                unsafe { (library.pw_stream_queue_buffer)(callbacks.stream, kept.as_ptr()) };
                match outcome {
                    Read::Frame(frame) => Some(frame),
                    _ => None,
                }
            }
        };
        // SAFETY: taken above, on this thread.
        unsafe { (library.pw_thread_loop_unlock)(thread) };
        frame
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

fn events() -> StreamEvents {
    StreamEvents {
        // The first version has all that is listened to: any library knows it.
        version: 0,
        destroy: None,
        state_changed: Some(on_state),
        control_info: None,
        io_changed: None,
        param_changed: Some(on_param),
        add_buffer: None,
        remove_buffer: Some(on_remove),
        process: Some(on_process),
        drained: None,
    }
}

/// # Safety
/// `data` is what the listener was added with, on PipeWire's thread: alive, and nobody else's for now.
unsafe fn callbacks<'a>(data: *mut c_void) -> &'a mut Callbacks {
    // SAFETY: by the caller.
    unsafe { &mut *data.cast::<Callbacks>() }
}

unsafe extern "C" fn on_state(data: *mut c_void, _old: c_int, new: c_int, error: *const c_char) {
    // SAFETY: PipeWire gives back what it was given.
    let callbacks = unsafe { callbacks(data) };
    let phase = match new {
        state::STREAMING => Phase::Running,
        state::PAUSED => Phase::Resting,
        state::CONNECTING => Phase::Connecting,
        state::ERROR => {
            let reason = if error.is_null() {
                "no reason was given".into()
            } else {
                // SAFETY: a text that ends with a zero byte and stays for this call.
                unsafe { CStr::from_ptr(error) }.to_string_lossy()
            };
            tracing::debug!(%reason, "PipeWire ended the stream");
            Phase::Ended(callbacks.end(&reason))
        }
        _ => Phase::Ended(callbacks.end("what was chosen is not there")),
    };
    let mut told = callbacks.told.lock();
    if !matches!(told.phase, Phase::Ended(_)) {
        told.phase = phase;
    }
    drop(told);
    callbacks.bell.wake();
}

unsafe extern "C" fn on_param(data: *mut c_void, id: u32, param: *const u64) {
    if id != params::FORMAT {
        return;
    }
    // SAFETY: PipeWire gives back what it was given.
    let callbacks = unsafe { callbacks(data) };
    if param.is_null() {
        // Between two formats.
        callbacks.format = None;
        return;
    }
    let param = param.cast::<u32>();
    // SAFETY: a whole pod that stays for this call; it begins with the size of what follows its first eight bytes.
    let pod = unsafe { std::slice::from_raw_parts(param, 2 + (*param / 4) as usize) };
    match params::chosen(pod) {
        Ok(format) => {
            callbacks.format = Some(format);
            callbacks.had_format = true;
            let wishes = params::buffers().map(params::Param::into_words);
            let mut wishes = wishes.each_ref().map(|words| words.as_ptr());
            // SAFETY: an open stream in the call that asks for this; the pods are copied.
            unsafe {
                (callbacks.library.pw_stream_update_params)(callbacks.stream, wishes.as_mut_ptr(), wishes.len() as u32)
            };
        }
        Err(error) => {
            callbacks.told.lock().phase = Phase::Ended(error);
            callbacks.bell.wake();
        }
    }
}

unsafe extern "C" fn on_remove(data: *mut c_void, buffer: *mut Buffer) {
    // SAFETY: PipeWire gives back what it was given.
    let callbacks = unsafe { callbacks(data) };
    if callbacks.kept.is_some_and(|kept| kept.as_ptr() == buffer) {
        callbacks.kept = None;
        callbacks.told.lock().arrived = None;
    }
}

unsafe extern "C" fn on_process(data: *mut c_void) {
    // SAFETY: PipeWire gives back what it was given.
    let callbacks = unsafe { callbacks(data) };
    let mut has_new = false;
    loop {
        // SAFETY: an open stream, on its thread.
        let buffer = unsafe { (callbacks.library.pw_stream_dequeue_buffer)(callbacks.stream) };
        let Some(buffer) = NonNull::new(buffer) else { break };
        // SAFETY: just dequeued.
        let unwanted = if unsafe { holds_picture(buffer) } {
            has_new = true;
            // The newest one counts: what waited for its turn goes back unseen.
            callbacks.kept.replace(buffer)
        } else {
            Some(buffer)
        };
        if let Some(unwanted) = unwanted {
            // SAFETY: dequeued, and used no more.
            unsafe { (callbacks.library.pw_stream_queue_buffer)(callbacks.stream, unwanted.as_ptr()) };
        }
    }
    if has_new {
        // The wait of a picture that replaces another began with the first of them.
        callbacks.told.lock().arrived.get_or_insert_with(|| MonotonicClock.now());
        callbacks.bell.wake();
    }
}

/// What PipeWire refused, with the system's reason.
fn last_failure(what: &str) -> VideoError {
    failure(what, std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

fn failure(what: &str, errno: c_int) -> VideoError {
    VideoError::PipeWireMissing(format!("{what}: {}", std::io::Error::from_raw_os_error(errno)))
}
