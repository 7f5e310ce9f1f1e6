//! Takes steady noise (a fan, a street) out of speech: RNNoise, in its Rust port `nnnoiseless`.
//!
//! The network tells noise by what speech is not: hiss as broad as white noise is left nearly as it was until it has
//! heard the first words, and is lowered by more than 20 dB from then on. A rumble is lowered at once.

use media::{AUDIO_CHANNELS, BLOCK_FRAMES};
use nnnoiseless::DenoiseState;

use crate::Samples;

const _: () = assert!(DenoiseState::FRAME_SIZE == BLOCK_FRAMES, "one block is one frame of the network");
/// The network was trained on 16-bit samples.
const FULL_SCALE: f32 = 32_768.0;
/// It gives a frame out while it takes the next one in.
pub(crate) const DELAY_FRAMES: usize = BLOCK_FRAMES;

/// See the module.
pub(crate) struct NoiseSuppression {
    channels: [Box<DenoiseState<'static>>; AUDIO_CHANNELS],
    /// Blocks in a row with the same sound on both sides: most microphones are mono.
    alike: u32,
}

/// After so many blocks that are alike both states are the same, and one of them is enough.
const MONO_AFTER: u32 = 4;

impl NoiseSuppression {
    pub(crate) fn new() -> Self {
        Self { channels: [DenoiseState::new(), DenoiseState::new()], alike: 0 }
    }

    pub(crate) fn process(&mut self, samples: &mut Samples) {
        let same = samples.chunks_exact(AUDIO_CHANNELS).all(|frame| frame[0] == frame[1]);
        self.alike = if same { self.alike.saturating_add(1) } else { 0 };
        if same && self.alike > MONO_AFTER {
            let clean = self.clean(0, samples);
            for (frame, sample) in samples.chunks_exact_mut(AUDIO_CHANNELS).zip(clean) {
                frame.fill(sample);
            }
            return;
        }
        for channel in 0..AUDIO_CHANNELS {
            let clean = self.clean(channel, samples);
            for (frame, sample) in samples.chunks_exact_mut(AUDIO_CHANNELS).zip(clean) {
                frame[channel] = sample;
            }
        }
    }

    fn clean(&mut self, channel: usize, samples: &Samples) -> [f32; BLOCK_FRAMES] {
        let (mut noisy, mut clean) = ([0.0; BLOCK_FRAMES], [0.0; BLOCK_FRAMES]);
        for (noisy, frame) in noisy.iter_mut().zip(samples.chunks_exact(AUDIO_CHANNELS)) {
            *noisy = frame[channel] * FULL_SCALE;
        }
        self.channels[channel].process_frame(&mut clean, &noisy);
        clean.map(|sample| sample / FULL_SCALE)
    }
}

impl std::fmt::Debug for NoiseSuppression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NoiseSuppression").finish_non_exhaustive()
    }
}
