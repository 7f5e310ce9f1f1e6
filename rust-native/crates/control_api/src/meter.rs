//! The figures of each second, from sums that only grow.

use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::pipeline::Counters;
use crate::usage;

/// Sums at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    /// Frames the capture put.
    pub(crate) captured: u64,
    /// Frames that were replaced before the encode took them.
    pub(crate) replaced: u64,
}

/// The last reading.
#[derive(Debug)]
pub(crate) struct Meter {
    at: Instant,
    sums: Sums,
    encoded: u64,
    encode_nanos: u64,
    composed: u64,
    wait_nanos: u64,
    compose_nanos: u64,
    bytes: u64,
    cpu_seconds: Option<f64>,
}

/// What the meter alone can say of the time since its last reading.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rates {
    pub(crate) fps_captured: f64,
    pub(crate) fps_encoded: f64,
    pub(crate) fps_dropped: f64,
    pub(crate) encode_ms: f64,
    /// From a picture's capture to when its work began, and what composing it took; `None` where none was composed.
    pub(crate) queue_ms: Option<f64>,
    pub(crate) compose_ms: Option<f64>,
    pub(crate) video_kbps: f64,
    pub(crate) cpu_cores: Option<f64>,
}

impl Meter {
    /// Starts at zero.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            at: now,
            sums: Sums::default(),
            encoded: 0,
            encode_nanos: 0,
            composed: 0,
            wait_nanos: 0,
            compose_nanos: 0,
            bytes: 0,
            cpu_seconds: usage::cpu_seconds(),
        }
    }

    /// Rates since the last reading.
    pub(crate) fn read(&mut self, now: Instant, sums: Sums, counters: &Counters) -> Rates {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64().max(1e-3);
        // A new capture or publication starts its sums at zero: then the sum itself is the difference.
        let grown = |new: u64, old: u64| new.checked_sub(old).unwrap_or(new) as f64;
        let encoded = counters.encoded.load(Ordering::Relaxed);
        let encode_nanos = counters.encode_nanos.load(Ordering::Relaxed);
        let composed = counters.composed.load(Ordering::Relaxed);
        let wait_nanos = counters.wait_nanos.load(Ordering::Relaxed);
        let compose_nanos = counters.compose_nanos.load(Ordering::Relaxed);
        let bytes = counters.bytes.load(Ordering::Relaxed);
        let cpu_seconds = usage::cpu_seconds();
        let pictures = grown(encoded, self.encoded);
        let compositions = grown(composed, self.composed);
        let each = |new: u64, old: u64| (compositions > 0.0).then(|| grown(new, old) / 1e6 / compositions);
        let rates = Rates {
            queue_ms: each(wait_nanos, self.wait_nanos),
            compose_ms: each(compose_nanos, self.compose_nanos),
            fps_captured: grown(sums.captured, self.sums.captured) / seconds,
            fps_encoded: pictures / seconds,
            fps_dropped: grown(sums.replaced, self.sums.replaced) / seconds,
            encode_ms: if pictures > 0.0 { grown(encode_nanos, self.encode_nanos) / 1e6 / pictures } else { 0.0 },
            video_kbps: grown(bytes, self.bytes) * 8.0 / 1000.0 / seconds,
            cpu_cores: cpu_seconds.zip(self.cpu_seconds).map(|(new, old)| (new - old) / seconds),
        };
        *self = Self { at: now, sums, encoded, encode_nanos, composed, wait_nanos, compose_nanos, bytes, cpu_seconds };
        rates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn rates_are_differences_and_a_restarted_sum_counts_from_zero() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        let counters = Counters::default();
        counters.encoded.store(60, Ordering::Relaxed);
        counters.encode_nanos.store(60 * 5_000_000, Ordering::Relaxed);
        counters.bytes.store(750_000, Ordering::Relaxed);
        counters.composed.store(30, Ordering::Relaxed);
        counters.wait_nanos.store(30 * 4_000_000, Ordering::Relaxed);
        counters.compose_nanos.store(30 * 1_000_000, Ordering::Relaxed);
        let sums = Sums { captured: 120, replaced: 60 };
        let rates = meter.read(start + Duration::from_secs(2), sums, &counters);
        assert_eq!((rates.fps_captured, rates.fps_encoded, rates.fps_dropped), (60.0, 30.0, 30.0));
        assert_eq!((rates.encode_ms, rates.video_kbps), (5.0, 3000.0));
        assert_eq!((rates.queue_ms, rates.compose_ms), (Some(4.0), Some(1.0)));
        let sums = Sums { captured: 30, replaced: 0 };
        let rates = meter.read(start + Duration::from_secs(3), sums, &counters);
        assert_eq!((rates.fps_captured, rates.fps_encoded), (30.0, 0.0));
        assert_eq!(rates.queue_ms, None, "nothing was composed: no number instead of a wrong one");
    }
}
