//! Encoders of libavcodec: hardware through FFmpeg's wrappers, and libx264.
//!
//! The one room with FFmpeg's C interface in it. `ffmpeg-next` has no say in here beyond its bindings: its safe types
//! copy pictures and hide the fields that live rate control writes.

mod aac;
mod card;
mod decode;
mod encoder;
mod input;
mod linked;
mod log;
mod raw;
mod settings;
mod surfaces;

pub use aac::AacEncoder;
pub use decode::{AacDecoder, H264Decoder};
pub(crate) use encoder::{LibavEncoder, check_size};
pub(crate) use input::Input;
pub use settings::most_threads;

/// How one of libavcodec's encoders is used.
#[derive(Debug)]
pub(crate) struct Recipe {
    /// Its name in libavcodec.
    pub(crate) name: &'static str,
    /// How a picture gets into it.
    pub(crate) input: Input,
    /// Private options. Those that this FFmpeg's wrapper doesn't know are passed over.
    pub(crate) options: &'static [(&'static str, &'static str)],
    /// Whether the wrapper looks at the bitrate again before each picture.
    pub(crate) live_bitrate: bool,
    /// Whether its threads are ours to choose.
    pub(crate) threads: bool,
    /// Whether it takes frames from the graphics card it is a part of, where [`card`] knows a way.
    pub(crate) surfaces: bool,
    /// Whether it takes x264's presets and its intra refresh.
    pub(crate) tunable: bool,
}
