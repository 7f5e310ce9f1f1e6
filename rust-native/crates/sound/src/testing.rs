//! What the filters' tests share: tones through a block processor.

use media::{AUDIO_CHANNELS, BLOCK_FRAMES};

use crate::{SILENCE, Samples};

/// A sine of that amplitude through `process`; returns the left side.
pub(crate) fn tone(hz: f64, amplitude: f32, seconds: f64, mut process: impl FnMut(&mut Samples)) -> Vec<f32> {
    let mut left = Vec::new();
    for block in 0..(seconds * 100.0) as usize {
        let mut samples = SILENCE;
        for (index, frame) in samples.chunks_exact_mut(AUDIO_CHANNELS).enumerate() {
            let n = (block * BLOCK_FRAMES + index) as f64;
            frame.fill(amplitude * (n * hz / 48_000.0 * std::f64::consts::TAU).sin() as f32);
        }
        process(&mut samples);
        left.extend(samples.iter().step_by(AUDIO_CHANNELS));
    }
    left
}

/// How many dB louder a sine comes out, once `process` has settled for a second and a half.
pub(crate) fn gain_at(hz: f64, amplitude: f32, process: impl FnMut(&mut Samples)) -> f64 {
    let heard = tone(hz, amplitude, 2.0, process);
    let out = testkit::sine::tone_amplitude(&heard[72_000..], hz);
    20.0 * (out / f64::from(amplitude)).max(1e-9).log10()
}
