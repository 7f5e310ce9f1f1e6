//! Live media as files: one stream's packets become CMAF parts and segments, which HLS, LL-HLS and DASH serve.
//!
//! The way of a packet: `order` (what was lost comes late), `units` (access units), `clock` (one media time), `segmenter`
//! (parts and segments), `window` (what is there now); `playlist` and `mpd` say it in words, with the `marks` that a
//! platform has set (in DASH as `events`). All of these are pure. Renditions (`lower`) have the source's segments, number
//! by number.
//! `packager` is the thread that drives them, one for each stream that is packed; `handout` gives the same units to
//! destinations (`forward`) and players (`play`), the one place here that decodes, and only sound for who can't take Opus. No
//! reader is known here: who waits for a part is told that there is another, and fetches it by itself.
//!
//! A stream is packed while somebody reads it, by default: most streams of most servers are watched over WebRTC, and
//! what nobody reads would cost memory for its window. The first reader doesn't pay for it, as the relay's cache holds
//! what came since the last keyframe. A platform that puts a CDN in front packs always, by setting.

mod clock;
mod events;
mod group;
mod handout;
mod joins;
mod kind;
mod lower;
mod marks;
pub(crate) mod mpd;
pub(crate) mod order;
mod packager;
pub(crate) mod playlist;
mod segmenter;
mod track;
pub(crate) mod units;
mod window;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use media::AccessUnit;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use stream::{Broadcast, Lanes};
use tokio::sync::{oneshot, watch};

use crate::config::HlsSettings;
use crate::ladder::Rung;
use crate::relay::MediaPacket;
pub(crate) use clock::TrackClock;
pub(crate) use joins::Joined;
pub(crate) use marks::{Mark, MarkProblem, Marks, Said};
pub(crate) use order::{Next, Order};
pub(crate) use segmenter::Rules;
pub(crate) use units::{Pictures, Unit as RtpUnit};
pub(crate) use window::{Kind, Room, Window};

/// Who read nothing for so long has gone: a player asks several times in a target duration.
const IDLE: Duration = Duration::from_secs(30);
/// Packets between the media thread and a packager: three seconds at 8 Mbit/s, a burst of a whole cached group.
const WAITING: usize = 8192;

/// Media time begins so long before the packager does: what the relay's cache holds came before it.
const CACHED: Duration = Duration::from_secs(15);

/// What a packager is told.
#[derive(Debug)]
pub(crate) enum Feed {
    /// Another publisher begins, with these tracks.
    Begin {
        video: bool,
        audio: bool,
    },
    Packet(Arc<MediaPacket>),
    /// A rendition is not made any more.
    RungGone(Rung),
    /// The publisher is gone, perhaps not for long.
    Gone,
    /// Nobody waits for it any more.
    Over,
}

/// The media thread's end of the way to a packager. It never waits: what there is no room for is a loss like others.
#[derive(Debug)]
pub(crate) struct Outlet {
    feed: crossbeam_channel::Sender<Feed>,
    keyframe: Arc<AtomicBool>,
    rungs: Rungs,
}

/// When each rendition was read last.
type Rungs = Arc<Mutex<BTreeMap<Rung, Instant>>>;

impl Outlet {
    /// Whether there still is a packager.
    pub(crate) fn give(&self, feed: Feed) -> bool {
        !matches!(self.feed.try_send(feed), Err(crossbeam_channel::TrySendError::Disconnected(_)))
    }

    /// Whether the packager wants a keyframe; said once for each wish.
    pub(crate) fn wants_keyframe(&self) -> bool {
        self.keyframe.swap(false, Ordering::Relaxed)
    }

    /// When somebody read that rendition last.
    pub(crate) fn read(&self, rung: Rung) -> Option<Instant> {
        self.rungs.lock().get(&rung).copied()
    }
}

/// What one stream's readers share.
#[derive(Debug)]
pub(crate) struct Shelf {
    window: RwLock<Window>,
    version: watch::Sender<u64>,
    read: Mutex<Instant>,
    /// The same pictures and sounds as units, for who sends them elsewhere.
    units: Broadcast<AccessUnit>,
    joins: joins::Joins,
    keyframe: Arc<AtomicBool>,
    rungs: Rungs,
}

impl Shelf {
    /// What is there now. Not to be held across an await.
    pub(crate) fn window(&self) -> RwLockReadGuard<'_, Window> {
        self.window.read()
    }

    /// What destinations read; AAC is made only while one reads it.
    pub(crate) fn units(&self) -> Broadcast<AccessUnit> {
        self.units.clone()
    }

    /// Has a player let in, with a queue of so many units that skips to a keyframe. It gets what came since the last one
    /// first.
    pub(crate) fn join(&self, lanes: Lanes, queue: usize) -> oneshot::Receiver<Joined> {
        self.joins.ask(lanes, queue)
    }

    /// Asks the publisher for a keyframe; what is asked too often is asked once.
    pub(crate) fn wish_keyframe(&self) {
        self.keyframe.store(true, Ordering::Relaxed);
    }

    /// Somebody reads a rendition: it is made from now on, and for a while.
    pub(crate) fn wish_rung(&self, rung: Rung) {
        self.rungs.lock().insert(rung, Instant::now());
    }

    /// Changes whenever there is something new; ends when the packager has gone.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn touch(&self) {
        *self.read.lock() = Instant::now();
    }
}

/// Every stream that is packed now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shelves(Arc<Mutex<HashMap<String, Arc<Shelf>>>>);

impl Shelves {
    /// A stream's shelf for a reader, if it is packed.
    pub(crate) fn get(&self, stream: &str) -> Option<Arc<Shelf>> {
        let shelf = self.0.lock().get(stream).cloned()?;
        shelf.touch();
        Some(shelf)
    }

    /// The same, but no reader's doing.
    pub(crate) fn peek(&self, stream: &str) -> Option<Arc<Shelf>> {
        self.0.lock().get(stream).cloned()
    }

    /// What is kept of a stream, if it is packed. No reader's doing.
    pub(crate) fn bytes(&self, stream: &str) -> Option<usize> {
        Some(self.peek(stream)?.window().bytes())
    }

    /// A stream's shelf; where there is none, a packager is started whose other end `attach` takes to the relay.
    pub(crate) fn open(
        &self,
        stream: &str,
        settings: &HlsSettings,
        attach: impl FnOnce(Outlet),
    ) -> std::io::Result<Arc<Shelf>> {
        let mut shelves = self.0.lock();
        if let Some(shelf) = shelves.get(stream) {
            shelf.touch();
            return Ok(shelf.clone());
        }
        let (feed, fed) = crossbeam_channel::bounded(WAITING);
        let keyframe = Arc::new(AtomicBool::new(false));
        let before = Instant::now().checked_sub(CACHED);
        let (start, origin) = match before {
            Some(start) => (start, SystemTime::now() - CACHED),
            None => (Instant::now(), SystemTime::now()),
        };
        let shelf = Arc::new(Shelf {
            window: RwLock::new(Window::new(settings.rules(), settings.room(), origin)),
            version: watch::Sender::new(0),
            read: Mutex::new(Instant::now()),
            units: Broadcast::default(),
            joins: joins::Joins::default(),
            keyframe: keyframe.clone(),
            rungs: Rungs::default(),
        });
        let packager = packager::Packager::new(shelf.clone(), settings.rules(), keyframe.clone(), start);
        let (shelves_too, name, always) = (self.clone(), stream.to_owned(), settings.always);
        std::thread::Builder::new().name("live-chunks".to_owned()).spawn(move || {
            packager.run(&fed, |shelf| !always && shelves_too.leave(&name, shelf));
            shelves_too.forget(&name);
        })?;
        shelves.insert(stream.to_owned(), shelf.clone());
        attach(Outlet { feed, keyframe, rungs: shelf.rungs.clone() });
        tracing::info!(stream, "the stream is packed from now on");
        Ok(shelf)
    }

    /// Takes a shelf away that nobody reads any more.
    fn leave(&self, stream: &str, shelf: &Shelf) -> bool {
        let mut shelves = self.0.lock();
        let idle = shelf.read.lock().elapsed() >= IDLE;
        if idle {
            shelves.remove(stream);
            tracing::info!(stream, "nobody reads it: the stream is not packed any more");
        }
        idle
    }

    fn forget(&self, stream: &str) {
        self.0.lock().remove(stream);
    }
}

/// The picture that packets begin with, if it is a whole keyframe: Annex B with its parameter sets, for a decoder.
pub(crate) fn keyframe_of(packets: &[Arc<MediaPacket>]) -> Option<Vec<u8>> {
    let (mut pictures, mut units) = (units::Pictures::new(), Vec::new());
    for packet in packets.iter().filter(|packet| packet.track == crate::relay::Track::Video) {
        pictures.push(packet, &mut units);
        if !units.is_empty() {
            break;
        }
    }
    let unit = units.first().filter(|unit| unit.keyframe)?;
    let sets = pictures.parameter_sets()?;
    Some(units::annex_b(&unit.data, Some(&sets)).into())
}

#[cfg(test)]
mod tests;
