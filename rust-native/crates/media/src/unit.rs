//! What an encoder gives out and every destination takes in.

use bytes::Bytes;

use crate::MediaTime;

/// Which of a stream's two tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Track {
    /// H.264.
    Video,
    /// Opus, 48 kHz stereo.
    Audio,
}

/// One encoded picture or one Opus packet. A clone is a reference count.
#[derive(Debug, Clone)]
pub struct AccessUnit {
    /// The track it belongs to.
    pub track: Track,
    /// When it is to be shown; for sound, the time of its first frame.
    pub pts: MediaTime,
    /// Decoding time; equals `pts`, as there are no B-frames.
    pub dts: MediaTime,
    /// A decoder may start here: an IDR with its parameter sets in front, or any Opus packet.
    pub keyframe: bool,
    /// When the newest pixels or samples in it were captured; a repeated picture keeps its first time.
    pub captured_at: MediaTime,
    /// H.264: Annex B (ITU-T H.264 annex B), in-band SPS and PPS before each IDR. Opus: one packet (RFC 6716).
    pub payload: Bytes,
}
