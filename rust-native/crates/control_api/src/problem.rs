//! Every crate's errors as the one thing a user reads and a program tells apart.

use crate::event::Problem;

impl Problem {
    /// A problem of the engine's own.
    pub(crate) fn new(code: &str, message: impl Into<String>, hint: &str) -> Self {
        Self { code: code.to_owned(), message: message.into(), hint: hint.to_owned() }
    }

    /// A command's value that is out of its range.
    pub(crate) fn bad_value(message: impl Into<String>) -> Self {
        Self::new("bad_value", message, "Enter a value in the range that is named.")
    }

    /// A command that makes no sense now.
    pub(crate) fn not_now(message: &str, hint: &str) -> Self {
        Self::new("not_now", message, hint)
    }

    /// Something in the engine itself broke.
    pub(crate) fn internal(what: impl std::fmt::Display) -> Self {
        Self::new(
            "internal",
            format!("The media engine hit an error of its own: {what}"),
            "Copy the diagnostics and report it; starting the capture again usually helps.",
        )
    }
}

macro_rules! describes_itself {
    ($($error:ty),+) => {$(
        impl From<$error> for Problem {
            fn from(error: $error) -> Self {
                Self::new(error.code(), error.to_string(), error.hint())
            }
        }
    )+};
}

describes_itself!(
    capture::video::VideoError,
    capture::audio::AudioError,
    encoder::EncoderError,
    record::RecordError,
    ::hot_keys::HotKeyError,
    scene::SceneError,
    live_server::ServerError,
    signaling::SignalingError,
    ::sound::SoundError
);
