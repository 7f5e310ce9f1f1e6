//! PipeWire's structures as far as a capture reads them (headers `pipewire/stream.h`, `spa/buffer/buffer.h`,
//! `spa/buffer/meta.h`, `spa/utils/hook.h`): parts of its binary interface, alike in every 0.3 and 1.x.

#![allow(dead_code, reason = "the other side reads what this one does not")]

use std::ffi::{c_char, c_int, c_void};

macro_rules! opaque {
    ($($name:ident)*) => {$(
        /// Only PipeWire knows what is in it.
        #[repr(C)]
        pub(super) struct $name([u8; 0]);
    )*};
}

opaque!(ThreadLoop Loop Context Core Properties Stream);

/// `struct spa_hook`: two list links, two callbacks, an end, a private word.
#[repr(C)]
pub(super) struct Hook([*mut c_void; 6]);

impl Hook {
    pub(super) const fn unused() -> Self {
        Self([std::ptr::null_mut(); 6])
    }
}

/// `struct pw_stream_events` of version 0.
#[repr(C)]
pub(super) struct StreamEvents {
    pub(super) version: u32,
    pub(super) destroy: Option<unsafe extern "C" fn(*mut c_void)>,
    pub(super) state_changed: Option<unsafe extern "C" fn(*mut c_void, c_int, c_int, *const c_char)>,
    pub(super) control_info: Option<unsafe extern "C" fn(*mut c_void, u32, *const c_void)>,
    pub(super) io_changed: Option<unsafe extern "C" fn(*mut c_void, u32, *mut c_void, u32)>,
    pub(super) param_changed: Option<unsafe extern "C" fn(*mut c_void, u32, *const u64)>,
    pub(super) add_buffer: Option<unsafe extern "C" fn(*mut c_void, *mut Buffer)>,
    pub(super) remove_buffer: Option<unsafe extern "C" fn(*mut c_void, *mut Buffer)>,
    pub(super) process: Option<unsafe extern "C" fn(*mut c_void)>,
    pub(super) drained: Option<unsafe extern "C" fn(*mut c_void)>,
}

/// `enum pw_stream_state`.
pub(super) mod state {
    use std::ffi::c_int;

    pub(in super::super) const ERROR: c_int = -1;
    pub(in super::super) const CONNECTING: c_int = 1;
    pub(in super::super) const PAUSED: c_int = 2;
    pub(in super::super) const STREAMING: c_int = 3;
}

/// `enum pw_stream_flags`: let the session manager link it, map its memory, and end with what it is linked to.
pub(super) const FLAGS: u32 = 1 | 1 << 2 | 1 << 7;
/// `PW_DIRECTION_INPUT`.
pub(super) const INPUT: u32 = 0;

/// `struct pw_buffer`, which may grow at its end.
#[repr(C)]
pub(super) struct Buffer {
    pub(super) buffer: *const SpaBuffer,
}

/// `struct spa_buffer`.
#[repr(C)]
pub(super) struct SpaBuffer {
    pub(super) n_metas: u32,
    pub(super) n_datas: u32,
    pub(super) metas: *const Meta,
    pub(super) datas: *const Data,
}

/// `struct spa_meta`.
#[repr(C)]
pub(super) struct Meta {
    pub(super) kind: u32,
    pub(super) size: u32,
    pub(super) data: *const c_void,
}

/// `struct spa_data`.
#[repr(C)]
pub(super) struct Data {
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) fd: i64,
    pub(super) map_offset: u32,
    pub(super) max_size: u32,
    pub(super) data: *const u8,
    pub(super) chunk: *const Chunk,
}

/// `SPA_DATA_DmaBuf`.
pub(super) const DMA_BUF: u32 = 3;

/// `struct spa_chunk`.
#[repr(C)]
pub(super) struct Chunk {
    pub(super) offset: u32,
    pub(super) size: u32,
    pub(super) stride: i32,
    pub(super) flags: i32,
}

/// `SPA_CHUNK_FLAG_CORRUPTED`.
pub(super) const CHUNK_CORRUPTED: i32 = 1;

/// `struct spa_meta_header`, `SPA_META_Header`.
#[repr(C)]
pub(super) struct Header {
    pub(super) flags: u32,
    pub(super) offset: u32,
    pub(super) pts: i64,
    pub(super) dts_offset: i64,
    pub(super) seq: u64,
}

pub(super) const META_HEADER: u32 = 1;
/// `SPA_META_HEADER_FLAG_CORRUPTED`.
pub(super) const HEADER_CORRUPTED: u32 = 1 << 1;

/// `struct spa_meta_region`, as of `SPA_META_VideoCrop`.
#[repr(C)]
pub(super) struct Region {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: u32,
    pub(super) height: u32,
}

pub(super) const META_VIDEO_CROP: u32 = 2;

/// As a C compiler measures them, where pointers have eight bytes.
#[cfg(target_pointer_width = "64")]
const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<Hook>() == 48 && size_of::<SpaBuffer>() == 24 && size_of::<Meta>() == 16);
    assert!(size_of::<Data>() == 40 && offset_of!(Data, max_size) == 20 && offset_of!(Data, data) == 24);
    assert!(size_of::<Chunk>() == 16 && size_of::<Header>() == 32 && size_of::<Region>() == 16);
    assert!(offset_of!(StreamEvents, state_changed) == 16 && offset_of!(StreamEvents, param_changed) == 40);
    assert!(offset_of!(StreamEvents, remove_buffer) == 56 && offset_of!(StreamEvents, process) == 64);
};
