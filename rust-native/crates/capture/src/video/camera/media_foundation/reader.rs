//! One open camera: its format chosen, its pictures read as BGRX.

use media::{MediaTime, Size};
use windows::Win32::Foundation::E_ACCESSDENIED;
use windows::Win32::Media::MediaFoundation::{
    IMF2DBuffer, IMFAttributes, IMFMediaSource, IMFMediaType, IMFSample, IMFSourceReader,
    MF_E_HW_MFT_FAILED_START_STREAMING, MF_E_VIDEO_RECORDING_DEVICE_INVALIDATED, MF_E_VIDEO_RECORDING_DEVICE_PREEMPTED,
    MF_MT_FRAME_RATE, MF_MT_FRAME_SIZE, MF_MT_MAJOR_TYPE, MF_MT_SUBTYPE, MF_SOURCE_READER_ENABLE_VIDEO_PROCESSING,
    MF_SOURCE_READER_FIRST_VIDEO_STREAM, MF_SOURCE_READERF_ENDOFSTREAM, MF_SOURCE_READERF_ERROR, MFCreateAttributes,
    MFCreateMediaType, MFCreateSourceReaderFromMediaSource, MFMediaType_Video, MFSampleExtension_DeviceTimestamp,
    MFVideoFormat_MJPG, MFVideoFormat_NV12, MFVideoFormat_RGB32, MFVideoFormat_YUY2,
};
use windows::core::{GUID, Interface};

use super::devices::{self, Platform};
use crate::video::camera::formats::{Format, Mode, Wish, choose};
use crate::video::windows::counter;
use crate::video::{VideoError, stamps};

/// The camera's size in the mode that would be chosen.
pub(super) fn best(path: &str, wish: &Wish) -> Result<Size, VideoError> {
    Reader::open(path, wish).map(|reader| reader.size())
}

/// The reader's name for it, as the calls want it.
const STREAM: u32 = MF_SOURCE_READER_FIRST_VIDEO_STREAM.0 as u32;

pub(super) struct Reader {
    // Before the platform: they end before it is shut down.
    reader: IMFSourceReader,
    source: IMFMediaSource,
    size: Size,
    _platform: Platform,
}

impl Reader {
    /// # Errors
    /// `camera_unplugged`, `camera_busy`, `camera_format`, `permission_denied`, `camera_refused`.
    pub(super) fn open(path: &str, wish: &Wish) -> Result<Self, VideoError> {
        let platform = Platform::start()?;
        let device = devices::find(path)?;
        // SAFETY: a live object.
        let source: IMFMediaSource = unsafe { device.ActivateObject() }.map_err(|error| refused(&error))?;
        let mut attributes: Option<IMFAttributes> = None;
        // SAFETY: `attributes` is writable; the value is a flag.
        let reader = unsafe {
            MFCreateAttributes(&raw mut attributes, 1)
                .and_then(|()| match &attributes {
                    Some(attributes) => attributes.SetUINT32(&MF_SOURCE_READER_ENABLE_VIDEO_PROCESSING, 1),
                    None => Ok(()),
                })
                .and_then(|()| MFCreateSourceReaderFromMediaSource(&source, attributes.as_ref()))
        }
        .map_err(|error| refused(&error))?;
        let size = set_format(&reader, wish)?;
        Ok(Self { reader, source, size, _platform: platform })
    }

    /// Of the pictures that follow.
    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Waits for the next picture; `None` for a gap.
    pub(super) fn read(&mut self) -> Result<Option<IMFSample>, VideoError> {
        let (mut flags, mut sample) = (0, None);
        // SAFETY: both are writable.
        unsafe { self.reader.ReadSample(STREAM, 0, None, Some(&raw mut flags), None, Some(&raw mut sample)) }
            .map_err(|error| refused(&error))?;
        let over = (MF_SOURCE_READERF_ENDOFSTREAM.0 | MF_SOURCE_READERF_ERROR.0) as u32;
        if flags & over != 0 { Err(VideoError::CameraUnplugged) } else { Ok(sample) }
    }

    /// Copies a picture to rows of `width * 4` bytes from the top.
    pub(super) fn write(&self, sample: &IMFSample, to: &mut [u8]) -> Result<(), VideoError> {
        let row = self.size.width as usize * 4;
        // SAFETY: a live sample.
        let buffer = unsafe { sample.ConvertToContiguousBuffer() }.map_err(|error| refused(&error))?;
        if let Ok(plane) = buffer.cast::<IMF2DBuffer>() {
            let (mut first, mut pitch) = (std::ptr::null_mut(), 0);
            // SAFETY: both are writable; unlocked below.
            unsafe { plane.Lock2D(&raw mut first, &raw mut pitch) }.map_err(|error| refused(&error))?;
            for (index, to) in to.chunks_exact_mut(row.max(1)).enumerate() {
                // SAFETY: the picture's rows lie `pitch` bytes apart from `first` on, downwards where it is negative,
                // and each has at least `row` bytes.
                let from = unsafe { std::slice::from_raw_parts(first.offset(index as isize * pitch as isize), row) };
                to.copy_from_slice(from);
            }
            // SAFETY: locked above.
            return unsafe { plane.Unlock2D() }.map_err(|error| refused(&error));
        }
        let (mut start, mut length) = (std::ptr::null_mut(), 0);
        // SAFETY: both are writable; unlocked below.
        unsafe { buffer.Lock(&raw mut start, None, Some(&raw mut length)) }.map_err(|error| refused(&error))?;
        // SAFETY: so many bytes lie there until it is unlocked.
        let from = unsafe { std::slice::from_raw_parts(start, length as usize) };
        // RGB in plain memory lies bottom up, as in bitmaps.
        for (from, to) in from.chunks_exact(row.max(1)).rev().zip(to.chunks_exact_mut(row.max(1))) {
            to.copy_from_slice(from);
        }
        // SAFETY: locked above; `from` is not used any more.
        unsafe { buffer.Unlock() }.map_err(|error| refused(&error))
    }

    /// When the camera took it, where its driver says so.
    pub(super) fn captured_at(&self, sample: &IMFSample, now: MediaTime) -> MediaTime {
        // SAFETY: a live sample.
        let stamp = unsafe { sample.GetUINT64(&MFSampleExtension_DeviceTimestamp) };
        match (stamp, counter()) {
            // 100 ns units of the performance counter.
            (Ok(stamp), Some(counter)) => stamps::captured_at(i128::from(stamp) * 100, counter, now),
            _ => now,
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // SAFETY: a live object. The camera's light goes out only then.
        let _ = unsafe { self.source.Shutdown() };
    }
}

/// Every mode of the camera that the id may ask for, each with the type that sets it.
fn modes(reader: &IMFSourceReader) -> Vec<(IMFMediaType, Mode)> {
    // SAFETY: a live object; the list ends with an error.
    let natives = (0..).map_while(|index| unsafe { reader.GetNativeMediaType(STREAM, index) }.ok());
    natives.filter_map(|native| mode(&native).map(|mode| (native, mode))).collect()
}

fn mode(native: &IMFMediaType) -> Option<Mode> {
    // SAFETY: a live object.
    let (size, rate, kind) = unsafe {
        (native.GetUINT64(&MF_MT_FRAME_SIZE), native.GetUINT64(&MF_MT_FRAME_RATE), native.GetGUID(&MF_MT_SUBTYPE))
    };
    let (width, height) = halves(size.ok()?);
    let (numerator, denominator) = halves(rate.ok()?);
    let format = format(kind.ok()?)?;
    let size = Size { width, height };
    let fps = f64::from(numerator) / f64::from(denominator.max(1));
    (size.area() > 0).then_some(Mode { format, size, fps })
}

/// What others there are (infrared, H.264) is no picture to show, or slower than these.
fn format(kind: GUID) -> Option<Format> {
    let known =
        [(MFVideoFormat_NV12, Format::Nv12), (MFVideoFormat_YUY2, Format::Yuyv), (MFVideoFormat_MJPG, Format::Mjpeg)];
    known.into_iter().find(|(each, _)| *each == kind).map(|(_, format)| format)
}

fn no_format() -> VideoError {
    VideoError::CameraFormat("neither NV12, YUYV nor MJPEG, or not the one that was asked for".to_owned())
}

/// Chooses and sets what the camera gives, and asks for BGRX of it; returns the size.
fn set_format(reader: &IMFSourceReader, wish: &Wish) -> Result<Size, VideoError> {
    let modes = modes(reader);
    let chosen = choose(&modes.iter().map(|(_, mode)| *mode).collect::<Vec<_>>(), wish).ok_or_else(no_format)?;
    let native = modes.iter().find(|(_, mode)| *mode == chosen).map(|(native, _)| native).ok_or_else(no_format)?;
    tracing::info!(?chosen, "camera opened");
    // SAFETY: live objects; keys and values are of the types that Media Foundation documents.
    let set = || unsafe {
        reader.SetCurrentMediaType(STREAM, None, native)?;
        let output = MFCreateMediaType()?;
        output.SetGUID(&MF_MT_MAJOR_TYPE, &MFMediaType_Video)?;
        output.SetGUID(&MF_MT_SUBTYPE, &MFVideoFormat_RGB32)?;
        output.SetUINT64(&MF_MT_FRAME_SIZE, u64::from(chosen.size.width) << 32 | u64::from(chosen.size.height))?;
        reader.SetCurrentMediaType(STREAM, None, &output)
    };
    set().map_err(|error: windows::core::Error| match refused(&error) {
        VideoError::CameraRefused(reason) => VideoError::CameraFormat(reason),
        other => other,
    })?;
    Ok(chosen.size)
}

/// Media Foundation packs pairs: width and height, numerator and denominator.
fn halves(pair: u64) -> (u32, u32) {
    ((pair >> 32) as u32, pair as u32)
}

pub(super) fn refused(error: &windows::core::Error) -> VideoError {
    let reason = error.message();
    match error.code() {
        E_ACCESSDENIED => VideoError::PermissionDenied("the privacy settings keep programs from the camera".to_owned()),
        MF_E_VIDEO_RECORDING_DEVICE_INVALIDATED => VideoError::CameraUnplugged,
        MF_E_HW_MFT_FAILED_START_STREAMING | MF_E_VIDEO_RECORDING_DEVICE_PREEMPTED => VideoError::CameraBusy,
        _ => VideoError::CameraRefused(reason),
    }
}
