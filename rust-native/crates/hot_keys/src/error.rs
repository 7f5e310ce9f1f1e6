//! Why a key can't be a hot key, or not everywhere.

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HotKeyError {
    /// A name that is none of a key.
    #[error("\"{0}\" is no key that can be set")]
    UnknownKey(String),
    /// The system shows a program no keys but its own.
    #[error("keys that are pressed in other programs can't be seen here: {0}")]
    NotHere(&'static str),
    /// No X server answers, or it refuses.
    #[error("the display that has the keyboard can't be reached: {0}")]
    NoDisplay(String),
    /// The X server went away.
    #[error("the display that has the keyboard was lost: {0}")]
    Lost(String),
}

impl HotKeyError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownKey(_) => "unknown_key",
            Self::NotHere(_) => "hot_keys_not_here",
            Self::NoDisplay(_) => "hot_keys_no_display",
            Self::Lost(_) => "hot_keys_lost",
        }
    }

    /// One sentence for people: what to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::UnknownKey(_) => "Choose another key.",
            Self::NotHere(_) | Self::NoDisplay(_) | Self::Lost(_) => {
                "The keys still act while Tidecast's own window is in front."
            }
        }
    }
}
