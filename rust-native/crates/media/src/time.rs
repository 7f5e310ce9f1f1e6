//! One monotonic clock for sound and picture.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on the machine's monotonic clock, in nanoseconds (on Linux `CLOCK_MONOTONIC`, so that stamps of
/// several processes can be compared).
///
/// Conversions to 90 kHz or 48 kHz start from this absolute value each time: summing converted deltas drifts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MediaTime(u64);

impl MediaTime {
    /// The clock's origin.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds since the clock's origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Milliseconds since the clock's origin, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Ticks of a clock of `rate` Hz since the origin, rounded down; never overflows before year 500.
    pub const fn ticks(self, rate: u32) -> u64 {
        (self.0 as u128 * rate as u128 / 1_000_000_000) as u64
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for MediaTime {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for MediaTime {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Where "now" comes from; a test gives its own.
pub trait Clock: Send + Sync {
    /// The present point in time.
    fn now(&self) -> MediaTime;
}

/// The machine's monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct MonotonicClock;

impl Clock for MonotonicClock {
    fn now(&self) -> MediaTime {
        imp::now()
    }
}

#[cfg(unix)]
mod imp {
    use super::MediaTime;

    pub(super) fn now() -> MediaTime {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a valid, writable timespec; CLOCK_MONOTONIC always exists.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
        MediaTime::from_nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }
}

#[cfg(not(unix))]
mod imp {
    use super::MediaTime;
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    pub(super) fn now() -> MediaTime {
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        // An hour ahead of the origin, so that a device's first stamps may lie before the first call.
        let since = ORIGIN.get_or_init(Instant::now).elapsed() + Duration::from_secs(3600);
        MediaTime::ZERO + since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_come_from_the_absolute_value() {
        let year = MediaTime::ZERO + Duration::from_secs(365 * 24 * 3600);
        assert_eq!(year.ticks(90_000), 365 * 24 * 3600 * 90_000);
        assert_eq!(MediaTime::from_nanos(11_111_111).ticks(90_000), 999);
        assert_eq!(MediaTime::from_nanos(11_111_112).ticks(90_000), 1000);
    }

    #[test]
    fn the_clock_moves_forward() {
        let first = MonotonicClock.now();
        assert!(MonotonicClock.now() >= first);
    }

    #[test]
    fn earlier_minus_later_is_zero() {
        assert_eq!(MediaTime::from_nanos(5).since(MediaTime::from_nanos(9)), Duration::ZERO);
    }
}
