//! Access units ↔ the bytes of files: fragmented and plain MP4, Matroska; H.264, HEVC or AV1 in each.
//!
//! Pure: units and numbers go in, bytes and patches come out, and the caller owns the file, the clock and the policy.
//! MP4's boxes are `mp4-atom`'s; Matroska's few elements are written here.
//!
//! The order of use: an [`Assembler`] turns units into [`Fragment`]s on the file's own timeline, a [`Muxer`] turns
//! fragments into bytes, and [`plain_mp4`] turns what a fragmented file's [`Index`] knows into the head of a plain one.
//! What is served live is cut elsewhere and packed by [`cmaf_header`] and [`cmaf_chunk`], one track in each resource;
//! [`FragmentReader`] takes apart what others serve so.

mod assembler;
mod cmaf;
mod error;
mod fragments;
mod joined;
mod matroska;
mod mp4;
mod muxer;
mod picture;
mod sound_line;

pub use assembler::{Assembler, Fragment, Sample, TARGET};
pub use cmaf::{CmafTrack, cmaf_chunk, cmaf_header};
pub use error::ContainerError;
pub use fragments::{FragmentReader, FragmentSample, FragmentTrack};
pub use joined::{begins, earlier, joined_header};
pub use matroska::Matroska;
pub use mp4::{Fmp4, Index, Plain, plain_mp4};
pub use muxer::{AudioCodec, AudioLayout, Chapter, Format, InputTrack, Layout, Muxer, Patch};

/// Ticks of a picture's time stamps in a second, in files and on the wire.
pub const VIDEO_RATE: u32 = 90_000;
/// Ticks of a sound's time stamps in a second: its sample rate.
pub const AUDIO_RATE: u32 = media::AUDIO_SAMPLE_RATE;
