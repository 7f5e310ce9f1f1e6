//! What lies over what: the part of a window that can be seen.

use x11rb::protocol::Event;
use x11rb::protocol::shape::{ConnectionExt as _, SK};
use x11rb::protocol::xproto::{ConnectionExt as _, GetGeometryReply, MapState, Window, WindowClass};

use super::display::{Display, if_exists};
use crate::video::rect::Region;
use crate::video::{Rect, VideoError};

/// The child of the root window that holds `window` (a window manager's frame, or the window itself); `None` when
/// the window is gone.
pub(super) fn top_level_of(display: &Display, window: Window) -> Result<Option<Window>, VideoError> {
    let mut window = window;
    loop {
        let Some(tree) = if_exists(display.connection.query_tree(window)?.reply())? else { return Ok(None) };
        if tree.parent == display.root || tree.parent == x11rb::NONE {
            return Ok(Some(window));
        }
        window = tree.parent;
    }
}

/// What can be seen of a child of the root window: its rectangle less those stacked above it. Windows of other
/// shapes count as their rectangle.
pub(super) fn visible_part(display: &Display, top_level: Window) -> Result<Region, VideoError> {
    let connection = &display.connection;
    let children = connection.query_tree(display.root)?.reply()?.children;
    let Some(index) = children.iter().position(|&child| child == top_level) else { return Ok(Region::default()) };
    let mut cookies = Vec::with_capacity(children.len() - index);
    for &child in &children[index..] {
        cookies.push((child, connection.get_window_attributes(child)?, connection.get_geometry(child)?));
    }
    let desktop = display.desktop()?;
    let mut region = Region::default();
    for (child, attributes, geometry) in cookies {
        let (attributes, geometry) = (if_exists(attributes.reply())?, if_exists(geometry.reply())?);
        let (Some(attributes), Some(geometry)) = (attributes, geometry) else { continue };
        let is_seen = attributes.map_state == MapState::VIEWABLE && attributes.class == WindowClass::INPUT_OUTPUT;
        if !is_seen {
            if child == top_level {
                return Ok(Region::default());
            }
            continue;
        }
        let rect = outer_rect(&geometry);
        if child == top_level {
            region = rect.intersection(desktop).map(Region::new).unwrap_or_default();
        } else if region.touches(rect) && !is_overlay(display, child, rect, desktop)? {
            region.subtract(rect);
        }
    }
    Ok(region)
}

/// A window over the whole desktop that takes no input: the one a compositing manager paints the desktop on. What
/// is seen in it is what lies beneath.
fn is_overlay(display: &Display, window: Window, rect: Rect, desktop: Rect) -> Result<bool, VideoError> {
    if rect.intersection(desktop) != Some(desktop) {
        return Ok(false);
    }
    let input = if_exists(display.connection.shape_get_rectangles(window, SK::INPUT)?.reply())?;
    Ok(input.is_some_and(|input| input.rectangles.is_empty()))
}

fn outer_rect(geometry: &GetGeometryReply) -> Rect {
    let border = 2 * u32::from(geometry.border_width);
    Rect {
        x: geometry.x.into(),
        y: geometry.y.into(),
        width: u32::from(geometry.width) + border,
        height: u32::from(geometry.height) + border,
    }
}

/// Whether an event of the root's children may change what is seen of any of them.
pub(super) fn restacks(event: &Event, root: Window) -> bool {
    match event {
        Event::ConfigureNotify(event) => event.event == root,
        Event::MapNotify(event) => event.event == root,
        Event::UnmapNotify(event) => event.event == root,
        Event::ReparentNotify(event) => event.event == root,
        Event::DestroyNotify(event) => event.event == root,
        Event::CirculateNotify(event) => event.event == root,
        _ => false,
    }
}

/// The app's own window, whose picture alone is no reason to send one.
#[derive(Debug)]
pub(super) struct OwnWindow {
    window: Window,
    visible: Option<Region>,
}

impl OwnWindow {
    pub(super) fn new(window: Window) -> Self {
        Self { window, visible: None }
    }

    /// Something was moved, shown, hidden or restacked.
    pub(super) fn invalidate(&mut self) {
        self.visible = None;
    }

    /// What can be seen of it now.
    pub(super) fn visible(&mut self, display: &Display) -> Result<&Region, VideoError> {
        let visible = match self.visible.take() {
            Some(visible) => visible,
            None => match top_level_of(display, self.window)? {
                Some(frame) if frame != display.root => visible_part(display, frame)?,
                _ => Region::default(),
            },
        };
        Ok(self.visible.insert(visible))
    }
}

/// Where a window's inside lies on the desktop, if all of it can be seen there; `None` too where it is gone.
pub(super) fn uncovered(display: &Display, window: Window) -> Result<Option<Rect>, VideoError> {
    let Some(top_level) = top_level_of(display, window)? else { return Ok(None) };
    let connection = &display.connection;
    let attributes = connection.get_window_attributes(window)?;
    let geometry = connection.get_geometry(window)?;
    let position = connection.translate_coordinates(window, display.root, 0, 0)?;
    let (attributes, geometry) = (if_exists(attributes.reply())?, if_exists(geometry.reply())?);
    let position = if_exists(position.reply())?;
    let (Some(attributes), Some(geometry), Some(position)) = (attributes, geometry, position) else {
        return Ok(None);
    };
    let area = Rect {
        x: position.dst_x.into(),
        y: position.dst_y.into(),
        width: geometry.width.into(),
        height: geometry.height.into(),
    };
    let is_shown = attributes.map_state == MapState::VIEWABLE;
    Ok((is_shown && visible_part(display, top_level)?.covers(area)).then_some(area))
}
