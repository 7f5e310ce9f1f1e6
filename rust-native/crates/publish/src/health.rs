//! How a destination is doing: what each protocol knows of itself, in one shape.

use std::time::{Duration, Instant};

use media::{Bitrate, Clock, MediaTime, MonotonicClock};
use parking_lot::Mutex;
use stream::ReaderStats;
use webrtc_transport::{PathLimit, PeerStats};

/// Figures of the present connection; they start anew with each.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Health {
    /// Media bytes that left, with what the protocol adds.
    pub sent_bytes: u64,
    /// Access units not sent because this destination lagged.
    pub dropped_units: u64,
    /// How old the newest unit was when it had left: waiting in our queue and in the socket's.
    pub queue: Duration,
    /// Round trip, where the protocol or the system tells.
    pub round_trip: Option<Duration>,
    /// Share of packets lost or sent again, 0 to 1, where known.
    pub loss: Option<f64>,
    /// From the attempt's start to its first media byte.
    pub first_byte: Option<Duration>,
    /// Whether it may speak for the encode's bitrate: what is on this machine has no path that could be short.
    pub steers: bool,
    /// What congestion control thinks the path carries, where there is any and the other side reports arrivals.
    pub estimate: Option<Bitrate>,
    /// What holds that estimate down.
    pub limit: PathLimit,
    /// Encodings of the picture that a WebRTC peer is sent now: more than one where it takes simulcast; 0 elsewhere.
    pub encodings: u32,
}

/// Where a session that sends by itself keeps its figures.
#[derive(Debug)]
pub(crate) struct Gauges {
    health: Mutex<Health>,
    began: Instant,
    dropped_before: Mutex<Option<u64>>,
    /// Segments sent again, and bytes sent, at the last look.
    looked: Mutex<(u32, u64)>,
}

/// What a TCP segment carries on nearly every path.
const SEGMENT: f64 = 1448.0;

impl Gauges {
    pub(crate) fn start() -> Self {
        Self {
            health: Mutex::default(),
            began: Instant::now(),
            dropped_before: Mutex::new(None),
            looked: Mutex::default(),
        }
    }

    /// The unit of that time has left, as so many bytes; `reader` is what its queue counts.
    ///
    /// What a reader skipped before its first picture is no loss.
    pub(crate) fn sent(&self, pts: MediaTime, bytes: usize, reader: ReaderStats) {
        let before = *self.dropped_before.lock().get_or_insert(reader.dropped);
        let mut health = self.health.lock();
        health.sent_bytes += bytes as u64;
        health.queue = MonotonicClock.now().since(pts);
        health.dropped_units = reader.dropped.saturating_sub(before);
        health.first_byte.get_or_insert_with(|| self.began.elapsed());
    }

    /// What the path is like.
    pub(crate) fn path(&self, round_trip: Option<Duration>, loss: Option<f64>) {
        let mut health = self.health.lock();
        (health.round_trip, health.loss) = (round_trip, loss);
    }

    /// What TCP's path is like, from the sum of segments sent again.
    pub(crate) fn tcp_path(&self, round_trip: Option<Duration>, sent_again: Option<u32>) {
        let bytes = self.health.lock().sent_bytes;
        let loss = sent_again.map(|sum| {
            let mut looked = self.looked.lock();
            let (again_before, bytes_before) = std::mem::replace(&mut *looked, (sum, bytes));
            let segments = (bytes.saturating_sub(bytes_before) as f64 / SEGMENT).max(1.0);
            (f64::from(sum.saturating_sub(again_before)) / segments).min(1.0)
        });
        self.path(round_trip, loss);
    }

    pub(crate) fn read(&self) -> Health {
        *self.health.lock()
    }
}

/// A WebRTC peer's own counters.
pub(crate) fn of_peer(peer: &PeerStats, first_byte: Option<Duration>) -> Health {
    Health {
        sent_bytes: peer.sent_bytes,
        dropped_units: peer.dropped_units,
        // A packet that waits in the pacer is 1200 bytes; at the peer's own estimate that is a time.
        queue: peer.estimate.map_or(Duration::ZERO, |estimate| {
            let bits = f64::from(peer.queued_packets) * 1200.0 * 8.0;
            Duration::from_secs_f64(bits / f64::from(estimate.as_bps().max(10_000)))
        }),
        round_trip: peer.round_trip,
        loss: peer.loss,
        first_byte,
        steers: false,
        // The encode that is steered is the highest encoding's; the others take their shares of its bitrate.
        estimate: peer.highest_estimate.filter(|_| peer.measured),
        encodings: peer.layers,
        limit: peer.limit,
    }
}
