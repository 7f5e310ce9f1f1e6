//! A small JPEG of a source, on a connection of its own.

use media::Size;

use super::display::Display;
use super::grab::{Grab, SETTLE_QUIET, Watch, grab};
use super::memory::Pool;
use super::stacking;
use super::target::{SourceId, Target, View};
use crate::video::{VideoError, shrink};
use session_bus::Waker;

/// See [`crate::video::thumbnail`].
pub(super) fn thumbnail(display: Option<&str>, id: &str, max: Size) -> Result<Vec<u8>, VideoError> {
    let display = Display::open(display)?;
    let id = match SourceId::parse(id)? {
        SourceId::Follow(rule) => rule.find_first(&display)?.map(SourceId::Window).ok_or_else(|| rule.absence())?,
        id => id,
    };
    let view = match uncovered(&display, &id)? {
        Some(view) => view,
        None => kept_picture(&display, &id)?,
    };
    let mut pool = Pool::new(view.size());
    match grab(&display, &view, &mut pool, None, false)? {
        Grab::Done(picture) => {
            let memory = pool.share(picture.segment);
            shrink::jpeg((*memory).as_ref(), pool.stride(), view.size(), max)
        }
        Grab::Moved | Grab::NoMemory => Err(VideoError::Thumbnail("it changed while it was read".to_owned())),
    }
}

/// A window that nothing covers can be read off the screen, which leaves the window alone: a list that is refreshed
/// each second must not make every window paint itself each second.
fn uncovered(display: &Display, id: &SourceId) -> Result<Option<View>, VideoError> {
    let &SourceId::Window(window) = id else { return Ok(None) };
    if display.is_xwayland {
        return Ok(None);
    }
    let area = stacking::uncovered(display, window)?;
    Ok(area.map(|area| View { drawable: display.root, x: area.x as i16, y: area.y as i16, area, is_whole: false }))
}

fn kept_picture(display: &Display, id: &SourceId) -> Result<View, VideoError> {
    let mut target = Target::open(display, id)?;
    if target.follows_frames() {
        let waker = Waker::new().map_err(|error| VideoError::Thumbnail(error.to_string()))?;
        Watch::open(display, target.watched(display.root))?.settle(display, &waker, SETTLE_QUIET)?;
    }
    target
        .view(display)
        .map_err(|error| match error {
            VideoError::SourceClosed => VideoError::SourceNotFound(id.to_string()),
            other => other,
        })?
        .ok_or_else(|| target.absence())
}
