//! The live scene's captures: one for each source that can be seen, however many items show it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use capture::video::{Rect, VideoCapture, VideoError};
use compose::Card;
use media::{FrameRate, VideoFrame};
use scene::Scene;
use stream::FrameSlot;

use crate::event::{CaptureState, SourceState};
use crate::pipeline::Feed;

/// A lost source is tried again this often: a camera that is plugged in again is found while someone still looks.
const RETRY: Duration = Duration::from_secs(3);

/// A running capture of a scene; a plain source is a scene of one item.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) scene: Arc<Scene>,
    /// Started as a source, not as a scene.
    pub(crate) plain: bool,
    pub(crate) cursor: bool,
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
    pub(crate) slot: FrameSlot<VideoFrame>,
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
        slot: FrameSlot<VideoFrame>,
        opened: Result<VideoCapture, VideoError>,
    ) -> Self {
        let (video, state, reason) = match opened {
            Ok(video) => (Some(Arc::new(video)), CaptureState::Capturing, None),
            Err(error) => (None, CaptureState::Lost { code: error.code().to_owned() }, Some(error)),
        };
        Self { id, source_id, slot, video, area: None, state, reason, tried: Some(Instant::now()) }
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

    /// Closes what has left.
    pub(crate) fn close_left(&mut self, now: Instant) {
        if self.left_at <= now {
            self.leaving.clear();
        }
    }

    /// What the encode reads.
    pub(crate) fn feeds(&self) -> Vec<Feed> {
        self.sources.iter().map(|source| (source.source_id.clone(), source.slot.clone())).collect()
    }

    /// How it stands: a scene goes on as long as any of its sources does.
    pub(crate) fn state(&self) -> CaptureState {
        let well = self.sources.iter().any(|source| source.state == CaptureState::Capturing);
        let first = self.sources.first().filter(|_| !well);
        first.map_or(CaptureState::Capturing, |source| source.state.clone())
    }

    /// How each source stands.
    pub(crate) fn states(&self) -> Vec<SourceState> {
        let state = |source: &LiveSource| SourceState { id: source.source_id.clone(), capture: source.state.clone() };
        self.sources.iter().map(state).collect()
    }

    /// The part of the desktop that is captured, where a source is one.
    pub(crate) fn area(&self) -> Option<Rect> {
        self.sources.iter().find_map(|source| source.area)
    }

    /// Frames of all sources so far, and those that were replaced before the encode took them.
    pub(crate) fn frames(&self) -> (u64, u64) {
        let captured = self.sources.iter().filter_map(|source| source.video.as_ref()).map(|video| video.captured());
        (captured.sum(), self.sources.iter().map(|source| source.slot.replaced()).sum())
    }

    pub(crate) fn set_frame_rate(&self, rate: FrameRate) {
        self.sources.iter().filter_map(|source| source.video.as_ref()).for_each(|video| video.set_frame_rate(rate));
    }

    pub(crate) fn set_own_window(&self, window: Option<u32>) {
        self.sources.iter().filter_map(|source| source.video.as_ref()).for_each(|video| video.set_own_window(window));
    }

    /// Lost sources that are to be opened again now; each is named once until it has been tried.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(u64, String, FrameSlot<VideoFrame>)> {
        let due = self.sources.iter_mut().filter(|source| source.is_due(now));
        due.map(|source| {
            source.tried = None;
            (source.id, source.source_id.clone(), source.slot.clone())
        })
        .collect()
    }
}
