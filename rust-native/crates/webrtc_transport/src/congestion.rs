//! What the path carries: Google congestion control with two corrections that a broadcast needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use rtc::interceptor::{BandwidthEstimator, EstimatorStats, Gcc, PacketReport};

use crate::stats::Counters;

/// The estimate never exceeds this much of the encoder's target: more is of no use, and the pacer would let
/// bursts through that a slow link has to queue.
const HEADROOM: f64 = 1.5;
/// Below this no picture is worth sending.
const FLOOR: f64 = 150_000.0;
/// Above any bitrate that can be set (100 Mbit/s), headroom included.
const CEILING: f64 = 150_000_000.0;
/// A sender that uses less than this share of the estimate learns nothing about the path: its packets' delays
/// are the machine's own noise, and "backing off to the received rate" would collapse a still desktop's stream.
const IDLE_SHARE: f64 = 0.4;
/// Unless this share of its packets is lost.
const IDLE_LOSS: f64 = 0.1;
/// An estimate of at least this share of its cap was not held down by the path.
const NOT_LIMITED: f64 = 0.95;
/// Steps smaller than this share are not reported.
const STEP: f64 = 0.05;

/// The encoder's target, bits per second, changed while the peer runs.
#[derive(Debug, Clone)]
pub(crate) struct Target(Arc<AtomicU32>);

impl Target {
    pub(crate) fn new(bps: u32) -> Self {
        Self(Arc::new(AtomicU32::new(bps)))
    }

    pub(crate) fn set(&self, bps: u32) {
        self.0.store(bps, Ordering::Relaxed);
    }

    /// The most that the pacer lets through, bits per second.
    pub(crate) fn cap(&self) -> f64 {
        (f64::from(self.0.load(Ordering::Relaxed)) * HEADROOM).clamp(FLOOR, CEILING)
    }
}

/// The estimator of one publisher.
pub(crate) struct Estimator {
    inner: Gcc,
    target: Target,
    counters: Arc<Counters>,
    reported: f64,
    /// The cap that `inner` was made for.
    made_for: f64,
    window: Window,
}

/// What was acknowledged lately.
#[derive(Debug, Default)]
struct Window {
    since: Option<Instant>,
    bytes: f64,
    rate: f64,
}

impl Window {
    /// Long enough that one keyframe does not look like a busy stream.
    const SECONDS: f64 = 1.0;

    fn add(&mut self, now: Instant, bytes: f64) {
        let since = *self.since.get_or_insert(now);
        self.bytes += bytes;
        let seconds = now.saturating_duration_since(since).as_secs_f64();
        if seconds >= Self::SECONDS {
            self.rate = self.bytes * 8.0 / seconds;
            self.bytes = 0.0;
            self.since = Some(now);
        }
    }
}

impl Estimator {
    /// Starts at the cap: a broadcast starts at its bitrate, and a path without feedback keeps it.
    pub(crate) fn new(target: Target, counters: Arc<Counters>) -> Self {
        let initial = target.cap();
        let inner = Gcc::new(initial, FLOOR, CEILING);
        let mut estimator =
            Self { inner, target, counters, reported: 0.0, made_for: initial, window: Window::default() };
        estimator.publish();
        estimator
    }

    /// What the pacer starts with.
    pub(crate) fn initial(&self) -> f64 {
        self.target_bitrate()
    }

    /// A raised bitrate holds at once, not after minutes of probing, unless the path is known to be the limit.
    fn follow_target(&mut self) {
        let cap = self.target.cap();
        if cap > self.made_for && self.inner.target_bitrate() >= self.made_for * NOT_LIMITED {
            self.inner = Gcc::new(cap, FLOOR, CEILING);
        }
        self.made_for = cap;
    }

    fn publish(&mut self) {
        self.follow_target();
        let estimate = self.target_bitrate();
        if (estimate - self.reported).abs() >= self.reported * STEP {
            self.reported = estimate;
            self.counters.estimate.store(estimate as u32, Ordering::Relaxed);
            self.counters.estimate_moved.notify_one();
        }
    }
}

/// Whether these reports say something about the path.
fn is_telling(rate: f64, estimate: f64, lost: usize, reports: usize) -> bool {
    rate >= estimate * IDLE_SHARE || (reports > 0 && lost as f64 >= reports as f64 * IDLE_LOSS)
}

impl BandwidthEstimator for Estimator {
    fn on_reports(&mut self, now: Instant, reports: &[PacketReport]) {
        self.counters.feedback_seen.store(true, Ordering::Relaxed);
        let arrived = reports.iter().filter(|report| report.arrived);
        let bytes: f64 = arrived.clone().map(|report| report.size as f64).sum();
        self.window.add(now, bytes);
        let lost = reports.len() - arrived.count();
        if is_telling(self.window.rate, self.target_bitrate(), lost, reports.len()) {
            self.inner.on_reports(now, reports);
        }
        self.publish();
    }

    fn target_bitrate(&self) -> f64 {
        self.inner.target_bitrate().min(self.target.cap())
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.inner.handle_timeout(now);
        self.publish();
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.inner.poll_timeout()
    }

    fn stats(&self) -> EstimatorStats {
        self.inner.stats()
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
    }

    #[test]
    fn a_still_desktop_does_not_lower_the_estimate() {
        assert!(!is_telling(20_000.0, 6_000_000.0, 0, 10));
        assert!(is_telling(3_000_000.0, 6_000_000.0, 0, 10));
        assert!(is_telling(20_000.0, 6_000_000.0, 3, 10), "but loss is always heard");
    }
}
