//! One producer, many bounded readers.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use media::{AccessUnit, Track};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// What a [`Broadcast`] must know of its items to drop them without breaking a decoder.
pub trait Restartable: Clone + Send + 'static {
    /// Whether a reader that lost items may go on with this one.
    fn restarts(&self) -> bool;
    /// Whether losing this item needs no restart, nor waits for one (sound beside a picture).
    fn independent(&self) -> bool;
    /// The one lane it travels on; who did not ask for that lane never sees it.
    fn lane(&self) -> Lanes;
}

/// A set of lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lanes(u8);

impl Lanes {
    /// Pictures.
    pub const VIDEO: Self = Self(1);
    /// Sound as Opus.
    pub const OPUS: Self = Self(2);
    /// Sound as AAC; the encoder runs only while a reader has this lane.
    pub const AAC: Self = Self(4);
    /// Each input's own sound, as AAC; encoded only while a reader has this lane.
    pub const INPUTS: Self = Self(8);
    /// What WebRTC takes: pictures and Opus.
    pub const WEBRTC: Self = Self::VIDEO.and(Self::OPUS);
    /// What RTMP, SRT and recordings take: pictures and AAC.
    pub const VIDEO_AND_AAC: Self = Self::VIDEO.and(Self::AAC);

    /// Both sets together.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether they share a lane.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Restartable for AccessUnit {
    fn restarts(&self) -> bool {
        self.track == Track::Video && self.keyframe
    }
    fn independent(&self) -> bool {
        self.track != Track::Video
    }
    fn lane(&self) -> Lanes {
        match self.track {
            Track::Video => Lanes::VIDEO,
            Track::Audio => Lanes::OPUS,
            Track::Aac => Lanes::AAC,
            Track::Input(_) => Lanes::INPUTS,
        }
    }
}

/// What happens to a reader whose queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LagPolicy {
    /// The queue is emptied and the reader goes on at the next item that restarts; independent items keep flowing.
    SkipToKeyframe,
    /// The reader ends with [`RecvError::Lagged`]: for a recording, in which a gap is an error.
    Fail,
}

/// Why a reader has no further item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvError {
    /// The producer is gone.
    Closed,
    /// The queue overflowed under [`LagPolicy::Fail`].
    Lagged,
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the stream has ended",
            Self::Lagged => "the reader fell behind",
        })
    }
}

impl std::error::Error for RecvError {}

/// Counters of one reader, since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReaderStats {
    /// Items handed out.
    pub delivered: u64,
    /// Items lost to lag, the ones skipped while waiting for a keyframe included.
    pub dropped: u64,
    /// How often the queue overflowed.
    pub overflows: u64,
}

struct Queue<T> {
    items: VecDeque<T>,
    capacity: usize,
    policy: LagPolicy,
    awaits_restart: bool,
    end: Option<RecvError>,
}

struct Shared<T> {
    lanes: Lanes,
    queue: Mutex<Queue<T>>,
    ready: Notify,
    delivered: AtomicU64,
    dropped: AtomicU64,
    overflows: AtomicU64,
}

impl<T: Restartable> Shared<T> {
    /// `true` when the reader needs a keyframe to go on.
    fn push(&self, item: &T) -> bool {
        let mut queue = self.queue.lock();
        if queue.end.is_some() {
            return false;
        }
        if queue.awaits_restart && !item.independent() {
            if !item.restarts() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                return false;
            }
            queue.awaits_restart = false;
        }
        if queue.items.len() < queue.capacity {
            queue.items.push_back(item.clone());
            drop(queue);
            self.ready.notify_one();
            return false;
        }
        self.overflows.fetch_add(1, Ordering::Relaxed);
        self.dropped.fetch_add(queue.items.len() as u64, Ordering::Relaxed);
        queue.items.clear();
        match queue.policy {
            LagPolicy::Fail => {
                queue.end = Some(RecvError::Lagged);
                drop(queue);
                self.ready.notify_one();
                false
            }
            LagPolicy::SkipToKeyframe if item.restarts() => {
                queue.items.push_back(item.clone());
                drop(queue);
                self.ready.notify_one();
                false
            }
            LagPolicy::SkipToKeyframe => {
                queue.awaits_restart = true;
                self.dropped.fetch_add(1, Ordering::Relaxed);
                true
            }
        }
    }

    fn close(&self) {
        self.queue.lock().end.get_or_insert(RecvError::Closed);
        self.ready.notify_one();
    }
}

/// The producer's side. Clones push into the same readers; the last one dropped closes them all.
pub struct Broadcast<T: Restartable>(Arc<Hub<T>>);

struct Hub<T: Restartable> {
    readers: Mutex<Vec<Weak<Shared<T>>>>,
}

impl<T: Restartable> Drop for Hub<T> {
    fn drop(&mut self) {
        for reader in self.readers.get_mut().iter().filter_map(Weak::upgrade) {
            reader.close();
        }
    }
}

impl<T: Restartable> Clone for Broadcast<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Restartable> Default for Broadcast<T> {
    fn default() -> Self {
        Self(Arc::new(Hub { readers: Mutex::new(Vec::new()) }))
    }
}

impl<T: Restartable> fmt::Debug for Broadcast<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Broadcast({} readers)", self.0.readers.lock().len())
    }
}

impl<T: Restartable> Broadcast<T> {
    /// Gives the item to every reader; never waits. `true` when a reader lost its place and needs a keyframe.
    pub fn push(&self, item: &T) -> bool {
        let mut needs_keyframe = false;
        self.0.readers.lock().retain(|reader| {
            let Some(reader) = reader.upgrade() else { return false };
            if reader.lanes.meets(item.lane()) {
                needs_keyframe |= reader.push(item);
            }
            true
        });
        needs_keyframe
    }

    /// A reader of pictures and Opus, as [`Self::subscribe_to`] with [`Lanes::WEBRTC`].
    pub fn subscribe(&self, capacity: usize, policy: LagPolicy) -> Reader<T> {
        self.subscribe_to(Lanes::WEBRTC, capacity, policy)
    }

    /// A reader of what is pushed on these lanes from now on: its first non-independent item is one that restarts.
    ///
    /// `capacity` counts items of all its lanes; at least one.
    pub fn subscribe_to(&self, lanes: Lanes, capacity: usize, policy: LagPolicy) -> Reader<T> {
        let shared = Arc::new(Shared {
            lanes,
            queue: Mutex::new(Queue {
                items: VecDeque::with_capacity(capacity),
                capacity: capacity.max(1),
                policy,
                awaits_restart: true,
                end: None,
            }),
            ready: Notify::new(),
            delivered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            overflows: AtomicU64::new(0),
        });
        self.0.readers.lock().push(Arc::downgrade(&shared));
        Reader(shared)
    }

    /// Whether anybody reads one of these lanes: what nobody reads need not be made.
    pub fn is_wanted(&self, lanes: Lanes) -> bool {
        self.0.readers.lock().iter().filter_map(Weak::upgrade).any(|reader| reader.lanes.meets(lanes))
    }

    /// How many readers there are.
    pub fn readers(&self) -> usize {
        self.0.readers.lock().iter().filter(|reader| reader.strong_count() > 0).count()
    }
}

/// One reader's bounded queue.
pub struct Reader<T>(Arc<Shared<T>>);

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({:?})", self.stats())
    }
}

impl<T> Reader<T> {
    /// The next item; cancel-safe.
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        loop {
            if let Some(outcome) = self.try_recv() {
                return outcome;
            }
            self.0.ready.notified().await;
        }
    }

    /// The next item or the end, if there is one now.
    pub fn try_recv(&mut self) -> Option<Result<T, RecvError>> {
        let mut queue = self.0.queue.lock();
        if let Some(item) = queue.items.pop_front() {
            self.0.delivered.fetch_add(1, Ordering::Relaxed);
            return Some(Ok(item));
        }
        queue.end.map(Err)
    }

    /// Counters since the start.
    pub fn stats(&self) -> ReaderStats {
        ReaderStats {
            delivered: self.0.delivered.load(Ordering::Relaxed),
            dropped: self.0.dropped.load(Ordering::Relaxed),
            overflows: self.0.overflows.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::MediaTime;

    fn unit(track: Track, keyframe: bool, n: u64) -> AccessUnit {
        let at = MediaTime::from_nanos(n);
        AccessUnit { track, pts: at, dts: at, keyframe, captured_at: at, payload: bytes_of(n) }
    }

    fn bytes_of(n: u64) -> bytes::Bytes {
        bytes::Bytes::copy_from_slice(&n.to_be_bytes())
    }

    fn drain(reader: &mut Reader<AccessUnit>) -> Vec<u64> {
        std::iter::from_fn(|| match reader.try_recv() {
            Some(Ok(unit)) => Some(unit.pts.as_nanos()),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn late_joiner_starts_at_a_keyframe_but_hears_at_once() {
        let hub = Broadcast::default();
        let mut reader = hub.subscribe(8, LagPolicy::SkipToKeyframe);
        hub.push(&unit(Track::Video, false, 1));
        hub.push(&unit(Track::Audio, true, 2));
        hub.push(&unit(Track::Video, true, 3));
        hub.push(&unit(Track::Video, false, 4));
        assert_eq!(drain(&mut reader), [2, 3, 4]);
        assert_eq!(reader.stats().dropped, 1);
    }

    #[test]
    fn the_slow_reader_skips_to_a_keyframe_and_the_other_loses_nothing() {
        let hub = Broadcast::default();
        let mut slow = hub.subscribe(2, LagPolicy::SkipToKeyframe);
        let mut fast = hub.subscribe(16, LagPolicy::SkipToKeyframe);
        hub.push(&unit(Track::Video, true, 1));
        hub.push(&unit(Track::Video, false, 2));
        assert!(hub.push(&unit(Track::Video, false, 3)), "the overflow asks for a keyframe");
        assert!(!hub.push(&unit(Track::Video, false, 4)), "but only once");
        hub.push(&unit(Track::Video, true, 5));
        assert_eq!(drain(&mut slow), [5]);
        assert_eq!(drain(&mut fast), [1, 2, 3, 4, 5]);
        assert_eq!(slow.stats(), ReaderStats { delivered: 1, dropped: 4, overflows: 1 });
    }

    #[test]
    fn a_recording_fails_rather_than_losing_a_frame() {
        let hub = Broadcast::default();
        let mut reader = hub.subscribe(1, LagPolicy::Fail);
        hub.push(&unit(Track::Video, true, 1));
        hub.push(&unit(Track::Video, false, 2));
        assert_eq!(reader.try_recv().map(|r| r.map(|_| ())), Some(Err(RecvError::Lagged)));
    }

    #[test]
    fn what_was_queued_is_read_before_the_close() {
        let hub = Broadcast::default();
        let mut reader = hub.subscribe(4, LagPolicy::SkipToKeyframe);
        hub.push(&unit(Track::Video, true, 1));
        drop(hub);
        assert_eq!(drain(&mut reader), [1]);
        assert!(matches!(reader.try_recv(), Some(Err(RecvError::Closed))));
    }

    #[tokio::test]
    async fn recv_wakes_when_an_item_comes() {
        let hub = Broadcast::default();
        let mut reader = hub.subscribe(4, LagPolicy::SkipToKeyframe);
        let other = hub.clone();
        let task = tokio::spawn(async move { other.push(&unit(Track::Video, true, 7)) });
        let got = reader.recv().await.expect("item");
        assert_eq!(got.pts.as_nanos(), 7);
        task.await.expect("pushed");
    }

    #[test]
    fn a_reader_sees_its_own_lanes_only_and_says_that_they_are_wanted() {
        let hub = Broadcast::default();
        let mut peer = hub.subscribe(8, LagPolicy::SkipToKeyframe);
        assert!(!hub.is_wanted(Lanes::AAC) && hub.is_wanted(Lanes::OPUS));
        let mut file = hub.subscribe_to(Lanes::VIDEO_AND_AAC, 8, LagPolicy::Fail);
        assert!(hub.is_wanted(Lanes::AAC));
        hub.push(&unit(Track::Video, true, 1));
        hub.push(&unit(Track::Audio, true, 2));
        hub.push(&unit(Track::Aac, true, 3));
        assert_eq!(drain(&mut peer), [1, 2]);
        assert_eq!(drain(&mut file), [1, 3]);
        drop(file);
        assert!(!hub.is_wanted(Lanes::AAC));
    }

    #[test]
    fn dropped_readers_are_forgotten() {
        let hub: Broadcast<AccessUnit> = Broadcast::default();
        drop(hub.subscribe(4, LagPolicy::Fail));
        assert_eq!(hub.readers(), 0);
    }
}
