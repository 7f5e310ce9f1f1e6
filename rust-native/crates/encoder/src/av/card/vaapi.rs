//! DMA-BUFs into surfaces of VA-API: libavfilter's filters import a frame, scale it and make NV12 of it, all on the card.
//!
//! Which card a frame lies on nobody says. So the render nodes are tried in turn, each with the frame itself: the first
//! one that takes it is the encoder's from then on.

use std::ffi::{CStr, CString, c_int, c_void};
use std::path::Path;
use std::ptr::{self, NonNull};

use ffmpeg_next::ffi;
use media::{Native, Size, VideoFrame};

use crate::av::log;
use crate::av::raw::{AvError, Buffer, Frame, check};
use crate::av::surfaces;

/// What the names of those encoders in libavcodec end with that read surfaces of VA-API. The others have surfaces of
/// their own (nvenc), or wrap these (qsv).
const ENCODERS: &str = "_vaapi";
/// As many as FFmpeg looks at by itself.
const NODES: std::ops::Range<u32> = 128..136;
/// `DRM_FORMAT_XRGB8888`, `DRM_FORMAT_XBGR8888`.
const XRGB8888: u32 = u32::from_le_bytes(*b"XR24");
const XBGR8888: u32 = u32::from_le_bytes(*b"XB24");

unsafe extern "C" {
    /// `va/va.h`; linked for libavutil anyway. Waits until nothing works on the surface any more.
    fn vaSyncSurface(display: *mut c_void, surface: u32) -> c_int;
}

/// How frames lie, as far as an import depends on it; from one to the next their pitch and offset may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    fourcc: u32,
    modifier: u64,
}

impl Kind {
    fn of(frame: &VideoFrame) -> Option<Self> {
        match frame.pixels.surface()?.native() {
            Native::DmaBuf { fourcc, modifier, .. } => Some(Self { fourcc, modifier }),
            _ => None,
        }
    }

    /// What libavutil calls it in memory.
    fn in_memory(self) -> Option<ffi::AVPixelFormat> {
        match self.fourcc {
            XRGB8888 => Some(ffi::AVPixelFormat::AV_PIX_FMT_BGR0),
            XBGR8888 => Some(ffi::AVPixelFormat::AV_PIX_FMT_RGB0),
            _ => None,
        }
    }
}

/// Frames of one kind and size into surfaces of one size.
#[derive(Debug)]
pub(super) struct Converter {
    kind: Kind,
    filters: Filters,
    /// What frames come from, an `AVHWFramesContext`.
    frames: Buffer,
    /// What they become.
    pool: Buffer,
    /// A filter that failed takes no further frame.
    failed: bool,
}

impl Converter {
    pub(super) fn new(frame: &VideoFrame, size: Size, encoder: &str) -> Result<Self, String> {
        if !encoder.ends_with(ENCODERS) {
            return Err("on this system frames on a graphics card reach the encoders of VA-API alone".to_owned());
        }
        let kind = Kind::of(frame).ok_or("the frame is no DMA-BUF")?;
        let in_memory = kind.in_memory().ok_or("nobody here knows the order of its channels")?;
        let nodes = NODES.map(|number| format!("/dev/dri/renderD{number}")).filter(|node| Path::new(node).exists());
        let mut refusals = Vec::new();
        for node in nodes {
            let (result, complaints) = log::collect(|| Self::on(&node, kind, in_memory, frame, size));
            match result {
                Ok(this) => return Ok(this),
                // What FFmpeg complained about says more than the code it returned.
                Err(error) if complaints.is_empty() => refusals.push(format!("{node}: {}", error.text)),
                Err(_) => refusals.push(format!("{node}: {}", complaints.join(", "))),
            }
        }
        let none = "there is no graphics card (/dev/dri/renderD128 and on)";
        Err(if refusals.is_empty() { none.to_owned() } else { refusals.join("; ") })
    }

    /// On that card, proved by converting the frame: drivers refuse as late as that.
    fn on(
        node: &str,
        kind: Kind,
        in_memory: ffi::AVPixelFormat,
        frame: &VideoFrame,
        size: Size,
    ) -> Result<Self, AvError> {
        let card = card(node)?;
        let frames = lent_frames(in_memory, frame.size)?;
        let filters = Filters::new(&card, &frames, frame.size, size)?;
        let pool = filters.pool()?;
        let mut this = Self { kind, filters, frames, pool, failed: false };
        this.bring(frame, &Frame::new()?)?;
        Ok(this)
    }

    pub(super) fn suits(&self, frame: &VideoFrame) -> bool {
        !self.failed && Kind::of(frame) == Some(self.kind)
    }

    pub(super) fn pool(&self) -> &Buffer {
        &self.pool
    }

    pub(super) fn bring(&mut self, frame: &VideoFrame, to: &Frame) -> Result<(), AvError> {
        let result = described(frame, &self.frames).and_then(|input| self.filters.run(&input, to));
        self.failed = result.is_err();
        result
    }
}

/// The VA-API device behind a render node.
fn card(node: &str) -> Result<Buffer, AvError> {
    let node = CString::new(node).map_err(|_| AvError::new(-libc::EINVAL))?;
    surfaces::device(ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_VAAPI, Some(&node))
}

/// The frames context of frames that somebody else made: it says what they are, and makes none.
fn lent_frames(in_memory: ffi::AVPixelFormat, size: Size) -> Result<Buffer, AvError> {
    // SAFETY: devices begin as the struct that their buffer's data points to, a DRM device has the struct of its kind; it
    // is filled before it is initialised.
    let device = unsafe {
        let device = Buffer::take(ffi::av_hwdevice_ctx_alloc(ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_DRM))?;
        let of_drm = (*(*device.as_ptr()).data.cast::<ffi::AVHWDeviceContext>()).hwctx;
        // No device is needed to pass descriptors on.
        (*of_drm.cast::<ffi::AVDRMDeviceContext>()).fd = -1;
        check(ffi::av_hwdevice_ctx_init(device.as_ptr()))?;
        device
    };
    surfaces::frames(&device, ffi::AVPixelFormat::AV_PIX_FMT_DRM_PRIME, size, |frames| frames.sw_format = in_memory)
}

/// The frame as libavutil describes one. It names the frame's memory and does not keep it.
fn described(frame: &VideoFrame, frames: &Buffer) -> Result<Frame, AvError> {
    let native = frame.pixels.surface().map(media::Surface::native);
    let Some(Native::DmaBuf { fd, bytes, offset, pitch, fourcc, modifier }) = native else {
        return Err(AvError::new(-libc::EINVAL));
    };
    let described = Frame::new()?;
    // SAFETY: the descriptor lies in a buffer of its size, zeroed and aligned for any type, which the frame owns from
    // here on; the rest are plain fields of a frame that is ours.
    unsafe {
        let buffer = Buffer::take(ffi::av_buffer_allocz(size_of::<ffi::AVDRMFrameDescriptor>()))?;
        let descriptor = (*buffer.as_ptr()).data.cast::<ffi::AVDRMFrameDescriptor>();
        (*descriptor).nb_objects = 1;
        (*descriptor).objects[0] = ffi::AVDRMObjectDescriptor { fd, size: bytes as usize, format_modifier: modifier };
        (*descriptor).nb_layers = 1;
        let layer = &raw mut (*descriptor).layers[0];
        (*layer).format = fourcc;
        (*layer).nb_planes = 1;
        (*layer).planes[0] =
            ffi::AVDRMPlaneDescriptor { object_index: 0, offset: offset as isize, pitch: pitch as isize };
        let raw = described.as_ptr();
        (*raw).data[0] = descriptor.cast();
        (*raw).buf[0] = buffer.into_raw();
        (*raw).hw_frames_ctx = Buffer::take(ffi::av_buffer_ref(frames.as_ptr()))?.into_raw();
        (*raw).format = ffi::AVPixelFormat::AV_PIX_FMT_DRM_PRIME as c_int;
        (*raw).width = frame.size.width as c_int;
        (*raw).height = frame.size.height as c_int;
        (*raw).color_range = ffi::AVColorRange::AVCOL_RANGE_JPEG;
        (*raw).colorspace = ffi::AVColorSpace::AVCOL_SPC_RGB;
        // The curve is called what it is called in the stream, as it is for pictures in memory: what is said of the
        // two sides differs in matrix and range alone, or some drivers would bend the curve as well.
        (*raw).color_primaries = ffi::AVColorPrimaries::AVCOL_PRI_BT709;
        (*raw).color_trc = ffi::AVColorTransferCharacteristic::AVCOL_TRC_BT709;
    }
    Ok(described)
}

/// Filters in a row, from where frames are pushed in to where surfaces come out.
#[derive(Debug)]
struct Filters {
    _graph: Graph,
    source: NonNull<ffi::AVFilterContext>,
    sink: NonNull<ffi::AVFilterContext>,
}

// SAFETY: the ends belong to the graph, whose filters have no home thread and start no threads of their own; `&mut` keeps
// their use to one at a time.
unsafe impl Send for Filters {}

impl Filters {
    fn new(card: &Buffer, frames: &Buffer, from: Size, to: Size) -> Result<Self, AvError> {
        let graph = Graph::new()?;
        let (source, import) = (graph.add(c"buffer")?, graph.add(c"hwmap")?);
        let (convert, sink) = (graph.add(c"scale_vaapi")?, graph.add(c"buffersink")?);
        let conversion = format!("w={}:h={}:format=nv12:out_color_matrix=bt709:out_range=tv", to.width, to.height);
        let conversion = CString::new(conversion).map_err(|_| AvError::new(-libc::EINVAL))?;
        describe_source(source, frames, from)?;
        // SAFETY: filters of this graph, each set up once and before they are linked; the texts are NUL-terminated and
        // copied, the reference to the card is the filter's.
        unsafe {
            check(ffi::avfilter_init_str(source.as_ptr(), ptr::null()))?;
            (*import.as_ptr()).hw_device_ctx = Buffer::take(ffi::av_buffer_ref(card.as_ptr()))?.into_raw();
            check(ffi::avfilter_init_str(import.as_ptr(), c"mode=read".as_ptr()))?;
            check(ffi::avfilter_init_str(convert.as_ptr(), conversion.as_ptr()))?;
            check(ffi::avfilter_init_str(sink.as_ptr(), ptr::null()))?;
            for pair in [source, import, convert, sink].windows(2) {
                check(ffi::avfilter_link(pair[0].as_ptr(), 0, pair[1].as_ptr(), 0))?;
            }
            check(ffi::avfilter_graph_config(graph.0.as_ptr(), ptr::null_mut()))?;
        }
        Ok(Self { _graph: graph, source, sink })
    }

    /// The surfaces that come out.
    fn pool(&self) -> Result<Buffer, AvError> {
        // SAFETY: of a graph that is configured; the reference that is taken is a new one.
        unsafe {
            let pool = ffi::av_buffersink_get_hw_frames_ctx(self.sink.as_ptr());
            if pool.is_null() {
                return Err(AvError::new(-libc::ENOSYS));
            }
            Buffer::take(ffi::av_buffer_ref(pool))
        }
    }

    /// One frame through all of them. When this returns nothing reads the frame's memory any more, here or on the
    /// card: whoever lent it may have it back.
    fn run(&mut self, frame: &Frame, to: &Frame) -> Result<(), AvError> {
        // SAFETY: both ends belong to the graph, which is configured. What the frame holds is moved into the graph, which
        // drops it with the surface it was imported as, before the push returns. `to` is empty.
        unsafe {
            let push = ffi::AV_BUFFERSRC_FLAG_PUSH as c_int;
            check(ffi::av_buffersrc_add_frame_flags(self.source.as_ptr(), frame.as_ptr(), push))?;
            check(ffi::av_buffersink_get_frame(self.sink.as_ptr(), to.as_ptr()))?;
        }
        await_card(to)
    }
}

/// Until the card has drawn that surface.
fn await_card(surface: &Frame) -> Result<(), AvError> {
    // SAFETY: a surface of VA-API with the frames context that it is from, and that one with its device.
    let status = unsafe {
        let raw = surface.as_ptr();
        if (*raw).hw_frames_ctx.is_null() {
            return Err(AvError::new(-libc::EINVAL));
        }
        let frames = (*(*raw).hw_frames_ctx).data.cast::<ffi::AVHWFramesContext>();
        let device = (*(*frames).device_ctx).hwctx.cast::<ffi::AVVAAPIDeviceContext>();
        // As `pixfmt.h` has it: the number of the surface is in the fourth pointer.
        vaSyncSurface((*device).display, (*raw).data[3].addr() as u32)
    };
    if status == 0 { Ok(()) } else { Err(AvError::new(ffi::AVERROR_EXTERNAL)) }
}

/// Says what will be pushed in.
fn describe_source(source: NonNull<ffi::AVFilterContext>, frames: &Buffer, size: Size) -> Result<(), AvError> {
    // SAFETY: a fresh `buffer` filter; the parameters are ours, and of the frames context it takes a reference of its own.
    unsafe {
        let parameters = ffi::av_buffersrc_parameters_alloc();
        if parameters.is_null() {
            return Err(AvError::new(-libc::ENOMEM));
        }
        (*parameters).format = ffi::AVPixelFormat::AV_PIX_FMT_DRM_PRIME as c_int;
        (*parameters).width = size.width as c_int;
        (*parameters).height = size.height as c_int;
        // Any would do: nothing here looks at the time.
        (*parameters).time_base = ffi::AVRational { num: 1, den: 1_000_000 };
        (*parameters).sample_aspect_ratio = ffi::AVRational { num: 1, den: 1 };
        (*parameters).hw_frames_ctx = frames.as_ptr();
        let result = ffi::av_buffersrc_parameters_set(source.as_ptr(), parameters);
        ffi::av_free(parameters.cast());
        check(result).map(drop)
    }
}

/// Owns its filters.
#[derive(Debug)]
struct Graph(NonNull<ffi::AVFilterGraph>);

impl Graph {
    fn new() -> Result<Self, AvError> {
        // SAFETY: no arguments; the field is plain data.
        unsafe {
            let graph = NonNull::new(ffi::avfilter_graph_alloc()).ok_or_else(|| AvError::new(-libc::ENOMEM))?;
            // The card does the work: a thread per core would only be there.
            (*graph.as_ptr()).nb_threads = 1;
            Ok(Self(graph))
        }
    }

    fn add(&self, name: &CStr) -> Result<NonNull<ffi::AVFilterContext>, AvError> {
        // SAFETY: a NUL-terminated name, of a filter and for one in the graph; the answer is a static of libavfilter.
        unsafe {
            let filter = ffi::avfilter_get_by_name(name.as_ptr());
            if filter.is_null() {
                return Err(AvError::new(ffi::AVERROR_FILTER_NOT_FOUND));
            }
            let added = ffi::avfilter_graph_alloc_filter(self.0.as_ptr(), filter, name.as_ptr());
            NonNull::new(added).ok_or_else(|| AvError::new(-libc::ENOMEM))
        }
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        let mut graph = self.0.as_ptr();
        // SAFETY: this is the only owner, and it is going away, and the filters with it.
        unsafe { ffi::avfilter_graph_free(&mut graph) };
    }
}

#[cfg(test)]
#[path = "vaapi_tests.rs"]
mod tests;
