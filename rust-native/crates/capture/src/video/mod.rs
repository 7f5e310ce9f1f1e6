//! Picture sources as frames: what there is, a small picture of each, and a capture that runs by itself.
//!
//! A capture is one named thread that sleeps until its source says that something changed; a screen that rests
//! costs nothing. It does not scale, and a screen's pixels are those that the display server wrote. Which room
//! a source belongs to is told by its id: `generated` for what no device gives, `camera`, else the system's screens.

mod backend;
#[cfg(any(target_os = "linux", target_os = "windows", target_os = "macos"))]
mod camera;
#[cfg(not(any(target_os = "linux", target_os = "windows", target_os = "macos")))]
#[path = "camera/unsupported.rs"]
mod camera;
mod canvas;
mod card;
#[cfg(any(target_os = "windows", target_os = "macos", test))]
mod desktop_follow;
#[cfg(any(target_os = "windows", target_os = "macos", test))]
mod desktop_id;
mod error;
#[cfg(any(target_os = "linux", target_os = "windows", target_os = "macos", test))]
mod full_screen;
mod generated;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(any(target_os = "linux", target_os = "windows", target_os = "macos", test))]
mod pacing;
#[cfg(any(target_os = "linux", target_os = "windows", target_os = "macos", test))]
mod pool;
mod rect;
#[cfg(any(target_os = "linux", target_os = "windows", target_os = "macos", test))]
mod region;
#[cfg(any(target_os = "windows", target_os = "macos"))]
mod screens;
mod shrink;
mod spec;
#[cfg(any(target_os = "linux", target_os = "windows", target_os = "macos", test))]
mod stamps;
#[cfg(any(target_os = "windows", test))]
mod tone_map;
#[cfg(not(any(target_os = "linux", target_os = "windows", target_os = "macos")))]
mod unsupported;
#[cfg(target_os = "linux")]
mod wayland;
#[cfg(target_os = "windows")]
mod windows;
#[cfg(target_os = "linux")]
mod x11;

use std::path::PathBuf;

use media::{FrameRate, Secret, Size, VideoFrame};
use stream::FrameSlot;

use backend::Backend;
pub use card::{lost_card, set_card_texts};
pub use error::VideoError;
pub use rect::Rect;

#[cfg(target_os = "windows")]
use self::windows as imp;
#[cfg(target_os = "linux")]
use linux as imp;
#[cfg(target_os = "macos")]
use macos as imp;
#[cfg(not(any(target_os = "linux", target_os = "windows", target_os = "macos")))]
use unsupported as imp;

#[cfg(not(any(target_os = "windows", target_os = "macos")))]
use imp as screens;

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// One monitor, with everything on it.
    Monitor,
    /// One window, also where others cover it.
    Window,
    /// Whatever program fills the screen, as it comes and goes.
    Game,
    /// A rectangle of a monitor.
    Region,
    /// A screen or window that the desktop lets its user choose.
    Portal,
    /// A camera.
    Camera,
    /// A picture file.
    Image,
    /// A text.
    Text,
    /// A plain colour.
    Color,
    /// A test picture that moves.
    Pattern,
}

impl SourceKind {
    /// Stable, `snake_case`: a program may depend on it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Window => "window",
            Self::Game => "game",
            Self::Region => "region",
            Self::Portal => "portal",
            Self::Camera => "camera",
            Self::Image => "image",
            Self::Text => "text",
            Self::Color => "color",
            Self::Pattern => "pattern",
        }
    }
}

/// Something that can be captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// Names it in [`VideoOptions::source_id`]: `x11:monitor:HDMI-1`, `x11:window:0x1400003`, `text:Hello?size=72`.
    /// Stable while it exists.
    pub id: String,
    /// Names it also after a restart: a window by its program and title (`x11:find:Editor?title=notes`), else the id.
    pub lasting_id: String,
    /// Monitor, window, ….
    pub kind: SourceKind,
    /// The monitor's name, the window's title, the first line of a text, …; never empty.
    pub title: String,
    /// The program that owns the window; else empty.
    pub program: String,
    /// Where it lies on the desktop, pixels; from 0, 0 what is not a part of it.
    pub area: Rect,
}

/// What to capture, and how.
#[derive(Debug, Clone)]
pub struct VideoOptions {
    /// A [`SourceInfo::id`].
    pub source_id: String,
    /// The most frames per second; fewer come when less changes, none when nothing does.
    pub frame_rate: FrameRate,
    /// Draw the mouse pointer into the frames.
    pub cursor: bool,
    /// The app's own window (on X11 its XID, or that of any window inside its frame): a change of nothing but its
    /// own picture gives at most one frame per second.
    pub own_window: Option<u32>,
    /// What the last [`VideoEvent::Remember`] of this source brought: its desktop then shares the same without asking.
    pub restore_token: Option<Secret>,
}

/// What a running capture says of its own accord, on its thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoEvent {
    /// The part of the desktop that is captured, now and after each change; `None` where it is not a part of it.
    Area(Option<Rect>),
    /// The source gives no picture for now; the capture goes on by itself when it does again. A card that says so
    /// was put into the slot, except for picture files, which keep their last picture.
    Paused(VideoError),
    /// It does again.
    Resumed,
    /// The user's choice can be had again by this token, once, and by no other: for [`VideoOptions::restore_token`].
    Remember(Secret),
    /// No frame will follow: the source or the display is gone. The last event.
    Lost(VideoError),
}

/// Every monitor (the primary one first), then every window from the top of the stack down, on `$DISPLAY`.
///
/// Windows without a name, desktops, docks, and the windows of this process and of its parent (the app that holds
/// the engine) are left out. Minimised windows are listed: they can be captured once they are shown. In a Wayland
/// session there is one entry for all that the desktop may share, and the windows of X programs.
pub fn list_sources() -> Result<Vec<SourceInfo>, VideoError> {
    list_sources_on(None)
}

/// Every camera that is plugged in; asks each what it can do, without switching it on.
pub fn list_cameras() -> Vec<SourceInfo> {
    camera::list()
}

/// The file of a camera's device, where the system has one.
pub(crate) fn camera_device_file(id: &str) -> Option<PathBuf> {
    camera::device_file(id)
}

/// What the source of that id is now, also one that no list has: a region, or a source that its id describes.
pub fn describe(id: &str) -> Result<SourceInfo, VideoError> {
    describe_on(None, id)
}

/// [`describe`] on a display by name; `None` takes `$DISPLAY`.
pub fn describe_on(display: Option<&str>, id: &str) -> Result<SourceInfo, VideoError> {
    if generated::is_generated(id) {
        return generated::describe(id);
    }
    if camera::is_camera(id) { camera::describe(id) } else { screens::describe(display, id) }
}

/// [`list_sources`] on a display by name (`":7"`, or for a Wayland session the address of its bus, `"unix:path=…"`);
/// `None` takes the user's session.
pub fn list_sources_on(display: Option<&str>) -> Result<Vec<SourceInfo>, VideoError> {
    screens::list_sources(display)
}

/// A JPEG of a source as it looks now, at most `max` large, in its own aspect. Blocks for up to 0.2 s.
pub fn thumbnail(id: &str, max: Size) -> Result<Vec<u8>, VideoError> {
    thumbnail_on(None, id, max)
}

/// [`thumbnail`] on a display by name; `None` takes `$DISPLAY`.
pub fn thumbnail_on(display: Option<&str>, id: &str, max: Size) -> Result<Vec<u8>, VideoError> {
    if generated::is_generated(id) {
        let canvas = generated::still(id)?;
        return shrink::jpeg(&canvas.pixels, canvas.size.width as usize * 4, canvas.size, max);
    }
    if camera::is_camera(id) {
        // Its light would go on, and another program's picture be taken away, for a list.
        return Err(VideoError::Thumbnail("a camera is opened only to be captured".to_owned()));
    }
    screens::thumbnail(display, id, max)
}

/// A running capture; ends, and its thread with it, when it is dropped.
#[derive(Debug)]
pub struct VideoCapture(Box<dyn Backend>);

impl VideoCapture {
    /// Opens the source (a screen's on `$DISPLAY`) and returns once the first frame lies in `slot`, or with the reason why none
    /// will. `on_event` is called on the capture's thread and must not block or drop the capture.
    ///
    /// The slot is left open when the capture ends: another one may go on with it.
    pub fn start(
        options: VideoOptions,
        slot: FrameSlot<VideoFrame>,
        on_event: impl Fn(VideoEvent) + Send + 'static,
    ) -> Result<Self, VideoError> {
        Self::start_on(None, options, slot, on_event)
    }

    /// [`VideoCapture::start`] on a display by name; `None` takes `$DISPLAY`.
    pub fn start_on(
        display: Option<&str>,
        options: VideoOptions,
        slot: FrameSlot<VideoFrame>,
        on_event: impl Fn(VideoEvent) + Send + 'static,
    ) -> Result<Self, VideoError> {
        if generated::is_generated(&options.source_id) {
            return generated::start(&options, slot, Box::new(on_event)).map(Self);
        }
        if camera::is_camera(&options.source_id) {
            let on_event = card::with_cards(slot.clone(), Box::new(on_event));
            return camera::start(&options, slot, on_event).map(Self);
        }
        screens::start(display, options, slot, Box::new(on_event)).map(Self)
    }

    /// Takes another rate from the next frame on.
    pub fn set_frame_rate(&self, rate: FrameRate) {
        self.0.set_frame_rate(rate);
    }

    /// Names, changes or forgets the app's own window: see [`VideoOptions::own_window`].
    pub fn set_own_window(&self, window: Option<u32>) {
        self.0.set_own_window(window);
    }

    /// Draws the pointer from now on, or leaves it out.
    pub fn set_cursor(&self, cursor: bool) {
        self.0.set_cursor(cursor);
    }

    /// Leaves frames on the graphics card from now on, where the source lies on one ([`media::PixelBuffer::surface`]):
    /// for an encoder that takes them there. At the start they come in memory.
    pub fn set_surfaces(&self, surfaces: bool) {
        self.0.set_surfaces(surfaces);
    }

    /// Frames put into the slot so far.
    pub fn captured(&self) -> u64 {
        self.0.captured()
    }
}
