//! What there is to capture.

use x11rb::protocol::xproto::{Atom, AtomEnum, ConnectionExt as _, GetPropertyReply, MapState, Window, WindowClass};

use super::display::{Display, if_exists};
use super::rule::{GAME, Rule};
use super::target::{SourceId, Target, monitors};
use crate::video::{Rect, SourceInfo, SourceKind, VideoError};

/// Windows smaller than this on a side are helpers that no one means to show.
const LEAST_SIDE: u32 = 8;
/// As many windows as are read of a list.
const LIST_UNITS: u32 = 16_384;
/// As much of a text property as is read, in units of four bytes.
const TEXT_UNITS: u32 = 256;

pub(super) fn list(display: &Display) -> Result<Vec<SourceInfo>, VideoError> {
    let mut sources = if display.is_xwayland { Vec::new() } else { list_monitors(display)? };
    for window in windows(display)? {
        sources.extend(describe(display, window)?);
    }
    if !display.is_xwayland {
        sources.push(game());
    }
    if sources.is_empty() && display.is_xwayland {
        return Err(VideoError::NotSupportedHere("the screens of a Wayland session"));
    }
    Ok(sources)
}

fn list_monitors(display: &Display) -> Result<Vec<SourceInfo>, VideoError> {
    let mut monitors = monitors(display)?;
    monitors.sort_by_key(|monitor| !monitor.is_primary);
    let sources = monitors.into_iter().map(|monitor| SourceInfo {
        id: SourceId::Monitor(monitor.name.clone()).to_string(),
        lasting_id: SourceId::Monitor(monitor.name.clone()).to_string(),
        kind: SourceKind::Monitor,
        title: monitor.name,
        program: String::new(),
        area: monitor.area,
    });
    Ok(sources.collect())
}

/// The one source that is always there: whatever fills the screen.
fn game() -> SourceInfo {
    SourceInfo {
        id: GAME.to_owned(),
        lasting_id: GAME.to_owned(),
        kind: SourceKind::Game,
        title: "Full-screen program".to_owned(),
        program: String::new(),
        area: Rect::default(),
    }
}

/// What the source of that id is now, listed or not.
pub(super) fn describe_id(display: &Display, id: &str) -> Result<SourceInfo, VideoError> {
    let not_found = || VideoError::SourceNotFound(id.to_owned());
    match SourceId::parse(id)? {
        SourceId::Follow(rule) => {
            let found = rule.find_first(display)?.map(|window| describe(display, window)).transpose()?.flatten();
            let info = match (found, &rule) {
                (Some(info), Rule::FullScreen) => SourceInfo { area: info.area, ..game() },
                (None, Rule::FullScreen) => game(),
                (Some(info), Rule::Named { .. }) => info,
                (None, Rule::Named { program, title }) => SourceInfo {
                    id: String::new(),
                    lasting_id: String::new(),
                    kind: SourceKind::Window,
                    title: title.clone(),
                    program: program.clone(),
                    area: Rect::default(),
                },
            };
            Ok(SourceInfo { id: id.to_owned(), lasting_id: id.to_owned(), ..info })
        }
        SourceId::Window(window) => describe(display, window)?.ok_or_else(not_found),
        SourceId::Monitor(_) => list_monitors(display)?.into_iter().find(|info| info.id == id).ok_or_else(not_found),
        SourceId::Region(name, region) => {
            let view = Target::open(display, &SourceId::Region(name.clone(), region.clone()))?.view(display)?;
            let part = region.part;
            Ok(SourceInfo {
                id: id.to_owned(),
                lasting_id: id.to_owned(),
                kind: SourceKind::Region,
                title: format!("{name} {},{} {}×{}", part.x, part.y, part.width, part.height),
                program: String::new(),
                area: view.map_or(Rect::default(), |view| view.area),
            })
        }
    }
}

/// Client windows from the top of the stack down: as the window manager lists them (EWMH), else as the tree holds
/// them.
pub(super) fn windows(display: &Display) -> Result<Vec<Window>, VideoError> {
    for list in [display.atoms._NET_CLIENT_LIST_STACKING, display.atoms._NET_CLIENT_LIST] {
        let property = property(display, display.root, list, LIST_UNITS)?;
        if let Some(windows) = property.as_ref().and_then(|property| property.value32()) {
            let mut windows: Vec<Window> = windows.collect();
            windows.reverse();
            return Ok(windows);
        }
    }
    let mut children = display.connection.query_tree(display.root)?.reply()?.children;
    children.reverse();
    let mut windows = Vec::new();
    for child in children {
        let attributes = if_exists(display.connection.get_window_attributes(child)?.reply())?;
        let is_shown = attributes.is_some_and(|attributes| {
            attributes.map_state == MapState::VIEWABLE
                && attributes.class == WindowClass::INPUT_OUTPUT
                && !attributes.override_redirect
        });
        if is_shown {
            windows.push(client_of(display, child)?);
        }
    }
    Ok(windows)
}

/// The client window in a frame (ICCCM 4.1.3.1: the one with `WM_STATE`), else the window itself.
fn client_of(display: &Display, frame: Window) -> Result<Window, VideoError> {
    let Some(tree) = if_exists(display.connection.query_tree(frame)?.reply())? else { return Ok(frame) };
    for child in tree.children {
        if property(display, child, display.atoms.WM_STATE, 0)?.is_some() {
            return Ok(child);
        }
    }
    Ok(frame)
}

/// `None` for a window that is not for capture.
pub(super) fn describe(display: &Display, window: Window) -> Result<Option<SourceInfo>, VideoError> {
    let (connection, atoms) = (&display.connection, &display.atoms);
    let geometry = connection.get_geometry(window)?;
    let position = connection.translate_coordinates(window, display.root, 0, 0)?;
    let (Some(geometry), Some(position)) = (if_exists(geometry.reply())?, if_exists(position.reply())?) else {
        return Ok(None);
    };
    let types = property(display, window, atoms._NET_WM_WINDOW_TYPE, TEXT_UNITS)?;
    let is_furniture = types.as_ref().and_then(|types| types.value32()).is_some_and(|mut types| {
        types.any(|kind| [atoms._NET_WM_WINDOW_TYPE_DESKTOP, atoms._NET_WM_WINDOW_TYPE_DOCK].contains(&kind))
    });
    let pid = property(display, window, atoms._NET_WM_PID, 1)?;
    let pid = pid.as_ref().and_then(|pid| pid.value32()).and_then(|mut pid| pid.next());
    let area = Rect {
        x: position.dst_x.into(),
        y: position.dst_y.into(),
        width: geometry.width.into(),
        height: geometry.height.into(),
    };
    if is_furniture || pid.is_some_and(is_own_process) || area.width.min(area.height) < LEAST_SIDE {
        return Ok(None);
    }
    let Some(title) = title(display, window)? else { return Ok(None) };
    let id = SourceId::Window(window).to_string();
    let program = program(display, window)?;
    let lasting_id = Rule::Named { program: program.clone(), title: title.clone() }.to_string();
    Ok(Some(SourceInfo { id, lasting_id, kind: SourceKind::Window, title, program, area }))
}

/// This process, or the app that holds it: the engine runs in a child process of the one that owns the window.
fn is_own_process(pid: u32) -> bool {
    pid == std::process::id() || pid == std::os::unix::process::parent_id()
}

fn title(display: &Display, window: Window) -> Result<Option<String>, VideoError> {
    for name in [display.atoms._NET_WM_NAME, AtomEnum::WM_NAME.into()] {
        if let Some(property) = property(display, window, name, TEXT_UNITS)? {
            let title = text(display, &property);
            if !title.trim().is_empty() {
                return Ok(Some(title));
            }
        }
    }
    Ok(None)
}

/// The class of the window's program (ICCCM 4.1.2.5: instance and class, each ended by a zero byte).
fn program(display: &Display, window: Window) -> Result<String, VideoError> {
    let property = property(display, window, AtomEnum::WM_CLASS.into(), TEXT_UNITS)?;
    let names = property.map(|property| text(display, &property)).unwrap_or_default();
    Ok(names.split('\0').rfind(|name| !name.is_empty()).unwrap_or_default().to_owned())
}

/// `STRING` is Latin-1 (ICCCM 2.7.1); everything else is UTF-8 in practice.
fn text(display: &Display, property: &GetPropertyReply) -> String {
    if property.type_ == Atom::from(AtomEnum::STRING) && property.type_ != display.atoms.UTF8_STRING {
        property.value.iter().map(|&byte| char::from(byte)).collect()
    } else {
        String::from_utf8_lossy(&property.value).into_owned()
    }
}

/// `None` where the window or its property does not exist.
pub(super) fn property(
    display: &Display,
    window: Window,
    name: Atom,
    units: u32,
) -> Result<Option<GetPropertyReply>, VideoError> {
    let cookie = display.connection.get_property(false, window, name, AtomEnum::ANY, 0, units)?;
    Ok(if_exists(cookie.reply())?.filter(|property| property.type_ != x11rb::NONE))
}
