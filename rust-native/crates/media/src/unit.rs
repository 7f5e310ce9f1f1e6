//! What an encoder gives out and every destination takes in.

use bytes::Bytes;

use crate::{MediaTime, VideoCodec};

/// Which of a stream's tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Track {
    /// H.264.
    Video,
    /// The picture as HEVC, where that is what is encoded.
    Hevc,
    /// The picture as AV1, where that is what is encoded.
    Av1,
    /// Opus, 48 kHz stereo.
    Audio,
    /// The same sound as AAC-LC, 48 kHz stereo: encoded only while somebody reads it.
    Aac,
    /// What one input adds to the mix, as AAC-LC too: encoded only while a recording asks for it. The number is the
    /// mixer's for that input.
    Input(u32),
}

impl Track {
    /// How its pictures are coded; `None` for sound.
    pub const fn video_codec(self) -> Option<VideoCodec> {
        match self {
            Self::Video => Some(VideoCodec::H264),
            Self::Hevc => Some(VideoCodec::Hevc),
            Self::Av1 => Some(VideoCodec::Av1),
            Self::Audio | Self::Aac | Self::Input(_) => None,
        }
    }

    /// Whether it carries pictures, however they are coded.
    pub const fn is_picture(self) -> bool {
        self.video_codec().is_some()
    }
}

/// One encoded picture or one packet of sound. A clone is a reference count.
#[derive(Debug, Clone)]
pub struct AccessUnit {
    /// The track it belongs to.
    pub track: Track,
    /// When it is to be shown; for sound, the time of its first frame.
    pub pts: MediaTime,
    /// Decoding time; equals `pts`, as there are no B-frames.
    pub dts: MediaTime,
    /// A decoder may start here: an IDR with its parameter sets in front, or any packet of sound.
    pub keyframe: bool,
    /// When the newest pixels or samples in it were captured; a repeated picture keeps its first time.
    pub captured_at: MediaTime,
    /// H.264 and HEVC: Annex B (ITU-T H.264, H.265), in-band parameter sets before each IDR. AV1: one temporal unit
    /// without its delimiter, each OBU with its size, the sequence header before each keyframe. Opus: one packet (RFC 6716).
    /// AAC: one raw packet of 1024 frames, without ADTS header; what decoders need beforehand is [`AAC_CONFIG`].
    pub payload: Bytes,
}

/// The `AudioSpecificConfig` of every [`Track::Aac`] (ISO/IEC 14496-3 section 1.6.2.1): AAC-LC, 48 kHz, stereo, and
/// "no spectral band replication" said aloud, as FFmpeg's encoder does.
pub const AAC_CONFIG: &[u8] = &[0x11, 0x90, 0x56, 0xe5, 0x00];
/// Frames (of all channels) in one packet of [`Track::Aac`].
pub const AAC_PACKET_FRAMES: u32 = 1024;
