//! One producer, many bounded readers.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use media::{AccessUnit, Track, VideoCodec};
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
    /// Pictures as H.264.
    pub const VIDEO: Self = Self(1);
    /// Sound as Opus.
    pub const OPUS: Self = Self(2);
    /// Sound as AAC; the encoder runs only while a reader has this lane.
    pub const AAC: Self = Self(4);
    /// Each input's own sound, as AAC; encoded only while a reader has this lane.
    pub const INPUTS: Self = Self(8);
    /// Pictures as HEVC.
    pub const HEVC: Self = Self(16);
    /// Pictures as AV1.
    pub const AV1: Self = Self(32);
    /// Pictures, however the one encode codes them: for files, which take any.
    pub const PICTURES: Self = Self::VIDEO.and(Self::HEVC).and(Self::AV1);
    /// What WebRTC takes: pictures and Opus.
    pub const WEBRTC: Self = Self::VIDEO.and(Self::OPUS);
    /// What RTMP and SRT take unless another codec was chosen: H.264 and AAC.
    pub const VIDEO_AND_AAC: Self = Self::VIDEO.and(Self::AAC);

    /// Pictures so coded.
    pub const fn of(codec: VideoCodec) -> Self {
        match codec {
            VideoCodec::H264 => Self::VIDEO,
            VideoCodec::Hevc => Self::HEVC,
            VideoCodec::Av1 => Self::AV1,
        }
    }

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
        self.track.is_picture() && self.keyframe
    }
    fn independent(&self) -> bool {
        !self.track.is_picture()
    }
    fn lane(&self) -> Lanes {
        match self.track {
            Track::Video => Lanes::VIDEO,
            Track::Hevc => Lanes::HEVC,
            Track::Av1 => Lanes::AV1,
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
    /// Those that share what is independent here.
    beside: Mutex<Vec<Weak<Self>>>,
}

impl<T: Restartable> Hub<T> {
    fn new() -> Self {
        Self { readers: Mutex::new(Vec::new()), beside: Mutex::new(Vec::new()) }
    }

    fn push(&self, item: &T) -> bool {
        let mut needs_keyframe = false;
        self.readers.lock().retain(|reader| {
            let Some(reader) = reader.upgrade() else { return false };
            if reader.lanes.meets(item.lane()) {
                needs_keyframe |= reader.push(item);
            }
            true
        });
        needs_keyframe
    }

    fn is_wanted(&self, lanes: Lanes) -> bool {
        self.readers.lock().iter().filter_map(Weak::upgrade).any(|reader| reader.lanes.meets(lanes))
    }
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
        Self(Arc::new(Hub::new()))
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
        if item.independent() {
            self.0.beside.lock().retain(|hub| {
                let Some(hub) = hub.upgrade() else { return false };
                // Who loses its place there waits for that picture's own next keyframe.
                hub.push(item);
                true
            });
        }
        self.0.push(item)
    }

    /// One with readers of its own, that is also given what is independent in this one: another picture with the same
    /// sound.
    pub fn beside(&self) -> Self {
        let other = Self::default();
        self.0.beside.lock().push(Arc::downgrade(&other.0));
        other
    }

    /// A reader of pictures and Opus, as [`Self::subscribe_to`] with [`Lanes::WEBRTC`].
    pub fn subscribe(&self, capacity: usize, policy: LagPolicy) -> Reader<T> {
        self.subscribe_to(Lanes::WEBRTC, capacity, policy)
    }

    /// A reader of what is pushed on these lanes from now on: its first non-independent item is one that restarts.
    ///
    /// `capacity` counts items of all its lanes; at least one.
    pub fn subscribe_to(&self, lanes: Lanes, capacity: usize, policy: LagPolicy) -> Reader<T> {
        self.subscribe_at(lanes, capacity, policy, true)
    }

    /// The same for a reader that has been given what came since the last keyframe: it goes on from here.
    pub fn subscribe_after_group(&self, lanes: Lanes, capacity: usize, policy: LagPolicy) -> Reader<T> {
        self.subscribe_at(lanes, capacity, policy, false)
    }

    fn subscribe_at(&self, lanes: Lanes, capacity: usize, policy: LagPolicy, awaits_restart: bool) -> Reader<T> {
        let shared = Arc::new(Shared {
            lanes,
            queue: Mutex::new(Queue {
                items: VecDeque::with_capacity(capacity),
                capacity: capacity.max(1),
                policy,
                awaits_restart,
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

    /// Whether anybody reads one of these lanes, here or beside: what nobody reads need not be made.
    pub fn is_wanted(&self, lanes: Lanes) -> bool {
        self.0.is_wanted(lanes)
            || self.0.beside.lock().iter().filter_map(Weak::upgrade).any(|beside| beside.is_wanted(lanes))
    }

    /// Whether both push into the same readers.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
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
mod tests;
