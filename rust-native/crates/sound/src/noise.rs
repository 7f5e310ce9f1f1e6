//! Takes steady noise (a fan, a street) out of speech: RNNoise, in its Rust port `nnnoiseless`.
//!
//! The network tells noise by what speech is not: one that has heard nothing yet leaves hiss nearly as it is until the
//! first words, for half a minute where it is loud. So each begins as one that has just heard a voice ([`voice`]), and
//! lowers any steady noise from the first tenth of a second on.

use std::sync::LazyLock;

use media::{AUDIO_CHANNELS, BLOCK_FRAMES};
use nnnoiseless::DenoiseState;

use crate::{Samples, voice};

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

/// The network after a voice. Made once (some 20 ms), and copied for each filter.
static EXPERIENCED: LazyLock<DenoiseState<'static>> = LazyLock::new(|| {
    let mut state = *DenoiseState::new();
    let mut unheard = [0.0; BLOCK_FRAMES];
    for block in voice::vowels().chunks_exact(BLOCK_FRAMES) {
        let block: Vec<f32> = block.iter().map(|sample| sample * FULL_SCALE).collect();
        state.process_frame(&mut unheard, &block);
    }
    // What still lies in its windows of the voice must not be heard.
    for _ in 0..SILENT_BLOCKS {
        state.process_frame(&mut unheard, &[0.0; BLOCK_FRAMES]);
    }
    state
});

/// Its longest memory of samples, for the pitch, is 1728 frames; the filter at its entry rings a little longer.
const SILENT_BLOCKS: usize = 20;

impl NoiseSuppression {
    pub(crate) fn new() -> Self {
        Self { channels: [Box::new(EXPERIENCED.clone()), Box::new(EXPERIENCED.clone())], alike: 0 }
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
