//! When a picture that has not changed is encoded again. Pure.

use std::time::Duration;

use media::MediaTime;

/// The last picture of a motion was squeezed into one frame's bits; two repeats spend a little more on it, and
/// text gets sharp within a third of a second instead of at the next keep-alive.
const SETTLE: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(300)];
/// Keeps players and services from taking a still screen for a dead stream; costs one skipped picture a second.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// The rhythm of repeats since the picture last changed.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    changed: MediaTime,
    last: MediaTime,
    done: usize,
}

impl Repeats {
    /// A new picture was encoded.
    pub(crate) fn changed(&mut self, now: MediaTime) {
        *self = Self { changed: now, last: now, done: 0 };
    }

    /// The unchanged picture was encoded again, for whatever reason.
    pub(crate) fn repeated(&mut self, now: MediaTime) {
        self.last = now;
        self.done += 1;
    }

    /// When to encode it again, if nothing changes until then.
    pub(crate) fn due(&self) -> MediaTime {
        match SETTLE.get(self.done) {
            Some(after) => self.changed + *after,
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
        repeats.changed(ms(1000));
        let mut times = Vec::new();
        for _ in 0..4 {
            let due = repeats.due();
            times.push(due.as_millis());
            repeats.repeated(due);
        }
        assert_eq!(times, [1100, 1300, 2300, 3300]);
    }
}
