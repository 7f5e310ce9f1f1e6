//! Keeps a sound below a ceiling without clipping it: a gain that is already down when a peak arrives.
//!
//! It looks 2 ms ahead, so what it gives out is 2 ms older than what it took in ([`Limiter::DELAY_FRAMES`]); below
//! the ceiling it changes nothing.

use media::{AUDIO_CHANNELS, BLOCK_FRAMES};

use crate::{Samples, linear};

/// Frames of one step of the gain, and of the look-ahead: a ramp of 2 ms is heard as softer, not as a crackle.
const STEP: usize = 96;
const _: () = assert!(BLOCK_FRAMES.is_multiple_of(STEP));
const STEP_SAMPLES: usize = STEP * AUDIO_CHANNELS;
const STEP_MS: f32 = 2.0;
/// From silence to full: a duck of 6 dB is over in 0.2 s, slow enough not to pump on bass.
const MASTER_RELEASE_MS: f32 = 400.0;

/// See the module.
#[derive(Debug, Clone)]
pub struct Limiter {
    ceiling: f32,
    /// By how much the gain recovers per step.
    release: f32,
    /// The step that waits for its successor.
    held: [f32; STEP_SAMPLES],
    /// Gain that `held` needs.
    held_limit: f32,
    /// Gain at the start of `held`.
    gain: f32,
}

impl Default for Limiter {
    /// The mix's own: full scale.
    fn default() -> Self {
        Self::new(0.0, MASTER_RELEASE_MS)
    }
}

impl Limiter {
    /// How much older a block comes out than it went in, in frames.
    pub const DELAY_FRAMES: usize = STEP;

    /// Ceiling in dBFS; `release_ms` is how long it takes from silence to full.
    pub fn new(ceiling_db: f32, release_ms: f32) -> Self {
        let mut limiter = Self { ceiling: 1.0, release: 0.0, held: [0.0; STEP_SAMPLES], held_limit: 1.0, gain: 1.0 };
        limiter.tune(ceiling_db, release_ms);
        limiter
    }

    /// Other settings, while the sound goes on.
    pub fn tune(&mut self, ceiling_db: f32, release_ms: f32) {
        self.ceiling = linear(ceiling_db);
        self.release = STEP_MS / release_ms.max(STEP_MS);
    }

    /// Takes a block in and gives out the one that lies [`Self::DELAY_FRAMES`] before it, in place.
    pub fn process(&mut self, samples: &mut Samples) {
        let ceiling = self.ceiling;
        for step in samples.chunks_exact_mut(STEP_SAMPLES) {
            // A sample that is no number (a broken driver) must not poison the gain for ever.
            step.iter_mut().filter(|sample| !sample.is_finite()).for_each(|sample| *sample = 0.0);
            let peak = step.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
            let limit = if peak > ceiling { ceiling / peak } else { 1.0 };
            // Both ends of the ramp over `held` are at most what `held` needs.
            let end = limit.min(self.held_limit).min(self.gain + self.release);
            let mut out = self.held;
            if self.gain != 1.0 || end != 1.0 {
                let slope = (end - self.gain) / STEP as f32;
                for (index, frame) in out.chunks_exact_mut(AUDIO_CHANNELS).enumerate() {
                    let gain = self.gain + slope * index as f32;
                    frame.iter_mut().for_each(|sample| *sample = (*sample * gain).clamp(-ceiling, ceiling));
                }
            }
            self.held.copy_from_slice(step);
            step.copy_from_slice(&out);
            self.gain = end;
            self.held_limit = limit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(input: &[f32]) -> Vec<f32> {
        through(Limiter::default(), input)
    }

    fn through(mut limiter: Limiter, input: &[f32]) -> Vec<f32> {
        let mut output = Vec::new();
        for block in input.chunks_exact(BLOCK_FRAMES * AUDIO_CHANNELS) {
            let mut block: [f32; BLOCK_FRAMES * AUDIO_CHANNELS] = block.try_into().expect("whole blocks");
            limiter.process(&mut block);
            output.extend(block);
        }
        output
    }

    #[test]
    fn below_full_scale_it_only_delays() {
        let input: Vec<f32> = (0..9600).map(|n| (n as f32 * 0.1).sin()).collect();
        let output = run(&input);
        assert_eq!(output[STEP_SAMPLES..], input[..input.len() - STEP_SAMPLES]);
    }

    #[test]
    fn two_loud_inputs_stay_within_full_scale_without_corners() {
        // Silence, then 6 dB too much at once, then quiet again.
        let input: Vec<f32> = (0..96_000)
            .map(|n| {
                let amplitude = if (9600..57_600).contains(&n) { 2.0 } else { 0.25 };
                amplitude * ((n / 2) as f32 * 440.0 / 48_000.0 * std::f32::consts::TAU).sin()
            })
            .collect();
        let output = run(&input);
        assert!(output.iter().all(|sample| sample.abs() <= 1.0));
        let loud = &output[20_000..50_000];
        assert!(loud.iter().fold(0.0f32, |peak, s| peak.max(s.abs())) > 0.98, "it takes no more than it must");
        // A clipped sine would sit at 1.0; this one only touches it.
        let at_full_scale = loud.iter().filter(|sample| sample.abs() > 0.9999).count();
        assert!(at_full_scale < loud.len() / 40, "{at_full_scale} of {} at full scale", loud.len());
        let quiet = output[90_000..].iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
        assert!((quiet - 0.25).abs() < 0.01, "recovered: {quiet}");
    }

    #[test]
    fn a_driver_that_sends_no_numbers_is_silenced() {
        let mut input = vec![0.5; 9600];
        input[100] = f32::NAN;
        input[200] = f32::INFINITY;
        let output = run(&input);
        assert!(output.iter().all(|sample| sample.is_finite()));
        assert_eq!(output[9000], 0.5);
    }

    #[test]
    fn a_ceiling_below_full_scale_is_kept() {
        let input: Vec<f32> = (0..96_000).map(|n| ((n / 2) as f32 * 0.05).sin()).collect();
        let output = through(Limiter::new(-12.0, 100.0), &input);
        let peak = output[20_000..].iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        assert!((crate::decibels(peak) + 12.0).abs() < 0.2, "{} dBFS", crate::decibels(peak));
        assert!(output.iter().all(|sample| sample.abs() <= linear(-12.0)));
    }
}
