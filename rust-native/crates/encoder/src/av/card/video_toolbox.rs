//! Frames of macOS: a pixel transfer session of VideoToolbox scales and converts them, on the hardware that it finds
//! fit, into pixel buffers that FFmpeg's encoders of VideoToolbox take as they are.
//!
//! Written after VideoToolbox's headers and the sources of FFmpeg 5.1 and 9.0 (`hwcontext_videotoolbox.c`,
//! `videotoolboxenc.c`).

use std::collections::VecDeque;
use std::ffi::c_void;
use std::ptr::{self, NonNull};

use ffmpeg_next::ffi;
use media::{Native, Size, VideoFrame};

use crate::av::raw::{AvError, Buffer, Frame, check};
use crate::av::surfaces;

/// Surfaces that are kept from being drawn over after they were encoded, as far as anybody knows.
///
/// FFmpeg 5.1's encoder keeps the pixel buffer while VideoToolbox reads it, but not libavutil's reference, without
/// which the pool hands the surface out again. Three are what the deepest pipelines hold back, and one is being read.
const STILL_READ: usize = 4;

/// A `CFTypeRef`, or one of the types that it stands for.
type Object = *const c_void;
/// `OSStatus`; 0 is `noErr`.
type Status = i32;

/// `kCVAttachmentMode_ShouldPropagate`: whoever copies the picture copies that, too.
const SHOULD_PROPAGATE: u32 = 1;

#[link(name = "CoreFoundation", kind = "framework")]
unsafe extern "C" {
    static kCFBooleanTrue: Object;

    fn CFRelease(object: Object);
}

#[link(name = "CoreVideo", kind = "framework")]
unsafe extern "C" {
    static kCVImageBufferCGColorSpaceKey: Object;
    static kCVImageBufferColorPrimariesKey: Object;
    static kCVImageBufferColorPrimaries_ITU_R_709_2: Object;
    static kCVImageBufferICCProfileKey: Object;
    static kCVImageBufferTransferFunctionKey: Object;
    static kCVImageBufferTransferFunction_ITU_R_709_2: Object;
    static kCVImageBufferYCbCrMatrixKey: Object;
    static kCVImageBufferYCbCrMatrix_ITU_R_709_2: Object;

    fn CVBufferRemoveAllAttachments(buffer: Object);
    fn CVBufferSetAttachment(buffer: Object, key: Object, value: Object, mode: u32);
    fn CVBufferRemoveAttachment(buffer: Object, key: Object);
}

#[link(name = "VideoToolbox", kind = "framework")]
unsafe extern "C" {
    static kVTPixelTransferPropertyKey_DestinationYCbCrMatrix: Object;
    static kVTPixelTransferPropertyKey_RealTime: Object;
    static kVTPixelTransferPropertyKey_ScalingMode: Object;
    static kVTScalingMode_Normal: Object;

    fn VTPixelTransferSessionCreate(allocator: Object, session: *mut *mut c_void) -> Status;
    fn VTPixelTransferSessionInvalidate(session: *mut c_void);
    fn VTPixelTransferSessionTransferImage(session: *mut c_void, source: Object, destination: Object) -> Status;
    fn VTSessionSetProperty(session: *mut c_void, key: Object, value: Object) -> Status;
}

/// See the module.
#[derive(Debug)]
pub(super) struct Converter {
    transfer: Transfer,
    /// See [`STILL_READ`]; oldest first.
    recent: VecDeque<Buffer>,
    pool: Buffer,
}

impl Converter {
    /// Every encoder of VideoToolbox takes the same surfaces.
    pub(super) fn new(frame: &VideoFrame, size: Size, _encoder: &str) -> Result<Self, String> {
        if pixel_buffer(frame).is_none() {
            return Err("the frame is no pixel buffer of CoreVideo's".to_owned());
        }
        let pool = pixel_buffers(size).map_err(|error| format!("no surfaces of VideoToolbox: {}", error.text))?;
        Ok(Self { transfer: Transfer::new()?, recent: VecDeque::with_capacity(STILL_READ), pool })
    }

    /// A session takes what comes; the system itself sees to it that each graphics card of a Mac can read each surface.
    pub(super) fn suits(&self, frame: &VideoFrame) -> bool {
        pixel_buffer(frame).is_some()
    }

    pub(super) fn pool(&self) -> &Buffer {
        &self.pool
    }

    pub(super) fn bring(&mut self, frame: &VideoFrame, to: &Frame) -> Result<(), AvError> {
        let source = pixel_buffer(frame).ok_or_else(|| AvError::new(-libc::EINVAL))?;
        // SAFETY: the pool is alive, the frame ours to fill.
        check(unsafe { ffi::av_hwframe_get_buffer(self.pool.as_ptr(), to.as_ptr(), 0) })?;
        let filled = self.fill(source, to);
        if filled.is_err() {
            // SAFETY: nobody else knows of the surface.
            unsafe { ffi::av_frame_unref(to.as_ptr()) };
        }
        filled
    }

    /// Draws the pixel buffer `source` into the surface that `to` holds.
    fn fill(&mut self, source: Object, to: &Frame) -> Result<(), AvError> {
        // SAFETY: a frame out of the pool has a reference to its surface in front, and the surface's pixel buffer there.
        let (reference, target) =
            unsafe { ((*to.as_ptr()).buf[0], (*to.as_ptr()).data[3].cast_const().cast::<c_void>()) };
        // What an earlier picture left there has no say in this one.
        // SAFETY: a live pixel buffer.
        unsafe { CVBufferRemoveAllAttachments(target) };
        self.transfer.run(source, target)?;
        tag(target);
        // SAFETY: the frame keeps its own reference.
        let reference = Buffer::take(unsafe { ffi::av_buffer_ref(reference) })?;
        if self.recent.len() == STILL_READ {
            self.recent.pop_front();
        }
        self.recent.push_back(reference);
        Ok(())
    }
}

/// The `CVPixelBufferRef` that a frame is; it lives as long as the frame.
fn pixel_buffer(frame: &VideoFrame) -> Option<Object> {
    match frame.pixels.surface()?.native() {
        Native::CvPixelBuffer(address) => Some(ptr::with_exposed_provenance(address)),
        _ => None,
    }
}

/// Says what the surface's samples mean: the session tags them with the colours of the screen's picture, from which
/// the encoder would convert them to the ones that it was told.
fn tag(surface: Object) {
    // SAFETY: a live pixel buffer, and constants of the framework; the buffer keeps its own references to them.
    unsafe {
        let set = |key, value| CVBufferSetAttachment(surface, key, value, SHOULD_PROPAGATE);
        set(kCVImageBufferYCbCrMatrixKey, kCVImageBufferYCbCrMatrix_ITU_R_709_2);
        set(kCVImageBufferColorPrimariesKey, kCVImageBufferColorPrimaries_ITU_R_709_2);
        set(kCVImageBufferTransferFunctionKey, kCVImageBufferTransferFunction_ITU_R_709_2);
        // These two would count for more.
        CVBufferRemoveAttachment(surface, kCVImageBufferCGColorSpaceKey);
        CVBufferRemoveAttachment(surface, kCVImageBufferICCProfileKey);
    }
}

/// A `VTPixelTransferSessionRef`.
#[derive(Debug)]
struct Transfer(NonNull<c_void>);

// SAFETY: a session has no home thread; `&mut` on the converter keeps its use to one at a time.
unsafe impl Send for Transfer {}

impl Transfer {
    fn new() -> Result<Self, String> {
        let mut session = ptr::null_mut();
        // SAFETY: the usual allocator, and an out-pointer to NULL.
        let status = unsafe { VTPixelTransferSessionCreate(ptr::null(), &mut session) };
        let session = NonNull::new(session).filter(|_| status == 0);
        let this = Self(session.ok_or_else(|| format!("VideoToolbox has no pixel transfer session: {status}"))?);
        // Of the colours only the matrix. With primaries or a transfer function it would calculate every sample anew
        // from sRGB's curve to BT.709's, which pictures that come through memory are spared and no viewer undoes.
        // SAFETY: constants of the frameworks.
        let (matrix, scaling, hurry) = unsafe {
            (
                this.set(kVTPixelTransferPropertyKey_DestinationYCbCrMatrix, kCVImageBufferYCbCrMatrix_ITU_R_709_2),
                this.set(kVTPixelTransferPropertyKey_ScalingMode, kVTScalingMode_Normal),
                this.set(kVTPixelTransferPropertyKey_RealTime, kCFBooleanTrue),
            )
        };
        if matrix != 0 {
            return Err(format!("VideoToolbox's pixel transfer does not take BT.709: {matrix}"));
        }
        for (property, status) in [("scaling", scaling), ("real time", hurry)] {
            if status != 0 {
                // The first is what it does anyway, the second a hint.
                tracing::debug!(property, status, "VideoToolbox's pixel transfer does not take a property");
            }
        }
        Ok(this)
    }

    /// # Safety
    /// `key` must be a property of such sessions, and `value` of its type.
    unsafe fn set(&self, key: Object, value: Object) -> Status {
        // SAFETY: a live session, which keeps its own reference to the value, and the caller's promise.
        unsafe { VTSessionSetProperty(self.0.as_ptr(), key, value) }
    }

    /// Fills the pixel buffer `target` with the picture in `source`; returns when it is there.
    fn run(&mut self, source: Object, target: Object) -> Result<(), AvError> {
        // SAFETY: a live session and two live pixel buffers, of which nobody else has seen the target yet.
        match unsafe { VTPixelTransferSessionTransferImage(self.0.as_ptr(), source, target) } {
            0 => Ok(()),
            status => {
                let text = format!("VideoToolbox's pixel transfer failed: {status}");
                Err(AvError { code: ffi::AVERROR_EXTERNAL, text })
            }
        }
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        // SAFETY: the only reference, and not used any more.
        unsafe {
            VTPixelTransferSessionInvalidate(self.0.as_ptr());
            CFRelease(self.0.as_ptr());
        }
    }
}

/// Pixel buffers of that size in `kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange`, backed by an `IOSurface` each: the colour
/// range that nobody sets is the first that NV12 has in FFmpeg's list, limited.
fn pixel_buffers(size: Size) -> Result<Buffer, AvError> {
    let device = surfaces::device(ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_VIDEOTOOLBOX, None)?;
    surfaces::frames(&device, ffi::AVPixelFormat::AV_PIX_FMT_VIDEOTOOLBOX, size, |_| {})
}
