//! Silences an input while it is quieter than a threshold: the room between two sentences.

use media::{AUDIO_CHANNELS, AUDIO_SAMPLE_RATE};

use crate::envelope::Peak;
use crate::{Samples, linear};

/// It closes this far below the level at which it opens, so that a sound at the threshold does not flutter.
const HYSTERESIS_DB: f32 = 4.0;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    open_at: f32,
    close_at: f32,
    /// Change of the gain per frame: linear ramps, so that "closed" is zero and reached.
    rise: f32,
    fall: f32,
    hold: u32,
    peak: Peak,
    gain: f32,
    open: bool,
    held: u32,
}

impl Gate {
    /// Threshold in dBFS, times in ms.
    pub(crate) fn new(threshold_db: f32, attack_ms: f32, hold_ms: f32, release_ms: f32) -> Self {
        let mut gate = Self {
            open_at: 0.0,
            close_at: 0.0,
            rise: 0.0,
            fall: 0.0,
            hold: 0,
            peak: Peak::default(),
            gain: 0.0,
            open: false,
            held: 0,
        };
        gate.tune(threshold_db, attack_ms, hold_ms, release_ms);
        gate
    }

    pub(crate) fn tune(&mut self, threshold_db: f32, attack_ms: f32, hold_ms: f32, release_ms: f32) {
        let frames = |ms: f32| (ms * 1e-3 * AUDIO_SAMPLE_RATE as f32).max(1.0);
        self.open_at = linear(threshold_db);
        self.close_at = linear(threshold_db - HYSTERESIS_DB);
        self.rise = 1.0 / frames(attack_ms);
        self.fall = 1.0 / frames(release_ms);
        self.hold = frames(hold_ms) as u32;
    }

    pub(crate) fn process(&mut self, samples: &mut Samples) {
        for frame in samples.chunks_exact_mut(AUDIO_CHANNELS) {
            let level = self.peak.follow(frame);
            if level >= self.open_at {
                (self.open, self.held) = (true, self.hold);
            } else if level < self.close_at {
                self.held = self.held.saturating_sub(1);
                self.open = self.held > 0;
            }
            let change = if self.open { self.rise } else { -self.fall };
            self.gain = (self.gain + change).clamp(0.0, 1.0);
            frame.iter_mut().for_each(|sample| *sample *= self.gain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gain_at, tone};

    #[test]
    fn what_is_above_the_threshold_passes_and_what_is_below_is_silent() {
        let mut gate = Gate::new(-40.0, 5.0, 50.0, 100.0);
        let loud = gain_at(300.0, linear(-30.0), |block| gate.process(block));
        assert!(loud.abs() < 0.05, "{loud} dB");
        let mut gate = Gate::new(-40.0, 5.0, 50.0, 100.0);
        let quiet = gain_at(300.0, linear(-46.0), |block| gate.process(block));
        assert!(quiet < -100.0, "{quiet} dB");
    }

    #[test]
    fn it_closes_only_after_its_hold_and_over_its_release() {
        let mut gate = Gate::new(-40.0, 1.0, 100.0, 100.0);
        tone(300.0, 0.1, 0.5, |block| gate.process(block));
        // A whisper 50 dB down shows what the gate does without opening it.
        let tail = tone(300.0, 0.0003, 0.6, |block| gate.process(block));
        let at = |ms: usize| tail[ms * 48..(ms + 8) * 48].iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
        assert!(at(60) > 0.00029, "held at 60 ms: {}", at(60));
        assert_eq!(at(590), 0.0);
    }
}
