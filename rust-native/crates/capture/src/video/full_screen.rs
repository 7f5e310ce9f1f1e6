//! Why a program that fills the screen gives no picture, where it keeps it to itself: pure.
//!
//! In exclusive full screen a program's pictures go past all others to the monitor, and who captures windows or
//! screens gets none, an old one, or black. Windows says when a program has the screen so; an X server refuses the
//! picture of a window that is plainly shown. Either way a user must hear what to change, not see a picture stand.

use std::time::Duration;

use media::MediaTime;

use super::VideoError;

/// So long a program may give nothing before it is said to keep its pictures. Games draw all the time; shorter, and
/// one that starts or loads would be said to.
const PLAIN_AFTER: Duration = Duration::from_secs(2);

/// What was seen of the capture of what fills the screen.
#[derive(Debug, Default)]
pub(super) struct Darkness {
    #[cfg_attr(not(any(target_os = "windows", target_os = "macos", test)), allow(dead_code, reason = "X11 refuses"))]
    captured: u64,
    since: Option<MediaTime>,
}

impl Darkness {
    /// It runs and has given that many pictures; `exclusive`: the system says that a program has the screen to itself.
    /// Whether that one keeps its pictures to itself.
    #[cfg(any(target_os = "windows", target_os = "macos", test))]
    pub(super) fn of_running(&mut self, exclusive: bool, captured: u64, now: MediaTime) -> bool {
        if !exclusive || captured != self.captured {
            *self = Self { captured, since: exclusive.then_some(now) };
            return false;
        }
        self.is_plain(now)
    }

    /// It could not begin, though its window is shown: what is to be said of it.
    #[cfg(any(target_os = "linux", test))]
    pub(super) fn of_refused(&mut self, error: VideoError, now: MediaTime) -> VideoError {
        if self.is_plain(now) { explain(error, true) } else { error }
    }

    /// It runs, or there is none.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    fn is_plain(&mut self, now: MediaTime) -> bool {
        now.since(*self.since.get_or_insert(now)) >= PLAIN_AFTER
    }
}

/// What is said of a full-screen window whose capture fails so, while a program has the screen to itself.
pub(super) fn explain(error: VideoError, exclusive: bool) -> VideoError {
    match error {
        // The system's words for "no picture of that".
        VideoError::Refused(_) | VideoError::DisplaySilent | VideoError::GraphicsDevice(_) if exclusive => {
            VideoError::ExclusiveFullScreen
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> MediaTime {
        MediaTime::ZERO + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_game_that_has_the_screen_to_itself_and_stands_still_is_dark_until_it_gives_a_picture() {
        let mut darkness = Darkness::default();
        assert!(!darkness.of_running(true, 10, at(0.0)));
        assert!(!darkness.of_running(true, 10, at(1.0)), "it may be loading");
        assert!(darkness.of_running(true, 10, at(2.0)));
        assert!(darkness.of_running(true, 10, at(3.0)));
        assert!(!darkness.of_running(true, 11, at(4.0)), "it gives pictures");
        assert!(!darkness.of_running(true, 12, at(7.0)));
        assert!(!darkness.of_running(true, 12, at(8.0)));
        assert!(darkness.of_running(true, 12, at(9.0)));
        assert!(!darkness.of_running(false, 12, at(10.0)), "borderless again: a still picture is a still picture");
        assert!(!darkness.of_running(false, 12, at(60.0)));
        assert!(!darkness.of_running(true, 12, at(61.0)));
    }

    #[test]
    fn a_window_that_is_shown_and_refused_for_long_is_said_to_keep_its_picture() {
        let mut darkness = Darkness::default();
        let refused = || VideoError::Refused("BadMatch".to_owned());
        assert_eq!(darkness.of_refused(refused(), at(0.0)).code(), "display_refused");
        assert_eq!(darkness.of_refused(refused(), at(1.9)).code(), "display_refused");
        assert_eq!(darkness.of_refused(refused(), at(2.0)), VideoError::ExclusiveFullScreen);
        darkness.forget();
        assert_eq!(darkness.of_refused(refused(), at(3.0)).code(), "display_refused");
    }

    #[test]
    fn other_reasons_stay_what_they_are() {
        for error in [VideoError::SourceMinimised, VideoError::ProtectedContent, VideoError::PixelFormat(8)] {
            assert_eq!(explain(error.clone(), true), error);
        }
        assert_eq!(explain(VideoError::DisplaySilent, false), VideoError::DisplaySilent);
        assert_eq!(explain(VideoError::DisplaySilent, true).code(), "exclusive_full_screen");
        assert!(VideoError::ExclusiveFullScreen.hint().contains("borderless"));
    }
}
