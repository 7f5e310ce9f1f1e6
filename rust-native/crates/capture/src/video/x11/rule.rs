//! Which window a source means that names none by its number: by program and title, or by filling the screen.

use std::fmt;

use x11rb::protocol::xproto::{Atom, AtomEnum, ConnectionExt as _, MapState, Window, WindowClass};

use super::display::{Display, if_exists};
use super::sources::{describe, property, windows};
use super::target::monitors;
use crate::video::spec::{Spec, encode};
use crate::video::{Rect, SourceInfo, VideoError};

const FIND: &str = "x11:find:";
/// The id of whatever fills the screen.
pub(super) const GAME: &str = "x11:game";

/// Which window is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// The one of that program (the class of `WM_CLASS`) with that title. At the start, where no title fits, that
    /// program's only one: players and browsers change their titles. Never one of several, and none in place of one
    /// that was closed: a letter must not be shown in place of a document.
    Named { program: String, title: String },
    /// The one that fills a monitor: the active one first.
    FullScreen,
}

impl Rule {
    /// `None` for ids of other kinds.
    pub(super) fn parse(id: &str) -> Result<Option<Self>, VideoError> {
        if id == GAME {
            return Ok(Some(Self::FullScreen));
        }
        let Some(rest) = id.strip_prefix(FIND) else { return Ok(None) };
        let spec = Spec::parse(id, rest)?;
        spec.allow(&["title"])?;
        let title = spec.text("title").unwrap_or_default().to_owned();
        if spec.body.is_empty() && title.is_empty() {
            return Err(spec.refuse("a window is found by its program, its title, or both"));
        }
        Ok(Some(Self::Named { program: spec.body, title }))
    }

    /// Why there is no picture while no window is found.
    pub(super) fn absence(&self) -> VideoError {
        match self {
            Self::Named { .. } => VideoError::WindowNotOpen,
            Self::FullScreen => VideoError::NoFullScreen,
        }
    }

    /// The window that is meant at the start.
    pub(super) fn find_first(&self, display: &Display) -> Result<Option<Window>, VideoError> {
        self.find(display, None, true)
    }

    /// The window that is meant now; `current` is the one that was until now.
    pub(super) fn find(
        &self,
        display: &Display,
        current: Option<Window>,
        is_first: bool,
    ) -> Result<Option<Window>, VideoError> {
        let windows = windows(display)?;
        match self {
            Self::Named { program, title } => {
                let mut found = Vec::new();
                for window in windows {
                    found.extend(describe(display, window)?.map(|info| (window, info)));
                }
                Ok(choose(&found, program, title, current, is_first))
            }
            Self::FullScreen => find_full_screen(display, &windows, current),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { program, title } => write!(f, "{FIND}{}?title={}", encode(program), encode(title)),
            Self::FullScreen => f.write_str(GAME),
        }
    }
}

/// Of the windows, from the top of the stack down, the one of that program and title.
fn choose(
    windows: &[(Window, SourceInfo)],
    program: &str,
    title: &str,
    current: Option<Window>,
    is_first: bool,
) -> Option<Window> {
    let of_program = |info: &SourceInfo| program.is_empty() || info.program == program;
    let candidates: Vec<_> = windows.iter().filter(|(_, info)| of_program(info)).collect();
    // One that is captured already stays, though its title changes with what is open in it.
    if let Some((window, _)) = candidates.iter().find(|(window, _)| Some(*window) == current) {
        return Some(*window);
    }
    let by_title = candidates.iter().find(|(_, info)| info.title == title);
    let only = || candidates.first().filter(|_| is_first && candidates.len() == 1 && !program.is_empty());
    by_title.or_else(only).map(|(window, _)| *window)
}

fn find_full_screen(
    display: &Display,
    windows: &[Window],
    current: Option<Window>,
) -> Result<Option<Window>, VideoError> {
    let monitors: Vec<Rect> = monitors(display)?.into_iter().map(|monitor| monitor.area).collect();
    let unmanaged = unmanaged(display, &monitors)?;
    let active = property(display, display.root, display.atoms._NET_ACTIVE_WINDOW, 1)?;
    let active = active.as_ref().and_then(|active| active.value32()).and_then(|mut active| active.next());
    // The one that the user is in; else the one that was captured; else the uppermost.
    let all = || windows.iter().chain(&unmanaged).copied();
    let order = active.into_iter().chain(current).chain(all());
    for window in order {
        if all().any(|known| known == window) && is_full_screen(display, window, &monitors)? {
            return Ok(Some(window));
        }
    }
    Ok(None)
}

/// Windows as large as a monitor that no window manager knows of (override-redirect), from the top of the stack down:
/// older games fill the screen so. What can be seen through is a program's layer over the others, not a game.
fn unmanaged(display: &Display, monitors: &[Rect]) -> Result<Vec<Window>, VideoError> {
    let connection = &display.connection;
    let mut children = connection.query_tree(display.root)?.reply()?.children;
    children.reverse();
    let mut asked = Vec::with_capacity(children.len());
    for child in children {
        asked.push((child, connection.get_geometry(child)?, connection.get_window_attributes(child)?));
    }
    let mut found = Vec::new();
    for (child, geometry, attributes) in asked {
        let (geometry, attributes) = (if_exists(geometry.reply())?, if_exists(attributes.reply())?);
        let (Some(geometry), Some(attributes)) = (geometry, attributes) else { continue };
        let area = Rect {
            x: geometry.x.into(),
            y: geometry.y.into(),
            width: geometry.width.into(),
            height: geometry.height.into(),
        };
        let is_opaque = attributes.class == WindowClass::INPUT_OUTPUT && geometry.depth != 32;
        if attributes.override_redirect
            && attributes.map_state == MapState::VIEWABLE
            && is_opaque
            && monitors.contains(&area)
        {
            found.push(child);
        }
    }
    Ok(found)
}

/// Shown, and by its own word (EWMH `_NET_WM_STATE_FULLSCREEN`) or its size as large as a monitor.
fn is_full_screen(display: &Display, window: Window, monitors: &[Rect]) -> Result<bool, VideoError> {
    let attributes = if_exists(display.connection.get_window_attributes(window)?.reply())?;
    if attributes.is_none_or(|attributes| attributes.map_state != MapState::VIEWABLE) {
        return Ok(false);
    }
    let Some(info) = describe(display, window)? else { return Ok(false) };
    let states = display.connection.get_property(false, window, display.atoms._NET_WM_STATE, AtomEnum::ATOM, 0, 64)?;
    let states = if_exists(states.reply())?;
    let says_so = |atom: Atom| {
        states.as_ref().and_then(|states| states.value32()).is_some_and(|mut states| states.any(|state| state == atom))
    };
    Ok(says_so(display.atoms._NET_WM_STATE_FULLSCREEN) || monitors.contains(&info.area))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::SourceKind;

    fn window(id: Window, program: &str, title: &str) -> (Window, SourceInfo) {
        let info = SourceInfo {
            id: String::new(),
            lasting_id: String::new(),
            kind: SourceKind::Window,
            title: title.to_owned(),
            program: program.to_owned(),
            area: Rect::default(),
        };
        (id, info)
    }

    #[test]
    fn rules_are_read_as_they_are_written() {
        let named = Rule::Named { program: "Text?Editor".to_owned(), title: "50% & more = ü".to_owned() };
        for rule in [named, Rule::FullScreen] {
            assert_eq!(Rule::parse(&rule.to_string()), Ok(Some(rule)));
        }
        assert_eq!(Rule::parse("x11:window:0x1"), Ok(None));
        assert_eq!(Rule::parse("x11:find:?title=").expect_err("empty").code(), "bad_source");
    }

    #[test]
    fn a_window_is_found_by_title_then_by_its_program_alone() {
        let open = [window(1, "Editor", "a"), window(2, "Editor", "b"), window(3, "Player", "song 2")];
        assert_eq!(choose(&open, "Editor", "b", None, true), Some(2));
        assert_eq!(choose(&open, "Player", "song 1", None, true), Some(3), "its title changed");
        assert_eq!(choose(&open, "Editor", "c", None, true), None, "one of several is never guessed");
        assert_eq!(choose(&open, "Editor", "c", Some(2), true), Some(2), "the one that is captured stays");
        assert_eq!(choose(&open, "Player", "song 1", None, false), None, "none in place of one that was closed");
        assert_eq!(choose(&open, "", "b", None, true), Some(2));
        assert_eq!(choose(&open, "", "z", None, true), None);
        assert_eq!(choose(&open, "Player", "b", None, true), Some(3), "another program's title does not count");
    }
}
