//! How loud: gains that move without a click, and meters.

use media::{AUDIO_CHANNELS, BLOCK_FRAMES};

/// What meters show for silence, dBFS.
pub(super) const SILENCE_DB: f32 = -120.0;
/// A gain reaches its new value in so many frames (8 ms): shorter clicks, longer is felt as a delay of "mute".
const RAMP_FRAMES: usize = 384;
const _: () = assert!(RAMP_FRAMES <= BLOCK_FRAMES, "a ramp ends within its block");

/// A gain that is changed at any time and heard as a ramp at the start of the next block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gain {
    now: f32,
    target: f32,
}

impl Gain {
    /// At that linear value.
    pub(super) fn new(value: f32) -> Self {
        Self { now: value, target: value }
    }

    /// Where to go in the next block.
    pub(super) fn set(&mut self, target: f32) {
        self.target = target;
    }

    /// Applies it to a block of interleaved frames.
    pub(super) fn apply(&mut self, samples: &mut [f32; BLOCK_FRAMES * AUDIO_CHANNELS]) {
        if self.now == self.target {
            if self.now != 1.0 {
                samples.iter_mut().for_each(|sample| *sample *= self.now);
            }
            return;
        }
        let step = (self.target - self.now) / RAMP_FRAMES as f32;
        for (index, frame) in samples.chunks_exact_mut(AUDIO_CHANNELS).enumerate() {
            let gain = if index < RAMP_FRAMES { self.now + step * (index + 1) as f32 } else { self.target };
            frame.iter_mut().for_each(|sample| *sample *= gain);
        }
        self.now = self.target;
    }
}

/// Peak and mean power since it was last read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meter {
    peak: f32,
    power: f64,
    samples: u64,
    shown: (f32, f32),
}

impl Default for Meter {
    fn default() -> Self {
        Self { peak: 0.0, power: 0.0, samples: 0, shown: (SILENCE_DB, SILENCE_DB) }
    }
}

impl Meter {
    /// Takes a block in.
    pub(super) fn add(&mut self, samples: &[f32]) {
        // Four lanes, so that the compiler can use SIMD: float addition is not reordered by itself.
        let (mut peaks, mut powers) = ([0.0f32; 4], [0.0f32; 4]);
        for four in samples.chunks_exact(4) {
            for lane in 0..4 {
                peaks[lane] = peaks[lane].max(four[lane].abs());
                powers[lane] += four[lane] * four[lane];
            }
        }
        self.peak = peaks.iter().fold(self.peak, |a, b| a.max(*b));
        self.power += f64::from(powers.iter().sum::<f32>());
        self.samples += samples.len() as u64;
    }

    /// Peak and RMS in dBFS since the last call; what was shown last when nothing came in since.
    pub(super) fn read(&mut self) -> (f32, f32) {
        if self.samples > 0 {
            let rms = (self.power / self.samples as f64).sqrt() as f32;
            *self = Self { shown: (decibels(self.peak), decibels(rms)), ..Self::default() };
        }
        self.shown
    }
}

/// Linear to dBFS, not below [`SILENCE_DB`].
pub(super) fn decibels(linear: f32) -> f32 {
    if linear > 1e-6 { 20.0 * linear.log10() } else { SILENCE_DB }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mute_has_no_click_and_is_over_within_a_block() {
        let mut gain = Gain::new(1.0);
        gain.set(0.0);
        let mut block = [0.5; BLOCK_FRAMES * AUDIO_CHANNELS];
        gain.apply(&mut block);
        let steepest = block.windows(3).map(|w| (w[2] - w[0]).abs()).fold(0.0, f32::max);
        assert!(steepest < 0.5 / 300.0, "{steepest}");
        assert_eq!(block[2 * RAMP_FRAMES..], [0.0; 2 * (BLOCK_FRAMES - RAMP_FRAMES)]);
        let mut next = [0.5; BLOCK_FRAMES * AUDIO_CHANNELS];
        gain.apply(&mut next);
        assert_eq!(next, [0.0; BLOCK_FRAMES * AUDIO_CHANNELS]);
    }

    #[test]
    fn meters_read_a_full_scale_square_as_zero_db_and_start_over() {
        let mut meter = Meter::default();
        assert_eq!(meter.read(), (SILENCE_DB, SILENCE_DB));
        meter.add(&[1.0, -1.0, 1.0, -1.0]);
        assert_eq!(meter.read(), (0.0, 0.0));
        meter.add(&[0.5; 8]);
        let (peak, rms) = meter.read();
        assert!((peak + 6.02).abs() < 0.01 && (rms + 6.02).abs() < 0.01, "{peak} {rms}");
        assert_eq!(meter.read(), (peak, rms), "nothing new: the last reading stays");
    }
}
