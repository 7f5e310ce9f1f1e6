//! The tracks that a stream's files are of, and how addresses name them.

use std::borrow::Cow;

use container::{AUDIO_RATE, VIDEO_RATE};

use crate::ladder::Rung;

/// Which track a resource holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// H.264.
    Video,
    /// Opus, as it was published.
    Audio,
    /// The picture, smaller.
    Lower(Rung),
}

impl Kind {
    /// What a publisher sends.
    pub(crate) const ALL: [Self; 2] = [Self::Video, Self::Audio];

    /// In addresses.
    pub(crate) fn name(self) -> Cow<'static, str> {
        match self {
            Self::Video => "video".into(),
            Self::Audio => "audio".into(),
            Self::Lower(rung) => rung.to_string().into(),
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        let own = Self::ALL.into_iter().find(|kind| kind.name() == name);
        own.or_else(|| Rung::named(name).map(Self::Lower))
    }

    /// Ticks in a second.
    pub(crate) fn rate(self) -> u32 {
        match self {
            Self::Video | Self::Lower(_) => VIDEO_RATE,
            Self::Audio => AUDIO_RATE,
        }
    }
}
