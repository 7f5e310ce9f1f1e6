//! What can go wrong with a backend's WebSocket, named by what the user can do about it.

use std::time::Duration;

/// Why there is no signalling, or no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// Not a URL with `ws` or `wss` and a host.
    #[error("the address is not a ws or wss URL")]
    BadUrl,
    /// The server answers, but not with a WebSocket that speaks this protocol.
    #[error("the server answers, but does not speak this signalling ({0})")]
    NotSignalling(String),
    /// Another version of it.
    #[error("the server speaks version {theirs} of the signalling; this program speaks version {ours}")]
    OtherVersion {
        /// The server's.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// Connected, and then silence.
    #[error("the server does not answer")]
    NoAnswer,
    /// The upgrade is refused with 401 or 403.
    #[error("the server refuses the key (HTTP {0})")]
    Unauthorized(u16),
    /// With 404 or 410.
    #[error("there is nothing at this address (HTTP {0})")]
    NotFound(u16),
    /// With 409.
    #[error("the stream is in use (HTTP 409)")]
    Conflict,
    /// With 429 or 5xx.
    #[error("the server has a problem (HTTP {status})")]
    ServerError {
        /// The HTTP status.
        status: u16,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// An `error` message.
    #[error("the server says: {message} ({code})")]
    Refused {
        /// The server's code.
        code: String,
        /// What it says.
        message: String,
        /// Trying again is useless.
        is_final: bool,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// A `restart` message.
    #[error("the server asks for a new connection")]
    AskedAnew,
    /// The WebSocket was closed or broke.
    #[error("the server has closed the signalling")]
    Closed,
}

impl BackendError {
    /// Stable, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadUrl => "bad_ws_url",
            Self::NotSignalling(_) => "not_signaling",
            Self::OtherVersion { .. } => "signaling_version",
            Self::NoAnswer => "no_answer",
            Self::Unauthorized(_) => "unauthorized",
            Self::NotFound(_) => "not_found",
            Self::Conflict => "conflict",
            Self::ServerError { .. } => "server_error",
            Self::Refused { .. } => "backend_refused",
            Self::AskedAnew => "backend_restart",
            Self::Closed => "signaling_closed",
        }
    }

    /// One sentence: what to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BadUrl => "Enter the whole address, beginning with wss:// or ws://.",
            Self::NotSignalling(_) => "Check the address, and that the server speaks Tidecast's WebSocket signalling.",
            Self::OtherVersion { .. } => "Update this program or the server.",
            Self::NoAnswer => "Check that the server is up and that a firewall lets the connection through.",
            Self::Unauthorized(_) => "Enter the stream key again.",
            Self::NotFound(_) => "Check the path of the address, and that the stream exists on the server.",
            Self::Conflict => "End the other publisher of this stream, or wait until the server lets go of it.",
            Self::ServerError { .. } => "Wait a little, or look into the server's log.",
            Self::Refused { .. } => "Look into the server's log.",
            Self::AskedAnew | Self::Closed => "The stream goes on by itself once the server takes it again.",
        }
    }

    /// Whether trying again without a change by the user is useless.
    pub fn is_final(&self) -> bool {
        match self {
            Self::BadUrl
            | Self::NotSignalling(_)
            | Self::OtherVersion { .. }
            | Self::Unauthorized(_)
            | Self::NotFound(_) => true,
            Self::Refused { is_final, .. } => *is_final,
            Self::NoAnswer | Self::Conflict | Self::ServerError { .. } | Self::AskedAnew | Self::Closed => false,
        }
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::ServerError { retry_after, .. } | Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What a status other than 101 means.
    pub(super) fn from_status(status: u16, retry_after: Option<Duration>) -> Self {
        match status {
            401 | 403 => Self::Unauthorized(status),
            404 | 410 => Self::NotFound(status),
            409 => Self::Conflict,
            429 | 500 | 502..=599 => Self::ServerError { status, retry_after },
            _ => Self::NotSignalling(format!("HTTP {status}")),
        }
    }
}
