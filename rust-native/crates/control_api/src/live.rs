//! The captures: one for each source that can be seen, however many items and canvases show it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use capture::video::{Rect, VideoCapture, VideoError};
use compose::Card;
use media::{FrameRate, VideoFrame};
use scene::Scene;
use stream::{Fan, FrameSlot};

use crate::canvases::MAIN;
use crate::event::{CaptureState, SourceState};
use crate::pipeline::{EncodeControl, Feed};

/// A lost source is tried again this often: a camera that is plugged in again is found while someone still looks.
const RETRY: Duration = Duration::from_secs(3);

/// What is captured, and the main canvas's scene; a plain source is a scene of one item.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) scene: Arc<Scene>,
    /// Started as a source, not as a scene.
    pub(crate) plain: bool,
    pub(crate) cursor: bool,
    /// The most pictures a second that the main canvas takes.
    pub(crate) pace: FrameRate,
    /// Those of the scene, in its order, and then those that only further canvases show.
    pub(crate) sources: Vec<LiveSource>,
    /// What only the scene before it shows, until its fade is over: it moves as long as it is seen.
    pub(crate) leaving: Vec<LiveSource>,
    /// When that is.
    pub(crate) left_at: Instant,
}

/// One source of it.
#[derive(Debug)]
pub(crate) struct LiveSource {
    /// Names this capture of the source: a late word of an ended one is ignored.
    pub(crate) id: u64,
    pub(crate) source_id: String,
    /// Hands its frames to each canvas that shows it, into slots that ring the canvas's own bell.
    pub(crate) fan: Fan<VideoFrame>,
    readers: Vec<(u64, FrameSlot<VideoFrame>)>,
    /// The rate that its capture was asked for last.
    pace: Option<FrameRate>,
    pub(crate) video: Option<Arc<VideoCapture>>,
    pub(crate) area: Option<Rect>,
    pub(crate) state: CaptureState,
    /// Why it was lost last: what its card says.
    pub(crate) reason: Option<VideoError>,
    /// When it was lost or last tried; `None` while it is being opened.
    pub(crate) tried: Option<Instant>,
}

impl LiveSource {
    /// One that opened, or didn't.
    pub(crate) fn new(
        id: u64,
        source_id: String,
        fan: Fan<VideoFrame>,
        opened: Result<VideoCapture, VideoError>,
    ) -> Self {
        let (video, state, reason) = match opened {
            Ok(video) => (Some(Arc::new(video)), CaptureState::Capturing, None),
            Err(error) => (None, CaptureState::Lost { code: error.code().to_owned() }, Some(error)),
        };
        let (readers, tried) = (Vec::new(), Some(Instant::now()));
        Self { id, source_id, fan, readers, pace: None, video, area: None, state, reason, tried }
    }

    /// Where a canvas finds its frames, from now on.
    fn feed(&mut self, canvas: u64, encode: &EncodeControl) -> Feed {
        let known = self.readers.iter().find(|(reader, _)| *reader == canvas).map(|(_, slot)| slot.clone());
        let slot = known.unwrap_or_else(|| {
            let slot = encode.feed();
            self.fan.add(slot.clone());
            self.readers.push((canvas, slot.clone()));
            slot
        });
        (self.source_id.clone(), slot)
    }

    /// It was opened again.
    pub(crate) fn reopened(&mut self, video: Arc<VideoCapture>) {
        (self.video, self.pace) = (Some(video), None);
        self.state = CaptureState::Capturing;
    }

    /// The most pictures a second that anybody takes.
    pub(crate) fn set_pace(&mut self, rate: FrameRate) {
        if self.pace != Some(rate) {
            self.pace = Some(rate);
            self.video.iter().for_each(|video| video.set_frame_rate(rate));
        }
    }

    /// Whether it comes quicker than that.
    pub(crate) fn is_quicker(&self, than: FrameRate) -> bool {
        self.pace.is_some_and(|pace| pace.fps() > than.fps())
    }

    /// A canvas shows it no more.
    fn leave(&mut self, canvas: u64) {
        self.readers.retain(|(reader, slot)| {
            if *reader == canvas {
                self.fan.remove(slot);
            }
            *reader != canvas
        });
    }

    /// What stands in its place while it is lost.
    pub(crate) fn card(&self) -> Card {
        self.reason
            .clone()
            .map_or_else(Card::default, |reason| Card::new(move |size| capture::video::lost_card(size, &reason)))
    }

    /// Whether it can go on in another scene.
    pub(crate) fn is_well(&self) -> bool {
        self.video.is_some() && !self.is_lost()
    }

    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.state, CaptureState::Lost { .. })
    }

    /// Whether it is time to open it again. Windows are not: the display gives a closed one's number to the next. What
    /// the desktop shares is not either: it would ask its user out of the blue.
    fn is_due(&self, now: Instant) -> bool {
        let is_for_the_user = self.source_id.contains(":window:") || self.source_id.starts_with("wayland:");
        self.is_lost() && !is_for_the_user && self.tried.is_some_and(|at| now.duration_since(at) >= RETRY)
    }
}

impl Capture {
    /// Whether that source runs, also where it is about to leave.
    pub(crate) fn has_well(&self, name: &str) -> bool {
        self.sources.iter().chain(&self.leaving).any(|source| source.source_id == name && source.is_well())
    }

    /// Whether that source is captured, well or lost, or about to leave and well.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.has_well(name) || self.sources.iter().any(|source| source.source_id == name)
    }

    /// Closes what has left; what another canvas still shows is no longer given to the main one.
    pub(crate) fn close_left(&mut self, now: Instant) {
        if self.left_at <= now {
            self.leaving.clear();
            let scene = Arc::clone(&self.scene);
            self.leave(MAIN, &scene);
        }
    }

    /// What a canvas's encode reads while it shows that scene.
    pub(crate) fn feeds(&mut self, canvas: u64, scene: &Scene, encode: &EncodeControl) -> Vec<Feed> {
        let mut feeds = Vec::new();
        for name in scene.sources() {
            let source = self.sources.iter_mut().find(|source| source.source_id == name);
            feeds.extend(source.map(|source| source.feed(canvas, encode)));
        }
        feeds
    }

    /// That canvas is no longer given what its scene does not show.
    pub(crate) fn leave(&mut self, canvas: u64, scene: &Scene) {
        let shown = scene.sources();
        self.sources
            .iter_mut()
            .filter(|source| !shown.contains(&source.source_id.as_str()))
            .for_each(|source| source.leave(canvas));
    }

    /// That canvas is given nothing more.
    pub(crate) fn dismiss(&mut self, canvas: u64) {
        self.sources.iter_mut().for_each(|source| source.leave(canvas));
    }

    /// What is about to leave and is wanted after all stays; what is missing then is given back.
    pub(crate) fn take_back(&mut self, wanted: &[String]) -> Vec<String> {
        let mut missing = Vec::new();
        for name in wanted {
            if self.sources.iter().any(|source| source.source_id == *name) {
                continue;
            }
            match self.leaving.iter().position(|source| source.source_id == *name && source.is_well()) {
                Some(at) => self.sources.push(self.leaving.swap_remove(at)),
                None => missing.push(name.clone()),
            }
        }
        missing
    }

    /// Closes what neither the main canvas shows nor any of those names says.
    pub(crate) fn keep_only(&mut self, wanted: &[String]) {
        let scene = Arc::clone(&self.scene);
        let main = scene.sources();
        self.sources.retain(|source| main.contains(&source.source_id.as_str()) || wanted.contains(&source.source_id));
    }

    /// Those of the main canvas.
    fn main(&self) -> impl Iterator<Item = &LiveSource> {
        let shown = self.scene.sources();
        self.sources.iter().filter(move |source| shown.contains(&source.source_id.as_str()))
    }

    /// How the main canvas stands: a scene goes on as long as any of its sources does.
    pub(crate) fn state(&self) -> CaptureState {
        let well = self.main().any(|source| source.state == CaptureState::Capturing);
        let first = self.main().next().filter(|_| !well);
        first.map_or(CaptureState::Capturing, |source| source.state.clone())
    }

    /// How each source stands.
    pub(crate) fn states(&self) -> Vec<SourceState> {
        let main = self.scene.sources();
        let state = |source: &LiveSource| {
            let (id, capture) = (source.source_id.clone(), source.state.clone());
            SourceState { on_main: main.contains(&id.as_str()), id, capture }
        };
        self.sources.iter().map(state).collect()
    }

    /// The part of the desktop that the main canvas shows, where a source is one.
    pub(crate) fn area(&self) -> Option<Rect> {
        self.main().find_map(|source| source.area)
    }

    /// Frames of a canvas's sources so far, and those that were replaced before its encode took them.
    pub(crate) fn frames(&self, canvas: u64) -> (u64, u64) {
        let (mut captured, mut replaced) = (0, 0);
        for source in &self.sources {
            let Some((_, slot)) = source.readers.iter().find(|(reader, _)| *reader == canvas) else { continue };
            captured += source.video.as_ref().map_or(0, |video| video.captured());
            replaced += slot.replaced();
        }
        (captured, replaced)
    }

    /// Leaves the frames of the main canvas on the graphics card, or brings them into memory.
    pub(crate) fn set_surfaces(&self, surfaces: bool) {
        self.main().filter_map(|source| source.video.as_ref()).for_each(|video| video.set_surfaces(surfaces));
    }

    pub(crate) fn set_own_window(&self, window: Option<u32>) {
        self.sources.iter().filter_map(|source| source.video.as_ref()).for_each(|video| video.set_own_window(window));
    }

    /// Lost sources that are to be opened again now; each is named once until it has been tried.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(u64, String, FrameSlot<VideoFrame>)> {
        let due = self.sources.iter_mut().filter(|source| source.is_due(now));
        due.map(|source| {
            source.tried = None;
            (source.id, source.source_id.clone(), source.fan.inlet())
        })
        .collect()
    }
}
