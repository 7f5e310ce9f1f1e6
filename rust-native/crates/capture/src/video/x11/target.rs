//! What is captured: where its pixels are now, and which events may change that.

use std::fmt;

use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::composite::{ConnectionExt as _, Redirect};
use x11rb::protocol::randr::{ConnectionExt as _, NotifyMask};
use x11rb::protocol::xproto::{
    ChangeWindowAttributesAux, ConnectionExt as _, Drawable, EventMask, MapState, Pixmap, Window,
};

use super::display::{Display, if_exists};
use super::rule::Rule;
use super::stacking;
use crate::video::region::RegionId;
use crate::video::{Rect, VideoError};

const MONITOR: &str = "x11:monitor:";
const WINDOW: &str = "x11:window:";

/// A source's id, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SourceId {
    Monitor(String),
    Window(Window),
    /// Of a monitor, by its name.
    Region(String, RegionId),
    /// Whichever window the rule finds.
    Follow(Rule),
}

impl SourceId {
    pub(super) fn parse(text: &str) -> Result<Self, VideoError> {
        if let Some(name) = text.strip_prefix(MONITOR) {
            return Ok(Self::Monitor(name.to_owned()));
        }
        if let Some(region) = RegionId::parse(text) {
            let region = region?;
            let name = region.monitor.strip_prefix(MONITOR).map(str::to_owned);
            let name = name.ok_or_else(|| VideoError::SourceNotFound(region.monitor.clone()))?;
            return Ok(Self::Region(name, region));
        }
        if let Some(rule) = Rule::parse(text)? {
            return Ok(Self::Follow(rule));
        }
        text.strip_prefix(WINDOW)
            .and_then(|rest| rest.strip_prefix("0x"))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .map(Self::Window)
            .ok_or_else(|| VideoError::SourceNotFound(text.to_owned()))
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Monitor(name) => write!(f, "{MONITOR}{name}"),
            Self::Window(window) => write!(f, "{WINDOW}{window:#x}"),
            Self::Region(_, region) => region.fmt(f),
            Self::Follow(rule) => rule.fmt(f),
        }
    }
}

/// Where a source's pixels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    /// The root window or a window's pixmap.
    pub(super) drawable: Drawable,
    /// Of the picture's corner in it.
    pub(super) x: i16,
    /// Of the picture's corner in it.
    pub(super) y: i16,
    /// Of the picture on the desktop.
    pub(super) area: Rect,
    /// The drawable shows nothing else: any damage of it is damage of the picture.
    pub(super) is_whole: bool,
}

/// A monitor, a part of one, or a window.
#[derive(Debug)]
pub(super) enum Target {
    Monitor { name: String, part: Option<RegionId> },
    Window(WindowTarget),
}

/// A window that the server keeps a picture of, whatever covers it (the Composite extension).
#[derive(Debug)]
pub(super) struct WindowTarget {
    window: Window,
    frame: Window,
    named: Option<NamedPixmap>,
}

/// The name of a window's picture; good until the window is resized or hidden.
#[derive(Debug)]
struct NamedPixmap {
    pixmap: Pixmap,
    /// Width, height and border of the window when it was named.
    of: (u16, u16, u16),
}

impl Target {
    /// Begins to watch the source's place and size, and to keep a window's picture.
    pub(super) fn open(display: &Display, id: &SourceId) -> Result<Self, VideoError> {
        let connection = &display.connection;
        match id {
            SourceId::Monitor(_) | SourceId::Region(..) if display.is_xwayland => {
                Err(VideoError::NotSupportedHere("a monitor of a Wayland session"))
            }
            SourceId::Monitor(name) | SourceId::Region(name, _) => {
                let mask = NotifyMask::SCREEN_CHANGE | NotifyMask::CRTC_CHANGE | NotifyMask::OUTPUT_CHANGE;
                connection.randr_select_input(display.root, mask)?;
                let part = if let SourceId::Region(_, region) = id { Some(region.clone()) } else { None };
                Ok(Self::Monitor { name: name.clone(), part })
            }
            SourceId::Follow(rule) => {
                let window = rule.find_first(display)?.ok_or_else(|| rule.absence())?;
                Self::open(display, &SourceId::Window(window))
            }
            &SourceId::Window(window) => {
                let attributes = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
                let not_found = || VideoError::SourceNotFound(id.to_string());
                let watched = connection.change_window_attributes(window, &attributes)?.check();
                if_exists(watched)?.ok_or_else(not_found)?;
                connection.composite_redirect_window(window, Redirect::AUTOMATIC)?.check()?;
                let frame = stacking::top_level_of(display, window)?.ok_or_else(not_found)?;
                Ok(Self::Window(WindowTarget { window, frame, named: None }))
            }
        }
    }

    /// Why there is no [`View`] at a time.
    pub(super) fn absence(&self) -> VideoError {
        match self {
            Self::Monitor { .. } => VideoError::RegionOutside,
            Self::Window(_) => VideoError::SourceMinimised,
        }
    }

    /// The drawable whose damage tells that the picture changed.
    pub(super) fn watched(&self, root: Window) -> Drawable {
        match self {
            Self::Monitor { .. } => root,
            Self::Window(target) => target.window,
        }
    }

    /// Whether events of all of the root's children are needed.
    pub(super) fn follows_frames(&self) -> bool {
        matches!(self, Self::Window(_))
    }

    /// Whether the pointer over `child` (of the root) is over the picture.
    pub(super) fn is_under_pointer(&self, child: Window) -> bool {
        match self {
            Self::Monitor { .. } => true,
            Self::Window(target) => child == target.frame,
        }
    }

    /// Whether the event may change the [`View`].
    pub(super) fn is_moved_by(&mut self, event: &Event, root: Window) -> bool {
        match self {
            Self::Monitor { .. } => match event {
                Event::RandrScreenChangeNotify(_) | Event::RandrNotify(_) => true,
                Event::ConfigureNotify(event) => event.window == root,
                _ => false,
            },
            Self::Window(target) => target.is_moved_by(event),
        }
    }

    /// Events were missed: a window's picture may be another one by now.
    pub(super) fn doubt_picture(&mut self) {
        if let Self::Window(WindowTarget { named: Some(named), .. }) = self {
            named.of = (0, 0, 0);
        }
    }

    /// Where the pixels are now; `None` while there are none, for the reason that [`Target::absence`] gives.
    pub(super) fn view(&mut self, display: &Display) -> Result<Option<View>, VideoError> {
        match self {
            Self::Monitor { name, part } => monitor_view(display, name, part.as_ref()),
            Self::Window(target) => target.view(display),
        }
    }
}

fn monitor_view(display: &Display, name: &str, part: Option<&RegionId>) -> Result<Option<View>, VideoError> {
    let desktop = display.desktop()?;
    let monitors = monitors(display)?;
    let monitor = monitors.into_iter().find(|monitor| monitor.name == name).ok_or(VideoError::SourceClosed)?;
    // A grab that leaves the screen would be refused as a whole.
    let area = monitor.area.intersection(desktop).ok_or(VideoError::SourceClosed)?;
    let area = match part {
        // By the monitor's own corner, also where part of the monitor is off the desktop.
        Some(part) => part.on(monitor.area).and_then(|part| part.intersection(desktop)),
        None => Some(area),
    };
    let is_whole = area == Some(desktop);
    Ok(area.map(|area| View { drawable: display.root, x: area.x as i16, y: area.y as i16, area, is_whole }))
}

/// A monitor of the desktop.
#[derive(Debug)]
pub(super) struct Monitor {
    pub(super) name: String,
    pub(super) is_primary: bool,
    pub(super) area: Rect,
}

/// The desktop's monitors (RandR 1.5), as the server orders them.
pub(super) fn monitors(display: &Display) -> Result<Vec<Monitor>, VideoError> {
    let connection = &display.connection;
    let reply = connection.randr_get_monitors(display.root, true)?.reply()?;
    let mut names = Vec::with_capacity(reply.monitors.len());
    for monitor in &reply.monitors {
        names.push(connection.get_atom_name(monitor.name)?);
    }
    let mut monitors = Vec::with_capacity(names.len());
    for (monitor, name) in reply.monitors.iter().zip(names) {
        monitors.push(Monitor {
            name: String::from_utf8_lossy(&name.reply()?.name).into_owned(),
            is_primary: monitor.primary,
            area: Rect {
                x: monitor.x.into(),
                y: monitor.y.into(),
                width: monitor.width.into(),
                height: monitor.height.into(),
            },
        });
    }
    Ok(monitors)
}

impl WindowTarget {
    fn is_moved_by(&mut self, event: &Event) -> bool {
        let (window, is_new_picture) = match event {
            Event::ConfigureNotify(event) => (event.window, false),
            Event::MapNotify(event) => (event.window, true),
            Event::UnmapNotify(event) => (event.window, true),
            Event::ReparentNotify(event) => (event.window, true),
            Event::DestroyNotify(event) => (event.window, true),
            _ => return false,
        };
        let is_ours = window == self.window || window == self.frame;
        if is_ours && is_new_picture {
            // Hidden and shown again between two looks, it would have another pixmap of the same size.
            if let Some(named) = &mut self.named {
                named.of = (0, 0, 0);
            }
        }
        is_ours
    }

    fn view(&mut self, display: &Display) -> Result<Option<View>, VideoError> {
        let connection = &display.connection;
        let attributes = connection.get_window_attributes(self.window)?;
        let geometry = connection.get_geometry(self.window)?;
        let position = connection.translate_coordinates(self.window, display.root, 0, 0)?;
        let attributes = if_exists(attributes.reply())?.ok_or(VideoError::SourceClosed)?;
        let geometry = if_exists(geometry.reply())?.ok_or(VideoError::SourceClosed)?;
        let position = if_exists(position.reply())?.ok_or(VideoError::SourceClosed)?;
        self.frame = stacking::top_level_of(display, self.window)?.ok_or(VideoError::SourceClosed)?;
        if attributes.map_state != MapState::VIEWABLE {
            // Its last picture could still be read, but a stale picture must not pass for a live one.
            self.forget(display)?;
            return Ok(None);
        }
        display.check_depth(geometry.depth)?;
        let Some(pixmap) = self.pixmap(display, (geometry.width, geometry.height, geometry.border_width))? else {
            return Ok(None);
        };
        // The window may have been resized again since it was asked: the pixmap's own size is what can be read.
        let Some(picture) = if_exists(connection.get_geometry(pixmap)?.reply())? else { return Ok(None) };
        let border = 2 * geometry.border_width;
        let area = Rect {
            x: position.dst_x.into(),
            y: position.dst_y.into(),
            width: picture.width.saturating_sub(border).max(1).into(),
            height: picture.height.saturating_sub(border).max(1).into(),
        };
        let corner = geometry.border_width as i16;
        Ok(Some(View { drawable: pixmap, x: corner, y: corner, area, is_whole: true }))
    }

    /// The window's picture; `None` where it was hidden a moment ago.
    fn pixmap(&mut self, display: &Display, of: (u16, u16, u16)) -> Result<Option<Pixmap>, VideoError> {
        if let Some(named) = self.named.as_ref().filter(|named| named.of == of) {
            return Ok(Some(named.pixmap));
        }
        self.forget(display)?;
        let pixmap = display.connection.generate_id()?;
        let named = display.connection.composite_name_window_pixmap(self.window, pixmap)?.check();
        if if_exists(named)?.is_none() {
            return Ok(None);
        }
        self.named = Some(NamedPixmap { pixmap, of });
        Ok(Some(pixmap))
    }

    fn forget(&mut self, display: &Display) -> Result<(), VideoError> {
        if let Some(named) = self.named.take() {
            display.connection.free_pixmap(named.pixmap)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        for id in [SourceId::Monitor("HDMI-1".to_owned()), SourceId::Window(0x140_0003)] {
            assert_eq!(SourceId::parse(&id.to_string()), Ok(id));
        }
        assert_eq!(SourceId::Window(0x140_0003).to_string(), "x11:window:0x1400003");
    }

    #[test]
    fn another_id_is_not_found() {
        for id in ["", "x11:window:12", "x11:window:0xzz", "x11:window:0x123456789", "camera:1"] {
            assert_eq!(SourceId::parse(id).expect_err(id).code(), "source_not_found");
        }
    }
}
