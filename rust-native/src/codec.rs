//! Codecs, as JavaScript names them: mirrors of the engine's own types.

use napi_derive::napi;

use crate::output::RefusedEncoder;

/// How pictures are coded.
#[napi(string_enum = "lowercase")]
pub enum Codec {
    H264,
    Hevc,
    Av1,
}

/// A codec that an encode may have.
#[napi(object)]
pub struct CodecChoice {
    /// Which.
    pub codec: Codec,
    /// The encoder that makes it here; absent where none does.
    pub encoder: Option<String>,
    /// Those that do not, each with its reason.
    pub refused: Vec<RefusedEncoder>,
    /// The kinds of destinations that take it; an RTMP server says so itself when it is asked.
    pub taken_by: Vec<String>,
}

impl From<Codec> for media::VideoCodec {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::H264 => Self::H264,
            Codec::Hevc => Self::Hevc,
            Codec::Av1 => Self::Av1,
        }
    }
}

impl From<media::VideoCodec> for Codec {
    fn from(codec: media::VideoCodec) -> Self {
        match codec {
            media::VideoCodec::H264 => Self::H264,
            media::VideoCodec::Hevc => Self::Hevc,
            media::VideoCodec::Av1 => Self::Av1,
        }
    }
}

impl From<control_api::CodecChoice> for CodecChoice {
    fn from(it: control_api::CodecChoice) -> Self {
        Self {
            codec: it.codec.into(),
            encoder: it.encoder,
            refused: it.refused.into_iter().map(Into::into).collect(),
            taken_by: it.taken_by,
        }
    }
}
