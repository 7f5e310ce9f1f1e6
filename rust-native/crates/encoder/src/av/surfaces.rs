//! Surfaces of a graphics card as libavutil keeps them: devices, and frames contexts, which make and reuse surfaces.

use std::ffi::{CStr, c_int};
use std::ptr;

use ffmpeg_next::ffi;
use media::Size;

use super::raw::{AvError, Buffer, check};

/// Opens a device of that type: the one of that name, or the first that answers.
///
/// # Errors
/// The driver's.
pub(super) fn device(kind: ffi::AVHWDeviceType, name: Option<&CStr>) -> Result<Buffer, AvError> {
    let mut device = ptr::null_mut();
    let name = name.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: out-pointer to NULL, a NUL-terminated name or none, no options.
    check(unsafe { ffi::av_hwdevice_ctx_create(&mut device, kind, name, ptr::null_mut(), 0) })?;
    Buffer::take(device)
}

/// Frames in that format on that device, of that size, NV12 in memory: an `AVHWFramesContext`, which `change` may say more of
/// before it is initialised. What stays zero is the usual: as many surfaces as turn out to be needed.
///
/// # Errors
/// The driver's.
pub(super) fn frames(
    device: &Buffer,
    format: ffi::AVPixelFormat,
    size: Size,
    change: impl FnOnce(&mut ffi::AVHWFramesContext),
) -> Result<Buffer, AvError> {
    // SAFETY: the device is initialised; a frames context begins as the struct that its buffer's data points to, and
    // nobody else has this one yet.
    unsafe {
        let pool = Buffer::take(ffi::av_hwframe_ctx_alloc(device.as_ptr()))?;
        let frames = &mut *(*pool.as_ptr()).data.cast::<ffi::AVHWFramesContext>();
        frames.format = format;
        frames.sw_format = ffi::AVPixelFormat::AV_PIX_FMT_NV12;
        frames.width = size.width as c_int;
        frames.height = size.height as c_int;
        change(frames);
        check(ffi::av_hwframe_ctx_init(pool.as_ptr()))?;
        Ok(pool)
    }
}
