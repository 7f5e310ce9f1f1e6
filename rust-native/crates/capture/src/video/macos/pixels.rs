//! The pictures inside ScreenCaptureKit's sample buffers.

use std::slice;

use media::{Alpha, Clock, MediaTime, MonotonicClock, Size, VideoFrame};
use objc2::runtime::AnyObject;
use objc2_core_foundation::CFArray;
use objc2_core_media::{CMClock, CMSampleBuffer};
use objc2_core_video::{
    CVPixelBuffer, CVPixelBufferGetBaseAddress, CVPixelBufferGetBytesPerRow, CVPixelBufferGetHeight,
    CVPixelBufferGetPixelFormatType, CVPixelBufferGetWidth, CVPixelBufferLockBaseAddress, CVPixelBufferLockFlags,
    CVPixelBufferUnlockBaseAddress, kCVPixelFormatType_32BGRA, kCVReturnSuccess,
};
use objc2_foundation::{NSArray, NSDictionary, NSNumber, NSString};
use objc2_screen_capture_kit::{SCFrameStatus, SCStreamFrameInfoStatus};

use crate::video::pool::{Pool, copy_rows};
use crate::video::{VideoError, stamps};

/// Whether the buffer carries a new picture: a source that rests sends "idle" ones.
pub(super) fn is_complete(sample: &CMSampleBuffer) -> bool {
    // SAFETY: a live buffer; nothing is created.
    let Some(list) = (unsafe { sample.sample_attachments_array(false) }) else { return false };
    // SAFETY: an array of dictionaries with string keys, toll-free bridged.
    let list = unsafe { &*std::ptr::from_ref::<CFArray>(&list).cast::<NSArray<NSDictionary<NSString, AnyObject>>>() };
    // SAFETY: a constant of the framework.
    let status = list.firstObject().and_then(|info| info.objectForKey(unsafe { SCStreamFrameInfoStatus }));
    let status = status.and_then(|status| status.downcast::<NSNumber>().ok());
    status.is_some_and(|status| SCFrameStatus(status.as_isize()) == SCFrameStatus::Complete)
}

/// The picture as a frame of our own memory; `None` without one, or while consumers hold every buffer.
pub(in crate::video) fn frame(sample: &CMSampleBuffer, pool: &mut Pool) -> Result<Option<VideoFrame>, VideoError> {
    // SAFETY: a live buffer.
    let Some(image) = (unsafe { sample.image_buffer() }) else { return Ok(None) };
    if !is_bgra(&image) {
        return Err(VideoError::Refused("pictures of another format than asked for".to_owned()));
    }
    let size = size(&image);
    pool.resize(size);
    let stride = pool.stride();
    let fill = |from: &[u8], row| {
        pool.fill(|to| {
            copy_rows(from, row, to, stride);
            Ok::<(), VideoError>(())
        })
    };
    let Some(filled) = with_rows(&image, fill)? else { return Ok(None) };
    let captured_at = captured_at(sample);
    Ok(filled?.map(|pixels| VideoFrame { captured_at, size, stride, pixels, alpha: Alpha::Opaque }))
}

pub(super) fn is_bgra(image: &CVPixelBuffer) -> bool {
    CVPixelBufferGetPixelFormatType(image) == kCVPixelFormatType_32BGRA
}

pub(super) fn size(image: &CVPixelBuffer) -> Size {
    Size { width: CVPixelBufferGetWidth(image) as u32, height: CVPixelBufferGetHeight(image) as u32 }
}

/// Lends `read` the rows of a picture with one plane, and how many bytes lie from one to the next; `None` where it has
/// none.
///
/// # Errors
/// `graphics_device`: they can't be mapped.
pub(super) fn with_rows<T>(
    image: &CVPixelBuffer,
    read: impl FnOnce(&[u8], usize) -> T,
) -> Result<Option<T>, VideoError> {
    // SAFETY: a live buffer, unlocked below by the same flags.
    if unsafe { CVPixelBufferLockBaseAddress(image, CVPixelBufferLockFlags::ReadOnly) } != kCVReturnSuccess {
        return Err(VideoError::GraphicsDevice("a picture could not be read".to_owned()));
    }
    let (address, row) = (CVPixelBufferGetBaseAddress(image), CVPixelBufferGetBytesPerRow(image));
    let (width, length) = (CVPixelBufferGetWidth(image), row * CVPixelBufferGetHeight(image));
    let result = (!address.is_null() && width > 0 && length > 0).then(|| {
        // SAFETY: a locked buffer has `height` rows of `row` bytes there until it is unlocked.
        read(unsafe { slice::from_raw_parts(address.cast::<u8>(), length) }, row)
    });
    // SAFETY: locked above; its rows are not used any more.
    unsafe { CVPixelBufferUnlockBaseAddress(image, CVPixelBufferLockFlags::ReadOnly) };
    Ok(result)
}

/// Stamped by the host clock when the window server showed it.
pub(super) fn captured_at(sample: &CMSampleBuffer) -> MediaTime {
    let now = MonotonicClock.now();
    // SAFETY: a live buffer, and the clock that always exists.
    let (stamp, host) =
        unsafe { (sample.presentation_time_stamp().seconds(), CMClock::host_time_clock().time().seconds()) };
    if !(stamp.is_finite() && host.is_finite()) {
        return now;
    }
    // Seconds since start as floats are exact to a microsecond for centuries.
    stamps::captured_at((stamp * 1e9) as i128, (host * 1e9) as i128, now)
}
