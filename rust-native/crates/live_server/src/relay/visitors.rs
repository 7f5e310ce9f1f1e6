//! Who is here, as it may be shown: without the names that open sessions.

use std::net::IpAddr;
use std::time::SystemTime;

use super::Role;

/// A key that somebody came in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyUse {
    /// The key's name.
    pub(crate) id: String,
    /// Viewers at the same time; 0 for no limit.
    pub(crate) most_viewers: u32,
}

impl KeyUse {
    /// Whether so many viewers leave no room for another.
    pub(crate) fn is_full(&self, viewers: usize) -> bool {
        self.most_viewers > 0 && viewers >= self.most_viewers as usize
    }
}

/// Somebody who publishes or watches.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    /// See [`super::SessionId::public`].
    pub(crate) id: String,
    pub(crate) stream: String,
    pub(crate) role: Role,
    /// `whip`, `rtmp`, `srt`, `hls` or `whep`; a viewer's `whep`, `hls`, `http-flv`, `ws-flv`, `rtmp` or `srt`.
    pub(crate) protocol: &'static str,
    pub(crate) address: IpAddr,
    pub(crate) since: SystemTime,
    /// The name of the key that was made for it.
    pub(crate) key: Option<String>,
}

/// Some of them.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    /// By its public name.
    Session(String),
    /// All that came with a key.
    Key(String),
}

impl Which {
    pub(crate) fn is(&self, visitor: &Visitor) -> bool {
        match self {
            Self::Session(id) => visitor.id == *id,
            Self::Key(key) => visitor.key.as_ref() == Some(key),
        }
    }
}
