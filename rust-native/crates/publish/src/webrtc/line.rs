//! The way to the other side's signalling while a session lasts: WHIP's requests or a backend's messages, in one shape.

use std::time::Duration;

use media::Secret;
use signaling::backend::{self, BackendEvent, BackendSession};
use signaling::{BackendError, WhipError, WhipSession, whip};
use tokio::time::timeout;
use url::Url;

use super::trickle::Trickle;
use crate::destination::STOP_STEP;
use crate::failure::Failure;
use crate::net;

/// A backend's WebSocket over TCP or TLS.
pub(crate) type Backend = BackendSession<Box<dyn net::Stream>>;

/// An open session's signalling.
pub(super) enum Line {
    Whip { session: Box<WhipSession>, offer: String, trickle: Trickle },
    Backend { session: Box<Backend> },
}

/// What it says by itself.
pub(super) enum Word {
    /// A candidate of the other side: the JSON of an `RTCIceCandidateInit`, or `null`.
    Candidate(String),
    /// The session is over.
    Over(Failure),
}

/// Why a restart did not come about.
pub(super) enum Denied {
    /// Nobody was reached, or the server was too busy.
    NotReached,
    /// It refuses.
    Refused(Failure),
}

/// Connects to a backend and says hello.
pub(crate) async fn open_backend(url: &Url, key: Option<&Secret>) -> Result<Backend, Failure> {
    let (host, port, tls) = backend::place(url)?;
    let connection = net::connect(&host, port, tls).await?;
    Ok(BackendSession::open(connection.stream, url, key).await?)
}

impl Line {
    /// Offers by WHIP.
    pub(super) async fn whip(url: &Url, key: Option<&Secret>, offer: &str) -> Result<Self, WhipError> {
        let session = Box::new(whip::publish(url, key, offer).await?);
        Ok(Self::Whip { session, offer: offer.to_owned(), trickle: Trickle::default() })
    }

    /// Whether the other side knows ICE restarts.
    pub(super) fn can_restart(&self) -> bool {
        match self {
            Self::Whip { session, .. } => session.can_restart(),
            Self::Backend { session } => session.can_restart,
        }
    }

    /// Offers an ICE restart; gives the answer.
    pub(super) async fn restart(&mut self, new_offer: String) -> Result<String, Denied> {
        match self {
            Self::Whip { session, offer, trickle } => {
                trickle.forget();
                match session.restart(&new_offer).await {
                    Ok(()) => {
                        *offer = new_offer;
                        Ok(session.answer.clone())
                    }
                    Err(error) if error.is_passing() => Err(Denied::NotReached),
                    Err(error) => Err(Denied::Refused(error.into())),
                }
            }
            Self::Backend { session } => match session.offer(&new_offer, true).await {
                Ok(answer) => Ok(answer),
                // The WebSocket went with the path: there is nothing left to ask over.
                Err(error) => Err(Denied::Refused(error.into())),
            },
        }
    }

    /// Tells a candidate of ours.
    pub(super) async fn candidate(&mut self, json: &str) {
        match self {
            Self::Whip { session, offer, trickle } => {
                trickle.add(json);
                trickle.begin(session, offer);
            }
            Self::Backend { session } => {
                if session.candidate(json).await.is_err() {
                    tracing::debug!("a candidate could not be told");
                }
            }
        }
    }

    /// What the other side says by itself. May be cancelled and called again.
    pub(super) async fn recv(&mut self) -> Word {
        match self {
            Self::Whip { session, offer, trickle } => loop {
                trickle.told().await;
                trickle.begin(session, offer);
            },
            Self::Backend { session } => match session.recv().await {
                BackendEvent::Candidate(json) => Word::Candidate(json),
                BackendEvent::Over(error) => Word::Over(error.into()),
            },
        }
    }

    /// Ends the session there; a server that does not answer finds out by itself.
    pub(super) async fn end(self) {
        match self {
            Self::Whip { session, .. } => {
                if !matches!(timeout(STOP_STEP, session.delete()).await, Ok(Ok(()))) {
                    tracing::debug!("the server did not confirm the end of the session");
                }
            }
            Self::Backend { session } => session.close().await,
        }
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
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
