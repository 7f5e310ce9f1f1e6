//! Whether what is shared is well: policy only, time comes from outside.

use std::time::{Duration, Instant};

use super::stream::Phase;

/// How long what is shared may take to give its first picture: a machine that is swapping is slow, not dead.
const FIRST_PICTURE_LIMIT: Duration = Duration::from_secs(10);
/// A stream that runs and has given none by then is of a screen on which nothing changes: some compositors send the
/// first picture with the first change.
const STILL_LIMIT: Duration = Duration::from_secs(2);
/// A stream that rests for less is being set up anew (a window was resized); after that its picture is an old one.
const REST_LIMIT: Duration = Duration::from_secs(1);

/// What a look says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing is to be done until something happens.
    Well,
    /// Look again then, if nothing happens before.
    Until(Instant),
    /// It has come to rest; said once.
    Rests,
    /// The first picture never came.
    Silent,
}

/// What came, and since when nothing did.
#[derive(Debug)]
pub(super) struct Progress {
    since: Instant,
    has_picture: bool,
    running_since: Option<Instant>,
    resting_since: Option<Instant>,
    rests: bool,
}

impl Progress {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, has_picture: false, running_since: None, resting_since: None, rests: false }
    }

    /// A picture came. Returns whether that ends a rest that was told of.
    pub(super) fn picture(&mut self) -> bool {
        self.has_picture = true;
        std::mem::take(&mut self.rests)
    }

    pub(super) fn look(&mut self, phase: &Phase, now: Instant) -> Look {
        if !self.has_picture {
            return self.look_for_first(phase, now);
        }
        if *phase == Phase::Running {
            // A screen that changes nothing gives no pictures and is well.
            self.resting_since = None;
            return Look::Well;
        }
        let limit = *self.resting_since.get_or_insert(now) + REST_LIMIT;
        if self.rests {
            Look::Well
        } else if now < limit {
            Look::Until(limit)
        } else {
            self.rests = true;
            Look::Rests
        }
    }
}

impl Progress {
    fn look_for_first(&mut self, phase: &Phase, now: Instant) -> Look {
        let running = (*phase == Phase::Running).then(|| *self.running_since.get_or_insert(now));
        let limit = running.map_or(self.since + FIRST_PICTURE_LIMIT, |since| since + STILL_LIMIT);
        if self.rests {
            Look::Well
        } else if now < limit {
            Look::Until(limit)
        } else if running.is_some() {
            self.rests = true;
            Look::Rests
        } else {
            Look::Silent
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_first_picture_that_never_comes_is_given_up() {
        let start = Instant::now();
        let mut progress = Progress::new(start);
        assert_eq!(progress.look(&Phase::Connecting, start), Look::Until(start + 10 * SECOND));
        assert_eq!(progress.look(&Phase::Resting, start + 9 * SECOND), Look::Until(start + 10 * SECOND));
        assert_eq!(progress.look(&Phase::Resting, start + 10 * SECOND), Look::Silent);
    }

    #[test]
    fn a_stream_that_runs_without_a_picture_is_of_a_still_screen() {
        let start = Instant::now();
        let mut progress = Progress::new(start);
        assert_eq!(progress.look(&Phase::Running, start + SECOND), Look::Until(start + 3 * SECOND));
        assert_eq!(progress.look(&Phase::Running, start + 3 * SECOND), Look::Rests);
        assert_eq!(progress.look(&Phase::Running, start + 60 * SECOND), Look::Well);
        assert!(progress.picture(), "the rest was told of");
    }

    #[test]
    fn a_still_screen_is_well_for_ever() {
        let start = Instant::now();
        let mut progress = Progress::new(start);
        assert!(!progress.picture(), "no rest had been told of");
        assert_eq!(progress.look(&Phase::Running, start + 3600 * SECOND), Look::Well);
    }

    #[test]
    fn a_rest_is_told_once_and_ends_with_a_picture() {
        let start = Instant::now();
        let mut progress = Progress::new(start);
        progress.picture();
        assert_eq!(progress.look(&Phase::Resting, start), Look::Until(start + SECOND));
        assert_eq!(progress.look(&Phase::Resting, start + SECOND), Look::Rests);
        assert_eq!(progress.look(&Phase::Resting, start + 2 * SECOND), Look::Well);
        assert!(progress.picture());
        assert!(!progress.picture());
    }

    #[test]
    fn a_stream_that_is_set_up_anew_does_not_rest() {
        let start = Instant::now();
        let mut progress = Progress::new(start);
        progress.picture();
        progress.look(&Phase::Resting, start);
        assert_eq!(progress.look(&Phase::Running, start + SECOND / 2), Look::Well);
        assert_eq!(progress.look(&Phase::Resting, start + SECOND), Look::Until(start + 2 * SECOND));
    }
}
