//! Pictures and sound become access units: one encoder per track, whose output everyone shares.
//!
//! This crate chooses and drives encoders; it knows nothing of where pictures come from or where units go, owns no
//! thread, and keeps no queue beyond what an encoder itself holds back. An encoder is built, driven and dropped on
//! its caller's thread.
//!
//! The stream is H.264 constrained baseline (ITU-T H.264 A.2.1.1) without B-frames, BT.709 in limited range and
//! tagged so, as Annex B with in-band parameter sets in front of each IDR; or, where it is asked for, HEVC of hardware
//! likewise, or AV1 of hardware or SVT-AV1; and Opus (RFC 6716) and
//! AAC-LC (ISO/IEC 14496-3), 48 kHz stereo. What others encoded can be decoded, to be encoded anew.

mod av;
mod candidates;
mod config;
mod error;
mod fallback;
mod h264;
mod memory;
mod payload;
mod rate;
mod sound;
mod svt_av1;
mod table;

pub use av::{AacDecoder, AacEncoder, H264Decoder, most_threads};
pub use candidates::{Opened, Probe, look_for_hardware, open, open_except, open_named, probe};
pub use config::{Abilities, Content, Preset, Tune, VideoConfig, VideoEncoder};
pub use error::{EncoderError, Refusal};
pub use h264::h264_codecs;
pub use sound::{OpusDecoder, OpusEncoder};
