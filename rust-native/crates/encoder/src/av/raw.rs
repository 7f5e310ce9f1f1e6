//! Owners of FFmpeg's C objects: each is freed exactly once, and a failed allocation is an error.

use std::ffi::{CStr, CString, c_int};
use std::ptr::{self, NonNull};

use ffmpeg_next::ffi;

/// A failed call: the negative `AVERROR` and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AvError {
    pub(super) code: c_int,
    pub(super) text: String,
}

impl AvError {
    pub(super) fn new(code: c_int) -> Self {
        let mut text = [0; 128];
        // SAFETY: the buffer is as long as it is said to be, and the call leaves it NUL-terminated.
        let text = unsafe {
            ffi::av_strerror(code, text.as_mut_ptr(), text.len());
            CStr::from_ptr(text.as_ptr())
        };
        Self { code, text: text.to_string_lossy().into_owned() }
    }

    fn out_of_memory() -> Self {
        Self::new(-libc::ENOMEM)
    }
}

/// The value of a call that answers below zero for an error.
pub(super) fn check(code: c_int) -> Result<c_int, AvError> {
    if code < 0 { Err(AvError::new(code)) } else { Ok(code) }
}

macro_rules! owner {
    ($(#[$doc:meta])* $name:ident, $c:ty, $free:path) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name(NonNull<$c>);

        impl $name {
            /// Takes over a fresh object; NULL means that memory ran out.
            pub(super) fn take(pointer: *mut $c) -> Result<Self, AvError> {
                NonNull::new(pointer).map(Self).ok_or_else(AvError::out_of_memory)
            }

            pub(super) fn as_ptr(&self) -> *mut $c {
                self.0.as_ptr()
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                let mut pointer = self.0.as_ptr();
                // SAFETY: this is the only owner, and it is going away.
                unsafe { $free(&mut pointer) };
            }
        }

        // SAFETY: FFmpeg's objects have no home thread; `&mut` on the owner keeps their use to one at a time.
        unsafe impl Send for $name {}
    };
}

owner!(
    /// A codec and its settings.
    Context, ffi::AVCodecContext, ffi::avcodec_free_context
);
owner!(
    /// A picture's planes and properties.
    Frame, ffi::AVFrame, ffi::av_frame_free
);
owner!(
    /// An encoded picture.
    Packet, ffi::AVPacket, ffi::av_packet_free
);
owner!(
    /// One reference to shared memory or to a device.
    Buffer, ffi::AVBufferRef, ffi::av_buffer_unref
);
impl Buffer {
    /// Gives the reference away, to a field of C's that frees it.
    pub(super) fn into_raw(self) -> *mut ffi::AVBufferRef {
        let raw = self.as_ptr();
        std::mem::forget(self);
        raw
    }
}

impl Frame {
    pub(super) fn new() -> Result<Self, AvError> {
        // SAFETY: no arguments.
        Self::take(unsafe { ffi::av_frame_alloc() })
    }
}

impl Packet {
    pub(super) fn new() -> Result<Self, AvError> {
        // SAFETY: no arguments.
        Self::take(unsafe { ffi::av_packet_alloc() })
    }
}

/// A dictionary of these pairs, NULL for none; the caller frees it.
pub(super) fn dictionary(pairs: &[(&str, &str)]) -> Result<*mut ffi::AVDictionary, AvError> {
    let mut dictionary = ptr::null_mut();
    for (key, value) in pairs {
        let (Ok(key), Ok(value)) = (CString::new(*key), CString::new(*value)) else {
            continue;
        };
        // SAFETY: strings are copied; `dictionary` is NULL or what an earlier call made of it.
        if let Err(error) = check(unsafe { ffi::av_dict_set(&mut dictionary, key.as_ptr(), value.as_ptr(), 0) }) {
            // SAFETY: nobody else has it.
            unsafe { ffi::av_dict_free(&mut dictionary) };
            return Err(error);
        }
    }
    Ok(dictionary)
}
