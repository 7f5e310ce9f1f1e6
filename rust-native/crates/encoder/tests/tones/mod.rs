//! A tone on each side, and how much of one is in what came out: for both sound encoders.

use std::f64::consts::TAU;
use std::time::Duration;

use media::{AUDIO_CHANNELS, AudioBlock, BLOCK_FRAMES, MediaTime};

pub(crate) const START: MediaTime = MediaTime::from_nanos(3_000_000_000_777);

/// Block `index` of a tone to the left and another one to the right.
pub(crate) fn tones(index: usize, left: f64, right: f64) -> AudioBlock {
    let mut block = AudioBlock::silence(START + Duration::from_millis(10 * index as u64));
    for (frame, pair) in block.samples.chunks_exact_mut(AUDIO_CHANNELS).enumerate() {
        let time = (index * BLOCK_FRAMES + frame) as f64 / 48_000.0;
        pair[0] = (0.5 * (TAU * left * time).sin()) as f32;
        pair[1] = (0.5 * (TAU * right * time).sin()) as f32;
    }
    block
}

/// How much of that frequency is in it (Goertzel), 0.5 for the tones above.
pub(crate) fn amplitude(samples: &[f32], frequency: f64) -> f64 {
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (index, sample) in samples.iter().enumerate() {
        let angle = TAU * frequency * index as f64 / 48_000.0;
        real += f64::from(*sample) * angle.cos();
        imaginary += f64::from(*sample) * angle.sin();
    }
    2.0 * real.hypot(imaginary) / samples.len() as f64
}
