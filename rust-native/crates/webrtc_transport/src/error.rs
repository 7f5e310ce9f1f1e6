//! What can go wrong with a peer, named by what the caller can do about it.

/// Why a peer could not be made or connected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No socket, no certificate, no offer: the machine refuses.
    #[error("the WebRTC connection could not be prepared: {0}")]
    Setup(String),
    /// The other side's answer is not SDP, or answers something else than was offered.
    #[error("the answer could not be used: {0}")]
    Answer(String),
    /// The answer refuses H.264 as it was offered.
    #[error("the other side does not take H.264 constrained baseline")]
    VideoRefused,
    /// An ICE candidate that can't be read.
    #[error("the ICE candidate could not be used: {0}")]
    Candidate(String),
}

impl TransportError {
    /// Stable, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setup(_) => "webrtc_setup",
            Self::Answer(_) => "webrtc_answer",
            Self::VideoRefused => "video_refused",
            Self::Candidate(_) => "webrtc_candidate",
        }
    }

    /// One sentence: what to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Setup(_) => "Check that the network is up and that a firewall lets the program open UDP sockets.",
            Self::Answer(_) => "Check that the address is a WHIP endpoint, and look into the server's log.",
            Self::VideoRefused => "Allow H.264 (constrained baseline) on the server.",
            Self::Candidate(_) => "Reload the window; if it happens again, send the diagnostics.",
        }
    }
}
