//! What went to a target over all of its connections, and how fast it goes now. Pure, time is passed in.
//!
//! A connection counts its own bytes from zero on; who looks every half second loses at most what the last half second
//! of a connection carried.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A bitrate over less jumps with each keyframe.
const WINDOW: Duration = Duration::from_secs(3);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Of connections that are over.
    ended: u64,
    /// Of the present one.
    current: u64,
    samples: VecDeque<(Instant, u64)>,
}

impl Tally {
    /// What the present connection says it sent; `None` between two.
    pub(super) fn see(&mut self, sent: Option<u64>, now: Instant) {
        let sent = sent.unwrap_or_default();
        if sent < self.current {
            self.ended += self.current;
            self.samples.clear();
        }
        self.current = sent;
        self.samples.push_back((now, self.total()));
        while self.samples.len() > 2 && self.samples[1].0 + WINDOW <= now {
            self.samples.pop_front();
        }
    }

    /// Bytes since the forward is there.
    pub(super) fn total(&self) -> u64 {
        self.ended + self.current
    }

    /// Over the last three seconds, kbit/s.
    pub(super) fn kbps(&self) -> f64 {
        let (Some((from, before)), Some((to, after))) = (self.samples.front(), self.samples.back()) else { return 0.0 };
        let seconds = to.saturating_duration_since(*from).as_secs_f64();
        if seconds > 0.0 { (after - before) as f64 * 8.0 / 1000.0 / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_add_up_over_connections_and_the_rate_is_that_of_the_last_seconds() {
        let (mut tally, start) = (Tally::default(), Instant::now());
        let at = |halves: u32| start + Duration::from_millis(500) * halves;
        // 1 Mbit/s is 62,500 bytes in half a second.
        for half in 0..20 {
            tally.see(Some(u64::from(half) * 62_500), at(half));
        }
        assert_eq!(tally.total(), 19 * 62_500);
        assert!((tally.kbps() - 1000.0).abs() < 1.0, "{}", tally.kbps());
        tally.see(None, at(20));
        assert_eq!((tally.total(), tally.kbps()), (19 * 62_500, 0.0), "the connection is over");
        tally.see(Some(125_000), at(21));
        tally.see(Some(250_000), at(22));
        assert_eq!(tally.total(), 19 * 62_500 + 250_000);
        assert!((tally.kbps() - 2000.0).abs() < 1.0, "{}", tally.kbps());
        for half in 23..40 {
            tally.see(Some(250_000), at(half));
        }
        assert_eq!(tally.kbps(), 0.0, "nothing leaves any more");
    }
}
