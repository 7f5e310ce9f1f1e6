//! Congestion control of a publisher: what the path carries, capped by what the encoder may give.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use rtc::interceptor::{BandwidthEstimator, PacketReport};

use crate::path::{PathLimit, PathModel};
use crate::stats::Counters;

/// The estimate never exceeds this much of the encoder's target: more is of no use, and the pacer would let
/// bursts through that a slow link has to queue.
const HEADROOM: f64 = 1.5;
/// Below this no picture is worth sending.
const FLOOR: f64 = 150_000.0;
/// Above any bitrate that can be set (100 Mbit/s), headroom included.
const CEILING: f64 = 150_000_000.0;
/// An estimate of at least this share of its cap was not held down by the path.
const NOT_LIMITED: f64 = 0.95;
/// Steps smaller than this share are not reported.
const STEP: f64 = 0.02;

/// The target of the encoder (of the highest encoding, where there are several), bits per second, changed while the peer
/// runs.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    bps: Arc<AtomicU32>,
    /// All encodings together, in thousandths of that.
    share: Arc<AtomicU32>,
}

impl Target {
    pub(crate) fn new(bps: u32) -> Self {
        Self { bps: Arc::new(AtomicU32::new(bps)), share: Arc::new(AtomicU32::new(1000)) }
    }

    pub(crate) fn set(&self, bps: u32) {
        self.bps.store(bps, Ordering::Relaxed);
    }

    /// So many thousandths of the target are all encodings together.
    pub(crate) fn set_share(&self, thousandths: u32) {
        self.share.store(thousandths, Ordering::Relaxed);
    }

    /// The most that the pacer lets through, bits per second.
    pub(crate) fn cap(&self) -> f64 {
        let share = f64::from(self.share.load(Ordering::Relaxed)) / 1000.0;
        (f64::from(self.bps.load(Ordering::Relaxed)) * share * HEADROOM).clamp(FLOOR, CEILING)
    }
}

/// The estimator of one publisher.
pub(crate) struct Estimator {
    path: PathModel,
    target: Target,
    counters: Arc<Counters>,
    reported: f64,
    /// The cap that the estimate was last measured against.
    made_for: f64,
}

impl Estimator {
    /// Starts at the cap: a broadcast starts at its bitrate, and a path without feedback keeps it.
    pub(crate) fn new(target: Target, counters: Arc<Counters>) -> Self {
        let initial = target.cap();
        let path = PathModel::new(initial, FLOOR);
        let mut estimator = Self { path, target, counters, reported: 0.0, made_for: initial };
        estimator.publish();
        estimator
    }

    /// What the pacer starts with.
    pub(crate) fn initial(&self) -> f64 {
        self.target_bitrate()
    }

    /// A raised bitrate holds at once, not after minutes of trying, unless the path is known to be the limit.
    fn follow_target(&mut self) {
        let cap = self.target.cap();
        if cap > self.made_for && self.path.estimate() >= self.made_for * NOT_LIMITED {
            self.path.raise_to(cap);
        }
        self.made_for = cap;
    }

    fn publish(&mut self) {
        self.follow_target();
        self.counters.limit.store(self.path.limit() as u8, Ordering::Relaxed);
        let estimate = self.target_bitrate();
        if (estimate - self.reported).abs() >= self.reported * STEP {
            self.reported = estimate;
            self.counters.estimate.store(estimate as u32, Ordering::Relaxed);
            self.counters.estimate_moved.notify_one();
        }
    }
}

impl PathLimit {
    pub(crate) fn from_u8(value: u8) -> Self {
        match value {
            1 => Self::Delay,
            2 => Self::Loss,
            _ => Self::None,
        }
    }
}

impl BandwidthEstimator for Estimator {
    fn on_reports(&mut self, now: Instant, reports: &[PacketReport]) {
        self.counters.feedback_seen.store(true, Ordering::Relaxed);
        self.path.on_reports(now, reports, self.target.cap());
        self.publish();
    }

    fn target_bitrate(&self) -> f64 {
        self.path.estimate().min(self.target.cap())
    }

    fn handle_timeout(&mut self, _now: Instant) {
        self.publish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_follows_the_encoders_target() {
        let counters = Arc::new(Counters::default());
        let target = Target::new(4_000_000);
        let mut estimator = Estimator::new(target.clone(), Arc::clone(&counters));
        assert_eq!(estimator.initial(), 6_000_000.0);
        target.set(1_000_000);
        estimator.publish();
        assert_eq!(counters.snapshot().estimate.map(|rate| rate.as_kbps()), Some(1500));
        target.set(8_000_000);
        estimator.publish();
        assert_eq!(counters.snapshot().estimate.map(|rate| rate.as_kbps()), Some(12_000), "at once");
        target.set_share(1400);
        counters.share.store(1400, Ordering::Relaxed);
        estimator.publish();
        let of_two = counters.snapshot();
        let kbps = |rate: Option<media::Bitrate>| rate.map(|rate| rate.as_kbps());
        assert_eq!((kbps(of_two.estimate), kbps(of_two.highest_estimate)), (Some(16_800), Some(12_000)));
    }
}
