//! What a WHIP endpoint can answer, named by what the user can do about it.

use std::time::Duration;

/// Why there is no session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WhipError {
    /// Not a URL with `http` or `https` and a host.
    #[error("the address is not an http or https URL")]
    BadUrl,
    /// No connection: name, network, port or certificate.
    #[error("the server can't be reached: {0}")]
    AddressUnreachable(String),
    /// Connected, and then silence.
    #[error("the server does not answer")]
    NoAnswer,
    /// The server answers, but not as WHIP does.
    #[error("the server answers, but does not speak WHIP at this address ({0})")]
    NotWhip(String),
    /// 401 or 403.
    #[error("the server refuses the key (HTTP {0})")]
    Unauthorized(u16),
    /// 401 or 403 after a redirect to a host that the key was not given for.
    #[error(
        "the address leads to {host}, which wants a key (HTTP {status}); the key given for another host stays here"
    )]
    KeyWithheld {
        /// The HTTP status.
        status: u16,
        /// Where the redirect led.
        host: String,
    },
    /// 404 or 410.
    #[error("there is nothing at this address (HTTP {0})")]
    NotFound(u16),
    /// 409: usually somebody publishes there already.
    #[error("the stream is in use (HTTP 409)")]
    Conflict,
    /// 400, 406, 415 or 422: the offer itself is refused.
    #[error("the server does not take this stream (HTTP {0})")]
    OfferRefused(u16),
    /// 429 or 5xx.
    #[error("the server has a problem (HTTP {status})")]
    ServerError {
        /// The HTTP status.
        status: u16,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// 201, but what came with it is no SDP, or too long.
    #[error("the server's answer is not SDP ({0})")]
    NotSdp(String),
}

impl WhipError {
    /// Stable, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadUrl => "bad_url",
            Self::AddressUnreachable(_) => "address_unreachable",
            Self::NoAnswer => "no_answer",
            Self::NotWhip(_) => "not_whip",
            Self::Unauthorized(_) => "unauthorized",
            Self::KeyWithheld { .. } => "key_withheld",
            Self::NotFound(_) => "not_found",
            Self::Conflict => "conflict",
            Self::OfferRefused(_) => "offer_refused",
            Self::ServerError { .. } => "server_error",
            Self::NotSdp(_) => "not_sdp",
        }
    }

    /// One sentence: what to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BadUrl => "Enter the whole address, beginning with https:// or http://.",
            Self::AddressUnreachable(_) => "Check the address and the network, and that the server runs.",
            Self::NoAnswer => "Check that the server is up and that a firewall lets HTTP through.",
            Self::NotWhip(_) => "Enter the server's WHIP address, which often ends in /whip or the stream's name.",
            Self::Unauthorized(_) => "Enter the stream key again.",
            Self::KeyWithheld { .. } => "Where you trust that host, enter its own address with the key.",
            Self::NotFound(_) => "Check the path of the address, and that the stream exists on the server.",
            Self::Conflict => "End the other publisher of this stream, or wait until the server lets go of it.",
            Self::OfferRefused(_) => "Check that the server takes H.264 and Opus over WHIP.",
            Self::ServerError { .. } => "Wait a little, or look into the server's log.",
            Self::NotSdp(_) => "Check that the address is a WHIP endpoint, and look into the server's log.",
        }
    }

    /// Whether trying again without a change by the user is useless.
    pub fn is_final(&self) -> bool {
        match self {
            Self::BadUrl
            | Self::NotWhip(_)
            | Self::Unauthorized(_)
            | Self::KeyWithheld { .. }
            | Self::NotFound(_)
            | Self::OfferRefused(_) => true,
            Self::AddressUnreachable(_)
            | Self::NoAnswer
            | Self::Conflict
            | Self::ServerError { .. }
            | Self::NotSdp(_) => false,
        }
    }

    /// Whether the same request may succeed a little later: nobody was reached, or the server is overloaded.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::AddressUnreachable(_) | Self::NoAnswer | Self::ServerError { .. })
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::ServerError { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What a status other than 201 and the redirects means.
    pub(super) fn from_status(status: u16, retry_after: Option<Duration>) -> Self {
        match status {
            401 | 403 => Self::Unauthorized(status),
            404 | 410 => Self::NotFound(status),
            409 => Self::Conflict,
            400 | 406 | 415 | 422 => Self::OfferRefused(status),
            // A web server that knows the path but not the method.
            501 => Self::NotWhip("HTTP 501".into()),
            429 | 500..=599 => Self::ServerError { status, retry_after },
            _ => Self::NotWhip(format!("HTTP {status}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_meaning() {
        let code = |status| WhipError::from_status(status, None).code();
        for (status, expected) in [
            (200, "not_whip"),
            (204, "not_whip"),
            (400, "offer_refused"),
            (401, "unauthorized"),
            (403, "unauthorized"),
            (404, "not_found"),
            (405, "not_whip"),
            (409, "conflict"),
            (415, "offer_refused"),
            (418, "not_whip"),
            (429, "server_error"),
            (500, "server_error"),
            (501, "not_whip"),
            (503, "server_error"),
        ] {
            assert_eq!(code(status), expected, "HTTP {status}");
        }
        assert!(WhipError::from_status(404, None).is_final());
        assert!(!WhipError::from_status(409, None).is_final());
    }
}
