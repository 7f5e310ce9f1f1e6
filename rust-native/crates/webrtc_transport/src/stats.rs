//! What a peer counts, shared between the driver's interceptors, the sending task and whoever asks.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use media::Bitrate;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::layers::MOST_LAYERS;
use crate::path::PathLimit;

/// Counters of one peer since its start.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct PeerStats {
    /// RTP bytes that left, headers and retransmissions included.
    pub sent_bytes: u64,
    /// RTP packets that left, retransmissions included.
    pub sent_packets: u64,
    /// Video packets sent again because the other side missed them.
    pub retransmitted: u64,
    /// From the other side's receiver reports; `None` before the first.
    pub round_trip: Option<Duration>,
    /// Share of packets lost, 0 to 1, in the newest report of each track, the worse of the two.
    pub loss: Option<f64>,
    /// Access units not sent because this peer lagged; what came before the first picture does not count.
    pub dropped_units: u64,
    /// Packets that wait in the pacer or the driver now.
    pub queued_packets: u32,
    /// Keyframes the other side asked for.
    pub keyframe_requests: u64,
    /// What congestion control thinks the path carries; `None` without congestion control.
    pub estimate: Option<Bitrate>,
    /// Whether that is measured: the other side reports arrivals.
    pub measured: bool,
    /// What holds that estimate down.
    pub limit: PathLimit,
    /// Whether media has been sent since the connection was made.
    pub media_flows: bool,
    /// Reports of the other side that have arrived: while they come, the path works both ways.
    pub heard: u64,
    /// Encodings of the picture that are sent now: more than one where the other side takes simulcast.
    pub layers: u32,
    /// What of the estimate is the highest encoding's, where there are several; all of it where there is one.
    pub highest_estimate: Option<Bitrate>,
}

/// The counters behind [`PeerStats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) sent_bytes: AtomicU64,
    pub(crate) sent_packets: AtomicU64,
    pub(crate) retransmitted: AtomicU64,
    /// Units that the reader lost to a full queue: in all, and before the first picture was sent.
    pub(crate) reader_dropped: AtomicU64,
    pub(crate) dropped_before: AtomicU64,
    /// Pictures skipped by the sending task.
    pub(crate) skipped_units: AtomicU64,
    pub(crate) keyframe_requests: AtomicU64,
    /// Bits per second; 0 is "none".
    pub(crate) estimate: AtomicU32,
    /// A [`PathLimit`].
    pub(crate) limit: AtomicU8,
    /// Whether the other side reports arrivals, so that the estimate is one.
    pub(crate) feedback_seen: AtomicBool,
    /// Video packets handed to the driver and seen at the wire: the difference waits in between.
    pub(crate) video_written: [AtomicU32; MOST_LAYERS],
    pub(crate) video_left: [AtomicU32; MOST_LAYERS],
    /// Encodings of the picture that are sent now.
    pub(crate) layers: AtomicU32,
    /// All encodings' bitrates together, in thousandths of the highest one's; 0 for "as much".
    pub(crate) share: AtomicU32,
    pub(crate) reports: Mutex<Reports>,
    /// Compound RTCP packets that came in.
    pub(crate) heard: AtomicU64,
    /// Woken for each PLI or FIR, of the encoding that it means.
    pub(crate) keyframe_wanted: [Notify; MOST_LAYERS],
    /// Woken when `estimate` has moved.
    pub(crate) estimate_moved: Notify,
}

/// The newest of what receiver reports say.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    pub(crate) round_trip: Option<Duration>,
    pub(crate) video_loss: [Option<f64>; MOST_LAYERS],
    pub(crate) audio_loss: Option<f64>,
}

impl Counters {
    /// Video packets of all encodings between `write` and the wire, by sequence number: a packet that the pacer refused
    /// is no longer waited for once a later one has left.
    pub(crate) fn backlog(&self) -> u32 {
        let waits = |(written, left): (&AtomicU32, &AtomicU32)| {
            let (written, left) = (written.load(Ordering::Relaxed) as u16, left.load(Ordering::Relaxed) as u16);
            u32::from(written.wrapping_sub(left))
        };
        self.video_written.iter().zip(&self.video_left).map(waits).sum()
    }

    /// Notes the number before an encoding's first packet: nothing waits.
    pub(crate) fn start(&self, layer: usize, sequence: u16) {
        self.video_left[layer].store(u32::from(sequence), Ordering::Relaxed);
        self.written(layer, sequence);
    }

    /// Notes the number of an encoding's newest packet that is about to be written.
    pub(crate) fn written(&self, layer: usize, sequence: u16) {
        self.video_written[layer].store(u32::from(sequence), Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> PeerStats {
        let reports = self.reports.lock();
        let losses = reports.video_loss.iter().chain([&reports.audio_loss]);
        let loss = losses.copied().flatten().reduce(f64::max);
        let estimate = self.estimate.load(Ordering::Relaxed);
        let share = f64::from(self.share.load(Ordering::Relaxed).max(1000)) / 1000.0;
        let sent_packets = self.sent_packets.load(Ordering::Relaxed);
        PeerStats {
            sent_bytes: self.sent_bytes.load(Ordering::Relaxed),
            sent_packets,
            retransmitted: self.retransmitted.load(Ordering::Relaxed),
            round_trip: reports.round_trip,
            loss,
            dropped_units: (self.reader_dropped.load(Ordering::Relaxed) + self.skipped_units.load(Ordering::Relaxed))
                .saturating_sub(self.dropped_before.load(Ordering::Relaxed)),
            queued_packets: self.backlog(),
            keyframe_requests: self.keyframe_requests.load(Ordering::Relaxed),
            estimate: (estimate != 0).then(|| Bitrate::from_bps(estimate)),
            measured: self.feedback_seen.load(Ordering::Relaxed),
            limit: PathLimit::from_u8(self.limit.load(Ordering::Relaxed)),
            media_flows: sent_packets != 0,
            heard: self.heard.load(Ordering::Relaxed),
            layers: self.layers.load(Ordering::Relaxed),
            highest_estimate: (estimate != 0).then(|| Bitrate::from_bps((f64::from(estimate) / share) as u32)),
        }
    }
}
