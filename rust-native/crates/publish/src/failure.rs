//! Why an attempt failed, whatever protocol it spoke.

use std::io;
use std::time::Duration;

use media::VideoCodec;
use rtmp::RtmpError;
use signaling::WhipError;
use webrtc_transport::TransportError;

use crate::destination::PublishStatus;

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Stable, `snake_case`.
    pub code: &'static str,
    /// What happened, one sentence.
    pub message: String,
    /// What to do, one sentence.
    pub hint: &'static str,
    /// Nothing will change without the user.
    pub is_final: bool,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
    /// How long it was waited for already, by other means than a new attempt: the next one's pause counts from then.
    pub waited: Duration,
}

impl Failure {
    pub(crate) fn new(code: &'static str, message: impl Into<String>, hint: &'static str) -> Self {
        Self { code, message: message.into(), hint, is_final: false, retry_after: None, waited: Duration::ZERO }
    }

    pub(crate) fn into_failed(self) -> PublishStatus {
        PublishStatus::Failed { code: self.code, message: self.message, hint: self.hint }
    }

    pub(crate) fn no_media_path() -> Self {
        Self::new(
            "no_media_path",
            "the server took the stream, but no media connection came about",
            "Check that UDP is open between this machine and the server.",
        )
    }

    /// It worked, and does no more.
    pub fn connection_lost() -> Self {
        Self::new(
            "connection_lost",
            "the connection to the server is lost",
            "Check the network; the stream goes on by itself once the server can be reached.",
        )
    }

    pub(crate) fn network_changed() -> Self {
        Self::new(
            "network_changed",
            "this machine's network has changed",
            "The stream goes on by itself over the new network.",
        )
    }

    /// No name, no route, nobody listens there.
    pub fn unreachable(error: &io::Error) -> Self {
        Self::new(
            "address_unreachable",
            format!("the server can't be reached: {}", error.kind()),
            "Check the address and the network, and that the server runs.",
        )
    }

    /// The machine is there, and its port is closed.
    pub(crate) fn nobody_listens() -> Self {
        Self::new(
            "nobody_listens",
            "nobody receives the stream there",
            "Start the receiver, and check its address and port; the stream goes there by itself then.",
        )
    }

    /// Connected, and then silence.
    pub fn no_answer() -> Self {
        Self::new(
            "no_answer",
            "the server does not answer",
            "Check that the server is up and that a firewall lets the connection through.",
        )
    }

    /// The certificate, or no TLS at all.
    pub(crate) fn no_tls(error: &io::Error) -> Self {
        Self::new(
            "tls_failed",
            format!("no encrypted connection came about: {error}"),
            "Check the address, and that this machine's date and the server's certificate are right.",
        )
    }

    /// What is encoded can't go there.
    pub(crate) fn codec_not_taken(codec: VideoCodec, by: &str) -> Self {
        let message = format!("{by} is not sent {codec} here: its receivers don't take it");
        let hint = "Choose H.264 for this destination, which every server takes.";
        Self { is_final: true, ..Self::new("codec_not_taken", message, hint) }
    }

    /// Its answers break its protocol in a way that no server's do.
    pub fn bad_peer(what: &str) -> Self {
        Self::new(
            "bad_peer",
            format!("the server sends what no server may send: {what}"),
            "Check the address; if it is right, tell whoever runs the server.",
        )
    }

    /// Data goes in and nothing gets through.
    pub(crate) fn stalled() -> Self {
        Self::new(
            "connection_stalled",
            "the server takes no data any more",
            "Check the network; the stream goes on by itself once the server can be reached.",
        )
    }
}

impl From<WhipError> for Failure {
    fn from(error: WhipError) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
            hint: error.hint(),
            is_final: error.is_final(),
            retry_after: error.retry_after(),
            waited: Duration::ZERO,
        }
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        Self {
            is_final: matches!(error, TransportError::VideoRefused),
            ..Self::new(error.code(), error.to_string(), error.hint())
        }
    }
}

impl From<RtmpError> for Failure {
    fn from(error: RtmpError) -> Self {
        Self { is_final: error.is_final(), ..Self::new(error.code(), error.to_string(), error.hint()) }
    }
}
