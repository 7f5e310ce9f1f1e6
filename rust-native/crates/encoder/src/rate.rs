//! Rate control's share that lies outside an encoder: how many bits a picture may take.
//!
//! Encoders without look-ahead count pictures, not time: they give each one `bitrate / frame rate` bits. Where fewer
//! pictures come than was configured (a 24 Hz film on a 60 Hz stream, a busy machine) the wire would carry less than
//! was asked for. So the encoder is told a bitrate that is scaled by the real cadence.

use std::time::Duration;

use media::{Bitrate, FrameRate, MediaTime};

/// The rate control's buffer, in seconds of the bitrate: an IDR may be as large as that. A smaller one makes every IDR
/// a visible pulse of blur, a larger one delays the pictures after it on a link that is just wide enough.
pub(crate) const BUFFER_SECONDS: f64 = 0.25;
/// A gap longer than this many pictures says nothing of the cadence where it stands alone: it is a screen at rest, and
/// counting it would let the first moving pictures after it burst.
const REST: f64 = 4.5;
/// Soon after another one like it (longer by at most this factor) it is a cadence: the lines of a terminal, each of which
/// may come as two pictures.
const ALIKE: f64 = 1.5;
/// Seconds that count as soon.
const SOON: f64 = 0.5;
/// Seconds without a picture that are rest in any case.
const LONGEST: f64 = 0.25;
/// Seconds without a picture after which the next one is taken for the same one again, which keeps a screen at rest alive.
/// It may take what the wire could have carried, up to the rate control's buffer: with a picture's usual share a desktop
/// would stay as coarse as it is in motion.
const KEPT_ALIVE: f64 = 0.9;
/// The most bits that a picture may take, as a multiple of the configured share.
const MOST: f64 = 8.0;
/// Seconds in which the mean follows a new cadence; half a second leaves time to be within 15 % after two.
const SETTLE: f64 = 0.4;
/// Changes of the encoder's bitrate below this are jitter.
const WORTH_IT: f64 = 0.04;

/// How far the pictures' real cadence is from the configured one.
#[derive(Debug)]
pub(crate) struct Cadence {
    nominal: f64,
    /// Both fade alike, so that their quotient is the plain mean: a mean of intervals that weighs each by its length
    /// would take pictures that come in bunches for fewer pictures.
    seconds: f64,
    pictures: f64,
    last: Option<MediaTime>,
    /// The last gap that may have been rest, and what has gone by since, in seconds.
    pause: (f64, f64),
    applied: f64,
}

impl Cadence {
    pub(crate) fn new(rate: FrameRate) -> Self {
        let nominal = rate.interval().as_secs_f64();
        Self { nominal, seconds: SETTLE, pictures: SETTLE / nominal, last: None, pause: (0.0, 0.0), applied: 1.0 }
    }

    /// Takes in the time of the next picture; `true` when [`Self::scaled`] gives another figure from now on.
    pub(crate) fn observe(&mut self, pts: MediaTime) -> bool {
        let mut at_rest = None;
        if let Some(last) = self.last.replace(pts) {
            let interval = pts.since(last).as_secs_f64();
            let (pause, since) = self.pause;
            let long = interval > REST * self.nominal;
            let again = interval <= LONGEST && interval <= ALIKE * pause && since <= SOON;
            if !long || again {
                self.count(interval);
            }
            self.pause = if long { (interval, 0.0) } else { (pause, since + interval) };
            at_rest = (interval >= KEPT_ALIVE).then(|| (interval.min(BUFFER_SECONDS) / self.nominal).max(1.0));
        }
        let scale = at_rest.unwrap_or_else(|| (self.seconds / self.pictures / self.nominal).clamp(0.5, MOST));
        let changed = (scale / self.applied - 1.0).abs() > WORTH_IT;
        if changed {
            self.applied = scale;
        }
        changed
    }

    fn count(&mut self, interval: f64) {
        let mean = self.seconds / self.pictures;
        if mean > REST * self.nominal && interval < mean / 2.0 {
            // Motion after a slow cadence: bits for a tenth of a second in each of its first pictures would be a burst.
            (self.seconds, self.pictures) = (SETTLE, SETTLE / self.nominal);
        }
        let kept = (-interval / SETTLE).exp();
        self.seconds = self.seconds * kept + interval;
        self.pictures = self.pictures * kept + 1.0;
    }

    /// What to tell an encoder that divides by the configured frame rate.
    pub(crate) fn scaled(&self, bitrate: Bitrate) -> i64 {
        (f64::from(bitrate.as_bps()) * self.applied) as i64
    }
}

/// The time of the next picture, which is later than the last one's, by a microsecond where it would not be.
pub(crate) fn after(last: &mut Option<MediaTime>, pts: MediaTime) -> MediaTime {
    let earliest = last.map_or(MediaTime::ZERO, |last| last + Duration::from_micros(1));
    *last.insert(pts.max(earliest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn run(cadence: &mut Cadence, from: MediaTime, interval: Duration, count: u32) -> MediaTime {
        let mut now = from;
        for _ in 0..count {
            now = now + interval;
            cadence.observe(now);
        }
        now
    }

    #[test]
    fn half_the_pictures_get_twice_the_bits() {
        let mut cadence = Cadence::new(FrameRate::new(60).unwrap());
        let now = run(&mut cadence, MediaTime::ZERO, Duration::from_nanos(16_666_667), 60);
        assert_eq!(cadence.scaled(Bitrate::from_kbps(1000)), 1_000_000);
        run(&mut cadence, now, Duration::from_nanos(33_333_333), 45);
        let scaled = cadence.scaled(Bitrate::from_kbps(1000));
        assert!((1_880_000..=2_010_000).contains(&scaled), "{scaled}");
    }

    #[test]
    fn pictures_in_bunches_carry_what_was_asked_for() {
        let mut cadence = Cadence::new(FrameRate::new(60).unwrap());
        let mut now = MediaTime::ZERO;
        let (mut bits, mut counted_from) = (0.0, MediaTime::ZERO);
        // 45 pictures a second, two of three at once: a machine that is short of processors.
        for (picture, millis) in [4_u64, 4, 59].repeat(90).into_iter().enumerate() {
            now = now + Duration::from_millis(millis);
            cadence.observe(now);
            if picture < 90 {
                counted_from = now;
            } else {
                bits += cadence.scaled(Bitrate::from_kbps(1000)) as f64 / 60.0;
            }
        }
        let kbps = bits / now.since(counted_from).as_secs_f64() / 1000.0;
        assert!((930.0..=1070.0).contains(&kbps), "{kbps}");
    }

    #[test]
    fn a_screen_at_rest_fills_the_buffer_with_each_picture_and_motion_after_it_does_not() {
        let mut cadence = Cadence::new(FrameRate::new(30).unwrap());
        let now = run(&mut cadence, MediaTime::ZERO, Duration::from_secs(1), 20);
        assert_eq!(cadence.scaled(Bitrate::from_kbps(1000)), 7_500_000, "a quarter of a second's bits in one picture");
        run(&mut cadence, now, Duration::from_millis(400), 1);
        assert_eq!(cadence.scaled(Bitrate::from_kbps(1000)), 1_000_000);
    }

    #[test]
    fn a_terminal_that_scrolls_spends_its_bitrate_and_motion_after_it_does_not_burst() {
        let mut cadence = Cadence::new(FrameRate::new(60).unwrap());
        let mut now = run(&mut cadence, MediaTime::ZERO, Duration::from_millis(125), 20);
        let scaled = cadence.scaled(Bitrate::from_kbps(1000));
        assert!((7_000_000..=7_600_000).contains(&scaled), "{scaled}");
        let mut bits = 0.0;
        for _ in 0..30 {
            now = run(&mut cadence, now, Duration::from_nanos(16_666_667), 1);
            bits += cadence.scaled(Bitrate::from_kbps(1000)) as f64 / 60.0;
        }
        assert!((480_000.0..=520_000.0).contains(&bits), "{bits} in half a second");
    }

    #[test]
    fn lines_that_come_as_two_pictures_spend_the_bitrate_too() {
        let mut cadence = Cadence::new(FrameRate::new(60).unwrap());
        let (mut now, mut bits, mut counted_from) = (MediaTime::ZERO, 0.0, MediaTime::ZERO);
        for (picture, millis) in [16, 109].repeat(40).into_iter().enumerate() {
            now = run(&mut cadence, now, Duration::from_millis(millis), 1);
            if picture < 20 {
                counted_from = now;
            } else {
                bits += cadence.scaled(Bitrate::from_kbps(1000)) as f64 / 60.0;
            }
        }
        let kbps = bits / now.since(counted_from).as_secs_f64() / 1000.0;
        assert!((930.0..=1070.0).contains(&kbps), "{kbps}");
    }

    #[test]
    fn jitter_changes_nothing() {
        let mut cadence = Cadence::new(FrameRate::new(60).unwrap());
        let mut now = MediaTime::ZERO;
        for millis in [15, 18, 16, 17, 16, 19, 15, 17].repeat(10) {
            now = now + Duration::from_millis(millis);
            assert!(!cadence.observe(now));
        }
    }
}
