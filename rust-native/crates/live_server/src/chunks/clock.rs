//! RTP time stamps → one media time for both tracks, in nanoseconds from the packager's start.
//!
//! Distances are those of the time stamps, which don't jitter; where the line lies is what the packets' wall clock
//! says, which is the same for both tracks. A publisher's clock that runs away is followed too slowly to be seen.

use std::time::Duration;

/// Nanoseconds by which the line may move for each of media: a thousandth is ten times what quartz drifts.
const SLEW: i64 = 1000;
/// A line that began by arrival, and lies further off than this when the publisher's word comes, begins anew: sound and
/// picture would stay apart for long.
const GUESSED_WRONG: Duration = Duration::from_millis(20);
/// A server that relays writes its first reports by arrival too, and nobody says when it knows better: for so long of a
/// line's media its word is doubted as a guess is.
const DOUBTED: Duration = Duration::from_secs(6);
/// A line that lies so far off is not followed: the publisher's machine slept. Less than that is the network's doing, and
/// both tracks move together.
const JUMP: Duration = Duration::from_millis(1500);

/// One track's line.
#[derive(Debug)]
pub(crate) struct TrackClock {
    rate: i64,
    /// The newest time stamp, and the same without wrapping.
    last: Option<(u32, i64)>,
    /// Nanoseconds to add to the time stamps' own.
    offset: Option<i64>,
    /// It is the publisher's word.
    synced: bool,
    relayed: bool,
}

impl TrackClock {
    pub(crate) fn new(rate: u32) -> Self {
        Self { rate: i64::from(rate), last: None, offset: None, synced: false, relayed: false }
    }

    /// For a stream that comes from a server that relays it.
    pub(crate) fn relayed(self) -> Self {
        Self { relayed: true, ..self }
    }

    /// When a unit is, given that its wall clock says `wall`; `None` where the line has broken: begin anew then.
    pub(crate) fn at(&mut self, timestamp: u32, wall: i64, synced: bool) -> Option<i64> {
        let (last, ticks) = self.last.unwrap_or((timestamp, 0));
        let step = i64::from(timestamp.wrapping_sub(last) as i32);
        let ticks = ticks + step;
        self.last = Some((timestamp, ticks));
        // Exact for a century at 90 kHz.
        let own = (i128::from(ticks) * 1_000_000_000 / i128::from(self.rate)) as i64;
        if self.offset.is_none() {
            self.synced = synced;
        }
        let offset = *self.offset.get_or_insert(wall - own);
        let off = wall - own - offset;
        let doubted = self.relayed && own < DOUBTED.as_nanos() as i64;
        let jump = if synced && (doubted || !self.synced) { GUESSED_WRONG } else { JUMP };
        self.synced |= synced;
        if off.unsigned_abs() > jump.as_nanos() as u64 {
            return None;
        }
        if synced {
            let most = (step.abs() * 1_000_000_000 / self.rate) / SLEW;
            self.offset = Some(offset + off.clamp(-most, most));
        }
        Some(own + offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn distances_are_the_time_stamps_and_jitter_is_not_seen() {
        let mut clock = TrackClock::new(90_000);
        let start = 5_000 * MS;
        assert_eq!(clock.at(u32::MAX - 1000, start, false), Some(start));
        let at = clock.at((u32::MAX - 1000).wrapping_add(9000), start + 130 * MS, false);
        assert_eq!(at, Some(start + 100 * MS), "over the wrap, and 30 ms late");
    }

    #[test]
    fn a_clock_that_runs_away_is_followed_gently() {
        let mut clock = TrackClock::new(48_000);
        // 100 ppm slow: after 100 s the wall clock says 10 ms more.
        let mut last = 0;
        for second in 0..=100i64 {
            last = clock.at((second * 48_000) as u32, second * 1000 * MS + second * MS / 10, true).expect("no jump");
        }
        assert!((last - 100_010 * MS).abs() < MS, "{last}");
    }

    #[test]
    fn a_line_that_breaks_is_said_so() {
        let mut clock = TrackClock::new(90_000);
        assert!(clock.at(0, 0, true).is_some());
        assert!(clock.at(3000, 33 * MS + 200 * MS, true).is_some(), "a report that was held up");
        assert!(clock.at(6000, 66 * MS + 2000 * MS, true).is_none());
        let mut guessed = TrackClock::new(90_000);
        assert!(guessed.at(0, 0, false).is_some());
        assert!(guessed.at(3000, 33 * MS + 900 * MS, false).is_some(), "arrival jitters");
        assert!(guessed.at(6000, 66 * MS + 30 * MS, true).is_none(), "the publisher knows better");
    }

    #[test]
    fn the_first_word_of_a_server_that_relays_is_doubted() {
        let mut relayed = TrackClock::new(90_000).relayed();
        assert!(relayed.at(0, 0, true).is_some());
        assert!(relayed.at(90_000, 1010 * MS, true).is_some());
        assert!(relayed.at(180_000, 2080 * MS, true).is_none(), "it knows better now");
        let mut old = TrackClock::new(90_000).relayed();
        assert!(old.at(0, 0, true).is_some());
        assert!(old.at(900_000, 10_080 * MS, true).is_some(), "a report that was held up");
    }
}
