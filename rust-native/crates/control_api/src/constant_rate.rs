//! One picture in each interval, for destinations that need a constant frame rate. Pure.
//!
//! Time is cut into windows of one interval. The first change in a window is encoded at once, a second one waits for
//! the next window, and a window that ends without any repeats the picture. Pictures carry the middle of their window
//! as their time, so that the spacing is exact though captures jitter.

use std::time::Duration;

use media::MediaTime;

/// The grid of windows.
#[derive(Debug)]
pub(crate) struct ConstantRate {
    zero: MediaTime,
    interval: Duration,
    /// The first window without a picture.
    next: u64,
}

impl ConstantRate {
    /// Begins with a window that opens now.
    pub(crate) fn new(now: MediaTime, interval: Duration) -> Self {
        Self { zero: now, interval, next: 0 }
    }

    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// When a changed picture may be encoded; in the past where none was for long.
    pub(crate) fn fresh_at(&self) -> MediaTime {
        self.opens(self.next)
    }

    /// When an unchanged picture must be encoded again.
    pub(crate) fn repeat_at(&self) -> MediaTime {
        self.opens(self.next + 1)
    }

    /// A picture is encoded now: the time that it carries. Windows that were missed (nothing to show, or an encoder
    /// that is slower than the rate) stay empty.
    pub(crate) fn fill(&mut self, now: MediaTime) -> MediaTime {
        let nanos = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX).max(1);
        let present = u64::try_from(now.since(self.zero).as_nanos()).unwrap_or(u64::MAX) / nanos;
        // A repeat comes as its window closes, and some thread's delay later: it belongs to that window.
        let window = if present > self.next + 1 { present } else { self.next };
        self.next = window + 1;
        self.opens(window) + self.interval / 2
    }

    fn opens(&self, window: u64) -> MediaTime {
        let nanos = self.interval.as_nanos() * u128::from(window);
        self.zero + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(33);

    fn at(ms: f64) -> MediaTime {
        MediaTime::from_nanos((ms * 1e6) as u64)
    }

    /// Runs for five seconds with changes at those times (ms); gives back the times that pictures carry, and how
    /// long each change waited.
    fn run(changes: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let mut rate = ConstantRate::new(at(1000.0), INTERVAL);
        let (mut times, mut waits) = (Vec::new(), Vec::new());
        let mut rest = changes.iter().copied().peekable();
        let mut changed: Option<f64> = None;
        let mut now = 1000.0;
        while now < 6000.0 {
            while let Some(change) = rest.next_if(|change| *change <= now) {
                changed.get_or_insert(change);
            }
            let due = if changed.is_some() { rate.fresh_at() } else { rate.repeat_at() };
            if due <= at(now) {
                waits.extend(changed.take().map(|change| now - change));
                times.push(rate.fill(at(now)).as_nanos() as f64 / 1e6);
            }
            now += 0.5;
        }
        (times, waits)
    }

    fn assert_even(times: &[f64]) {
        let uneven = times.windows(2).find(|pair| (pair[1] - pair[0] - 33.0).abs() > 1e-6);
        assert_eq!(uneven, None);
        assert!((150..=152).contains(&times.len()), "{}", times.len());
    }

    #[test]
    fn a_still_picture_is_repeated_in_every_interval() {
        assert_even(&run(&[]).0);
    }

    #[test]
    fn whatever_the_sources_rate_is_the_pictures_are_evenly_spaced() {
        for hertz in [5.0, 24.0, 29.97, 30.3, 60.0, 144.0] {
            for phase in [0.0, 11.0, 25.0] {
                let jitter = |n: u32| f64::from(n * 7919 % 13) / 4.0;
                let changes: Vec<f64> = (0..(hertz * 5.0) as u32)
                    .map(|n| 1000.0 + phase + f64::from(n) * 1000.0 / hertz + jitter(n))
                    .collect();
                let (times, waits) = run(&changes);
                assert_even(&times);
                assert!(waits.iter().all(|wait| *wait <= 33.5), "{hertz} Hz: {waits:?}");
            }
        }
    }

    #[test]
    fn a_thread_that_slept_leaves_windows_out_and_catches_up_with_the_grid() {
        let mut rate = ConstantRate::new(at(0.0), INTERVAL);
        assert_eq!(rate.fill(at(1.0)), at(16.5));
        assert_eq!(rate.fill(at(500.0)), at(495.0 + 16.5));
        assert_eq!(rate.fresh_at(), at(528.0));
    }

    #[test]
    fn a_repeat_that_comes_a_little_late_fills_its_own_window() {
        let mut rate = ConstantRate::new(at(0.0), INTERVAL);
        assert_eq!(rate.fill(at(34.0)), at(16.5));
        assert_eq!(rate.fill(at(40.0)), at(49.5), "and a change fills the one that is open");
    }
}
