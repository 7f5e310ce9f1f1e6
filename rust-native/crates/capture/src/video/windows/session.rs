//! One run of the Graphics Capture API: frames arrive on its own thread and wait in the GPU for ours.
//!
//! The API's thread only copies the newest frame to a texture of ours: one that the processor may read, or while
//! pictures are to stay in the card, one that lies there. Whoever wants the picture takes it in its own time. A frame
//! that is overtaken costs a copy inside the GPU and nothing else.

use std::sync::Arc;
use std::time::Duration;

use media::{Clock, MonotonicClock, PixelBuffer, Size};
use windows::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows_capture::capture::{CaptureControl, Context, GraphicsCaptureApiError, GraphicsCaptureApiHandler};
use windows_capture::frame::Frame;
use windows_capture::graphics_capture_api::{self, GraphicsCaptureApi, InternalCaptureControl};
use windows_capture::settings::{
    ColorFormat, CursorCaptureSettings, DirtyRegionSettings, DrawBorderSettings, MinimumUpdateIntervalSettings,
    SecondaryWindowSettings, Settings,
};

use super::arrivals::{Arrivals, Pending};
use super::target::Target;
use super::textures::{Device, Place, Texture, Textures};
use crate::video::pool::copy_rows;
use crate::video::tone_map::ToneMap;
use crate::video::{Rect, VideoError, stamps};

/// What a session is started with.
pub(super) struct Flags {
    arrivals: Arc<Arrivals>,
    /// The API names the regions that changed: a frame with none is no news.
    names_regions: bool,
}

/// The API's end: lives behind the mutex that windows-capture keeps around it.
pub(super) struct Frames {
    device: Device,
    arrivals: Arc<Arrivals>,
    names_regions: bool,
    newest: Option<Texture>,
    /// Where the next one is kept. Either way it can be had from both places, which then costs a copy.
    place: Place,
}

impl GraphicsCaptureApiHandler for Frames {
    type Flags = Flags;
    type Error = VideoError;

    fn new(context: Context<Flags>) -> Result<Self, VideoError> {
        let Context { flags, device, device_context } = context;
        let device = Device::share(device, device_context).map_err(|error| refused(&error))?;
        let Flags { arrivals, names_regions } = flags;
        Ok(Self { device, arrivals, names_regions, newest: None, place: Place::Staging })
    }

    fn on_frame_arrived(&mut self, frame: &mut Frame<'_>, _: InternalCaptureControl) -> Result<(), VideoError> {
        let (size, format) = (Size { width: frame.desc().Width, height: frame.desc().Height }, frame.desc().Format);
        let is_first = self.newest.is_none();
        if !is_first && self.names_regions && frame.dirty_regions().is_ok_and(|regions| regions.is_empty()) {
            return Ok(());
        }
        let newest = match self.newest.take().filter(|newest| newest.is(size, format, self.place)) {
            Some(newest) => newest,
            None => self.device.texture(size, format, self.place)?,
        };
        self.device.copy(frame.as_raw_texture(), &newest);
        self.newest = Some(newest);
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
    /// The newest frame, and `part` of it as far as it reaches; all of it where there is no `part`.
    fn newest(&self, part: Option<Rect>) -> Result<Option<(&Texture, Rect)>, VideoError> {
        let Some(newest) = &self.newest else { return Ok(None) };
        let Size { width, height } = newest.size();
        let whole = Rect { x: 0, y: 0, width, height };
        let part = part.map_or(Some(whole), |part| part.intersection(whole)).ok_or(VideoError::RegionOutside)?;
        Ok(Some((newest, part)))
    }

    /// Writes a part of the newest frame as BGRA rows of `width * 4` bytes; waits until the GPU has finished with it.
    fn read(&self, newest: &Texture, tone_map: Option<&ToneMap>, part: Rect, to: &mut [u8]) -> Result<(), VideoError> {
        let width = part.width as usize;
        self.device.read(newest, |from, pitch| {
            let bytes = if tone_map.is_some() { 8 } else { 4 };
            // The part lies in the picture: see `newest`.
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
        })
    }
}

/// Writes the pixels that it was made for: BGRA, rows from the top, without padding.
type Reader<'a> = dyn Fn(&mut [u8]) -> Result<(), VideoError> + 'a;

/// A running session; ends when it is dropped.
pub(super) struct Session {
    control: Option<CaptureControl<Frames, VideoError>>,
    arrivals: Arc<Arrivals>,
    tone_map: Option<ToneMap>,
    /// While pictures are to stay in the card.
    textures: Option<Textures>,
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
        Ok(Self { control: Some(control.map_err(failure)?), arrivals, tone_map, textures: None })
    }

    pub(super) fn tone_map(&self) -> Option<&ToneMap> {
        self.tone_map.as_ref()
    }

    /// Leaves pictures in the card from now on, or brings them into memory. Those of an HDR desktop come into memory
    /// always: they are brought to SDR there.
    pub(super) fn set_surfaces(&mut self, surfaces: bool) {
        let surfaces = surfaces && self.tone_map.is_none();
        self.textures = surfaces.then(Textures::new);
        if let Some(control) = &self.control {
            control.callback().lock().place = if surfaces { Place::Card } else { Place::Staging };
        }
    }

    /// The newest frame's size, and the frame itself: in the card where pictures are left there, else through `write`,
    /// which is given a reader for its bytes. Of `part` only, where it is given, as far as the frame reaches.
    pub(super) fn take(
        &mut self,
        part: Option<Rect>,
        write: impl FnOnce(Size, &Reader<'_>) -> Result<Option<PixelBuffer>, VideoError>,
    ) -> Result<Option<(Size, PixelBuffer, Pending)>, VideoError> {
        let Some(control) = &self.control else { return Ok(None) };
        let frames = control.callback();
        // Held over the read: the next frame must not be copied into the texture meanwhile.
        let frames = frames.lock();
        let Some((newest, part)) = frames.newest(part)? else { return Ok(None) };
        let size = Size { width: part.width, height: part.height };
        let pixels = match &mut self.textures {
            Some(textures) => textures.lend(&frames.device, newest, part)?,
            None => write(size, &|to| frames.read(newest, self.tone_map.as_ref(), part, to))?,
        };
        // Where no buffer was free the frame stays pending.
        Ok(pixels.and_then(|pixels| Some((size, pixels, self.arrivals.take()?))))
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
