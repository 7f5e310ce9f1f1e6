//! A still screen's group of pictures is sent again as it was, instead of being encoded again. Pure.
//!
//! Who keeps a still screen alive encodes one picture over and over: an IDR, a few that add to it, and after the GOP's time
//! the next IDR. A keyframe resets encoder and decoder alike, so that a group that is sent once more leaves the decoder where
//! the encoder is, as long as all of it is sent before the encoder goes on. That is what this keeps count of.

use std::time::Duration;

use media::{AccessUnit, MediaTime};

/// How often a group is sent again at most: a minute of the usual ones. The first, which began in motion, is coarse and is
/// not sent again; of those after it each may be, twice as often as the one before, as each is a little better while rate
/// control learns what the picture takes.
const MOST_ROUNDS: u32 = 30;
const FIRST_ROUNDS: u32 = 2;
/// A second that was a little short must not cost another one.
const ROUNDING: Duration = Duration::from_millis(1);
/// Pictures of a still screen in a second: more than these are of the moments after a change, and would be a burst for who
/// waits for the next one.
const LEAST_DISTANCE: Duration = Duration::from_secs(1);

/// The group, and how much of it the decoder has.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// A keyframe and all that was encoded after it, of one unchanged picture. Empty: there is none.
    group: Vec<AccessUnit>,
    /// So many of them were sent since the last keyframe; the encoder is where all of them were.
    sent: usize,
    keyframe_at: MediaTime,
    /// How often it may still be sent.
    left: u32,
    /// How often the next one may be.
    rounds: u32,
}

impl Replay {
    /// What to send for a picture that has not changed; `None`: it is to be encoded, as a keyframe where
    /// [`Self::is_behind`] says so.
    pub(crate) fn repeat(&mut self, pts: MediaTime, period: Duration) -> Option<AccessUnit> {
        if self.is_due(pts, period) {
            let most = 1 + period.as_nanos() / LEAST_DISTANCE.as_nanos();
            if self.left == 0 || self.group.len() < 2 || self.group.len() as u128 > most {
                return None;
            }
            self.left -= 1;
            (self.sent, self.keyframe_at) = (0, pts);
        }
        self.rest(pts)
    }

    /// The next one that the decoder lacks before the encoder may go on.
    pub(crate) fn rest(&mut self, pts: MediaTime) -> Option<AccessUnit> {
        let unit = self.group.get(self.sent)?;
        self.sent += 1;
        Some(AccessUnit { pts, dts: pts, ..unit.clone() })
    }

    /// Whether the encoder is ahead of the decoder: without the rest only a keyframe may follow.
    pub(crate) fn is_behind(&self) -> bool {
        self.sent < self.group.len()
    }

    /// Whether a keyframe is due, where there is a group.
    pub(crate) fn is_due(&self, pts: MediaTime, period: Duration) -> bool {
        !self.group.is_empty() && pts.since(self.keyframe_at) + ROUNDING >= period
    }

    /// The encoder made that one; `again`: of the picture it had before.
    pub(crate) fn encoded(&mut self, unit: &AccessUnit, again: bool) {
        if !again {
            self.forget();
        } else if unit.keyframe {
            (self.left, self.keyframe_at, self.sent) = (self.rounds, unit.pts, 1);
            self.rounds = (2 * self.rounds).clamp(FIRST_ROUNDS, MOST_ROUNDS);
            self.group.clear();
            self.group.push(unit.clone());
        } else if self.left > 0 && !self.group.is_empty() {
            self.group.push(unit.clone());
            self.sent = self.group.len();
        } else {
            (self.group, self.sent) = (Vec::new(), 0);
        }
    }

    /// It is sent to its end and not once more: the next one is to have other settings.
    pub(crate) fn outdated(&mut self) {
        self.left = 0;
    }

    /// The next picture is another one, or is made by another encoder.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use media::Track;

    use super::*;

    const GOP: Duration = Duration::from_secs(2);

    fn at(seconds: u64) -> MediaTime {
        MediaTime::from_nanos(seconds * 1_000_000_000)
    }

    fn unit(name: u8, keyframe: bool, pts: MediaTime) -> AccessUnit {
        AccessUnit { track: Track::Video, pts, dts: pts, keyframe, captured_at: at(0), payload: vec![name].into() }
    }

    /// What a second each brings: capitals are sent again, small ones were encoded.
    fn still(replay: &mut Replay, seconds: std::ops::Range<u64>, gop: Duration) -> String {
        let mut told = String::new();
        let mut key = None::<MediaTime>;
        for second in seconds {
            let now = at(second);
            if let Some(sent) = replay.repeat(now, gop) {
                assert_eq!((sent.pts, sent.dts), (now, now));
                key = if sent.keyframe { Some(now) } else { key };
                told.push(if sent.keyframe { 'I' } else { 'P' });
                continue;
            }
            let keyframe = replay.is_behind() || key.is_none_or(|key| now.since(key) >= gop);
            key = if keyframe { Some(now) } else { key };
            told.push(if keyframe { 'i' } else { 'p' });
            replay.encoded(&unit(second as u8, keyframe, now), true);
        }
        told
    }

    #[test]
    fn a_group_is_sent_again_more_often_the_longer_it_has_stood() {
        let mut replay = Replay::default();
        assert_eq!(still(&mut replay, 10..38, GOP), "ipipIPIPipIPIPIPIPipIPIPIPIP");
        assert!(!replay.is_behind());
        let mut replay = Replay::default();
        assert_eq!(still(&mut replay, 0..12, Duration::from_secs(3)), "ippippIPPIPP");
    }

    #[test]
    fn without_a_second_picture_there_is_nothing_to_gain() {
        assert_eq!(still(&mut Replay::default(), 0..4, Duration::from_secs(1)), "iiii");
    }

    #[test]
    fn what_the_decoder_lacks_is_sent_before_a_change_and_nothing_twice() {
        let mut replay = Replay::default();
        still(&mut replay, 0..5, GOP);
        assert!(replay.is_behind(), "the keyframe alone was sent");
        let rest = replay.rest(at(5)).expect("one more");
        assert_eq!((rest.payload[0], rest.keyframe, replay.is_behind()), (3, false, false));
        assert!(replay.rest(at(5)).is_none());
        replay.encoded(&unit(9, false, at(5)), false);
        assert!(replay.repeat(at(7), GOP).is_none(), "it shows what was");
    }

    #[test]
    fn pictures_close_behind_a_change_are_not_sent_again() {
        let mut replay = Replay::default();
        replay.encoded(&unit(9, true, at(0)), true);
        for (name, keyframe, millis) in [(0, true, 500), (1, false, 600), (2, false, 700), (3, false, 1700)] {
            replay.encoded(&unit(name, keyframe, MediaTime::from_nanos(millis * 1_000_000)), true);
        }
        assert!(replay.repeat(at(3), GOP).is_none());
    }

    #[test]
    fn with_other_settings_it_comes_to_its_end_and_not_again() {
        let mut replay = Replay::default();
        still(&mut replay, 0..5, GOP);
        replay.outdated();
        assert_eq!(still(&mut replay, 5..7, GOP), "Pi");
        let mut replay = Replay::default();
        still(&mut replay, 0..5, GOP);
        replay.forget();
        assert!(!replay.is_behind() && replay.repeat(at(5), GOP).is_none());
    }
}
