//! The capture thread: sleeps until something changed, grabs it when its time has come, hands it on.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use media::{Alpha, Clock, MediaTime, MonotonicClock, PixelBuffer, VideoFrame};
use stream::FrameSlot;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{ChangeWindowAttributesAux, ConnectionExt as _, EventMask};

use super::display::Display;
use super::grab::{Grab, Picture, SETTLE_LIMIT, SETTLE_QUIET, Watch, grab};
use super::memory::Pool;
use super::pointer::Pointer;
use super::stacking::{self, OwnWindow};
use super::target::{SourceId, Target, View};
use super::{Settings, Shared};
use crate::video::pacing::Pacer;
use crate::video::{Rect, VideoError, VideoEvent};

/// The least time between two frames in which only the app's own window changed.
const OWN_WINDOW_PAUSE: Duration = Duration::from_secs(1);
/// While a change waits for its turn the X server's events are left alone, but no longer than this: at one frame
/// per second a window that is closed must still be noticed.
const LONGEST_DEAF: Duration = Duration::from_millis(50);
/// A source that moves all the time is looked at anew this often before it is given up.
const MOST_MOVES: u32 = 40;

/// What has changed since the last grab.
#[derive(Debug, Default)]
struct Changes {
    /// Damage was told of, and not looked at, since then.
    damage: Option<MediaTime>,
    /// The same for the pointer.
    pointer: Option<MediaTime>,
    /// A frame is wanted since then.
    wanted: Option<MediaTime>,
    /// The app's own window changed.
    own: bool,
}

/// How long to sleep.
enum Sleep {
    /// Not at all: there may be more to do.
    No,
    /// Until the X server speaks, or that time.
    UntilEvent(Option<MediaTime>),
    /// Until that time, whatever the X server says.
    Deaf(MediaTime),
}

pub(super) struct Worker {
    display: Display,
    target: Target,
    watch: Watch,
    /// `None` while the source has no picture.
    view: Option<View>,
    /// The last that was told of.
    area: Rect,
    pool: Pool,
    pointer: Option<Pointer>,
    own: Option<OwnWindow>,
    pacer: Pacer,
    changes: Changes,
    /// When damage was last looked at in vain or not.
    looked_at: MediaTime,
    last_grab: MediaTime,
    is_view_old: bool,
    moves: u32,
    settings: Settings,
    shared: Arc<Shared>,
    slot: FrameSlot<VideoFrame>,
    on_event: Box<dyn Fn(VideoEvent) + Send>,
}

impl Worker {
    /// Opens the source and puts its first frame.
    pub(super) fn open(
        display: Option<&str>,
        source: &str,
        shared: Arc<Shared>,
        slot: FrameSlot<VideoFrame>,
        on_event: Box<dyn Fn(VideoEvent) + Send>,
    ) -> Result<Self, VideoError> {
        let display = Display::open(display)?;
        let id = SourceId::parse(source)?;
        // Asked before the window is redirected, which brings it out from under the others.
        let was_covered = match id {
            SourceId::Window(window) => stacking::uncovered(&display, window)?.is_none(),
            _ => false,
        };
        let mut target = Target::open(&display, &id)?;
        let not_found = |error| match error {
            VideoError::SourceClosed => VideoError::SourceNotFound(source.to_owned()),
            other => other,
        };
        let mut view = target.view(&display).map_err(not_found)?.ok_or_else(|| target.absence())?;
        let mut watch = Watch::open(&display, target.watched(display.root))?;
        if was_covered || shared.is_new {
            watch.settle(&display, &shared.waker, if shared.is_new { SETTLE_LIMIT } else { SETTLE_QUIET })?;
            target.doubt_picture();
            view = target.view(&display).map_err(not_found)?.ok_or_else(|| target.absence())?;
        }
        let settings = *shared.settings.lock();
        let pointer = settings.cursor.then(|| Pointer::open(&display)).transpose()?;
        let mut worker = Self {
            pool: Pool::new(view.size()),
            area: view.area,
            pacer: Pacer::new(settings.rate),
            own: settings.own_window.map(OwnWindow::new),
            view: Some(view),
            changes: Changes { wanted: Some(MonotonicClock.now()), ..Changes::default() },
            looked_at: MediaTime::ZERO,
            last_grab: MediaTime::ZERO,
            // The place may have changed before its events were asked for.
            is_view_old: true,
            moves: 0,
            display,
            target,
            watch,
            pointer,
            settings,
            shared,
            slot,
            on_event,
        };
        worker.select_root_events()?;
        worker.tell(VideoEvent::Area(Some(view.area)));
        while worker.captured() == 0 {
            worker.turn()?;
            if worker.view.is_none() {
                return Err(worker.target.absence());
            }
        }
        Ok(worker)
    }

    /// Another handle of the connection, to cut it by.
    pub(super) fn socket(&self) -> Result<OwnedFd, VideoError> {
        let socket = self.display.connection.stream().as_fd().try_clone_to_owned();
        socket.map_err(|error| VideoError::Thread(error.to_string()))
    }

    /// Captures until the owner stops it or the source is lost.
    pub(super) fn run(&mut self) {
        while !self.shared.stop.load(Ordering::Relaxed) {
            if let Err(error) = self.turn() {
                if !self.shared.stop.load(Ordering::Relaxed) {
                    tracing::info!(code = error.code(), %error, "the screen capture ended");
                    self.tell(VideoEvent::Lost(error));
                }
                return;
            }
        }
    }

    /// Does what is due, then sleeps.
    fn turn(&mut self) -> Result<(), VideoError> {
        self.take_settings()?;
        self.read_events()?;
        let (socket, until) = match self.step()? {
            Sleep::No => return Ok(()),
            Sleep::Deaf(until) => (None, Some(until)),
            Sleep::UntilEvent(until) => {
                // The answers to our own requests may have brought events along: the socket won't tell of those.
                if self.read_events()? {
                    return Ok(());
                }
                (Some(self.display.connection.stream().as_raw_fd()), until)
            }
        };
        self.display.connection.flush()?;
        let limit = until.map(|until| until.since(MonotonicClock.now()));
        self.shared.waker.sleep(socket, limit);
        Ok(())
    }

    fn step(&mut self) -> Result<Sleep, VideoError> {
        if self.is_view_old {
            self.look_at_view()?;
        }
        let Some(view) = self.view else {
            self.changes = Changes::default();
            return Ok(Sleep::UntilEvent(None));
        };
        let now = MonotonicClock.now();
        let deaf_until = |until: MediaTime| Ok(Sleep::Deaf(until.min(now + LONGEST_DEAF)));
        if self.changes.wanted.is_none() && (self.changes.damage.is_some() || self.changes.pointer.is_some()) {
            // A quarter of the interval between two looks bounds what a busy window of our own may cost.
            let look_at = self.pacer.ready_at().max(self.looked_at + self.settings.rate.interval() / 4);
            if now < look_at {
                return deaf_until(look_at);
            }
            self.looked_at = now;
            self.look_at_changes(&view)?;
        }
        let own_at = self.last_grab + OWN_WINDOW_PAUSE;
        if self.changes.own && now >= own_at {
            self.changes.wanted.get_or_insert(now);
        }
        let Some(wanted) = self.changes.wanted else {
            return Ok(Sleep::UntilEvent(self.changes.own.then_some(own_at)));
        };
        let ready_at = self.pacer.ready_at();
        if now < ready_at {
            return deaf_until(ready_at);
        }
        match grab(&self.display, &view, &mut self.pool, Some(&mut self.watch), self.pointer.is_some())? {
            Grab::Done(picture) => {
                self.pacer.grabbed(now, wanted);
                self.publish(picture, &view);
                Ok(Sleep::No)
            }
            Grab::NoMemory => Ok(Sleep::Deaf(now + (self.settings.rate.interval() / 4).min(LONGEST_DEAF))),
            Grab::Moved => {
                self.is_view_old = true;
                self.moves += 1;
                if self.moves > MOST_MOVES {
                    return Err(VideoError::Refused("the source can't be read".to_owned()));
                }
                Ok(Sleep::Deaf(now + LONGEST_DEAF / 5))
            }
        }
    }

    /// Finds out whether what changed is a reason for a frame.
    fn look_at_changes(&mut self, view: &View) -> Result<(), VideoError> {
        if let Some(since) = self.changes.damage.take() {
            let own = match &mut self.own {
                Some(own) if !self.target.follows_frames() => Some(own.visible(&self.display)?),
                _ => None,
            };
            let own = own.filter(|own| own.touches(view.area));
            if view.is_whole && own.is_none() {
                self.changes.wanted = Some(since);
            } else {
                for rect in self.watch.take(&self.display)? {
                    let Some(rect) = rect.intersection(view.area) else { continue };
                    if own.is_some_and(|own| own.covers(rect)) {
                        self.changes.own = true;
                    } else {
                        self.changes.wanted = Some(since);
                    }
                }
            }
        }
        if let Some(since) = self.changes.pointer.take()
            && let Some(pointer) = &self.pointer
        {
            let at = self.display.connection.query_pointer(self.display.root)?.reply()?;
            if pointer.differs(pointer.place(&at, view.area, &self.target)) {
                self.changes.wanted.get_or_insert(since);
            }
        }
        Ok(())
    }

    /// Draws the pointer and hands the picture on.
    fn publish(&mut self, picture: Picture, view: &View) {
        let Picture { segment, at, pointer } = picture;
        let (size, stride) = (view.size(), self.pool.stride());
        if let (Some(drawn), Some(at), Some(memory)) = (&mut self.pointer, pointer, self.pool.writable(segment)) {
            let place = drawn.place(&at, view.area, &self.target);
            drawn.draw(place, memory.bytes_mut(), stride, size);
        }
        self.changes = Changes::default();
        self.moves = 0;
        self.last_grab = at;
        self.shared.captured.fetch_add(1, Ordering::Relaxed);
        let pixels = PixelBuffer::new(self.pool.share(segment));
        self.slot.put(VideoFrame { captured_at: at, size, stride, pixels, alpha: Alpha::Opaque });
    }

    /// Finds the source anew, and says what became of it.
    fn look_at_view(&mut self) -> Result<(), VideoError> {
        self.is_view_old = false;
        let mut view = self.target.view(&self.display)?;
        if self.view.is_none() && view.is_some() && self.target.follows_frames() {
            // A window that is shown again holds what lay in its place until it has painted itself. That it is shown is
            // a change already: a first one, and quiet after it, tell nothing.
            self.watch.settle(&self.display, &self.shared.waker, SETTLE_LIMIT)?;
            self.target.doubt_picture();
            view = self.target.view(&self.display)?;
        }
        let old = std::mem::replace(&mut self.view, view);
        match (&old, &view) {
            (Some(_), None) => self.tell(VideoEvent::Paused(self.target.absence())),
            (None, Some(_)) => self.tell(VideoEvent::Resumed),
            _ => {}
        }
        let Some(view) = view else { return Ok(()) };
        if self.area != view.area {
            self.area = view.area;
            self.tell(VideoEvent::Area(Some(view.area)));
        }
        if self.pool.size() != view.size() {
            self.pool.detach(&self.display.connection);
            self.pool = Pool::new(view.size());
        }
        let now = MonotonicClock.now();
        if old.is_none_or(|old| !old.shows_the_same(&view)) {
            self.changes.wanted.get_or_insert(now);
        } else if self.pointer.is_some() {
            self.changes.pointer.get_or_insert(now);
        }
        Ok(())
    }

    /// Whether there were any.
    fn read_events(&mut self) -> Result<bool, VideoError> {
        let mut any = false;
        while let Some((event, sequence)) = self.display.connection.poll_for_event_with_sequence()? {
            any = true;
            let now = MonotonicClock.now();
            if self.watch.is_news(&event, sequence) {
                self.changes.damage.get_or_insert(now);
                continue;
            }
            match (&event, &mut self.pointer) {
                (Event::XinputRawMotion(_), Some(_)) => drop(self.changes.pointer.get_or_insert(now)),
                (Event::XfixesCursorNotify(_), Some(pointer)) => {
                    pointer.reshape(&self.display)?;
                    self.changes.pointer.get_or_insert(now);
                }
                (Event::Error(error), _) => tracing::debug!(?error, "the display refused a request"),
                _ => {}
            }
            if let Some(own) = &mut self.own
                && stacking::restacks(&event, self.display.root)
            {
                own.invalidate();
            }
            self.is_view_old |= self.target.is_moved_by(&event, self.display.root);
        }
        Ok(any)
    }

    fn take_settings(&mut self) -> Result<(), VideoError> {
        let settings = *self.shared.settings.lock();
        let old = std::mem::replace(&mut self.settings, settings);
        if settings.rate != old.rate {
            self.pacer.set_rate(settings.rate);
        }
        if settings.cursor != old.cursor {
            if let Some(pointer) = self.pointer.take() {
                pointer.close(&self.display)?;
            }
            self.pointer = settings.cursor.then(|| Pointer::open(&self.display)).transpose()?;
            self.changes.wanted.get_or_insert(MonotonicClock.now());
        }
        if settings.own_window != old.own_window {
            self.own = settings.own_window.map(OwnWindow::new);
            self.select_root_events()?;
        }
        Ok(())
    }

    fn select_root_events(&self) -> Result<(), VideoError> {
        let mut mask = EventMask::STRUCTURE_NOTIFY;
        if self.target.follows_frames() || self.own.is_some() {
            mask |= EventMask::SUBSTRUCTURE_NOTIFY;
        }
        let attributes = ChangeWindowAttributesAux::new().event_mask(mask);
        self.display.connection.change_window_attributes(self.display.root, &attributes)?;
        Ok(())
    }

    fn captured(&self) -> u64 {
        self.shared.captured.load(Ordering::Relaxed)
    }

    fn tell(&self, event: VideoEvent) {
        (self.on_event)(event);
    }
}
