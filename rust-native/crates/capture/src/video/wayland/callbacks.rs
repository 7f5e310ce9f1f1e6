//! What PipeWire calls of a stream's, on its own thread and under its loop's lock.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

use media::{Clock, MonotonicClock};
use parking_lot::Mutex;
use session_bus::Waker;

use super::buffer::holds_picture;
use super::library::Library;
use super::loan::Loans;
use super::params::{self, Format};
use super::stream::{Phase, Told};
use super::structures::{Buffer, Hook, Stream, StreamEvents, state};
use crate::video::VideoError;

/// What PipeWire's callbacks work on. Lives at one address as long as the stream.
pub(super) struct Callbacks {
    library: &'static Library,
    pub(super) stream: *mut Stream,
    pub(super) hook: Hook,
    pub(super) events: StreamEvents,
    /// `None` before the first, and between two of them.
    pub(super) format: Option<Format>,
    had_format: bool,
    /// The newest picture, not given back yet.
    pub(super) kept: Option<NonNull<Buffer>>,
    /// The pictures that consumers have.
    pub(super) loans: Arc<Loans>,
    told: Arc<Mutex<Told>>,
    bell: Arc<Waker>,
}

impl Callbacks {
    /// Of a stream that is still to be made.
    pub(super) fn new(library: &'static Library, told: Arc<Mutex<Told>>, bell: Arc<Waker>) -> Self {
        Self {
            library,
            stream: null_mut(),
            hook: Hook::unused(),
            events: events(),
            format: None,
            had_format: false,
            kept: None,
            loans: Arc::new(Loans::new(Arc::clone(&bell))),
            told,
            bell,
        }
    }

    /// Gives PipeWire a buffer to draw into.
    ///
    /// # Safety
    /// Under the loop's lock; it was dequeued, PipeWire did not take it away, and nobody reads it any more.
    pub(super) unsafe fn give_back(&self, buffer: NonNull<Buffer>) {
        // SAFETY: by the caller, of an open stream.
        unsafe { (self.library.pw_stream_queue_buffer)(self.stream, buffer.as_ptr()) };
    }

    /// Gives PipeWire the buffers that consumers are done with.
    ///
    /// # Safety
    /// Under the loop's lock.
    pub(super) unsafe fn give_returned_back(&self) {
        for buffer in self.loans.take_returned() {
            // SAFETY: lent after it was dequeued, and returned; `on_remove` strikes out what PipeWire takes away.
            unsafe { self.give_back(buffer) };
        }
    }

    /// What an end means: once there was a format, it is the other side's will.
    fn end(&self, reason: &str) -> VideoError {
        if self.had_format { VideoError::SharingEnded } else { VideoError::SharingFailed(reason.to_owned()) }
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
        add_buffer: Some(on_add),
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
            let wishes = params::buffers(format.modifier.is_some()).map(params::Param::into_words);
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

unsafe extern "C" fn on_add(data: *mut c_void, _buffer: *mut Buffer) {
    // SAFETY: PipeWire gives back what it was given.
    unsafe { callbacks(data) }.loans.added();
}

unsafe extern "C" fn on_remove(data: *mut c_void, buffer: *mut Buffer) {
    // SAFETY: PipeWire gives back what it was given.
    let callbacks = unsafe { callbacks(data) };
    callbacks.loans.removed(buffer);
    if callbacks.kept.is_some_and(|kept| kept.as_ptr() == buffer) {
        callbacks.kept = None;
        callbacks.told.lock().arrived = None;
    }
}

unsafe extern "C" fn on_process(data: *mut c_void) {
    // SAFETY: PipeWire gives back what it was given.
    let callbacks = unsafe { callbacks(data) };
    // SAFETY: PipeWire holds the lock while it calls.
    unsafe { callbacks.give_returned_back() };
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
            unsafe { callbacks.give_back(unwanted) };
        }
    }
    if has_new {
        // The wait of a picture that replaces another began with the first of them.
        callbacks.told.lock().arrived.get_or_insert_with(|| MonotonicClock.now());
        callbacks.bell.wake();
    }
}
