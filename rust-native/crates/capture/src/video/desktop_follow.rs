//! On Windows and macOS: sources that are a window by what it is, not by its number: the one of a program and title,
//! or the one that fills a monitor. The window may come, go and come back as another one; the capture follows.
//!
//! Neither system tells of windows that come and go without a hook into every program, so they are looked at.

use std::fmt;

use super::spec::{Spec, encode};
use super::{SourceInfo, SourceKind, VideoError};

/// Which window is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// The one of that program with that title; where no title fits, that program's only one. Never one of several:
    /// a stranger's letter must not be shown in place of a document.
    Named { program: String, title: String },
    /// The uppermost one that is as large as its monitor.
    FullScreen,
}

impl Rule {
    /// `win:find:Editor?title=notes`, `win:game`; `None` for ids of other kinds.
    pub(super) fn parse(system: &str, id: &str) -> Result<Option<Self>, VideoError> {
        let Some(rest) = id.strip_prefix(system).and_then(|rest| rest.strip_prefix(':')) else { return Ok(None) };
        if rest == "game" {
            return Ok(Some(Self::FullScreen));
        }
        let Some(rest) = rest.strip_prefix("find:") else { return Ok(None) };
        let spec = Spec::parse(id, rest)?;
        spec.allow(&["title"])?;
        let title = spec.text("title").unwrap_or_default().to_owned();
        if spec.body.is_empty() && title.is_empty() {
            return Err(spec.refuse("a window is found by its program, its title, or both"));
        }
        Ok(Some(Self::Named { program: spec.body, title }))
    }

    /// Its id.
    pub(super) fn id(&self, system: &str) -> String {
        match self {
            Self::Named { program, title } => format!("{system}:find:{}?title={}", encode(program), encode(title)),
            Self::FullScreen => format!("{system}:game"),
        }
    }

    /// Why there is no picture while no window is found.
    pub(super) fn absence(&self) -> VideoError {
        match self {
            Self::Named { .. } => VideoError::WindowNotOpen,
            Self::FullScreen => VideoError::NoFullScreen,
        }
    }

    /// Of what is listed now (windows from the top of the stack down), the one that is meant; `current` is the id of
    /// the one that was until now. Only the first time is a program's only window good enough under another title:
    /// what comes after a window that was closed need not be the same.
    pub(super) fn choose<'a>(
        &self,
        listed: &'a [SourceInfo],
        current: Option<&str>,
        is_first: bool,
    ) -> Option<&'a SourceInfo> {
        let windows = || listed.iter().filter(|source| source.kind == SourceKind::Window);
        match self {
            Self::Named { program, title } => {
                let of_program = |source: &&SourceInfo| program.is_empty() || source.program == *program;
                // One that is captured already stays, though its title changes with what is open in it.
                let kept = windows().filter(of_program).find(|source| Some(source.id.as_str()) == current);
                let by_title = || windows().filter(of_program).find(|source| source.title == *title);
                let only = || {
                    let mut candidates = windows().filter(of_program);
                    candidates.next().filter(|_| is_first && candidates.next().is_none() && !program.is_empty())
                };
                kept.or_else(by_title).or_else(only)
            }
            Self::FullScreen => {
                let fills = |window: &&SourceInfo| {
                    listed.iter().any(|each| each.kind == SourceKind::Monitor && each.area == window.area)
                };
                windows().find(fills)
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { program, title } => write!(f, "{title} ({program})"),
            Self::FullScreen => f.write_str("whatever fills the screen"),
        }
    }
}

#[cfg(any(target_os = "windows", target_os = "macos"))]
pub(super) use running::start;

#[cfg(any(target_os = "windows", target_os = "macos"))]
mod running;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::Rect;

    const SCREEN: Rect = Rect { x: 0, y: 0, width: 1920, height: 1080 };

    fn source(kind: SourceKind, number: u32, program: &str, title: &str, area: Rect) -> SourceInfo {
        SourceInfo {
            id: number.to_string(),
            lasting_id: String::new(),
            kind,
            title: title.to_owned(),
            program: program.to_owned(),
            area,
        }
    }

    fn window(number: u32, program: &str, title: &str) -> SourceInfo {
        source(SourceKind::Window, number, program, title, Rect { width: 800, height: 600, ..SCREEN })
    }

    fn named(program: &str, title: &str) -> Rule {
        Rule::Named { program: program.to_owned(), title: title.to_owned() }
    }

    #[test]
    fn rules_are_read_as_they_are_written() {
        for rule in [named("Text?Editor", "50% & more = ü"), Rule::FullScreen] {
            assert_eq!(Rule::parse("win", &rule.id("win")), Ok(Some(rule)));
        }
        for other in ["win:window:1", "mac:game", "win", "game", "x11:find:a"] {
            assert_eq!(Rule::parse("win", other), Ok(None), "{other}");
        }
        assert_eq!(Rule::parse("win", "win:find:?title=").expect_err("empty").code(), "bad_source");
    }

    #[test]
    fn an_absence_is_said_in_the_users_words() {
        assert_eq!(named("Editor", "a").absence().code(), "window_not_open");
        assert_eq!(Rule::FullScreen.absence().code(), "no_full_screen");
        assert_eq!(named("Editor", "a").to_string(), "a (Editor)");
    }

    #[test]
    fn a_window_is_found_by_title_then_by_its_program_alone() {
        let open = [window(1, "Editor", "a"), window(2, "Editor", "b"), window(3, "Player", "song 2")];
        let chosen =
            |program, title, current| named(program, title).choose(&open, current, true).map(|found| found.id.as_str());
        assert_eq!(chosen("Editor", "b", None), Some("2"));
        assert_eq!(chosen("Player", "song 1", None), Some("3"), "its title changed");
        assert_eq!(chosen("Editor", "c", None), None, "one of several is never guessed");
        assert_eq!(chosen("Editor", "c", Some("2")), Some("2"), "the one that is captured stays");
        assert_eq!(chosen("", "b", None), Some("2"));
        assert_eq!(chosen("", "z", None), None);
        assert_eq!(named("Player", "song 1").choose(&open, None, false), None, "another window than the closed one");
    }

    #[test]
    fn the_uppermost_window_as_large_as_a_monitor_fills_it() {
        let game = source(SourceKind::Window, 2, "Game", "g", SCREEN);
        let monitor = source(SourceKind::Monitor, 9, "", "m", SCREEN);
        let listed = [monitor.clone(), window(1, "Editor", "a"), game.clone()];
        assert_eq!(Rule::FullScreen.choose(&listed, None, true), Some(&game));
        assert_eq!(Rule::FullScreen.choose(&[monitor, window(1, "Editor", "a")], None, true), None);
    }
}
