//! How loud a sound is from frame to frame.

use media::AUDIO_SAMPLE_RATE;

/// The share of the way to its goal that a one-pole smoother goes in one frame, when it goes 63 % in `ms`.
pub(crate) fn step(ms: f32) -> f32 {
    1.0 - (-1.0 / (ms.max(0.01) * 1e-3 * AUDIO_SAMPLE_RATE as f32)).exp()
}

/// The peak of both channels, held up against falling: a sine must not look like a hundred pauses a second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Peak {
    level: f32,
}

/// An octave below the lowest voice falls by less than 1 dB between two of its peaks.
const FALL_PER_FRAME: f32 = 0.999_7;

impl Peak {
    /// The level after one more frame, linear.
    pub(crate) fn follow(&mut self, frame: &[f32]) -> f32 {
        let peak = frame.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        self.level = peak.max(self.level * FALL_PER_FRAME);
        if self.level < 1e-20 {
            self.level = 0.0;
        }
        self.level
    }
}
