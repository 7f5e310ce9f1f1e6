//! What every protocol here brings, in the same form.

use bytes::Bytes;
use media::MediaTime;

/// One piece of a publisher's media. Stamps lie on its own line (see `pace`).
#[derive(Debug, Clone)]
pub(super) enum Unit {
    /// The parameter sets of what follows.
    AvcSets(Vec<Bytes>),
    /// One picture.
    Avc {
        dts: MediaTime,
        pts: MediaTime,
        /// Not empty, and none of them is.
        units: Vec<Bytes>,
    },
    /// The `AudioSpecificConfig` of what follows.
    AacConfig(Bytes),
    /// One raw frame.
    Aac { pts: MediaTime, frame: Bytes },
    /// One packet.
    Opus { pts: MediaTime, packet: Bytes },
    /// Pictures that nobody here can use: the codec's name.
    OtherVideo(String),
    /// The same for sound.
    OtherAudio(String),
}

impl Unit {
    /// When it was to be there.
    pub(super) fn at(&self) -> Option<MediaTime> {
        match self {
            Self::Avc { dts, .. } => Some(*dts),
            Self::Aac { pts, .. } | Self::Opus { pts, .. } => Some(*pts),
            _ => None,
        }
    }

    /// Payload bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Avc { units, .. } => units.iter().map(Bytes::len).sum(),
            Self::Aac { frame: payload, .. } | Self::Opus { packet: payload, .. } => payload.len(),
            _ => 0,
        }
    }
}
