//! What is done to sound between a device and the mix: pure arithmetic on blocks of 10 ms, 48 kHz, stereo float.
//!
//! Nothing here opens a device, starts a thread or asks for the time, and nothing allocates while blocks flow: what
//! needs memory takes it when it is built, on the thread of whoever asked for it. A [`Strip`] is one input's way
//! into the mix; [`Filter`] is what a user puts into it; [`Loudness`] and [`Limiter`] belong to the whole mix.

mod biquad;
mod chain;
mod compressor;
mod delay;
mod envelope;
mod equalizer;
mod filter;
mod gain;
mod gate;
mod level;
mod limiter;
mod loudness;
mod noise;
mod strip;
#[cfg(test)]
mod testing;
mod voice;

use media::{AUDIO_CHANNELS, BLOCK_FRAMES};

pub use chain::Chain;
pub use delay::{Delay, MAX_DELAY_MS};
pub use filter::{Effect, Filter, MOST_FILTERS, SoundError};
pub use gain::Gain;
pub use level::{Meter, MeterReader, SILENCE_DB, decibels, linear};
pub use limiter::Limiter;
pub use loudness::{Loudness, LoudnessReader, LoudnessReading};
pub use strip::Strip;

/// One block: interleaved left and right.
pub type Samples = [f32; BLOCK_FRAMES * AUDIO_CHANNELS];

/// A block of silence.
pub const SILENCE: Samples = [0.0; BLOCK_FRAMES * AUDIO_CHANNELS];

/// From 0 at 0 to 1 at 1 without a corner at either end: what a ramp needs to be no click.
pub(crate) fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
