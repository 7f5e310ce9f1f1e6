//! Which codec a picture is coded in, and what is the same question for each of them.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Size, Track, av1, h264, hevc};

/// How pictures are coded. One encode has one codec; its pictures travel on a track of their own, so that who asked for
/// H.264 never sees anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// H.264: what every destination takes.
    #[default]
    H264,
    /// HEVC (ITU-T H.265).
    Hevc,
    /// AV1.
    Av1,
}

impl VideoCodec {
    /// All of them, the most common first.
    pub const ALL: [Self; 3] = [Self::H264, Self::Hevc, Self::Av1];

    /// The track that carries it.
    pub const fn track(self) -> Track {
        match self {
            Self::H264 => Track::Video,
            Self::Hevc => Track::Hevc,
            Self::Av1 => Track::Av1,
        }
    }

    /// As settings and the command line write it: `"h264"`, `"hevc"`, `"av1"`.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Hevc => "hevc",
            Self::Av1 => "av1",
        }
    }

    /// An access unit as files and RTMP hold it: length-prefixed NAL units without parameter sets (ISO/IEC 14496-15), or
    /// AV1's units without the temporal delimiter.
    pub fn sample(self, access_unit: &Bytes) -> Bytes {
        match self {
            Self::H264 => h264::length_prefixed(access_unit),
            Self::Hevc => hevc::length_prefixed(access_unit),
            Self::Av1 => av1::without_delimiters(access_unit),
        }
    }
}

impl fmt::Display for VideoCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "H.264",
            Self::Hevc => "HEVC",
            Self::Av1 => "AV1",
        })
    }
}

impl FromStr for VideoCodec {
    type Err = UnknownCodec;

    fn from_str(text: &str) -> Result<Self, UnknownCodec> {
        Self::ALL.into_iter().find(|codec| codec.keyword() == text).ok_or(UnknownCodec)
    }
}

/// A word that names no codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownCodec;

impl fmt::Display for UnknownCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the codecs are h264, hevc and av1")
    }
}

impl std::error::Error for UnknownCodec {}

/// What a decoder needs before the first picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameters {
    /// SPS and PPS.
    H264(h264::ParameterSets),
    /// VPS, SPS and PPS.
    Hevc(hevc::ParameterSets),
    /// The sequence header.
    Av1(av1::SequenceHeader),
}

impl Parameters {
    /// Those of a keyframe; `None` where they are missing or damaged.
    pub fn find(codec: VideoCodec, keyframe: &Bytes) -> Option<Self> {
        Some(match codec {
            VideoCodec::H264 => Self::H264(h264::ParameterSets::find(keyframe)?),
            VideoCodec::Hevc => Self::Hevc(hevc::ParameterSets::find(keyframe)?),
            VideoCodec::Av1 => Self::Av1(av1::SequenceHeader::find(keyframe)?),
        })
    }

    /// Whose they are.
    pub fn codec(&self) -> VideoCodec {
        match self {
            Self::H264(_) => VideoCodec::H264,
            Self::Hevc(_) => VideoCodec::Hevc,
            Self::Av1(_) => VideoCodec::Av1,
        }
    }

    /// The record that files and RTMP carry in front: `avcC`, `hvcC` or `av1C`.
    pub fn configuration_record(&self) -> Bytes {
        match self {
            Self::H264(sets) => sets.configuration_record(),
            Self::Hevc(sets) => sets.configuration_record(),
            Self::Av1(header) => header.configuration_record(),
        }
    }

    /// The picture's size in pixels; `None` where H.264's SPS is damaged.
    pub fn size(&self) -> Option<Size> {
        match self {
            Self::H264(sets) => sets.size(),
            Self::Hevc(sets) => Some(sets.size()),
            Self::Av1(header) => Some(header.size()),
        }
    }
}

impl From<h264::ParameterSets> for Parameters {
    fn from(sets: h264::ParameterSets) -> Self {
        Self::H264(sets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_codec_has_a_word_and_a_track_of_its_own() {
        for codec in VideoCodec::ALL {
            assert_eq!(codec.keyword().parse(), Ok(codec));
            assert_eq!(codec.track().video_codec(), Some(codec));
        }
        assert!("h265".parse::<VideoCodec>().is_err());
        assert_eq!(Track::Aac.video_codec(), None);
    }
}
