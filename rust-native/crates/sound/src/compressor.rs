//! Makes loud parts less loud, so that a shout and a whisper can be listened to at one volume.
//!
//! Feed-forward, with the gain computed and smoothed in decibels (Giannoulis, Massberg, Reiss: "Digital Dynamic
//! Range Compressor Design", JAES 2012), a soft knee, and both channels turned down alike.

use media::AUDIO_CHANNELS;

use crate::envelope::{Peak, step};
use crate::{Samples, decibels, linear};

/// Width of the knee: over it the ratio comes in gradually.
const KNEE_DB: f32 = 6.0;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Compressor {
    threshold_db: f32,
    /// 1 − 1/ratio: how much of each decibel above the threshold goes.
    slope: f32,
    attack: f32,
    release: f32,
    makeup_db: f32,
    peak: Peak,
    reduction_db: f32,
}

impl Compressor {
    /// Threshold in dBFS, ratio n:1, times in ms, make-up gain in dB.
    pub(crate) fn new(threshold_db: f32, ratio: f32, attack_ms: f32, release_ms: f32, makeup_db: f32) -> Self {
        let mut compressor = Self {
            threshold_db,
            slope: 0.0,
            attack: 0.0,
            release: 0.0,
            makeup_db,
            peak: Peak::default(),
            reduction_db: 0.0,
        };
        compressor.tune(threshold_db, ratio, attack_ms, release_ms, makeup_db);
        compressor
    }

    pub(crate) fn tune(&mut self, threshold_db: f32, ratio: f32, attack_ms: f32, release_ms: f32, makeup_db: f32) {
        self.threshold_db = threshold_db;
        self.slope = 1.0 - 1.0 / ratio.max(1.0);
        self.attack = step(attack_ms);
        self.release = step(release_ms);
        self.makeup_db = makeup_db;
    }

    pub(crate) fn process(&mut self, samples: &mut Samples) {
        for frame in samples.chunks_exact_mut(AUDIO_CHANNELS) {
            let level_db = decibels(self.peak.follow(frame));
            let wanted = self.static_reduction(level_db);
            let step = if wanted > self.reduction_db { self.attack } else { self.release };
            self.reduction_db += step * (wanted - self.reduction_db);
            let gain = linear(self.makeup_db - self.reduction_db);
            frame.iter_mut().for_each(|sample| *sample *= gain);
        }
    }

    /// By how much a steady sound of that level is turned down, dB.
    fn static_reduction(&self, level_db: f32) -> f32 {
        let over = level_db - self.threshold_db;
        if over <= -KNEE_DB / 2.0 {
            0.0
        } else if over < KNEE_DB / 2.0 {
            self.slope * (over + KNEE_DB / 2.0).powi(2) / (2.0 * KNEE_DB)
        } else {
            self.slope * over
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gain_at, tone};

    #[test]
    fn above_the_threshold_only_the_ratio_s_share_comes_out() {
        // In dBFS: level, what comes out of 4:1 at −20.
        for (level, out) in [(-50.0, -50.0), (-20.0, -20.56), (-8.0, -17.0), (0.0, -15.0)] {
            let mut compressor = Compressor::new(-20.0, 4.0, 2.0, 300.0, 0.0);
            let gain = gain_at(500.0, linear(level), |block| compressor.process(block));
            assert!((f64::from(level) + gain - out).abs() < 0.4, "{level} dB came out {gain:+.2} dB");
        }
    }

    #[test]
    fn make_up_gain_lifts_everything() {
        let mut compressor = Compressor::new(-20.0, 4.0, 2.0, 300.0, 6.0);
        let gain = gain_at(500.0, linear(-50.0), |block| compressor.process(block));
        assert!((gain - 6.0).abs() < 0.05, "{gain}");
    }

    #[test]
    fn it_turns_down_within_its_attack_and_up_within_its_release() {
        let mut compressor = Compressor::new(-20.0, 10.0, 10.0, 100.0, 0.0);
        let loud = tone(1000.0, 1.0, 0.5, |block| compressor.process(block));
        let peak = |sound: &[f32], ms: usize| sound[ms * 48..(ms + 2) * 48].iter().fold(0.0f32, |p, s| p.max(s.abs()));
        assert!(decibels(peak(&loud, 1)) > -6.0, "the attack lets the first moment through");
        assert!((decibels(peak(&loud, 100)) + 18.0).abs() < 0.5, "{}", decibels(peak(&loud, 100)));
        let quiet = tone(1000.0, linear(-40.0), 1.0, |block| compressor.process(block));
        assert!(decibels(peak(&quiet, 10)) < -50.0);
        assert!((decibels(peak(&quiet, 900)) + 40.0).abs() < 0.5);
    }
}
