//! Sound inside Tidecast: 48 kHz, stereo, 32-bit float, in blocks of 10 ms.

use crate::MediaTime;

/// Frames per second of all sound inside the program.
pub const AUDIO_SAMPLE_RATE: u32 = 48_000;
/// Interleaved channels: left, right.
pub const AUDIO_CHANNELS: usize = 2;
/// Frames in one block: 10 ms.
pub const BLOCK_FRAMES: usize = 480;

/// 10 ms of sound, interleaved, nominally within ±1.0.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioBlock {
    /// When the first frame was captured.
    pub captured_at: MediaTime,
    /// `BLOCK_FRAMES * AUDIO_CHANNELS` samples.
    pub samples: [f32; BLOCK_FRAMES * AUDIO_CHANNELS],
}

impl AudioBlock {
    /// Silence at that time.
    pub fn silence(captured_at: MediaTime) -> Self {
        Self { captured_at, samples: [0.0; BLOCK_FRAMES * AUDIO_CHANNELS] }
    }
}
