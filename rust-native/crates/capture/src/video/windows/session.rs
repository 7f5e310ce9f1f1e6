//! One run of the Graphics Capture API: frames arrive on its own thread and wait in the GPU for ours.
//!
//! The API's thread only copies the newest frame to a texture that the processor may read; whoever wants the picture
//! reads it in its own time. A frame that is overtaken costs a copy inside the GPU and nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use media::{Clock, MediaTime, MonotonicClock, Size};
use parking_lot::{Condvar, Mutex};
use windows::Win32::Graphics::Direct3D11::{
    D3D11_MAP_READ, D3D11_MAPPED_SUBRESOURCE, ID3D11Device, ID3D11DeviceContext, ID3D11Multithread,
};
use windows::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows::core::Interface;
use windows_capture::capture::{CaptureControl, Context, GraphicsCaptureApiError, GraphicsCaptureApiHandler};
use windows_capture::d3d11::StagingTexture;
use windows_capture::frame::Frame;
use windows_capture::graphics_capture_api::{self, GraphicsCaptureApi, InternalCaptureControl};
use windows_capture::settings::{
    ColorFormat, CursorCaptureSettings, DirtyRegionSettings, DrawBorderSettings, MinimumUpdateIntervalSettings,
    SecondaryWindowSettings, Settings,
};

use super::target::Target;
use crate::video::pool::copy_rows;
use crate::video::tone_map::ToneMap;
use crate::video::{Rect, VideoError, stamps};

/// What the API's thread tells ours.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// A frame that nobody has read yet: when it was made, and when the first one came that it stands for.
    pending: Option<Pending>,
    /// The window was closed or the monitor unplugged.
    closed: bool,
    /// The owner wants to be heard.
    woken: bool,
}

/// A frame that lies in the GPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub(super) captured_at: MediaTime,
    /// When the first change since the last picture came.
    pub(super) wanted: MediaTime,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct News {
    pub(super) pending: Option<Pending>,
    pub(super) closed: bool,
}

impl Arrivals {
    /// Waits until `deadline` for a frame (only while `for_frames`), the end, or a [`Self::wake`].
    pub(super) fn wait(&self, deadline: Instant, for_frames: bool) -> News {
        let mut state = self.state.lock();
        while !(state.closed || state.woken || (for_frames && state.pending.is_some())) {
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        state.woken = false;
        News { pending: state.pending, closed: state.closed }
    }

    /// Ends the present or next wait.
    pub(super) fn wake(&self) {
        self.state.lock().woken = true;
        self.changed.notify_all();
    }

    fn put(&self, captured_at: MediaTime) {
        let mut state = self.state.lock();
        let wanted = state.pending.map_or_else(|| MonotonicClock.now(), |pending| pending.wanted);
        state.pending = Some(Pending { captured_at, wanted });
        self.changed.notify_all();
    }

    fn take(&self) -> Option<Pending> {
        self.state.lock().pending.take()
    }

    fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }
}

/// What a session is started with.
pub(super) struct Flags {
    arrivals: Arc<Arrivals>,
    /// The API names the regions that changed: a frame with none is no news.
    names_regions: bool,
}

/// The API's end: lives behind the mutex that windows-capture keeps around it.
pub(super) struct Frames {
    device: ID3D11Device,
    context: ID3D11DeviceContext,
    arrivals: Arc<Arrivals>,
    names_regions: bool,
    staging: Option<StagingTexture>,
}

impl GraphicsCaptureApiHandler for Frames {
    type Flags = Flags;
    type Error = VideoError;

    fn new(context: Context<Flags>) -> Result<Self, VideoError> {
        let Context { flags, device, device_context } = context;
        // Two threads use the context: the API's and ours.
        let shared = device_context.cast::<ID3D11Multithread>().map_err(|error| refused(&error))?;
        // SAFETY: a plain call on a live object.
        let _ = unsafe { shared.SetMultithreadProtected(true) };
        let Flags { arrivals, names_regions } = flags;
        Ok(Self { device, context: device_context, arrivals, names_regions, staging: None })
    }

    fn on_frame_arrived(&mut self, frame: &mut Frame<'_>, _: InternalCaptureControl) -> Result<(), VideoError> {
        let desc = *frame.desc();
        let fits = |staging: &StagingTexture| {
            let old = staging.desc();
            (old.Width, old.Height, old.Format) == (desc.Width, desc.Height, desc.Format)
        };
        let is_first = self.staging.is_none();
        if !is_first && self.names_regions && frame.dirty_regions().is_ok_and(|regions| regions.is_empty()) {
            return Ok(());
        }
        let staging = match self.staging.take().filter(fits) {
            Some(staging) => staging,
            None => StagingTexture::new(&self.device, desc.Width, desc.Height, desc.Format)
                .map_err(|error| VideoError::GraphicsDevice(error.to_string()))?,
        };
        // SAFETY: both textures are of one size and format, and `read` leaves the staging one unmapped.
        unsafe { self.context.CopyResource(staging.texture(), frame.as_raw_texture()) };
        self.staging = Some(staging);
        // 100 ns units of the performance counter.
        let stamp = frame.timestamp().map(|stamp| i128::from(stamp.Duration) * 100);
        let now = MonotonicClock.now();
        self.arrivals.put(match (stamp, counter()) {
            (Ok(stamp), Some(counter)) => stamps::captured_at(stamp, counter, now),
            _ => now,
        });
        Ok(())
    }

    fn on_closed(&mut self) -> Result<(), VideoError> {
        self.arrivals.close();
        Ok(())
    }
}

impl Frames {
    fn size(&self) -> Option<Size> {
        self.staging.as_ref().map(|staging| Size { width: staging.desc().Width, height: staging.desc().Height })
    }

    /// Writes the newest frame as BGRA rows of `width * 4` bytes; waits until the GPU has finished copying it.
    fn read(&self, tone_map: Option<&ToneMap>, part: Rect, to: &mut [u8]) -> Result<(), VideoError> {
        let Some(staging) = &self.staging else { return Ok(()) };
        let (width, height) = (part.width as usize, staging.desc().Height as usize);
        let mut mapped = D3D11_MAPPED_SUBRESOURCE::default();
        // SAFETY: a staging texture that the processor may read, mapped once at a time (`&mut` callers only, behind
        // the session's mutex), and `mapped` is writable.
        unsafe { self.context.Map(staging.texture(), 0, D3D11_MAP_READ, 0, Some(&raw mut mapped)) }
            .map_err(|error| VideoError::GraphicsDevice(error.to_string()))?;
        let pitch = mapped.RowPitch as usize;
        // SAFETY: a mapped texture has `height` rows, `RowPitch` bytes apart, until it is unmapped below.
        let from = unsafe { std::slice::from_raw_parts(mapped.pData.cast::<u8>(), pitch * height) };
        let bytes = if tone_map.is_some() { 8 } else { 4 };
        // The part lies in the picture: see `Session::read`.
        let start = part.y as usize * pitch + part.x as usize * bytes;
        let from = from.get(start..).unwrap_or_default();
        match tone_map {
            Some(map) => {
                for (from, to) in from.chunks(pitch.max(1)).zip(to.chunks_exact_mut(width.max(1) * 4)) {
                    map.convert_row(&from[..(width * bytes).min(from.len())], to);
                }
            }
            None => copy_rows(from, pitch, to, width * 4),
        }
        // SAFETY: mapped above; `from` is not used any more.
        unsafe { self.context.Unmap(staging.texture(), 0) };
        Ok(())
    }
}

/// A running session; ends when it is dropped.
pub(super) struct Session {
    control: Option<CaptureControl<Frames, VideoError>>,
    arrivals: Arc<Arrivals>,
    tone_map: Option<ToneMap>,
}

impl Session {
    /// # Errors
    /// `system_too_old`, `graphics_device`, `display_refused`.
    pub(super) fn start(
        target: Target,
        cursor: bool,
        tone_map: Option<ToneMap>,
        arrivals: Arc<Arrivals>,
    ) -> Result<Self, VideoError> {
        // Frames of an earlier session lie in its own device.
        arrivals.take();
        let names_regions = GraphicsCaptureApi::is_dirty_region_supported().unwrap_or(false);
        let options = Options { cursor, names_regions, is_hdr: tone_map.is_some() };
        let flags = Flags { arrivals: Arc::clone(&arrivals), names_regions };
        let control = match target {
            Target::Monitor(monitor) => Frames::start_free_threaded(options.settings(monitor, flags)),
            Target::Window(window) => Frames::start_free_threaded(options.settings(window, flags)),
        };
        Ok(Self { control: Some(control.map_err(failure)?), arrivals, tone_map })
    }

    pub(super) fn tone_map(&self) -> Option<&ToneMap> {
        self.tone_map.as_ref()
    }

    /// The newest frame's size, and the frame itself through `write`, which is given a reader for its bytes. Of `part`
    /// only, where it is given, as far as the frame reaches.
    pub(super) fn read<T>(
        &self,
        part: Option<Rect>,
        write: impl FnOnce(Size, &dyn Fn(&mut [u8]) -> Result<(), VideoError>) -> Result<Option<T>, VideoError>,
    ) -> Result<Option<(T, Pending)>, VideoError> {
        let Some(control) = &self.control else { return Ok(None) };
        let frames = control.callback();
        // Held over the read: the next frame must not be copied into the texture meanwhile.
        let frames = frames.lock();
        let Some(size) = frames.size() else { return Ok(None) };
        let whole = Rect { x: 0, y: 0, width: size.width, height: size.height };
        let part = part.map_or(Some(whole), |part| part.intersection(whole)).ok_or(VideoError::RegionOutside)?;
        let size = Size { width: part.width, height: part.height };
        let written = write(size, &|to| frames.read(self.tone_map.as_ref(), part, to))?;
        // Where no buffer was free the frame stays pending.
        Ok(written.and_then(|written| Some((written, self.arrivals.take()?))))
    }

    /// Why the API's thread has ended by itself; `None` while it runs.
    pub(super) fn ended(&mut self) -> Option<VideoError> {
        if !self.control.as_ref()?.is_finished() {
            return None;
        }
        let ended = self.control.take()?.into_thread_handle().join();
        Some(match ended {
            Ok(Ok(())) => VideoError::SourceClosed,
            Ok(Err(error)) => failure(error),
            Err(_) => VideoError::Thread("the capture API's thread panicked".to_owned()),
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(control) = self.control.take()
            && let Err(error) = control.stop()
        {
            tracing::debug!(%error, "the capture session did not end cleanly");
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Options {
    cursor: bool,
    names_regions: bool,
    is_hdr: bool,
}

impl Options {
    fn settings<T>(self, item: T, flags: Flags) -> Settings<Flags, T>
    where
        T: TryInto<windows_capture::settings::GraphicsCaptureItemType>,
    {
        // What an older Windows can't be told stays as it is there: with the pointer, with the yellow border.
        let can = |supported: Result<bool, graphics_capture_api::Error>| supported.unwrap_or(false);
        let cursor = match (can(GraphicsCaptureApi::is_cursor_settings_supported()), self.cursor) {
            (false, _) => CursorCaptureSettings::Default,
            (true, true) => CursorCaptureSettings::WithCursor,
            (true, false) => CursorCaptureSettings::WithoutCursor,
        };
        let border = if can(GraphicsCaptureApi::is_border_settings_supported()) {
            DrawBorderSettings::WithoutBorder
        } else {
            DrawBorderSettings::Default
        };
        // The system's own limit is 60 a second: faster monitors and rates need a shorter one.
        let interval = if can(GraphicsCaptureApi::is_minimum_update_interval_supported()) {
            MinimumUpdateIntervalSettings::Custom(Duration::from_millis(1))
        } else {
            MinimumUpdateIntervalSettings::Default
        };
        let regions = if self.names_regions { DirtyRegionSettings::ReportOnly } else { DirtyRegionSettings::Default };
        let format = if self.is_hdr { ColorFormat::Rgba16F } else { ColorFormat::Bgra8 };
        Settings::new(item, cursor, border, SecondaryWindowSettings::Default, interval, regions, format, flags)
    }
}

fn failure(error: GraphicsCaptureApiError<VideoError>) -> VideoError {
    use graphics_capture_api::Error as Api;
    match error {
        GraphicsCaptureApiError::NewHandlerError(error) | GraphicsCaptureApiError::FrameHandlerError(error) => error,
        GraphicsCaptureApiError::GraphicsCaptureApiError(Api::Unsupported) => VideoError::SystemTooOld,
        GraphicsCaptureApiError::DirectXError(error)
        | GraphicsCaptureApiError::GraphicsCaptureApiError(Api::DirectXError(error)) => {
            VideoError::GraphicsDevice(error.to_string())
        }
        GraphicsCaptureApiError::ItemConvertFailed => VideoError::SourceClosed,
        other => VideoError::Refused(other.to_string()),
    }
}

fn refused(error: &windows::core::Error) -> VideoError {
    VideoError::Refused(error.to_string())
}

/// The performance counter, nanoseconds.
pub(in crate::video) fn counter() -> Option<i128> {
    let (mut count, mut per_second) = (0, 0);
    // SAFETY: both are writable.
    unsafe {
        QueryPerformanceCounter(&raw mut count).ok()?;
        QueryPerformanceFrequency(&raw mut per_second).ok()?;
    }
    Some(stamps::nanos(count, per_second))
}
