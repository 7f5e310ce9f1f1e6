//! A gain that moves without a click.

use media::{AUDIO_CHANNELS, BLOCK_FRAMES};

use crate::{Samples, smooth};

/// A gain reaches its new value in so many frames (8 ms): shorter clicks, longer is felt as a delay of "mute".
const RAMP_FRAMES: usize = 384;
const _: () = assert!(RAMP_FRAMES <= BLOCK_FRAMES, "a ramp ends within its block");

/// A gain that is changed at any time and heard as a ramp at the start of the next block.
#[derive(Debug, Clone, Copy)]
pub struct Gain {
    now: f32,
    target: f32,
}

impl Gain {
    /// At that linear value.
    pub fn new(value: f32) -> Self {
        Self { now: value, target: value }
    }

    /// Where to go in the next block, linear.
    pub fn set(&mut self, target: f32) {
        self.target = target;
    }

    /// Whether it is, and stays, at zero: what goes through it is silence.
    pub fn is_closed(&self) -> bool {
        self.now == 0.0 && self.target == 0.0
    }

    /// Applies it to a block.
    pub fn apply(&mut self, samples: &mut Samples) {
        if self.now == self.target {
            if self.now != 1.0 {
                samples.iter_mut().for_each(|sample| *sample *= self.now);
            }
            return;
        }
        let change = self.target - self.now;
        for (index, frame) in samples.chunks_exact_mut(AUDIO_CHANNELS).enumerate() {
            let gain = self.now + change * smooth((index + 1) as f32 / RAMP_FRAMES as f32);
            frame.iter_mut().for_each(|sample| *sample *= gain);
        }
        self.now = self.target;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SILENCE;

    #[test]
    fn a_mute_is_over_within_a_block_and_has_no_step() {
        let mut gain = Gain::new(1.0);
        gain.set(0.0);
        let mut block = [0.5; BLOCK_FRAMES * AUDIO_CHANNELS];
        gain.apply(&mut block);
        let steepest = block.windows(3).map(|w| (w[2] - w[0]).abs()).fold(0.0, f32::max);
        assert!(steepest < 0.5 / 250.0, "{steepest}");
        assert_eq!(block[2 * RAMP_FRAMES..], [0.0; 2 * (BLOCK_FRAMES - RAMP_FRAMES)]);
        let mut next = [0.5; BLOCK_FRAMES * AUDIO_CHANNELS];
        gain.apply(&mut next);
        assert_eq!(next, SILENCE);
        assert!(gain.is_closed());
    }

    /// What is left of a muted 997 Hz tone above 6 kHz is the click alone.
    #[test]
    fn a_mute_clicks_below_minus_60_db() {
        let mut gain = Gain::new(1.0);
        let tone: Vec<f32> = (0..4800)
            .flat_map(|n| [(n as f32 * 997.0 / 48_000.0 * std::f32::consts::TAU).sin(); AUDIO_CHANNELS])
            .collect();
        let mut heard = Vec::new();
        for (number, block) in tone.chunks_exact(SILENCE.len()).enumerate() {
            if number == 5 {
                gain.set(0.0);
            }
            let mut block: Samples = block.try_into().expect("whole blocks");
            gain.apply(&mut block);
            heard.extend(block.chunks_exact(AUDIO_CHANNELS).map(|frame| f64::from(frame[0])));
        }
        let click = |heard: &[f64]| {
            let mut high: Vec<f64> = heard.to_vec();
            for _ in 0..4 {
                let mut pass = crate::biquad::Biquad::new(crate::biquad::high_pass(6000.0));
                high.iter_mut().for_each(|sample| *sample = pass.run(0, *sample));
            }
            high[1000..].iter().fold(0.0f64, |peak, sample| peak.max(sample.abs()))
        };
        let peak_db = 20.0 * click(&heard).log10();
        assert!(peak_db < -60.0, "the click is at {peak_db:.1} dBFS");
        // The same cut without a ramp, so that the measure itself is known to see a click.
        let hard: Vec<f64> =
            heard.iter().enumerate().map(|(n, _)| if n < 2412 { f64::from(tone[2 * n]) } else { 0.0 }).collect();
        assert!(20.0 * click(&hard).log10() > -40.0);
    }
}
