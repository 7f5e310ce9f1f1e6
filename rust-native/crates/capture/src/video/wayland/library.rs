//! libpipewire, opened when the first screen of a Wayland session is captured.
//!
//! It is not linked: a machine without PipeWire (a server, an X11 desktop) runs everything else as ever, and no header
//! of it is needed to build. What is called here has kept its form since 0.3.0, which is the library's promise (one
//! `.so.0`); its structures are in [`super::structures`].

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use super::structures::{Buffer, Context, Core, Hook, Loop, Properties, Stream, StreamEvents, ThreadLoop};
use crate::video::VideoError;

/// As every distribution names it.
const NAME: &CStr = c"libpipewire-0.3.so.0";

macro_rules! functions {
    ($($name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The library's functions that are used, by their own names.
        pub(super) struct Library {
            $(pub(super) $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Library {
            /// # Safety
            /// `handle` is libpipewire's.
            unsafe fn resolve(handle: *mut c_void) -> Result<Self, String> {
                Ok(Self {
                    $($name: {
                        let name = concat!(stringify!($name), "\0");
                        // SAFETY: an open library and a text that ends with a zero byte.
                        let symbol = unsafe { libc::dlsym(handle, name.as_ptr().cast()) };
                        if symbol.is_null() {
                            return Err(concat!("it has no ", stringify!($name)).to_owned());
                        }
                        // SAFETY: the header declares this name as a function of this form.
                        unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) $(-> $result)?>(symbol) }
                    },)*
                })
            }
        }
    };
}

functions! {
    pw_init: fn(*mut c_int, *mut *mut *mut c_char);
    pw_thread_loop_new: fn(*const c_char, *const c_void) -> *mut ThreadLoop;
    pw_thread_loop_get_loop: fn(*mut ThreadLoop) -> *mut Loop;
    pw_thread_loop_start: fn(*mut ThreadLoop) -> c_int;
    pw_thread_loop_stop: fn(*mut ThreadLoop);
    pw_thread_loop_destroy: fn(*mut ThreadLoop);
    pw_thread_loop_lock: fn(*mut ThreadLoop);
    pw_thread_loop_unlock: fn(*mut ThreadLoop);
    pw_context_new: fn(*mut Loop, *mut Properties, usize) -> *mut Context;
    pw_context_connect_fd: fn(*mut Context, c_int, *mut Properties, usize) -> *mut Core;
    pw_context_destroy: fn(*mut Context);
    pw_core_disconnect: fn(*mut Core) -> c_int;
    pw_properties_new_string: fn(*const c_char) -> *mut Properties;
    pw_stream_new: fn(*mut Core, *const c_char, *mut Properties) -> *mut Stream;
    pw_stream_add_listener: fn(*mut Stream, *mut Hook, *const StreamEvents, *mut c_void);
    pw_stream_connect: fn(*mut Stream, u32, u32, u32, *mut *const u64, u32) -> c_int;
    pw_stream_update_params: fn(*mut Stream, *mut *const u64, u32) -> c_int;
    pw_stream_dequeue_buffer: fn(*mut Stream) -> *mut Buffer;
    pw_stream_queue_buffer: fn(*mut Stream, *mut Buffer) -> c_int;
    pw_stream_destroy: fn(*mut Stream);
}

impl Library {
    /// The library, opened once in the life of the process and never closed: its threads may outlive any caller.
    ///
    /// # Errors
    /// `pipewire_missing`.
    pub(super) fn get() -> Result<&'static Self, VideoError> {
        static LIBRARY: OnceLock<Result<Library, String>> = OnceLock::new();
        LIBRARY
            .get_or_init(|| {
                // SAFETY: a text that ends with a zero byte; the library's own initialisation is sound.
                let handle = unsafe { libc::dlopen(NAME.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
                if handle.is_null() {
                    return Err(last_error());
                }
                // SAFETY: just opened by that name.
                let library = unsafe { Self::resolve(handle) }?;
                // SAFETY: both may be null, which means that there is no command line to read.
                unsafe { (library.pw_init)(std::ptr::null_mut(), std::ptr::null_mut()) };
                Ok(library)
            })
            .as_ref()
            .map_err(|reason| VideoError::PipeWireMissing(reason.clone()))
    }
}

fn last_error() -> String {
    // SAFETY: gives a text that stays until the next call of this family on this thread, or nothing.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return NAME.to_string_lossy().into_owned();
    }
    // SAFETY: not null, see above.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
