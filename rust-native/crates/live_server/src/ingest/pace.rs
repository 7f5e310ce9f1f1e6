//! The publisher's time line, tied to ours. Pure: time is passed in.
//!
//! Stamps of RTMP and MPEG-TS count milliseconds or 90 kHz from anywhere, wrap, and jump when a scene is spliced in.
//! [`Line`] makes one rising line of them, common to both tracks. [`Pace`] says which moment of our clock a stamp is,
//! by the fastest way that anything took, and holds back who brings a file faster than it plays.

use std::time::{Duration, Instant};

use media::MediaTime;

/// The line begins here, so that what is a little earlier than the first is not below zero.
const ORIGIN: i128 = 3_600_000_000_000;
/// A step larger than this is no gap but another clock.
const JUMP: i128 = 10_000_000_000;
/// After a jump the line goes on by this.
const STEP: i128 = 20_000_000;
/// How far a publisher may be ahead of its own clock at once: what its encoder and its socket held back before.
const MOST_AHEAD: Duration = Duration::from_secs(3);
/// How fast that is granted again: clocks drift by a hundredth of this.
const AHEAD_AGAIN: u32 = 50;
/// How fast the line follows a way that became longer: a millisecond each second, which nobody sees.
const SLEW: u32 = 1000;

/// Unwraps stamps.
#[derive(Debug)]
pub(super) struct Line {
    rate: u64,
    bits: u32,
    /// The newest: as it came, unwrapped.
    last: Option<i64>,
    /// Nanoseconds: what is added to an unwrapped stamp.
    shift: i128,
}

impl Line {
    /// For stamps of so many bits at so many Hz.
    pub(super) fn new(rate: u64, bits: u32) -> Self {
        Self { rate, bits, last: None, shift: 0 }
    }

    /// Where a stamp lies: for pictures the decoding time, their presentation lies [`Self::beside`] it.
    pub(super) fn place(&mut self, raw: u64) -> MediaTime {
        let span = 1i64 << self.bits;
        let raw = raw as i64 & (span - 1);
        let unwrapped = match self.last {
            None => raw,
            Some(last) => {
                let apart = (raw - last).rem_euclid(span);
                last + if apart < span / 2 { apart } else { apart - span }
            }
        };
        let nanos = self.nanos(unwrapped);
        match self.last {
            None => self.shift = ORIGIN - nanos,
            Some(last) => {
                let step = nanos - self.nanos(last);
                if step.abs() > JUMP {
                    self.shift += STEP - step;
                }
            }
        }
        self.last = Some(unwrapped);
        stamp(nanos + self.shift)
    }

    /// So many of its ticks before or after one that was placed.
    pub(super) fn beside(&self, placed: MediaTime, ticks: i64) -> MediaTime {
        stamp(i128::from(placed.as_nanos()) + self.nanos(ticks))
    }

    fn nanos(&self, ticks: i64) -> i128 {
        i128::from(ticks) * 1_000_000_000 / i128::from(self.rate)
    }
}

fn stamp(nanos: i128) -> MediaTime {
    MediaTime::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}

/// Ties the line to our clock.
#[derive(Debug)]
pub(super) struct Pace {
    epoch: Instant,
    /// Our nanoseconds since `epoch` minus the line's.
    offset: Option<i128>,
    ahead: Duration,
    most_ahead: Duration,
    seen: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { epoch: now, offset: None, ahead: MOST_AHEAD, most_ahead: MOST_AHEAD, seen: now }
    }

    /// For what comes in heaps by design, as segments do: nothing is let in early. Each heap would move the clock, and the
    /// tracks, whose units alternate in it, would be put on it before and after that.
    pub(super) fn of_heaps(now: Instant) -> Self {
        Self { ahead: Duration::ZERO, most_ahead: Duration::ZERO, ..Self::new(now) }
    }

    /// Something with that (decoding) stamp is here. `Err`: it is too early by so much and is to be asked about again
    /// then.
    pub(super) fn arrive(&mut self, at: MediaTime, now: Instant) -> Result<(), Duration> {
        let here = now.saturating_duration_since(self.epoch).as_nanos() as i128 - i128::from(at.as_nanos());
        let elapsed = now.saturating_duration_since(self.seen);
        self.seen = now;
        self.ahead = (self.ahead + elapsed / AHEAD_AGAIN).min(self.most_ahead);
        let Some(offset) = self.offset else {
            self.offset = Some(here);
            return Ok(());
        };
        if here >= offset {
            let slew = (elapsed / SLEW).as_nanos() as i128;
            self.offset = Some(offset + (here - offset).min(slew));
            return Ok(());
        }
        let early = Duration::from_nanos(u64::try_from(offset - here).unwrap_or(u64::MAX));
        if early > self.ahead {
            return Err(early - self.ahead);
        }
        self.ahead -= early;
        self.offset = Some(here);
        Ok(())
    }

    /// The same where nobody can be held back: who is too early sets the clock.
    pub(super) fn arrive_at_once(&mut self, at: MediaTime, now: Instant) {
        if self.arrive(at, now).is_err() {
            self.offset = None;
            let _ = self.arrive(at, now);
        }
    }

    /// The moment of our clock that a stamp is; the same for both tracks.
    pub(super) fn moment(&self, at: MediaTime) -> Instant {
        let nanos = self.offset.unwrap_or_default() + i128::from(at.as_nanos());
        self.epoch + Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> MediaTime {
        MediaTime::from_nanos(ORIGIN as u64 + ms * 1_000_000)
    }

    #[test]
    fn stamps_go_on_over_a_wrap_and_back_a_little() {
        let mut line = Line::new(1000, 32);
        let first = line.place(u64::from(u32::MAX) - 9);
        assert_eq!(line.place(10).since(first), 20 * MS);
        assert_eq!(line.place(5).since(first), 15 * MS, "sound beside a picture");
        let mut line = Line::new(90_000, 33);
        let first = line.place((1 << 33) - 90);
        assert_eq!(line.place(90).since(first), 2 * MS);
        assert_eq!(line.beside(first, -90), first - MS);
    }

    #[test]
    fn a_jump_of_the_publishers_clock_is_a_small_step_for_both_tracks() {
        let mut line = Line::new(1000, 32);
        let first = line.place(1000);
        let jumped = line.place(10_000_000);
        assert_eq!(jumped.since(first), 20 * MS);
        assert_eq!(line.place(10_000_015).since(jumped), 15 * MS, "the other track");
        let back = line.place(3);
        assert_eq!(back.since(jumped), 35 * MS);
    }

    #[test]
    fn the_fastest_way_ties_the_clocks_and_a_slower_one_is_followed_gently() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert_eq!(pace.arrive(at(0), start + 500 * MS), Ok(()));
        assert_eq!(pace.arrive(at(40), start + 510 * MS), Ok(()), "what was held back comes faster");
        assert_eq!(pace.moment(at(40)), start + 510 * MS);
        assert_eq!(pace.arrive(at(1000), start + 1600 * MS), Ok(()));
        let slid = pace.moment(at(1000)).duration_since(start + 1470 * MS);
        assert!(slid > Duration::ZERO && slid < 3 * MS, "{slid:?}");
    }

    #[test]
    fn who_brings_a_file_at_once_is_held_to_its_pace() {
        let start = Instant::now();
        let (mut pace, mut now, mut media) = (Pace::new(start), start, 0);
        while media < 60_000 {
            match pace.arrive(at(media), now) {
                Ok(()) => media += 20,
                Err(wait) => now += wait,
            }
        }
        let took = now.duration_since(start);
        assert!(took > Duration::from_secs(53) && took < Duration::from_secs(60), "{took:?}");
    }

    #[test]
    fn a_heap_is_let_in_at_its_pace_and_never_moves_the_clock() {
        let start = Instant::now();
        let mut pace = Pace::of_heaps(start);
        assert_eq!(pace.arrive(MediaTime::from_nanos(1_000_000_000), start), Ok(()));
        let later = MediaTime::from_nanos(1_500_000_000);
        assert_eq!(pace.arrive(later, start + 100 * MS), Err(400 * MS));
        assert_eq!(pace.arrive(later, start + 500 * MS), Ok(()));
        assert_eq!(pace.moment(later), start + 500 * MS);
    }
}
