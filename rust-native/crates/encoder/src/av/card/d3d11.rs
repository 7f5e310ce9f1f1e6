//! Frames of Windows: the card's video processor scales and converts them, on the very device that captured them, and
//! the encoder works there, too.
//!
//! Written after Microsoft's documentation and the sources of FFmpeg 5.1 and 9.0 (`hwcontext_d3d11va.c`,
//! `hwcontext_qsv.c`, `nvenc.c`, `amfenc.c`, `qsvenc.c`, `mfenc.c`). What they want of a surface:
//!
//! - nvenc and amf take any texture of that device: single ones, as many as it needs.
//! - qsv takes surfaces of its own kind. They lie in such textures, which libavutil names when it is asked.
//! - Media Foundation's wrapper takes them bound for an encoder; that of FFmpeg 7.1 takes none yet.

#[path = "d3d11/processor.rs"]
mod processor;

use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::ptr;

use ffmpeg_next::ffi;
use media::{Native, Size, VideoFrame};
use windows::Win32::Graphics::Direct3D11::{
    D3D11_BIND_RENDER_TARGET, D3D11_BIND_VIDEO_ENCODER, ID3D11Device, ID3D11Texture2D,
};
use windows::core::Interface;

use self::processor::Processor;
use crate::av::raw::{AvError, Buffer, Frame, check};
use crate::av::surfaces;

/// Surfaces of qsv where they must be counted beforehand: without B-frames and look-ahead it holds three or four.
const QSV_SURFACES: c_int = 12;
/// Surfaces that are kept from being drawn over after Media Foundation was given them.
///
/// FFmpeg's wrapper gives the sample to the encoder and lets go of the surface, which the pool then hands out again,
/// while the encoder, which works beside us, may not have read it yet. Three are what the deepest pipelines hold back,
/// and one is being read.
const STILL_READ: usize = 4;

/// What differs from encoder to encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It takes textures, and says when it is done with them: nvenc, amf.
    Plain,
    MediaFoundation,
    Qsv,
}

impl Kind {
    /// By the encoder's name in libavcodec: `h264_qsv`.
    fn of(encoder: &str) -> Self {
        match encoder.rsplit_once('_') {
            Some((_, "mf")) => Self::MediaFoundation,
            Some((_, "qsv")) => Self::Qsv,
            _ => Self::Plain,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Converter {
    device: ID3D11Device,
    processor: Processor,
    kind: Kind,
    /// See [`STILL_READ`]; oldest first.
    recent: VecDeque<Buffer>,
    pool: Buffer,
}

impl Converter {
    pub(super) fn new(frame: &VideoFrame, size: Size, encoder: &str) -> Result<Self, String> {
        let texture = texture_of(frame).ok_or("the frame is no texture of Direct3D 11")?;
        // SAFETY: a plain question to a live object.
        let device = unsafe { texture.GetDevice() }.map_err(|error| format!("its device is gone: {error}"))?;
        let processor = Processor::new(&device, frame.size, size)?;
        let kind = Kind::of(encoder);
        let pool = surfaces_of(&device, size, kind)?;
        Ok(Self { device, processor, kind, recent: VecDeque::new(), pool })
    }

    /// A session of the capture that was started again has a device of its own.
    pub(super) fn suits(&self, frame: &VideoFrame) -> bool {
        // SAFETY: a plain question to a live object. Devices are compared as COM does it, by their identity.
        texture_of(frame)
            .is_some_and(|texture| unsafe { texture.GetDevice() }.is_ok_and(|device| device == self.device))
    }

    pub(super) fn pool(&self) -> &Buffer {
        &self.pool
    }

    pub(super) fn bring(&mut self, frame: &VideoFrame, to: &Frame) -> Result<(), AvError> {
        let texture = texture_of(frame).ok_or_else(|| AvError::new(-libc::EINVAL))?;
        // SAFETY: both are alive, and the frame is emptied first.
        unsafe {
            ffi::av_frame_unref(to.as_ptr());
            check(ffi::av_hwframe_get_buffer(self.pool.as_ptr(), to.as_ptr(), 0))?;
        }
        let mapped = match self.kind {
            Kind::Plain | Kind::MediaFoundation => None,
            Kind::Qsv => Some(as_texture(to)?),
        };
        let (surface, slice) = drawn_into(mapped.as_ref().unwrap_or(to)).ok_or_else(|| AvError::new(-libc::EINVAL))?;
        self.processor.convert(&texture, &surface, slice).map_err(failed)?;
        if self.kind == Kind::MediaFoundation {
            self.keep(to)?;
        }
        Ok(())
    }

    /// See [`STILL_READ`].
    fn keep(&mut self, surface: &Frame) -> Result<(), AvError> {
        // SAFETY: a frame out of a pool has a reference to its surface there; this makes another one.
        let reference = Buffer::take(unsafe { ffi::av_buffer_ref((*surface.as_ptr()).buf[0]) })?;
        self.recent.push_back(reference);
        if self.recent.len() > STILL_READ {
            self.recent.pop_front();
        }
        Ok(())
    }
}

/// The texture that a frame lies in.
fn texture_of(frame: &VideoFrame) -> Option<ID3D11Texture2D> {
    let Native::D3d11Texture(address) = frame.pixels.surface()?.native() else { return None };
    let raw = ptr::with_exposed_provenance_mut::<c_void>(address);
    // SAFETY: such a surface names a texture, and the frame keeps it alive; what is returned has a count of its own.
    unsafe { ID3D11Texture2D::from_raw_borrowed(&raw) }.cloned()
}

/// The texture that a frame of libavutil's stands for, and which of its slices (`AV_PIX_FMT_D3D11` in `pixfmt.h`).
fn drawn_into(frame: &Frame) -> Option<(ID3D11Texture2D, u32)> {
    // SAFETY: a frame in this format has a texture in its first field and a number in the second; what is returned has
    // a count of its own.
    unsafe {
        let frame = frame.as_ptr();
        debug_assert_eq!((*frame).format, ffi::AVPixelFormat::AV_PIX_FMT_D3D11 as c_int);
        let raw = (*frame).data[0].cast::<c_void>();
        let slice = u32::try_from((*frame).data[1].addr()).ok()?;
        Some((ID3D11Texture2D::from_raw_borrowed(&raw)?.clone(), slice))
    }
}

/// The same surface of qsv's as the texture that it lies in.
fn as_texture(surface: &Frame) -> Result<Frame, AvError> {
    let mapped = Frame::new()?;
    let access = ffi::AV_HWFRAME_MAP_WRITE as c_int | ffi::AV_HWFRAME_MAP_OVERWRITE as c_int;
    // SAFETY: the new frame is empty but for what it is to be, and takes a reference to the other one.
    unsafe {
        (*mapped.as_ptr()).format = ffi::AVPixelFormat::AV_PIX_FMT_D3D11 as c_int;
        check(ffi::av_hwframe_map(mapped.as_ptr(), surface.as_ptr(), access))?;
    }
    Ok(mapped)
}

/// The frames that an encoder of that kind reads, on that device.
fn surfaces_of(device: &ID3D11Device, size: Size, kind: Kind) -> Result<Buffer, String> {
    let device = hardware(device)?;
    let said = |what: &'static str| move |error: AvError| format!("{what}: {}", error.text);
    let bound = D3D11_BIND_RENDER_TARGET.0 as u32;
    match kind {
        Kind::Plain => textures(&device, size, bound).map_err(said("no surfaces for the encoder")),
        Kind::MediaFoundation => {
            let bound = bound | D3D11_BIND_VIDEO_ENCODER.0 as u32;
            textures(&device, size, bound).map_err(said("no surfaces for Media Foundation"))
        }
        Kind::Qsv => {
            let mut derived = ptr::null_mut();
            let quick_sync = ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_QSV;
            // SAFETY: out-pointer to NULL; the new device keeps a reference to the other one.
            check(unsafe { ffi::av_hwdevice_ctx_create_derived(&mut derived, quick_sync, device.as_ptr(), 0) })
                .map_err(said("Quick Sync doesn't work on the card that captures"))?;
            let device = Buffer::take(derived).map_err(said("Quick Sync"))?;
            // As many as it turns out to need, which FFmpeg offers from 7.1 on, or else a number of them. Before, each
            // is a texture of its own, as it has to be for a surface that is drawn into; FFmpeg 9 puts a number of them
            // into one texture, and then takes all of them for its first slice.
            qsv_surfaces(&device, size, 0)
                .or_else(|_| qsv_surfaces(&device, size, QSV_SURFACES))
                .map_err(said("no surfaces for Quick Sync"))
        }
    }
}

/// That device to libavutil, which takes a reference to it.
fn hardware(device: &ID3D11Device) -> Result<Buffer, String> {
    // SAFETY: the value is one of libavutil's own.
    let buffer = unsafe { ffi::av_hwdevice_ctx_alloc(ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_D3D11VA) };
    let buffer = Buffer::take(buffer).map_err(|_| "this build of FFmpeg knows no Direct3D 11".to_owned())?;
    // SAFETY: a device context of that type, fresh, begins as these structs; it releases the device in the end, for
    // which it is given a count of its own. The rest it fills in by itself.
    let made = unsafe {
        let context = (*buffer.as_ptr()).data.cast::<ffi::AVHWDeviceContext>();
        let ours = (*context).hwctx.cast::<ffi::AVD3D11VADeviceContext>();
        (*ours).device = device.clone().into_raw().cast();
        check(ffi::av_hwdevice_ctx_init(buffer.as_ptr()))
    };
    made.map_err(|error| format!("the device that captures does no video: {}", error.text))?;
    Ok(buffer)
}

/// Textures on that device, each by itself and made when it is needed.
fn textures(device: &Buffer, size: Size, bound: u32) -> Result<Buffer, AvError> {
    surfaces::frames(device, ffi::AVPixelFormat::AV_PIX_FMT_D3D11, size, |frames| {
        // SAFETY: frames of that device, not initialised yet, have this struct there.
        unsafe { (*frames.hwctx.cast::<ffi::AVD3D11VAFramesContext>()).BindFlags = bound };
    })
}

/// Surfaces of qsv's; libavutil makes the textures that they lie in, as render targets. 0 of them: as many as needed.
fn qsv_surfaces(device: &Buffer, size: Size, count: c_int) -> Result<Buffer, AvError> {
    surfaces::frames(device, ffi::AVPixelFormat::AV_PIX_FMT_QSV, size, |frames| frames.initial_pool_size = count)
}

fn failed(error: windows::core::Error) -> AvError {
    AvError { code: ffi::AVERROR_EXTERNAL, text: format!("the card's video processor failed: {error}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoders_are_told_apart_by_their_names() {
        let kinds = ["h264_nvenc", "hevc_amf", "av1_qsv", "h264_mf"].map(Kind::of);
        assert_eq!(kinds, [Kind::Plain, Kind::Plain, Kind::Qsv, Kind::MediaFoundation]);
    }
}
