//! A graphics API's own clock, as our time.
//!
//! Windows stamps frames by the performance counter, macOS by the host clock: both monotonic, both with an origin
//! of their own. What counts is a frame's age, which is the same on every clock.

use std::time::Duration;

use media::MediaTime;

/// A stamp further back than this is no frame's age but another clock's: the frame is taken as new.
const OLDEST: Duration = Duration::from_secs(2);

/// When a frame was made that its API stamped `stamp_ns`, at the moment that is `now_ns` on the API's clock and `now`
/// on ours.
pub(super) fn captured_at(stamp_ns: i128, now_ns: i128, now: MediaTime) -> MediaTime {
    // A stamp in the future is a compositor's plan for when the frame is shown: not later than its arrival.
    let age = u64::try_from((now_ns - stamp_ns).max(0)).map_or(OLDEST, Duration::from_nanos);
    if age < OLDEST { now - age } else { now }
}

/// A count of a counter that runs at `per_second` as nanoseconds; exact for centuries.
#[cfg_attr(not(any(target_os = "windows", test)), allow(dead_code, reason = "other clocks count nanoseconds"))]
pub(super) fn nanos(count: i64, per_second: i64) -> i128 {
    i128::from(count) * 1_000_000_000 / i128::from(per_second.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: MediaTime = MediaTime::from_nanos(10_000_000_000);

    #[test]
    fn a_frame_is_as_old_on_our_clock_as_on_its_own() {
        assert_eq!(captured_at(500_000_000, 512_000_000, NOW), NOW - Duration::from_millis(12));
    }

    #[test]
    fn a_stamp_in_the_future_means_now() {
        assert_eq!(captured_at(520_000_000, 512_000_000, NOW), NOW);
    }

    #[test]
    fn a_stamp_of_another_clock_means_now() {
        assert_eq!(captured_at(0, 90_000_000_000_000, NOW), NOW);
        assert_eq!(captured_at(i128::MIN / 2, 0, NOW), NOW);
    }

    #[test]
    fn counts_become_nanoseconds_without_loss() {
        assert_eq!(nanos(10_000_000, 10_000_000), 1_000_000_000);
        assert_eq!(nanos(1, 10_000_000), 100);
        // Thirty years of a 3 GHz counter.
        assert_eq!(nanos(3_000_000_000 * 946_080_000, 3_000_000_000), 946_080_000_000_000_000);
        assert_eq!(nanos(5, 0), 5_000_000_000);
    }
}
