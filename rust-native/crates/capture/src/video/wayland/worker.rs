//! The capture thread of a shared screen: asks the desktop, then hands on what PipeWire brings, each picture when its
//! time has come, and says why none comes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use media::{Clock, MonotonicClock, Size, VideoFrame};
use session_bus::{BusError, Patience, Waker};
use stream::FrameSlot;

use super::portal::{self, Grant, Sharing, Wish};
use super::progress::{Look, Progress};
use super::stream::{Phase, PictureStream};
use super::{QUICK, Settings, Shared};
use crate::video::pacing::Pacer;
use crate::video::{Rect, VideoError, VideoEvent, card};

/// Consumers that hold all memory for pictures are asked again after this time.
const MEMORY_PAUSE: Duration = Duration::from_millis(5);

/// Runs on the thread from its first to its last line.
pub(super) struct Worker {
    pub(super) bus: Option<String>,
    pub(super) wish: Wish,
    pub(super) shared: Arc<Shared>,
    pub(super) owner: Owner,
}

/// Whoever started the capture, and whoever watches it.
pub(super) struct Owner {
    pub(super) slot: FrameSlot<VideoFrame>,
    pub(super) on_event: Box<dyn Fn(VideoEvent) + Send>,
    /// Of the last picture, and so of a card that takes its place.
    pub(super) size: Size,
    /// Told once: that a picture or a card lies in the slot, or why none ever will.
    pub(super) ready: Option<mpsc::SyncSender<Result<(), VideoError>>>,
}

impl Owner {
    /// Tells the owner; a card says it to those who watch.
    fn tell(&self, event: VideoEvent) {
        if let VideoEvent::Paused(reason) | VideoEvent::Lost(reason) = &event {
            card::put(&self.slot, self.size, reason);
        }
        (self.on_event)(event);
    }

    /// Lets the owner go on, once.
    fn tell_ready(&mut self) {
        if let Some(ready) = self.ready.take() {
            // Nobody waits any more where the start was given up; the stop comes by its own way.
            let _ = ready.send(Ok(()));
        }
    }

    fn lose(&mut self, error: VideoError) {
        match self.ready.take() {
            Some(ready) => drop(ready.send(Err(error))),
            None => self.tell(VideoEvent::Lost(error)),
        }
    }
}

/// Waits for the desktop, and where it takes its time says once that a person is asked.
struct Waiting<'a> {
    shared: &'a Shared,
    owner: &'a mut Owner,
    /// `None` once it was said.
    quick: Option<Instant>,
}

impl Patience for Waiting<'_> {
    fn look(&mut self) -> Result<Option<Instant>, BusError> {
        if self.shared.stop.load(Ordering::Relaxed) {
            return Err(BusError::Stopped);
        }
        if self.quick.is_some_and(|quick| Instant::now() >= quick) {
            self.quick = None;
            self.owner.tell(VideoEvent::Paused(VideoError::PortalAsking));
            self.owner.tell_ready();
        }
        Ok(self.quick)
    }

    fn waker(&self) -> &Waker {
        &self.shared.waker
    }
}

impl Worker {
    /// Returns when the owner stops the capture, or when it is lost and that was told.
    pub(super) fn run(mut self) {
        let quick = Some(Instant::now() + QUICK);
        let mut waiting = Waiting { shared: &self.shared, owner: &mut self.owner, quick };
        let outcome = portal::ask(self.bus.as_deref(), &self.wish, &mut waiting);
        let was_said = waiting.quick.is_none();
        match outcome {
            Ok(None) => {}
            Ok(Some(grant)) => {
                if was_said {
                    self.owner.tell(VideoEvent::Resumed);
                }
                if let Some(error) = self.share(grant) {
                    self.owner.lose(error);
                }
            }
            Err(error) => self.owner.lose(error),
        }
    }

    /// Until the owner stops the capture (`None`), or for why it ended.
    fn share(&mut self, grant: Grant) -> Option<VideoError> {
        let Grant { remote, node, area, token, mut sharing } = grant;
        if let Some(token) = token {
            self.owner.tell(VideoEvent::Remember(token));
        }
        let rate = self.shared.settings.lock().rate;
        let outcome = match PictureStream::open(remote, node, rate, Arc::clone(&self.shared.waker)) {
            Ok(pictures) => self.hand_on(pictures, area, &mut sharing),
            Err(error) => Some(error),
        };
        sharing.end();
        outcome
    }

    fn hand_on(
        &mut self,
        mut pictures: PictureStream,
        mut area: Option<Rect>,
        sharing: &mut Sharing,
    ) -> Option<VideoError> {
        let Self { shared, owner, .. } = self;
        // The stream begins with pictures in memory.
        let mut settings = Settings { surfaces: false, ..*shared.settings.lock() };
        let mut pacer = Pacer::new(settings.rate);
        let mut progress = Progress::new(Instant::now());
        owner.tell(VideoEvent::Area(area));
        while !shared.stop.load(Ordering::Relaxed) {
            let wanted = *shared.settings.lock();
            if wanted.rate != settings.rate {
                pacer.set_rate(wanted.rate);
            }
            if wanted.surfaces != settings.surfaces {
                pictures.ask_for(wanted.rate, wanted.surfaces);
            }
            settings = wanted;
            pictures.give_back();
            let phase = pictures.phase();
            if let Phase::Ended(error) = phase {
                return Some(error);
            }
            if sharing.has_ended() {
                return Some(VideoError::SharingEnded);
            }
            let now = MonotonicClock.now();
            let mut pause = None;
            if let Some(arrived) = pictures.waiting_since() {
                let ready_at = pacer.ready_at();
                if now < ready_at {
                    pause = Some(ready_at.since(now));
                } else if let Some(frame) = pictures.take() {
                    pacer.grabbed(now, arrived);
                    if progress.picture() {
                        owner.tell(VideoEvent::Resumed);
                    }
                    owner.size = frame.size;
                    owner.slot.put(frame);
                    shared.captured.fetch_add(1, Ordering::Relaxed);
                    owner.tell_ready();
                    // A window that was resized: the portal told of its first size only.
                    let Size { width, height } = owner.size;
                    let changed = area.filter(|area| (area.width, area.height) != (width, height));
                    if let Some(old) = changed {
                        area = Some(Rect { width, height, ..old });
                        owner.tell(VideoEvent::Area(area));
                    }
                } else if pictures.waiting_since().is_some() {
                    pause = Some(MEMORY_PAUSE);
                }
            }
            match progress.look(&phase, Instant::now()) {
                Look::Well => {}
                Look::Until(at) => {
                    let left = at.saturating_duration_since(Instant::now());
                    pause = Some(pause.map_or(left, |pause| pause.min(left)));
                }
                Look::Rests => {
                    owner.tell(VideoEvent::Paused(VideoError::SharingPaused));
                    owner.tell_ready();
                }
                Look::Silent => return Some(VideoError::DisplaySilent),
            }
            shared.waker.sleep(Some(sharing.socket()), pause);
        }
        None
    }
}
