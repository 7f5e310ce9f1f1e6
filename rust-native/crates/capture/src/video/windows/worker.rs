//! The capture's thread: paces what the API delivers, and looks after the source.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use media::{Alpha, Clock, MediaTime, MonotonicClock, Size, VideoFrame};
use stream::FrameSlot;

use super::brightness;
use super::session::Session;
use super::target::{Aim, Standing, Target};
use super::{Settings, Shared};
use crate::video::pacing::Pacer;
use crate::video::pool::Pool;
use crate::video::tone_map::ToneMap;
use crate::video::{Rect, VideoError, VideoEvent};

/// How often the source is looked at: nothing tells of a window that is moved or minimised.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Every so many looks, whether HDR was switched. Asking wakes the graphics driver.
const LOOKS_PER_BRIGHTNESS: u32 = 8;
/// A graphics driver that was restarted is back within seconds; one that fails for longer is broken.
const MOST_RESTARTS: u32 = 5;
/// A session that has run for so long is not the one that kept failing.
const STEADY_AFTER: Duration = Duration::from_secs(10);
/// Of buffers that nobody needs yet, or any more.
const NOTHING: Size = Size { width: 0, height: 0 };

pub(super) struct Worker {
    aim: Aim,
    /// Of the target's picture; `None` is all of it.
    part: Option<Rect>,
    shared: Arc<Shared>,
    slot: FrameSlot<VideoFrame>,
    on_event: Box<dyn Fn(VideoEvent) + Send>,
    settings: Settings,
    session: Session,
    pool: Pool,
    pacer: Pacer,
    area: Option<Rect>,
    is_paused: bool,
    looked_at: Instant,
    looks: u32,
    started_at: Instant,
    restarts: u32,
}

impl Worker {
    /// Starts the session on a source that shows a picture.
    pub(super) fn open(
        id: &str,
        shared: Arc<Shared>,
        slot: FrameSlot<VideoFrame>,
        on_event: Box<dyn Fn(VideoEvent) + Send>,
    ) -> Result<Self, VideoError> {
        let aim = Aim::find(id)?;
        let (area, part) = match aim.target.standing() {
            Standing::Shown(area) => aim.place(area)?,
            Standing::Hidden => return Err(VideoError::SourceMinimised),
            Standing::Protected => return Err(VideoError::ProtectedContent),
            Standing::Gone => return Err(VideoError::SourceNotFound(id.to_owned())),
        };
        let settings = *shared.settings.lock();
        let session = start(aim.target, &settings, &shared)?;
        on_event(VideoEvent::Area(Some(area)));
        Ok(Self {
            aim,
            part,
            shared,
            slot,
            on_event,
            settings,
            session,
            pool: Pool::new(NOTHING),
            pacer: Pacer::new(settings.rate),
            area: Some(area),
            is_paused: false,
            looked_at: Instant::now(),
            looks: 0,
            started_at: Instant::now(),
            restarts: 0,
        })
    }

    /// Waits for the first frame.
    pub(super) fn first(&mut self, limit: Duration) -> Result<(), VideoError> {
        let until = Instant::now() + limit;
        while self.shared.captured.load(Ordering::Relaxed) == 0 {
            if Instant::now() >= until || self.is_stopped() {
                return Err(VideoError::DisplaySilent);
            }
            self.step()?;
        }
        Ok(())
    }

    /// Captures until it is told to stop or the source is gone.
    pub(super) fn run(&mut self) {
        while !self.is_stopped() {
            if let Err(error) = self.step() {
                tracing::warn!(%error, "capture ended");
                return self.tell(VideoEvent::Lost(error));
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    fn step(&mut self) -> Result<(), VideoError> {
        self.take_settings()?;
        if self.looked_at.elapsed() >= LOOK_EVERY {
            self.looked_at = Instant::now();
            self.look()?;
        }
        // While the pacer holds a frame back, others that come would end each wait at once.
        let now = MonotonicClock.now();
        let ready_at = self.pacer.ready_at();
        let held_back = (ready_at > now).then(|| ready_at.since(now));
        let deadline = self.looked_at + LOOK_EVERY;
        let news = match held_back {
            Some(pause) => self.shared.arrivals.wait(deadline.min(Instant::now() + pause), false),
            None => self.shared.arrivals.wait(deadline, true),
        };
        if news.closed {
            return Err(VideoError::SourceClosed);
        }
        let now = MonotonicClock.now();
        if news.pending.is_some() && now >= self.pacer.ready_at() {
            self.publish(now)?;
        }
        Ok(())
    }

    fn publish(&mut self, now: MediaTime) -> Result<(), VideoError> {
        let pool = &mut self.pool;
        let taken = self.session.take(self.part, |size, read| {
            pool.resize(size);
            pool.fill(read)
        });
        let taken = match taken {
            Ok(taken) => taken,
            // The monitor became smaller a moment ago: the next look tells.
            Err(VideoError::RegionOutside) => return Ok(()),
            Err(error) => return self.restart(error),
        };
        match taken {
            Some((size, pixels, pending)) => {
                self.pacer.grabbed(now, pending.wanted);
                self.shared.captured.fetch_add(1, Ordering::Relaxed);
                let (captured_at, stride) = (pending.captured_at, size.width as usize * 4);
                self.slot.put(VideoFrame { captured_at, size, stride, pixels, alpha: Alpha::Opaque });
            }
            // Consumers hold every buffer: nothing tells when one comes back.
            None => std::thread::sleep(self.settings.rate.interval() / 4),
        }
        Ok(())
    }

    /// What became of the source, and of the session.
    fn look(&mut self) -> Result<(), VideoError> {
        let placed = match self.aim.target.standing() {
            Standing::Gone => return Err(VideoError::SourceClosed),
            Standing::Protected => return Err(VideoError::ProtectedContent),
            Standing::Hidden => Err(VideoError::SourceMinimised),
            Standing::Shown(whole) => self.aim.place(whole),
        };
        match placed {
            Err(reason) if !self.is_paused => {
                self.is_paused = true;
                self.tell(VideoEvent::Paused(reason));
            }
            Err(_) => {}
            Ok((area, part)) => {
                if std::mem::take(&mut self.is_paused) {
                    self.tell(VideoEvent::Resumed);
                }
                self.part = part;
                if self.area != Some(area) {
                    self.area = Some(area);
                    self.tell(VideoEvent::Area(Some(area)));
                }
            }
        }
        if let Some(error) = self.session.ended() {
            return self.restart(error);
        }
        if self.started_at.elapsed() > STEADY_AFTER {
            self.restarts = 0;
        }
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(LOOKS_PER_BRIGHTNESS) {
            let now = brightness::of(self.aim.target.monitor());
            if now != self.session.tone_map().map(ToneMap::brightness) {
                tracing::info!(hdr = now.is_some(), "the monitor's brightness was changed");
                return self.start_again();
            }
        }
        Ok(())
    }

    /// After a fault: a graphics driver that is updated or hangs takes every session with it.
    fn restart(&mut self, error: VideoError) -> Result<(), VideoError> {
        self.restarts += 1;
        if matches!(error, VideoError::SourceClosed) || self.restarts > MOST_RESTARTS {
            return Err(error);
        }
        tracing::warn!(%error, attempt = self.restarts, "the capture session failed; starting another");
        self.shared.arrivals.wait(Instant::now() + LOOK_EVERY * self.restarts, false);
        match self.start_again() {
            // Another attempt is made when this one is looked at.
            Err(error) if self.restarts >= MOST_RESTARTS => Err(error),
            Err(error) => {
                tracing::warn!(%error, "the next session did not start either");
                self.restart(error)
            }
            Ok(()) => Ok(()),
        }
    }

    fn start_again(&mut self) -> Result<(), VideoError> {
        self.session = start(self.aim.target, &self.settings, &self.shared)?;
        self.started_at = Instant::now();
        Ok(())
    }

    fn take_settings(&mut self) -> Result<(), VideoError> {
        let settings = *self.shared.settings.lock();
        let old = std::mem::replace(&mut self.settings, settings);
        if settings.rate != old.rate {
            self.pacer.set_rate(settings.rate);
        }
        if settings.surfaces != old.surfaces {
            self.session.set_surfaces(settings.surfaces);
            self.pool.resize(NOTHING);
        }
        // A session takes it at its start only.
        if settings.cursor != old.cursor { self.start_again() } else { Ok(()) }
    }

    fn tell(&self, event: VideoEvent) {
        (self.on_event)(event);
    }
}

fn start(target: Target, settings: &Settings, shared: &Shared) -> Result<Session, VideoError> {
    let tone_map = brightness::of(target.monitor()).map(ToneMap::new);
    let mut session = Session::start(target, settings.cursor, tone_map, Arc::clone(&shared.arrivals))?;
    session.set_surfaces(settings.surfaces);
    Ok(session)
}
