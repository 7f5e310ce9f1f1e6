//! Which settings are accepted, and which are proposed to a machine. Pure.

use std::time::Duration;

use encoder::VideoConfig;
use media::{Bitrate, FrameRate, Size};

use crate::{Problem, VideoSettings};

impl VideoSettings {
    /// What a machine gets before it has been measured: 720p30 suits every one of the last ten years.
    pub const DEFAULT: Self = Self { width: 1280, height: 720, fps: 30, kbps: 3000, gop_seconds: 2.0 };

    /// The encoder's configuration, or what is wrong with these settings.
    pub(crate) fn config(&self) -> Result<VideoConfig, Problem> {
        // The upper bounds are H.264 level 6.2's, rounded to what hardware encoders take.
        if !(16..=7680).contains(&self.width) || !(16..=4320).contains(&self.height) {
            return Err(Problem::bad_value(format!(
                "{}×{} is not a picture size from 16×16 to 7680×4320.",
                self.width, self.height
            )));
        }
        if !self.width.is_multiple_of(2) || !self.height.is_multiple_of(2) {
            return Err(Problem::bad_value(format!(
                "{}×{} has an odd side; H.264 needs even ones.",
                self.width, self.height
            )));
        }
        if !(50..=100_000).contains(&self.kbps) {
            return Err(Problem::bad_value(format!("{} kbit/s is not a bitrate from 50 to 100000 kbit/s.", self.kbps)));
        }
        if !(0.25..=20.0).contains(&self.gop_seconds) {
            return Err(Problem::bad_value(format!(
                "{} s is not a keyframe distance from 0.25 to 20 s.",
                self.gop_seconds
            )));
        }
        let Some(frame_rate) = FrameRate::new(self.fps).filter(|rate| rate.fps() <= 240) else {
            return Err(Problem::bad_value(format!("{} is not a frame rate from 1 to 240.", self.fps)));
        };
        Ok(VideoConfig {
            codec: media::VideoCodec::H264,
            size: Size { width: self.width, height: self.height },
            frame_rate,
            bitrate: Bitrate::from_kbps(self.kbps),
            gop: Duration::from_secs_f64(self.gop_seconds),
            threads: 0,
            tune: encoder::Tune::default(),
        })
    }
}

/// What suits a machine whose encoder takes `ms_per_1080p_frame`.
///
/// A software encoder may use a third of the frame's time: the rest belongs to the game or the program that is
/// shown. Bitrates are what common services recommend for H.264 at these sizes.
pub(crate) fn propose(ms_per_1080p_frame: f64, hardware: bool) -> VideoSettings {
    let at = |width: u32, height: u32, fps, kbps| VideoSettings { width, height, fps, kbps, gop_seconds: 2.0 };
    let candidates = [
        at(1920, 1080, 60, 6000),
        at(1920, 1080, 30, 4500),
        at(1280, 720, 60, 4500),
        at(1280, 720, 30, 3000),
        at(854, 480, 30, 1500),
    ];
    let share = if hardware { 0.8 } else { 0.34 };
    let fits = |s: &VideoSettings| {
        let area = f64::from(s.width) * f64::from(s.height) / (1920.0 * 1080.0);
        ms_per_1080p_frame * area <= share * 1000.0 / f64::from(s.fps)
    };
    candidates.into_iter().find(fits).unwrap_or(candidates[4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_machine_is_offered_1080p60_and_a_slow_one_480p30() {
        assert_eq!(propose(3.0, false).fps, 60);
        assert_eq!(propose(10.0, true).width, 1920);
        assert_eq!((propose(9.0, false).width, propose(9.0, false).fps), (1920, 30));
        assert_eq!(propose(40.0, false).height, 480);
        assert_eq!(propose(4000.0, false).height, 480);
    }

    #[test]
    fn every_proposal_is_accepted() {
        for ms in [0.1, 5.0, 9.0, 14.0, 25.0, 100.0] {
            propose(ms, false).config().expect("valid");
        }
        VideoSettings::DEFAULT.config().expect("valid");
    }

    #[test]
    fn values_out_of_range_are_named() {
        let good = VideoSettings::DEFAULT;
        for (bad, word) in [
            (VideoSettings { width: 0, ..good }, "0×720"),
            (VideoSettings { height: 721, ..good }, "odd"),
            (VideoSettings { fps: 0, ..good }, "frame rate"),
            (VideoSettings { fps: 241, ..good }, "frame rate"),
            (VideoSettings { kbps: 49, ..good }, "bitrate"),
            (VideoSettings { gop_seconds: f64::NAN, ..good }, "keyframe distance"),
        ] {
            let problem = bad.config().expect_err("refused");
            assert_eq!(problem.code, "bad_value");
            assert!(problem.message.contains(word), "{}", problem.message);
        }
    }
}
