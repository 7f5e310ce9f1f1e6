//! When a picture that has not changed is encoded again. Pure.

use std::time::Duration;

use media::MediaTime;

/// The last picture of a motion was squeezed into one frame's bits; two repeats spend a little more on it, and
/// text gets sharp within a third of a second instead of at the next keep-alive.
const SETTLE: &[Duration] = &[Duration::from_millis(100), Duration::from_millis(300)];
/// A change after a rest is what someone waits for (a key typed, a dot drawn), and rate control that has seen few
/// pictures may draw it faintly: it is repeated at once. In a motion that would double the work.
const SETTLE_AFTER_REST: &[Duration] =
    &[Duration::from_millis(30), Duration::from_millis(60), Duration::from_millis(120), Duration::from_millis(300)];
/// A pause that no motion has: two pictures of the slowest slide show that still reads as one.
const REST: Duration = Duration::from_millis(300);
/// A terminal whose lines come eight a second is in motion between them: its pictures are repeated only once the next one is
/// overdue by this factor of the last gap, or each line would be encoded twice.
const OVERDUE: f64 = 1.5;
/// Keeps players and services from taking a still screen for a dead stream; costs one skipped picture a second.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// The rhythm of repeats since the picture last changed.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    changed: MediaTime,
    last: MediaTime,
    done: usize,
    steps: &'static [Duration],
    /// Before that the next change is only to be expected.
    quiet_from: MediaTime,
}

impl Repeats {
    /// A new picture was encoded.
    pub(crate) fn changed(&mut self, now: MediaTime) {
        let gap = now.since(self.changed);
        let (steps, wait) =
            if gap >= REST { (SETTLE_AFTER_REST, Duration::ZERO) } else { (SETTLE, gap.mul_f64(OVERDUE)) };
        *self = Self { changed: now, last: now, done: 0, steps, quiet_from: now + wait };
    }

    /// The unchanged picture was encoded again, for whatever reason.
    pub(crate) fn repeated(&mut self, now: MediaTime) {
        self.last = now;
        self.done += 1;
    }

    /// When to encode it again, if nothing changes until then.
    pub(crate) fn due(&self) -> MediaTime {
        match self.steps.get(self.done) {
            Some(after) => (self.changed + *after).max(self.quiet_from),
            None => self.last + KEEP_ALIVE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_still_picture_settles_and_then_keeps_alive_once_a_second() {
        let ms = |n: u64| MediaTime::from_nanos(n * 1_000_000);
        let mut repeats = Repeats::default();
        repeats.changed(ms(960));
        repeats.changed(ms(1000));
        let mut times = Vec::new();
        for _ in 0..4 {
            let due = repeats.due();
            times.push(due.as_millis());
            repeats.repeated(due);
        }
        assert_eq!(times, [1100, 1300, 2300, 3300]);
    }

    #[test]
    fn a_slow_cadence_is_not_repeated_between_its_pictures_and_settles_after_the_last() {
        let mut repeats = Repeats::default();
        for line in 0..20_u64 {
            let now = MediaTime::from_nanos(1_000_000_000 + line * 125_000_000);
            assert!(line < 2 || repeats.due() > now, "line {line}");
            repeats.changed(now);
        }
        let last = 1000 + 19 * 125;
        assert_eq!(repeats.due().as_millis(), last + 187);
        repeats.repeated(repeats.due());
        assert_eq!(repeats.due().as_millis(), last + 300);
    }

    #[test]
    fn a_change_after_a_rest_is_repeated_at_once() {
        let mut repeats = Repeats::default();
        repeats.changed(MediaTime::from_nanos(5_000_000_000));
        assert_eq!(repeats.due().as_millis(), 5030);
    }
}
