//! FFmpeg's log lines become `tracing` events, and the reasons for which an encoder was refused.
#![cfg_attr(windows, allow(clippy::missing_const_for_thread_local, reason = "it is const; the lint misreads it there"))]

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Once;

use ffmpeg_next::ffi;

#[cfg(all(target_arch = "x86_64", unix))]
type Arguments = *mut ffi::__va_list_tag;
#[cfg(not(all(target_arch = "x86_64", unix)))]
type Arguments = ffi::va_list;

/// FFmpeg's own lines are hardly ever longer; what is longer is cut.
const LONGEST_LINE: usize = 512;

thread_local! {
    /// The warnings and errors of this thread while [`collect`] runs.
    static COLLECTED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Sends FFmpeg's log to `tracing` (target `ffmpeg`) instead of stderr, for the whole process, once.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    // SAFETY: the callback may be called from any thread at any time; it keeps no state outside its thread.
    INSTALLED.call_once(|| unsafe { ffi::av_log_set_callback(Some(receive)) });
}

/// Runs `work` and returns what FFmpeg complained about meanwhile on this thread, oldest first; what a call within
/// `work` returns is left out.
pub(super) fn collect<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    let outer = COLLECTED.replace(Some(Vec::new()));
    let result = work();
    (result, COLLECTED.replace(outer).unwrap_or_default())
}

unsafe extern "C" fn receive(context: *mut c_void, level: c_int, format: *const c_char, arguments: Arguments) {
    // The upper bits may carry a colour.
    let level = level & 0xff;
    if level > ffi::AV_LOG_INFO && !tracing::enabled!(target: "ffmpeg", tracing::Level::TRACE) {
        return;
    }
    let mut line = [0 as c_char; LONGEST_LINE];
    let mut print_prefix = 0;
    // SAFETY: FFmpeg passes a format and the arguments that belong to it; the line is NUL-terminated within its size.
    let text = unsafe {
        ffi::av_log_format_line2(
            context,
            level,
            format,
            arguments,
            line.as_mut_ptr(),
            LONGEST_LINE as c_int,
            &mut print_prefix,
        );
        CStr::from_ptr(line.as_ptr())
    };
    let text = text.to_string_lossy();
    let text = text.trim_end();
    if text.is_empty() {
        return;
    }
    // A panic must not cross into C: a thread that is being torn down has no storage left.
    let probing = COLLECTED
        .try_with(|lines| match lines.try_borrow_mut().as_deref_mut() {
            Ok(Some(lines)) => {
                if level <= ffi::AV_LOG_WARNING {
                    lines.push(text.to_owned());
                }
                true
            }
            _ => false,
        })
        .unwrap_or(false);
    // What fails in a probe is told as a refusal.
    if !probing && level <= ffi::AV_LOG_ERROR {
        tracing::warn!(target: "ffmpeg", "{text}");
    } else if level <= ffi::AV_LOG_INFO {
        tracing::debug!(target: "ffmpeg", "{text}");
    } else {
        tracing::trace!(target: "ffmpeg", "{text}");
    }
}
