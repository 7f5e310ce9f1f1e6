//! Publishers that this program speaks for: what RTMP and SRT bring becomes RTP packets outside (see `ingest`) and
//! comes in here in batches. The packets meet the same time line, cache and viewers as those that str0m receives.
//!
//! The queue of batches is bounded and shared: who fills it waits, and its own socket with it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::Size;
use tokio::sync::{mpsc, watch};

use super::connection::HUSH;
use super::packet::Track;
use super::stream::PeerId;
use super::{KeyUse, SessionId};
use crate::ladder::Rung;
use crate::ladder::worker::Made;

/// Batches that may wait for the media thread: a tenth of a second of 200 publishers.
pub(super) const WAITING: usize = 1024;

/// A publisher's tracks begin one after the other: after this, what has not begun is not waited for.
const TRACKS_COME: Duration = Duration::from_secs(1);

/// A session that is to be opened.
#[derive(Debug)]
pub(crate) struct FedOpening {
    pub(crate) stream: String,
    pub(crate) session: SessionId,
    pub(crate) from: IpAddr,
    /// The key that was made for it, if it came with one.
    pub(crate) key: Option<KeyUse>,
    /// `"rtmp"`, `"srt"`, `"hls"` or `"whep"`, for the figures.
    pub(crate) protocol: &'static str,
}

/// What is known of a publisher's media, apart from the media.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// It sends pictures.
    pub(crate) video: bool,
    /// It sends sound.
    pub(crate) audio: bool,
    pub(crate) size: Option<Size>,
    /// H.264 profile-level-id of what viewers get.
    pub(crate) profile: Option<u32>,
    /// Keyframes are made when they are asked for; else viewers wait for the publisher's own.
    pub(crate) keyframes_on_request: bool,
    /// What of the stream viewers don't get and why, one sentence.
    pub(crate) notice: Option<String>,
}

/// One RTP packet but for its sequence number.
#[derive(Debug, Clone)]
pub(crate) struct FedPacket {
    pub(crate) track: Track,
    /// At the track's clock rate; wraps.
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    /// When the timestamp was "now" on this machine's clock, the same for both tracks.
    pub(crate) wallclock: Instant,
    pub(crate) payload: Arc<[u8]>,
}

/// What a publisher brought at one time. Without packets it says that the publisher is there.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) packets: Vec<FedPacket>,
    /// Payload bytes that came from the publisher for this, whatever has become of them.
    pub(crate) received: usize,
    /// Pictures that came.
    pub(crate) pictures: u32,
    /// The pictures that were sent before are of no use to who joins: none follow them until the next keyframe.
    pub(crate) forget_pictures: bool,
    /// Where they have changed.
    pub(crate) facts: Option<Facts>,
}

/// A batch on its way.
#[derive(Debug)]
pub(super) enum Fed {
    Batch(PeerId, Batch),
    End(PeerId),
    /// What a stream's own worker made (see `stream/ladder`).
    Rendition {
        stream: String,
        generation: u64,
        rung: Rung,
        made: Made,
    },
}

/// What the stream wants of a publisher that is fed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    /// Somebody watches: what costs work to make is to be made.
    pub(crate) wanted: bool,
    /// How many keyframes have been asked for.
    pub(crate) keyframes: u32,
    /// Another has the stream, or the server stops.
    pub(crate) over: bool,
}

/// The way in for one publisher; clones share it. The session ends with [`Feeder::end`], or when nobody hears its
/// orders any more.
#[derive(Debug, Clone)]
pub(crate) struct Feeder {
    pub(super) peer: PeerId,
    pub(super) ways: mpsc::Sender<Fed>,
}

/// The media thread has gone.
#[derive(Debug)]
pub(crate) struct Gone;

impl Feeder {
    /// Waits for room.
    pub(crate) async fn feed(&self, batch: Batch) -> Result<(), Gone> {
        self.ways.send(Fed::Batch(self.peer, batch)).await.map_err(|_| Gone)
    }

    /// The same for a thread that is no task.
    pub(crate) fn feed_blocking(&self, batch: Batch) -> Result<(), Gone> {
        self.ways.blocking_send(Fed::Batch(self.peer, batch)).map_err(|_| Gone)
    }

    /// Says goodbye, if there is room for it; else the media thread finds out.
    pub(crate) fn end(&self) {
        let _ = self.ways.try_send(Fed::End(self.peer));
    }
}

/// A session that was opened.
#[derive(Debug)]
pub(crate) struct FedOpened {
    pub(crate) feeder: Feeder,
    pub(crate) orders: watch::Receiver<Orders>,
}

/// The stream's side of one publisher that is fed.
pub(super) struct FedPublisher {
    pub(super) session: SessionId,
    pub(super) protocol: &'static str,
    pub(super) facts: Facts,
    orders: watch::Sender<Orders>,
    heard: Instant,
    /// When its first batch came.
    begun: Option<Instant>,
    settled: bool,
    sequences: [u64; 2],
    /// It said goodbye.
    pub(super) ended: bool,
}

impl FedPublisher {
    pub(super) fn new(opening: &FedOpening, orders: watch::Sender<Orders>, now: Instant) -> Self {
        Self {
            session: opening.session.clone(),
            protocol: opening.protocol,
            facts: Facts::default(),
            orders,
            heard: now,
            begun: None,
            settled: false,
            sequences: [0; 2],
            ended: false,
        }
    }

    pub(super) fn hear(&mut self, now: Instant) {
        self.heard = now;
        self.begun.get_or_insert(now);
    }

    /// Whether anything came of it.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Whether it is known which tracks it has.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Looks whether that is known now; says it once.
    pub(super) fn settle(&mut self, now: Instant) -> bool {
        let waited = self.begun.is_some_and(|begun| now.saturating_duration_since(begun) >= TRACKS_COME);
        let known = !self.settled && (waited || (self.facts.video && self.facts.audio));
        self.settled |= known;
        known
    }

    pub(super) fn is_heard(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard) < HUSH
    }

    /// Whether it is gone: it said so, or nobody listens to orders any more.
    pub(super) fn is_over(&self) -> bool {
        self.ended || self.orders.is_closed()
    }

    /// The number of the track's next packet.
    pub(super) fn next_sequence(&mut self, track: Track) -> u64 {
        let next = &mut self.sequences[match track {
            Track::Video => 0,
            Track::Audio => 1,
        }];
        *next += 1;
        *next
    }

    /// Tells it what has changed.
    pub(super) fn order(&self, change: impl FnOnce(&mut Orders)) {
        self.orders.send_if_modified(|orders| {
            let before = *orders;
            change(orders);
            *orders != before
        });
    }
}
