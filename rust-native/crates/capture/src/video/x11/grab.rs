//! One grab: the server copies the source's pixels into shared memory.

use std::os::fd::AsRawFd;
use std::time::Duration;

use media::{Clock, MediaTime, MonotonicClock, Size};
use x11rb::connection::{Connection, SequenceNumber};
use x11rb::errors::ReplyError;
use x11rb::protocol::Event;
use x11rb::protocol::damage::{ConnectionExt as _, Damage, ReportLevel};
use x11rb::protocol::shm::ConnectionExt as _;
use x11rb::protocol::xfixes::{ConnectionExt as _, Region as RegionId};
use x11rb::protocol::xproto::{ConnectionExt as _, Drawable, ImageFormat, QueryPointerReply};

use super::display::Display;
use super::memory::Pool;
use super::target::View;
use crate::video::{Rect, VideoError};
use session_bus::Waker;

/// How long a window that comes out from under others may take to paint itself before its picture is used.
pub(super) const SETTLE_LIMIT: Duration = Duration::from_millis(150);
/// It has painted itself when nothing changed for so long.
pub(super) const SETTLE_QUIET: Duration = Duration::from_millis(30);

/// What became of a grab.
pub(super) enum Grab {
    /// The picture; only the pool knows of its memory yet.
    Done(Picture),
    /// Consumers hold all memory.
    NoMemory,
    /// The source is no longer where it was.
    Moved,
}

/// A picture as the server wrote it.
pub(super) struct Picture {
    /// Where in the pool.
    pub(super) segment: usize,
    pub(super) at: MediaTime,
    /// The pointer at that time, where it was asked for.
    pub(super) pointer: Option<QueryPointerReply>,
}

impl View {
    /// The picture's size.
    pub(super) fn size(&self) -> Size {
        Size { width: self.area.width, height: self.area.height }
    }

    /// Whether both read the same pixels, wherever on the desktop those are.
    pub(super) fn shows_the_same(&self, other: &Self) -> bool {
        (self.drawable, self.x, self.y, self.size()) == (other.drawable, other.x, other.y, other.size())
    }
}

/// Tells when a drawable changed: at most one event until it is looked at.
#[derive(Debug)]
pub(super) struct Watch {
    damage: Damage,
    region: RegionId,
    /// The last request that made the damage empty: events from before it are of damage that was dealt with.
    emptied: SequenceNumber,
}

impl Watch {
    /// Begins with no damage.
    pub(super) fn open(display: &Display, drawable: Drawable) -> Result<Self, VideoError> {
        let connection = &display.connection;
        let (damage, region) = (connection.generate_id()?, connection.generate_id()?);
        connection.xfixes_create_region(region, &[])?;
        connection.damage_create(damage, drawable, ReportLevel::NON_EMPTY)?.check()?;
        let mut watch = Self { damage, region, emptied: 0 };
        // A new one begins wholly damaged.
        watch.empty(display)?;
        Ok(watch)
    }

    /// Whether the event tells of damage that was not dealt with yet.
    pub(super) fn is_news(&self, event: &Event, sequence: SequenceNumber) -> bool {
        matches!(event, Event::DamageNotify(event) if event.damage == self.damage) && sequence >= self.emptied
    }

    /// Forgets the damage so far, without looking at it.
    pub(super) fn empty(&mut self, display: &Display) -> Result<(), VideoError> {
        self.emptied = display.connection.damage_subtract(self.damage, x11rb::NONE, x11rb::NONE)?.sequence_number();
        Ok(())
    }

    /// Forgets the damage so far and gives it back, in the drawable's coordinates.
    pub(super) fn take(&mut self, display: &Display) -> Result<Vec<Rect>, VideoError> {
        let connection = &display.connection;
        self.emptied = connection.damage_subtract(self.damage, x11rb::NONE, self.region)?.sequence_number();
        let region = connection.xfixes_fetch_region(self.region)?.reply()?;
        let rects = region.rectangles.into_iter().map(|rect| Rect {
            x: rect.x.into(),
            y: rect.y.into(),
            width: rect.width.into(),
            height: rect.height.into(),
        });
        Ok(rects.collect())
    }

    /// Waits until a window that was just redirected or shown has painted itself: until then its picture holds pixels
    /// of what lay over it or in its place. `quiet` is how long nothing must have changed.
    /// Other events are lost: look at everything anew afterwards.
    pub(super) fn settle(&mut self, display: &Display, waker: &Waker, quiet: Duration) -> Result<(), VideoError> {
        let deadline = MonotonicClock.now() + SETTLE_LIMIT;
        let mut quiet_from = None;
        loop {
            while let Some((event, sequence)) = display.connection.poll_for_event_with_sequence()? {
                if self.is_news(&event, sequence) {
                    self.empty(display)?;
                    quiet_from = Some(MonotonicClock.now());
                }
            }
            display.connection.flush()?;
            let until = quiet_from.map_or(deadline, |from| (from + quiet).min(deadline));
            let now = MonotonicClock.now();
            if now >= until {
                return Ok(());
            }
            waker.sleep(Some(display.connection.stream().as_raw_fd()), Some(until.since(now)));
        }
    }
}

/// Grabs the view; `watch` is emptied just before, so that whatever comes later is news.
pub(super) fn grab(
    display: &Display,
    view: &View,
    pool: &mut Pool,
    watch: Option<&mut Watch>,
    with_pointer: bool,
) -> Result<Grab, VideoError> {
    let connection = &display.connection;
    let Some(segment) = pool.free(connection)? else { return Ok(Grab::NoMemory) };
    if let Some(watch) = watch {
        watch.empty(display)?;
    }
    let pointer = with_pointer.then(|| connection.query_pointer(display.root)).transpose()?;
    let at = MonotonicClock.now();
    let image = connection.shm_get_image(
        view.drawable,
        view.x,
        view.y,
        view.area.width as u16,
        view.area.height as u16,
        u32::MAX,
        ImageFormat::Z_PIXMAP.into(),
        pool.id(segment),
        0,
    )?;
    let pointer = pointer.map(|pointer| pointer.reply()).transpose()?;
    match image.reply() {
        Ok(image) => {
            display.check_depth(image.depth)?;
            Ok(Grab::Done(Picture { segment, at, pointer }))
        }
        Err(ReplyError::X11Error(_)) => Ok(Grab::Moved),
        Err(ReplyError::ConnectionError(error)) => Err(error.into()),
    }
}
