//! How a picture gets into an encoder: lent, copied, or uploaded to the device's memory.

use std::ffi::{c_int, c_void};
use std::ptr;

use ffmpeg_next::ffi;
use media::{Picture, Plane, Size, VideoFrame};

use super::card::Card;
use super::raw::{AvError, Buffer, Context, Frame, check};
use super::surfaces;

/// The kinds of input that the encoders in the table want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// The encoder has read the picture when `avcodec_send_frame` returns: it gets the caller's planes, uncopied.
    Lent,
    /// It may go on reading: a copy in I420.
    #[cfg_attr(not(any(target_os = "linux", target_os = "windows", target_os = "macos")), expect(dead_code))]
    Planar,
    /// It wants NV12, and may go on reading.
    #[cfg_attr(not(any(target_os = "linux", target_os = "windows")), expect(dead_code))]
    Nv12,
    /// It wants NV12 in surfaces of a VA-API device.
    VaSurface,
}

impl Input {
    /// How often a raw picture is copied on this way.
    pub(super) fn copies(self) -> u32 {
        match self {
            Self::Lent => 0,
            Self::Planar | Self::Nv12 => 1,
            Self::VaSurface => 2,
        }
    }

    pub(super) fn pixel_format(self) -> ffi::AVPixelFormat {
        match self {
            Self::Lent | Self::Planar => ffi::AVPixelFormat::AV_PIX_FMT_YUV420P,
            Self::Nv12 => ffi::AVPixelFormat::AV_PIX_FMT_NV12,
            Self::VaSurface => ffi::AVPixelFormat::AV_PIX_FMT_VAAPI,
        }
    }
}

/// What is fed: a picture in memory, or a frame that lies on a graphics card.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fed<'a> {
    Picture(&'a Picture),
    Surface(&'a VideoFrame),
}

/// Feeds one encoder.
#[derive(Debug)]
pub(super) struct Feeder {
    input: Input,
    /// What the encoder is given.
    frame: Frame,
    /// Where a surface is filled from.
    staging: Option<Frame>,
    /// The surfaces.
    pool: Option<Buffer>,
    /// Where frames on a graphics card are converted.
    card: Option<Card>,
}

impl Feeder {
    /// Gets ready, and ties `context` to the device where there is one; before the codec is opened.
    pub(super) fn new(input: Input, size: Size, context: &Context) -> Result<Self, AvError> {
        let frame = Frame::new()?;
        let (mut staging, mut pool) = (None, None);
        match input {
            Input::Lent => {}
            Input::Planar | Input::Nv12 => allocate(&frame, input.pixel_format(), size)?,
            Input::VaSurface => {
                let memory = Frame::new()?;
                allocate(&memory, ffi::AVPixelFormat::AV_PIX_FMT_NV12, size)?;
                staging = Some(memory);
                pool = Some(va_surfaces(size, context)?);
            }
        }
        Ok(Self { input, frame, staging, pool, card: None })
    }

    /// As [`Self::new`], for an encoder on that card: it takes the card's frames, and pictures that are uploaded.
    pub(super) fn on_card(card: Card, size: Size, context: &Context) -> Result<Self, AvError> {
        let staging = Frame::new()?;
        allocate(&staging, ffi::AVPixelFormat::AV_PIX_FMT_NV12, size)?;
        // SAFETY: both are alive; each owner has a reference of its own.
        let pool = unsafe {
            let raw = context.as_ptr();
            (*raw).pix_fmt = card.pixel_format();
            (*raw).hw_frames_ctx = Buffer::take(ffi::av_buffer_ref(card.pool().as_ptr()))?.into_raw();
            Buffer::take(ffi::av_buffer_ref(card.pool().as_ptr()))?
        };
        Ok(Self {
            input: Input::VaSurface,
            frame: Frame::new()?,
            staging: Some(staging),
            pool: Some(pool),
            card: Some(card),
        })
    }

    /// Whether it takes that frame where it lies.
    pub(super) fn takes(&self, frame: &VideoFrame) -> bool {
        self.card.as_ref().is_some_and(|card| card.suits(frame))
    }

    /// Converts that frame on its card, for [`Self::feed`] to hand it over.
    pub(super) fn bring(&mut self, frame: &VideoFrame) -> Result<(), AvError> {
        let card = self.card.as_mut().ok_or_else(|| AvError::new(-libc::EINVAL))?;
        // SAFETY: the frame is ours; what is still in it of a picture that was not handed over goes.
        unsafe { ffi::av_frame_unref(self.frame.as_ptr()) };
        card.bring(frame, &self.frame)
    }

    /// Hands what is fed to `send` as a frame of that time; `idr` asks for one.
    pub(super) fn feed(
        &mut self,
        fed: Fed<'_>,
        pts: i64,
        idr: bool,
        send: impl FnOnce(*mut ffi::AVFrame) -> c_int,
    ) -> Result<(), AvError> {
        match (fed, self.input) {
            // Brought already.
            (Fed::Surface(_), _) => {}
            (Fed::Picture(picture), Input::Lent) => self.lend(picture)?,
            (Fed::Picture(picture), Input::Planar | Input::Nv12) => fill(&self.frame, picture)?,
            (Fed::Picture(picture), Input::VaSurface) => self.upload(picture)?,
        }
        let frame = self.frame.as_ptr();
        // SAFETY: the frame is ours; the fields are plain data.
        unsafe {
            (*frame).pts = pts;
            (*frame).pict_type =
                if idr { ffi::AVPictureType::AV_PICTURE_TYPE_I } else { ffi::AVPictureType::AV_PICTURE_TYPE_NONE };
        }
        let result = check(send(frame));
        if self.input == Input::Lent {
            self.take_back();
        }
        if self.input == Input::VaSurface {
            // SAFETY: the frame is ours; the encoder holds a reference of its own to the surface.
            unsafe { ffi::av_frame_unref(frame) };
        }
        result.map(drop)
    }

    /// Points the frame at the caller's planes.
    fn lend(&mut self, picture: &Picture) -> Result<(), AvError> {
        let frame = self.frame.as_ptr();
        for (index, plane) in picture.planes.iter().enumerate() {
            let data = plane.data.as_ptr().cast_mut();
            // SAFETY: read-only memory that outlives the loan (`take_back` sees to it), with nothing to free.
            let buffer = Buffer::take(unsafe {
                ffi::av_buffer_create(
                    data,
                    plane.data.len(),
                    Some(nothing_to_free),
                    ptr::null_mut(),
                    ffi::AV_BUFFER_FLAG_READONLY,
                )
            })?;
            // SAFETY: the frame owns the reference from here on.
            unsafe {
                (*frame).buf[index] = buffer.as_ptr();
                (*frame).data[index] = data;
                (*frame).linesize[index] = stride(plane);
            }
            std::mem::forget(buffer);
        }
        // SAFETY: the frame is ours; the fields are plain data.
        unsafe {
            (*frame).width = picture.size.width as c_int;
            (*frame).height = picture.size.height as c_int;
            (*frame).format = self.input.pixel_format() as c_int;
        }
        Ok(())
    }

    /// Ends the loan.
    fn take_back(&mut self) {
        let frame = self.frame.as_ptr();
        // SAFETY: the three references were set by `lend`, or are NULL where it stopped half-way.
        let kept = unsafe {
            let kept = (0..3).any(|index| {
                let buffer = (*frame).buf[index];
                !buffer.is_null() && ffi::av_buffer_get_ref_count(buffer) > 1
            });
            ffi::av_frame_unref(frame);
            kept
        };
        // An encoder that kept the planes would read memory that the caller overwrites or frees. `Lent` stands in the
        // table only where this can't be, and going on would be unsound.
        assert!(!kept, "the encoder kept a picture that was only lent to it");
    }

    fn upload(&mut self, picture: &Picture) -> Result<(), AvError> {
        let (Some(staging), Some(pool)) = (&self.staging, &self.pool) else {
            return Err(AvError::new(-libc::EINVAL));
        };
        fill(staging, picture)?;
        let frame = self.frame.as_ptr();
        // SAFETY: pool and frames are alive; the surface is a fresh one out of the pool.
        unsafe {
            ffi::av_frame_unref(frame);
            check(ffi::av_hwframe_get_buffer(pool.as_ptr(), frame, 0))?;
            check(ffi::av_hwframe_transfer_data(frame, staging.as_ptr(), 0))?;
        }
        Ok(())
    }
}

unsafe extern "C" fn nothing_to_free(_opaque: *mut c_void, _data: *mut u8) {}

fn stride(plane: &Plane) -> c_int {
    c_int::try_from(plane.stride).unwrap_or(c_int::MAX)
}

/// Gives the frame memory of its own.
fn allocate(frame: &Frame, format: ffi::AVPixelFormat, size: Size) -> Result<(), AvError> {
    // SAFETY: the frame is ours and empty.
    unsafe {
        let raw = frame.as_ptr();
        (*raw).format = format as c_int;
        (*raw).width = size.width as c_int;
        (*raw).height = size.height as c_int;
        check(ffi::av_frame_get_buffer(raw, 0)).map(drop)
    }
}

/// Copies the picture into a frame of its size, as I420 or NV12; into fresh memory where an encoder still reads.
fn fill(frame: &Frame, picture: &Picture) -> Result<(), AvError> {
    let raw = frame.as_ptr();
    // SAFETY: the frame has memory of its own (`allocate`).
    check(unsafe { ffi::av_frame_make_writable(raw) })?;
    let (width, height) = (picture.size.width as usize, picture.size.height as usize);
    let [luma, u, v] = &picture.planes;
    // SAFETY: `allocate` gave each plane `linesize` × rows bytes for a picture of this size, which the encoder checks,
    // and they are ours alone since `av_frame_make_writable`.
    unsafe {
        copy_rows(luma, width, height, (*raw).data[0], (*raw).linesize[0] as usize);
        if (*raw).format == ffi::AVPixelFormat::AV_PIX_FMT_NV12 as c_int {
            for row in 0..height / 2 {
                let target = (*raw).data[1].add(row * (*raw).linesize[1] as usize);
                let target = std::slice::from_raw_parts_mut(target, width);
                let (u, v) = (&u.data[row * u.stride..], &v.data[row * v.stride..]);
                for (pair, (u, v)) in target.chunks_exact_mut(2).zip(u.iter().zip(v)) {
                    pair[0] = *u;
                    pair[1] = *v;
                }
            }
        } else {
            copy_rows(u, width / 2, height / 2, (*raw).data[1], (*raw).linesize[1] as usize);
            copy_rows(v, width / 2, height / 2, (*raw).data[2], (*raw).linesize[2] as usize);
        }
    }
    Ok(())
}

/// # Safety
/// `target` must hold `rows` rows of `target_stride` bytes, and `target_stride` be at least `width`.
unsafe fn copy_rows(plane: &Plane, width: usize, rows: usize, target: *mut u8, target_stride: usize) {
    for row in 0..rows {
        let source = &plane.data[row * plane.stride..][..width];
        // SAFETY: the caller's promise.
        unsafe { ptr::copy_nonoverlapping(source.as_ptr(), target.add(row * target_stride), width) };
    }
}

/// Opens the first VA-API device that answers and makes surfaces on it for `context`.
fn va_surfaces(size: Size, context: &Context) -> Result<Buffer, AvError> {
    /// libavcodec's own examples use as many; an encoder without B-frames holds two or three.
    const SURFACES: c_int = 20;
    let device = surfaces::device(ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_VAAPI, None)?;
    let format = ffi::AVPixelFormat::AV_PIX_FMT_VAAPI;
    let pool = surfaces::frames(&device, format, size, |frames| frames.initial_pool_size = SURFACES)?;
    // SAFETY: the codec context takes a reference of its own.
    unsafe { (*context.as_ptr()).hw_frames_ctx = Buffer::take(ffi::av_buffer_ref(pool.as_ptr()))?.into_raw() };
    Ok(pool)
}
