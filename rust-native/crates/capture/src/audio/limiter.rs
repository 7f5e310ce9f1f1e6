//! Keeps the mix within ±1.0 without clipping it: a gain that is already down when a peak arrives.
//!
//! It looks 2 ms ahead, so what it gives out is 2 ms older than what it took in ([`DELAY`]); below full scale it
//! changes nothing.

use std::time::Duration;

use media::{AUDIO_CHANNELS, BLOCK_FRAMES};

/// Frames of one step of the gain, and of the look-ahead: a ramp of 2 ms is heard as softer, not as a crackle.
const STEP: usize = 96;
const _: () = assert!(BLOCK_FRAMES.is_multiple_of(STEP));
const STEP_SAMPLES: usize = STEP * AUDIO_CHANNELS;
/// By how much the gain recovers per step: a duck of 6 dB is over in 0.2 s, slow enough not to pump on bass.
const RELEASE: f32 = 0.005;
/// How much older a block comes out than it went in.
pub(super) const DELAY: Duration = Duration::from_nanos(STEP as u64 * 1_000_000_000 / media::AUDIO_SAMPLE_RATE as u64);

/// See the module.
#[derive(Debug)]
pub(super) struct Limiter {
    /// The step that waits for its successor.
    held: [f32; STEP_SAMPLES],
    /// Gain that `held` needs.
    held_limit: f32,
    /// Gain at the start of `held`.
    gain: f32,
}

impl Limiter {
    pub(super) fn new() -> Self {
        Self { held: [0.0; STEP_SAMPLES], held_limit: 1.0, gain: 1.0 }
    }

    /// Takes a block in and gives out the one that lies [`DELAY`] before it, in place.
    pub(super) fn process(&mut self, samples: &mut [f32; BLOCK_FRAMES * AUDIO_CHANNELS]) {
        for step in samples.chunks_exact_mut(STEP_SAMPLES) {
            // A sample that is no number (a broken driver) must not poison the gain for ever.
            step.iter_mut().filter(|sample| !sample.is_finite()).for_each(|sample| *sample = 0.0);
            let peak = step.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
            let limit = if peak > 1.0 { 1.0 / peak } else { 1.0 };
            // Both ends of the ramp over `held` are at most what `held` needs.
            let end = limit.min(self.held_limit).min(self.gain + RELEASE);
            let mut out = self.held;
            if self.gain != 1.0 || end != 1.0 {
                let slope = (end - self.gain) / STEP as f32;
                for (index, frame) in out.chunks_exact_mut(AUDIO_CHANNELS).enumerate() {
                    let gain = self.gain + slope * index as f32;
                    frame.iter_mut().for_each(|sample| *sample = (*sample * gain).clamp(-1.0, 1.0));
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
        let mut limiter = Limiter::new();
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
}
