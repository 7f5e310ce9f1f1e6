//! The vocabulary every other crate speaks: time, pictures, sound, access units, units of measure, secrets.
//!
//! Nothing here does I/O, waits, or knows an operating system beyond reading its monotonic clock.

mod audio;
pub mod av1;
mod bits;
mod codec;
mod frame;
pub mod h264;
pub mod hevc;
mod secret;
mod surface;
mod time;
mod unit;
mod units;

pub use audio::{AUDIO_CHANNELS, AUDIO_SAMPLE_RATE, AudioBlock, BLOCK_FRAMES};
pub use codec::{Parameters, UnknownCodec, VideoCodec};
pub use frame::{Alpha, Picture, PixelBuffer, Plane, VideoFrame};
pub use secret::Secret;
pub use surface::{Native, Surface};
pub use time::{Clock, MediaTime, MonotonicClock};
pub use unit::{AAC_CONFIG, AAC_PACKET_FRAMES, AccessUnit, Track};
pub use units::{Bitrate, FrameRate, Size};
