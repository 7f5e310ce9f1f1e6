//! Which of Linux's two ways to a screen: an X server's, or a Wayland session's, where the desktop shares it.
//!
//! The id of a source says it; a list is of the session that the app runs in. In a Wayland session the windows of X
//! programs can be listed and captured as on X11, beside what the desktop shares.

use media::{Size, VideoFrame};
use stream::FrameSlot;

use super::backend::Backend;
use super::{SourceInfo, VideoError, VideoEvent, VideoOptions, wayland, x11};

/// A display by name that is no X server's: the address of the bus that a Wayland session's portal is on.
const BUS: &str = "unix:";

pub(super) fn list_sources(display: Option<&str>) -> Result<Vec<SourceInfo>, VideoError> {
    let is_wayland = match display {
        Some(name) => name.starts_with(BUS),
        None => session_bus::is_wayland(|name| std::env::var(name).ok()),
    };
    if !is_wayland {
        return x11::list_sources(display);
    }
    let mut sources = vec![wayland::listed()];
    if display.is_none() {
        match x11::list_sources(None) {
            Ok(windows) => sources.extend(windows),
            // No X server, or one without a window, is nothing to complain of there.
            Err(error) => tracing::debug!(%error, "no windows of X programs"),
        }
    }
    Ok(sources)
}

pub(super) fn describe(display: Option<&str>, id: &str) -> Result<SourceInfo, VideoError> {
    if wayland::is_shared(id) { wayland::describe(id) } else { x11::describe(display, id) }
}

pub(super) fn start(
    display: Option<&str>,
    options: VideoOptions,
    slot: FrameSlot<VideoFrame>,
    on_event: Box<dyn Fn(VideoEvent) + Send>,
) -> Result<Box<dyn Backend>, VideoError> {
    if wayland::is_shared(&options.source_id) {
        return wayland::start(display, options, slot, on_event);
    }
    x11::start(display, options, slot, on_event)
}

pub(super) fn thumbnail(display: Option<&str>, id: &str, max: Size) -> Result<Vec<u8>, VideoError> {
    if wayland::is_shared(id) {
        return Err(VideoError::Thumbnail("the system would ask before it shows anything".to_owned()));
    }
    x11::thumbnail(display, id, max)
}
