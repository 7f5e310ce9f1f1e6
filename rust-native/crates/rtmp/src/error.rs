//! What can go wrong with a server, named by what the user can do about it.

use media::VideoCodec;

use crate::status::Refusal;

/// Why there is no stream, or none any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtmpError {
    /// Not `rtmp://` or `rtmps://` with a host, an application and a stream's name or key.
    #[error("the address is not a whole RTMP address")]
    BadUrl,
    /// The bytes are not RTMP's, or are damaged.
    #[error("the server does not speak RTMP ({0})")]
    NotRtmp(&'static str),
    /// A message that is larger or deeper than any server needs.
    #[error("the server's answer is too large ({0})")]
    TooLarge(&'static str),
    /// The server said no.
    #[error("{0}")]
    Refused(Refusal),
    /// It does not list the codec among those that it takes.
    #[error("the server does not list {0} among what it takes")]
    CodecNotTaken(VideoCodec),
    /// The server asks to connect anew (Enhanced RTMP v2, `ReconnectRequest`).
    #[error("the server asks to connect again")]
    ReconnectRequested,
    /// What was played is over.
    #[error("the stream is over")]
    Over,
}

impl RtmpError {
    /// Stable, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadUrl => "bad_rtmp_url",
            Self::NotRtmp(_) | Self::TooLarge(_) => "not_rtmp",
            Self::Refused(refusal) => refusal.code(),
            Self::CodecNotTaken(_) => "codec_not_taken",
            Self::ReconnectRequested => "reconnect_requested",
            Self::Over => "stream_over",
        }
    }

    /// One sentence: what to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BadUrl => "Enter the whole address, such as rtmp://host/app, and the stream key.",
            Self::NotRtmp(_) | Self::TooLarge(_) => "Check the address and the port, and whether it must be rtmps://.",
            Self::Refused(refusal) => refusal.hint(),
            Self::CodecNotTaken(_) => "Choose H.264 for this destination, which every server takes.",
            Self::Over => "Start the stream there again; it goes on by itself then.",
            Self::ReconnectRequested => "Nothing needs to be done: the stream goes on by itself.",
        }
    }

    /// Whether trying again without a change by the user is useless.
    pub fn is_final(&self) -> bool {
        match self {
            Self::BadUrl | Self::CodecNotTaken(_) => true,
            Self::Refused(refusal) => refusal.is_final(),
            Self::NotRtmp(_) | Self::TooLarge(_) | Self::ReconnectRequested | Self::Over => false,
        }
    }
}
