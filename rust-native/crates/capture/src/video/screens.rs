//! The screens of Windows and macOS: the ids that the two have in common, behind the trait that all sources share.

use media::{FrameRate, Size, VideoFrame};
use stream::FrameSlot;

use super::backend::Backend;
use super::card::with_cards;
use super::desktop_follow::{self, Rule};
use super::region::RegionId;
use super::{SourceInfo, SourceKind, VideoError, VideoEvent, VideoOptions, imp};

/// Everything that the system lists, and the one source that is always there: whatever fills the screen.
pub(super) fn list_sources(display: Option<&str>) -> Result<Vec<SourceInfo>, VideoError> {
    let mut sources = imp::list_sources(display)?;
    for source in &mut sources {
        if source.kind == SourceKind::Window {
            let (program, title) = (source.program.clone(), source.title.clone());
            source.lasting_id = Rule::Named { program, title }.id(imp::SYSTEM);
        }
    }
    sources.push(game());
    Ok(sources)
}

fn game() -> SourceInfo {
    let id = Rule::FullScreen.id(imp::SYSTEM);
    SourceInfo {
        lasting_id: id.clone(),
        id,
        kind: SourceKind::Game,
        title: "Full-screen program".to_owned(),
        program: String::new(),
        area: super::Rect::default(),
    }
}

pub(super) fn start(
    display: Option<&str>,
    options: VideoOptions,
    slot: FrameSlot<VideoFrame>,
    on_event: Box<dyn Fn(VideoEvent) + Send>,
) -> Result<Box<dyn Backend>, VideoError> {
    let on_event = with_cards(slot.clone(), on_event);
    if let Some(rule) = Rule::parse(imp::SYSTEM, &options.source_id)? {
        return desktop_follow::start(rule, options, slot, on_event);
    }
    Ok(Box::new(imp::Capture::start(display, options, slot, on_event)?))
}

/// What the source of that id is now, listed or not.
pub(super) fn describe(display: Option<&str>, id: &str) -> Result<SourceInfo, VideoError> {
    let not_found = || VideoError::SourceNotFound(id.to_owned());
    let listed = list_sources(display)?;
    if let Some(region) = RegionId::parse(id) {
        let region = region?;
        let monitor = listed.iter().find(|source| source.id == region.monitor).ok_or_else(not_found)?;
        let area = region.on(monitor.area).ok_or(VideoError::RegionOutside)?;
        let (id, lasting_id) = (id.to_owned(), id.to_owned());
        let title = format!("{} · {}×{}", monitor.title, area.width, area.height);
        return Ok(SourceInfo { id, lasting_id, kind: SourceKind::Region, title, program: String::new(), area });
    }
    if let Some(rule @ Rule::Named { .. }) = Rule::parse(imp::SYSTEM, id)? {
        let Rule::Named { program, title } = &rule else { return Err(not_found()) };
        let absent = || SourceInfo {
            kind: SourceKind::Window,
            title: title.clone(),
            program: program.clone(),
            area: super::Rect::default(),
            ..game()
        };
        let found = rule.choose(&listed, None, true).cloned().unwrap_or_else(absent);
        return Ok(SourceInfo { id: id.to_owned(), lasting_id: id.to_owned(), ..found });
    }
    listed.into_iter().find(|source| source.id == id).ok_or_else(not_found)
}

pub(super) fn thumbnail(display: Option<&str>, id: &str, max: Size) -> Result<Vec<u8>, VideoError> {
    let Some(rule) = Rule::parse(imp::SYSTEM, id)? else { return imp::thumbnail(display, id, max) };
    let listed = imp::list_sources(display)?;
    let found = rule.choose(&listed, None, true).ok_or_else(|| rule.absence())?;
    imp::thumbnail(display, &found.id, max)
}

impl Backend for imp::Capture {
    fn set_frame_rate(&self, rate: FrameRate) {
        Self::set_frame_rate(self, rate);
    }

    fn set_own_window(&self, window: Option<u32>) {
        Self::set_own_window(self, window);
    }

    fn set_cursor(&self, cursor: bool) {
        Self::set_cursor(self, cursor);
    }

    fn set_surfaces(&self, surfaces: bool) {
        Self::set_surfaces(self, surfaces);
    }

    fn captured(&self) -> u64 {
        Self::captured(self)
    }
}
