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
    /// The desktop asks its user.
    #[error("the desktop asks whether these keys may act everywhere")]
    Asking,
    /// The user said no to the desktop's question.
    #[error("the desktop was told not to hand out these keys")]
    Refused,
    /// The desktop gave some of them no key.
    #[error("the desktop has given no key to {0} of these")]
    Unset(usize),
    /// The desktop that was asked for the keys failed, or took them away.
    #[error("the desktop could not watch for the keys: {0}")]
    Desktop(String),
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
            Self::Asking => "hot_keys_asking",
            Self::Refused => "hot_keys_refused",
            Self::Unset(_) => "hot_keys_unset",
            Self::Desktop(_) => "hot_keys_desktop",
            Self::NoDisplay(_) => "hot_keys_no_display",
            Self::Lost(_) => "hot_keys_lost",
        }
    }

    /// One sentence for people: what to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::UnknownKey(_) => "Choose another key.",
            Self::Asking => "Answer its question; until then the keys act while Tidecast's own window is in front.",
            Self::Refused | Self::Desktop(_) => {
                "Set a key again to be asked again; the keys still act while Tidecast's own window is in front."
            }
            Self::Unset(_) => {
                "Choose keys for Tidecast in the desktop's settings; until then those act while its own window is in front."
            }
            Self::NotHere(_) | Self::NoDisplay(_) | Self::Lost(_) => {
                "The keys still act while Tidecast's own window is in front."
            }
        }
    }
}
