//! The capture's thread: starts the stream, and looks after the source while the framework delivers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use media::VideoFrame;
use stream::FrameSlot;

use super::content::{self, Found};
use super::session::{self, Session};
use super::window_info::{self, Standing};
use super::{Settings, Shared};
use crate::video::{Rect, VideoError, VideoEvent};

/// How often a window is looked at: nothing tells of one that is moved, resized or minimised.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A stream gives its first frame at once, also of a source that rests.
const FIRST_FRAME_LIMIT: Duration = Duration::from_secs(5);

pub(super) struct Worker {
    shared: Arc<Shared>,
    on_event: Box<dyn Fn(VideoEvent) + Send>,
    found: Found,
    session: Session,
    settings: Settings,
    area: Rect,
    is_paused: bool,
    looked_at: Instant,
}

impl Worker {
    /// Starts the stream and waits for its first frame.
    pub(super) fn open(
        id: &str,
        shared: Arc<Shared>,
        slot: FrameSlot<VideoFrame>,
        on_event: Box<dyn Fn(VideoEvent) + Send>,
    ) -> Result<Self, VideoError> {
        let found = content::find(id)?;
        let area = match found.window.map(window_info::standing) {
            None => found.area,
            Some(Standing::Shown(area)) => area,
            Some(Standing::Hidden) => return Err(VideoError::SourceMinimised),
            Some(Standing::Gone) => return Err(VideoError::SourceNotFound(id.to_owned())),
        };
        let settings = *shared.settings.lock();
        let session = Session::start(&found, settings, Arc::clone(&shared), slot)?;
        let until = Instant::now() + FIRST_FRAME_LIMIT;
        while shared.captured.load(Ordering::Relaxed) == 0 {
            if let Some(error) = shared.ended.lock().take() {
                return Err(error);
            }
            if Instant::now() >= until || shared.stop.load(Ordering::Relaxed) {
                return Err(VideoError::DisplaySilent);
            }
            shared.wait(until);
        }
        on_event(VideoEvent::Area(Some(area)));
        Ok(Self { shared, on_event, found, session, settings, area, is_paused: false, looked_at: Instant::now() })
    }

    /// Until it is told to stop or the source is gone.
    pub(super) fn run(mut self) {
        while !self.shared.stop.load(Ordering::Relaxed) {
            if let Err(error) = self.step() {
                tracing::warn!(%error, "capture ended");
                return (self.on_event)(VideoEvent::Lost(error));
            }
            self.shared.wait(self.looked_at + LOOK_EVERY);
        }
    }

    fn step(&mut self) -> Result<(), VideoError> {
        if let Some(error) = self.shared.ended.lock().take() {
            return Err(error);
        }
        let settings = *self.shared.settings.lock();
        if settings != self.settings {
            self.settings = settings;
            self.configure();
        }
        if self.looked_at.elapsed() >= LOOK_EVERY {
            self.looked_at = Instant::now();
            if let Some(window) = self.found.window {
                return self.look(window_info::standing(window));
            }
        }
        Ok(())
    }

    fn look(&mut self, standing: Standing) -> Result<(), VideoError> {
        match standing {
            Standing::Gone => return Err(VideoError::SourceClosed),
            Standing::Hidden if !self.is_paused => {
                self.is_paused = true;
                (self.on_event)(VideoEvent::Paused(VideoError::SourceMinimised));
            }
            Standing::Hidden => {}
            Standing::Shown(area) => {
                if std::mem::take(&mut self.is_paused) {
                    (self.on_event)(VideoEvent::Resumed);
                }
                let old = std::mem::replace(&mut self.area, area);
                if (old.width, old.height) != (area.width, area.height) {
                    // A stream keeps its size and would scale the window into it.
                    self.configure();
                }
                if old != area {
                    (self.on_event)(VideoEvent::Area(Some(area)));
                }
            }
        }
        Ok(())
    }

    fn configure(&self) {
        let size = session::size(self.area.width, self.area.height, self.found.scale);
        self.session.configure(size, self.found.part, self.settings);
    }
}
