//! What can go wrong, as a user reads it and a program tells it apart.

use std::fmt;

use media::{Size, VideoCodec};

/// An encoder that can't be used here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its name in libavcodec.
    pub name: String,
    /// Why, in words.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

/// A failure of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncoderError {
    /// Not one candidate could be opened.
    #[error("no encoder of {codec} works here ({})", list(.refused))]
    NoEncoder {
        /// What was to be made.
        codec: VideoCodec,
        /// Each with its reason.
        refused: Vec<Refusal>,
    },
    /// No candidate has that name.
    #[error("there is no video encoder called {name}")]
    UnknownEncoder {
        /// What was asked for.
        name: String,
    },
    /// That candidate can't be used here.
    #[error("the video encoder {0} can't be used")]
    Refused(Refusal),
    /// Settings that no encoder can take.
    #[error("the video settings can't be encoded: {what}")]
    UnsupportedSettings {
        /// Which, and why.
        what: String,
    },
    /// The picture is not of the configured size.
    #[error("a picture of {got} came to an encoder of {expected}")]
    WrongPictureSize {
        /// As configured.
        expected: Size,
        /// As given.
        got: Size,
    },
    /// An open encoder failed on a picture.
    #[error("the video encoder {name} failed: {reason}")]
    EncodeFailed {
        /// The encoder.
        name: &'static str,
        /// In its own words.
        reason: String,
    },
    /// It can't take pictures where they lie on the graphics card; it goes on with those in memory.
    #[error("the video encoder {name} can't take pictures from the graphics card: {reason}")]
    SurfaceRefused {
        /// The encoder.
        name: &'static str,
        /// Why, in words.
        reason: String,
    },
    /// The Opus encoder failed.
    #[error("the sound encoder failed: {reason}")]
    SoundFailed {
        /// In its own words.
        reason: String,
    },
}

impl EncoderError {
    /// Stable, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoEncoder { codec: VideoCodec::H264, .. } => "no_encoder",
            Self::NoEncoder { .. } => "no_encoder_of_codec",
            Self::UnknownEncoder { .. } => "unknown_encoder",
            Self::Refused(_) => "encoder_refused",
            Self::UnsupportedSettings { .. } => "unsupported_video_settings",
            Self::WrongPictureSize { .. } => "wrong_picture_size",
            Self::EncodeFailed { .. } => "encode_failed",
            Self::SurfaceRefused { .. } => "surface_refused",
            Self::SoundFailed { .. } => "sound_encode_failed",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoEncoder { codec: VideoCodec::Hevc | VideoCodec::Av1, .. } => {
                "Choose H.264, or run Tidecast on a machine whose graphics card makes this codec."
            }
            Self::NoEncoder { .. } => "Reinstall Tidecast; its built-in encoder should work on every machine.",
            Self::UnknownEncoder { .. } | Self::Refused(_) => "Choose another encoder, or let Tidecast choose.",
            Self::UnsupportedSettings { .. } => {
                "Choose a smaller picture, fewer pictures per second or another bitrate."
            }
            Self::WrongPictureSize { .. } => "Stop the capture and start it again, and report this as a fault.",
            Self::EncodeFailed { .. } => "Start the capture again; if it fails again, choose another encoder.",
            Self::SurfaceRefused { .. } => "Nothing is lost: pictures are copied through memory instead.",
            Self::SoundFailed { .. } => "Stop the capture and start it again.",
        }
    }
}

fn list(refused: &[Refusal]) -> String {
    refused.iter().map(Refusal::to_string).collect::<Vec<_>>().join("; ")
}
