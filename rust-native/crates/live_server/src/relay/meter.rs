//! Rates over the last second.

use std::time::{Duration, Instant};

/// Long enough to be steady, short enough to follow a change.
const WINDOW: Duration = Duration::from_secs(1);

/// Bits and pictures per second of what arrives.
#[derive(Debug)]
pub(super) struct Meter {
    since: Instant,
    bytes: u64,
    frames: u32,
    /// kbit/s of the last whole window.
    pub(super) kbps: f64,
    /// Pictures per second of the last whole window.
    pub(super) fps: f64,
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, bytes: 0, frames: 0, kbps: 0.0, fps: 0.0 }
    }

    pub(super) fn packet(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    pub(super) fn frame(&mut self) {
        self.frames += 1;
    }

    /// Closes the window if it is over.
    pub(super) fn tick(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed < WINDOW {
            return;
        }
        let seconds = elapsed.as_secs_f64();
        self.kbps = self.bytes as f64 * 8.0 / 1000.0 / seconds;
        self.fps = f64::from(self.frames) / seconds;
        (self.since, self.bytes, self.frames) = (now, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_last_window() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        for _ in 0..30 {
            meter.packet(1250);
            meter.frame();
        }
        meter.tick(start + WINDOW / 2);
        assert_eq!(meter.kbps, 0.0);
        meter.tick(start + WINDOW);
        assert_eq!((meter.kbps, meter.fps), (300.0, 30.0));
        meter.tick(start + WINDOW * 2);
        assert_eq!((meter.kbps, meter.fps), (0.0, 0.0));
    }
}
