//! Holds an input back, so that it fits to a picture that takes longer.

use media::{AUDIO_CHANNELS, AUDIO_SAMPLE_RATE, BLOCK_FRAMES};

use crate::{SILENCE, Samples, smooth};

/// The longest delay offset of an input.
pub const MAX_DELAY_MS: u32 = 2000;
const MAX_FRAMES: usize = (MAX_DELAY_MS * AUDIO_SAMPLE_RATE / 1000) as usize;
/// The longest delay, and a block that is being read while it is written.
const RING_FRAMES: usize = MAX_FRAMES + BLOCK_FRAMES;

/// A line of fixed memory; a change of its length is a cross-fade, not a click.
#[derive(Debug, Clone)]
pub struct Delay {
    ring: Box<[f32]>,
    /// Frame that is written next.
    head: usize,
    now: usize,
    target: usize,
}

impl Default for Delay {
    fn default() -> Self {
        Self::new()
    }
}

impl Delay {
    /// Of no length yet; takes the memory of the longest one.
    pub fn new() -> Self {
        Self { ring: vec![0.0; RING_FRAMES * AUDIO_CHANNELS].into_boxed_slice(), head: 0, now: 0, target: 0 }
    }

    /// How long from the next block on, in frames; not more than [`MAX_DELAY_MS`].
    pub fn set(&mut self, frames: usize) {
        self.target = frames.min(MAX_FRAMES);
    }

    /// Forgets what it holds, after a gap.
    pub fn clear(&mut self) {
        self.ring.fill(0.0);
        self.now = self.target;
    }

    /// Takes a block in and gives out the one of so long ago, in place.
    pub fn process(&mut self, samples: &mut Samples) {
        for (index, frame) in samples.chunks_exact(AUDIO_CHANNELS).enumerate() {
            let at = (self.head + index) % RING_FRAMES * AUDIO_CHANNELS;
            self.ring[at..at + AUDIO_CHANNELS].copy_from_slice(frame);
        }
        if self.now > 0 || self.target > 0 {
            let mut delayed = SILENCE;
            self.read(self.target, &mut delayed);
            if self.now != self.target {
                let mut before = SILENCE;
                self.read(self.now, &mut before);
                for (index, (new, old)) in delayed.iter_mut().zip(&before).enumerate() {
                    let share = smooth((index / AUDIO_CHANNELS + 1) as f32 / BLOCK_FRAMES as f32);
                    *new = *old + (*new - *old) * share;
                }
                self.now = self.target;
            }
            *samples = delayed;
        }
        self.head = (self.head + BLOCK_FRAMES) % RING_FRAMES;
    }

    fn read(&self, delay: usize, out: &mut Samples) {
        for (index, frame) in out.chunks_exact_mut(AUDIO_CHANNELS).enumerate() {
            let at = (self.head + index + RING_FRAMES - delay) % RING_FRAMES * AUDIO_CHANNELS;
            frame.copy_from_slice(&self.ring[at..at + AUDIO_CHANNELS]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(delay: &mut Delay, input: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        for block in input.chunks_exact(SILENCE.len()) {
            let mut block: Samples = block.try_into().expect("whole blocks");
            delay.process(&mut block);
            out.extend(block);
        }
        out
    }

    #[test]
    fn every_length_is_exact_to_the_frame() {
        for frames in [0, 1, 479, 480, 481, 5_000, MAX_FRAMES] {
            let mut delay = Delay::new();
            delay.set(frames);
            delay.clear();
            let mut input = vec![0.0; (MAX_FRAMES + 2 * BLOCK_FRAMES) * AUDIO_CHANNELS];
            input[14] = 1.0;
            let out = run(&mut delay, &input);
            let heard: Vec<usize> = (0..out.len()).filter(|n| out[*n] != 0.0).collect();
            assert_eq!(heard, [14 + frames * AUDIO_CHANNELS]);
        }
    }

    #[test]
    fn a_change_of_length_has_no_step() {
        let mut delay = Delay::new();
        let input: Vec<f32> = (0..96_000).flat_map(|n| [(n as f32 * 0.02).sin(); 2]).collect();
        let (before, after) = input.split_at(96_000);
        let mut heard = run(&mut delay, before);
        delay.set(12_345);
        heard.extend(run(&mut delay, after));
        let steepest = heard.windows(3).step_by(2).map(|w| (w[2] - w[0]).abs());
        assert!(steepest.fold(0.0, f32::max) < 0.03);
    }
}
